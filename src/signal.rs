//! Something that happens once, and of which everybody is to know.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;

/// Says that something has begun, such as the end of the process. Clones are the same signal.
#[derive(Clone, Debug, Default)]
pub struct Signal {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    begun: AtomicBool,
    notify: Notify,
}

impl Signal {
    /// From here on it has begun.
    pub fn begin(&self) {
        self.inner.begun.store(true, Ordering::Release);
        self.inner.notify.notify_waiters();
    }

    /// Whether it has begun: cheap enough for every poll.
    pub fn has_begun(&self) -> bool {
        self.inner.begun.load(Ordering::Acquire)
    }

    /// Waits until it begins.
    pub async fn begun(&self) {
        let notified = self.inner.notify.notified();
        // Created first, so that a beginning in between is not missed.
        if !self.has_begun() {
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_told_and_whoever_comes_later_too() {
        let signal = Signal::default();
        let waiting = tokio::spawn({
            let signal = signal.clone();
            async move { signal.begun().await }
        });
        tokio::task::yield_now().await;
        assert!(!signal.has_begun() && !waiting.is_finished());
        signal.begin();
        waiting.await.unwrap();
        signal.begun().await;
        assert!(signal.has_begun());
    }
}
