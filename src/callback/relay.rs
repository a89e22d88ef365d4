//! What becomes of callbacks, one step after the other: every step is noted in the store, and begins anew after a crash.

use super::{
    secrets::{CallbackSecrets, signature},
    send::Sender,
    url::CallbackUrl,
};
use crate::{
    signal::Signal,
    store::ledger::{
        CallbackState, CallbackStep, Claim, DueCallback, Message, Progress, StoreLedger,
    },
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use std::{
    collections::HashMap,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::Notify,
    task::{self, JoinSet},
    time::{sleep, timeout},
};

/// How many tasks are looked at, and how many receivers are told, at once; and how many of each for one account: one whose receiver is slow keeps nobody
/// else waiting.
const MOST: u32 = 64;
const MOST_OF_ACCOUNT: u32 = 8;
/// How many are taken on at once.
const MOST_AT_ONCE: u32 = 8;
/// Between two looks for what is due.
const INTERVAL: Duration = Duration::from_millis(500);
/// Between two questions how far a task is: at first, and at most.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// Between two attempts to reach a receiver.
const SEND_AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3600));

/// What a step may take beyond what it waits for.
const MARGIN: Duration = Duration::from_secs(5);
/// Callbacks that nobody knows any more are given up so long after their time.
const STALE: Duration = Duration::from_secs(60 * 60);
/// Between attempts to note what was done.
const NOTE_AGAIN: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// Who finds out how a task has ended.
pub(crate) trait Results: Send + Sync + 'static {
    /// Asks for the task of this callback.
    fn ask(&self, due: &DueCallback) -> impl Future<Output = Asked> + Send;
}

/// How far a task is.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It is over, and this is what its owner is told.
    Over(Message),
    Running,
    /// That is not known at present, and why.
    Unknown(String),
    /// That will not be known any more, and why.
    Gone(String),
}

/// The fields of a message that are ours.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) id: HeaderName,
    pub(crate) timestamp: HeaderName,
    pub(crate) signature: HeaderName,
}

/// How callbacks are relayed.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) fields: Fields,
    pub(crate) secrets: CallbackSecrets,
    /// How long a receiver is tried.
    pub(crate) give_up_after: Duration,
    /// How long a task can take.
    pub(crate) retention: Duration,
    /// How long one attempt to reach a receiver may take.
    pub(crate) timeout: Duration,
    /// How long it may take to ask a provider.
    pub(crate) question: Duration,
    /// The upstreams whose tasks can be asked for.
    pub(crate) scopes: Arc<[String]>,
}

impl Settings {
    /// How long one step can take.
    fn step_in(&self, state: CallbackState) -> Duration {
        let wait = if state == CallbackState::Ready { self.timeout } else { self.question };
        wait.saturating_add(MARGIN)
    }

    /// How long a callback can be in this state.
    const fn most_in(&self, state: CallbackState) -> Duration {
        match state {
            CallbackState::Ready => self.give_up_after,
            _ => self.retention,
        }
    }
}

/// Tells callers when their tasks are over.
pub(crate) struct Relay<R> {
    ledger: StoreLedger,
    results: R,
    sender: Sender,
    settings: Settings,
    count: Box<dyn Fn(Event) + Send + Sync>,
}

/// What becomes of a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Delivered,
    TriedAgain,
    GivenUp,
}

impl Event {
    pub(crate) const ALL: [Self; 3] = [Self::Delivered, Self::TriedAgain, Self::GivenUp];

    /// The word in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::TriedAgain => "tried_again",
            Self::GivenUp => "given_up",
        }
    }
}

impl<R: Results> Relay<R> {
    pub(crate) fn new(ledger: StoreLedger, results: R, sender: Sender, settings: Settings) -> Self {
        Self { ledger, results, sender, settings, count: Box::new(|_| {}) }
    }

    /// Tells this what becomes of callbacks.
    pub(crate) fn counted(mut self, count: impl Fn(Event) + Send + Sync + 'static) -> Self {
        self.count = Box::new(count);
        self
    }

