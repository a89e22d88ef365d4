use super::{KeyDigest, KeyRecord, KeyStore, StoreError, digest_hasher::Seed};
use arc_swap::ArcSwap;
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    future::{Ready, ready},
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Keys in memory.
///
/// Made for many keys, many readers and few changes. A reader never waits, for a writer or for another reader, and
/// does the same work for ten keys as for a million. A writer copies the few hundred keys around each that it
/// changes; writers wait for each other.
///
/// Clones share the keys. [`Default`] is without any.
///
/// # Size
///
/// With a million keys, 88 bytes a key for the table itself, and about 124 more for the principal, with a key id of 12
/// bytes and accounts and plans that keys share: 212 in all. Read from a SQLite store of this program's, they take 239
/// bytes of resident memory each, and a million is there after about 1.5 s. While keys are [replaced](Self::replace_all), or become so many
/// that the table grows, it is there twice.
#[derive(Clone)]
pub struct KeyTable {
    shared: Arc<Shared>,
}

struct Shared {
    shards: ArcSwap<Shards>,
    /// Held by whoever changes something.
    writing: Mutex<()>,
}

/// All keys, in as many maps as it takes to keep each of them small.
struct Shards {
    maps: Box<[ArcSwap<Map>]>,
    seed: Seed,
    len: AtomicUsize,
}

type Map = HashMap<KeyDigest, KeyRecord, Seed>;

/// Keys in a map when it is made. A map has room for 224 before it doubles, and few of many get so far beyond the
/// mean.
const KEYS_PER_MAP: usize = 192;
/// The mean beyond which there are too few maps.
const MOST_KEYS_PER_MAP: usize = 224;

impl KeyTable {
    /// These keys. Of several records of one digest the last one counts.
    pub fn from_records(records: impl IntoIterator<Item = (KeyDigest, KeyRecord)>) -> Self {
        let shards = ArcSwap::from_pointee(Shards::of(records.into_iter().collect()));
        Self { shared: Arc::new(Shared { shards, writing: Mutex::new(()) }) }
    }

    /// Adds these keys, or replaces what is known of them. The others stay.
    ///
    /// Each change is seen whole, and from the next lookup on; several are not seen at one moment.
    pub fn apply(&self, changes: impl IntoIterator<Item = (KeyDigest, KeyRecord)>) {
        // Nobody else's code runs while others wait.
        let changes: Vec<_> = changes.into_iter().collect();
        let _writing = self.lock();
        let shards = self.shared.shards.load();
        shards.apply(changes);
        if shards.are_crowded() {
            // Twice the maps that are needed now, so that growth costs each key a constant.
            let records: Vec<_> = shards.records();
            let maps = maps_for(2 * records.len());
            self.shared.shards.store(Arc::new(Shards::with_maps(maps, records)));
        }
    }

    /// These keys instead of all others, at one moment. Until then both are in memory.
    pub fn replace_all(&self, records: impl IntoIterator<Item = (KeyDigest, KeyRecord)>) {
        let shards = Arc::new(Shards::of(records.into_iter().collect()));
        let _writing = self.lock();
        self.shared.shards.store(shards);
    }

    /// What is known of a key.
    pub fn get(&self, digest: &KeyDigest) -> Option<KeyRecord> {
        let shards = self.shared.shards.load();
        let map = shards.maps[shards.index(digest)].load();
        map.get(digest).cloned()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.shared.shards.load().len.load(Ordering::Relaxed)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // Every store is of something whole: whoever panicked has left nothing half done.
        self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shards {
    fn of(records: Vec<(KeyDigest, KeyRecord)>) -> Self {
        Self::with_maps(maps_for(records.len()), records)
    }

    fn with_maps(count: usize, records: Vec<(KeyDigest, KeyRecord)>) -> Self {
        let seed = Seed::random();
        let room = records.len().div_ceil(count);
        let mut maps: Vec<Map> =
            (0..count).map(|_| Map::with_capacity_and_hasher(room, seed)).collect();
        for (digest, record) in records {
            maps[index(&digest, seed, count)].insert(digest, record);
        }
        let len = AtomicUsize::new(maps.iter().map(Map::len).sum());
        Self { maps: maps.into_iter().map(ArcSwap::from_pointee).collect(), seed, len }
    }

    fn index(&self, digest: &KeyDigest) -> usize {
        index(digest, self.seed, self.maps.len())
    }

    /// Copies each map that is concerned once, and puts the copies in place. For one writer at a time.
    fn apply(&self, changes: Vec<(KeyDigest, KeyRecord)>) {
        let mut changed = BTreeMap::new();
        for (digest, record) in changes {
            let index = self.index(&digest);
            let map = changed.entry(index).or_insert_with(|| Map::clone(&self.maps[index].load()));
            if map.insert(digest, record).is_none() {
                self.len.fetch_add(1, Ordering::Relaxed);
            }
        }
        for (index, map) in changed {
            self.maps[index].store(Arc::new(map));
        }
    }

    fn are_crowded(&self) -> bool {
        self.len.load(Ordering::Relaxed) > self.maps.len() * MOST_KEYS_PER_MAP
    }

    fn records(&self) -> Vec<(KeyDigest, KeyRecord)> {
        let maps = self.maps.iter().map(ArcSwap::load);
        maps.flat_map(|map| map.iter().map(|(d, r)| (*d, r.clone())).collect::<Vec<_>>()).collect()
    }
}

fn maps_for(keys: usize) -> usize {
    keys.div_ceil(KEYS_PER_MAP).max(1)
}

/// Which map a digest is in: a number below `count` from the middle of its hash, since the map itself goes by the
/// beginning and the end.
fn index(digest: &KeyDigest, seed: Seed, count: usize) -> usize {
    let middle = (seed.hash_one(digest) >> 16) & u64::from(u32::MAX);
    ((u128::from(middle) * count as u128) >> 32) as usize
}

impl Default for KeyTable {
    fn default() -> Self {
        Self::from_records([])
    }
}

impl fmt::Debug for KeyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyTable").field("len", &self.len()).finish()
    }
}

