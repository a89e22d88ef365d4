//! Which endpoints are of use at the moment.

use crate::fault::{EndpointHealth, Kind, UpstreamFault};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// When an endpoint is left out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ejection {
    /// How many failures within [`window`](Self::window) it takes at least. Default: 5.
    pub failures: u32,
    /// How many of a hundred requests must have failed. Default: 50.
    pub percent: u8,
    /// The time over which failures are counted. Default: 10 s.
    pub window: Duration,
    /// How long an endpoint is left out the first time, and twice as long each time that it fails its probe. Default: 10 s.
    pub base: Duration,
    /// The longest that an endpoint is left out. Default: 5 min.
    pub longest: Duration,
    /// Whether all endpoints may be out at once, and requests be refused without a try. Default: `false`, then the one
    /// that is back first is asked.
    pub all: bool,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: 5,
            percent: 50,
            window: Duration::from_secs(10),
            base: Duration::from_secs(10),
            longest: Duration::from_secs(300),
            all: false,
        }
    }
}

/// The pause of an endpoint that limits us without saying for how long.
const COOL_DOWN: Duration = Duration::from_secs(1);

/// How one endpoint is. Clones share it; [`worker`](Self::worker) makes one that counts by itself.
#[derive(Clone, Debug)]
pub(crate) struct Health(Arc<Seen>);

/// An endpoint as one worker sees it. Requests count references of this and not of what is shared: no two cores write to one
/// place for it.
#[derive(Debug)]
struct Seen {
    shared: Arc<Shared>,
    window: Window,
}

#[derive(Debug)]
struct Shared {
    ejection: Ejection,
    /// Where the numbers below begin.
    epoch: Instant,
    /// Milliseconds from the epoch until which it is out; 0 when it is not.
    out_until: AtomicU64,
    /// The same for a pause that it asked for.
    pause_until: AtomicU64,
    /// One request is trying whether it is back.
    probing: AtomicBool,
    /// Ejections in a row.
    strikes: Mutex<u32>,
}

#[derive(Debug, Default)]
struct Window {
    began: AtomicU64,
    requests: AtomicU32,
    failures: AtomicU32,
}

/// Whether an endpoint may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It may.
    Available,
    /// It is out, but it is time to try whether it is back.
    Due,
    /// Not before this moment.
    Out(Instant),
}

/// The right to ask an endpoint; the only one, if it is a probe.
#[derive(Debug)]
pub(super) struct Permit {
    health: Health,
    probe: bool,
}

impl Health {
    pub(crate) fn new(ejection: Ejection, now: Instant) -> Self {
        let shared = Shared {
            ejection,
            epoch: now,
            out_until: AtomicU64::new(0),
            pause_until: AtomicU64::new(0),
            probing: AtomicBool::new(false),
            strikes: Mutex::new(0),
        };
        Self::seen(Arc::new(shared))
    }

