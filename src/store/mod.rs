//! What outlives the process: keys, accounts and what they have, tasks and answers, in a SQLite file that needs no server, or in
//! PostgreSQL, which the gateways of several machines share.
//!
//! The command line changes keys; a gateway reads them whole when it starts, and follows the changes from then on
//! ([`KeyWatch`]): no request waits for them. One with a price, a task or an idempotency key does wait, for the thread that keeps
//! the [`ledger`]; where that cannot write, the request is refused.
//!
//! [`Store`], [`KeyWatch`] and the ledger are the same for either, and what is not SQL is shared; `sqlite` and `postgres` hold the
//! rest, file by file alike. Both give every change a number, the revision, in the order in which they are committed, and
//! write it into the rows that it changes: whoever follows reads what is newer than the last revision that he has seen. Money has no
//! revision.
//!
//! # Backup and restore
//!
//! `sqlite3 FILE "VACUUM INTO 'COPY'"` (or `.backup`) makes a copy that is whole as of one moment, whoever is writing.
//! To restore, remove FILE, FILE-wal and FILE-shm and `mv` the copy into its place: another inode is what the follower
//! looks for. It does not notice a file that is overwritten in place while it is open (`cp COPY FILE`), and cannot be
//! made to: the log beside it still belongs to what was there before, and SQLite goes on reading both as one.
//!
//! `pg_dump --schema=tollgate` and `pg_restore --clean --if-exists --single-transaction` do the same with PostgreSQL. Other
//! tables, another store in the same tables and a revision that goes backwards are what the follower looks for.
//!
//! Errors do not name the store: who opened it knows its [`StoreUrl`], and says so.

mod backend;
mod changes;
mod error;
mod follow;
mod import;
mod key;
pub(crate) mod ledger;
mod name;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;
mod url;
mod watch;

pub(crate) use self::{
    backend::{Missing, Store},
    error::{KeyError, StoreError},
    import::{ImportError, Imported},
    key::{Life, NewKey, Rotation, State, StoredAccount, StoredKey, until_millisecond},
    name::{InvalidName, Name, Note, Scope, Scopes},
    url::{InvalidStoreUrl, StoreUrl},
    watch::KeyWatch,
};
