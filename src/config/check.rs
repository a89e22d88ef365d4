//! What no single value can know: names that have to exist, be unique or fit together.
use super::{
    Config, PathPattern, Route,
    decode::origin,
    diagnostic::{Report, Severity},
    interpolate::Broken,
    source,
    suggest::closest,
    tree::{KeyPath, Node, Value, printable},
    values::{Name, parse_socket_address},
};
use crate::{Catalog, catalog::InvalidCatalog};
use matchit::Router;
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    path::Path,
};

/// Checks a configuration against itself, and completes it.
pub(super) struct Checker<'a, 'r> {
    /// The tree that the configuration was read from.
    pub(super) root: &'a Node,
    pub(super) report: &'a mut Report<'r>,
    /// Parts of the text are not in the tree: then nothing is called missing.
    pub(super) damaged: bool,
}

impl Checker<'_, '_> {
    pub(super) fn check(
        &mut self,
        config: &mut Config,
        directory: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) {
        self.server(config, env);
        self.catalog(config);
        self.upstreams(config, directory);
        self.routes(config);
    }

    fn error(&mut self, path: &KeyPath, message: impl Into<String>, help: Option<String>) {
        let node = self.root.nearest(path);
        let message = message.into() + &origin(node.variables());
        // What is nowhere in the document has no line.
        let offset = (!std::ptr::eq(node, self.root)).then_some(node.span.start);
        self.report.add(Severity::Error, offset, &path.to_string(), message, help);
    }

    fn server(&mut self, config: &mut Config, env: &dyn Fn(&str) -> Option<String>) {
        let mut read = |variable: &str| -> Option<SocketAddr> {
            let text = env(variable).filter(|text| !text.is_empty())?;
            match parse_socket_address(&text) {
                Ok(address) => Some(address),
                Err(error) => {
                    let message = format!("{error} in this environment variable");
                    self.report.add(Severity::Error, None, variable, message, None);
                    None
                }
            }
        };
        let (listen, admin) = (read("TOLLGATE_LISTEN"), read("TOLLGATE_ADMIN"));
        let server = &mut config.server;
        server.listen = listen.unwrap_or(server.listen);
        server.admin = admin.or(server.admin);
        if server.admin == Some(server.listen) && server.listen.port() != 0 {
            let path = KeyPath::default().key("server").key("admin");
            self.error(&path, "the same address as `listen`", None);
        }
        if config.server.workers.is_some_and(|workers| workers.get() > 1024) {
            let path = KeyPath::default().key("server").key("workers");
            self.error(&path, "more than 1024 workers", None);
        }
    }

    fn catalog(&mut self, config: &Config) {
        let path = KeyPath::default().key("catalog");
        if self.damaged || self.root.at(&path).is_some_and(|node| !node.is_whole()) {
            return;
        }
        if let Err(invalid) = Catalog::from_settings(&config.catalog) {
            self.catalog_mistakes(&path, invalid);
        }
    }

    fn catalog_mistakes(&mut self, path: &KeyPath, invalid: InvalidCatalog) {
        for mistake in invalid.mistakes {
            let path = mistake.path.iter().fold(path.clone(), |path, key| self.step(&path, key));
            let message = self.without_variables(&mistake.message);
            self.error(&path, message, None);
        }
    }

    /// A key, or where the document has an array there, an index.
    fn step(&self, path: &KeyPath, key: &str) -> KeyPath {
        match (self.root.at(path).map(|node| &node.value), key.parse()) {
            (Some(Value::Array(_)), Ok(index)) => path.index(index),
            _ => path.key(key),
        }
    }

    /// The catalog may say what it found: not if that is what a variable holds.
    fn without_variables(&self, message: &str) -> String {
        let mut texts = Vec::new();
        if let Some(entry) = self.root.entry("catalog") {
            collect_variables(&entry.node, &mut texts);
        }
        texts.iter().fold(message.to_owned(), |message, (value, variables)| {
            message.replace(value, &format!("${{{}}}", variables.join(", ")))
        })
    }

