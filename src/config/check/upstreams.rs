//! `[upstream.NAME]`.
use super::{Checker, known_names};
use crate::{
    config::{
        Config, Upstream,
        diagnostic::Severity,
        interpolate::Broken,
        source,
        tree::{KeyPath, Value, printable},
        values::Name,
    },
    profile::Profile,
};
use std::{collections::HashSet, path::Path};

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
            self.endpoint_names_and_numbers(upstream, &path);
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
        self.profiles(config);
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
            1..=32 => {}
            _ => self.error(&path.index(32), "more than 32 endpoints", None),
        }
    }

    /// Names of endpoints, and numbers that say nothing.
    fn endpoint_names_and_numbers(&mut self, upstream: &mut Upstream, path: &KeyPath) {
        let hundred = |percent: u8| percent <= 100;
        if !hundred(upstream.retry_percent) {
            self.error(&path.key("retry_percent"), "more than 100", None);
        }
        if !(1..=100).contains(&upstream.ejection.percent) {
            self.error(&path.key("ejection").key("percent"), "expected 1 to 100", None);
        }
        if upstream.attempts.is_some_and(|attempts| attempts.get() > 100) {
            self.error(&path.key("attempts"), "more than 100 attempts", None);
        }
        let places = self.live(&path.key("endpoint"));
        let mut names = HashSet::new();
        for (endpoint, place) in upstream.endpoint.iter_mut().zip(places) {
            if endpoint.name.as_str().is_empty() {
                endpoint.name = Name::made((place + 1).to_string());
            }
            if !names.insert(endpoint.name.as_str().to_owned()) {
                let path = path.key("endpoint").index(place).key("name");
                self.error(&path, "another endpoint of this upstream has this name", None);
            }
        }
    }

    /// `[profile.NAME]`, and the profiles that upstreams name.
    fn profiles(&mut self, config: &Config) {
        let path = KeyPath::default().key("profile");
        if self.damaged || !self.is_readable(&path) {
            return;
        }
        for name in config.profile.keys() {
            let path = path.key(name);
            if printable(name) != *name {
                self.error(
                    &path,
                    "the name of a profile is up to 64 letters, digits, `_` and `-`",
                    None,
                );
                continue;
            }
            if Profile::presets().any(|preset| preset == name) {
                self.error(
                    &path,
                    "a preset has this name; give it another one, and `extends`",
                    None,
                );
                continue;
            }
            for mistake in Profile::named(name, &config.profile)
                .err()
                .into_iter()
                .flat_map(|error| error.mistakes)
            {
                let path =
                    mistake.path.iter().fold(path.clone(), |path, key| self.step(&path, key));
                let message = self.without_variables("profile", &mistake.message);
                self.error(&path, message, None);
            }
        }
        let known: Vec<&str> = config
            .profile
            .keys()
            .map(|name| &**name)
            .chain(Profile::presets().map(|name| name as &str))
            .collect();
        for (name, upstream) in &config.upstream {
            let path = KeyPath::default().key("upstream").key(name);
            let mut named = vec![(path.key("profile"), &*upstream.profile)];
            let places = self.live(&path.key("endpoint"));
            for (endpoint, place) in upstream.endpoint.iter().zip(places) {
                let place = path.key("endpoint").index(place).key("profile");
                named.extend(endpoint.profile.as_deref().map(|profile| (place, profile)));
            }
            for (path, profile) in named {
                if !known.contains(&profile) && self.is_readable(&path) {
                    let help = known_names(profile, &known, "");
                    self.error(&path, "there is no profile of this name", Some(help));
                }
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
