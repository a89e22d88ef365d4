//! The same request twice, carried out once.

use super::charge;
use crate::{
    config::{Config, Idempotency, Route, Task},
    idempotency::{IdempotencyLayer, MAX_BYTES, Policy, RETENTION},
};

/// Whether the provider may know that a request is the same as another one. Not where nobody here looks at keys and requests are paid for or
/// make tasks: what it carries out once would be paid for twice.
pub(super) fn lets_keys_on(route: &Route) -> bool {
    let counts = route.price.is_some() || route.task.as_ref().is_some_and(Task::makes);
    route.idempotency != Policy::Off || !counts
}

/// The layer of one route, without the store and the catalog of a worker.
pub(super) fn layer(config: &Config, route: &Route) -> IdempotencyLayer<()> {
    let Idempotency { retention, max_bytes } = config.idempotency;
    IdempotencyLayer::new(())
        .policy(route.idempotency)
        .lease(charge::lease(config, route))
        .scope(route.name.as_str())
        .retention(retention.map_or(RETENTION, |retention| retention.get()))
        .max_bytes(max_bytes.map_or(MAX_BYTES, |bytes| bytes.get()))
}
