use super::Outcome;
use crate::fault::{Kind, UpstreamKind};
use http::{HeaderMap, StatusCode};
use std::{fmt, sync::Arc, time::Duration};

/// What was tried for a request, in the extensions of its answer.
#[derive(Clone, Debug, Default)]
pub struct Attempts(Vec<Attempt>);

/// One try at one endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The endpoint's name.
    pub endpoint: Arc<str>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it failed, if it did.
    pub fault: Option<UpstreamKind>,
    /// The status of its answer, if there was one.
    pub status: Option<StatusCode>,
    /// Until its answer was there and understood.
    pub took: Duration,
}

/// Hears of the tries for one request, of each before it is made and after. It must not block.
pub trait WatchAttempts: Send + Sync {
    /// The request is sent to this endpoint, for the first time (1) or the next. Header fields that are changed here are changed for this try
    /// alone.
    fn begins(&self, number: u32, endpoint: &Arc<str>, headers: &mut HeaderMap);

    /// It is known what became of that. Not heard where the request was given up meanwhile, or failed on the caller's side.
    fn ended(&self, attempt: &Attempt);
}

/// Who hears of them, in the extensions of a request to an [`Upstream`](super::Upstream).
#[derive(Clone)]
pub struct AttemptWatcher(pub Arc<dyn WatchAttempts>);

impl fmt::Debug for AttemptWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttemptWatcher(…)")
    }
}

impl Attempts {
    pub(super) fn push(&mut self, attempt: Attempt) {
        self.0.push(attempt);
    }

    /// In the order in which they were made.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Attempt> {
        self.0.iter()
    }

    /// How many there were.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was tried.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Such as `primary: refused (upstream_overloaded), backup: delivered`.
impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Attempt { endpoint, outcome, fault, .. }) in self.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{endpoint}: {}", outcome.as_str())?;
            if let Some(fault) = fault {
                write!(f, " ({})", Kind::Upstream(*fault))?;
            }
        }
        Ok(())
    }
}
