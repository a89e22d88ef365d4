mod decide;
mod table;
#[cfg(test)]
mod tests;

use self::{decide::decide, table::Table};
use super::{Counters, CountersError, Demand, Demands, Level, Levels};
use governor::clock::{Clock, DefaultClock, Reference};
use std::{
    fmt,
    future::{Ready, ready},
    sync::Arc,
};

/// Counters in this process's memory. Clones count together.
///
/// The decision is [governor]'s (GCRA); one number a key is kept. Memory is bounded: a key that is as
/// good as new is forgotten when room is needed, and if there is none, so are those nearest to it. Nobody is refused
/// because the table is full.
///
/// # Concurrent requests
///
/// A request that is counted by several quotas is checked against all of them before it is counted by any. Where
/// another one takes the last unit in between, what was counted already is given back: less the nanoseconds since,
/// so that a quota is never exceeded. For that moment others may be refused for units that were not used.
pub struct Local<C: Clock = DefaultClock> {
    inner: Arc<Inner<C>>,
}

struct Inner<C: Clock> {
    table: Table,
    clock: C,
    start: C::Instant,
}

impl Local {
    /// How many keys are remembered unless somebody says otherwise: at most about 60 MB.
    pub const DEFAULT_MAX_KEYS: usize = 1_000_000;

    /// Remembers at most so many keys.
    pub fn new(max_keys: usize) -> Self {
        Self::with_clock(max_keys, DefaultClock::default())
    }
}

impl Default for Local {
    fn default() -> Self {
        Self::new(Self::DEFAULT_MAX_KEYS)
    }
}

impl<C: Clock> Clone for Local<C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<C: Clock> Local<C> {
    /// Remembers at most so many keys, and goes by this clock.
    pub fn with_clock(max_keys: usize, clock: C) -> Self {
        let start = clock.now();
        Self { inner: Arc::new(Inner { table: Table::new(max_keys), clock, start }) }
    }

    /// How many keys are remembered at present.
    pub fn len(&self) -> usize {
        self.inner.table.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts the demands, all or none, and says how each quota stands.
    fn admit(&self, demands: &[Demand]) -> Levels {
        let now = self.now();
        if let [demand] = demands {
            // Nothing to be undone: checked and counted in one step.
            return Levels::from_iter([self.spend(demand, now).unwrap_or_else(|level| level)]);
        }
        let mut levels: Levels = demands.iter().map(|demand| self.look(demand, now)).collect();
        if levels.iter().any(|level| !level.wait.is_zero()) {
            return levels;
        }
        let mut spent = Levels::new();
        for (demand, level) in demands.iter().zip(&mut levels) {
            match self.spend(demand, now) {
                Ok(after) => spent.push(after),
                Err(refused) => {
                    *level = refused;
                    self.give_back(demands.iter().take(spent.len()), now);
                    return levels;
                }
            }
        }
        spent
    }

    /// How a quota stands, and whether it would admit this.
    fn look(&self, demand: &Demand, now: u64) -> Level {
        let debt = self.inner.table.debt(demand.bucket, now);
        let wait = decide(demand, table::DryRun(debt)).err().unwrap_or_default();
        decide::level(demand.rate, debt, wait)
    }

    fn spend(&self, demand: &Demand, now: u64) -> Result<Level, Level> {
        let account = self.inner.table.account(decide::capacity(demand.rate), now);
        match decide(demand, &account) {
            Ok(()) => Ok(decide::level(demand.rate, account.debt(), Default::default())),
            Err(wait) => Err(decide::level(demand.rate, account.debt(), wait)),
        }
    }

    /// Undoes what was counted at that time.
    ///
    /// Time pays debts, so some of this one may be paid already. How much cannot be told from the sum that others
    /// have changed since, but it is no more than the time that has gone by; that much is kept.
    fn give_back<'a>(&self, demands: impl Iterator<Item = &'a Demand>, then: u64) {
        let elapsed = self.now().saturating_sub(then);
        for demand in demands {
            let owed = decide::price(demand).saturating_sub(elapsed);
            self.inner.table.forgive(demand.bucket, owed);
        }
    }

    /// Nanoseconds since the counters were made.
    fn now(&self) -> u64 {
        self.inner.clock.now().duration_since(self.inner.start).as_u64()
    }
}

impl<C: Clock> Counters for Local<C> {
    type Check = Ready<Result<Levels, CountersError>>;

    fn check(&self, demands: Demands) -> Self::Check {
        ready(Ok(self.admit(&demands)))
    }
}

impl<C: Clock> fmt::Debug for Local<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("table", &self.inner.table).finish_non_exhaustive()
    }
}
