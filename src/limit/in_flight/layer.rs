use super::{InFlightLimit, places::Places, service::Shared};
use crate::{
    Catalog,
    limit::{
        InvalidQuota, Key,
        quota::{IPV6_PREFIX, is_name},
    },
};
use std::{collections::HashMap, num::NonZeroU32, sync::Arc};
use tower_layer::Layer;

/// Applies [`InFlightLimit`]; see the [module](super). Services of one layer, and of its clones, count together.
#[derive(Clone, Debug)]
pub struct InFlightLimitLayer {
    name: Arc<str>,
    most: NonZeroU32,
    plans: HashMap<Box<str>, NonZeroU32>,
    key: Key,
    ipv6_prefix: u8,
    catalog: Arc<Catalog>,
    places: Arc<Places>,
}

impl InFlightLimitLayer {
    /// So many at once for each [`Key::Principal`]. Refuses in the words of the preset `default`.
    ///
    /// # Errors
    ///
    /// [`InvalidQuota::Name`].
    pub fn new(name: impl Into<Arc<str>>, most: NonZeroU32) -> Result<Self, InvalidQuota> {
        let name = name.into();
        if !is_name(&name) {
            return Err(InvalidQuota::Name);
        }
        Ok(Self {
            name,
            most,
            plans: HashMap::new(),
            key: Key::Principal,
            ipv6_prefix: IPV6_PREFIX,
            catalog: Catalog::shared_default().clone(),
            places: Arc::default(),
        })
    }

    /// What requests are counted by. Default: the API key, and without one the address.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// Another number for principals on this plan. The last one for a plan counts.
    #[must_use]
    pub fn plan(mut self, plan: impl Into<Box<str>>, most: NonZeroU32) -> Self {
        self.plans.insert(plan.into(), most);
        self
    }

    /// How many bits of an IPv6 address are its network's, which is counted as one address; 128 at most. Default: 64.
    #[must_use]
    pub fn ipv6_prefix(mut self, bits: u8) -> Self {
        self.ipv6_prefix = bits;
        self
    }

    /// Refuses in the words of this catalog.
    #[must_use]
    pub fn catalog(mut self, catalog: Arc<Catalog>) -> Self {
        self.catalog = catalog;
        self
    }
}

impl<S> Layer<S> for InFlightLimitLayer {
    type Service = InFlightLimit<S>;

    fn layer(&self, inner: S) -> InFlightLimit<S> {
        let shared = Shared {
            name: self.name.clone(),
            most: self.most,
            plans: self.plans.clone(),
            key: self.key.clone(),
            ipv6_prefix: self.ipv6_prefix,
            catalog: self.catalog.clone(),
            places: self.places.clone(),
        };
        InFlightLimit::new(inner, Arc::new(shared))
    }
}
