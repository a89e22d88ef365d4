//! What became of the work that a request asks for.
//!
//! Whoever reads a provider's answer, such as [`Upstream`](crate::upstream::Upstream), knows it first; whoever is paid for the work,
//! such as [`ChargeLayer`](crate::charge::ChargeLayer), must know it before the caller does. A [`WorkReport`] in the request's extensions is
//! where the one tells the other.

use crate::Fault;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How work has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkEnd {
    /// It is done, and what comes next in the answer says so.
    Succeeded,
    /// It is not, and what comes next in the answer says so.
    Failed(Fault),
    /// The answer has ended without a word of it.
    Unsaid,
    /// It was taken on before, for another request: for this one nothing new is done.
    Known,
}

/// Where it is said, once. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct WorkReport(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    end: Option<WorkEnd>,
    /// It goes on, as far as was read.
    goes_on: bool,
}

impl WorkReport {
    /// Says how it has ended. The first word counts.
    pub fn tell(&self, end: WorkEnd) {
        self.said().end.get_or_insert(end);
    }

    /// Says that it goes on.
    pub fn goes_on(&self) {
        self.said().goes_on = true;
    }

    /// Says that something has come that was not read: it may go on or not.
    #[cfg(feature = "profile")]
    pub(crate) fn was_not_read(&self) {
        self.said().goes_on = false;
    }

    /// How it has ended, if that was said.
    pub fn end(&self) -> Option<WorkEnd> {
        self.said().end.clone()
    }

    /// Whether it was said that it goes on.
    pub fn is_going_on(&self) -> bool {
        self.said().goes_on
    }

    /// Forgets what an attempt has said that was not the last.
    #[cfg(feature = "profile")]
    pub(crate) fn begin_again(&self) {
        *self.said() = Said::default();
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        // Nothing in here panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
