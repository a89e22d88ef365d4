use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;

/// Tells a worker and its connections that it is time to finish.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drain {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    begun: AtomicBool,
    notify: Notify,
}

impl Drain {
    /// No new connections, no new requests; what runs may finish.
    pub(crate) fn begin(&self) {
        self.inner.begun.store(true, Ordering::Release);
        self.inner.notify.notify_waiters();
    }

    /// Whether it has begun: cheap enough for every poll.
    pub(crate) fn has_begun(&self) -> bool {
        self.inner.begun.load(Ordering::Acquire)
    }

    /// Waits until it begins.
    pub(crate) async fn begun(&self) {
        let notified = self.inner.notify.notified();
        // Created first, so that a beginning in between is not missed.
        if !self.has_begun() {
            notified.await;
        }
    }
}
