//! What a configuration holds. The comments of the fields are their descriptions in the JSON Schema.

mod auth;
mod body;
mod callback;
mod charge;
mod idempotency;
mod limit;
mod route;
mod server;
mod task;
mod tls;
mod traces;
mod upstream;

pub(crate) use self::auth::short_id;
pub use self::{
    auth::{Auth, AuthMode, CertificateAccount, Forward, Scheme, StaticKey},
    body::{Body, ContentEncoding, Duplicates, Edit, Numbers, Rules, Violations},
    callback::{Callback, Callbacks},
    charge::{Charge, Price},
    idempotency::Idempotency,
    limit::{Limit, LimitUse, PlanLimit},
    route::{Page, Route, Success},
    server::{ProxyProtocol, RateLimitHeaders, Server},
    task::{Task, Tasks},
    tls::{ClientAuth, ServerTls},
    traces::{TraceSource, Traces},
    upstream::{Adapt, Credential, Ejection, Endpoint, Http2, Upstream},
};

use super::values::{Invalid, Name};
use crate::{catalog, idempotency::Policy, profile, upstream::Repeat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// The configuration of the standalone proxy.
///
/// Any value can be written as a string with environment variables in it: `${NAME}`, or `${NAME:-default}` for where the
/// variable is not set or empty. `$${` stands for `${`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["route"]))]
pub struct Config {
    /// The listener.
    #[serde(default)]
    pub server: Server,
    /// What errors look like.
    #[serde(default)]
    pub catalog: catalog::Settings,
    /// Who may call. Default: anybody.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// How often, by name: routes say which limits they have.
    #[serde(default)]
    pub limit: Vec<Limit>,
    /// How request bodies are read that have a `schema` or an `edit`; a route can say otherwise in its own `body`.
    #[serde(default)]
    pub body: Body,
    /// What becomes of the money of requests that have a `price`; a route can say otherwise in its own `charge`.
    #[serde(default)]
    pub charge: Charge,
    /// Answers to requests with an `Idempotency-Key`.
    #[serde(default)]
    pub idempotency: Idempotency,
    /// Asynchronous work of providers.
    #[serde(default)]
    pub tasks: Tasks,
    /// Callers who are told when a task is over.
    #[serde(default)]
    pub callbacks: Callbacks,
    /// Traces: which one a request belongs to, and where they are collected.
    #[serde(default)]
    pub traces: Traces,
    /// What providers' answers mean, by name, besides the presets: `[profile.NAME]`.
    #[serde(default)]
    pub profile: BTreeMap<String, profile::Settings>,
    /// The providers, by name: letters, digits, `_` and `-`.
    #[serde(default)]
    pub upstream: BTreeMap<String, Upstream>,
    /// What is answered by whom. At least one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub route: Vec<Route>,
}

impl Config {
    /// The endpoint that may edit bodies of this route, if there is one.
    pub(crate) fn editor(&self, route: &Route) -> Option<&Endpoint> {
        let meets = |adapt: &Adapt| match &route.rewrite {
            Some(rewrite) => adapt.path.may_meet_template(rewrite),
            None => adapt.path.may_meet(&route.path),
        };
        let edits = |adapt: &Adapt| !adapt.edit.is_empty() && meets(adapt);
        let endpoints = &self.upstream.get(&route.upstream)?.endpoint;
        endpoints.iter().find(|endpoint| endpoint.adapt.iter().any(edits))
    }

    /// Whether a route wants an API key.
    pub fn auth_of(&self, route: &Route) -> AuthMode {
        let default = if self.auth.is_some() { AuthMode::Required } else { AuthMode::None };
        route.auth.unwrap_or(default)
    }

    /// Whether anything is written into the store for a request: what it costs, whose task it makes, or how it was answered.
    pub(crate) fn keeps_books(&self) -> bool {
        let costs = |price: &Price| !price.get().is_free();
        let keeps = |route: &Route| {
            route.serve.is_some_and(|page| page != Page::Catalog)
                || route.task.as_ref().is_some_and(|task| !task.sealed)
                || route.idempotency != Policy::Off
                || route.price.as_ref().is_some_and(costs)
        };
        self.route.iter().any(keeps)
    }

    /// Which of these plans no limit knows; none if limits do not tell plans apart.
    pub(crate) fn unknown_plans<'p>(&self, plans: &'p [String]) -> Vec<&'p str> {
        let known: BTreeSet<&str> =
            self.limit.iter().flat_map(|limit| limit.plans.keys().map(String::as_str)).collect();
        let plans = plans.iter().map(String::as_str);
        plans.filter(|plan| !known.is_empty() && !known.contains(plan)).collect()
    }

    /// How callers say who they are; `None` where no route asks, and nothing is taken out of requests.
    pub fn auth_settings(&self) -> Option<Cow<'_, Auth>> {
        let asks = |route| self.auth_of(route) != AuthMode::None;
        match &self.auth {
            Some(auth) => Some(Cow::Borrowed(auth)),
            None => self.route.iter().any(asks).then(|| Cow::Owned(Auth::default())),
        }
    }

    /// Everything to one upstream, for which no file is needed.
    ///
    /// # Errors
    ///
    /// If the URL is not one that an endpoint can have.
    pub fn pass_through(url: &str) -> Result<Self, Invalid> {
        const UPSTREAM: &str = "upstream";
        // Nobody has said that there is an API: a page of HTML is what was asked for.
        const PROFILE: &str = "any";
        let profile = profile::Settings {
            extends: Some("generic".to_owned()),
            without: vec!["html_page".to_owned()],
            ..profile::Settings::default()
        };
        let endpoint = Endpoint::at(url.parse()?);
        // `/{*path}` does not stand for `/` itself.
        let routes = ["/", "/{*path}"].map(|path| {
            let route = Route {
                name: Name::default(),
                method: None,
                path: path.parse()?,
                upstream: UPSTREAM.to_owned(),
                serve: None,
                rewrite: None,
                auth: None,
                scopes: Vec::new(),
                limits: Vec::new(),
                schema: None,
                parameters: None,
                edit: Vec::new(),
                body: Body::default(),
                price: None,
                charge: Charge::default(),
                task: None,
                callback: None,
                idempotency: Policy::Off,
                rules: Rules::default(),
                success: Success::default(),
                repeat: Repeat::default(),
            };
            Ok(Route { name: Name::made(route.default_name()), ..route })
        });
        Ok(Self {
            server: Server::default(),
            catalog: catalog::Settings::default(),
            auth: None,
            limit: Vec::new(),
            body: Body::default(),
            charge: Charge::default(),
            idempotency: Idempotency::default(),
            tasks: Tasks::default(),
            callbacks: Callbacks::default(),
            traces: Traces::default(),
            profile: BTreeMap::from([(PROFILE.to_owned(), profile)]),
            upstream: BTreeMap::from([(
                UPSTREAM.to_owned(),
                Upstream {
                    profile: PROFILE.to_owned(),
                    endpoint: vec![endpoint],
                    ..Upstream::default()
                },
            )]),
            route: routes.into_iter().collect::<Result<_, Invalid>>()?,
        })
    }
}
