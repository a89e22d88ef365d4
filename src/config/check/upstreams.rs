//! `[upstream.NAME]`.
use super::{Checker, bodies::reads_bodies, known_names};
use crate::{
    certificate,
    config::{
        Config, Duplicates, Endpoint, FieldName, Route, Timeout, Upstream,
        diagnostic::Severity,
        interpolate::Broken,
        source,
        tree::{KeyPath, Value, printable},
        values::Name,
    },
    profile::Profile,
    regular_file,
};
use http::Method;
use matchit::Router;
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
                self.report.reads(file);
                if let Err(message) = check_ca_file(file) {
                    self.error(&path.key("ca_file"), message, None);
                }
            }
            self.upstream_tls(upstream, &path, directory);
            self.endpoints(&path);
            self.endpoint_names_and_numbers(upstream, &path);
            self.times(upstream, &path);
            self.weights(upstream, &path);
            self.adapts(upstream, &path);
            let places = self.live(&path.key("endpoint"));
            // Whether somebody else can be asked.
            let others = upstream.endpoint.iter().any(|other| other.missing_variable().is_none());
            for (endpoint, place) in upstream.endpoint.iter().zip(places) {
                let place = path.key("endpoint").index(place);
                if let Some(variable) = endpoint.url.missing() {
                    self.warn(&place.key("url"), variable, name, others);
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
                    self.warn(&place.key("credential").key(key), variable, name, others);
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

    /// Times that contradict each other, or leave none for a second attempt.
    fn times(&mut self, upstream: &Upstream, path: &KeyPath) {
        let Upstream { backoff, max_backoff, ejection, .. } = upstream;
        let within = path.key("ejection");
        for (path, longest, is_more) in [
            (path.key("backoff"), "max_backoff", backoff.get() > max_backoff.get()),
            (within.key("base"), "longest", ejection.base.get() > ejection.longest.get()),
        ] {
            if is_more && self.is_readable(&path) {
                self.error(&path, format!("more than `{longest}`"), None);
            }
        }
        let first_byte = upstream.first_byte_timeout.map(Timeout::get);
        let place = path.key("first_byte_timeout");
        if first_byte.is_some_and(|time| time >= upstream.timeout.get()) && self.is_readable(&place)
        {
            self.warning(&place, "not less than `timeout`, which comes first");
        }
    }

    /// Shares of requests that nobody is there to share.
    fn weights(&mut self, upstream: &Upstream, path: &KeyPath) {
        let places = self.live(&path.key("endpoint"));
        let priority = |(place, endpoint): (u32, &Endpoint)| endpoint.priority.unwrap_or(place);
        let priorities: Vec<u32> = (1..).zip(&upstream.endpoint).map(priority).collect();
        for ((endpoint, place), priority) in upstream.endpoint.iter().zip(places).zip(&priorities) {
            if endpoint.weight.is_none() {
                continue;
            }
            let equals = || {
                let same = priorities.iter().zip(&upstream.endpoint);
                same.filter(|(other, _)| *other == priority).map(|(_, endpoint)| endpoint)
            };
            let place = path.key("endpoint").index(place).key("weight");
            if equals().count() == 1 {
                let message = "means nothing: no other endpoint has the same `priority`, which is an endpoint's place in the list where nothing is said";
                self.error(&place, message, None);
            } else if equals().next().is_some_and(|first| std::ptr::eq(first, endpoint))
                && equals().all(|endpoint| endpoint.weight == Some(0))
            {
                self.error(&place, "nobody of this `priority` has a share", None);
            }
        }
    }

    /// What endpoints want otherwise.
    fn adapts(&mut self, upstream: &mut Upstream, path: &KeyPath) {
        let places = self.live(&path.key("endpoint"));
        for (endpoint, place) in upstream.endpoint.iter_mut().zip(places) {
            let place = path.key("endpoint").index(place).key("adapt");
            let mut known = Router::new();
            let places = self.live(&place);
            for (adapt, i) in endpoint.adapt.iter_mut().zip(places) {
                let place = place.index(i);
                if known.insert(adapt.path.as_str(), ()).is_err() {
                    let message = "cannot be told apart from the path of an earlier `adapt`";
                    self.error(&place.key("path"), message, None);
                }
                if let Some(rewrite) = &adapt.rewrite {
                    self.parameters_of(rewrite, &adapt.path, &place.key("rewrite"));
                }
                adapt.edits = self.edits(&adapt.edit, &place.key("edit"));
                let says = |key| self.root.at(&place.key(key)).is_some();
                if !says("rewrite") && !says("edit") {
                    self.error(&place, "changes nothing: write a `rewrite` or an `edit`", None);
                }
            }
        }
    }

    /// Endpoints that change bodies, and the routes that lead there.
    pub(super) fn edited_bodies(&mut self, config: &Config) {
        let path = KeyPath::default().key("route");
        for (route, place) in config.route.iter().zip(self.live(&path)) {
            let Some(endpoint) = config.editor(route) else { continue };
            let (place, name) = (path.index(place), endpoint.name.as_str());
            if !reads_bodies(route) && has_bodies(route) {
                let message = format!(
                    "endpoint {name} of this upstream changes its bodies, and they are not read"
                );
                let help = "give the route a `schema`, or a `method` that has no body";
                self.error(&place, message, Some(help.to_owned()));
            }
            if route.body.or(config.body).duplicates == Some(Duplicates::Last) {
                let message = format!(
                    "a body in which names are there twice cannot be edited, as endpoint {name} of this upstream does; `duplicates` has to be `refuse`"
                );
                self.error(&place, message, None);
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
            let header = config.profile[name].idempotency_header.as_deref();
            if let Some(Err(error)) = header.map(str::parse::<FieldName>) {
                self.error(&path.key("idempotency_header"), error.to_string(), None);
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

    fn warn(&mut self, path: &KeyPath, variable: &str, upstream: &str, others: bool) {
        let node = self.root.nearest(path);
        let unset = matches!(&node.value, Value::Text(text) if matches!(&text.broken, Some(Broken::Unset(name)) if name == variable));
        let state = if unset { "not set" } else { "empty" };
        let without = match others {
            true => format!("this endpoint of upstream {upstream} is left out"),
            false => format!("requests to upstream {upstream} are answered with not_configured"),
        };
        let until = if unset { "it is" } else { "it is set" };
        let message = format!("{variable} is {state}: {without} until {until}");
        self.report.add(Severity::Warning, Some(node.span.start), &path.to_string(), message, None);
    }
}

/// Whether its requests can have a body that anybody reads.
fn has_bodies(route: &Route) -> bool {
    let without = [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS];
    let methods = route.method.as_ref().map(|methods| methods.as_slice());
    methods.is_none_or(|methods| methods.iter().any(|method| !without.contains(method)))
}

pub(super) fn check_ca_file(file: &Path) -> Result<(), String> {
    let bytes = regular_file::read(file, certificate::LARGEST)
        .map_err(|error| source::unreadable(&error))?;
    let marker = b"-----BEGIN CERTIFICATE-----";
    match bytes.windows(marker.len()).any(|window| window == marker) {
        true => Ok(()),
        false => Err("the file holds no certificate in PEM format".to_owned()),
    }
}
