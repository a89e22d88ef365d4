//! Another configuration while the gateway runs: built whole beside the one in effect, and swapped in one step; or refused, and the
//! one in effect stays.

mod changes;
mod fixed;

use self::changes::Changes;
use super::{Failure, parts::Parts};
use crate::{
    config::{Config, Diagnostic, Errors, Loaded},
    file_stamps::FileStamps,
    gateway::{Plan, Process},
    server::{Options, access_log::AccessLog, admin::Admin},
};
use arc_swap::ArcSwap;
use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Between two looks at the files.
const INTERVAL: Duration = Duration::from_secs(1);

/// A configuration that is served.
#[derive(Debug)]
pub(super) struct InEffect {
    pub(super) config: Config,
    pub(super) plan: Arc<Plan>,
}

/// Where the configuration comes from.
pub(crate) struct Source {
    /// Reads it, and notes the files that it reads.
    pub(crate) load: Box<dyn Fn(&mut FileStamps) -> Result<Loaded, Errors> + Send>,
    /// Those that were read last time.
    pub(crate) files: FileStamps,
}

/// Who changes the configuration.
pub(super) struct Keeper {
    pub(super) process: Process,
    /// Gives the workers something else to serve with.
    pub(super) install: Box<dyn Fn(&Plan, &Options) + Send>,
    pub(super) in_effect: Arc<ArcSwap<InEffect>>,
    pub(super) pages: Arc<ArcSwap<Admin>>,
    pub(super) parts: Parts,
}

impl Keeper {
    /// Takes up what changes in the source, on a thread of its own, until it is stopped.
    ///
    /// # Errors
    ///
    /// When there is no thread for it.
    pub(super) fn keep(self, source: Option<Source>) -> io::Result<KeeperThread> {
        let lines = self.parts.lines.clone();
        let (commands, commanded) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("configuration".to_owned())
            .spawn(move || self.run(source, &commanded))?;
        Ok(KeeperThread { commands: Some(commands), thread, lines })
    }

    fn run(mut self, mut source: Option<Source>, commanded: &Receiver<()>) -> Self {
        let mut changes =
            source.as_ref().map(|source| Changes::since(source.files.clone())).unwrap_or_default();
        loop {
            let why = match commanded.recv_timeout(INTERVAL) {
                Ok(()) => "a signal",
                Err(RecvTimeoutError::Timeout) => {
                    let watches = self.in_effect.load().config.server.watch;
                    if !watches || !changes.look() {
                        continue;
                    }
                    "files have changed"
                }
                Err(RecvTimeoutError::Disconnected) => return self,
            };
            match &mut source {
                Some(source) => {
                    self.reload(source, why);
                    changes = Changes::since(source.files.clone());
                }
                None => tracing::warn!("there is no configuration file that could be read again"),
            }
        }
    }

    /// Reads the source again, and says what became of it.
    fn reload(&mut self, source: &mut Source, why: &str) {
        let began = Instant::now();
        let mut files = FileStamps::default();
        let loaded = (source.load)(&mut files);
        source.files = files;
        let outcome = loaded.map_err(Refusal::Errors).and_then(|loaded| {
            loaded.warnings.iter().for_each(Diagnostic::log_warning);
            self.take_up(loaded.config)
        });
        let took_ms = began.elapsed().as_secs_f64() * 1000.0;
        if matches!(outcome, Err(Refusal::Stopping)) {
            return;
        }
        self.process.metrics.config_reloaded(outcome.is_ok());
        match outcome {
            Ok(()) => tracing::info!(why, took_ms, "the configuration was taken up"),
            Err(refusal) => {
                let mistakes = refusal.log();
                tracing::error!(
                    why,
                    mistakes,
                    "the configuration is refused, the one in use stays"
                );
            }
        }
    }

    /// Swaps the configuration, or leaves everything as it is.
    fn take_up(&mut self, config: Config) -> Result<(), Refusal> {
        let before = self.in_effect.load_full();
        let fixed = fixed::changed(&before.config, &config);
        if !fixed.is_empty() {
            return Err(Refusal::Fixed(fixed));
        }
        let built = self
            .parts
            .build(&config, &self.process, Some(&before.plan))
            .map_err(Refusal::Failure)?;
        if self.parts.stopping.has_begun() {
            return Err(Refusal::Stopping);
        }
        let plan = built.plan.clone();
        (self.install)(&plan, &built.options);
        self.pages.store(Arc::new(self.parts.adopt(built, &config)));
        before.plan.retire(&plan);
        self.in_effect.store(Arc::new(InEffect { config, plan }));
        Ok(())
    }
}

/// Why a configuration is not taken up: each mistake in a line of its own.
enum Refusal {
    Errors(Errors),
    /// Keys that cannot change.
    Fixed(Vec<&'static str>),
    Failure(Failure),
    /// The process is about to end.
    Stopping,
}

impl Refusal {
    /// Says every mistake, and how many there were.
    fn log(&self) -> usize {
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
            Self::Stopping => {}
        }
        match self {
            Self::Errors(errors) => errors.0.len(),
            Self::Fixed(keys) => keys.len(),
            Self::Failure(_) => 1,
            Self::Stopping => 0,
        }
    }
}

/// The thread of a [`Keeper`].
pub(super) struct KeeperThread {
    /// `None` when it is to end.
    commands: Option<Sender<()>>,
    thread: JoinHandle<Keeper>,
    lines: Option<Arc<AccessLog>>,
}

impl KeeperThread {
    /// Has the source read again.
    pub(super) fn reload(&self) {
        if let Some(commands) = &self.commands {
            // A thread that has panicked reads nothing any more; that was reported there.
            let _ = commands.send(());
        }
    }

    /// Where lines of requests are collected.
    pub(super) fn lines(&self) -> Option<Arc<AccessLog>> {
        self.lines.clone()
    }

    /// From here on nothing is taken up.
    pub(super) fn stop(&mut self) {
        self.commands = None;
    }

    /// Waits for everything that goes by the configuration to end, after the drain has begun.
    ///
    /// # Errors
    ///
    /// When some of it has panicked.
    pub(super) fn join(mut self) -> Result<(), Failure> {
        self.stop();
        self.thread.join().map_err(|_| Failure::WorkerPanicked)?.parts.join()
    }
}
