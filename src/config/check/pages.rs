//! `serve` of routes, and that each has either that or an upstream.
use super::Checker;
use crate::config::{AuthMode, Config, Page, Route, tree::KeyPath, values::Methods};
use http::Method;

/// A page that is the same for everybody is read; HEAD comes with GET.
pub(super) fn complete_pages(routes: &mut [Route]) {
    let catalogs = routes.iter_mut().filter(|route| route.serve == Some(Page::Catalog));
    for route in catalogs {
        route.method.get_or_insert_with(|| Methods::only(Method::GET));
    }
}

/// Keys of a route that are about a provider, or about an answer that this page is not.
pub(in crate::config) fn mean_nothing(page: Page) -> impl Iterator<Item = &'static str> {
    const OF_PROVIDERS: [&str; 9] =
        ["rewrite", "schema", "edit", "body", "repeat", "price", "task", "callback", "idempotency"];
    let others: &[&str] = match page {
        Page::Catalog => &["parameters", "success"],
        Page::Usage | Page::UsageSummary | Page::Tasks | Page::Callback => &[],
    };
    OF_PROVIDERS.iter().chain(others).copied()
}

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
                (Some(page), false) => {
                    self.means_nothing(page, &place);
                    match page {
                        Page::Catalog => self.catalog_page(config, route, &place),
                        Page::Usage | Page::UsageSummary | Page::Tasks | Page::Callback => {
                            self.page_of(config, route, &place);
                        }
                    }
                }
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

    fn means_nothing(&mut self, page: Page, place: &KeyPath) {
        for key in mean_nothing(page) {
            if self.root.at(&place.key(key)).is_some() {
                self.error(&place.key(key), "means nothing with `serve`", None);
            }
        }
    }

    /// The page about the codes, which belongs to nobody and is in no store.
    fn catalog_page(&mut self, config: &Config, route: &Route, place: &KeyPath) {
        let methods = route.method.as_ref().map_or(&[][..], Methods::as_slice);
        if methods.iter().any(|method| *method != Method::GET && *method != Method::HEAD) {
            let help = Some("leave `method` out".to_owned());
            self.error(&place.key("method"), "a page is read, with GET and HEAD", help);
        }
        if config.auth_of(route) == AuthMode::Required {
            let message = "this page wants an API key, which no browser sends; write `auth = \"none\"` if it is for everybody";
            self.warning(&place.key("serve"), message);
        }
    }

    fn page_of(&mut self, config: &Config, route: &Route, place: &KeyPath) {
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
