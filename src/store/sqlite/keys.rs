use super::{Store, accounts::account, next_revision, rows, time, time_if_any};
use crate::store::{
    KeyError, Name, NewKey, Rotation, StoreError, StoredKey,
    key::{only_one, read_scopes},
};
use jiff::Timestamp;
use rusqlite::{Connection, Row, ToSql, Transaction, named_params};

const SELECT: &str = "
    SELECT k.row, k.id, a.name, k.plan, k.scopes, k.note, k.created_at, k.expires_at, k.revoked_at,
           old.id, new.id, a.suspended_at IS NOT NULL
    FROM keys k
    JOIN accounts a ON a.id = k.account
    LEFT JOIN keys old ON old.row = k.rotated_from
    LEFT JOIN keys new ON new.row = k.rotated_to";

impl Store {
    /// At most so many keys, in the order of their creation, from behind this one on.
    ///
    /// Piece by piece, so that somebody who pages through a million keys does not hold up the store's housekeeping.
    pub(crate) fn keys(
        &self,
        account: Option<&str>,
        after: Option<&StoredKey>,
        limit: u32,
    ) -> Result<Vec<StoredKey>, StoreError> {
        let after = after.map_or(0, |key| key.row);
        let limits: &[&dyn ToSql] = &[&after, &limit, &account];
        match account {
            None => select(&self.connection, "k.row > ?1 ORDER BY k.row LIMIT ?2", &limits[..2]),
            Some(_) => select(
                &self.connection,
                "k.account = (SELECT id FROM accounts WHERE name = ?3) AND k.row > ?1 ORDER BY k.row LIMIT ?2",
                limits,
            ),
        }
    }

    /// The key with this id, else the only one whose id begins like this.
    pub(crate) fn key(&self, id: &str) -> Result<StoredKey, KeyError> {
        key(&self.connection, id)
    }

    /// Stores a key.
    pub(crate) fn create(&mut self, key: &NewKey, now: Timestamp) -> Result<StoredKey, KeyError> {
        let change = self.change()?;
        let revision = next_revision(&change)?;
        let id = key.id.clone().unwrap_or_else(Name::random_id);
        let account = account(&change, &key.account, revision, now)?;
        if insert(&change, &id, key, account, revision, now)?.is_none() {
            return Err(KeyError::IdTaken(id.to_string()));
        }
        let stored = must_find(&change, &id)?;
        change.commit()?;
        Ok(stored)
    }

    /// Revokes a key, for good, and says whether that is new.
    pub(crate) fn revoke(
        &mut self,
        id: &str,
        now: Timestamp,
    ) -> Result<(StoredKey, bool), KeyError> {
        let change = self.change()?;
        let key = must_find(&change, id)?;
        if key.revoked_at.is_some() {
            return Ok((key, false));
        }
        let revision = next_revision(&change)?;
        change.execute(
            "UPDATE keys SET revoked_at = ?2, revision = ?3 WHERE row = ?1",
            (key.row, now.as_millisecond(), revision),
        )?;
        change.commit()?;
        Ok((StoredKey { revoked_at: Some(now), ..key }, true))
    }

    /// Puts a new key in the place of an old one, which goes on for a while: (new, old).
    pub(crate) fn rotate(
        &mut self,
        id: &str,
        rotation: &Rotation,
        now: Timestamp,
    ) -> Result<(StoredKey, StoredKey), KeyError> {
        let change = self.change()?;
        let old = must_find(&change, id)?;
        let ends = rotation.ends(&old, now)?;
        let revision = next_revision(&change)?;
        let new = Name::random_id();
        succeed(&change, &old, &new, rotation, ends, revision, now)?;
        let both = (must_find(&change, &new)?, must_find(&change, id)?);
        change.commit()?;
        Ok(both)
    }
}

