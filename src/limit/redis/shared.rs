use super::{
    RedisCounters,
    counters::Ask,
    fallback::{Fallback, Places, Policies, fallback},
    outcomes::Outcome,
};
use crate::limit::{Counters, CountersError, Demands, Levels, OnStoreFailure};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Counters in Redis, and what each quota prefers while it is away.
///
/// `L` counts in memory what is to be counted there.
#[derive(Clone, Debug)]
pub struct SharedCounters<L> {
    redis: RedisCounters,
    fallback: Arc<FallbackTo<L>>,
}

#[derive(Clone, Debug)]
struct FallbackTo<L> {
    local: L,
    policies: Policies,
}

impl<L: Clone> SharedCounters<L> {
    /// These, with every quota [`OnStoreFailure::Closed`].
    pub fn new(redis: RedisCounters, local: L) -> Self {
        Self { redis, fallback: Arc::new(FallbackTo { local, policies: Policies::new() }) }
    }

    /// What becomes of this quota while Redis is away.
    #[must_use]
    pub fn on_store_failure(mut self, quota: impl Into<Arc<str>>, policy: OnStoreFailure) -> Self {
        Arc::make_mut(&mut self.fallback).policies.insert(quota.into(), policy);
        self
    }
}

impl<L> SharedCounters<L> {
    /// The counters in Redis.
    pub fn redis(&self) -> &RedisCounters {
        &self.redis
    }
}

impl<L: Counters> Counters for SharedCounters<L> {
    type Check = SharedCheck<L>;

    fn check(&self, demands: Demands) -> SharedCheck<L> {
        SharedCheck {
            state: State::Asking { ask: self.redis.ask(demands) },
            redis: self.redis.clone(),
            fallback: self.fallback.clone(),
        }
    }
}

pin_project! {
    /// Future of [`SharedCounters`].
    #[must_use = "nothing is asked before it is polled"]
    pub struct SharedCheck<L: Counters> {
        #[pin]
        state: State<L::Check>,
        redis: RedisCounters,
        fallback: Arc<FallbackTo<L>>,
    }
}

pin_project! {
    #[project = StateProjected]
    enum State<F> {
        // Redis is asked.
        Asking { #[pin] ask: Ask },
        // It does not answer, and the counters in memory are asked.
        Counting { #[pin] check: F, places: Option<Places> },
    }
}

impl<L: Counters> Future for SharedCheck<L> {
    type Output = Result<Levels, CountersError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjected::Asking { ask } => {
                    let (demands, reason) = match ready!(ask.poll(cx)) {
                        (_, Ok(levels)) => {
                            this.redis.count(Outcome::Shared);
                            return Poll::Ready(Ok(levels));
                        }
                        (demands, Err(reason)) => (demands, reason),
                    };
                    match fallback(demands, &this.fallback.policies) {
                        Fallback::Refuse => {
                            this.redis.count(Outcome::Closed);
                            return Poll::Ready(Err(CountersError::new(reason)));
                        }
                        Fallback::Admit(levels) => {
                            this.redis.count(Outcome::Open);
                            return Poll::Ready(Ok(levels));
                        }
                        Fallback::Count(demands, places) => {
                            this.redis.count(Outcome::Local);
                            let check = this.fallback.local.check(demands);
                            this.state.set(State::Counting { check, places: Some(places) });
                        }
                    }
                }
                StateProjected::Counting { check, places } => {
                    let counted = ready!(check.poll(cx));
                    // Polled after completion: there is nothing to answer any more.
                    let Some(places) = places.take() else { return Poll::Pending };
                    return Poll::Ready(counted.map(|levels| places.fill(levels)));
                }
            }
        }
    }
}

impl<L: Counters> std::fmt::Debug for SharedCheck<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedCheck").finish_non_exhaustive()
    }
}
