//! What every kind of store does alike is tested with each of them: [`for_each_kind`].

/// Tests that are functions of the kind.
macro_rules! for_each_kind {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[test] fn $test() { super::$test(super::Kind::Sqlite); })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[test] fn $test() { super::$test(super::Kind::Postgres); })*
        }
    };
}

mod failures;
mod import;
mod keys;
mod ledger;
mod open;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
#[path = "../../../tests/support/postgres_server.rs"]
mod postgres_server;
mod watch;

#[cfg(feature = "postgres")]
use self::postgres_server::PostgresServer;
use super::{Missing, Name, NewKey, Scopes, Store, StoreUrl, sqlite};
use crate::auth::{ApiKey, KeyDigest};
use jiff::Timestamp;
#[cfg(feature = "postgres")]
use std::sync::Arc;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

/// What a store is in.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

/// Where a store can be, and none is yet. It goes when the test does.
enum Place {
    Sqlite(Directory),
    #[cfg(feature = "postgres")]
    Postgres {
        server: Arc<PostgresServer>,
        database: String,
    },
}

impl Place {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => Self::Sqlite(Directory::new()),
            #[cfg(feature = "postgres")]
            Kind::Postgres => {
                let server = PostgresServer::shared();
                let database = server.database();
                Self::Postgres { server, database }
            }
        }
    }

    fn url(&self) -> StoreUrl {
        match self {
            Self::Sqlite(directory) => StoreUrl::Sqlite(directory.path("keys.db")),
            #[cfg(feature = "postgres")]
            Self::Postgres { server, database } => server.url(database).parse().unwrap(),
        }
    }

    fn store(&self) -> Store {
        Store::open(&self.url(), Missing::Create).unwrap()
    }

    /// What a statement answers, as text.
    #[track_caller]
    fn sql(&self, statement: &str) -> String {
        self.try_sql(statement).unwrap()
    }

    fn try_sql(&self, statement: &str) -> Result<String, String> {
        match self {
            Self::Sqlite(directory) => {
                let connection = rusqlite::Connection::open(directory.path("keys.db")).unwrap();
                if statement.starts_with("SELECT") {
                    let number = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
                    return Ok(connection.query_row(statement, [], number).unwrap().to_string());
                }
                let done = connection.execute_batch(statement);
                done.map(|()| String::new()).map_err(|error| error.to_string())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres { server, database } => {
                server.try_sql(database, &format!("SET search_path = tollgate; {statement}"))
            }
        }
    }
}

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

    fn store(&self) -> sqlite::Store {
        open(&self.path("keys.db"))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path) -> sqlite::Store {
    sqlite::Store::open_path(path, Missing::Create).unwrap()
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
