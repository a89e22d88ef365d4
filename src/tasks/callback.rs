#[cfg(feature = "standalone")]
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{error::Error, fmt, str::FromStr};
use uuid::Uuid;

/// Somebody who wants to be told when a task is over. In the extensions of a request that may make one; a store that tells people remembers
/// it with the task.
#[derive(Clone)]
pub struct Callback {
    /// What it is called.
    pub id: CallbackId,
    /// Where to.
    pub url: Box<str>,
}

/// The name of a callback: it is drawn before the task is asked for, so that the provider can be told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallbackId(Uuid);

/// Without the URL, which may hold the caller's secrets.
impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").field("id", &self.id).finish_non_exhaustive()
    }
}

impl CallbackId {
    /// A new one, behind all earlier ones (UUID version 7, RFC 9562, section 5.7).
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The name that these bytes are.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// How long ago it was drawn; nothing if that is in the future.
    #[cfg(feature = "standalone")]
    pub(crate) fn age(&self) -> Duration {
        // One that says nothing of it is taken for a new one.
        let Some(time) = self.0.get_timestamp() else { return Duration::ZERO };
        let (seconds, nanos) = time.to_unix();
        let drawn = UNIX_EPOCH + Duration::new(seconds, nanos);
        SystemTime::now().duration_since(drawn).unwrap_or_default()
    }

    /// As it is stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl Default for CallbackId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for CallbackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for CallbackId {
    type Err = InvalidCallbackId;

    fn from_str(text: &str) -> Result<Self, InvalidCallbackId> {
        text.parse().map(Self).map_err(|_| InvalidCallbackId)
    }
}

/// A text that is no [`CallbackId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCallbackId;

impl fmt::Display for InvalidCallbackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected the id of a callback, such as 0192d3c0-5f1a-7c3e-9b1d-0a2b3c4d5e6f")
    }
}

impl Error for InvalidCallbackId {}