    fn seen(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Seen { shared, window: Window::default() }))
    }

    /// The same endpoint, seen by another worker.
    #[cfg(any(test, feature = "standalone"))]
    pub(crate) fn worker(&self) -> Self {
        Self::seen(self.0.shared.clone())
    }

    /// How it is now.
    pub(crate) fn state(&self, now: Instant) -> State {
        let shared = &*self.0.shared;
        let out = shared.out_until.load(Ordering::Acquire);
        let pause = shared.pause_until.load(Ordering::Acquire);
        if out == 0 && pause == 0 {
            return State::Available;
        }
        let millis = shared.millis(now);
        if millis < pause {
            return State::Out(shared.moment(pause.max(out)));
        }
        match out {
            0 => State::Available,
            out if millis < out || shared.probing.load(Ordering::Acquire) => {
                State::Out(shared.moment(out))
            }
            _ => State::Due,
        }
    }

    /// The right to ask it; `None` when it is out, or when another request tries whether it is back. `anyway`: also then.
    pub(super) fn permit(&self, now: Instant, anyway: bool) -> Option<Permit> {
        let probe = match self.state(now) {
            State::Available => false,
            State::Due => {
                let free = !self.0.shared.probing.swap(true, Ordering::AcqRel);
                if !free && !anyway {
                    return None;
                }
                free
            }
            State::Out(_) if anyway => false,
            State::Out(_) => return None,
        };
        Some(Permit { health: self.clone(), probe })
    }

    /// A failure after the answer had begun: of a request that was counted as a success already.
    pub(crate) fn failed_later(&self, fault: &UpstreamFault, now: Instant) {
        if Kind::Upstream(fault.kind).disposition().health != EndpointHealth::Unaffected {
            self.0.window.uncount();
            self.fail(fault, false, now);
        }
    }

    fn succeed(&self, now: Instant) {
        self.0.window.count(&self.0.shared, now, false);
        if self.0.shared.out_until.load(Ordering::Acquire) != 0 {
            *self.0.shared.strikes() = 0;
            self.0.shared.out_until.store(0, Ordering::Release);
        }
    }

    fn fail(&self, fault: &UpstreamFault, was_probe: bool, now: Instant) {
        match Kind::Upstream(fault.kind).disposition().health {
            EndpointHealth::Unaffected => self.succeed(now),
            EndpointHealth::CoolDown => {
                let wait = fault.retry_after.filter(|wait| !wait.is_zero()).unwrap_or(COOL_DOWN);
                let until = self.0.shared.millis(now + wait.min(self.0.shared.ejection.longest));
                self.0.shared.pause_until.fetch_max(until, Ordering::AcqRel);
                if was_probe {
                    // It is there, and busy.
                    self.succeed(now);
                }
            }
            EndpointHealth::Failure => {
                if self.0.window.count(&self.0.shared, now, true) || was_probe {
                    self.eject(now);
                }
            }
            EndpointHealth::Eject => self.eject(now),
        }
    }

    fn eject(&self, now: Instant) {
        let shared = &*self.0.shared;
        let mut strikes = shared.strikes();
        if shared.out_until.load(Ordering::Acquire) > shared.millis(now) {
            // Requests that were under way tell the same again.
            return;
        }
        let times = 1_u32 << (*strikes).min(16);
        *strikes = strikes.saturating_add(1);
        let out = shared.ejection.base.saturating_mul(times).min(shared.ejection.longest);
        shared.out_until.store(shared.millis(now + out).max(1), Ordering::Release);
        self.0.window.clear();
    }
}

impl Shared {
    fn millis(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }

    fn moment(&self, millis: u64) -> Instant {
        self.epoch + Duration::from_millis(millis)
    }

    fn strikes(&self) -> MutexGuard<'_, u32> {
        self.strikes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    /// Counts a request. Whether too many have failed.
    fn count(&self, shared: &Shared, now: Instant, failed: bool) -> bool {
        let Ejection { failures, percent, window, .. } = shared.ejection;
        let now = shared.millis(now);
        let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        if now.saturating_sub(self.began.load(Ordering::Relaxed)) >= window {
            self.clear();
            self.began.store(now, Ordering::Relaxed);
        }
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        if !failed {
            return false;
        }
        let failed = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        failed >= failures && u64::from(failed) * 100 >= u64::from(requests) * u64::from(percent)
    }

    /// Takes back a request, which is about to be counted as a failure.
    fn uncount(&self) {
        let _ = self
            .requests
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |requests| requests.checked_sub(1));
    }

    fn clear(&self) {
        self.requests.store(0, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
    }
}

impl Permit {
    /// The endpoint did what was asked.
    pub(super) fn succeeded(self, now: Instant) {
        self.health.succeed(now);
    }

