mod failures;
mod import;
mod keys;
mod open;
mod watch;

use super::{Name, NewKey, Scopes, Store, sqlite::Missing};
use crate::auth::{ApiKey, KeyDigest};
use jiff::Timestamp;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A directory that goes when the test does.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tollgate-store-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn store(&self) -> Store {
        open(&self.path("keys.db"))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path) -> Store {
    Store::open_path(path, Missing::Create).unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn scopes(words: &[&str]) -> Scopes {
    Scopes::new(words.iter().map(|word| word.parse().unwrap())).unwrap()
}

fn digest(key: &str) -> KeyDigest {
    KeyDigest::of(&ApiKey::parse(key).unwrap())
}

/// A key of the account "acme" whose id is the key itself.
fn key(id: &str) -> NewKey {
    NewKey {
        id: Some(name(id)),
        digest: digest(id),
        account: name("acme"),
        plan: None,
        scopes: scopes(&[]),
        note: None,
        expires_at: None,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}
