//! The store in a SQLite file.

mod accounts;
mod balance;
mod books;
mod callbacks;
mod changes;
mod entries;
mod examine;
mod follow;
mod holds;
mod idempotency;
mod import;
mod keys;
mod migrate;
mod open;
mod tasks;
mod usage;
mod verify;

pub(super) use self::{books::SqliteBooks, follow::Source};

use super::{StoreError, key::instant};
use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

/// An open store.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) connection: Connection,
    created: bool,
}

impl Store {
    /// Asks this, instead of giving up after a few seconds, whenever another process keeps the store locked: whether
    /// to try again, after so many attempts.
    pub(crate) fn when_locked(&mut self, try_again: fn(i32) -> bool) -> Result<(), StoreError> {
        Ok(self.connection.busy_handler(Some(try_again))?)
    }

    /// Whether opening it made the file.
    pub(crate) fn was_created(&self) -> bool {
        self.created
    }

    /// Whether the file was opened as one that cannot be written to. Everybody in this process shares that, until nobody has it open any more: then it is as the
    /// file is.
    pub(in crate::store) fn is_read_only(&self) -> bool {
        self.connection.is_readonly("main").unwrap_or(false)
    }

    /// Begins a change: from here on nobody else changes anything.
    fn change(&mut self) -> rusqlite::Result<Transaction<'_>> {
        self.connection.transaction_with_behavior(TransactionBehavior::Immediate)
    }
}

/// The number of this change.
fn next_revision(change: &Transaction<'_>) -> rusqlite::Result<i64> {
    change
        .prepare_cached("UPDATE revision SET value = value + 1 RETURNING value")?
        .query_row([], |row| row.get(0))
}

/// A point in time, from the column where it is in milliseconds.
fn time(row: &Row<'_>, column: usize) -> Result<Timestamp, StoreError> {
    instant(row.get(column)?)
}

/// The same, where there may be none.
fn time_if_any(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, StoreError> {
    row.get::<_, Option<i64>>(column)?.map(instant).transpose()
}

/// All that a query found, each row read by a function of ours.
fn rows<T>(
    mut found: rusqlite::Rows<'_>,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}
