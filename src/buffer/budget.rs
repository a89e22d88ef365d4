use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The most that a worker takes from the pool in advance.
const QUANTUM: usize = 256 * 1024;

/// So many bytes, for everybody who has a clone.
///
/// Clones count in one place; [`worker`](Self::worker) makes one that counts in a place of its own and only now and
/// then asks the common pool, so that two cores do not write to the same memory for every request. What a worker has in
/// advance (two 64ths of the whole, 512 KiB at most) is taken back when the pool has nothing left for the others.
#[derive(Clone)]
pub struct Budget {
    share: Arc<Share>,
}

/// What all have in common.
struct Pool {
    limit: usize,
    quantum: usize,
    free: AtomicUsize,
    /// All that have taken of it.
    shares: Mutex<Vec<Weak<Share>>>,
}

/// What one worker has taken from the pool and does not use.
struct Share {
    pool: Arc<Pool>,
    free: AtomicUsize,
}

impl Budget {
    /// This many bytes.
    pub fn new(limit: usize) -> Self {
        let quantum = QUANTUM.min(limit / 64);
        let pool = Pool { limit, quantum, free: AtomicUsize::new(limit), shares: Mutex::default() };
        Self { share: Share::of(Arc::new(pool)) }
    }

    /// As many as there are.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// The same bytes, for one worker and its clones.
    #[must_use]
    pub fn worker(&self) -> Self {
        Self { share: Share::of(self.share.pool.clone()) }
    }

    /// The number of bytes that it began with.
    pub fn limit(&self) -> usize {
        self.share.pool.limit
    }

    /// How many bytes are reserved, by all workers together. What they have in advance is none of them.
    pub fn reserved(&self) -> usize {
        let pool = &self.share.pool;
        let taken = self.limit() - pool.free.load(Ordering::Relaxed);
        let in_advance: usize = pool
            .shares()
            .iter()
            .filter_map(Weak::upgrade)
            .map(|share| share.free.load(Ordering::Relaxed))
            .sum();
        // Others take and give meanwhile.
        taken.saturating_sub(in_advance)
    }

    /// Takes this many bytes, until the reservation is dropped. `None`: there are not as many left.
    pub fn reserve(&self, bytes: usize) -> Option<Reservation> {
        self.share.take(bytes).then(|| Reservation { share: self.share.clone(), bytes })
    }

    /// A reservation of no bytes, which may grow.
    pub(crate) fn nothing(&self) -> Reservation {
        Reservation { share: self.share.clone(), bytes: 0 }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("limit", &self.limit())
            .field("reserved", &self.reserved())
            .finish()
    }
}

impl Pool {
    /// Takes all of it or nothing.
    fn take(&self, bytes: usize) -> bool {
        let taken = |free: usize| free.checked_sub(bytes);
        self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    fn give(&self, bytes: usize) {
        self.free.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes back what anybody has in advance.
    fn recall(&self) {
        for share in self.shares().iter().filter_map(Weak::upgrade) {
            self.give(share.free.swap(0, Ordering::Relaxed));
        }
    }

    fn shares(&self) -> MutexGuard<'_, Vec<Weak<Share>>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    fn of(pool: Arc<Pool>) -> Arc<Self> {
        let share = Arc::new(Self { pool: pool.clone(), free: AtomicUsize::new(0) });
        let mut shares = pool.shares();
        shares.retain(|share| share.strong_count() > 0);
        shares.push(Arc::downgrade(&share));
        drop(shares);
        share
    }

    fn take(&self, bytes: usize) -> bool {
        let own = |free: usize| free.checked_sub(bytes);
        if self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, own).is_ok() {
            return true;
        }
        let in_hand = self.free.swap(0, Ordering::Relaxed);
        let Some(missing) = bytes.checked_sub(in_hand) else {
            // Somebody has given back meanwhile.
            self.free.fetch_add(in_hand - bytes, Ordering::Relaxed);
            return true;
        };
        let in_advance = self.pool.quantum;
        if missing < in_advance && self.pool.take(missing + in_advance) {
            self.free.fetch_add(in_advance, Ordering::Relaxed);
            return true;
        }
        if self.pool.take(missing) {
            return true;
        }
        self.pool.give(in_hand);
        self.pool.recall();
        self.pool.take(bytes)
    }

    fn give(&self, bytes: usize) {
        let quantum = self.pool.quantum;
        let free = self.free.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if free > 2 * quantum {
            let surplus = free - quantum;
            // Only if it is still there: others take at the same time.
            let less = |free: usize| free.checked_sub(surplus);
            if self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
                self.pool.give(surplus);
            }
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.pool.give(*self.free.get_mut());
    }
}

/// Bytes that somebody has; given back when this is dropped.
pub struct Reservation {
    share: Arc<Share>,
    bytes: usize,
}

