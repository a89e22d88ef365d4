use crate::Fault;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// What the two ends of a connection tell each other: [`ScanIo`](super::ScanIo) beneath hyper, which knows
/// what came, and the service above it, which knows what became of it.
///
/// Both count requests; hyper calls the service once for each head, in their order.
#[derive(Debug)]
pub(crate) struct ConnState {
    begun: AtomicUsize,
    ended: AtomicUsize,
    /// Requests from this number on are refused.
    refuse_from: AtomicUsize,
    /// Why.
    refusal: Mutex<Option<Fault>>,
    /// The last request that was let through may change the protocol.
    raw: AtomicBool,
    /// A body has begun of which more is to come.
    in_body: AtomicBool,
    /// A request's body was given up before its end.
    unread: AtomicBool,
    /// An answer broke off, and only a reset can tell.
    abort: AtomicBool,
    /// The next request had better come on another connection.
    leaves: AtomicBool,
}

impl Default for ConnState {
    fn default() -> Self {
        Self {
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            refuse_from: AtomicUsize::new(usize::MAX),
            raw: AtomicBool::new(false),
            in_body: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            abort: AtomicBool::new(false),
            leaves: AtomicBool::new(false),
            refusal: Mutex::new(None),
        }
    }
}

impl ConnState {
    /// A request has come: called once for each, before anything else.
    ///
    /// A fault is why this request is refused. It is to be answered with that and `connection: close`; its
    /// method and version are the client's as far as they were legible, the rest of it is made up.
    pub(crate) fn begin(&self) -> Option<Fault> {
        self.unread.store(false, Ordering::Relaxed);
        let number = self.begun.fetch_add(1, Ordering::AcqRel);
        if number < self.refuse_from.load(Ordering::Acquire) {
            return None;
        }
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        Some(refusal.clone().unwrap_or(Fault::Internal))
    }

    /// The response to a request has ended or was dropped.
    pub(crate) fn end(&self) {
        self.ended.fetch_add(1, Ordering::AcqRel);
    }

    /// The body of the request that began last was given up before its end.
    pub(crate) fn give_body_up(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Whether a body was given up that is still arriving: hyper cannot get past it to the next request, and
    /// will close.
    pub(crate) fn must_close(&self) -> bool {
        self.unread.load(Ordering::Relaxed) && self.in_body.load(Ordering::Relaxed)
    }

    /// More of the body is to come, as far as has been read.
    pub(super) fn set_in_body(&self, in_body: bool) {
        self.in_body.store(in_body, Ordering::Relaxed);
    }

    /// An answer whose end is the end of the connection broke off: the connection must not end well.
    pub(crate) fn abort(&self) {
        self.abort.store(true, Ordering::Relaxed);
    }

    /// Whether the connection is to be reset.
    pub(crate) fn is_aborted(&self) -> bool {
        self.abort.load(Ordering::Relaxed)
    }

    /// The next request had better come on another connection.
    pub(crate) fn leave(&self) {
        self.leaves.store(true, Ordering::Relaxed);
    }

    /// Whether it had.
    pub(crate) fn leaves(&self) -> bool {
        self.leaves.load(Ordering::Relaxed)
    }

    /// Requests that have begun and not ended.
    pub(crate) fn active(&self) -> usize {
        self.begun().saturating_sub(self.ended())
    }

    /// Whether the request that began last may change the protocol (`Upgrade` or `CONNECT`).
    ///
    /// If so, everything behind it goes through unchecked: a response that declines must close.
    pub(crate) fn upgradable(&self) -> bool {
        self.raw.load(Ordering::Acquire) && self.begun() == self.refuse_from.load(Ordering::Acquire)
    }

    /// Requests that have come so far.
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::Acquire)
    }

    pub(super) fn ended(&self) -> usize {
        self.ended.load(Ordering::Acquire)
    }

    /// The request with this number, from 0, is refused, and so is every later one.
    pub(super) fn refuse_from(&self, number: usize, fault: Fault) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
        self.refuse_from.store(number, Ordering::Release);
    }

    /// What comes after so many requests is another protocol's.
    pub(super) fn raw_after(&self, requests: usize) {
        if self.raw.load(Ordering::Acquire) {
            return;
        }
        self.refuse_from(requests, Fault::bad_request("a request after an upgrade"));
        self.raw.store(true, Ordering::Release);
    }
}
