use crate::{
    Catalog, Fault,
    catalog::InvalidCatalog,
    config::{self, Config, Success},
    forward::{Credential, Endpoint, Http2, InvalidEndpoint, PoolLimits, Roots, Timeouts},
    route::{InvalidRoute, Table},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

/// A configuration, made ready: everything that the workers share.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) catalog: Arc<Catalog>,
    pub(super) table: Arc<Table>,
    pub(super) routes: Vec<PlannedRoute>,
    pub(super) upstreams: BTreeMap<String, PlannedUpstream>,
}

/// A route without its stack.
#[derive(Clone, Debug)]
pub(super) struct PlannedRoute {
    pub(super) name: Arc<str>,
    pub(super) upstream: String,
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
}

impl fmt::Display for InvalidPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog(error) => write!(f, "{error}"),
            Self::Route { name, error } => write!(f, "route {name}: {error}"),
            Self::Endpoint { upstream, error } => write!(f, "upstream.{upstream}: {error}"),
            Self::Roots { upstream, error } => write!(f, "upstream.{upstream}.ca_file: {error}"),
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
        for route in &config.route {
            let methods = route.method.as_ref().map_or(&[][..], |methods| methods.as_slice());
            table
                .add(methods, route.path.as_str(), route.rewrite.as_ref())
                .map_err(|error| InvalidPlan::Route { name: route.name.to_string(), error })?;
            routes.push(PlannedRoute {
                name: route.name.as_str().into(),
                upstream: route.upstream.clone(),
                success: route.success,
            });
        }
        let plan = |(name, upstream): (&String, &config::Upstream)| {
            Ok((name.clone(), plan_upstream(name, upstream, via)?))
        };
        let upstreams = config.upstream.iter().map(plan).collect::<Result<_, _>>()?;
        Ok(Self { catalog: Arc::new(catalog), table: Arc::new(table), routes, upstreams })
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
