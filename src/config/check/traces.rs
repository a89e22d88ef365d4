//! `[traces]`.
use super::Checker;
use crate::config::{Config, EndpointUrl, Setting, tree::KeyPath};

/// Where the collector is, for all programs that send to one.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

impl Checker<'_, '_> {
    pub(super) fn traces(&mut self, config: &mut Config, env: &dyn Fn(&str) -> Option<String>) {
        let path = KeyPath::default().key("traces");
        let traces = &mut config.traces;
        if cfg!(not(feature = "otlp")) {
            if traces.endpoint.is_some() {
                let help = "build it with `--features otlp`, or leave the `endpoint` out";
                let message =
                    "this program was built without the feature `otlp`: it sends spans to nobody";
                self.error(&path.key("endpoint"), message, Some(help.to_owned()));
            }
        } else if traces.endpoint.is_none() && self.is_readable(&path.key("endpoint")) {
            let everybodys = self.variable(ENDPOINT, env, str::parse::<EndpointUrl>);
            traces.endpoint = everybodys.map(|url| Setting::Set(url.of_environment()));
        }
        if !self.is_readable(&path) {
            return;
        }
        if traces.endpoint.is_none() {
            for (key, is_there) in [
                ("credential", traces.credential.is_some()),
                ("sample", traces.sample.is_some()),
                ("service_name", traces.service_name.is_some()),
            ] {
                if is_there {
                    self.warning(&path.key(key), "means nothing without an `endpoint`");
                }
            }
        } else if let Some(variable) = traces.missing_variable() {
            let message = format!("{variable} is not set: until it is, no spans are sent");
            self.warning(&path, message);
        }
    }
}
