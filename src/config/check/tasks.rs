//! `task` of routes.
use super::Checker;
use crate::config::{
    AuthMode, Config, Duplicates, Route, Task, tree::KeyPath, values::StoreAddress,
};
use crate::profile::Profile;
use crate::store::StoreUrl;
use crate::suggest::closest;
use crate::tasks::TaskId;

impl Checker<'_, '_> {
    pub(super) fn tasks(&mut self, config: &Config) {
        let secrets = KeyPath::default().key("tasks").key("seal_keys");
        for (i, secret) in config.tasks.seal_keys.iter().enumerate() {
            if secret.expose().len() < 32 {
                self.error(&secrets.index(i), "shorter than 32 characters", None);
            }
        }
        let path = KeyPath::default().key("route");
        for (route, index) in config.route.iter().zip(self.live(&path)) {
            let place = path.index(index).key("task");
            let Some(task) = &route.task else { continue };
            if !self.is_readable(&place) {
                continue;
            }
            self.place_of(task, route, &place);
            self.owner_of(config, route, &place);
            self.endpoints_of(config, route, &place);
            match task.makes() {
                true => self.profile_of(config, route, &place),
                false => self.maker_of(config, route, &place),
            }
        }
    }

    /// One place, in which there can be an id.
    fn place_of(&mut self, task: &Task, route: &Route, place: &KeyPath) {
        let mut places = task.places();
        let (Some((key, id)), None) = (places.next(), places.next()) else {
            let message =
                "expected one of `id_in_answer`, `id_in_path`, `id_in_query` and `id_in_body`";
            return self.error(place, message, None);
        };
        match id {
            TaskId::InPath(name) => {
                let known: Vec<&str> = route.path.parameters().collect();
                if !known.contains(&&*name) {
                    let help = closest(&name, known.iter().copied())
                        .map(|name| format!("did you mean `{name}`?"));
                    self.error(&place.key(key), "a parameter that `path` does not have", help);
                }
            }
            TaskId::InBody(_) if route.schema.is_none() => {
                let help = Some("give the route a `schema`".to_owned());
                self.error(&place.key(key), "bodies are not read without a `schema`", help);
            }
            _ => {}
        }
    }

    fn owner_of(&mut self, config: &Config, route: &Route, place: &KeyPath) {
        if config.auth_of(route) != AuthMode::Required {
            let help = Some("write `auth = \"required\"`".to_owned());
            self.error(place, "nobody has tasks where no API key is `required`", help);
        }
        if route.task.as_ref().is_some_and(|task| task.sealed) {
            return self.seal_of(config, route, place);
        }
        let server = KeyPath::default().key("server");
        if config.server.store.is_none() && self.is_readable(&server) && !self.damaged {
            let help = "name one in `server.store`, such as \"sqlite://tollgate.db\"".to_owned();
            self.error(place, "needs a store, where tasks are remembered", Some(help));
        }
    }

    /// Where a task is asked for is where it was made, by the name of the endpoint.
    fn endpoints_of(&mut self, config: &Config, route: &Route, place: &KeyPath) {
        let Some(upstream) = config.upstream.get(&route.upstream) else { return };
        let path = KeyPath::default().key("upstream").key(&route.upstream).key("endpoint");
        let places = self.live(&path);
        let nameless = |&index: &usize| self.root.at(&path.index(index).key("name")).is_none();
        if upstream.endpoint.len() > 1 && places.iter().any(nameless) {
            let message = format!(
                "tasks stay with the endpoint that has made them, and those of upstream.{} have no names",
                route.upstream
            );
            let help = "give every [[upstream.….endpoint]] a `name`, and keep it".to_owned();
            self.error(place, message, Some(help));
        }
    }

    /// Secrets to seal with, and one sort of ids for each upstream.
    fn seal_of(&mut self, config: &Config, route: &Route, place: &KeyPath) {
        let secrets = KeyPath::default().key("tasks").key("seal_keys");
        if config.tasks.seal_keys.is_empty() && self.is_readable(&secrets) && !self.damaged {
            let help = "write `[tasks] seal_keys = [\"${TASK_SECRET}\"]`".to_owned();
            self.error(&place.key("sealed"), "needs secrets in `tasks.seal_keys`", Some(help));
        }
        let other = |other: &&Route| {
            other.upstream == route.upstream && other.task.as_ref().is_some_and(|task| !task.sealed)
        };
        if let Some(other) = config.route.iter().find(other) {
            let message = format!(
                "the tasks of route `{}` are not sealed, and those of one upstream have one sort of ids",
                other.name.as_str()
            );
            self.error(&place.key("sealed"), message, None);
        }
        let priced = route.price.as_ref().is_some_and(|price| !price.get().is_free());
        let store = config.server.store.as_ref().map(StoreAddress::get);
        if priced && matches!(store, Some(StoreUrl::Sqlite(_))) {
            self.warning(
                &place.key("sealed"),
                "money that is reserved in a SQLite file is known to one process only; others that are asked about the task find none",
            );
        }
        let duplicates = route.body.or(config.body).duplicates == Some(Duplicates::Last);
        if route.task.as_ref().is_some_and(Task::edits_bodies) && duplicates {
            let message = "a body in which names are there twice cannot be edited; `duplicates` has to be `refuse`";
            self.error(&place.key("sealed"), message, None);
        }
    }

    /// Money that is reserved for a task waits for a word of how it ended.
    fn profile_of(&mut self, config: &Config, route: &Route, place: &KeyPath) {
        let priced = route.price.as_ref().is_some_and(|price| !price.get().is_free());
        let Some(upstream) = config.upstream.get(&route.upstream).filter(|_| priced) else {
            return;
        };
        let profiles = upstream
            .endpoint
            .iter()
            .map(|endpoint| endpoint.profile.as_deref().unwrap_or(&upstream.profile));
        for name in profiles {
            // One that is wrong is reported where it stands.
            let knows =
                Profile::named(name, &config.profile).is_ok_and(|profile| !profile.knows_work());
            if knows {
                let message = format!(
                    "the profile `{name}` does not say how far a task is, and so nobody would know who pays"
                );
                let help = "give it `work = { at = \"/status\", succeeded = \"completed\", failed = \"failed\" }`";
                return self.error(place, message, Some(help.to_owned()));
            }
        }
    }

    /// Somebody has to make the tasks that are asked about.
    fn maker_of(&mut self, config: &Config, route: &Route, place: &KeyPath) {
        let makes = |other: &Route| {
            other.upstream == route.upstream && other.task.as_ref().is_some_and(Task::makes)
        };
        let all = self.is_readable(&KeyPath::default().key("route")) && !self.damaged;
        if all && !config.route.iter().any(makes) {
            let message = format!(
                "no route of upstream `{}` makes tasks, so that there are none to ask about",
                route.upstream
            );
            let help =
                "write `task = { id_in_answer = \"/id\" }` in the route that does".to_owned();
            self.error(place, message, Some(help));
        }
    }
}
