use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use std::time::Duration;
use tokio::time::sleep;

/// The answers under way on an HTTP/2 connection.
///
/// A client that grants no more flow control stops its stream, and nothing asks the answer's body again: the
/// connection's own timers see bytes go by, and those of the answer are never looked at. Here both sides can be seen.
#[derive(Debug, Default)]
pub(super) struct Answers {
    under_way: Mutex<Vec<Weak<Progress>>>,
}

/// How one answer gets on.
#[derive(Debug)]
pub(super) struct Progress {
    /// Pieces that were taken.
    pieces: AtomicUsize,
    /// What `pieces` was when it was last looked at.
    seen: AtomicUsize,
    /// It is the client that the next piece waits for.
    on_client: AtomicBool,
}

impl Progress {
    /// The body is asked for a piece, and has `none` yet.
    pub(super) fn asked(&self, none: bool) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
        self.on_client.store(!none, Ordering::Relaxed);
    }

    /// Whether the client has taken nothing since the last look.
    fn is_stalled(&self) -> bool {
        let pieces = self.pieces.load(Ordering::Relaxed);
        let seen = self.seen.swap(pieces, Ordering::Relaxed);
        pieces == seen && self.on_client.load(Ordering::Relaxed)
    }
}

impl Answers {
    /// An answer begins.
    pub(super) fn begin(&self) -> Arc<Progress> {
        let progress = Arc::new(Progress {
            pieces: AtomicUsize::new(0),
            // Not what it is now: the first look only takes note.
            seen: AtomicUsize::new(usize::MAX),
            on_client: AtomicBool::new(true),
        });
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.len() == under_way.capacity() {
            under_way.retain(|answer| answer.strong_count() > 0);
        }
        under_way.push(Arc::downgrade(&progress));
        progress
    }

    /// Waits until a client has taken nothing of an answer for this long, or up to twice as long.
    pub(super) async fn stalled(&self, patience: Duration) {
        loop {
            sleep(patience).await;
            let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            // All of them, since each look takes note.
            let stalled = under_way.iter().filter_map(Weak::upgrade).filter(|one| one.is_stalled());
            if stalled.count() > 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_secs(5);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing() {
        let answers = Answers::default();
        let _busy = answers.begin();
        assert!(timeout(LONG, answers.stalled(PATIENCE)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_has_nothing() {
        let answers = Answers::default();
        answers.begin().asked(true);
        let waiting = answers.begin();
        waiting.asked(true);
        assert!(timeout(LONG, answers.stalled(PATIENCE)).await.is_err());
        waiting.asked(false);
        assert!(timeout(LONG, answers.stalled(PATIENCE)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_slow() {
        let answers = Answers::default();
        let slow = answers.begin();
        let reading = async {
            for _ in 0..20 {
                sleep(PATIENCE - Duration::from_secs(1)).await;
                slow.asked(false);
            }
        };
        tokio::select! {
            () = answers.stalled(PATIENCE) => panic!("it was cut off"),
            () = reading => {}
        }
    }
}
