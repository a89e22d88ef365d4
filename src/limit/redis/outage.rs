use super::{RedisUrl, Unavailable};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The log lines about a Redis that is away: one when it goes, reminders at growing intervals, one when it is back.
///
/// It is shared by all connections of a process, which lose it together.
#[derive(Debug, Default)]
pub(super) struct OutageLog {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Since when it has been away.
    since: Option<Instant>,
    /// The last line: why, and when.
    last: Option<(Unavailable, Instant)>,
    /// How long no line follows that says the same.
    pause: Duration,
    /// There was a line about this outage.
    announced: bool,
}

/// The shortest time between two lines that say the same.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest.
const LAST_PAUSE: Duration = Duration::from_secs(600);

impl OutageLog {
    /// It is away, and will be tried again.
    pub(super) fn away(&self, url: &RedisUrl, reason: &Unavailable, retry_in: Duration) {
        if self.lock().away(reason, Instant::now()) {
            tracing::warn!(
                store = %url,
                retry_in = ?retry_in,
                "limits: no answer from Redis, {reason}; until there is one, quotas follow on_store_failure"
            );
        }
    }

    /// It is there.
    pub(super) fn back(&self, url: &RedisUrl) {
        if let Some(away) = self.lock().back(Instant::now()) {
            tracing::info!(store = %url, away = ?away, "limits: Redis answers again, all quotas are shared");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a line is due.
    fn away(&mut self, reason: &Unavailable, now: Instant) -> bool {
        self.since.get_or_insert(now);
        self.pause = match &self.last {
            Some((last, at)) if last == reason && now < *at + self.pause => return false,
            // It goes on, or comes again and again.
            Some((last, at)) if last == reason && now < *at + self.pause * 2 => {
                (self.pause * 2).min(LAST_PAUSE)
            }
            // One outage has several reasons within a moment: closed, then unreachable, then loading.
            Some((_, at)) if self.announced && now < *at + FIRST_PAUSE => return false,
            _ => FIRST_PAUSE,
        };
        self.last = Some((reason.clone(), now));
        self.announced = true;
        true
    }

    /// How long it was away, if that has been said.
    fn back(&mut self, now: Instant) -> Option<Duration> {
        let since = self.since.take()?;
        std::mem::take(&mut self.announced).then(|| now.duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn an_outage_has_a_beginning_reminders_and_an_end() {
        let (mut state, start) = (State::default(), Instant::now());
        let lines: Vec<u64> =
            (0..200).filter(|n| state.away(&Unavailable::Closed, start + second(*n))).collect();
        assert_eq!(lines, [0, 10, 30, 70, 150]);
        assert_eq!(state.back(start + second(200)), Some(second(200)));
        assert_eq!(state.back(start + second(201)), None);
    }

    #[test]
    fn another_reason_is_another_line_unless_it_follows_at_once() {
        let (mut state, start) = (State::default(), Instant::now());
        assert!(state.away(&Unavailable::Closed, start));
        assert!(!state.away(&Unavailable::Loading, start));
        assert!(!state.away(&Unavailable::Closed, start + second(1)));
        assert!(state.away(&Unavailable::Loading, start + second(10)));
        state.back(start + second(11));
        assert!(state.away(&Unavailable::Closed, start + second(12)), "another outage");
    }

    #[test]
    fn what_comes_and_goes_is_not_said_each_time() {
        let (mut state, start) = (State::default(), Instant::now());
        assert!(state.away(&Unavailable::Timeout, start));
        assert!(state.back(start + second(1)).is_some());
        assert!(!state.away(&Unavailable::Timeout, start + second(2)));
        assert_eq!(state.back(start + second(3)), None);
        assert!(state.away(&Unavailable::Timeout, start + second(12)));
        assert_eq!(state.back(start + second(13)), Some(second(1)));
    }
}
