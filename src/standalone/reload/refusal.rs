use crate::{config::Errors, standalone::Failure};
use std::time::{Duration, Instant};

/// Before another try at what may pass: half of what is waited at first, and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Why a configuration is not taken up: each mistake in a line of its own.
pub(super) enum Refusal {
    Errors(Errors),
    /// Keys that cannot change.
    Fixed(Vec<&'static str>),
    Failure(Failure),
    /// Something of ours that has panicked, which the log tells.
    Defect,
    /// The process is about to end.
    Stopping,
}

impl Refusal {
    /// Says every mistake, and how many there were.
    pub(super) fn log(&self) -> usize {
        match self {
            Self::Errors(errors) => errors.0.iter().for_each(|mistake| {
                let (file, line, key) = (mistake.file.display(), mistake.line, &*mistake.path);
                let (message, help) = (&*mistake.message, mistake.help.as_deref());
                tracing::error!(%file, line, key, mistake = message, help, "wrong configuration");
            }),
            Self::Fixed(keys) => keys.iter().for_each(|key| {
                let mistake = "cannot change while the gateway runs";
                let help = "put it back, or restart the gateway";
                tracing::error!(key, mistake, help, "wrong configuration");
            }),
            Self::Failure(failure) => {
                tracing::error!(mistake = %failure, "wrong configuration");
            }
            Self::Defect => {
                let help = "please report it, with the panic that the log has before this line";
                tracing::error!(mistake = "a defect of this program", help, "wrong configuration");
            }
            Self::Stopping => {}
        }
        match self {
            Self::Errors(errors) => errors.0.len(),
            Self::Fixed(keys) => keys.len(),
            Self::Failure(_) | Self::Defect => 1,
            Self::Stopping => 0,
        }
    }

    /// Whether it is not the configuration's fault, so that it may be taken up as it is: a store that is away.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Failure(Failure::Store { .. } | Failure::Worker(_)))
    }
}

/// When to try once more what was refused and may pass.
#[derive(Debug, Default)]
pub(super) struct Again {
    at: Option<Instant>,
    tries: u32,
}

impl Again {
    /// It was tried: whether it may pass yet.
    pub(super) fn note(&mut self, may_pass: bool) {
        self.tries = if may_pass { self.tries.saturating_add(1) } else { 0 };
        let pause = AGAIN.0.saturating_mul(1 << self.tries.min(16)).min(AGAIN.1);
        self.at = may_pass.then(|| Instant::now() + pause);
    }

    pub(super) fn is_due(&self) -> bool {
        self.at.is_some_and(|at| at <= Instant::now())
    }
}
