//! What outlives the process: keys and accounts, in a SQLite file that needs no server.
//!
//! The command line changes them; a gateway reads them whole when it starts, and follows the changes from then on
//! ([`KeyWatch`]). A request never waits for the file.
//!
//! # Backup and restore
//!
//! `sqlite3 FILE "VACUUM INTO 'COPY'"` (or `.backup`) makes a copy that is whole as of one moment, whoever is writing.
//! To restore, remove FILE, FILE-wal and FILE-shm and `mv` the copy into its place: another inode is what the follower
//! looks for. It does not notice a file that is overwritten in place while it is open (`cp COPY FILE`), and cannot be
//! made to: the log beside it still belongs to what was there before, and SQLite goes on reading both as one.
//!
//! Errors do not name the store: who opened it knows its [`StoreUrl`], and says so.

mod error;
mod follow;
mod key;
mod name;
mod sqlite;
#[cfg(test)]
mod tests;
mod url;
mod watch;

pub(crate) use self::{
    error::{KeyError, StoreError},
    key::{Life, NewKey, Rotation, State, StoredAccount, StoredKey, until_millisecond},
    name::{InvalidName, Name, Note, Scope, Scopes},
    sqlite::{ImportError, Imported, Missing, Store},
    url::{InvalidStoreUrl, StoreUrl},
    watch::KeyWatch,
};
