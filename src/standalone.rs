//! The standalone proxy as a process: worker threads, admin listener, signals, drain.

use crate::{
    Catalog,
    callback::{self, Relay},
    config::Config,
    forward::Roots,
    gateway::{InvalidPlan, Plan},
    metrics::Metrics,
    server::{
        Drain, Listeners, Options,
        access_log::{self, AccessLog},
        admin::{self, Access, Admin, Page},
        run_worker,
        tls::{self, Tls},
    },
    signal::Signal,
    store::{
        KeyWatch, Store, StoreError, StoreUrl,
        ledger::{Counts, LedgerThread, Operation},
    },
};
use std::{
    fmt,
    io::{self, IsTerminal},
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
    time::Duration,
};
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};

/// How often what was measured is summed up.
const UPKEEP: Duration = Duration::from_secs(5);

/// A gateway that is listening.
pub(crate) struct Running {
    catalog: Arc<Catalog>,
    address: SocketAddr,
    admin: Option<Listeners>,
    pages: Arc<Admin>,
    metrics: Metrics,
    lines: Option<Arc<AccessLog>>,
    /// Begins with the signal to stop.
    stopping: Signal,
    /// How long requests are still taken after that.
    delay: Duration,
    drain: Drain,
    workers: Vec<thread::JoinHandle<io::Result<()>>>,
    /// Tells callers when their tasks are over.
    relay: Option<thread::JoinHandle<()>>,
    /// Takes up new certificates.
    _certificates: Option<tls::Watch>,
    /// Keeps the keys up to date for as long as there are workers.
    _keys: Option<KeyWatch>,
    /// Writes what they ask of the ledger, to the last of it.
    _ledger: Option<LedgerThread>,
    /// Says that a worker has ended.
    ended: tokio::sync::mpsc::UnboundedReceiver<()>,
}

/// Why a gateway does not start, or did not go on.
#[derive(Debug)]
pub(crate) enum Failure {
    Plan(InvalidPlan),
    Store { url: StoreUrl, error: StoreError },
    Tls(Vec<tls::Mistake>),
    Listen { what: &'static str, address: SocketAddr, error: io::Error },
    Worker(io::Error),
    WorkerPanicked,
}

impl Failure {
    /// Whether the configuration is to blame.
    pub(crate) fn is_configuration(&self) -> bool {
        matches!(self, Self::Plan(_) | Self::Store { .. } | Self::Tls(_))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => write!(f, "the configuration cannot be served: {error}"),
            Self::Store { url, error } => write!(f, "the store {url} cannot be used: {error}"),
            Self::Tls(mistakes) => {
                f.write_str("the certificate cannot be used")?;
                mistakes.iter().try_for_each(|mistake| {
                    write!(f, "; server.tls.{}: {mistake}", mistake.file.key())
                })
            }
            Self::Listen { what, address, error } => {
                write!(f, "cannot listen on {address} ({what}): {error}")?;
                match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        f.write_str("; another process does, choose another port")
                    }
                    io::ErrorKind::PermissionDenied => {
                        f.write_str("; ports below 1024 need a privilege")
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        f.write_str("; this machine has no such address")
                    }
                    _ => Ok(()),
                }
            }
            Self::Worker(error) => write!(f, "a worker failed: {error}"),
            Self::WorkerPanicked => f.write_str("a worker panicked"),
        }
    }
}

impl std::error::Error for Failure {}

