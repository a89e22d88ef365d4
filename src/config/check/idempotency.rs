//! `idempotency` of routes.
use super::Checker;
use crate::{
    config::{AuthMode, Config, tree::KeyPath},
    idempotency::Policy,
};

impl Checker<'_, '_> {
    pub(super) fn idempotency(&mut self, config: &Config) {
        let path = KeyPath::default().key("route");
        for (route, index) in config.route.iter().zip(self.live(&path)) {
            let place = path.index(index).key("idempotency");
            if route.idempotency == Policy::Off || !self.is_readable(&place) {
                continue;
            }
            if config.auth_of(route) != AuthMode::Required {
                let help = Some("write `auth = \"required\"`".to_owned());
                self.error(
                    &place,
                    "whose key it is nobody knows where no API key is `required`",
                    help,
                );
            }
            if route.schema.is_none() && route.edit.is_empty() {
                let help = Some("give the route a `schema`".to_owned());
                let message =
                    "bodies are not read without a `schema`, and so could not be compared";
                self.error(&place, message, help);
            }
            let server = KeyPath::default().key("server");
            if config.server.store.is_none() && self.is_readable(&server) && !self.damaged {
                let help =
                    "name one in `server.store`, such as \"sqlite://tollgate.db\"".to_owned();
                self.error(&place, "needs a store, where answers are kept", Some(help));
            }
        }
    }
}
