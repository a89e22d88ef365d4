use super::{TaskId, Tasks, service::Shared};
use crate::Catalog;
use std::{sync::Arc, time::Duration};
use tower_layer::Layer;

/// For how long a task is remembered where nothing else is said.
pub(crate) const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// Applies [`Tasks`]; see the [module](super).
#[derive(Clone, Debug)]
pub struct TasksLayer<T> {
    store: T,
    scope: Arc<str>,
    id: Option<TaskId>,
    retention: Duration,
    max_bytes: usize,
    catalog: Arc<Catalog>,
}

impl<T> TasksLayer<T> {
    /// Remembers tasks in this store; `scope` is within what their ids are one of a kind, such as the name of the upstream, and the same
    /// for requests that make tasks and for those that are about them. Refuses in the words of the preset `default`.
    pub fn new(store: T, scope: impl Into<Arc<str>>, id: TaskId) -> Self {
        Self { id: Some(id), ..Self::untouched(store, scope) }
    }

    /// One that lets everything be.
    pub fn untouched(store: T, scope: impl Into<Arc<str>>) -> Self {
        Self {
            store,
            scope: scope.into(),
            id: None,
            retention: RETENTION,
            max_bytes: 64 * 1024,
            catalog: Catalog::shared_default().clone(),
        }
    }

    /// The same, in another store.
    #[must_use]
    pub fn store<U>(self, store: U) -> TasksLayer<U> {
        let Self { store: _, scope, id, retention, max_bytes, catalog } = self;
        TasksLayer { store, scope, id, retention, max_bytes, catalog }
    }

    /// Refuses in the words of this catalog.
    #[must_use]
    pub fn catalog(mut self, catalog: Arc<Catalog>) -> Self {
        self.catalog = catalog;
        self
    }

    /// For how long a task is remembered; then it is nobody's, and its hold is ended as its time limit says. Default: 24 h.
    #[must_use]
    pub const fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// The longest answer in which the id of a task is looked for, in bytes. Default: 64 KiB.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }
}

impl<S, T: Clone> Layer<S> for TasksLayer<T> {
    type Service = Tasks<S, T>;

    fn layer(&self, inner: S) -> Tasks<S, T> {
        let Self { store, scope, id, retention, max_bytes, catalog } = self.clone();
        Tasks::new(inner, Arc::new(Shared { store, scope, id, retention, max_bytes, catalog }))
    }
}
