//! What a gateway reads: everything at first, then what is new.

use super::{Store, migrate, time_if_any};
use crate::{
    auth::{KeyDigest, KeyRecord},
    store::{
        StoreError,
        changes::{Changes, KeyRow, Snapshot},
    },
};
use rusqlite::{Connection, Row};

const ACCOUNTS: &str = "SELECT id, name, suspended_at IS NOT NULL FROM accounts";
const KEYS: &str =
    "SELECT digest, id, account, plan, scopes, expires_at, revoked_at IS NOT NULL FROM keys";

impl Store {
    /// A number that is another one whenever somebody else has changed something. Costs microseconds.
    pub(in crate::store) fn data_version(&self) -> Result<i64, StoreError> {
        let mut statement = self.connection.prepare_cached("PRAGMA data_version")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Reads what is new since the snapshot.
    pub(in crate::store) fn changes(
        &mut self,
        snapshot: &mut Snapshot,
    ) -> Result<Changes, StoreError> {
        // All of it as of one moment.
        let view = self.connection.transaction()?;
        let known = migrate::MIGRATIONS.len();
        migrate::version(&view, known)?;
        let revision = view.query_row("SELECT value FROM revision", [], |row| row.get(0))?;
        let since = snapshot.begin(revision);
        read_accounts(&view, since, snapshot)?;
        let keys = read_keys(&view, since, snapshot)?;
        Ok(snapshot.end(revision, since, keys))
    }
}

/// What is to be read: with an index where it is little.
fn newer(select: &str, since: Option<i64>) -> String {
    match since {
        Some(_) => format!("{select} WHERE revision > ?1"),
        None => select.to_owned(),
    }
}

fn read_accounts(
    view: &Connection,
    since: Option<i64>,
    snapshot: &mut Snapshot,
) -> Result<(), StoreError> {
    let mut statement = view.prepare(&newer(ACCOUNTS, since))?;
    let mut rows = statement.query(rusqlite::params_from_iter(since))?;
    while let Some(row) = rows.next()? {
        let name = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        snapshot.account(row.get(0)?, name, row.get(2)?);
    }
    Ok(())
}

fn read_keys(
    view: &Connection,
    since: Option<i64>,
    snapshot: &mut Snapshot,
) -> Result<Vec<(KeyDigest, KeyRecord)>, StoreError> {
    let mut statement = view.prepare(&newer(KEYS, since))?;
    let mut rows = statement.query(rusqlite::params_from_iter(since))?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push(read_key(row, snapshot)?);
    }
    Ok(keys)
}

fn read_key(row: &Row<'_>, snapshot: &mut Snapshot) -> Result<(KeyDigest, KeyRecord), StoreError> {
    let id = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
    let plan = row.get_ref(3)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    let scopes = row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?;
    snapshot.key(&KeyRow {
        digest: row.get(0)?,
        id,
        account: row.get(2)?,
        plan,
        scopes,
        expires_at: time_if_any(row, 5)?,
        revoked: row.get(6)?,
    })
}
