//! `callback` of routes, and `[callbacks]`.
use super::{Checker, known_names};
use crate::config::{
    AuthMode, Callback, Config, Duplicates, Page, Route, Setting, Task, tree::KeyPath,
};

impl Checker<'_, '_> {
    pub(super) fn callbacks(&mut self, config: &Config) {
        let table = KeyPath::default().key("callbacks");
        let is_used = config.route.iter().any(|route| route.callback.is_some());
        let url = config.callbacks.url.as_ref().and_then(Setting::missing);
        if let Some(variable) = url.filter(|_| is_used) {
            self.nobody_is_told(&table.key("url"), variable);
        }
        for (i, secret) in config.callbacks.secrets.iter().enumerate() {
            let place = table.key("secrets").index(i);
            match secret.get() {
                Some(secret) if secret.expose().len() < 32 => {
                    self.error(&place, "shorter than 32 characters", None);
                }
                Some(_) => {}
                // Once is enough.
                None if url.is_some() || !is_used => {}
                None => self.nobody_is_told(&place, secret.missing().unwrap_or_default()),
            }
        }
        let named = [
            ("id_field", &config.callbacks.id_field),
            ("timestamp_field", &config.callbacks.timestamp_field),
            ("signature_field", &config.callbacks.signature_field),
        ];
        for (i, (key, name)) in named.iter().enumerate() {
            if name.is_some() && named[..i].iter().any(|(_, other)| other == name) {
                self.error(&table.key(key), "two of these fields have the same name", None);
            }
        }
        let path = KeyPath::default().key("route");
        for (route, index) in config.route.iter().zip(self.live(&path)) {
            let place = path.index(index);
            if route.serve == Some(Page::Callback) {
                self.receiver_of(config, route, &place);
            }
            if let Some(callback) = &route.callback
                && self.is_readable(&place)
            {
                let place = place.key("callback");
                self.task_of(config, route, &place);
                self.table_of(config, &place);
                self.result_of(config, route, callback, &place);
            }
        }
    }

    fn nobody_is_told(&mut self, place: &KeyPath, variable: &str) {
        let message = format!(
            "{variable} is not set: until it is, callers' URLs go on to the provider as they are"
        );
        self.warning(place, message);
    }

    /// Where providers call: nobody's key, and a token at the end.
    fn receiver_of(&mut self, config: &Config, route: &Route, place: &KeyPath) {
        if config.auth_of(route) != AuthMode::None {
            let message = "providers have no API key: their token says what they speak of";
            let help = Some("write `auth = \"none\"`".to_owned());
            self.error(&place.key("serve"), message, help);
        }
        let path = route.path.as_str();
        let is_last = path.ends_with('}') && !path.contains("{*");
        if route.path.parameters().count() != 1 || !is_last {
            let message = "expected a path with one parameter, at its end, for the token";
            let help = Some("such as \"/callbacks/{token}\"".to_owned());
            self.error(&place.key("path"), message, help);
        }
    }

    /// A task that is remembered here, and a body in which a URL can be replaced.
    fn task_of(&mut self, config: &Config, route: &Route, place: &KeyPath) {
        match &route.task {
            Some(task) if task.makes() && !task.sealed => {}
            Some(task) if task.makes() => {
                let message = "needs tasks that are remembered in the store; those of this route are `sealed`";
                self.error(place, message, None);
            }
            _ => {
                let help = "write `task = { id_in_answer = \"/id\" }`".to_owned();
                self.error(place, "there is no task whose end anybody could be told", Some(help));
            }
        }
        if route.schema.is_none() {
            let help = Some("give the route a `schema`".to_owned());
            let place = place.key("url_in_body");
            self.error(&place, "bodies are not read without a `schema`", help);
        }
        if route.body.or(config.body).duplicates == Some(Duplicates::Last) {
            let message = "a body in which names are there twice cannot be edited; `duplicates` has to be `refuse`";
            self.error(place, message, None);
        }
    }

