use std::{
    borrow::Cow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How often the log says that spans are lost.
const EVERY: Duration = Duration::from_secs(60);

/// Spans that nobody gets.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// There was no place in the queue.
    pub(super) full: AtomicU64,
    /// The collector has not taken them.
    refused: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    /// Why the collector has not taken them.
    reason: Option<Cow<'static, str>>,
    said: Option<Instant>,
}

impl Losses {
    pub(super) fn full(&self) {
        self.full.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, spans: usize) {
        self.refused.fetch_add(spans as u64, Ordering::Relaxed);
    }

    /// Why the collector takes nothing, in words without names or secrets.
    pub(super) fn because(&self, reason: impl Into<Cow<'static, str>>) {
        self.last().reason = Some(reason.into());
    }

    /// Says it in the log, if it is time to.
    pub(super) fn report(&self) {
        if let Some((refused, full, reason)) = self.due(Instant::now()) {
            let reason = reason.as_deref();
            tracing::warn!(
                refused,
                full,
                reason,
                "spans are lost: the collector does not take them"
            );
        }
    }

    fn due(&self, now: Instant) -> Option<(u64, u64, Option<Cow<'static, str>>)> {
        let mut last = self.last();
        let is_early = last.said.is_some_and(|said| now.saturating_duration_since(said) < EVERY);
        let any = [&self.refused, &self.full].iter().any(|lost| lost.load(Ordering::Relaxed) > 0);
        if is_early || !any {
            return None;
        }
        last.said = Some(now);
        let [refused, full] =
            [&self.refused, &self.full].map(|lost| lost.swap(0, Ordering::Relaxed));
        Some((refused, full, last.reason.take()))
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn said_once_in_a_while() {
        let (losses, start) = (Losses::default(), Instant::now());
        assert_eq!(losses.due(start), None);
        losses.refused(3);
        losses.because("status 503");
        assert_eq!(losses.due(start), Some((3, 0, Some("status 503".into()))));
        losses.refused(1);
        losses.full();
        assert_eq!(losses.due(start + EVERY / 2), None);
        assert_eq!(losses.due(start + EVERY), Some((1, 1, None)));
        assert_eq!(losses.due(start + EVERY * 3), None);
    }
}
