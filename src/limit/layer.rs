use super::{Headers, InvalidQuota, Local, Quota, RateLimit, service::Shared, tariff};
use crate::Catalog;
use std::sync::Arc;
use tower_layer::Layer;

/// Applies [`RateLimit`]; see the [module](super).
#[derive(Clone, Debug)]
pub struct RateLimitLayer<C = Local> {
    counters: C,
    quotas: Vec<Quota>,
    catalog: Arc<Catalog>,
    headers: Headers,
}

impl<C> RateLimitLayer<C> {
    /// Counts here, by no quota yet, and refuses in the words of the preset `default`.
    pub fn new(counters: C) -> Self {
        Self {
            counters,
            quotas: Vec::new(),
            catalog: Catalog::shared_default().clone(),
            headers: Headers::default(),
        }
    }

    /// Counts by this quota too.
    ///
    /// # Errors
    ///
    /// If the quota cannot be ([`Quota::check`]), if there is one of the same name, or if there are
    /// [`MAX_QUOTAS`](super::MAX_QUOTAS).
    pub fn quota(mut self, quota: Quota) -> Result<Self, InvalidQuota> {
        tariff::add(&mut self.quotas, quota)?;
        Ok(self)
    }

    /// Refuses in the words of this catalog.
    #[must_use]
    pub fn catalog(mut self, catalog: Arc<Catalog>) -> Self {
        self.catalog = catalog;
        self
    }

    /// Which header fields say how the quotas stand. Default: [`Headers::Standard`].
    #[must_use]
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }
}

impl<S, C: Clone> Layer<S> for RateLimitLayer<C> {
    type Service = RateLimit<S, C>;

    fn layer(&self, inner: S) -> RateLimit<S, C> {
        let shared = Shared {
            counters: self.counters.clone(),
            tariffs: tariff::Tariffs::new(&self.quotas),
            catalog: self.catalog.clone(),
            headers: self.headers,
        };
        RateLimit::new(inner, Arc::new(shared))
    }
}