/// The key with this id, else the only one whose id begins like this.
pub(super) fn key(connection: &Connection, id: &str) -> Result<StoredKey, KeyError> {
    if let Some(key) = find(connection, id)? {
        return Ok(key);
    }
    // No id has a character beyond the last one.
    let beyond = format!("{id}\u{10ffff}");
    let found = select(connection, "k.id BETWEEN ?1 AND ?2 LIMIT 2", &[&id, &beyond])?;
    only_one(found, id)
}

/// Writes the successor and the end of the old key, and limits the one as the other.
fn succeed(
    change: &Transaction<'_>,
    old: &StoredKey,
    new: &str,
    rotation: &Rotation,
    (ends_at, old_ends_at): (Option<Timestamp>, Timestamp),
    revision: i64,
    now: Timestamp,
) -> rusqlite::Result<()> {
    change.execute(
        "INSERT INTO keys (id, digest, account, plan, scopes, note, created_at, expires_at, rotated_from, revision)
         SELECT :id, :digest, account, plan, scopes, note, :now, :expires_at, row, :revision
         FROM keys WHERE row = :old",
        named_params! {
            ":id": new, ":digest": rotation.digest.as_bytes(), ":now": now.as_millisecond(),
            ":expires_at": ends_at.map(Timestamp::as_millisecond),
            ":revision": revision, ":old": old.row,
        },
    )?;
    change.execute(
        "UPDATE keys SET expires_at = ?2, rotated_to = ?3, revision = ?4 WHERE row = ?1",
        (old.row, old_ends_at.as_millisecond(), change.last_insert_rowid(), revision),
    )?;
    change.execute(
        "INSERT INTO spend_limits (account, key, period, amount, start, spent, carried)
         SELECT account, ?2, period, amount, start, spent, spent FROM spend_limits
         WHERE key = ?1 AND account = (SELECT id FROM accounts WHERE name = ?3)",
        (&old.id, new, &old.account),
    )?;
    Ok(())
}

/// Stores a key and says in which row, unless its id or its digest is there already.
pub(super) fn insert(
    change: &Transaction<'_>,
    id: &str,
    key: &NewKey,
    account: i64,
    revision: i64,
    now: Timestamp,
) -> rusqlite::Result<Option<i64>> {
    let inserted = change
        .prepare_cached(
            "INSERT INTO keys (id, digest, account, plan, scopes, note, created_at, expires_at, revision)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
        )?
        .execute((
            id,
            key.digest.as_bytes(),
            account,
            key.plan.as_deref(),
            key.scopes.to_json(),
            key.note.as_deref(),
            now.as_millisecond(),
            key.expires_at.map(Timestamp::as_millisecond),
            revision,
        ))?;
    Ok((inserted == 1).then(|| change.last_insert_rowid()))
}

/// The keys for which this holds.
pub(super) fn select(
    connection: &Connection,
    condition: &str,
    parameters: &[&dyn ToSql],
) -> Result<Vec<StoredKey>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE {condition}"))?;
    rows(statement.query(parameters)?, read)
}

fn find(connection: &Connection, id: &str) -> Result<Option<StoredKey>, StoreError> {
    Ok(select(connection, "k.id = ?1", &[&id])?.pop())
}

fn must_find(connection: &Connection, id: &str) -> Result<StoredKey, KeyError> {
    find(connection, id)?.ok_or_else(|| KeyError::NoSuchKey(id.to_owned()))
}

fn read(row: &Row<'_>) -> Result<StoredKey, StoreError> {
    let scopes: String = row.get(4)?;
    Ok(StoredKey {
        row: row.get(0)?,
        id: row.get(1)?,
        account: row.get(2)?,
        plan: row.get(3)?,
        scopes: read_scopes(&scopes)?,
        note: row.get(5)?,
        created_at: time(row, 6)?,
        expires_at: time_if_any(row, 7)?,
        revoked_at: time_if_any(row, 8)?,
        rotated_from: row.get(9)?,
        rotated_to: row.get(10)?,
        account_suspended: row.get(11)?,
    })
}