    fn upstreams(&mut self, config: &mut Config, directory: &Path) {
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

    fn live(&self, path: &KeyPath) -> Vec<usize> {
        self.root.at(path).map(Node::live_elements).unwrap_or_default()
    }

    fn routes(&mut self, config: &mut Config) {
        let path = KeyPath::default().key("route");
        let written = match self.root.at(&path).map(|node| &node.value) {
            Some(Value::Array(elements)) => !elements.is_empty(),
            Some(_) => true,
            None => self.root.mentions("route"),
        };
        if !written && !self.damaged {
            self.error(
                &path,
                "there is no route",
                Some("write a table [[route]] with a `path` and an `upstream`".to_owned()),
            );
        }
        let places: Vec<KeyPath> =
            self.live(&path).into_iter().map(|index| path.index(index)).collect();
        self.upstream_names();
        for (route, place) in config.route.iter().zip(&places) {
            self.rewrite_of(route, place);
        }
        self.conflicts(&config.route, &places);
        for route in &mut config.route {
            if route.name.as_str().is_empty() {
                route.name = Name::made(route.default_name());
            }
        }
        self.names(&config.route, &places);
    }

    /// From the tree: a route that could not be read for another reason can still name an upstream.
    fn upstream_names(&mut self) {
        let known: Vec<&str> = match self.root.entry("upstream").map(|entry| &entry.node.value) {
            Some(Value::Table(entries)) => entries.iter().map(|entry| entry.key.as_str()).collect(),
            // Something else is reported already.
            Some(_) => return,
            None if self.root.mentions("upstream") => return,
            None => Vec::new(),
        };
        if self.damaged {
            return;
        }
        let Some(Value::Array(routes)) = self.root.entry("route").map(|entry| &entry.node.value)
        else {
            return;
        };
        for (i, route) in routes.iter().enumerate() {
            let Some(entry) = route.entry("upstream").filter(|entry| !entry.node.pruned) else {
                continue;
            };
            match &entry.node.value {
                Value::Text(text)
                    if text.broken.is_none() && !known.contains(&text.value.as_str()) =>
                {
                    let path = KeyPath::default().key("route").index(i).key("upstream");
                    let help = known_upstreams(&text.value, &known);
                    self.error(&path, "there is no upstream of this name", Some(help));
                }
                _ => {}
            }
        }
    }

    fn rewrite_of(&mut self, route: &Route, place: &KeyPath) {
        let Some(rewrite) = &route.rewrite else {
            return;
        };
        let known: Vec<&str> = route.path.parameters().collect();
        for name in rewrite.parameters() {
            if known.contains(&name) {
                continue;
            }
            let help = closest(name, known.iter().copied())
                .map(|name| format!("did you mean `{{{name}}}`?"));
            self.error(&place.key("rewrite"), "a parameter that `path` does not have", help);
        }
    }

    /// Two routes for the same requests, or for paths that cannot be told apart.
    fn conflicts(&mut self, routes: &[Route], places: &[KeyPath]) {
        let mut router = Router::new();
        // By pattern, the routes that have it.
        let mut same: HashMap<&str, Vec<usize>> = HashMap::new();
        for (i, (route, place)) in routes.iter().zip(places).enumerate() {
            let others = same.entry(route.path.as_str()).or_default();
            if let Some(&other) = others.iter().find(|&&other| overlap(&routes[other], route)) {
                let message = format!(
                    "the same method and path as {}",
                    self.describe(&routes[other], &places[other])
                );
                self.error(&place.key("path"), message, None);
            }
            others.push(i);
            if others.len() == 1 && router.insert(route.path.as_str(), i).is_err() {
                let other = (0..i)
                    .find(|&other| indistinguishable(&routes[other].path, &route.path))
                    .unwrap_or_default();
                let message = format!(
                    "cannot be told apart from the path of {}",
                    self.describe(&routes[other], &places[other])
                );
                let help =
                    "a parameter has the same name in every route, and `{*rest}` no other beside it".to_owned();
                self.error(&place.key("path"), message, Some(help));
            }
        }
    }

    /// `route[0]` in line 7, and what it answers to unless that comes from a variable.
    fn describe(&self, route: &Route, place: &KeyPath) -> String {
        let node = self.root.nearest(place);
        let (line, _) = self.report.position(node.span.start);
        let is_literal = ["path", "method"].iter().all(|key| {
            let node = self.root.at(&place.key(key));
            node.is_none_or(|node| match &node.value {
                Value::Array(elements) => {
                    elements.iter().all(|element| element.variables().is_empty())
                }
                _ => node.variables().is_empty(),
            })
        });
        let shown = if is_literal { format!(" `{}`", route.default_name()) } else { String::new() };
        format!("{place}{shown} in line {line}")
    }

    fn names(&mut self, routes: &[Route], places: &[KeyPath]) {
        let mut seen: HashMap<&str, &KeyPath> = HashMap::new();
        for (route, place) in routes.iter().zip(places) {
            let Some(other) = seen.insert(route.name.as_str(), place) else {
                continue;
            };
            let named = |place: &KeyPath| self.root.at(&place.key("name")).is_some();
            // Two defaults are the same only where method and path are, which is reported already.
            if named(place) || named(other) {
                let (line, _) = self.report.position(self.root.nearest(other).span.start);
                let message = format!("the same name as that of {other} in line {line}");
                self.error(&place.key("name"), message, None);
            }
        }
    }
}

fn known_upstreams(found: &str, known: &[&str]) -> String {
    match (closest(found, known.iter().copied()), known) {
        (Some(name), _) => format!("did you mean `{}`?", printable(name)),
        (None, []) => "write a table [upstream.NAME]".to_owned(),
        (None, names) => {
            let names: Vec<_> = names.iter().map(|name| printable(name)).collect();
            format!("known here: {}", names.join(", "))
        }
    }
}

/// A route for any method gives way to one that names the method.
fn overlap(a: &Route, b: &Route) -> bool {
    match (&a.method, &b.method) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            let a: HashSet<_> = a.as_slice().iter().collect();
            b.as_slice().iter().any(|method| a.contains(method))
        }
        _ => false,
    }
}

