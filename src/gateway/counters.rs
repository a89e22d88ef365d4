//! Where requests are counted: in this process, or in a store that several share.

use super::process::Process;
use crate::{
    config::Config,
    limit::{Counters, CountersError, Demands, Levels, Local},
};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    num::NonZeroUsize,
    pin::Pin,
    task::{Context, Poll},
};

#[cfg(feature = "redis")]
use crate::config::Limits;
#[cfg(feature = "redis")]
use crate::limit::{
    OnStoreFailure,
    redis::{
        InvalidAuthorities, RedisConfig, RedisCounters, RedisStore, RedisUrl, SharedCheck,
        SharedCounters,
    },
};
#[cfg(feature = "redis")]
use std::{sync::Arc, time::Duration};

/// What all workers count in.
#[derive(Clone, Debug)]
pub(super) struct CounterStore {
    /// A table for each side of the key: whoever floods the one from many addresses does not make the other forget whose
    /// quota is used up.
    before: Local,
    after: Local,
    /// How many callers each of them remembers.
    max_keys: NonZeroUsize,
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
    redis: Arc<Redis>,
    /// What becomes of each quota while the store is away.
    policies: Vec<(String, OnStoreFailure)>,
}

/// The store, and what was said of it.
#[cfg(feature = "redis")]
#[derive(Debug)]
struct Redis {
    url: RedisUrl,
    timeout: Duration,
    /// Whether it trusts the authorities of a file, which may say something else by now.
    trusts_file: bool,
    store: RedisStore,
    /// Each worker's.
    counters: Vec<RedisCounters>,
}

impl CounterStore {
    /// What is counted goes on from `before` where it is counted in the same place: quotas that have changed count in other
    /// buckets there.
    pub(super) fn new(
        config: &Config,
        process: &Process,
        before: Option<&Self>,
    ) -> Result<Self, InvalidCounters> {
        let max_keys = config.server.limits_max_keys;
        let [of_before, of_after] = match before.filter(|before| before.max_keys == max_keys) {
            Some(before) => [before.before.clone(), before.after.clone()],
            None => [(); 2].map(|()| Local::new(max_keys.get())),
        };
        #[cfg(not(feature = "redis"))]
        let _ = process;
        Ok(Self {
            before: of_before,
            after: of_after,
            max_keys,
            #[cfg(feature = "redis")]
            shared: Shared::new(config, process, before.and_then(|b| b.shared.as_ref()))?,
        })
    }

    /// Whether a quota refuses because its store is away.
    pub(super) fn refuses(&self) -> bool {
        #[cfg(feature = "redis")]
        if let Some(Shared { redis, policies }) = &self.shared {
            let refuses =
                |(_, policy): &(String, OnStoreFailure)| *policy == OnStoreFailure::Closed;
            return !redis.store.is_available() && policies.iter().any(refuses);
        }
        false
    }

    /// Whether the store that processes share is there, if there is one.
    pub(super) fn is_up(&self) -> Option<bool> {
        #[cfg(feature = "redis")]
        if let Some(shared) = &self.shared {
            return Some(shared.redis.store.is_available());
        }
        None
    }

    /// The counters of one worker, or of somebody who is none. Its connection to a store is its own, and one for both sides.
    pub(super) fn counters(&self, worker: Option<usize>) -> Sides<WorkerCounters> {
        let (before, after) = (self.before.clone(), self.after.clone());
        #[cfg(not(feature = "redis"))]
        let _ = worker;
        #[cfg(feature = "redis")]
        if let Some(Shared { redis, policies }) = &self.shared {
            let own = worker.and_then(|number| redis.counters.get(number));
            let redis = own.map_or_else(|| redis.store.counters(), RedisCounters::clone);
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
impl Shared {
    fn new(
        config: &Config,
        process: &Process,
        before: Option<&Self>,
    ) -> Result<Option<Self>, InvalidCounters> {
        let Limits::Redis(url) = &config.server.limits else {
            return Ok(None);
        };
        let (timeout, file) =
            (config.server.limits_timeout.get(), config.server.limits_ca_file.as_ref());
        let same = |redis: &&Arc<Redis>| {
            (&redis.url, redis.timeout, redis.trusts_file) == (url, timeout, false)
                && file.is_none()
        };
        let redis = match before.map(|before| &before.redis).filter(same) {
            Some(redis) => redis.clone(),
            None => {
                let mut settings = RedisConfig::new(url.clone()).timeout(timeout);
                if let Some(file) = file {
                    settings = settings.authorities(file)?;
                }
                let store = RedisStore::new(settings);
                let counters = process.workers.iter().map(|_| store.counters()).collect();
                let (url, trusts_file) = (url.clone(), file.is_some());
                Arc::new(Redis { url, timeout, trusts_file, store, counters })
            }
        };
        // What no route uses refuses nobody.
        let used = |name: &str| {
            config.route.iter().any(|route| route.limits.iter().any(|used| used.name == name))
        };
        let policies = config.limit.iter().filter(|limit| used(limit.name.as_str()));
        let policies =
            policies.map(|limit| (limit.name.as_str().to_owned(), limit.on_store_failure));
        Ok(Some(Self { redis, policies: policies.collect() }))
    }
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
