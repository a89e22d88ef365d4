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
    enabled: bool,
    name: Arc<str>,
    most: NonZeroU32,
    plans: HashMap<Box<str>, NonZeroU32>,
    key: Key,
    ipv6_prefix: u8,
    catalog: Arc<Catalog>,
    places: Arc<Places>,
}

/// A hundred at once for each key, with the name `in-flight`.
impl Default for InFlightLimitLayer {
    fn default() -> Self {
        Self {
            enabled: true,
            name: Arc::from("in-flight"),
            most: const { NonZeroU32::new(100).unwrap() },
            plans: HashMap::new(),
            key: Key::Principal,
            ipv6_prefix: IPV6_PREFIX,
            catalog: Catalog::shared_default().clone(),
            places: Arc::default(),
        }
    }
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
        Ok(Self { name, most, ..Self::default() })
    }

    /// Whether it does anything, for stacks whose types must not depend on it. Default: true.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
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

    /// Counts together with another layer, whatever each of them allows: one that takes its place, such as with another number. Both count by the
    /// same [`key`](Self::key). Default: only together with its own clones.
    #[must_use]
    pub fn together_with(mut self, other: &Self) -> Self {
        self.places = other.places.clone();
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
            enabled: self.enabled,
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
