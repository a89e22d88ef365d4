//! How many requests have failed lately, over all workers.

use super::Ejection;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, Weak,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

/// What all workers count. Successes each counts in a place of its own, which is looked at when something fails: no two
/// cores write to one place for a request that succeeds.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// When it began, in milliseconds. Written once for each window.
    began: AtomicU64,
    failures: AtomicU32,
    tallies: Mutex<Vec<Weak<Tally>>>,
}

/// What one worker counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The window for which it counts.
    began: AtomicU64,
    requests: AtomicU32,
}

impl Window {
    /// A place for one worker to count in.
    pub(super) fn tally(&self) -> Arc<Tally> {
        let tally = Arc::<Tally>::default();
        let mut tallies = self.tallies();
        tallies.retain(|tally| tally.strong_count() > 0);
        tallies.push(Arc::downgrade(&tally));
        tally
    }

    /// Counts a request.
    pub(super) fn count(&self, tally: &Tally, ejection: &Ejection, now: u64) {
        let length = u64::try_from(ejection.window.as_millis()).unwrap_or(u64::MAX);
        let mut began = self.began.load(Ordering::Relaxed);
        if now.saturating_sub(began) >= length {
            self.restart(now);
            began = now;
        }
        if tally.began.load(Ordering::Relaxed) != began {
            tally.requests.store(0, Ordering::Relaxed);
            tally.began.store(began, Ordering::Relaxed);
        }
        tally.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts that a request has failed which was counted. Whether that is too many.
    pub(super) fn count_failure(&self, ejection: &Ejection) -> bool {
        let failed = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failed < ejection.failures {
            return false;
        }
        let began = self.began.load(Ordering::Relaxed);
        let tallies = self.tallies();
        let counted = tallies.iter().filter_map(Weak::upgrade).filter_map(|tally| {
            let counts = tally.began.load(Ordering::Relaxed) == began;
            counts.then(|| u64::from(tally.requests.load(Ordering::Relaxed)))
        });
        u64::from(failed) * 100 >= counted.sum::<u64>() * u64::from(ejection.percent)
    }

    /// Forgets what was counted.
    pub(super) fn restart(&self, now: u64) {
        self.failures.store(0, Ordering::Relaxed);
        // Another beginning even within one millisecond, so that no tally goes on.
        let another = |began: u64| Some(now.max(began.saturating_add(1)));
        let _ = self.began.fetch_update(Ordering::Relaxed, Ordering::Relaxed, another);
    }

    fn tallies(&self) -> MutexGuard<'_, Vec<Weak<Tally>>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
