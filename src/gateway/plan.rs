use super::{
    auth::RouteAuth,
    bodies,
    callbacks::{self, Callbacks, RouteCallback, Way},
    charge,
    counters::{CounterStore, InvalidCounters},
    endpoint::PlannedEndpoint,
    idempotency,
    keys::Keys,
    limits::{self, InFlightLimits, RouteLimits},
    process::Process,
    reveal::Reveal,
    tasks::RouteTasks,
    upstreams,
};
use crate::{
    Catalog, ChargeLayer, Fault, ValidateLayer,
    buffer::Budget,
    catalog::InvalidCatalog,
    certificate,
    config::{self, Config, Page, Success},
    edit::Edits,
    forward::InvalidEndpoint,
    idempotency::{IdempotencyLayer, Policy},
    limit::InvalidQuota,
    profile::InvalidProfile,
    route::{InvalidRoute, OfPath, Table},
    store::ledger::{StoreLedger, UsageReader},
    tasks::InvalidSealKeys,
    upstream::{self, Repeat},
};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

/// A configuration, made ready: everything that the workers share.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) process: Process,
    pub(crate) catalog: Arc<Catalog>,
    pub(super) table: Arc<Table>,
    pub(super) routes: Vec<PlannedRoute>,
    pub(crate) keys: Keys,
    pub(super) counters: CounterStore,
    /// How many at once.
    in_flight: InFlightLimits,
    /// Where balances are, once somebody has opened it.
    pub(crate) ledger: StoreLedger,
    /// Who reads in there what accounts have used, once somebody has opened it.
    pub(crate) usage: Option<UsageReader>,
    /// The memory for bodies.
    pub(super) budget: Budget,
    /// What answers tell of the provider's side.
    pub(super) reveal: Reveal,
    /// Whether anything asks for the client's address.
    pub(crate) asks_for_client: bool,
    pub(super) upstreams: BTreeMap<String, PlannedUpstream>,
    /// Where callers are told that their tasks are over.
    pub(crate) callbacks: Callbacks,
    /// How it is found out that they are, by upstream.
    pub(super) ways: HashMap<String, Way>,
}

/// A route without its stack.
#[derive(Clone, Debug)]
pub(super) struct PlannedRoute {
    pub(super) name: Arc<str>,
    /// The pattern of its path.
    pub(super) path: Arc<str>,
    pub(super) upstream: String,
    /// What is answered here instead.
    pub(super) serve: Option<Page>,
    pub(super) auth: Option<RouteAuth>,
    pub(super) limits: RouteLimits,
    pub(super) validate: ValidateLayer,
    pub(super) idempotency: IdempotencyLayer<()>,
    /// Whether a caller's idempotency key goes on to the provider.
    pub(super) lets_keys_on: bool,
    pub(super) charge: ChargeLayer<()>,
    pub(super) tasks: RouteTasks,
    pub(super) callback: Option<Arc<RouteCallback>>,
    /// What is changed in bodies, as `validate` does it.
    pub(super) edits: Arc<Edits>,
    pub(super) success: Success,
    pub(super) repeat: Repeat,
    pub(super) max_replay_bytes: Option<usize>,
    /// Whether its bodies are in memory when they are sent.
    pub(super) reads_bodies: bool,
}

/// A provider that can be called, or the reason why it cannot.
#[derive(Clone, Debug)]
pub(super) enum PlannedUpstream {
    Configured { endpoints: Vec<PlannedEndpoint>, settings: upstream::Settings },
    NotConfigured(Fault),
}

/// Why a configuration that reads well cannot be served.
#[derive(Debug)]
pub(crate) enum InvalidPlan {
    Catalog(InvalidCatalog),
    Route { name: String, error: InvalidRoute },
    Endpoint { upstream: String, error: InvalidEndpoint },
    Roots { upstream: String, error: certificate::Reason },
    ClientCertificate { upstream: String, mistakes: Vec<certificate::Mistake> },
    Profile { upstream: String, error: InvalidProfile },
    Limit { name: String, error: InvalidQuota },
    Counters(InvalidCounters),
    SealKeys(InvalidSealKeys),
}

impl InvalidPlan {
    fn limit((name, error): (String, InvalidQuota)) -> Self {
        Self::Limit { name, error }
    }
}

impl fmt::Display for InvalidPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog(error) => write!(f, "{error}"),
            Self::Route { name, error } => write!(f, "route {name}: {error}"),
            Self::Endpoint { upstream, error } => write!(f, "upstream.{upstream}: {error}"),
            Self::Roots { upstream, error } => write!(f, "upstream.{upstream}.ca_file: {error}"),
            Self::ClientCertificate { upstream, mistakes } => {
                write!(f, "upstream.{upstream}: the client certificate")?;
                mistakes.iter().try_for_each(|mistake| write!(f, "; {mistake}"))
            }
            Self::Profile { upstream, error } => write!(f, "upstream.{upstream}.profile: {error}"),
            Self::Limit { name, error } => write!(f, "limit {name}: {error}"),
            Self::SealKeys(error) => write!(f, "tasks.seal_keys: {error}"),
            Self::Counters(error) => write!(f, "server.limits_ca_file: {error}"),
        }
    }
}

