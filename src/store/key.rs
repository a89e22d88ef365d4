use super::{KeyError, Name, Note, Scopes, StoreError};
use crate::auth::KeyDigest;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

/// A key to be stored.
#[derive(Clone, Debug)]
pub(crate) struct NewKey {
    /// Its public name. Default: a random one.
    pub(crate) id: Option<Name>,
    pub(crate) digest: KeyDigest,
    /// Whose it is; an account that is not there yet is opened.
    pub(crate) account: Name,
    pub(crate) plan: Option<Name>,
    pub(crate) scopes: Scopes,
    pub(crate) note: Option<Note>,
    /// From when on it is good no more.
    pub(crate) expires_at: Option<Timestamp>,
}

/// A key as it is stored. The key itself is not.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StoredKey {
    /// Where it stands in the order of creation.
    #[serde(skip)]
    pub(super) row: i64,
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) plan: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) note: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) revoked_at: Option<Timestamp>,
    /// The key that it replaces.
    pub(crate) rotated_from: Option<String>,
    /// The key that replaces it.
    pub(crate) rotated_to: Option<String>,
    pub(crate) account_suspended: bool,
}

/// Whether a key may be used, and if not, the first reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Active,
    Revoked,
    Expired,
    /// Its account is.
    Suspended,
}

/// The key that was asked for, of those whose ids begin like this.
pub(super) fn only_one(found: Vec<StoredKey>, id: &str) -> Result<StoredKey, KeyError> {
    match <[StoredKey; 1]>::try_from(found) {
        Ok([key]) => Ok(key),
        Err(found) if found.is_empty() => Err(KeyError::NoSuchKey(id.to_owned())),
        Err(_) => Err(KeyError::Ambiguous(id.to_owned())),
    }
}

impl State {
    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Suspended => "suspended",
        }
    }
}

impl StoredKey {
    /// In the order of [`KeyRecord::standing`](crate::auth::KeyRecord::standing).
    pub(crate) fn state(&self, now: Timestamp) -> State {
        match self.expires_at {
            _ if self.revoked_at.is_some() => State::Revoked,
            Some(end) if end <= now => State::Expired,
            _ if self.account_suspended => State::Suspended,
            _ => State::Active,
        }
    }
}

/// A key that takes another's place.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    pub(crate) digest: KeyDigest,
    pub(crate) life: Life,
    /// From when on the old key is good no more, if it does not end earlier.
    pub(crate) old_ends_at: Timestamp,
}

impl Rotation {
    /// When a successor of this key ends, and when the key itself does.
    ///
    /// # Errors
    ///
    /// If it can have no successor, or has one.
    pub(super) fn ends(
        &self,
        old: &StoredKey,
        now: Timestamp,
    ) -> Result<(Option<Timestamp>, Timestamp), KeyError> {
        if old.revoked_at.is_some() {
            return Err(KeyError::Revoked(old.id.clone()));
        }
        if let Some(to) = &old.rotated_to {
            return Err(KeyError::Rotated { id: old.id.clone(), to: to.clone() });
        }
        let old_ends_at = old.expires_at.map_or(self.old_ends_at, |end| end.min(self.old_ends_at));
        Ok((self.life.end(old, now)?, old_ends_at))
    }
}

/// How long a key lives that takes another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// As long as the old one was to live, from now on.
    AsBefore,
    Until(Timestamp),
    Endless,
}

impl Life {
    /// When it ends, of a successor of this key.
    ///
    /// # Errors
    ///
    /// If it is to live as long as a key whose life is over, or had no length: the successor could be dead on arrival.
    fn end(self, old: &StoredKey, now: Timestamp) -> Result<Option<Timestamp>, KeyError> {
        match (self, old.expires_at) {
            (Self::Until(end), _) => Ok(Some(end)),
            (Self::Endless, _) | (Self::AsBefore, None) => Ok(None),
            (Self::AsBefore, Some(end)) if end <= now || end <= old.created_at => {
                Err(KeyError::Over(old.id.clone()))
            }
            (Self::AsBefore, Some(end)) => {
                let life = end.duration_since(old.created_at);
                Ok(Some(now.checked_add(life).unwrap_or(Timestamp::MAX)))
            }
        }
    }
}

/// An account as it is stored.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StoredAccount {
    pub(crate) name: String,
    /// How many keys it has, usable or not.
    pub(crate) keys: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) suspended_at: Option<Timestamp>,
}

/// Times are stored in milliseconds; what is finer is cut off.
pub(crate) fn until_millisecond(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// A point in time, from its milliseconds.
pub(super) fn instant(milliseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(milliseconds)
        .map_err(|_| StoreError::corrupt("a time is out of range"))
}

/// Scopes, as they are stored.
pub(super) fn read_scopes<T: DeserializeOwned>(json: &str) -> Result<Vec<T>, StoreError> {
    serde_json::from_str(json).map_err(|_| StoreError::corrupt("scopes are no array of strings"))
}
