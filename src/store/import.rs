use super::{NewKey, StoreError, StoredKey};
use jiff::Timestamp;
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

/// What becomes of one line.
pub(super) enum Outcome {
    Added,
    Updated,
    Unchanged,
    Clash(Clash),
}

impl Imported {
    /// Counts a line, or remembers how it clashes.
    pub(super) fn count(&mut self, line: u64, outcome: Outcome, clashes: &mut Vec<(u64, Clash)>) {
        match outcome {
            Outcome::Added => self.added += 1,
            Outcome::Updated => self.updated += 1,
            Outcome::Unchanged => self.unchanged += 1,
            Outcome::Clash(clash) => clashes.push((line, clash)),
        }
    }

    /// Whether it has changed anything.
    pub(super) const fn is_change(&self) -> bool {
        self.added + self.updated > 0
    }
}

/// What becomes of the line of a key that is there already; none if it is to get the line's data.
pub(super) fn outcome(key: &NewKey, there: &StoredKey, update: bool) -> Option<Outcome> {
    let fields = differences(key, there);
    match fields.is_empty() {
        true => Some(Outcome::Unchanged),
        false if update => None,
        false => Some(Outcome::Clash(Clash::Differs(fields))),
    }
}

/// The fields that a stored key has otherwise.
pub(super) fn differences(key: &NewKey, there: &StoredKey) -> Vec<&'static str> {
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
pub(super) fn end(key: &NewKey, there: &StoredKey) -> Option<Timestamp> {
    match (key.expires_at, there.expires_at) {
        (Some(wanted), Some(end)) if there.rotated_to.is_some() => Some(wanted.min(end)),
        (None, end) if there.rotated_to.is_some() => end,
        (wanted, _) => wanted,
    }
}