/// Starts the workers; when it returns, connections are accepted.
///
/// # Errors
///
/// When the configuration cannot be served or an address cannot be listened on.
pub(crate) fn start(config: &Config) -> Result<Running, Failure> {
    let server = &config.server;
    let via = server.via.as_ref().map_or_else(random_pseudonym, |via| via.as_str().to_owned());
    let mut plan = Plan::new(config, &via).map_err(Failure::Plan)?;
    let tls = open_tls(config)?;
    let keys = watch_keys(config, &plan)?;
    let ledger = keep_ledger(config, &plan)?;
    if let Some(thread) = &ledger {
        plan.ledger = thread.ledger();
        plan.usage = Some(thread.usage());
    }
    let count =
        server.workers.or(thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let listen = |what, address, sockets| {
        Listeners::bind(address, sockets).map_err(|error| Failure::Listen { what, address, error })
    };
    let listeners = listen("server.listen", server.listen, count)?;
    let address = listeners.address();
    let admin = server.admin.map(|address| listen("server.admin", address, 1)).transpose()?;

    let options = Arc::new(options(config, &plan, tls.clone(), count));
    let stopping = Signal::default();
    let drain = Drain {
        begin: Signal::default(),
        timeout: server.drain_timeout.get(),
        cut_off: plan.cut_off.clone(),
    };
    let (ending, ended) = tokio::sync::mpsc::unbounded_channel();
    let (ready, all_ready) = mpsc::channel();
    let mut workers = Vec::with_capacity(count);
    for (number, listener) in listeners.into_iter().enumerate() {
        let (stack, options, drain) = (plan.worker(count), options.clone(), drain.clone());
        let (ending, ready) = (Ending(ending.clone()), ready.clone());
        let worker = thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                let _ending = ending;
                let on_ready = move || {
                    let _ = ready.send(());
                };
                run_worker(listener, stack, options, drain, on_ready)
            })
            .map_err(Failure::Worker)?;
        workers.push(worker);
    }
    drop(ready);
    let plan = Arc::new(plan);
    let certificates = tls.map(tls::Watch::start).transpose().map_err(Failure::Worker)?;
    let relay = relay_callbacks(config, &plan, drain.begin.clone())?;
    let ledger_health = ledger.as_ref().map(LedgerThread::health);
    let key_health = keys.as_ref().map(KeyWatch::health);
    let metrics = {
        let (plan, ledger_health) = (plan.clone(), ledger_health.clone());
        let stores = [("keys", key_health), ("ledger", ledger_health)];
        Box::new(move || {
            for (store, healthy) in &stores {
                if let Some(healthy) = healthy {
                    plan.metrics.set_store_up(store, healthy.load(Ordering::Relaxed));
                }
            }
            plan.measure();
            plan.metrics.render()
        })
    };
    let pages = Arc::new(Admin {
        access: access(config, admin.as_ref().map(Listeners::address)),
        not_ready: Box::new({
            let (plan, stopping) = (plan.clone(), stopping.clone());
            move || {
                let mut reasons = Vec::new();
                if stopping.has_begun() {
                    reasons.push("draining".to_owned());
                }
                if ledger_health.as_ref().is_some_and(|healthy| !healthy.load(Ordering::Relaxed)) {
                    reasons.push("the store of balances, tasks and keys is away".to_owned());
                }
                if plan.counters_refuse() {
                    reasons.push(
                        "the store of limits is away, and a limit refuses without it".to_owned(),
                    );
                }
                reasons
            }
        }),
        pages: pages(&plan, metrics),
    });
    let running = Running {
        pages,
        metrics: plan.metrics.clone(),
        lines: options.lines.clone(),
        stopping,
        delay: server.drain_delay.get(),
        catalog: plan.catalog.clone(),
        address,
        admin,
        drain,
        workers,
        relay,
        _certificates: certificates,
        _keys: keys,
        _ledger: ledger,
        ended,
    };
    // Each worker says so once; when one has failed instead, nobody is left to say it.
    if (0..count).any(|_| all_ready.recv().is_err()) {
        return Err(running.give_up());
    }
    Ok(running)
}

/// Who may see more than whether the gateway is alive and ready.
fn access(config: &Config, address: Option<SocketAddr>) -> Access {
    match &config.server.admin_token {
        Some(token) => Access::Token(token.expose().into()),
        None if address.is_some_and(|address| !address.ip().is_loopback()) => Access::Nobody,
        None => Access::Anybody,
    }
}

