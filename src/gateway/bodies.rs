//! What a route checks of bodies and parameters.

use crate::{
    config::{Body, Config, Duplicates, Numbers, Route, Task, Violations},
    json::{self, Syntax},
    validate::{Report, ValidateLayer},
};

/// Whether the bodies of a route are read before they are sent.
pub(super) fn are_read(route: &Route) -> bool {
    route.rules.schema.is_some() || !route.rules.edits.is_empty()
}

/// How much of a body is kept to send it again, where that is more than the upstream says: one that was checked is in memory
/// already, and to send it again costs nothing.
pub(super) fn max_replay_bytes(config: &Config, route: &Route) -> Option<usize> {
    /// What edits may add.
    const ADDED: usize = 64 * 1024;
    let is_checked = are_read(route);
    let upstream = config.upstream.get(&route.upstream);
    let says_nothing = upstream.is_none_or(|upstream| upstream.max_replay_bytes.is_none());
    (is_checked && says_nothing)
        .then(|| route.body.or(config.body).max_bytes().saturating_add(ADDED))
}

/// The layer of one route, without the catalog and the memory of a worker.
pub(super) fn layer(config: &Config, route: &Route) -> ValidateLayer {
    let body = route.body.or(config.body);
    let mut layer = ValidateLayer::new()
        .syntax(syntax(&body))
        .content_encoding(body.content_encoding())
        .edits(route.rules.edits.clone())
        .editable(
            config.editor(route).is_some()
                || route.task.as_ref().is_some_and(Task::edits_bodies)
                || route.callback.is_some(),
        );
    // Where nothing is said, it is the layer that knows best.
    if let Some(size) = body.max_bytes {
        layer = layer.max_bytes(size.get());
    }
    if let Some(timeout) = body.timeout {
        layer = layer.timeout(timeout.get());
    }
    if let Some(violations) = body.violations {
        layer = layer.report(match violations {
            Violations::First => Report::First,
            Violations::All => Report::All,
            Violations::OnRequest => Report::OnRequest,
        });
    }
    if let Some(schema) = &route.rules.schema {
        layer = layer.schema(schema.clone());
    }
    if let Some(parameters) = &route.rules.parameters {
        layer = layer.parameters(parameters.clone());
    }
    layer
}

fn syntax(body: &Body) -> Syntax {
    let mut syntax = Syntax::default();
    if let Some(depth) = body.max_depth {
        syntax = syntax.max_depth(depth.get().into());
    }
    if let Some(values) = body.max_values {
        syntax = syntax.max_values(usize::try_from(values.get()).unwrap_or(usize::MAX));
    }
    if body.duplicates == Some(Duplicates::Last) {
        syntax = syntax.duplicates(json::Duplicates::Last);
    }
    if body.numbers == Some(Numbers::Safe) {
        syntax = syntax.numbers(json::Numbers::Safe);
    }
    syntax
}
