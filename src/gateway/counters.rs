//! Where requests are counted: in this process, or in a store that several share.

use crate::{
    config::Config,
    limit::{Counters, CountersError, Demands, Levels, Local},
};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

#[cfg(feature = "redis")]
use crate::config::Limits;
#[cfg(feature = "redis")]
use crate::limit::{
    OnStoreFailure,
    redis::{InvalidAuthorities, RedisConfig, RedisStore, SharedCheck, SharedCounters},
};

/// What all workers count in.
#[derive(Clone, Debug)]
pub(super) struct CounterStore {
    /// A table for each side of the key: whoever floods the one from many addresses does not make the other forget whose
    /// quota is used up.
    before: Local,
    after: Local,
    #[cfg(feature = "redis")]
    shared: Option<Shared>,
}

/// What is kept for each side of the key: before it is looked at, and behind it.
pub(super) struct Sides<T> {
    pub(super) before: T,
    pub(super) after: T,
}

#[cfg(feature = "redis")]
#[derive(Clone, Debug)]
struct Shared {
    store: RedisStore,
    /// What becomes of each quota while the store is away.
    policies: Vec<(String, OnStoreFailure)>,
}

impl CounterStore {
    pub(super) fn new(config: &Config) -> Result<Self, InvalidCounters> {
        Ok(Self {
            before: Local::new(config.server.limits_max_keys.get()),
            after: Local::new(config.server.limits_max_keys.get()),
            #[cfg(feature = "redis")]
            shared: shared(config)?,
        })
    }

    /// Whether a quota refuses because its store is away.
    pub(super) fn refuses(&self) -> bool {
        #[cfg(feature = "redis")]
        if let Some(Shared { store, policies }) = &self.shared {
            let refuses =
                |(_, policy): &(String, OnStoreFailure)| *policy == OnStoreFailure::Closed;
            return !store.is_available() && policies.iter().any(refuses);
        }
        false
    }

    /// Whether the store that processes share is there, if there is one.
    pub(super) fn is_up(&self) -> Option<bool> {
        #[cfg(feature = "redis")]
        if let Some(shared) = &self.shared {
            return Some(shared.store.is_available());
        }
        None
    }

    /// The counters of one worker. Its connection to a store is its own, and one for both sides.
    pub(super) fn counters(&self) -> Sides<WorkerCounters> {
        let (before, after) = (self.before.clone(), self.after.clone());
        #[cfg(feature = "redis")]
        if let Some(Shared { store, policies }) = &self.shared {
            let redis = store.counters();
            let shared = |local| {
                let counters = SharedCounters::new(redis.clone(), local);
                WorkerCounters::Shared(policies.iter().fold(counters, |counters, policy| {
                    counters.on_store_failure(policy.0.as_str(), policy.1)
                }))
            };
            return Sides { before: shared(before), after: shared(after) };
        }
        Sides { before: WorkerCounters::Local(before), after: WorkerCounters::Local(after) }
    }
}

#[cfg(feature = "redis")]
pub(crate) type InvalidCounters = InvalidAuthorities;
#[cfg(not(feature = "redis"))]
pub(crate) type InvalidCounters = std::convert::Infallible;

#[cfg(feature = "redis")]
fn shared(config: &Config) -> Result<Option<Shared>, InvalidCounters> {
    let Limits::Redis(url) = &config.server.limits else {
        return Ok(None);
    };
    let mut redis = RedisConfig::new(url.clone()).timeout(config.server.limits_timeout.get());
    if let Some(file) = &config.server.limits_ca_file {
        redis = redis.authorities(file)?;
    }
    let policies = config.limit.iter();
    let policies = policies.map(|limit| (limit.name.as_str().to_owned(), limit.on_store_failure));
    Ok(Some(Shared { store: RedisStore::new(redis), policies: policies.collect() }))
}

/// What one worker counts in.
#[derive(Clone, Debug)]
pub(super) enum WorkerCounters {
    Local(Local),
    #[cfg(feature = "redis")]
    Shared(SharedCounters<Local>),
}

impl WorkerCounters {
    /// Connects, where there is something to connect to, so that what is wrong with it is in the log from the start.
    /// The outcome changes nothing: it is tried again, and meanwhile each quota does as it is told.
    pub(super) async fn connect(self) {
        #[cfg(feature = "redis")]
        if let Self::Shared(counters) = self {
            let _ = counters.redis().connect().await;
        }
    }
}

impl Counters for WorkerCounters {
    type Check = Check;

    fn check(&self, demands: Demands) -> Check {
        match self {
            Self::Local(counters) => Check::Local { check: counters.check(demands) },
            #[cfg(feature = "redis")]
            Self::Shared(counters) => Check::Shared { check: counters.check(demands) },
        }
    }
}

#[cfg(feature = "redis")]
pin_project! {
    /// Future of [`WorkerCounters`].
    #[project = CheckProjected]
    pub(super) enum Check {
        Local { #[pin] check: <Local as Counters>::Check },
        Shared { #[pin] check: SharedCheck<Local> },
    }
}

#[cfg(not(feature = "redis"))]
pin_project! {
    /// Future of [`WorkerCounters`].
    #[project = CheckProjected]
    pub(super) enum Check {
        Local { #[pin] check: <Local as Counters>::Check },
    }
}

impl Future for Check {
    type Output = Result<Levels, CountersError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            CheckProjected::Local { check } => check.poll(cx),
            #[cfg(feature = "redis")]
            CheckProjected::Shared { check } => check.poll(cx),
        }
    }
}
