use std::time::{Duration, Instant};

/// How long to wait before Redis is tried again: first next to nothing, then twice as long each time.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

const FIRST: Duration = Duration::from_millis(20);
const LAST: Duration = Duration::from_secs(5);
/// A connection that held this long was a success; one that did not is one more failure.
const STEADY: Duration = Duration::from_secs(10);

impl Backoff {
    /// The next pause, after a connection that was made at some time, or not at all.
    pub(super) fn next(&mut self, connected: Option<Instant>) -> Duration {
        if connected.is_some_and(|at| at.elapsed() >= STEADY) {
            self.failures = 0;
        }
        let pause = FIRST.saturating_mul(1 << self.failures.min(16)).min(LAST);
        self.failures = self.failures.saturating_add(1);
        // Many processes that lost it at once do not come back at once.
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_start_anew_after_a_steady_connection() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..40).map(|_| backoff.next(None)).collect();
        for (n, pause) in pauses.iter().enumerate() {
            let most = FIRST.saturating_mul(1 << n.min(16)).min(LAST);
            assert!((most / 2..=most).contains(pause), "{n}: {pause:?}");
        }
        assert!(backoff.next(Some(Instant::now())) > FIRST, "it did not hold");
        let Some(long_ago) = Instant::now().checked_sub(STEADY) else { return };
        assert!(backoff.next(Some(long_ago)) <= FIRST);
    }
}