    /// Works until the drain has begun and what was taken on is done. `wake` says that a provider has called.
    pub(crate) async fn run(self, wake: &Notify, drain: &Signal) {
        let relay = Arc::new(self);
        let mut lanes = [CallbackState::Waiting, CallbackState::Ready].map(Lane::new);
        while !drain.has_begun() {
            let mut more = false;
            for lane in &mut lanes {
                more |= lane.take_on(&relay).await;
            }
            if more {
                continue;
            }
            let [looks, deliveries] = &mut lanes;
            tokio::select! {
                () = drain.begun() => break,
                () = sleep(INTERVAL) => {}
                () = wake.notified() => {}
                () = looks.one_ends() => {}
                () = deliveries.one_ends() => {}
            }
        }
        for mut lane in lanes {
            while !lane.working.is_empty() {
                lane.one_ends().await;
            }
        }
    }

    /// Does what is next, and notes it.
    async fn advance(&self, due: &DueCallback) {
        let next = async {
            match (due.state, &due.message) {
                (CallbackState::Ready, Some(message)) => self.deliver(due, message).await,
                _ => self.look(due).await,
            }
        };
        let next = timeout(self.settings.step_in(due.state), next).await;
        let (to, error) = next.unwrap_or_else(|_| self.again(due, "it took too long".to_owned()));
        let (id, account) = (due.id, &due.account);
        let (task, upstream, attempt) = (&due.task, &due.scope, due.attempts.saturating_add(1));
        match (&to, &error) {
            (Progress::Delivered, _) => {
                (self.count)(Event::Delivered);
                tracing::info!(callback = %id, account, upstream, task, attempt, "a callback is delivered");
            }
            (Progress::GivenUp, error) => {
                (self.count)(Event::GivenUp);
                let error = error.as_deref();
                tracing::warn!(callback = %id, account, upstream, task, attempt, error, "a callback is given up");
            }
            (_, Some(error)) => {
                (self.count)(Event::TriedAgain);
                tracing::info!(callback = %id, account, upstream, task, attempt, error, "a callback is tried again later");
            }
            _ => {}
        }
        let step = CallbackStep { id, from: (due.state, due.attempts), to, error };
        // What cannot be noted is done again when the lease is over.
        for pause in NOTE_AGAIN {
            if self.ledger.note_callback(step.clone()).await.is_ok() {
                return;
            }
            sleep(pause).await;
        }
    }

    /// Looks how far the task is.
    async fn look(&self, due: &DueCallback) -> (Progress, Option<String>) {
        match self.results.ask(due).await {
            Asked::Over(message) => (Progress::Ready(message), None),
            Asked::Running => {
                let pause = pause(LOOK_AGAIN, due.attempts);
                self.unless_too_late(due, Progress::Again(pause), None)
            }
            Asked::Unknown(why) => self.again(due, why),
            Asked::Gone(why) => (Progress::GivenUp, Some(why)),
        }
    }

    /// The same again, unless it was tried for long enough.
    fn again(&self, due: &DueCallback, error: String) -> (Progress, Option<String>) {
        let range = if due.state == CallbackState::Ready { SEND_AGAIN } else { LOOK_AGAIN };
        self.unless_too_late(due, Progress::Again(pause(range, due.attempts)), Some(error))
    }

    fn unless_too_late(
        &self,
        due: &DueCallback,
        next: Progress,
        error: Option<String>,
    ) -> (Progress, Option<String>) {
        let most = self.settings.most_in(due.state);
        let spent = Timestamp::now().duration_since(due.since);
        match spent.unsigned_abs() < most || spent.is_negative() {
            true => (next, error),
            false => {
                let ended = || "the task has not ended within its retention".to_owned();
                (Progress::GivenUp, error.or_else(|| Some(ended())))
            }
        }
    }

    /// Sends the receiver the message.
    async fn deliver(&self, due: &DueCallback, message: &Message) -> (Progress, Option<String>) {
        let Ok(url) = due.url.parse::<CallbackUrl>() else {
            return (Progress::GivenUp, Some("the URL is none any more".to_owned()));
        };
        let Some(fields) = self.fields(due, message) else {
            return self.again(due, "there is nothing to sign it with".to_owned());
        };
        match self.sender.send(&url, fields, Bytes::from(message.body.clone())).await {
            Ok(answer) if answer.status.is_success() => (Progress::Delivered, None),
            // RFC 9110, section 15.5.11: nobody is there, and nobody will be.
            Ok(answer) if answer.status == StatusCode::GONE => {
                (Progress::GivenUp, Some("the receiver answered 410 Gone".to_owned()))
            }
            Ok(answer) => {
                let status = answer.status.as_u16();
                let (next, error) = self.again(due, format!("the receiver answered {status}"));
                let wanted = answer.retry_after.unwrap_or_default().min(SEND_AGAIN.1);
                match next {
                    Progress::Again(pause) => (Progress::Again(pause.max(wanted)), error),
                    next => (next, error),
                }
            }
            Err(error) => self.again(due, error.to_string()),
        }
    }

