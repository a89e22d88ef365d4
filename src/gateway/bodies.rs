//! What a route checks of bodies and parameters.

use crate::{
    config::{Config, Duplicates, Numbers, Route, Timeout, Violations},
    json::{self, Syntax},
    validate::{Report, ValidateLayer},
};
use std::time::Duration;

/// The layer of one route, without the catalog and the memory of a worker.
pub(super) fn layer(config: &Config, route: &Route) -> ValidateLayer {
    let body = route.body.or(config.body);
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
    let mut layer = ValidateLayer::new()
        .syntax(syntax)
        .max_bytes(body.max_bytes())
        .timeout(body.timeout.map_or(Duration::from_secs(30), Timeout::get))
        .content_encoding(body.content_encoding())
        .report(match body.violations {
            None | Some(Violations::First) => Report::First,
            Some(Violations::All) => Report::All,
            Some(Violations::OnRequest) => Report::OnRequest,
        })
        .edits(route.rules.edits.clone());
    if let Some(schema) = &route.rules.schema {
        layer = layer.schema(schema.clone());
    }
    if let Some(parameters) = &route.rules.parameters {
        layer = layer.parameters(parameters.clone());
    }
    layer
}
