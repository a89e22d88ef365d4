use super::{
    Unavailable,
    backoff::Backoff,
    session::{Driver, Session, open},
    store::Shared,
};
use crate::limit::{Demands, Levels};
use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::watch, time};

/// One connection, which belongs to the runtime that first uses it, and is kept by a task there.
///
/// It is a circuit: one check that fails opens it, so that the following ones fail at once, and the task closes it
/// when it has connected anew and everything that a check needs works.
pub(super) struct Link {
    pub(super) shared: Arc<Shared>,
    state: watch::Sender<State>,
    started: AtomicBool,
    waiting: AtomicUsize,
}

struct State {
    /// How many sessions there have been: a late failure of an old one does not end the present one.
    generation: u64,
    phase: Phase,
}

enum Phase {
    /// Not tried yet: checks wait.
    Connecting,
    Ready(Session),
    Away(Unavailable),
}

/// How long connecting may take, with all that belongs to it.
const CONNECT: Duration = Duration::from_secs(2);

impl Link {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let state = State { generation: 0, phase: Phase::Connecting };
        Self {
            shared,
            state: watch::Sender::new(state),
            started: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
        }
    }

    pub(super) fn is_available(&self) -> bool {
        !matches!(self.state.borrow().phase, Phase::Away(_))
    }

    /// A place among those that wait, if there is any sense in waiting.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Place, Unavailable> {
        self.start()?;
        if let Phase::Away(reason) = &self.state.borrow().phase {
            return Err(reason.clone());
        }
        let place = Place { link: self.clone() };
        match self.waiting.fetch_add(1, Ordering::Relaxed) < self.shared.config.max_waiting.get() {
            true => Ok(place),
            false => Err(Unavailable::Crowded),
        }
    }

    /// Waits for the first attempt to connect.
    pub(super) async fn connected(self: &Arc<Self>) -> Result<(), Unavailable> {
        self.start()?;
        self.session().await.map(drop)
    }

    async fn ask(&self, demands: &Demands) -> Result<Levels, Unavailable> {
        // Of the session that is asked; of the attempt to connect, if there is none in time.
        let mut generation = self.state.borrow().generation;
        let answer = async {
            let (asked, mut session) = self.session().await?;
            generation = asked;
            session.check(demands).await
        };
        let answer = time::timeout(self.shared.config.timeout, answer).await;
        let answer = answer.unwrap_or(Err(Unavailable::Timeout));
        if let Err(reason) = &answer
            && reason.is_lasting()
        {
            self.open_circuit(generation, reason);
        }
        answer
    }

    /// The session, and its generation.
    async fn session(&self) -> Result<(u64, Session), Unavailable> {
        let ready = |state: &State| match &state.phase {
            Phase::Ready(session) => Some((state.generation, session.clone())),
            _ => None,
        };
        if let Some(found) = ready(&self.state.borrow()) {
            return Ok(found);
        }
        let mut state = self.state.subscribe();
        let state = state.wait_for(|state| !matches!(state.phase, Phase::Connecting)).await;
        let state = state.map_err(|_| Unavailable::Closed)?;
        match &state.phase {
            Phase::Away(reason) => Err(reason.clone()),
            _ => ready(&state).ok_or(Unavailable::Closed),
        }
    }

    fn open_circuit(&self, generation: u64, reason: &Unavailable) {
        self.state.send_if_modified(|state| {
            let open = state.generation == generation && !matches!(state.phase, Phase::Away(_));
            if open {
                state.phase = Phase::Away(reason.clone());
            }
            open
        });
    }

    fn start(self: &Arc<Self>) -> Result<(), Unavailable> {
        if self.started.load(Ordering::Relaxed) {
            return Ok(());
        }
        let runtime = Handle::try_current().map_err(|_| Unavailable::NoRuntime)?;
        if !self.started.swap(true, Ordering::Relaxed) {
            let keeper = Keeper {
                link: Arc::downgrade(self),
                shared: self.shared.clone(),
                state: self.state.subscribe(),
                away: false,
            };
            runtime.spawn(keeper.keep());
        }
        Ok(())
    }
}

