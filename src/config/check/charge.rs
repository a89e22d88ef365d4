//! `price` and `charge` of routes, and `[charge]`.
use super::Checker;
use crate::config::{
    AuthMode, Charge, Config, Price, Route,
    tree::{KeyPath, printable},
};
use std::time::Duration;

impl Checker<'_, '_> {
    /// After the bodies: what their schemas offer must have a price.
    pub(super) fn charges(&mut self, config: &Config) {
        let path = KeyPath::default().key("route");
        for (route, index) in config.route.iter().zip(self.live(&path)) {
            let place = path.index(index);
            match &route.price {
                Some(price) if self.is_readable(&place.key("price")) => {
                    self.price_of(price, route, &place.key("price"));
                    self.payer_of(config, route, &place.key("price"));
                    self.time_limit_of(config, route, &place);
                }
                None if self.root.at(&place.key("charge")).is_some() => {
                    let message = "means nothing without a `price`";
                    self.error(&place.key("charge"), message, None);
                }
                _ => {}
            }
        }
    }

    fn price_of(&mut self, price: &Price, route: &Route, place: &KeyPath) {
        match (&price.amount, &price.by, &price.table) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => {}
            (Some(_), ..) => {
                self.error(&place.key("amount"), "cannot go with `by` and `table`", None);
            }
            _ => {
                let help =
                    "write `by = \"/model\"` and a `table` of prices, or `amount`".to_owned();
                self.error(place, "a price by name needs both `by` and `table`", Some(help));
            }
        }
        let asked = price.get();
        let offered = match (&route.rules.schema, &price.by) {
            _ if !asked.reads_body() => return,
            (None, _) if route.schema.is_none() => {
                let help = "give the route a `schema`".to_owned();
                let message = "depends on the body, which is not read without a `schema`";
                return self.error(place, message, Some(help));
            }
            (Some(schema), Some(by)) => schema.texts_at(by.get()),
            // The schema is wrong, which is said elsewhere.
            _ => None,
        };
        let offered = offered.unwrap_or_default();
        let missing = asked.missing(offered.into_iter());
        if !missing.is_empty() {
            let names: Vec<_> = missing.iter().map(|name| printable(name)).collect();
            let message = format!(
                "has no price for what the schema accepts: {}; what costs nothing is \"0\"",
                names.join(", ")
            );
            self.error(&place.key("table"), message, None);
        }
    }

    /// Only who is known can pay, and only a store knows what they have.
    fn payer_of(&mut self, config: &Config, route: &Route, place: &KeyPath) {
        if price_is_free(route) {
            return;
        }
        if config.auth_of(route) != AuthMode::Required {
            let message = "nobody pays where no API key is `required`";
            self.error(place, message, Some("write `auth = \"required\"`".to_owned()));
        }
        let server = KeyPath::default().key("server");
        if config.server.store.is_none() && self.is_readable(&server) && !self.damaged {
            let message = "needs a store, where balances are";
            let help = "name one in `server.store`, such as \"sqlite://tollgate.db\"".to_owned();
            self.error(place, message, Some(help));
        }
    }

    /// Money that goes back while the work goes on would be a success that nobody pays for.
    fn time_limit_of(&mut self, config: &Config, route: &Route, place: &KeyPath) {
        let Some(upstream) = config.upstream.get(&route.upstream) else { return };
        let Charge { time_limit: Some(limit), .. } = route.charge.or(config.charge) else { return };
        if limit.get() < upstream.timeout.get().saturating_add(Duration::from_secs(1)) {
            let place = match route.charge.time_limit {
                Some(_) => place.key("charge").key("time_limit"),
                None => KeyPath::default().key("charge").key("time_limit"),
            };
            let message = format!(
                "not longer than the `timeout` of upstream.{}: money would go back while the work goes on",
                route.upstream
            );
            self.error(&place, message, None);
        }
    }
}

fn price_is_free(route: &Route) -> bool {
    route.price.as_ref().is_none_or(|price| price.get().is_free())
}
