use super::{Outcomes, RedisConfig, RedisCounters, link::Link, outage::OutageLog, outcomes::Tally};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// One Redis, as all runtimes of a process see it.
///
/// Each runtime has its own connection; what is logged and counted about them is here, once.
#[derive(Clone)]
pub struct RedisStore {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) config: RedisConfig,
    pub(super) outage: OutageLog,
    pub(super) tally: Tally,
    /// How many connections are away.
    pub(super) away: AtomicUsize,
}

impl RedisStore {
    /// This one. Nothing is connected yet.
    pub fn new(config: RedisConfig) -> Self {
        Self {
            shared: Arc::new(Shared {
                config,
                outage: OutageLog::default(),
                tally: Tally::default(),
                away: AtomicUsize::new(0),
            }),
        }
    }

    /// Counters with a connection of their own, which their clones share.
    ///
    /// The connection is made by the tokio runtime that first uses it, and lives as long as that: call this once
    /// for each runtime.
    pub fn counters(&self) -> RedisCounters {
        RedisCounters::new(Arc::new(Link::new(self.shared.clone())))
    }

    /// Whether no connection is known to be away.
    pub fn is_available(&self) -> bool {
        self.shared.away.load(Ordering::Relaxed) == 0
    }

    /// How many checks ended in which way, since the process began.
    pub fn outcomes(&self) -> Outcomes {
        self.shared.tally.outcomes()
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("config", &self.shared.config)
            .field("is_available", &self.is_available())
            .field("outcomes", &self.outcomes())
            .finish()
    }
}
