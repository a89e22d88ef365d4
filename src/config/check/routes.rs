//! `[[route]]`.
use super::{Checker, known_names, pages::complete_pages};
use crate::config::{
    AuthMode, Config, PathPattern, PathTemplate, Route,
    tree::{KeyPath, Value},
    values::Name,
};
use crate::suggest::closest;
use matchit::Router;
use std::collections::{HashMap, HashSet};

impl Checker<'_, '_> {
    pub(super) fn routes(&mut self, config: &mut Config) {
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
        complete_pages(&mut config.route);
        for (route, place) in config.route.iter().zip(&places) {
            self.rewrite_of(route, place);
            self.auth_of(config, route, place);
            self.limits_of(config, route, place);
        }
        self.conflicts(&config.route, &places);
        for route in &mut config.route {
            if route.name.as_str().is_empty() {
                route.name = Name::made(route.default_name());
            }
        }
        self.names(&config.route, &places);
        self.unused_store(config);
    }

    /// A store that is written down means keys; without anybody who asks for one, everybody may call.
    fn unused_store(&mut self, config: &Config) {
        let path = KeyPath::default().key("server").key("store");
        if self.root.at(&path).is_some() && config.auth_settings().is_none() {
            self.warning(
                &path,
                "no route asks for a key, so that anybody may call; write a table [auth]",
            );
        }
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
                    let help = known_names(&text.value, &known, "write a table [upstream.NAME]");
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
        self.parameters_of(rewrite, &route.path, &place.key("rewrite"));
    }

    /// The parameters of a template have to stand in the path.
    pub(super) fn parameters_of(
        &mut self,
        template: &PathTemplate,
        path: &PathPattern,
        place: &KeyPath,
    ) {
        let known: Vec<&str> = path.parameters().collect();
        for name in template.parameters() {
            self.parameter(name, &known, place);
        }
    }

    /// A parameter that is used has to stand in the path.
    fn parameter(&mut self, name: &str, known: &[&str], place: &KeyPath) {
        if !known.contains(&name) {
            let help = closest(name, known.iter().copied())
                .map(|name| format!("did you mean `{{{name}}}`?"));
            self.error(place, "a parameter that `path` does not have", help);
        }
    }

    /// Whether what a route wants of its callers can be had.
    fn auth_of(&mut self, config: &Config, route: &Route, place: &KeyPath) {
        let auth = KeyPath::default().key("auth");
        let mode = config.auth_of(route);
        let has_keys = config.auth.is_some() || config.server.store.is_some();
        let readable =
            self.is_readable(&auth) && self.is_readable(&KeyPath::default().key("server"));
        if mode != AuthMode::None && !has_keys && !self.damaged && readable {
            let help = "write a table [auth], or name a store in `server.store`".to_owned();
            self.error(&place.key("auth"), "there are no keys to be asked for", Some(help));
        }
        let known: Vec<&str> = route.path.parameters().collect();
        for (i, scope) in route.scopes.iter().enumerate() {
            for name in scope.parameters() {
                self.parameter(name, &known, &place.key("scopes").index(i));
            }
        }
        if mode == AuthMode::None && !route.scopes.is_empty() {
            let message = "this route asks for no key, so nobody has scopes";
            self.error(&place.key("scopes"), message, None);
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
