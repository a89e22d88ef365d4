use super::Amount;
use crate::auth::Principal;
use std::{error::Error, fmt, future::Future, time::Duration};
use uuid::Uuid;

/// Who keeps the money: a table in memory, a database, another service.
///
/// Every operation **begins when it is called**, in the order of the calls, and goes on if nobody waits for it any more: whoever
/// drops a future has not taken its operation back. All of them may be repeated with the same hold, and change nothing then.
pub trait Ledger {
    /// The answer to [`hold`](Self::hold).
    type Holding: Future<Output = Result<Reservation, LedgerError>> + Send + Unpin;
    /// The answer to [`end`](Self::end).
    type Ending: Future<Output = Result<Ended, LedgerError>> + Send + Unpin;

    /// Takes the amount from what the account can spend, if there is as much: all of it or nothing, however many ask at once.
    fn hold(&self, hold: NewHold) -> Self::Holding;

    /// Ends a hold, or says that its end is not known yet. The answer to a [`Settle`](End::Settle) comes when it would outlive
    /// a power failure.
    fn end(&self, id: HoldId, end: End) -> Self::Ending;
}

/// The name of a hold: it is drawn before the hold is asked for, so that whoever did not hear the answer can still end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId(Uuid);

impl HoldId {
    /// A new one, behind all earlier ones (UUID version 7, RFC 9562, section 5.7).
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The name that these bytes are.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// As it is stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl Default for HoldId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::str::FromStr for HoldId {
    type Err = InvalidHoldId;

    fn from_str(text: &str) -> Result<Self, InvalidHoldId> {
        text.parse().map(Self).map_err(|_| InvalidHoldId)
    }
}

/// A text that is no [`HoldId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidHoldId;

impl fmt::Display for InvalidHoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected the id of a hold, such as 0192d3c0-5f1a-7c3e-9b1d-0a2b3c4d5e6f")
    }
}

impl Error for InvalidHoldId {}

/// Money to be reserved.
#[derive(Clone, Debug)]
pub struct NewHold {
    /// What it is called from now on.
    pub id: HoldId,
    /// Whose account, and by which key.
    pub principal: Principal,
    /// How much. More than nothing.
    pub amount: Amount,
    /// What becomes of it if nobody ends it in time.
    pub limit: TimeLimit,
    /// The id of the request that it pays for.
    pub request_id: Option<Box<str>>,
    /// The row of the price table.
    pub item: Option<Box<str>>,
    /// What ties it to the idempotency key of its request, if that has one.
    pub turn: Option<Turn>,
}

/// One try at a request with an idempotency key, in its extensions. Somebody who comes with the same key, after a crash, must not have what is
/// paid for already carried out once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Turn(Uuid);

impl Turn {
    /// A new one.
    #[cfg(feature = "idempotency")]
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// As it is stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

/// Until when the end of a hold is waited for, and what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimit {
    /// How long, from the hold on.
    pub after: Duration,
    /// What becomes of it.
    pub then: AtLimit,
}

/// What becomes of a hold of which nobody knows how the work ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum AtLimit {
    /// The caller pays: the provider may have done the work.
    Settle,
    /// The caller has the money back: what was not seen is not paid for.
    #[default]
    Release,
}

impl AtLimit {
    /// The word in stores and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settle => "settle",
            Self::Release => "release",
        }
    }
}

/// Whether the money is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reservation {
    /// It is.
    Held,
    /// It is not: the account has less than that.
    InsufficientBalance,
    /// It was, under this name, and that has ended: whoever asks once more is too late.
    Ended,
    /// It is not: a limit on what the account or the key may spend within a time would be passed.
    SpendLimitReached,
}

/// How a hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The money is taken.
    Settle,
    /// It goes back.
    Release,
    /// It is not known: it stays reserved until the time limit.
    Pend,
}

/// What became of the hold that was to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The money is taken: now, or since the last time that somebody said so.
    Settled,
    /// It is back.
    Released,
    /// It is still reserved.
    Pending,
    /// There is no such hold.
    Unknown,
}

/// A ledger that could not answer. Nothing is known of what it did.
#[derive(Debug)]
pub struct LedgerError {
    source: Box<dyn Error + Send + Sync>,
}

impl LedgerError {
    /// Because of this.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }

    /// Says why, to whoever looks closely: the answer does not, and a store that is away is not the same news with every request.
    pub(crate) fn log(&self, whose: &str) {
        let cause = &self.source;
        tracing::debug!(%cause, "{whose}: {self}");
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store of the ledger does not answer")
    }
}

impl Error for LedgerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
