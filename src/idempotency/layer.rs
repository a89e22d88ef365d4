use super::{Idempotency, Policy, service::Shared};
use crate::{
    Catalog,
    alone::{Alone, MOST_ALONE},
};
use std::{sync::Arc, time::Duration};
use tower_layer::Layer;

/// For how long answers are kept where nothing else is said.
pub(crate) const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest answer that is kept where nothing else is said.
pub(crate) const MAX_BYTES: usize = 256 * 1024;

/// Applies [`Idempotency`]; see the [module](super).
#[derive(Clone, Debug)]
pub struct IdempotencyLayer<T> {
    store: T,
    policy: Policy,
    scope: Arc<str>,
    lease: Duration,
    retention: Duration,
    max_bytes: usize,
    alone: Arc<Alone>,
    catalog: Arc<Catalog>,
}

impl<T> IdempotencyLayer<T> {
    /// Remembers keys in this store, of requests that have one, and refuses in the words of the preset `default`.
    pub fn new(store: T) -> Self {
        Self {
            store,
            policy: Policy::Optional,
            scope: "".into(),
            lease: Duration::from_secs(15 * 60),
            retention: RETENTION,
            max_bytes: MAX_BYTES,
            alone: Arc::new(Alone::new(MOST_ALONE)),
            catalog: Catalog::shared_default().clone(),
        }
    }

    /// The same, in another store.
    #[must_use]
    pub fn store<U>(self, store: U) -> IdempotencyLayer<U> {
        let Self { store: _, policy, scope, lease, retention, max_bytes, alone, catalog } = self;
        IdempotencyLayer { store, policy, scope, lease, retention, max_bytes, alone, catalog }
    }

    /// Which requests have a key. Default: [`Policy::Optional`].
    #[must_use]
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// What tells the requests of this layer from those of others that use the same store, such as the name of a route: the target may be
    /// the same when it comes here. Default: nothing.
    #[must_use]
    pub fn scope(mut self, name: &str) -> Self {
        self.scope = name.into();
        self
    }

    /// Refuses in the words of this catalog.
    #[must_use]
    pub fn catalog(mut self, catalog: Arc<Catalog>) -> Self {
        self.catalog = catalog;
        self
    }

    /// How long a request may take; of one that has not been answered then its key is free again. Longer than any request can take, or
    /// it is carried out twice. Default: 15 minutes.
    #[must_use]
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// For how long answers are kept. Default: 24 h.
    #[must_use]
    pub const fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// The longest answer that is kept, in bytes; a longer one is given once. Default: 256 KiB.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How many requests may go on without their clients at a time. Others end when their clients leave, and keep their key until its
    /// lease ends. Default: 1,000.
    #[must_use]
    pub fn max_alone(mut self, requests: usize) -> Self {
        self.alone = Arc::new(Alone::new(requests));
        self
    }

    /// Counts those that go on without their clients together with those of other layers.
    #[cfg(feature = "standalone")]
    pub(crate) fn alone(mut self, alone: Arc<Alone>) -> Self {
        self.alone = alone;
        self
    }
}

impl<S, T: Clone> Layer<S> for IdempotencyLayer<T> {
    type Service = Idempotency<S, T>;

    fn layer(&self, inner: S) -> Idempotency<S, T> {
        let Self { store, policy, scope, lease, retention, max_bytes, alone, catalog } =
            self.clone();
        let shared = Shared { store, policy, scope, lease, retention, max_bytes, alone, catalog };
        Idempotency::new(inner, Arc::new(shared))
    }
}
