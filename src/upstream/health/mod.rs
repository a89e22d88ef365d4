//! Which endpoints are of use at the moment.

mod ejection;
#[cfg(test)]
mod tests;
mod window;

pub use self::ejection::Ejection;

use self::window::{Tally, Window};
use crate::{
    deadline::later,
    fault::{Cause, EndpointHealth, UpstreamFault},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// The pause of an endpoint that limits us without saying for how long.
const COOL_DOWN: Duration = Duration::from_secs(1);

/// How one endpoint is. Clones share it; [`worker`](Self::worker) makes one that counts requests in a place of its own.
#[derive(Clone, Debug)]
pub(crate) struct Health(Arc<Seen>);

/// An endpoint as one worker sees it. Requests count references of this and not of what is shared: no two cores write to one
/// place for it.
#[derive(Debug)]
struct Seen {
    shared: Arc<Shared>,
    tally: Arc<Tally>,
}

#[derive(Debug)]
struct Shared {
    /// What it is called in the log.
    name: Arc<str>,
    ejection: Ejection,
    /// Where the numbers below begin.
    epoch: Instant,
    /// Milliseconds from the epoch until which it is out; 0 when it is not.
    out_until: AtomicU64,
    /// The same for a pause that it asked for.
    pause_until: AtomicU64,
    /// One request is trying whether it is back.
    probing: AtomicBool,
    /// Ejections in a row. Whoever changes `out_until` holds it.
    strikes: Mutex<u32>,
    window: Window,
}

/// Whether an endpoint may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It may.
    Available,
    /// It is out, but it is time to try whether it is back.
    Due,
    /// Not before this moment; in the past when another request is trying.
    Out(Instant),
    /// The same, by its own wish.
    Paused(Instant),
}

impl State {
    /// When it is back, if it is out.
    pub(crate) const fn back(self) -> Option<Instant> {
        match self {
            Self::Available | Self::Due => None,
            Self::Out(back) | Self::Paused(back) => Some(back),
        }
    }
}

/// The right to ask an endpoint; the only one, if it is a probe.
#[derive(Debug)]
pub(super) struct Permit {
    health: Health,
    probe: bool,
    marks: Marks,
}

/// What was said of an endpoint when it was asked: what its answer can take back. An answer to an older request knows nothing of a
/// newer refusal.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    out: u64,
    pause: u64,
}

impl Health {
    /// Of an endpoint with this name in the log.
    pub(crate) fn new(name: impl Into<Arc<str>>, ejection: Ejection, now: Instant) -> Self {
        let shared = Shared {
            name: name.into(),
            ejection,
            epoch: now,
            out_until: AtomicU64::new(0),
            pause_until: AtomicU64::new(0),
            probing: AtomicBool::new(false),
            strikes: Mutex::new(0),
            window: Window::default(),
        };
        Self::seen(Arc::new(shared))
    }

    fn seen(shared: Arc<Shared>) -> Self {
        let tally = shared.window.tally();
        Self(Arc::new(Seen { shared, tally }))
    }

    /// The same endpoint, seen by another worker.
    #[cfg(any(test, feature = "standalone"))]
    pub(crate) fn worker(&self) -> Self {
        Self::seen(self.0.shared.clone())
    }

    /// How it is now.
    pub(crate) fn state(&self, now: Instant) -> State {
        self.0.shared.state(self.0.shared.marks(), now)
    }

    /// A failure after the answer had begun: of a request that was counted as a success already.
    pub(super) fn failed_later(&self, fault: &UpstreamFault, now: Instant) {
        let shared = &*self.0.shared;
        // That an answer takes too long to be read is as often the reader's doing.
        if fault.cause == Cause::TotalTimeout {
            return;
        }
        // It says nothing of an endpoint that others have found ill since.
        let available = Marks::default();
        match fault.disposition().health {
            EndpointHealth::Unaffected => {}
            EndpointHealth::CoolDown => shared.pause(fault.retry_after, now),
            EndpointHealth::Eject => shared.eject(available, fault, now),
            EndpointHealth::Failure => {
                if shared.window.count_failure(&shared.ejection) {
                    shared.eject(available, fault, now);
                }
            }
        }
    }