    /// What all of them need.
    fn table_of(&mut self, config: &Config, place: &KeyPath) {
        let table = KeyPath::default().key("callbacks");
        if self.damaged || !self.is_readable(&table) {
            return;
        }
        if config.callbacks.url.is_none() {
            let help = "write `[callbacks] url = \"https://…/callbacks\"`".to_owned();
            let message = "needs `callbacks.url`, where providers reach this gateway";
            self.error(place, message, Some(help));
        }
        if config.callbacks.secrets.is_empty() {
            let help = "write `[callbacks] secrets = [\"${CALLBACK_SECRET}\"]`".to_owned();
            self.error(place, "needs secrets in `callbacks.secrets`", Some(help));
        }
        let receives = |route: &Route| route.serve == Some(Page::Callback);
        let routes = KeyPath::default().key("route");
        if self.is_readable(&routes) && !config.route.iter().any(receives) {
            let help = "write a [[route]] with `path = \"/callbacks/{token}\"`, `auth = \"none\"` and `serve = \"callback\"`";
            let message = "there is no route with `serve = \"callback\"`, where providers call";
            self.error(place, message, Some(help.to_owned()));
        }
    }

    /// Somebody has to say how the task has ended, and of an upstream always the same.
    fn result_of(&mut self, config: &Config, route: &Route, callback: &Callback, place: &KeyPath) {
        let place = &place.key("result");
        let routes = KeyPath::default().key("route");
        if self.damaged || !self.is_readable(&routes) {
            return;
        }
        let is_about = |other: &&Route| {
            other.upstream == route.upstream
                && other.task.as_ref().is_some_and(|task| !Task::makes(task))
        };
        let known: Vec<&Route> = config.route.iter().filter(is_about).collect();
        let other = |other: &&Route| {
            let of_other = other.callback.as_ref().map(|callback| &callback.result);
            other.upstream == route.upstream
                && of_other.is_some_and(|result| *result != callback.result)
        };
        if let Some(other) = config.route.iter().find(other) {
            let message = format!(
                "route `{}` of the same upstream has another one, and tasks of one upstream are asked for in one way",
                other.name.as_str()
            );
            self.error(place, message, None);
        }
        let wraps_otherwise = |other: &&Route| {
            other.upstream == route.upstream
                && other.callback.is_some()
                && other.success != route.success
        };
        if callback.result.is_none()
            && let Some(other) = config.route.iter().find(wraps_otherwise)
        {
            let message = format!(
                "needs a `result`: route `{}` of the same upstream has another `success`, and messages about tasks of one upstream look alike",
                other.name.as_str()
            );
            self.error(place, message, None);
        }
        let Some(wanted) = &callback.result else { return };
        let Some(result) = known.iter().find(|other| other.name.as_str() == wanted) else {
            let names: Vec<&str> = known.iter().map(|other| other.name.as_str()).collect();
            let none = "write a [[route]] of this upstream with a `task`, such as `{ id_in_path = \"id\" }`";
            let help = known_names(wanted, &names, none);
            let message =
                format!("no route of upstream `{}` with this name is about a task", route.upstream);
            return self.error(place, message, Some(help));
        };
        if result.price.as_ref().is_some_and(|price| !price.get().is_free()) {
            let message = format!(
                "route `{}` has a price, and nobody pays for what the gateway asks by itself",
                result.name.as_str()
            );
            self.error(place, message, None);
        }
        if !result.task.as_ref().is_some_and(|task| knows_all(task, result)) {
            let message = format!(
                "cannot be asked with the task's id alone: the path of route `{}` has other parameters",
                result.name.as_str()
            );
            self.error(place, message, None);
        }
    }
}

/// Whether the id of a task is all that its path needs.
fn knows_all(task: &Task, route: &Route) -> bool {
    route.path.parameters().all(|name| task.id_in_path.as_deref() == Some(name))
}