impl KeyStore for KeyTable {
    type Lookup = Ready<Result<Option<KeyRecord>, StoreError>>;

    fn lookup(&self, digest: &KeyDigest) -> Self::Lookup {
        ready(Ok(self.get(digest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Account, Principal};
    use proptest::prelude::*;
    use std::{sync::Barrier, thread};

    fn digest(number: usize) -> KeyDigest {
        KeyDigest::of_token(&number.to_string())
    }

    fn record(key_id: usize) -> KeyRecord {
        KeyRecord::new(Principal::new(Arc::new(Account::new("acme")), key_id.to_string()))
    }

    fn key_id(table: &KeyTable, number: usize) -> Option<usize> {
        let record = table.get(&digest(number))?;
        Some(record.principal.key_id().parse().unwrap())
    }

    #[test]
    fn from_one_key_to_many_and_back() {
        let table = KeyTable::default();
        assert!(table.is_empty() && key_id(&table, 0).is_none());
        for number in 0..3_000 {
            table.apply([(digest(number), record(number))]);
            assert_eq!(table.len(), number + 1);
        }
        assert!(table.shared.shards.load().maps.len() > 3_000 / MOST_KEYS_PER_MAP);
        let clone = table.clone();
        assert!((0..3_000).all(|number| key_id(&clone, number) == Some(number)));
        assert!((3_000..6_000).all(|number| key_id(&clone, number).is_none()));
        clone.replace_all([(digest(1), record(7))]);
        assert_eq!((table.len(), key_id(&table, 1), key_id(&table, 2)), (1, Some(7), None));
        assert_eq!(format!("{table:?}"), "KeyTable { len: 1 }");
    }

    #[test]
    fn a_small_change_touches_one_map() {
        let table =
            KeyTable::from_records((0..10_000).map(|number| (digest(number), record(number))));
        let maps = || -> Vec<_> {
            table.shared.shards.load().maps.iter().map(ArcSwap::load_full).collect()
        };
        let before = maps();
        table.apply([(digest(5), record(50)), (digest(5), record(51))]);
        let touched = before.iter().zip(maps()).filter(|(old, new)| !Arc::ptr_eq(old, new)).count();
        assert_eq!((touched, key_id(&table, 5), table.len()), (1, Some(51), 10_000));
        // No map is far from the others: the hash spreads the keys.
        assert!(before.iter().all(|map| (100..300).contains(&map.len())));
    }

    #[test]
    fn readers_see_every_key_while_it_changes() {
        const KEYS: usize = 2_000;
        let table =
            KeyTable::from_records((0..KEYS).map(|number| (digest(number), record(number))));
        let start = Barrier::new(3);
        thread::scope(|scope| {
            let writers = [0, 1].map(|writer| {
                let (table, start) = (&table, &start);
                scope.spawn(move || {
                    start.wait();
                    for number in (writer..KEYS).step_by(2) {
                        // One that is there, by another name, and one that is new.
                        let new = KEYS + number;
                        table.apply([
                            (digest(number), record(number + KEYS)),
                            (digest(new), record(new)),
                        ]);
                    }
                })
            });
            start.wait();
            while writers.iter().any(|writer| !writer.is_finished()) {
                for number in (0..KEYS).step_by(37) {
                    let seen = key_id(&table, number).unwrap();
                    assert!(seen == number || seen == number + KEYS, "{number}: {seen}");
                }
            }
        });
        assert_eq!(table.len(), 2 * KEYS);
        assert!((0..KEYS).all(|number| key_id(&table, number) == Some(number + KEYS)));
        assert!((KEYS..2 * KEYS).all(|number| key_id(&table, number) == Some(number)));
    }

    proptest! {
        /// Against the plainest map there is.
        #[test]
        fn is_a_map(changes in prop::collection::vec(prop::collection::vec((0..600_usize, 0..9_usize), 0..90), 0..9)) {
            let table = KeyTable::default();
            let mut model = BTreeMap::new();
            for batch in changes {
                table.apply(batch.iter().map(|(number, id)| (digest(*number), record(*id))));
                model.extend(batch);
                prop_assert_eq!(table.len(), model.len());
            }
            for number in 0..600 {
                prop_assert_eq!(key_id(&table, number), model.get(&number).copied());
            }
        }
    }
}
