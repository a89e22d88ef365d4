//! Work that goes on although the client that asked for it has left.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{runtime::Handle, sync::Notify};

/// How many may go on alone where nothing else is said.
pub(crate) const MOST_ALONE: usize = 1_000;

/// How much may go on alone at a time.
#[derive(Debug)]
pub(crate) struct Alone {
    now: AtomicUsize,
    most: usize,
    /// Somebody has ended.
    ended: Notify,
}

impl Alone {
    /// So many at most.
    pub(crate) const fn new(most: usize) -> Self {
        Self { now: AtomicUsize::new(0), most, ended: Notify::const_new() }
    }

    /// Waits until nothing goes on.
    #[cfg(feature = "standalone")]
    pub(crate) async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            // Asked for first, so that an end in between is not missed.
            if self.now.load(Ordering::Acquire) == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Goes on with this in the background. What is too much, and what nobody is there for as when a runtime ends, is dropped.
    pub(crate) fn go_on(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        let place = Place::take(self);
        if let (Ok(runtime), Some(place)) = (Handle::try_current(), place) {
            runtime.spawn(async move {
                let _place = place;
                work.await;
            });
        }
    }
}

/// One of those that go on.
struct Place(Arc<Alone>);

impl Place {
    fn take(alone: &Arc<Alone>) -> Option<Self> {
        // Counted first: it is given back when this is dropped.
        let before = alone.now.fetch_add(1, Ordering::Relaxed);
        let place = Self(alone.clone());
        (before < alone.most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Release);
        self.0.ended.notify_waiters();
    }
}
