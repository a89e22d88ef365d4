//! Whose asynchronous work is whose.

use crate::{
    charge::LedgerError,
    config::{Config, Route},
    profile::WorkState,
    store::ledger::StoreLedger,
    tasks::{
        InvalidSealKeys, NewTask, RETENTION, Recorded, SealedTasks, Task, TaskStore, TasksLayer,
    },
};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// The layer of one route, without the store and the catalog of a worker, and with the secrets that its ids are sealed with, if they are.
#[derive(Clone, Debug)]
pub(super) struct RouteTasks {
    layer: TasksLayer<()>,
    sealed: Option<SealedTasks<()>>,
}

impl RouteTasks {
    pub(super) fn new(config: &Config, route: &Route) -> Result<Self, InvalidSealKeys> {
        let scope = route.upstream.as_str();
        let place = route.task.as_ref().and_then(|task| task.places().next());
        let layer = match place {
            Some((_, id)) => TasksLayer::new((), scope, id),
            None => TasksLayer::untouched((), scope),
        };
        let retention = retention(config);
        let is_sealed = route.task.as_ref().is_some_and(|task| task.sealed);
        let secrets = config.tasks.seal_keys.iter().map(|secret| secret.expose());
        let sealed = is_sealed.then(|| SealedTasks::new((), secrets)).transpose()?;
        Ok(Self { layer: layer.retention(retention), sealed })
    }

    /// One that lets everything be.
    pub(super) fn untouched() -> Self {
        Self { layer: TasksLayer::untouched((), ""), sealed: None }
    }

    /// With this ledger.
    pub(super) fn layer(&self, ledger: &StoreLedger) -> TasksLayer<Tasks> {
        self.layer.clone().store(match &self.sealed {
            Some(sealed) => Tasks::Sealed(sealed.clone().ledger(ledger.clone())),
            None => Tasks::Stored(ledger.clone()),
        })
    }
}

/// For how long tasks are remembered.
pub(super) fn retention(config: &Config) -> Duration {
    config.tasks.retention.map_or(RETENTION, |retention| retention.get())
}

/// Where tasks are remembered: in the store, or in their ids.
#[derive(Clone, Debug)]
pub(crate) enum Tasks {
    Stored(StoreLedger),
    Sealed(SealedTasks<StoreLedger>),
}

/// The answer of one or the other.
#[derive(Debug)]
pub(crate) enum Either<A, B> {
    Stored(A),
    Sealed(B),
}

impl<A, B, T> Future for Either<A, B>
where
    A: Future<Output = T> + Unpin,
    B: Future<Output = T> + Unpin,
{
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.get_mut() {
            Self::Stored(answer) => Pin::new(answer).poll(cx),
            Self::Sealed(answer) => Pin::new(answer).poll(cx),
        }
    }
}

type StoredEnding = <StoreLedger as TaskStore>::Ending;
type SealedEnding = <SealedTasks<StoreLedger> as TaskStore>::Ending;
type Ready<T> = std::future::Ready<Result<T, LedgerError>>;

impl TaskStore for Tasks {
    type Recording = Either<<StoreLedger as TaskStore>::Recording, Ready<Recorded>>;
    type Finding = Either<<StoreLedger as TaskStore>::Finding, Ready<Option<Task>>>;
    type Ending = Either<StoredEnding, SealedEnding>;

    fn record(&self, task: NewTask) -> Self::Recording {
        match self {
            Self::Stored(store) => Either::Stored(store.record(task)),
            Self::Sealed(sealed) => Either::Sealed(sealed.record(task)),
        }
    }

    fn find(&self, scope: &Arc<str>, id: &str) -> Self::Finding {
        match self {
            Self::Stored(store) => Either::Stored(store.find(scope, id)),
            Self::Sealed(sealed) => Either::Sealed(sealed.find(scope, id)),
        }
    }

    fn end(&self, scope: &Arc<str>, id: &str, state: WorkState) -> Self::Ending {
        match self {
            Self::Stored(store) => Either::Stored(TaskStore::end(store, scope, id, state)),
            Self::Sealed(sealed) => Either::Sealed(sealed.end(scope, id, state)),
        }
    }
}
