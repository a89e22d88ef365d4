//! The standalone proxy as a process: worker threads, admin listener, signals, reload, drain.
//!
//! ```text
//! start ── Parts::build ── Workers ── Running: signals ── drain ── the end
//!               │                        │ SIGHUP, or a file has changed
//!               └──────── Keeper ────────┘ the same again, beside what is in use, and swapped
//! ```

mod failure;
mod pages;
mod parts;
mod relay;
mod reload;
mod running;
mod stores;

pub(crate) use self::{failure::Failure, reload::Source, running::Running};

use self::{
    parts::Parts,
    reload::{InEffect, Keeper},
    running::Signals,
    stores::OpenStores,
};
use crate::{
    config::Config,
    gateway::Process,
    server::{Drain, Listeners, StartError, Threads, Workers, access_log::AccessLog},
    signal::Signal,
};
use arc_swap::ArcSwap;
use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
    num::NonZeroUsize,
    sync::Arc,
    thread,
};
use tokio::runtime::{self, Runtime};

/// Starts the workers; when it returns, connections are accepted. `source` is where the configuration is read again when it has changed.
///
/// # Errors
///
/// When the configuration cannot be served or an address cannot be listened on.
pub(crate) fn start(config: Config, source: Option<Source>) -> Result<Running, Failure> {
    // First of all, so that a signal that comes early is not missed.
    let (runtime, signals) = hear_signals(source.is_some()).map_err(Failure::Worker)?;
    let server = &config.server;
    let count =
        server.workers.or(thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let process = Process::new(count);
    let stopping = Signal::default();
    let drain = Drain { begin: Signal::default(), cut_off: process.cut_off.clone() };
    // A line for people is made by whoever makes the others.
    let lines = (!io::stderr().is_terminal()).then(Arc::<AccessLog>::default);
    let stores = OpenStores::default();
    let mut parts =
        Parts::new(stores.0.clone(), lines.clone(), stopping.clone(), drain.begin.clone());
    let built = parts.build(&config, &process, None)?;

    let listeners = listen("server.listen", server.listen, count)?;
    let address = listeners.address();
    let admin = server.admin.map(|address| listen("server.admin", address, 1)).transpose()?;
    parts.admin_address = admin.as_ref().map(Listeners::address);
    let (ending, ended) = tokio::sync::mpsc::unbounded_channel();
    let plan = built.plan.clone();
    let stacks = (0..count).map(|number| plan.worker(number));
    let started =
        Workers::start(listeners, process.workers(), stacks, &built.options, &drain, &ending);
    let (workers, threads) = started.map_err(|error| match error {
        StartError::Thread(error) => Failure::Worker(error),
        StartError::Ended(threads) => {
            drain.begin.begin();
            join(threads).err().unwrap_or(Failure::WorkerPanicked)
        }
    })?;

    process.metrics.config_loaded(true);
    let config = Arc::new(config);
    let pages = Arc::new(ArcSwap::from_pointee(parts.adopt(built, &config)));
    let in_effect = Arc::new(ArcSwap::from_pointee(InEffect { config, plan }));
    let keeper = Keeper {
        process,
        install: Box::new(move |plan, options| {
            workers.install((0..count).map(|number| plan.worker(number)), options);
        }),
        in_effect: in_effect.clone(),
        pages: pages.clone(),
        parts,
    };
    Ok(Running {
        runtime: Arc::new(runtime),
        signals,
        address,
        admin,
        pages,
        lines,
        in_effect,
        stopping,
        drain,
        threads,
        ended,
        keeper: keeper.keep(source, ending).map_err(Failure::Worker)?,
        _stores: stores,
    })
}

/// Where signals are heard, and whatever else is not the workers' to do is done.
fn hear_signals(reloads: bool) -> io::Result<(Runtime, Signals)> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let signals = Signals::listen(reloads)?;
    drop(entered);
    Ok((runtime, signals))
}

fn listen(what: &'static str, address: SocketAddr, sockets: usize) -> Result<Listeners, Failure> {
    Listeners::bind(address, sockets).map_err(|error| Failure::Listen { what, address, error })
}

/// Waits for all workers to end.
fn join(threads: Threads) -> Result<(), Failure> {
    let ended = threads
        .into_iter()
        .map(|worker| worker.join().map_err(|_| Failure::WorkerPanicked)?.map_err(Failure::Worker));
    ended.collect::<Vec<_>>().into_iter().collect()
}
