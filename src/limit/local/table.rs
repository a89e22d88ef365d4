use dashmap::DashMap;
use governor::{nanos::Nanos, state::StateStore};
use std::{
    cell::Cell,
    cmp::Ordering as Order,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

/// How many keys a segment holds: two shards of 2,048 slots, nearly as full as a hash table may be (7/8), with room for
/// one shard that gets a few more keys than the other.
const KEYS_A_SEGMENT: usize = 3_300;

/// When a segment is full, one in so many keys makes room.
const EVICTED_SHARE: usize = 8;

/// What is known of each bucket, for a bounded number of them.
///
/// The keys are spread over segments, small maps that fill up one by one: making room then looks at one of them, under
/// its own locks, and costs each new key a few entries' time. There is no lock and no count for the whole.
///
/// Buckets are chosen by callers (an address, a header); the hash is seeded at random, so that nobody can choose them
/// to fall into one place.
pub(super) struct Table {
    segments: Box<[DashMap<u128, Entry>]>,
    keys_a_segment: usize,
    hasher: RandomState,
}

struct Entry {
    /// When the whole burst can be spent again, in nanoseconds: the theoretical arrival time of GCRA. Atomic, because
    /// it is changed under a lock that readers share; nothing else depends on it, so that no order is needed.
    restored_at: AtomicU64,
    /// The debt at which nothing can be spent.
    capacity: u64,
}

impl Table {
    pub(super) fn new(max_keys: usize) -> Self {
        let max_keys = max_keys.max(1);
        let segments = max_keys.div_ceil(KEYS_A_SEGMENT);
        let hasher = RandomState::new();
        let segment = || DashMap::with_hasher_and_shard_amount(hasher.clone(), 2);
        Self {
            segments: std::iter::repeat_with(segment).take(segments).collect(),
            keys_a_segment: max_keys / segments,
            hasher,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.segments.iter().map(DashMap::len).sum()
    }

    /// How long, in nanoseconds, until the whole burst of a bucket can be spent.
    pub(super) fn debt(&self, bucket: u128, now: u64) -> u64 {
        self.segment(bucket).get(&bucket).map_or(0, |entry| entry.debt(now))
    }

    /// Takes back a part of a bucket's debt.
    pub(super) fn forgive(&self, bucket: u128, debt: u64) {
        if let Some(entry) = self.segment(bucket).get(&bucket) {
            let less = |restored_at: u64| Some(restored_at.saturating_sub(debt));
            // An update that always has a new value does not fail.
            let _ = entry.restored_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// The table as a store for one decision at this time.
    pub(super) fn account(&self, capacity: u64, now: u64) -> Account<'_> {
        Account { table: self, now, capacity, debt: Cell::new(0) }
    }

    /// Shows the entry of a bucket, which is made if there is none.
    fn with_entry<T>(
        &self,
        bucket: u128,
        capacity: u64,
        now: u64,
        show: impl FnOnce(&Entry) -> T,
    ) -> T {
        let segment = self.segment(bucket);
        if let Some(entry) = segment.get(&bucket) {
            return show(&entry);
        }
        if segment.len() >= self.keys_a_segment {
            self.make_room(segment, now);
        }
        let fresh = || Entry { restored_at: AtomicU64::new(now), capacity };
        show(&segment.entry(bucket).or_insert_with(fresh))
    }

    /// By other bits of the hash than those by which the segment finds a key.
    fn segment(&self, bucket: u128) -> &DashMap<u128, Entry> {
        let hash = self.hasher.hash_one(bucket).rotate_left(32);
        let index = (u128::from(hash) * self.segments.len() as u128) >> 64;
        &self.segments[index as usize]
    }

    /// Forgets the keys that are as good as new, and if they are too few, those nearest to it.
    ///
    /// At least one in [`EVICTED_SHARE`] goes, so that the next so many have room without another look.
    fn make_room(&self, segment: &DashMap<u128, Entry>, now: u64) {
        segment.retain(|_, entry| entry.debt(now) > 0);
        let target = self.keys_a_segment - self.keys_a_segment.div_ceil(EVICTED_SHARE);
        let mut used: Vec<u64> = segment.iter().map(|entry| entry.used(now)).collect();
        let excess = used.len().saturating_sub(target);
        if excess > 0 {
            let (below, limit, _) = used.select_nth_unstable(excess - 1);
            let limit = *limit;
            let mut ties = excess - below.iter().filter(|used| **used < limit).count();
            segment.retain(|_, entry| match entry.used(now).cmp(&limit) {
                Order::Less => false,
                Order::Equal if ties > 0 => {
                    ties -= 1;
                    false
                }
                _ => true,
            });
        }
        segment.shrink_to_fit();
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max_keys = self.segments.len() * self.keys_a_segment;
        f.debug_struct("Table").field("max_keys", &max_keys).finish_non_exhaustive()
    }
}

impl Entry {
    fn debt(&self, now: u64) -> u64 {
        self.restored_at.load(Ordering::Relaxed).saturating_sub(now)
    }

    /// How much of the burst is used up, in about 1/65,536.
    fn used(&self, now: u64) -> u64 {
        self.debt(now) / (self.capacity >> 16).max(1)
    }
}

/// The table, at the time of one decision.
pub(super) struct Account<'a> {
    table: &'a Table,
    now: u64,
    capacity: u64,
    debt: Cell<u64>,
}

impl Account<'_> {
    /// What was owed when the decision was made, and if it was to admit, with what that costs.
    pub(super) fn debt(&self) -> u64 {
        self.debt.get()
    }
}

impl StateStore for &Account<'_> {
    type Key = u128;

    fn measure_and_replace<T, F, E>(&self, bucket: &u128, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let Account { table, now, capacity, debt } = self;
        table.with_entry(*bucket, *capacity, *now, |entry| {
            let mut seen = entry.restored_at.load(Ordering::Relaxed);
            loop {
                debt.set(seen.saturating_sub(*now));
                let (admitted, after) = decide(Some(Nanos::new(debt.get())))?;
                let restored_at = now.saturating_add(after.as_u64());
                match entry.restored_at.compare_exchange_weak(
                    seen,
                    restored_at,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => {
                        debt.set(after.as_u64());
                        return Ok(admitted);
                    }
                    Err(changed) => seen = changed,
                }
            }
        })
    }
}

/// A store in which this is owed, and that keeps nothing.
pub(super) struct DryRun(pub(super) u64);

impl StateStore for DryRun {
    type Key = u128;

    fn measure_and_replace<T, F, E>(&self, _: &u128, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        decide(Some(Nanos::new(self.0))).map(|(admitted, _)| admitted)
    }
}
