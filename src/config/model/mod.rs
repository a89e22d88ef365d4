//! What a configuration holds. The comments of the fields are their descriptions in the JSON Schema.

mod route;
mod server;
mod upstream;

pub use self::{
    route::{Route, Success},
    server::Server,
    upstream::{Credential, Endpoint, Http2, Profile, Upstream},
};

use super::values::{Invalid, Name, Setting};
use crate::catalog;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The configuration of the standalone proxy.
///
/// Any value can be written as a string with environment variables in it: `${NAME}`, or `${NAME:-default}` for where the
/// variable is not set or empty. `$${` stands for `${`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["route"]))]
pub struct Config {
    /// The listener.
    #[serde(default)]
    pub server: Server,
    /// What errors look like.
    #[serde(default)]
    pub catalog: catalog::Settings,
    /// The providers, by name: letters, digits, `_` and `-`.
    #[serde(default)]
    pub upstream: BTreeMap<String, Upstream>,
    /// What is answered by whom. At least one.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub route: Vec<Route>,
}

impl Config {
    /// Everything to one upstream, for which no file is needed.
    ///
    /// # Errors
    ///
    /// If the URL is not one that an endpoint can have.
    pub fn pass_through(url: &str) -> Result<Self, Invalid> {
        const UPSTREAM: &str = "upstream";
        let endpoint = Endpoint { url: Setting::Set(url.parse()?), credential: None };
        // `/{*path}` does not stand for `/` itself.
        let routes = ["/", "/{*path}"].map(|path| {
            let route = Route {
                name: Name::default(),
                method: None,
                path: path.parse()?,
                upstream: UPSTREAM.to_owned(),
                rewrite: None,
                success: Success::default(),
            };
            Ok(Route { name: Name::made(route.default_name()), ..route })
        });
        Ok(Self {
            server: Server::default(),
            catalog: catalog::Settings::default(),
            upstream: BTreeMap::from([(
                UPSTREAM.to_owned(),
                Upstream { endpoint: vec![endpoint], ..Upstream::default() },
            )]),
            route: routes.into_iter().collect::<Result<_, Invalid>>()?,
        })
    }
}