    /// The endpoint failed, or refused.
    pub(super) fn failed(self, fault: &UpstreamFault, now: Instant) {
        self.health.fail(fault, self.probe, now);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.probe {
            // A probe that was broken off has found out nothing; the next one may.
            self.health.0.shared.probing.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Cause, UpstreamKind};

    const SECOND: Duration = Duration::from_secs(1);

    fn fault(kind: UpstreamKind) -> UpstreamFault {
        UpstreamFault::new(kind, Cause::Other)
    }

    fn ask(health: &Health, now: Instant, kind: Option<UpstreamKind>) {
        let permit = health.permit(now, false).expect("it is available");
        match kind {
            None => permit.succeeded(now),
            Some(kind) => permit.failed(&fault(kind), now),
        }
    }

    #[test]
    fn failures_by_rate() {
        let start = Instant::now();
        // How many succeed and fail in turn, and whether it is out then.
        let table = [(0, 4, false), (0, 5, true), (6, 5, false), (5, 5, true), (100, 99, false)];
        for (succeeded, failed, out) in table {
            let health = Health::new(Ejection::default(), start);
            (0..succeeded).for_each(|_| ask(&health, start, None));
            (0..failed).for_each(|_| ask(&health, start, Some(UpstreamKind::ProviderError)));
            let is_out = health.state(start) != State::Available;
            assert_eq!(is_out, out, "{succeeded} {failed}");
        }
        // Old failures are forgotten.
        let health = Health::new(Ejection::default(), start);
        for second in 0..20 {
            ask(&health, start + 3 * second * SECOND, Some(UpstreamKind::ProviderError));
        }
        assert_eq!(health.state(start + 60 * SECOND), State::Available);
    }

    #[test]
    fn a_stream_that_fails_on_its_way_is_one_failure() {
        let start = Instant::now();
        let health = Health::new(Ejection { percent: 100, ..Ejection::default() }, start);
        for _ in 0..5 {
            assert_eq!(health.state(start), State::Available);
            ask(&health, start, None);
            health.failed_later(&fault(UpstreamKind::OutputModeration), start);
            health.failed_later(&fault(UpstreamKind::Incomplete), start);
        }
        assert_ne!(health.state(start), State::Available);
    }

    #[test]
    fn our_own_account_at_once_and_the_input_never() {
        let start = Instant::now();
        for kind in [UpstreamKind::AuthFailed, UpstreamKind::AccountExhausted] {
            let health = Health::new(Ejection::default(), start);
            ask(&health, start, Some(kind));
            assert_eq!(health.state(start), State::Out(start + 10 * SECOND), "{kind:?}");
        }
        let health = Health::new(Ejection::default(), start);
        (0..100).for_each(|_| ask(&health, start, Some(UpstreamKind::InputModeration)));
        assert_eq!(health.state(start), State::Available);
    }

    #[test]
    fn a_pause_as_long_as_it_says() {
        let start = Instant::now();
        let health = Health::new(Ejection::default(), start);
        let limited = fault(UpstreamKind::RateLimited).with_retry_after(Some(7 * SECOND));
        health.permit(start, false).unwrap().failed(&limited, start);
        assert_eq!(health.state(start + 6 * SECOND), State::Out(start + 7 * SECOND));
        assert_eq!(health.state(start + 7 * SECOND), State::Available);
        ask(&health, start + 8 * SECOND, Some(UpstreamKind::RateLimited));
        assert_eq!(health.state(start + 8 * SECOND), State::Out(start + 9 * SECOND));
    }

    #[test]
    fn back_with_one_request_at_a_time() {
        let start = Instant::now();
        let health = Health::new(Ejection::default(), start);
        ask(&health, start, Some(UpstreamKind::AuthFailed));
        let mut now = start;
        // Twice as long each time, up to the longest.
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(health.state(now), State::Out(now + seconds * SECOND));
            now += seconds * SECOND;
            assert_eq!(health.state(now), State::Due);
            let probe = health.permit(now, false).unwrap();
            assert!(health.permit(now, false).is_none(), "one is enough");
            // Another one of the same endpoint, with a worker of its own.
            assert!(health.worker().permit(now, false).is_none());
            probe.failed(&fault(UpstreamKind::ProviderError), now);
        }
        now += 300 * SECOND;
        // One that is broken off has found out nothing.
        drop(health.permit(now, false).unwrap());
        health.permit(now, false).unwrap().succeeded(now);
        assert_eq!(health.state(now), State::Available);
        ask(&health, now, Some(UpstreamKind::AuthFailed));
        assert_eq!(health.state(now), State::Out(now + 10 * SECOND), "forgiven");
    }

    #[test]
    fn asked_anyway() {
        let start = Instant::now();
        let health = Health::new(Ejection::default(), start);
        ask(&health, start, Some(UpstreamKind::AuthFailed));
        assert!(health.permit(start, false).is_none());
        health.permit(start, true).unwrap().failed(&fault(UpstreamKind::AuthFailed), start);
        assert_eq!(health.state(start), State::Out(start + 10 * SECOND), "no longer for that");
        health.permit(start, true).unwrap().succeeded(start);
        assert_eq!(health.state(start), State::Available);
    }
}
