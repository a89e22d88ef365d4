use crate::charge::{LedgerError, Turn};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::{future::Future, time::Duration};

/// Who remembers which request had which key, and how it was answered.
///
/// As with a [`Ledger`](crate::charge::Ledger), every operation begins when it is called.
pub trait IdempotencyStore {
    /// The answer to [`begin`](Self::begin).
    type Beginning: Future<Output = Result<Begun, LedgerError>> + Send + Unpin;
    /// The answer to [`keep`](Self::keep) and [`forget`](Self::forget).
    type Ending: Future<Output = Result<(), LedgerError>> + Send + Unpin;

    /// Takes a key for a request, if no other has it.
    fn begin(&self, request: FirstRequest) -> Self::Beginning;

    /// Keeps the answer, for those who come with the same key; none where it cannot be given twice. The answer comes when it would outlive
    /// a power failure.
    fn keep(&self, name: &KeyName, answer: Option<Kept>) -> Self::Ending;

    /// Gives the key back: nothing was done for it.
    fn forget(&self, name: &KeyName) -> Self::Ending;
}

/// A key, and whose it is. The same key of another account is another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyName {
    /// The account.
    pub account: Box<str>,
    /// What the caller has sent.
    pub key: Box<str>,
    /// Different for each request that takes the key: one that has lost it cannot answer for the next one.
    pub turn: Turn,
}

/// A request that may be the first one with its key.
#[derive(Clone, Debug)]
pub struct FirstRequest {
    /// The key.
    pub name: KeyName,
    /// What the request asks for: SHA-256 of its method, target and body, and of the layer's scope.
    pub fingerprint: [u8; 32],
    /// How long it may take. Then the key is free again, as whoever had it is gone, unless what was reserved for it is taken or still reserved.
    pub lease: Duration,
    /// How long its answer is kept.
    pub retention: Duration,
}

/// Whether a request is the first one with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Begun {
    /// It is.
    First,
    /// Another one has it, and has no answer yet, or one that cannot be given twice.
    InUse,
    /// Another one had it, and asked for something else.
    Reused,
    /// Another one had it, and this was the answer.
    Answered(Kept),
}

/// An answer that can be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its status.
    pub status: StatusCode,
    /// Its fields, but for those of the connection and of the request.
    pub headers: HeaderMap,
    /// The whole of its body.
    pub body: Bytes,
}
