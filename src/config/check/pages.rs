//! `serve` of routes, and that each has either that or an upstream.
use super::Checker;
use crate::config::{AuthMode, Config, Page, Route, tree::KeyPath};

impl Checker<'_, '_> {
    pub(super) fn pages(&mut self, config: &Config) {
        let path = KeyPath::default().key("route");
        for (route, index) in config.route.iter().zip(self.live(&path)) {
            let place = path.index(index);
            let written = |key: &str| self.root.at(&place.key(key)).is_some();
            match (route.serve, written("upstream")) {
                (Some(_), true) => {
                    let message = "cannot go with `upstream`: the gateway answers by itself";
                    self.error(&place.key("serve"), message, None);
                }
                (Some(_), false) => self.page_of(config, route, &place),
                (None, false) if self.is_readable(&place) && !self.damaged => {
                    let help = "write `upstream`, or `serve` where the gateway answers by itself";
                    self.error(
                        &place.key("upstream"),
                        "this key is missing",
                        Some(help.to_owned()),
                    );
                }
                _ => {}
            }
        }
    }

    fn page_of(&mut self, config: &Config, route: &Route, place: &KeyPath) {
        const OF_PROVIDERS: [&str; 9] = [
            "rewrite",
            "schema",
            "edit",
            "body",
            "repeat",
            "price",
            "task",
            "callback",
            "idempotency",
        ];
        for key in OF_PROVIDERS {
            if self.root.at(&place.key(key)).is_some() {
                self.error(&place.key(key), "means nothing with `serve`", None);
            }
        }
        let place = place.key("serve");
        // Providers have no key; what else there is to it is checked with callbacks.
        if route.serve != Some(Page::Callback) && config.auth_of(route) != AuthMode::Required {
            let help = Some("write `auth = \"required\"`".to_owned());
            self.error(&place, "whose it is nobody knows where no API key is `required`", help);
        }
        let server = KeyPath::default().key("server");
        if config.server.store.is_none() && self.is_readable(&server) && !self.damaged {
            let help = "name one in `server.store`, such as \"sqlite://tollgate.db\"".to_owned();
            self.error(&place, "needs a store, where it is read", Some(help));
        }
    }
}