/// One of those that wait.
pub(super) struct Place {
    link: Arc<Link>,
}

impl Place {
    /// Asks, and opens the circuit if there is no answer. The demands come back with it.
    pub(super) async fn ask(self, demands: Demands) -> (Demands, Result<Levels, Unavailable>) {
        let answer = self.link.ask(&demands).await;
        (demands, answer)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.link.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The task that keeps a link connected.
struct Keeper {
    /// Weak, so that the connection ends with the last who could use it.
    link: Weak<Link>,
    shared: Arc<Shared>,
    state: watch::Receiver<State>,
    away: bool,
}

impl Keeper {
    async fn keep(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let attempt = time::timeout(CONNECT, open(&self.shared.config)).await;
            let (reason, connected) = match attempt.unwrap_or(Err(Unavailable::Timeout)) {
                Ok((session, driver)) => {
                    let connected = Instant::now();
                    match self.hold(session, driver).await {
                        Some(reason) => (reason, Some(connected)),
                        None => return,
                    }
                }
                Err(reason) => (reason, None),
            };
            let pause = backoff.next(connected);
            self.report_away(reason, pause);
            if self.is_abandoned_within(pause).await {
                return;
            }
        }
    }

    /// Why the session ended; nothing if nobody needs it any more.
    async fn hold(&mut self, mut session: Session, mut driver: Driver) -> Option<Unavailable> {
        loop {
            self.publish(Phase::Ready(session.clone()));
            if self.shared.away.load(Ordering::Relaxed) == 0 {
                self.shared.outage.back(&self.shared.config.url);
            }
            let reason = tokio::select! {
                biased;
                reason = self.circuit_opens() => reason?,
                () = &mut driver => Unavailable::Closed,
            };
            if reason != Unavailable::Timeout {
                return Some(reason);
            }
            // Late is not lost: others may have their answers yet, which a new connection would take from them.
            self.report_away(reason, Duration::ZERO);
            let probe = time::timeout(CONNECT, session.probe());
            let answer = tokio::select! {
                biased;
                answer = probe => answer.unwrap_or(Err(Unavailable::Timeout)),
                () = &mut driver => Err(Unavailable::Closed),
            };
            if let Err(reason) = answer {
                return Some(reason);
            }
        }
    }

    async fn circuit_opens(&mut self) -> Option<Unavailable> {
        let is_open = |state: &State| matches!(state.phase, Phase::Away(_));
        match &self.state.wait_for(is_open).await.ok()?.phase {
            Phase::Away(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    fn report_away(&mut self, reason: Unavailable, retry_in: Duration) {
        self.shared.outage.away(&self.shared.config.url, &reason, retry_in);
        self.publish(Phase::Away(reason));
    }

    async fn is_abandoned_within(&mut self, pause: Duration) -> bool {
        let abandoned = self.state.wait_for(|_| false);
        time::timeout(pause, abandoned).await.is_ok()
    }

    fn publish(&mut self, phase: Phase) {
        self.set_away(matches!(phase, Phase::Away(_)));
        let Some(link) = self.link.upgrade() else { return };
        link.state.send_modify(|state| {
            state.generation += u64::from(matches!(phase, Phase::Ready(_)));
            state.phase = phase;
        });
    }

    fn set_away(&mut self, away: bool) {
        match (self.away, away) {
            (false, true) => self.shared.away.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.shared.away.fetch_sub(1, Ordering::Relaxed),
            _ => return,
        };
        self.away = away;
    }
}

/// Its runtime is shut down, or nobody needs it: the next one to ask starts anew, on its own runtime.
impl Drop for Keeper {
    fn drop(&mut self) {
        self.publish(Phase::Connecting);
        if let Some(link) = self.link.upgrade() {
            link.started.store(false, Ordering::Relaxed);
        }
    }
}
