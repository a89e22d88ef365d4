use super::{AtLimit, Charge, Disconnect, Price, TimeLimit, service::Shared};
use crate::{
    Catalog,
    alone::{Alone, MOST_ALONE},
};
use std::{sync::Arc, time::Duration};
use tower_layer::Layer;

/// Applies [`Charge`]; see the [module](super).
#[derive(Clone, Debug)]
pub struct ChargeLayer<L> {
    ledger: L,
    price: Price,
    disconnect: Disconnect,
    limit: TimeLimit,
    catalog: Arc<Catalog>,
    alone: Arc<Alone>,
}

impl<L> ChargeLayer<L> {
    /// Takes this price for every request, out of this ledger, and refuses in the words of the preset `default`.
    pub fn new(ledger: L, price: Price) -> Self {
        Self {
            ledger,
            price,
            disconnect: Disconnect::default(),
            limit: TimeLimit { after: Duration::from_secs(15 * 60), then: AtLimit::default() },
            catalog: Catalog::shared_default().clone(),
            alone: Arc::new(Alone::new(MOST_ALONE)),
        }
    }

    /// The same price, out of another ledger.
    #[must_use]
    pub fn ledger<M>(self, ledger: M) -> ChargeLayer<M> {
        let Self { ledger: _, price, disconnect, limit, catalog, alone } = self;
        ChargeLayer { ledger, price, disconnect, limit, catalog, alone }
    }

    /// Refuses in the words of this catalog.
    #[must_use]
    pub fn catalog(mut self, catalog: Arc<Catalog>) -> Self {
        self.catalog = catalog;
        self
    }

    /// What becomes of a request whose client leaves. Default: [`Disconnect::Finish`].
    #[must_use]
    pub const fn disconnect(mut self, disconnect: Disconnect) -> Self {
        self.disconnect = disconnect;
        self
    }

    /// When a hold of which nobody knows how the work ended is ended all the same, and how. It must be longer than the work can
    /// take: whoever gets a success later than that gets none. Default: released after 15 minutes.
    #[must_use]
    pub const fn time_limit(mut self, limit: TimeLimit) -> Self {
        self.limit = limit;
        self
    }

    /// How many requests may go on without their clients at a time; those beyond that number are broken off, and nobody knows how
    /// they ended. Default: 1,000.
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

impl<S, L: Clone> Layer<S> for ChargeLayer<L> {
    type Service = Charge<S, L>;

    fn layer(&self, inner: S) -> Charge<S, L> {
        let shared = Shared {
            ledger: self.ledger.clone(),
            price: self.price.clone(),
            disconnect: self.disconnect,
            limit: self.limit,
            catalog: self.catalog.clone(),
            alone: self.alone.clone(),
        };
        Charge::new(inner, Arc::new(shared))
    }
}
