use super::{Directory, at, key, open};
use crate::store::{Missing, StoreError, sqlite::Store};
use rusqlite::Connection;
use std::{fs, os::unix::fs::PermissionsExt, sync::Barrier, thread};

#[test]
fn a_missing_file_and_an_empty_one() {
    let directory = Directory::new();
    let missing = directory.path("missing.db");
    let empty = directory.path("empty.db");
    fs::write(&empty, "").unwrap();
    for (path, made) in [(&missing, true), (&empty, false)] {
        let refused = Store::open_path(path, Missing::Refuse);
        assert!(matches!(refused, Err(StoreError::Missing)), "{refused:?}");
        let mut store = open(path);
        assert_eq!(store.was_created(), made);
        store.create(&key("a"), at(1)).unwrap();
        drop(store);
        let store = Store::open_path(path, Missing::Refuse).unwrap();
        assert_eq!((store.was_created(), store.key("a").unwrap().id), (false, "a".to_owned()));
    }
    let mode = fs::metadata(&missing).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_is_no_store() {
    let directory = Directory::new();
    let database = |name: &str, sql: &str| {
        let path = directory.path(name);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        path
    };
    drop(open(&directory.path("newer.db")));
    let text = directory.path("text.db");
    fs::write(&text, "key,account\n".repeat(100)).unwrap();
    let table: [(_, fn(&StoreError) -> bool); 5] = [
        (directory.path("nowhere/keys.db"), |e| matches!(e, StoreError::NoDirectory(_))),
        (directory.path(""), |e| matches!(e, StoreError::NotAFile)),
        (text, |e| matches!(e, StoreError::NotADatabase)),
        (database("other.db", "CREATE TABLE users (id)"), |e| matches!(e, StoreError::Foreign)),
        (database("newer.db", "PRAGMA user_version = 99"), |e| {
            matches!(e, StoreError::Newer { found: 99, .. })
        }),
    ];
    for (path, is_expected) in table {
        let before = fs::read(&path).ok();
        let error = Store::open_path(&path, Missing::Create).unwrap_err();
        assert!(is_expected(&error), "{}: {error:?}", path.display());
        // Whatever it is, it is left as it was.
        assert_eq!(before, fs::read(&path).ok(), "{}", path.display());
    }
}

#[test]
fn several_make_it_at_once() {
    // Often enough that some of them meet while they switch the new file to its log.
    for _ in 0..30 {
        let barrier = Barrier::new(8);
        let directory = Directory::new();
        let path = directory.path("keys.db");
        thread::scope(|scope| {
            for number in 0..8 {
                let (path, barrier) = (&path, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    open(path).create(&key(&format!("k{number}")), at(1)).unwrap();
                });
            }
        });
        assert_eq!(open(&path).keys(None, None, 100).unwrap().len(), 8);
    }
}

#[test]
fn plans_of_a_store_that_cannot_be_looked_at() {
    let directory = Directory::new();
    let plans = |path: &str| Store::plans(&directory.path(path));
    fs::write(directory.path("file"), "").unwrap();
    assert!(matches!(plans("missing.db").as_deref(), Ok([])));
    assert!(matches!(plans("file").as_deref(), Ok([])));
    assert!(matches!(plans("file/keys.db"), Err(StoreError::Look(_))));
    assert!(matches!(plans("nowhere/keys.db"), Err(StoreError::NoDirectory(_))));
    assert!(!directory.path("missing.db").exists());
}