impl std::error::Error for InvalidPlan {}

impl Plan {
    /// Makes a configuration ready, and takes over from the one `before` what is the same in both: what callers have used of their
    /// limits, how endpoints are and the connections to them, the keys and the ledger of the store.
    ///
    /// # Errors
    ///
    /// The first thing in it that cannot be served.
    pub(crate) fn new(
        config: &Config,
        process: &Process,
        before: Option<&Self>,
    ) -> Result<Self, InvalidPlan> {
        let catalog = Catalog::from_settings(&config.catalog).map_err(InvalidPlan::Catalog)?;
        let auth = config.auth_settings();
        let in_flight = InFlightLimits::new(config, before.map(|before| &before.in_flight))
            .map_err(InvalidPlan::limit)?;
        let callbacks = Callbacks::new(config, before.map(|before| &before.callbacks));
        let route =
            |route| PlannedRoute::new(config, route, auth.as_deref(), &in_flight, &callbacks);
        let routes = config.route.iter().map(route).collect::<Result<_, _>>()?;
        let upstream = |(name, upstream): (&String, &config::Upstream)| {
            let before = before.and_then(|before| before.upstreams.get(name));
            Ok((name.clone(), upstreams::plan(config, name, upstream, process, before)?))
        };
        let upstreams = config.upstream.iter().map(upstream).collect::<Result<_, _>>()?;
        let counters = CounterStore::new(config, process, before.map(|before| &before.counters))
            .map_err(InvalidPlan::Counters)?;
        let mut keys = auth.as_deref().map(Keys::new).unwrap_or_default();
        if let Some(before) = before {
            keys.stored = before.keys.stored.clone();
        }
        let budget = config.server.max_buffered_bytes.get();
        Ok(Self {
            process: process.clone(),
            catalog: Arc::new(catalog),
            table: Arc::new(table(config)?),
            routes,
            keys,
            budget: before
                .map(|before| &before.budget)
                .filter(|before| before.limit() == budget)
                .map_or_else(|| Budget::new(budget), Budget::clone),
            ledger: before.map(|before| before.ledger.clone()).unwrap_or_default(),
            usage: before.and_then(|before| before.usage.clone()),
            counters,
            in_flight,
            reveal: Reveal {
                attempts: config.server.attempts_header,
                proxy_status: config.server.proxy_status,
            },
            asks_for_client: limits::ask_for_client(config),
            upstreams,
            callbacks,
            ways: callbacks::ways(config),
        })
    }
}

impl PlannedRoute {
    fn new(
        config: &Config,
        route: &config::Route,
        auth: Option<&config::Auth>,
        in_flight: &InFlightLimits,
        callbacks: &Callbacks,
    ) -> Result<Self, InvalidPlan> {
        Ok(Self {
            name: route.name.as_str().into(),
            path: route.path.as_str().into(),
            upstream: route.upstream.clone(),
            serve: route.serve,
            auth: auth.map(|auth| RouteAuth::new(auth, config.auth_of(route), route)),
            limits: RouteLimits::new(config, route, in_flight).map_err(InvalidPlan::limit)?,
            validate: bodies::layer(config, route),
            idempotency: idempotency::layer(config, route),
            lets_keys_on: idempotency::lets_keys_on(route),
            charge: charge::layer(config, route),
            tasks: RouteTasks::new(config, route).map_err(InvalidPlan::SealKeys)?,
            callback: RouteCallback::new(route, callbacks).map(Arc::new),
            edits: route.rules.edits.clone(),
            success: route.success,
            repeat: route.repeat,
            max_replay_bytes: bodies::max_replay_bytes(config, route),
            reads_bodies: bodies::are_read(route),
        })
    }
}

/// Which route a request is for.
fn table(config: &Config) -> Result<Table, InvalidPlan> {
    let mut table = Table::default();
    for route in &config.route {
        let methods = route.method.as_ref().map_or(&[][..], |methods| methods.as_slice());
        table
            .add(methods, route.path.as_str(), of_path(route))
            .map_err(|error| InvalidPlan::Route { name: route.name.to_string(), error })?;
    }
    Ok(table)
}

/// What only the path of a request can say in full.
fn of_path(route: &config::Route) -> OfPath {
    // The other scopes are the same for all requests.
    let scopes = route.scopes.iter().filter(|scope| scope.parameters().next().is_some());
    OfPath {
        rewrite: route.rewrite.clone(),
        scopes: scopes.cloned().collect(),
        keeps_parameters: route.rules.parameters.is_some()
            || route.task.is_some()
            || route.serve == Some(Page::Callback)
            || route.idempotency != Policy::Off,
    }
}
