//! The store in a PostgreSQL database, in a schema of its own: `tollgate`.
//!
//! Every name is qualified, and nothing is set for longer than a transaction, so that neither the `search_path` nor a
//! pool of connections in between makes a difference. Every wait for the server has an end.

mod accounts;
mod balance;
mod books;
mod callbacks;
mod changes;
mod connect;
mod entries;
mod error;
mod examine;
mod follow;
mod holds;
mod idempotency;
mod import;
mod keys;
mod link;
mod migrate;
mod open;
mod pipeline;
mod redacted;
mod session;
mod tasks;
mod tls;
mod url;
mod usage;
mod uuid;
mod verify;

pub(super) use self::{books::PostgresBooks, follow::Source};
pub(crate) use self::{
    error::PostgresError,
    url::{InvalidPostgresUrl, PostgresUrl},
};

use self::session::{Session, column};
use super::{StoreError, key::instant};
use jiff::Timestamp;
use tokio_postgres::Row;

/// An open store.
#[derive(Debug)]
pub(crate) struct Store {
    session: Session,
    created: bool,
}

impl Store {
    /// Asks this, instead of giving up after a few seconds, whenever another process keeps the store locked: whether
    /// to try again, after so many attempts.
    pub(crate) fn when_locked(&mut self, try_again: fn(i32) -> bool) -> Result<(), StoreError> {
        self.session.when_locked(try_again);
        Ok(())
    }

    /// Whether opening it made the store.
    pub(crate) fn was_created(&self) -> bool {
        self.created
    }
}

/// A point in time, from the column where it is in milliseconds.
fn time(row: &Row, index: usize) -> Result<Timestamp, StoreError> {
    instant(column(row, index)?)
}

/// The same, where there may be none.
fn time_if_any(row: &Row, index: usize) -> Result<Option<Timestamp>, StoreError> {
    column::<Option<i64>>(row, index)?.map(instant).transpose()
}
