//! What one worker has of its own for all of its routes.

use super::{
    counters::{Sides, WorkerCounters},
    keys::Keys,
    plan::{Plan, PlannedRoute},
    reveal::Reveal,
    tasks::{RouteTasks, Tasks},
};
use crate::{
    Catalog, ValidateLayer,
    alone::{Alone, MOST_ALONE},
    auth::AuthLayer,
    buffer::Budget,
    charge::ChargeLayer,
    idempotency::IdempotencyLayer,
    limit::{InFlightLimitLayer, RateLimitLayer},
    metrics::Metrics,
    store::ledger::StoreLedger,
    tasks::TasksLayer,
};
use std::sync::Arc;

/// What the stacks of one worker have in common. Whatever a request counts a reference of is a copy of the worker's
/// own: no two cores write to one place for it.
pub(super) struct Worker {
    pub(super) catalog: Arc<Catalog>,
    keys: Keys,
    pub(super) counters: Sides<WorkerCounters>,
    pub(super) budget: Budget,
    pub(super) reveal: Reveal,
    pub(super) ledger: StoreLedger,
    pub(super) metrics: Metrics,
    pub(super) alone: Arc<Alone>,
}

impl Worker {
    pub(super) fn limit(
        &self,
        layer: &RateLimitLayer<()>,
        counters: &WorkerCounters,
    ) -> RateLimitLayer<WorkerCounters> {
        layer.clone().catalog(self.catalog.clone()).counters(counters.clone())
    }

    pub(super) fn auth(&self, route: &PlannedRoute) -> AuthLayer<Keys> {
        match &route.auth {
            Some(auth) => auth.layer(self.keys.clone(), &self.catalog),
            None => AuthLayer::new(self.keys.clone()).enabled(false),
        }
    }

    pub(super) fn validate(&self, layer: &ValidateLayer) -> ValidateLayer {
        layer.clone().catalog(self.catalog.clone()).budget(self.budget.clone())
    }

    pub(super) fn idempotency(
        &self,
        layer: &IdempotencyLayer<()>,
    ) -> IdempotencyLayer<StoreLedger> {
        let layer = layer.clone().store(self.ledger.clone()).catalog(self.catalog.clone());
        layer.alone(self.alone.clone())
    }

    pub(super) fn charge(&self, layer: &ChargeLayer<()>) -> ChargeLayer<StoreLedger> {
        let layer = layer.clone().ledger(self.ledger.clone()).catalog(self.catalog.clone());
        layer.alone(self.alone.clone())
    }

    pub(super) fn tasks(&self, tasks: &RouteTasks) -> TasksLayer<Tasks> {
        tasks.layer(&self.ledger).catalog(self.catalog.clone())
    }

    pub(super) fn in_flight(&self, limit: &InFlightLimitLayer) -> InFlightLimitLayer {
        limit.clone().catalog(self.catalog.clone())
    }
}

impl Plan {
    /// For the worker with this number, or for somebody who is none.
    pub(super) fn common(&self, worker: Option<usize>) -> Worker {
        let process = worker.and_then(|number| self.process.workers.get(number));
        Worker {
            catalog: Arc::new((*self.catalog).clone()),
            keys: self.keys.clone(),
            counters: self.counters.counters(worker),
            budget: self.budget.worker(),
            reveal: self.reveal,
            ledger: self.ledger.clone(),
            metrics: self.process.metrics.clone(),
            alone: process
                .map_or_else(|| Arc::new(Alone::new(MOST_ALONE)), |process| process.alone.clone()),
        }
    }
}
