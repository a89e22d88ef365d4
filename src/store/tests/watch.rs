use super::{Directory, at, digest, key, name, open, scopes};
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

fn follow(path: &Path) -> (Follower, KeyTable) {
    let table = KeyTable::default();
    (Follower::open(path.to_owned(), table.clone()).unwrap(), table)
}

fn get(table: &KeyTable, key: &str) -> Option<KeyRecord> {
    table.get(&digest(key))
}

#[test]
fn everything_at_first_then_what_is_new() {
    let directory = Directory::new();
    let mut store = directory.store();
    let full = NewKey {
        plan: Some(name("pro")),
        scopes: scopes(&["a", "b"]),
        expires_at: Some(at(100)),
        ..key("one")
    };
    store.create(&full, at(1)).unwrap();
    let (mut follower, table) = follow(&directory.path("keys.db"));
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
#[test]
fn an_account_is_suspended() {
    let directory = Directory::new();
    let mut store = directory.store();
    store.create(&key("a"), at(1)).unwrap();
    store.create(&NewKey { account: name("other"), ..key("b") }, at(1)).unwrap();
    let (mut follower, table) = follow(&directory.path("keys.db"));
    let held = get(&table, "a").unwrap().principal;
    for suspended in [true, false] {
        store.set_suspended("acme", suspended, at(2)).unwrap();
        follower.poll().unwrap();
        assert_eq!(held.is_suspended(), suspended);
        assert!(!get(&table, "b").unwrap().principal.is_suspended());
    }
    // Still the same account after everything is read again.
    follower.open = None;
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
    let (mut follower, table) = follow(&path);
    fs::rename(&other, &path).unwrap();
    follower.poll().unwrap();
    assert!(get(&table, "old").is_none() && get(&table, "new").is_some());
    open(&path).create(&key("newer"), at(2)).unwrap();
    follower.poll().unwrap();
    assert!(get(&table, "newer").is_some());
}

/// An older state, written into the same file.
#[test]
fn a_backup_is_restored() {
    let directory = Directory::new();
    let path = directory.path("keys.db");
    let mut store = open(&path);
    store.create(&key("kept"), at(1)).unwrap();
    store.connection.execute_batch("CREATE TABLE backup AS SELECT * FROM keys").unwrap();
    store.create(&key("gone"), at(2)).unwrap();
    let (mut follower, table) = follow(&path);
    let restore = "BEGIN; DELETE FROM keys; INSERT INTO keys SELECT * FROM backup;
                   UPDATE revision SET value = 1; COMMIT";
    store.connection.execute_batch(restore).unwrap();
    follower.poll().unwrap();
    assert!(get(&table, "kept").is_some() && get(&table, "gone").is_none());
}

/// Whatever happens to the file, the keys stay, until it is readable again.
#[test]
fn keys_outlive_a_failure() {
    let directory = Directory::new();
    let (path, aside) = (directory.path("keys.db"), directory.path("aside.db"));
    open(&path).create(&key("a"), at(1)).unwrap();
    let (mut follower, table) = follow(&path);
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
    assert!(matches!(follower.poll(), Err(StoreError::Newer { found: 9, known: 1 })));
    fs::rename(&aside, &path).unwrap();
    open(&path).create(&key("b"), at(2)).unwrap();
    follower.poll().unwrap();
    assert!(get(&table, "a").is_some() && get(&table, "b").is_some());
}

/// The thread, with its real interval.
#[test]
fn the_thread_sees_changes_and_stops() {
    let directory = Directory::new();
    let path = directory.path("keys.db");
    let url: StoreUrl = format!("sqlite://{}", path.display()).parse().unwrap();
    let table = KeyTable::default();
    let watch = KeyWatch::start(&url, table.clone()).unwrap();
    assert!(watch.is_healthy());

    let began = Instant::now();
    open(&path).create(&key("a"), at(1)).unwrap();
    wait_until(|| get(&table, "a").is_some());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());

    let aside = directory.path("aside.db");
    fs::rename(&path, &aside).unwrap();
    wait_until(|| !watch.is_healthy());
    fs::rename(&aside, &path).unwrap();
    wait_until(|| watch.is_healthy());

    let began = Instant::now();
    drop(watch);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[track_caller]
fn wait_until(happened: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !happened() {
        assert!(Instant::now() < deadline, "did not happen");
        thread::park_timeout(Duration::from_millis(5));
    }
}