fn pages(plan: &Arc<Plan>, metrics: Box<dyn Fn() -> String + Send + Sync>) -> Vec<Page> {
    let (endpoints, unmatched) = (plan.clone(), plan.clone());
    vec![
        Page {
            path: "/metrics",
            // Prometheus' text format, version 0.0.4.
            content_type: "text/plain; version=0.0.4",
            make: metrics,
        },
        Page::json("/endpoints", move || endpoints.endpoints_report()),
        Page::json("/unmatched", move || unmatched.unmatched_report()),
    ]
}

/// Reads the certificate, where there is to be TLS.
fn open_tls(config: &Config) -> Result<Option<Arc<Tls>>, Failure> {
    let files = config.server.tls.as_ref().map(tls::Files::from);
    files.map(Tls::open).transpose().map(|tls| tls.map(Arc::new)).map_err(Failure::Tls)
}

/// Reads the keys of the store, and follows what becomes of them; where no route asks for a key, nothing is opened.
fn watch_keys(config: &Config, plan: &Plan) -> Result<Option<KeyWatch>, Failure> {
    let (Some(store), Some(_)) = (&config.server.store, config.auth_settings()) else {
        return Ok(None);
    };
    let url = store.get();
    let watch = KeyWatch::start(url, plan.keys.stored.clone())
        .map_err(|error| Failure::Store { url: url.clone(), error })?;
    if let Ok(plans) = Store::plans(url) {
        for plan in config.unknown_plans(&plans) {
            tracing::warn!(
                plan,
                "keys are on a plan that no limit knows: they have the limits of no plan"
            );
        }
    }
    tracing::info!(store = %url, keys = plan.keys.stored.len(), "keys are loaded");
    Ok(Some(watch))
}

/// Opens the ledger, where a route has a price or tasks.
fn keep_ledger(config: &Config, plan: &Plan) -> Result<Option<LedgerThread>, Failure> {
    let Some(store) = config.server.store.as_ref().filter(|_| config.keeps_books()) else {
        return Ok(None);
    };
    let url = store.get();
    let thread = LedgerThread::start(url, ledger_counts(&plan.metrics))
        .map_err(|error| Failure::Store { url: url.clone(), error })?;
    Ok(Some(thread))
}

/// Tells callers when their tasks are over, on a thread of its own, where a route lets them ask for it.
fn relay_callbacks(
    config: &Config,
    plan: &Plan,
    drain: Signal,
) -> Result<Option<thread::JoinHandle<()>>, Failure> {
    let is_on = config.callbacks.url().is_some();
    if !is_on || config.route.iter().all(|route| route.callback.is_none()) {
        return Ok(None);
    }
    let settings = plan.callbacks.settings(config);
    let sender =
        callback::Sender::new(plan.callbacks.guard.clone(), settings.timeout, &Roots::system());
    let results = plan.results(1);
    let count = plan.metrics.clone();
    let relay = Relay::new(plan.ledger.clone(), results, sender, settings)
        .counted(move |event| count.callbacks(event).increment(1));
    let (wake, patience) = (plan.callbacks.wake.clone(), config.server.drain_timeout.get());
    let runtime =
        runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Worker)?;
    let work = move || {
        runtime.block_on(async {
            let drained = async {
                drain.begun().await;
                tokio::time::sleep(patience).await;
            };
            // What is cut off is due again when its lease is over.
            tokio::select! {
                () = relay.run(&wake, &drain) => {}
                () = drained => {}
            }
        });
        // Without waiting for a name that is still being looked up.
        runtime.shutdown_background();
    };
    let thread = thread::Builder::new().name("callbacks".to_owned()).spawn(work);
    thread.map(Some).map_err(Failure::Worker)
}

/// Counts what is written into the ledger.
fn ledger_counts(metrics: &Metrics) -> Counts {
    let operations = Operation::ALL.map(|operation| metrics.ledger(operation.as_str()));
    let held = metrics.held();
    Counts::new(move |operation, amount| {
        operations[operation as usize].increment(1);
        if operation == Operation::Held {
            held.increment(amount.micros().unsigned_abs());
        }
    })
}

/// Tells, however a worker ends, that it has.
struct Ending(tokio::sync::mpsc::UnboundedSender<()>);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

