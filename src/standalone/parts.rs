//! What a configuration comes to, besides the workers.

use super::{Failure, pages, relay::RelayThread, stores::Stores};
use crate::{
    config::{self, Config},
    gateway::{Plan, Process},
    server::{
        Options,
        access_log::AccessLog,
        admin::Admin,
        tls::{self, Tls},
    },
    signal::Signal,
    trace::Traces,
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What goes by the configuration besides what the workers serve with.
#[derive(Debug)]
pub(super) struct Parts {
    stores: Arc<Mutex<Stores>>,
    certificates: Option<Arc<Certificates>>,
    /// The last ones of each are in use; those before finish what they are at.
    relays: Vec<RelayThread>,
    traces: Vec<(config::Traces, Traces)>,
    lines: Option<Arc<AccessLog>>,
    /// Where the admin listener is.
    pub(super) admin_address: Option<SocketAddr>,
    /// Begins with the signal to stop.
    pub(super) stopping: Signal,
    /// Begins when nothing more is taken on.
    drain: Signal,
}

/// What connections begin with, and who takes up new ones.
#[derive(Debug)]
struct Certificates {
    tls: Arc<Tls>,
    _watch: tls::Watch,
}

/// A configuration that only has to be used.
pub(super) struct Built {
    pub(super) plan: Arc<Plan>,
    pub(super) options: Options,
    certificates: Option<Arc<Certificates>>,
    relay: Option<RelayThread>,
    traces: Traces,
}

impl Parts {
    pub(super) fn new(
        stores: Arc<Mutex<Stores>>,
        lines: Option<Arc<AccessLog>>,
        stopping: Signal,
        drain: Signal,
    ) -> Self {
        Self {
            stores,
            certificates: None,
            relays: Vec::new(),
            traces: Vec::new(),
            lines,
            admin_address: None,
            stopping,
            drain,
        }
    }

    /// Builds all that this configuration needs, beside what is in use.
    ///
    /// # Errors
    ///
    /// When it cannot be served. What is in use goes on as it was then.
    pub(super) fn build(
        &mut self,
        config: &Config,
        process: &Process,
        before: Option<&Plan>,
    ) -> Result<Built, Failure> {
        let mut plan = Plan::new(config, process, before).map_err(Failure::Plan)?;
        let certificates = self.certificates(config)?;
        let traces = self.traces(config)?;
        self.stores().open(config, &mut plan)?;
        let tls = certificates.as_ref().map(|certificates| certificates.tls.clone());
        let workers = process.workers().len();
        let options = self.options(config, &plan, tls, traces.clone(), workers);
        let relay = RelayThread::start(config, &plan, self.drain.clone())?;
        Ok(Built { plan: Arc::new(plan), options, certificates, relay, traces })
    }

    /// Uses what was built for this configuration from now on. What the admin listener tells of it.
    pub(super) fn adopt(&mut self, built: Built, config: &Arc<Config>) -> Admin {
        let Built { plan, options, certificates, relay, traces } = built;
        self.certificates = certificates;
        self.relays.retain(|relay| !relay.has_ended());
        self.relays.iter().for_each(RelayThread::stop);
        self.relays.extend(relay);
        self.traces.retain(|(_, traces)| {
            let are_used = traces.are_used();
            if !are_used {
                traces.stop();
            }
            are_used
        });
        if self.traces.last().is_none_or(|(used, _)| !used.are_same(&config.traces)) {
            self.traces.push((config.traces.clone(), traces));
        }
        let stores = self.stores();
        pages::admin(config, &plan, &stores, options.tls, &self.stopping, self.admin_address)
    }

    fn stores(&self) -> MutexGuard<'_, Stores> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those in use where they are in the same files: whatever changes in there is taken up by itself.
    fn certificates(&self, config: &Config) -> Result<Option<Arc<Certificates>>, Failure> {
        let Some(files) = config.server.tls.as_ref().map(tls::Files::from) else { return Ok(None) };
        if let Some(same) = self.certificates.as_ref().filter(|used| *used.tls.files() == files) {
            return Ok(Some(same.clone()));
        }
        let tls = Arc::new(Tls::open(files).map_err(Failure::Tls)?);
        let watch = tls::Watch::start(tls.clone()).map_err(Failure::Worker)?;
        Ok(Some(Arc::new(Certificates { tls, _watch: watch })))
    }

    /// Those in use where the same is done about them.
    fn traces(&self, config: &Config) -> Result<Traces, Failure> {
        match self.traces.last() {
            Some((used, traces)) if used.are_same(&config.traces) => Ok(traces.clone()),
            _ => Traces::start(&config.traces).map_err(Failure::Traces),
        }
    }

    /// Waits for what goes on by itself, after the drain has begun.
    ///
    /// # Errors
    ///
    /// When some of it has panicked.
    pub(super) fn join(self) -> Result<(), Failure> {
        // One that has failed does not keep the others from their end.
        let ended: Vec<_> = self.relays.into_iter().map(RelayThread::join).collect();
        self.traces.iter().for_each(|(_, traces)| traces.stop());
        ended.into_iter().collect()
    }

    /// How the listener treats its clients.
    fn options(
        &self,
        config: &Config,
        plan: &Plan,
        tls: Option<Arc<Tls>>,
        traces: Traces,
        workers: usize,
    ) -> Options {
        let server = &config.server;
        let told: Vec<_> =
            config.auth.iter().flat_map(|auth| auth.forward.names().cloned()).collect();
        Options {
            proxy_protocol: server.proxy_protocol.of(&server.proxy_protocol_from),
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
            drain_timeout: server.drain_timeout.get(),
            private_trailers: (!told.is_empty()).then(|| told.into()),
            tells_client: plan.asks_for_client,
            traces,
            access_log: server.access_log,
            lines: self.lines.clone(),
            leave: self.stopping.clone(),
        }
    }
}
