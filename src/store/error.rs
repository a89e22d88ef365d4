#[cfg(feature = "postgres")]
use super::postgres::PostgresError;
use crate::auth::{KeyPrefix, Provenance};
use rusqlite::{ErrorCode, ffi};
use std::{error::Error, fmt, io, path::PathBuf};

/// The longest id that is repeated when there is no such key, in bytes; a key from elsewhere is often longer.
const LONGEST_QUOTED_ID: usize = 40;

/// Why a store cannot be opened, read or changed, and what to do about it.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// The directory that is to hold the file does not exist.
    NoDirectory(PathBuf),
    /// There is something else at its path.
    NotAFile,
    /// The file cannot be made.
    Create(io::Error),
    /// The file cannot be looked at.
    Look(io::Error),
    /// There is no thread to follow its changes.
    Thread(io::Error),
    /// The file or the schema is not there (any more), or has nothing in it (yet).
    Missing,
    /// It belongs to another application.
    Foreign,
    /// No database at all.
    NotADatabase,
    /// A database that is damaged, and how that was noticed.
    Corrupt(String),
    /// Written by a newer version.
    Newer { found: usize, known: usize },
    /// No space is left.
    Full,
    /// It cannot be written to.
    ReadOnly,
    /// Another process did not let go of it.
    Locked,
    /// SQLite cannot open the file, or those beside it.
    CannotOpen,
    /// Something else.
    Sqlite(rusqlite::Error),
    /// What only a server can say.
    #[cfg(feature = "postgres")]
    Postgres(PostgresError),
}

impl StoreError {
    /// Whether it is the store that cannot work at present, whatever it is asked.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Sqlite(_) | Self::Corrupt(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(error) => !error.is_about_what_was_asked(),
            _ => true,
        }
    }

    /// Whether it may be over the next time, without anybody changing anything in the configuration: a server that is away, a disk that is full.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Full | Self::Locked | Self::Thread(_) => true,
            #[cfg(feature = "postgres")]
            Self::Postgres(error) => error.may_pass(),
            _ => false,
        }
    }

    /// A row that no version of this program wrote.
    pub(super) fn corrupt(what: &str) -> Self {
        Self::Corrupt(what.to_owned())
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|error| error.extended_code);
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            // No room for the index of the log, which is the first to need some.
            _ if code == Some(ffi::SQLITE_IOERR_SHMSIZE) => Self::Full,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::NotADatabase) => Self::NotADatabase,
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt(error.to_string()),
            Some(ErrorCode::CannotOpen) => Self::CannotOpen,
            _ if is_conversion(&error) => Self::Corrupt(error.to_string()),
            _ => Self::Sqlite(error),
        }
    }
}

/// Whether a column does not hold what the schema says.
fn is_conversion(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
    };
    matches!(
        error,
        FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | Utf8Error(..)
    )
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDirectory(directory) => {
                write!(f, "there is no directory {}; make it first", directory.display())
            }
            Self::NotAFile => f.write_str("this is a directory or a device; name a file"),
            Self::Create(error) => write!(f, "the file cannot be made: {error}"),
            Self::Look(error) => write!(f, "the file cannot be looked at: {error}"),
            Self::Thread(error) => write!(f, "a thread cannot be started: {error}"),
            Self::Missing => f.write_str(
                "there is no store there; `tollgate keys create`, `tollgate keys import` and `tollgate serve` make one",
            ),
            Self::Foreign => {
                f.write_str("this is a database of another application; name another one")
            }
            Self::NotADatabase => f.write_str(
                "this is no SQLite database, or its beginning is damaged; name another file or restore a backup",
            ),
            Self::Corrupt(how) => write!(
                f,
                "the database is damaged ({how}); restore a backup (of a SQLite file, `sqlite3 FILE .recover` saves what can be read)"
            ),
            Self::Newer { found, known } => write!(
                f,
                "the store has schema {found}, and this version of tollgate knows up to {known}; use a newer version"
            ),
            Self::Full => f.write_str("the disk is full, nothing was changed; free some space and try again"),
            Self::ReadOnly => f.write_str(
                "the file or its directory is read-only, nothing was changed; its user must be able to write both",
            ),
            Self::Locked => f.write_str(
                "another process has kept it locked for too long, nothing was changed; try again when that is done",
            ),
            Self::CannotOpen => f.write_str(
                "SQLite cannot open the file or make its companions beside it (-wal, -shm); is the directory writable?",
            ),
            Self::Sqlite(error) => match error.sqlite_error() {
                Some(code) => write!(f, "SQLite failed: {error} (code {})", code.extended_code),
                None => write!(f, "SQLite failed: {error}"),
            },
            #[cfg(feature = "postgres")]
            Self::Postgres(error) => error.fmt(f),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Create(error) | Self::Look(error) | Self::Thread(error) => Some(error),
            Self::Sqlite(error) => Some(error),
            #[cfg(feature = "postgres")]
            Self::Postgres(error) => error.source(),
            _ => None,
        }
    }
}

/// Why a key or an account cannot be changed as it was asked.
#[derive(Debug)]
pub(crate) enum KeyError {
    Store(StoreError),
    /// No key has this id, or one that begins like this.
    NoSuchKey(String),
    /// The ids of several keys begin like this.
    Ambiguous(String),
    NoSuchAccount(String),
    /// Another key has this id.
    IdTaken(String),
    /// A revoked key has no successor.
    Revoked(String),
    /// It has a successor already.
    Rotated {
        id: String,
        to: String,
    },
    /// Its life is over, and is no measure for that of a successor.
    Over(String),
}

impl<E: Into<StoreError>> From<E> for KeyError {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::NoSuchKey(id) if may_be_a_key(id) => f.write_str(
                "there is no key with this id; it is not repeated, as it looks like a key itself",
            ),
            Self::NoSuchKey(id) => write!(f, "there is no key {id}"),
            Self::Ambiguous(id) => write!(f, "several keys have an id that begins with {id}"),
            Self::NoSuchAccount(name) => write!(f, "there is no account {name}"),
            Self::IdTaken(id) => write!(f, "there is a key {id} already"),
            Self::Revoked(id) => {
                write!(f, "{id} is revoked and cannot be rotated; create a new key")
            }
            Self::Rotated { id, to } => {
                write!(f, "{id} was rotated already, to {to}; rotate that one")
            }
            Self::Over(id) => {
                write!(f, "the life of {id} is over; say with --expires when the new key ends")
            }
        }
    }
}

/// Whether somebody has given a key, intact or not, where its id belongs.
fn may_be_a_key(text: &str) -> bool {
    /// More than a random id has behind its `_`, and less than a generated key that lost some of its end.
    const LONG_TAIL: usize = 20;
    let has_long_tail = text.split_once('_').is_some_and(|(prefix, tail)| {
        prefix.parse::<KeyPrefix>().is_ok() && tail.len() >= LONG_TAIL
    });
    text.len() > LONGEST_QUOTED_ID
        || has_long_tail
        || KeyPrefix::default().examine(text) != Provenance::Foreign
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            _ => None,
        }
    }
}