fn options(config: &Config, plan: &Plan, tls: Option<Arc<Tls>>, workers: usize) -> Options {
    let server = &config.server;
    let told: Vec<_> = config.auth.iter().flat_map(|auth| auth.forward.names().cloned()).collect();
    Options {
        tls,
        certified: plan.keys.certified.clone(),
        catalog: plan.catalog.clone(),
        limits: Options::limits(
            server.max_header_bytes.get(),
            server.max_uri_bytes.get(),
            server.header_timeout.get(),
            server.idle_timeout.get(),
        ),
        body_timeout: server.body_timeout.get(),
        send_timeout: server.send_timeout.get(),
        trusted_proxies: server.trusted_proxies.iter().map(|network| network.get()).collect(),
        max_connections: server.max_connections.get().div_ceil(workers),
        private_trailers: (!told.is_empty()).then(|| told.into()),
        tells_client: plan.asks_for_client,
        access_log: server.access_log,
        // A line for people is made by whoever makes the others.
        lines: (server.access_log && !io::stderr().is_terminal()).then(Arc::default),
    }
}

/// A name that no other gateway has, so that two of them in a row are no loop.
fn random_pseudonym() -> String {
    format!("tollgate-{:08x}", fastrand::u32(..))
}

impl Running {
    /// Where it listens, with the port that it really is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its answers look like.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Where `/livez` and `/readyz` are.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Listeners::address)
    }

    /// Serves until SIGTERM or SIGINT, then lets what runs finish. A second signal ends it at once.
    ///
    /// # Errors
    ///
    /// When a worker ends without having been asked to.
    pub(crate) fn run_until_signal(mut self) -> Result<(), Failure> {
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Worker)?;
        let finished = runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Worker)?;
            let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Worker)?;
            for socket in self.admin.take().into_iter().flatten() {
                tokio::spawn(admin::serve(socket, self.pages.clone()));
            }
            if let Some(lines) = self.lines.clone() {
                tokio::spawn(async move {
                    loop {
                        tokio::time::sleep(access_log::INTERVAL).await;
                        lines.flush();
                    }
                });
            }
            let metrics = self.metrics.clone();
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(UPKEEP).await;
                    metrics.keep_up();
                }
            });
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = self.ended.recv() => return Ok(false),
            }
            self.stopping.begin();
            if !self.delay.is_zero() {
                let for_s = self.delay.as_secs_f64();
                tracing::info!(for_s, "stopping: requests are still taken, and /readyz says no");
                tokio::select! {
                    () = tokio::time::sleep(self.delay) => {}
                    _ = terminate.recv() => return Ok(false),
                    _ = interrupt.recv() => return Ok(false),
                    _ = self.ended.recv() => {}
                }
            }
            tracing::info!(
                at_most_s = self.drain.timeout.as_secs(),
                "draining: what runs may finish"
            );
            self.drain.begin.begin();
            let all_ended = async {
                for _ in &self.workers {
                    self.ended.recv().await;
                }
            };
            tokio::select! {
                () = all_ended => Ok(true),
                _ = terminate.recv() => Ok(false),
                _ = interrupt.recv() => Ok(false),
            }
        })?;
        if finished {
            return self.join();
        }
        if self.stopping.has_begun() {
            tracing::warn!("stopped at once by a second signal");
            return Ok(());
        }
        Err(self.give_up())
    }

    /// Why it cannot go on: a worker has ended that should not have. The others finish what they are at.
    fn give_up(self) -> Failure {
        self.drain.begin.begin();
        self.join().err().unwrap_or(Failure::WorkerPanicked)
    }

    fn join(self) -> Result<(), Failure> {
        for worker in self.workers {
            worker.join().map_err(|_| Failure::WorkerPanicked)?.map_err(Failure::Worker)?;
        }
        if let Some(relay) = self.relay {
            relay.join().map_err(|_| Failure::WorkerPanicked)?;
        }
        if let Some(lines) = self.lines {
            lines.flush();
        }
        tracing::info!("stopped");
        Ok(())
    }
}