impl Reservation {
    /// Nothing yet, of as much as there is.
    pub(crate) fn unlimited() -> Self {
        Budget::unlimited().nothing()
    }

    /// So many of these as a reservation of their own; all, if there are not as many.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { share: self.share.clone(), bytes }
    }

    /// How many.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes so many more. False: there are not as many left, and nothing has changed.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let taken = self.share.take(bytes);
        if taken {
            self.bytes += bytes;
        }
        taken
    }

    /// Gives back what is beyond this number.
    pub fn shrink_to(&mut self, bytes: usize) {
        if let Some(surplus) = self.bytes.checked_sub(bytes) {
            self.bytes = bytes;
            self.share.give(surplus);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.share.give(self.bytes);
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reservation").field(&self.bytes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// What is not in the pool: reserved, or in advance.
    fn taken(budget: &Budget) -> usize {
        budget.limit() - budget.share.pool.free.load(Ordering::Relaxed)
    }

    #[test]
    fn no_more_than_there_are() {
        let budget = Budget::new(100);
        let a = budget.reserve(60).unwrap();
        assert!(budget.reserve(41).is_none());
        let mut b = budget.reserve(40).unwrap();
        assert!(budget.reserve(1).is_none() && !b.grow(1));
        b.shrink_to(10);
        assert_eq!((b.bytes(), budget.reserved()), (10, 70));
        assert!(b.grow(30));
        b.shrink_to(1000);
        let part = b.split(15);
        assert_eq!((part.bytes(), b.bytes(), budget.reserved()), (15, 25, 100));
        drop(part);
        assert_eq!((b.bytes(), budget.reserved()), (25, 85));
        drop(a);
        assert_eq!((b.split(1000).bytes(), b.bytes(), budget.reserved()), (25, 0, 25));
        drop(b);
        assert_eq!(budget.reserved(), 0);
        assert!(budget.reserve(0).is_some());
    }

    #[test]
    fn workers_share_and_give_back() {
        let budget = Budget::new(6400);
        let (one, two) = (budget.worker(), budget.worker());
        let small = one.reserve(10).unwrap();
        // A hundred bytes in advance.
        assert_eq!((budget.reserved(), taken(&budget)), (10, 110));
        assert!(two.reserve(6391).is_none());
        let most = two.reserve(6200).unwrap();
        assert!(one.reserve(191).is_none());
        assert!(one.reserve(190).is_some());
        drop(most);
        drop(small);
        assert!(taken(&budget) <= 2 * 2 * 100);
        assert_eq!(budget.reserved(), 0);
        drop((one, two));
        assert_eq!(taken(&budget), 0);
    }

    #[test]
    fn what_idle_workers_have_is_for_the_others() {
        const WHOLE: usize = (16 << 20) + 4096;
        let budget = Budget::new(WHOLE);
        let (one, two) = (budget.worker(), budget.worker());
        drop(one.reserve(300));
        drop(budget.reserve(300));
        assert!(taken(&budget) > 0, "nothing is taken in advance any more");
        let whole = two.reserve(WHOLE).unwrap();
        assert!(one.reserve(1).is_none());
        drop(whole);
        assert!(one.reserve(WHOLE).is_some());

        // More workers than there are advances.
        let budget = Budget::new(4 << 20);
        let workers: Vec<Budget> = (0..40).map(|_| budget.worker()).collect();
        let held: Vec<_> = workers.iter().map(|worker| worker.reserve(60_000)).collect();
        assert!(held.iter().all(Option::is_some));
        drop(held);
        assert!(budget.worker().reserve(4 << 20).is_some());
        drop(workers);
        assert_eq!(budget.share.pool.shares().iter().filter_map(Weak::upgrade).count(), 1);
        drop(budget.worker());
        assert!(budget.share.pool.shares().len() <= 2, "of workers that are gone nothing is left");
    }

    #[test]
    fn nothing_is_lost_or_made_by_many_at_once() {
        const LIMIT: usize = 1 << 20;
        let budget = Budget::new(LIMIT);
        thread::scope(|scope| {
            for seed in 0..4_u64 {
                let budget = if seed < 2 { budget.worker() } else { budget.clone() };
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed);
                    let mut held = Vec::new();
                    for _ in 0..20_000 {
                        let size = 1 << random.u32(0..20);
                        held.extend(budget.reserve(random.usize(0..size)));
                        let all: usize = held.iter().map(Reservation::bytes).sum();
                        assert!(all <= LIMIT);
                        if held.len() > 8 || random.bool() {
                            held.pop();
                        }
                        if let Some(one) = held.last_mut() {
                            let _ = one.grow(random.usize(0..5000));
                            one.shrink_to(random.usize(0..5000));
                        }
                    }
                });
            }
        });
        assert_eq!(budget.reserved(), 0);
        assert!(budget.reserve(LIMIT).is_some());
    }
}
