use super::{Unavailable, link::Link, outcomes::Outcome};
use crate::limit::{Counters, CountersError, Demands, Levels};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Counters in Redis, and an error where it does not answer. From [`RedisStore::counters`](super::RedisStore::counters).
///
/// Clones share one connection.
#[derive(Clone)]
pub struct RedisCounters {
    link: Arc<Link>,
}

impl RedisCounters {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Connects, if that has not been begun, and waits for what comes of it: at most two seconds.
    ///
    /// The first check would do the same, and wait no longer than a check may.
    ///
    /// # Errors
    ///
    /// Why it is away. It is tried again in the background all the same.
    pub async fn connect(&self) -> Result<(), Unavailable> {
        self.link.connected().await
    }

    /// Whether checks are sent to Redis, rather than answered without it.
    pub fn is_available(&self) -> bool {
        self.link.is_available()
    }

    pub(super) fn count(&self, outcome: Outcome) {
        self.link.shared.tally.add(outcome);
    }

    pub(super) fn ask(&self, demands: Demands) -> Ask {
        Ask::Unasked(Some((self.link.clone(), demands)))
    }
}

impl Counters for RedisCounters {
    type Check = RedisCheck;

    fn check(&self, demands: Demands) -> RedisCheck {
        RedisCheck { ask: self.ask(demands), counters: self.clone() }
    }
}

impl fmt::Debug for RedisCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCounters")
            .field("config", &self.link.shared.config)
            .field("is_available", &self.is_available())
            .finish()
    }
}

/// A question to Redis, which gives its demands back.
#[expect(
    clippy::large_enum_variant,
    reason = "a box for what is moved once would cost more than it saves"
)]
pub(super) enum Ask {
    Unasked(Option<(Arc<Link>, Demands)>),
    // A round trip through the kernel allocates more than once; while Redis is away there is none.
    Waiting(Pin<Box<dyn Future<Output = (Demands, Result<Levels, Unavailable>)> + Send>>),
}

impl Future for Ask {
    type Output = (Demands, Result<Levels, Unavailable>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut *self {
                Self::Unasked(question) => {
                    // Polled after completion: there is nothing to answer any more.
                    let Some((link, demands)) = question.take() else { return Poll::Pending };
                    match link.enter() {
                        Ok(place) => *self = Self::Waiting(Box::pin(place.ask(demands))),
                        Err(reason) => return Poll::Ready((demands, Err(reason))),
                    }
                }
                Self::Waiting(future) => return future.as_mut().poll(cx),
            }
        }
    }
}

/// Future of [`RedisCounters`].
#[must_use = "nothing is asked before it is polled"]
pub struct RedisCheck {
    ask: Ask,
    counters: RedisCounters,
}

impl Future for RedisCheck {
    type Output = Result<Levels, CountersError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (_, answer) = ready!(Pin::new(&mut self.ask).poll(cx));
        self.counters.count(if answer.is_ok() { Outcome::Shared } else { Outcome::Closed });
        Poll::Ready(answer.map_err(CountersError::new))
    }
}

impl fmt::Debug for RedisCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCheck").finish_non_exhaustive()
    }
}