    /// The right to ask it; `None` when it is out, or when another request tries whether it is back. `anyway`: also then.
    pub(super) fn permit(&self, now: Instant, anyway: bool) -> Option<Permit> {
        let marks = self.0.shared.marks();
        let probe = match self.0.shared.state(marks, now) {
            State::Available => false,
            State::Due => {
                let free = !self.0.shared.probing.swap(true, Ordering::AcqRel);
                if !free && !anyway {
                    return None;
                }
                free
            }
            State::Out(_) | State::Paused(_) if anyway => false,
            State::Out(_) | State::Paused(_) => return None,
        };
        Some(Permit { health: self.clone(), probe, marks })
    }
}

impl Seen {
    fn count(&self, now: Instant) {
        let shared = &*self.shared;
        shared.window.count(&self.tally, &shared.ejection, shared.millis(now));
    }
}

impl Shared {
    fn marks(&self) -> Marks {
        Marks {
            out: self.out_until.load(Ordering::Acquire),
            pause: self.pause_until.load(Ordering::Acquire),
        }
    }

    fn state(&self, Marks { out, pause }: Marks, now: Instant) -> State {
        let until = out.max(pause);
        if until == 0 {
            return State::Available;
        }
        if self.millis(now) < until || self.probing.load(Ordering::Acquire) {
            let back = self.moment(until);
            return if out == 0 { State::Paused(back) } else { State::Out(back) };
        }
        State::Due
    }

    /// It has answered somebody who knew this of it.
    fn back(&self, Marks { out, pause }: Marks) {
        if out != 0 {
            let mut strikes = self.strikes();
            if take_back(&self.out_until, out) {
                *strikes = 0;
                tracing::info!(endpoint = &*self.name, "the endpoint is back");
            }
        }
        if pause != 0 {
            take_back(&self.pause_until, pause);
        }
    }

    fn pause(&self, wait: Option<Duration>, now: Instant) {
        let wait = wait.filter(|wait| !wait.is_zero()).unwrap_or(COOL_DOWN);
        let wait = wait.min(self.ejection.longest);
        let until = self.millis(later(now, wait)).max(1);
        if self.pause_until.fetch_max(until, Ordering::AcqRel) == 0 {
            let (endpoint, seconds) = (&*self.name, wait.as_secs_f64());
            tracing::info!(endpoint, seconds, "the endpoint wants a pause");
        }
    }

    fn eject(&self, seen: Marks, fault: &UpstreamFault, now: Instant) {
        let mut strikes = self.strikes();
        let out = self.out_until.load(Ordering::Acquire);
        if out != seen.out || out > self.millis(now) {
            // Requests that were under way tell the same again.
            return;
        }
        let times = 1_u32 << (*strikes).min(16);
        *strikes = strikes.saturating_add(1);
        let wait = self.ejection.base.saturating_mul(times).min(self.ejection.longest);
        let now_millis = self.millis(now);
        let until = self.millis(later(now, wait)).max(now_millis + 1);
        self.out_until.store(until, Ordering::Release);
        self.window.restart(now_millis);
        tracing::warn!(
            endpoint = &*self.name,
            reason = %fault,
            seconds = wait.as_secs_f64(),
            in_a_row = *strikes,
            "the endpoint is left out"
        );
    }

    fn millis(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }

    fn moment(&self, millis: u64) -> Instant {
        later(self.epoch, Duration::from_millis(millis))
    }

    fn strikes(&self) -> MutexGuard<'_, u32> {
        self.strikes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what was said is taken back: not what was said since.
fn take_back(place: &AtomicU64, seen: u64) -> bool {
    place.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

impl Permit {
    /// The endpoint did what was asked.
    pub(super) fn succeeded(self, now: Instant) {
        self.health.0.count(now);
        self.health.0.shared.back(self.marks);
    }

    /// The endpoint failed, or refused.
    pub(super) fn failed(self, fault: &UpstreamFault, now: Instant) {
        let (seen, shared) = (&*self.health.0, &*self.health.0.shared);
        match fault.disposition().health {
            EndpointHealth::Unaffected => {
                seen.count(now);
                shared.back(self.marks);
            }
            EndpointHealth::CoolDown => {
                shared.pause(fault.retry_after, now);
                // It is there, and busy.
                shared.back(Marks { pause: 0, ..self.marks });
            }
            EndpointHealth::Failure => {
                if fault.retry_after.is_some() {
                    shared.pause(fault.retry_after, now);
                }
                seen.count(now);
                if shared.window.count_failure(&shared.ejection) || self.probe {
                    shared.eject(self.marks, fault, now);
                }
            }
            EndpointHealth::Eject => shared.eject(self.marks, fault, now),
        }
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
