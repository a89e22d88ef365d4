use super::{
    auth::RouteAuth,
    bodies,
    counters::{CounterStore, InvalidCounters},
    keys::Keys,
    limits::{self, RouteLimits},
};
use crate::{
    Catalog, Fault, ValidateLayer,
    buffer::Budget,
    catalog::InvalidCatalog,
    config::{self, Config, Success},
    forward::{Credential, Endpoint, Http2, InvalidEndpoint, PoolLimits, Roots, Timeouts},
    limit::InvalidQuota,
    route::{InvalidRoute, OfPath, Table},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

/// A configuration, made ready: everything that the workers share.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) catalog: Arc<Catalog>,
    pub(super) table: Arc<Table>,
    pub(super) routes: Vec<PlannedRoute>,
    pub(crate) keys: Keys,
    pub(super) counters: CounterStore,
    /// The memory for bodies.
    pub(super) budget: Budget,
    /// Whether anything asks for the client's address.
    pub(crate) asks_for_client: bool,
    pub(super) upstreams: BTreeMap<String, PlannedUpstream>,
}

/// A route without its stack.
#[derive(Clone, Debug)]
pub(super) struct PlannedRoute {
    pub(super) name: Arc<str>,
    pub(super) upstream: String,
    pub(super) auth: Option<RouteAuth>,
    pub(super) limits: RouteLimits,
    pub(super) validate: ValidateLayer,
    pub(super) success: Success,
}

/// A provider that can be called, or the reason why it cannot.
#[derive(Clone, Debug)]
pub(super) enum PlannedUpstream {
    Configured { endpoint: Box<Endpoint>, roots: Roots },
    NotConfigured(Fault),
}

/// Why a configuration that reads well cannot be served.
#[derive(Debug)]
pub(crate) enum InvalidPlan {
    Catalog(InvalidCatalog),
    Route { name: String, error: InvalidRoute },
    Endpoint { upstream: String, error: InvalidEndpoint },
    Roots { upstream: String, error: rustls::pki_types::pem::Error },
    Limit { name: String, error: InvalidQuota },
    Counters(InvalidCounters),
}

impl fmt::Display for InvalidPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog(error) => write!(f, "{error}"),
            Self::Route { name, error } => write!(f, "route {name}: {error}"),
            Self::Endpoint { upstream, error } => write!(f, "upstream.{upstream}: {error}"),
            Self::Roots { upstream, error } => write!(f, "upstream.{upstream}.ca_file: {error}"),
            Self::Limit { name, error } => write!(f, "limit {name}: {error}"),
            Self::Counters(error) => write!(f, "server.limits_ca_file: {error}"),
        }
    }
}

impl std::error::Error for InvalidPlan {}

impl Plan {
    /// Makes a configuration ready. `via` is our name in `Via`.
    pub(crate) fn new(config: &Config, via: &str) -> Result<Self, InvalidPlan> {
        let catalog = Catalog::from_settings(&config.catalog).map_err(InvalidPlan::Catalog)?;
        let mut table = Table::default();
        let mut routes = Vec::new();
        let auth = config.auth_settings();
        let invalid_limit = |(name, error)| InvalidPlan::Limit { name, error };
        let in_flight = limits::in_flight(config).map_err(invalid_limit)?;
        for route in &config.route {
            let methods = route.method.as_ref().map_or(&[][..], |methods| methods.as_slice());
            table
                .add(methods, route.path.as_str(), of_path(route))
                .map_err(|error| InvalidPlan::Route { name: route.name.to_string(), error })?;
            routes.push(PlannedRoute {
                name: route.name.as_str().into(),
                upstream: route.upstream.clone(),
                auth: auth
                    .as_deref()
                    .map(|auth| RouteAuth::new(auth, config.auth_of(route), route)),
                limits: RouteLimits::new(config, route, &in_flight).map_err(invalid_limit)?,
                validate: bodies::layer(config, route),
                success: route.success,
            });
        }
        let plan = |(name, upstream): (&String, &config::Upstream)| {
            Ok((name.clone(), plan_upstream(name, upstream, via)?))
        };
        let upstreams = config.upstream.iter().map(plan).collect::<Result<_, _>>()?;
        Ok(Self {
            catalog: Arc::new(catalog),
            table: Arc::new(table),
            routes,
            keys: auth.as_deref().map(Keys::new).unwrap_or_default(),
            budget: Budget::new(config.server.max_buffered_bytes.get()),
            counters: CounterStore::new(config).map_err(InvalidPlan::Counters)?,
            asks_for_client: limits::ask_for_client(config),
            upstreams,
        })
    }
}

/// What only the path of a request can say in full.
fn of_path(route: &config::Route) -> OfPath {
    // The other scopes are the same for all requests.
    let scopes = route.scopes.iter().filter(|scope| scope.parameters().next().is_some());
    OfPath {
        rewrite: route.rewrite.clone(),
        scopes: scopes.cloned().collect(),
        keeps_parameters: route.rules.parameters.is_some(),
    }
}

fn plan_upstream(
    name: &str,
    upstream: &config::Upstream,
    via: &str,
) -> Result<PlannedUpstream, InvalidPlan> {
    let not_configured = || {
        PlannedUpstream::NotConfigured(Fault::NotConfigured { upstream: name.to_owned().into() })
    };
    let Some((configured, url)) =
        upstream.endpoint.first().and_then(|endpoint| Some((endpoint, endpoint.url.get()?)))
    else {
        return Ok(not_configured());
    };
    if configured.missing_variable().is_some() {
        return Ok(not_configured());
    }
    let invalid = |error| InvalidPlan::Endpoint { upstream: name.to_owned(), error };
    let mut endpoint = Endpoint::new(&url.to_uri())
        .and_then(|endpoint| endpoint.with_via(via))
        .map_err(invalid)?
        .with_preserved_host(upstream.preserve_host)
        .with_http2(match upstream.http2 {
            config::Http2::Auto => Http2::Auto,
            config::Http2::Never => Http2::Never,
            config::Http2::Always => Http2::Always,
        })
        .with_timeouts(Timeouts {
            connect: upstream.connect_timeout.get(),
            first_byte: upstream.first_byte_timeout.map(config::Timeout::get),
            idle: upstream.idle_timeout.get(),
            total: upstream.timeout.get(),
        })
        .with_pool(PoolLimits {
            max_idle: upstream.max_idle,
            idle_timeout: upstream.pool_idle_timeout.get(),
        });
    if let Some((name, value)) = configured.credential.as_ref().and_then(config::Credential::header)
    {
        endpoint = endpoint.with_credential(Credential::field(name, value));
    }
    let roots = match &upstream.ca_file {
        None => Roots::system(),
        Some(path) => {
            let certificates = read_pem(path)
                .map_err(|error| InvalidPlan::Roots { upstream: name.to_owned(), error })?;
            Roots::given(certificates).map_err(invalid)?
        }
    };
    Ok(PlannedUpstream::Configured { endpoint: Box::new(endpoint), roots })
}

fn read_pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_file_iter(path)?.collect()
}