fn indistinguishable(a: &PathPattern, b: &PathPattern) -> bool {
    let mut router = Router::new();
    a != b && router.insert(a.as_str(), ()).is_ok() && router.insert(b.as_str(), ()).is_err()
}

fn check_ca_file(file: &Path) -> Result<(), String> {
    let bytes = std::fs::read(file).map_err(|error| source::unreadable(&error))?;
    let marker = b"-----BEGIN CERTIFICATE-----";
    match bytes.windows(marker.len()).any(|window| window == marker) {
        true => Ok(()),
        false => Err("the file holds no certificate in PEM format".to_owned()),
    }
}

fn collect_variables<'a>(node: &'a Node, texts: &mut Vec<(&'a str, &'a [String])>) {
    match &node.value {
        Value::Text(text) if !text.variables.is_empty() && !text.value.is_empty() => {
            texts.push((&text.value, &text.variables));
        }
        Value::Array(elements) => {
            elements.iter().for_each(|element| collect_variables(element, texts));
        }
        Value::Table(entries) => {
            entries.iter().for_each(|entry| collect_variables(&entry.node, texts));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog::Mistake, config::source};

    #[test]
    fn catalog_mistakes() {
        let text = "[catalog]\nfields = [\"source\"]\n[catalog.entries.rate_limited]\nstatus = 200\nmessage = \"${WORDS} {limit}\"\n";
        let env = |name: &str| (name == "WORDS").then(|| "sk-5ecret".to_owned());
        let mut report = Report::new(Path::new("f"), text);
        let (root, damaged) = source::document(text, &env, &mut report).unwrap();
        let mistake = |path: &[&str], message: &str| Mistake {
            path: path.iter().map(|key| (*key).to_owned()).collect(),
            message: message.to_owned(),
        };
        let invalid = InvalidCatalog {
            mistakes: vec![
                mistake(&["entries", "rate_limited", "status"], "not an error"),
                mistake(
                    &["entries", "rate_limited", "message"],
                    "nothing is called limit in `sk-5ecret {limit}`",
                ),
                mistake(&["entries", "rate_limited", "title"], "missing"),
                mistake(&["fields", "0"], "not this one"),
                mistake(&["preset"], "missing"),
            ],
        };
        let path = KeyPath::default().key("catalog");
        Checker { root: &root, report: &mut report, damaged }.catalog_mistakes(&path, invalid);
        let printed: Vec<_> = report.finish().iter().map(ToString::to_string).collect();
        assert_eq!(
            printed,
            [
                "error: f:1:1: catalog.preset: missing",
                "error: f:2:11: catalog.fields[0]: not this one",
                "error: f:3:1: catalog.entries.rate_limited.title: missing",
                "error: f:4:10: catalog.entries.rate_limited.status: not an error",
                "error: f:5:11: catalog.entries.rate_limited.message: nothing is called limit in `${WORDS}` (the value comes from WORDS)",
            ]
        );
    }
}
