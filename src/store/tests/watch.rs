use super::{Directory, Kind, Place, at, digest, key, name, open, scopes};
use crate::{
    auth::{KeyRecord, KeyTable},
    store::{KeyWatch, NewKey, StoreError, StoreUrl, follow::Follower},
};
use rusqlite::Connection;
use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

for_each_kind! {
    everything_at_first_then_what_is_new
    an_account_is_suspended
    a_backup_is_restored
    the_thread_sees_changes_and_stops
}

pub(super) fn follow(url: &StoreUrl) -> (Follower, KeyTable) {
    let table = KeyTable::default();
    (Follower::open(url, table.clone()).unwrap(), table)
}

fn follow_file(path: &Path) -> (Follower, KeyTable) {
    follow(&StoreUrl::Sqlite(path.to_owned()))
}

pub(super) fn get(table: &KeyTable, key: &str) -> Option<KeyRecord> {
    table.get(&digest(key))
}

fn everything_at_first_then_what_is_new(kind: Kind) {
    let place = Place::new(kind);
    let mut store = place.store();
    let full = NewKey {
        plan: Some(name("pro")),
        scopes: scopes(&["a", "b"]),
        expires_at: Some(at(100)),
        ..key("one")
    };
    store.create(&full, at(1)).unwrap();
    let (mut follower, table) = follow(&place.url());
    let one = get(&table, "one").unwrap();
    assert_eq!((one.principal.account(), one.principal.key_id()), ("acme", "one"));
    assert_eq!(one.principal.plan(), Some("pro"));
    assert_eq!(one.principal.scopes().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((one.revoked, one.expires_at), (false, Some(at(100).into())));

    store.create(&key("two"), at(2)).unwrap();
    assert!(get(&table, "two").is_none(), "nothing is read before the poll");
    follower.poll().unwrap();
    assert!(get(&table, "two").is_some());

    store.revoke("one", at(3)).unwrap();
    store.create(&NewKey { account: name("new"), ..key("three") }, at(3)).unwrap();
    follower.poll().unwrap();
    assert!(get(&table, "one").unwrap().revoked);
    assert_eq!(get(&table, "three").unwrap().principal.account(), "new");
    assert_eq!(table.len(), 3);
}

/// All keys of an account, those that requests carry included, without any of them being read again.
fn an_account_is_suspended(kind: Kind) {
    let place = Place::new(kind);
    let mut store = place.store();
    store.create(&key("a"), at(1)).unwrap();
    store.create(&NewKey { account: name("other"), ..key("b") }, at(1)).unwrap();
    let (mut follower, table) = follow(&place.url());
    let held = get(&table, "a").unwrap().principal;
    for suspended in [true, false] {
        store.set_suspended("acme", suspended, at(2)).unwrap();
        follower.poll().unwrap();
        assert_eq!(held.is_suspended(), suspended);
        assert!(!get(&table, "b").unwrap().principal.is_suspended());
    }
    // Still the same account after everything is read again.
    follower.close();
    follower.poll().unwrap();
    store.set_suspended("acme", true, at(3)).unwrap();
    follower.poll().unwrap();
    assert!(held.is_suspended());
}

#[test]
fn another_file_in_its_place() {
    let directory = Directory::new();
    let (path, other) = (directory.path("keys.db"), directory.path("other.db"));
    open(&path).create(&key("old"), at(1)).unwrap();
    open(&other).create(&key("new"), at(1)).unwrap();
    let (mut follower, table) = follow_file(&path);
    fs::rename(&other, &path).unwrap();
    follower.poll().unwrap();
    assert!(get(&table, "old").is_none() && get(&table, "new").is_some());
    open(&path).create(&key("newer"), at(2)).unwrap();
    follower.poll().unwrap();
    assert!(get(&table, "newer").is_some());
}

/// An older state, written over what was there.
fn a_backup_is_restored(kind: Kind) {
    let place = Place::new(kind);
    let mut store = place.store();
    store.create(&key("kept"), at(1)).unwrap();
    store.create(&key("gone"), at(2)).unwrap();
    let (mut follower, table) = follow(&place.url());
    place.sql("BEGIN; DELETE FROM keys WHERE id = 'gone'; UPDATE revision SET value = 1; COMMIT");
    follower.poll().unwrap();
    assert!(get(&table, "kept").is_some() && get(&table, "gone").is_none());
}

/// Whatever happens to the file, the keys stay, until it is readable again.
#[test]
fn keys_outlive_a_failure() {
    let directory = Directory::new();
    let (path, aside) = (directory.path("keys.db"), directory.path("aside.db"));
    open(&path).create(&key("a"), at(1)).unwrap();
    let (mut follower, table) = follow_file(&path);
    fs::rename(&path, &aside).unwrap();
    let damages: [(&str, fn(&Path)); 4] = [
        ("gone", |_| {}),
        ("empty", |path| fs::write(path, "").unwrap()),
        ("text", |path| fs::write(path, "no database at all, but long enough").unwrap()),
        ("newer", |path| {
            drop(open(path));
            Connection::open(path).unwrap().execute_batch("PRAGMA user_version = 9").unwrap();
        }),
    ];
    for (what, damage) in damages {
        let _ = fs::remove_file(&path);
        damage(&path);
        for _ in 0..2 {
            follower.poll().expect_err(what);
            assert!(get(&table, "a").is_some(), "{what}");
        }
    }
    assert!(matches!(follower.poll(), Err(StoreError::Newer { found: 9, .. })));
    fs::rename(&aside, &path).unwrap();
    open(&path).create(&key("b"), at(2)).unwrap();
    follower.poll().unwrap();
    assert!(get(&table, "a").is_some() && get(&table, "b").is_some());
}

/// The thread, with its real interval.
fn the_thread_sees_changes_and_stops(kind: Kind) {
    let place = Place::new(kind);
    let table = KeyTable::default();
    let watch = KeyWatch::start(&place.url(), table.clone()).unwrap();
    assert!(watch.is_healthy());

    let mut store = place.store();
    let began = Instant::now();
    store.create(&key("a"), at(1)).unwrap();
    wait_until(|| get(&table, "a").is_some());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());

    let began = Instant::now();
    drop(watch);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn the_thread_notices_when_a_file_is_gone_and_back() {
    let directory = Directory::new();
    let path = directory.path("keys.db");
    let url = StoreUrl::Sqlite(path.clone());
    let watch = KeyWatch::start(&url, KeyTable::default()).unwrap();
    let aside = directory.path("aside.db");
    fs::rename(&path, &aside).unwrap();
    wait_until(|| !watch.is_healthy());
    fs::rename(&aside, &path).unwrap();
    wait_until(|| watch.is_healthy());
}

#[track_caller]
pub(super) fn wait_until(mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !happened() {
        assert!(Instant::now() < deadline, "did not happen");
        thread::park_timeout(Duration::from_millis(5));
    }
}
