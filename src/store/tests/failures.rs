//! What befalls a file.

use super::{Directory, at, digest, key, open};
use crate::store::{
    ImportError, KeyError, Missing, NewKey, StoreError, changes::Snapshot, sqlite::Store,
};
use rusqlite::Connection;
use std::{fs, os::unix::fs::FileExt, time::Duration};

fn many(count: u64) -> Vec<(u64, NewKey)> {
    (1..=count).map(|line| (line, key(&format!("k{line}")))).collect()
}

/// SQLite says the same when the disk has no more pages to give.
#[test]
fn no_space_is_left() {
    let directory = Directory::new();
    let mut store = directory.store();
    store.create(&key("a"), at(1)).unwrap();
    store.connection.pragma_update(None, "max_page_count", 20).unwrap();
    let error = store.import(&many(1_000), false, at(2)).unwrap_err();
    assert!(matches!(error, ImportError::Store(StoreError::Full)), "{error:?}");
    let kept = store.keys(None, None, 10_000).unwrap();
    assert_eq!(kept.len(), 1, "all or nothing");
    store.connection.pragma_update(None, "max_page_count", 10_000).unwrap();
    assert_eq!(store.import(&many(1_000), false, at(3)).unwrap().added, 1_000);
}

#[test]
fn it_may_only_be_read() {
    let directory = Directory::new();
    let mut store = directory.store();
    store.create(&key("a"), at(1)).unwrap();
    store.connection.pragma_update(None, "query_only", true).unwrap();
    let error = store.create(&key("b"), at(2)).unwrap_err();
    assert!(matches!(error, KeyError::Store(StoreError::ReadOnly)), "{error:?}");
    assert!(store.key("a").is_ok());
}

#[test]
fn somebody_keeps_it_locked() {
    let directory = Directory::new();
    let mut store = directory.store();
    store.connection.busy_timeout(Duration::from_millis(20)).unwrap();
    let other = Connection::open(directory.path("keys.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.create(&key("a"), at(1)).unwrap_err();
    assert!(matches!(error, KeyError::Store(StoreError::Locked)), "{error:?}");
    // Who only reads does not wait.
    assert_eq!(store.keys(None, None, 10).unwrap().len(), 0);
    other.execute_batch("COMMIT").unwrap();
    store.create(&key("a"), at(1)).unwrap();
}

/// Damage in the middle is found when the keys are read.
#[test]
fn a_damaged_file() {
    let directory = Directory::new();
    let path = directory.path("keys.db");
    open(&path).import(&many(2_000), false, at(1)).unwrap();
    let whole = fs::read(&path).unwrap();
    let read = || -> Result<(), StoreError> {
        let mut store = Store::open_path(&path, Missing::Refuse)?;
        store.changes(&mut Snapshot::default()).map(|_| ())
    };
    read().unwrap();

    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for page in 2..whole.len() as u64 / 4096 {
        file.write_all_at(&[0xA5; 4096], page * 4096).unwrap();
    }
    let error = read().unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
    assert!(error.to_string().contains("restore a backup"), "{error}");

    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = read().unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
}

/// Rows that no version of this program wrote.
#[test]
fn impossible_rows() {
    for sql in [
        "UPDATE keys SET scopes = '[1]'",
        "UPDATE keys SET expires_at = 9223372036854775807",
        "PRAGMA ignore_check_constraints = 1; UPDATE keys SET digest = x'00'",
        "PRAGMA foreign_keys = 0; DELETE FROM accounts",
    ] {
        let directory = Directory::new();
        let mut store = directory.store();
        store.create(&key("a"), at(1)).unwrap();
        store.connection.execute_batch(sql).unwrap();
        let error = store.changes(&mut Snapshot::default()).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{sql}: {error:?}");
        assert!(!error.to_string().contains(&digest("a").to_string()), "{error}");
    }
}
