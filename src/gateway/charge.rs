//! What the requests of a route cost.

use crate::{
    charge::{Amount, ChargeLayer, Price, TimeLimit},
    config::{Charge, Config, Route},
};
use std::time::Duration;

/// The layer of one route, without the ledger and the catalog of a worker.
pub(super) fn layer(config: &Config, route: &Route) -> ChargeLayer<()> {
    let Some(price) = &route.price else { return free() };
    let Charge { on_disconnect, at_time_limit, .. } = route.charge.or(config.charge);
    let then = at_time_limit.unwrap_or_default();
    ChargeLayer::new((), price.get())
        .time_limit(TimeLimit { after: time_limit(config, route), then })
        .disconnect(on_disconnect.unwrap_or_default())
}

/// A layer that charges for nothing.
pub(super) fn free() -> ChargeLayer<()> {
    ChargeLayer::new((), Price::fixed(Amount::ZERO))
}

/// For how long money is reserved.
fn time_limit(config: &Config, route: &Route) -> Duration {
    let limit = config.time_limit(route).get();
    // Of a task that is remembered the store makes it longer.
    match &route.task {
        Some(task) if task.sealed => limit.saturating_add(super::tasks::retention(config)),
        _ => limit,
    }
}

/// For how long a request keeps its idempotency key.
pub(super) fn lease(config: &Config, route: &Route) -> Duration {
    time_limit(config, route).max(config.longest(route))
}
