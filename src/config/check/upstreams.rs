//! `[upstream.NAME]`.
use super::Checker;
use crate::config::{
    Config,
    diagnostic::Severity,
    interpolate::Broken,
    source,
    tree::{KeyPath, Value, printable},
};
use std::path::Path;

impl Checker<'_, '_> {
    pub(super) fn upstreams(&mut self, config: &mut Config, directory: &Path) {
        for (name, upstream) in &mut config.upstream {
            let path = KeyPath::default().key("upstream").key(name);
            if printable(name) != *name {
                self.error(
                    &path,
                    "the name of an upstream is up to 64 letters, digits, `_` and `-`",
                    None,
                );
            }
            if let Some(file) = &mut upstream.ca_file {
                *file = directory.join(&*file);
                if let Err(message) = check_ca_file(file) {
                    self.error(&path.key("ca_file"), message, None);
                }
            }
            self.endpoints(&path);
            let places = self.live(&path.key("endpoint"));
            for (endpoint, place) in upstream.endpoint.iter().zip(places) {
                let place = path.key("endpoint").index(place);
                if let Some(variable) = endpoint.url.missing() {
                    self.warn(&place.key("url"), variable, name);
                }
                if let Some(variable) = endpoint
                    .credential
                    .as_ref()
                    .and_then(|credential| credential.secret().missing())
                {
                    let key = if self.root.at(&place.key("credential").key("bearer")).is_some() {
                        "bearer"
                    } else {
                        "value"
                    };
                    self.warn(&place.key("credential").key(key), variable, name);
                }
            }
        }
    }

    fn endpoints(&mut self, upstream: &KeyPath) {
        let path = upstream.key("endpoint");
        let written = match self.root.at(&path).map(|node| &node.value) {
            Some(Value::Array(elements)) => elements.len(),
            Some(_) => return,
            None => 0,
        };
        let meant = self
            .root
            .at(upstream)
            .is_some_and(|node| node.entry("endpoint").is_none() && node.mentions("endpoint"));
        match written {
            0 if self.damaged || meant => {}
            0 => {
                let help = format!("write a table [[{path}]] with a `url`");
                self.error(&path, "an upstream needs an endpoint", Some(help));
            }
            1 => {}
            _ => {
                self.error(&path.index(1), "failover between endpoints is not available yet", None);
            }
        }
    }

    fn warn(&mut self, path: &KeyPath, variable: &str, upstream: &str) {
        let node = self.root.nearest(path);
        let unset = matches!(&node.value, Value::Text(text) if matches!(&text.broken, Some(Broken::Unset(name)) if name == variable));
        let state = if unset { "not set" } else { "empty" };
        let message = format!(
            "{variable} is {state}: requests to upstream {upstream} are answered with not_configured until it is set"
        );
        let message =
            if unset { message.replace(" until it is set", " until it is") } else { message };
        self.report.add(Severity::Warning, Some(node.span.start), &path.to_string(), message, None);
    }
}

pub(super) fn check_ca_file(file: &Path) -> Result<(), String> {
    let bytes = std::fs::read(file).map_err(|error| source::unreadable(&error))?;
    let marker = b"-----BEGIN CERTIFICATE-----";
    match bytes.windows(marker.len()).any(|window| window == marker) {
        true => Ok(()),
        false => Err("the file holds no certificate in PEM format".to_owned()),
    }
}
