use super::Credential;
use crate::config::values::{EndpointUrl, Label, Ratio, Setting};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Traces: which one a request belongs to (W3C Trace Context), and where they are collected (OpenTelemetry).
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// Whether providers get `traceparent`, that of the client or a new one, and the client's `tracestate`. With `false` they get neither. Default: `true`.
    pub propagate: bool,
    /// Whose traces are continued; for others a new one is begun, and what they say of theirs goes to nobody. With an `endpoint`, they also decide whether their requests are
    /// recorded. Default: `anybody`.
    pub from: TraceSource,
    /// The collector's URL, to which spans are sent as OTLP over HTTP, at `/v1/traces` behind it. Needs a build with the feature `otlp`. `OTEL_EXPORTER_OTLP_ENDPOINT` is for where it
    /// is not said here. Default: none, nothing is recorded.
    pub endpoint: Option<Setting<EndpointUrl>>,
    /// What the collector knows us by. Default: nothing, or what `OTEL_EXPORTER_OTLP_HEADERS` says.
    pub credential: Option<Credential>,
    /// Which share of the traces that begin here is recorded, from 0 to 1. Of those that are continued, the ones that the client records. Default: `1.0`.
    pub sample: Option<Ratio>,
    /// What the spans' `service.name` is. Default: what `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` say, or `tollgate`.
    pub service_name: Option<Label>,
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            propagate: true,
            from: TraceSource::default(),
            endpoint: None,
            credential: None,
            sample: None,
            service_name: None,
        }
    }
}

impl Traces {
    /// The variable without which nothing is recorded.
    pub(crate) fn missing_variable(&self) -> Option<&str> {
        let credential = self.credential.as_ref().and_then(|known| known.secret().missing());
        self.endpoint.as_ref().and_then(Setting::missing).or(credential)
    }

    /// Whether the same is done about traces.
    pub(crate) fn are_same(&self, other: &Self) -> bool {
        let what = |traces: &Self| {
            let Self { propagate, from, endpoint, credential, sample, service_name } = traces;
            let url = endpoint.as_ref().and_then(Setting::get).map(EndpointUrl::to_string);
            let credential = credential.as_ref().and_then(Credential::header);
            (*propagate, *from, url, credential, *sample, service_name.clone())
        };
        what(self) == what(other)
    }

    /// Where spans go, if anything is recorded.
    #[cfg(feature = "otlp")]
    pub(crate) fn collector(&self) -> Option<&EndpointUrl> {
        self.endpoint.as_ref()?.get().filter(|_| self.missing_variable().is_none())
    }

    /// Which share of new traces is recorded.
    #[cfg(feature = "otlp")]
    pub(crate) fn sample(&self) -> f64 {
        self.sample.unwrap_or(Ratio::ALL).get()
    }
}

/// Whose traces are continued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TraceSource {
    /// Everybody's.
    #[default]
    Anybody,
    /// Those of `server.trusted_proxies`.
    Trusted,
    /// Nobody's.
    Nobody,
}
