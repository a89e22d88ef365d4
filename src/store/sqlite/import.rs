use super::{Store, accounts::account, keys, next_revision};
use crate::store::{Name, NewKey, StoreError, StoredKey};
use jiff::Timestamp;
use rusqlite::Transaction;
use serde::Serialize;
use std::fmt;

/// What became of the lines of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Imported {
    pub(crate) added: u64,
    pub(crate) updated: u64,
    /// Were there already, just so.
    pub(crate) unchanged: u64,
}

/// Why nothing was imported.
#[derive(Debug)]
pub(crate) enum ImportError {
    Store(StoreError),
    /// These lines contradict the store, or each other.
    Clashes(Vec<(u64, Clash)>),
}

/// How a line contradicts what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Clash {
    /// Another key has its id.
    IdTaken,
    /// The key is there, with something else in these fields.
    Differs(Vec<&'static str>),
}

impl<E: Into<StoreError>> From<E> for ImportError {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IdTaken => f.write_str("another key has this id"),
            Self::Differs(fields) => {
                write!(f, "the key is there already, with other data: {}", fields.join(", "))
            }
        }
    }
}

enum Outcome {
    Added,
    Updated,
    Unchanged,
    Clash(Clash),
}

impl Store {
    /// Stores keys of numbered lines: all of them, or none.
    ///
    /// A key that is there already with the same data is left alone. With other data it is an error, or, with `update`,
    /// gets the new data; it stays revoked if it is. An id or a note that a line does not give is no other data, and
    /// neither is a later end of a key that was rotated: it keeps the one that its rotation gave it.
    pub(crate) fn import(
        &mut self,
        lines: &[(u64, NewKey)],
        update: bool,
        now: Timestamp,
    ) -> Result<Imported, ImportError> {
        // 256 MiB, so that the indexes of a million keys are not read again and again.
        self.connection.pragma_update(None, "cache_size", -262_144)?;
        let change = self.change()?;
        let revision = next_revision(&change)?;
        let mut imported = Imported::default();
        let mut clashes = Vec::new();
        for (line, key) in lines {
            match import(&change, key, update, revision, now)? {
                Outcome::Added => imported.added += 1,
                Outcome::Updated => imported.updated += 1,
                Outcome::Unchanged => imported.unchanged += 1,
                Outcome::Clash(clash) => clashes.push((*line, clash)),
            }
        }
        if !clashes.is_empty() {
            return Err(ImportError::Clashes(clashes));
        }
        if imported.added + imported.updated > 0 {
            change.commit()?;
        }
        Ok(imported)
    }
}

fn import(
    change: &Transaction<'_>,
    key: &NewKey,
    update: bool,
    revision: i64,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let account = account(change, &key.account, revision, now)?;
    let drawn;
    let id = match &key.id {
        Some(id) => id,
        None => {
            drawn = Name::random_id();
            &drawn
        }
    };
    if keys::insert(change, id, key, account, revision, now)?.is_some() {
        return Ok(Outcome::Added);
    }
    let Some(there) = keys::select(change, "k.digest = ?1", &[key.digest.as_bytes()])?.pop() else {
        return Ok(Outcome::Clash(Clash::IdTaken));
    };
    let fields = differences(key, &there);
    match fields.is_empty() {
        true => Ok(Outcome::Unchanged),
        false if !update => Ok(Outcome::Clash(Clash::Differs(fields))),
        false => Ok(match replace(change, &there, key, account, revision)? {
            true => Outcome::Updated,
            false => Outcome::Clash(Clash::IdTaken),
        }),
    }
}

/// The fields that a stored key has otherwise.
fn differences(key: &NewKey, there: &StoredKey) -> Vec<&'static str> {
    let same_id = key.id.as_ref().is_none_or(|id| **id == there.id);
    let same_note = key.note.is_none() || key.note.as_deref() == there.note.as_deref();
    let fields = [
        ("id", same_id),
        ("account", *key.account == there.account),
        ("plan", key.plan.as_deref() == there.plan.as_deref()),
        ("scopes", key.scopes.iter().eq(&there.scopes)),
        ("expires_at", end(key, there) == there.expires_at),
        ("note", same_note),
    ];
    fields.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}

/// When a stored key is to end after the import. A file that is older than a rotation does not undo it.
fn end(key: &NewKey, there: &StoredKey) -> Option<Timestamp> {
    match (key.expires_at, there.expires_at) {
        (Some(wanted), Some(end)) if there.rotated_to.is_some() => Some(wanted.min(end)),
        (None, end) if there.rotated_to.is_some() => end,
        (wanted, _) => wanted,
    }
}

/// Gives a stored key other data; `false` if another one has its id.
fn replace(
    change: &Transaction<'_>,
    there: &StoredKey,
    key: &NewKey,
    account: i64,
    revision: i64,
) -> rusqlite::Result<bool> {
    let updated = change
        .prepare_cached(
            "UPDATE OR IGNORE keys SET id = coalesce(?2, id), account = ?3, plan = ?4, scopes = ?5,
                    note = coalesce(?6, note), expires_at = ?7, revision = ?8
             WHERE row = ?1",
        )?
        .execute((
            there.row,
            key.id.as_deref(),
            account,
            key.plan.as_deref(),
            key.scopes.to_json(),
            key.note.as_deref(),
            end(key, there).map(Timestamp::as_millisecond),
            revision,
        ))?;
    Ok(updated == 1)
}