    fn fields(&self, due: &DueCallback, message: &Message) -> Option<HeaderMap> {
        let Settings { fields, secrets, .. } = &self.settings;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let timestamp = now.as_secs().to_string();
        let secret = secrets.of_account(&due.account)?;
        let signature = signature(&secret, &timestamp, &message.body);
        let mut map = HeaderMap::with_capacity(4);
        let content_type = HeaderValue::from_str(&message.content_type);
        let json = HeaderValue::from_static("application/json");
        map.insert(header::CONTENT_TYPE, content_type.unwrap_or(json));
        map.insert(fields.id.clone(), HeaderValue::from_str(&due.id.to_string()).ok()?);
        map.insert(fields.timestamp.clone(), HeaderValue::from_str(&timestamp).ok()?);
        map.insert(fields.signature.clone(), HeaderValue::from_str(&signature).ok()?);
        Some(map)
    }
}

/// What is done at the same time of one kind: looks, or deliveries. Those who wait for the one do not wait for the other.
struct Lane {
    state: CallbackState,
    working: JoinSet<()>,
    /// Of which accounts.
    accounts: HashMap<task::Id, String>,
}

impl Lane {
    fn new(state: CallbackState) -> Self {
        Self { state, working: JoinSet::new(), accounts: HashMap::new() }
    }

    /// Takes on what is due, as far as there is room. Whether there may be more.
    async fn take_on<R: Results>(&mut self, relay: &Arc<Relay<R>>) -> bool {
        let working = u32::try_from(self.working.len()).unwrap_or(u32::MAX);
        let most = MOST.saturating_sub(working).min(MOST_AT_ONCE);
        if most == 0 {
            return false;
        }
        let mut at_work: HashMap<String, u32> = HashMap::new();
        for account in self.accounts.values() {
            *at_work.entry(account.clone()).or_default() += 1;
        }
        let settings = &relay.settings;
        let claim = Claim {
            state: self.state,
            scopes: settings.scopes.clone(),
            stale_after: settings.most_in(self.state).saturating_add(STALE),
            most,
            most_of_account: MOST_OF_ACCOUNT,
            at_work,
            // It must not end while the step is under way.
            lease: settings.step_in(self.state).saturating_mul(2),
        };
        // A store that fails says so itself.
        let claimed = relay.ledger.claim_callbacks(claim).await.unwrap_or_default();
        let more = claimed.len() == most as usize;
        for due in claimed {
            let (relay, account) = (relay.clone(), due.account.clone());
            let id = self.working.spawn(async move { relay.advance(&due).await }).id();
            self.accounts.insert(id, account);
        }
        more
    }

    /// Waits until something has been done; for ever, where there is nothing to do.
    async fn one_ends(&mut self) {
        let ended = match self.working.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            // A panic was reported, and its callback is due again when its lease is over.
            Some(Err(error)) => error.id(),
            None => return std::future::pending().await,
        };
        self.accounts.remove(&ended);
    }
}

/// Twice as long with every attempt, up to the most, and never the same for all.
fn pause((first, most): (Duration, Duration), attempts: u32) -> Duration {
    let pause = first.saturating_mul(1 << attempts.min(16)).min(most);
    pause.mul_f64(0.8 + 0.4 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses() {
        let secs = Duration::from_secs;
        for (attempts, about) in
            [(0, 5), (1, 10), (5, 160), (9, 2560), (10, 3600), (u32::MAX, 3600)]
        {
            let pause = pause(SEND_AGAIN, attempts);
            let (least, most) = (secs(about).mul_f64(0.79), secs(about).mul_f64(1.21));
            assert!((least..most).contains(&pause), "{attempts}: {pause:?}");
        }
    }
}
