use std::sync::atomic::{AtomicU64, Ordering};

/// How many checks ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcomes {
    /// Redis answered.
    pub shared: u64,
    /// It did not, and at least one quota was counted in memory.
    pub local: u64,
    /// It did not, and no quota was counted.
    pub open: u64,
    /// It did not, and the check failed.
    pub closed: u64,
}

/// [`Outcomes`] in the making.
#[derive(Debug, Default)]
pub(super) struct Tally {
    shared: AtomicU64,
    local: AtomicU64,
    open: AtomicU64,
    closed: AtomicU64,
}

/// How one check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Shared,
    Local,
    Open,
    Closed,
}

impl Tally {
    pub(super) fn add(&self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Shared => &self.shared,
            Outcome::Local => &self.local,
            Outcome::Open => &self.open,
            Outcome::Closed => &self.closed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn outcomes(&self) -> Outcomes {
        Outcomes {
            shared: self.shared.load(Ordering::Relaxed),
            local: self.local.load(Ordering::Relaxed),
            open: self.open.load(Ordering::Relaxed),
            closed: self.closed.load(Ordering::Relaxed),
        }
    }
}
