//! What the admin listener tells of the providers, as JSON.

use super::plan::{Plan, PlannedUpstream};
use crate::{fault::Kind, upstream::State};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::PoisonError;
use tokio::time::Instant;

const STATES: [&str; 4] = ["available", "due", "out", "paused"];

/// How an endpoint is.
fn word(state: State) -> &'static str {
    let [available, due, out, paused] = STATES;
    match state {
        State::Available => available,
        State::Due => due,
        State::Out(_) => out,
        State::Paused(_) => paused,
    }
}

impl Plan {
    /// Whether there is a limit that refuses everybody because its store is away.
    pub(crate) fn counters_refuse(&self) -> bool {
        self.counters.refuses()
    }

    /// Sets what is measured when somebody asks.
    pub(crate) fn measure(&self) {
        let (now, metrics) = (Instant::now(), &self.process.metrics);
        metrics.set_buffered(self.budget.reserved());
        metrics.set_store_up("limits", self.counters.is_up());
        for (endpoint, count) in self.process.unmatched.counts() {
            metrics.set_unmatched(&endpoint, count);
        }
        let set = |upstream: &str, endpoint: &str, is: Option<&str>| {
            for state in STATES {
                metrics.set_endpoint_state(upstream, endpoint, state, Some(state) == is);
            }
        };
        let mut told = self.process.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = told.clone();
        for (upstream, planned) in &self.upstreams {
            for endpoint in planned.endpoints() {
                let name = (upstream.clone(), endpoint.name.clone());
                gone.remove(&name);
                told.insert(name);
                // An increase is only seen of what was there before.
                metrics.set_unmatched(&endpoint.watch.endpoint, 0);
                set(upstream, &endpoint.name, Some(word(endpoint.health().state(now))));
            }
        }
        // Of what another configuration had nothing is true any more.
        for (upstream, endpoint) in &gone {
            set(upstream, endpoint, None);
        }
    }

    /// `/endpoints`: every endpoint and how it is.
    pub(crate) fn endpoints_report(&self) -> Value {
        let now = Instant::now();
        let upstream = |(name, planned): (&String, &PlannedUpstream)| match planned {
            PlannedUpstream::NotConfigured(_) => {
                json!({ "upstream": name, "state": "not configured" })
            }
            PlannedUpstream::Configured { endpoints, .. } => {
                let endpoints = endpoints.iter().map(|endpoint| {
                    let state = endpoint.health().state(now);
                    let back_in_ms = state
                        .back()
                        .map(|back| back.saturating_duration_since(now).as_millis() as u64);
                    let state = word(state);
                    json!({
                        "endpoint": &*endpoint.name,
                        "profile": endpoint.profile.name(),
                        "priority": endpoint.priority,
                        "weight": endpoint.weight,
                        "state": state,
                        "back_in_ms": back_in_ms,
                    })
                });
                json!({ "upstream": name, "state": "configured", "endpoints": endpoints.collect::<Vec<_>>() })
            }
        };
        json!({ "upstreams": self.upstreams.iter().map(upstream).collect::<Vec<_>>() })
    }

    /// `/unmatched`: failures that no rule of a profile knows.
    pub(crate) fn unmatched_report(&self) -> Value {
        let latest = self.process.unmatched.latest().into_iter().map(|answer| {
            json!({
                "at": Timestamp::try_from(answer.at).ok().map(|at| at.to_string()),
                "endpoint": &*answer.endpoint,
                "profile": answer.profile,
                "status": answer.status.as_u16(),
                "content_type": answer.content_type,
                "taken_for": Kind::Upstream(answer.kind).as_str(),
                "text": answer.text,
            })
        });
        let counts = self.process.unmatched.counts();
        let counts: serde_json::Map<String, Value> = counts
            .into_iter()
            .map(|(endpoint, count)| (endpoint.to_string(), count.into()))
            .collect();
        json!({ "counts": counts, "latest": latest.collect::<Vec<_>>() })
    }
}
