use super::{Stack, connection::Connections, generation::Current, slots::Slots};
use crate::{forward::Hold, gateway::WorkerProcess, metrics::RouteMetrics, signal::Signal};
use std::{
    io,
    net::TcpListener as StdListener,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    runtime::{self, Handle},
    time::{Instant, sleep, timeout},
};
use tokio_util::task::TaskTracker;

/// How long to wait when the kernel has no descriptors or memory for another connection.
const OUT_OF_RESOURCES: Duration = Duration::from_millis(50);
/// How often that is worth a line in the log.
const COMPLAIN_EVERY: Duration = Duration::from_secs(5);

/// How long streams may take to say that they are cut off.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a worker ends.
#[derive(Clone, Debug)]
pub(crate) struct Drain {
    /// No new connections, no new requests; what runs may finish within the time that the configuration gives it.
    pub(crate) begin: Signal,
    /// Tells streams when that is over.
    pub(crate) cut_off: Signal,
}

/// What a configuration comes to for one worker.
pub(crate) struct WorkerStack<S, W> {
    pub(crate) stack: S,
    /// What wants to be done before the first request.
    pub(crate) warm_up: W,
    /// Where requests are counted that no route has.
    pub(crate) unrouted: Arc<RouteMetrics>,
}

/// One worker, whatever it serves with.
pub(super) struct Place<S> {
    pub(super) listener: StdListener,
    /// Its place in `current`.
    pub(super) number: usize,
    pub(super) process: WorkerProcess,
    pub(super) current: Arc<Current<S>>,
    pub(super) slots: Arc<Slots>,
    pub(super) drain: Drain,
}

/// Serves one listener on this thread, after the warm-up and `on_ready`, until the drain has begun and everything has ended, or its time is over.
///
/// # Errors
///
/// When the runtime or the listener cannot be set up.
pub(super) fn run_worker<S: Stack>(
    place: Place<S>,
    warm_up: impl Future<Output = ()>,
    on_ready: impl FnOnce(Handle),
) -> io::Result<()> {
    let Place { listener, number, process, current, slots, drain } = place;
    let WorkerProcess { alone, gauges } = process;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        warm_up.await;
        on_ready(Handle::current());
        let tasks = TaskTracker::new();
        let connections =
            Arc::new(Connections { current, number, drain: drain.begin.clone(), gauges });
        tokio::select! {
            () = accept(&listener, &connections, &slots, &tasks) => {}
            () = drain.begin.begun() => {}
        }
        drop(listener);
        tasks.close();
        // Who pays for a request is known when it ends, also if its client has left.
        let ended = async || {
            tasks.wait().await;
            alone.idle().await;
        };
        let patience = connections.generation().options.drain_timeout;
        if timeout(patience, ended()).await.is_err() {
            let left = connections.gauges.connections.load(Ordering::Relaxed);
            tracing::warn!(
                connections = left,
                "the drain's time is over; what still runs is cut off"
            );
            // Streams can still say so.
            drain.cut_off.begin();
            let _ = timeout(LAST_WORDS, ended()).await;
        }
        Ok(())
    });
    // Without waiting for a name that is still being looked up.
    runtime.shutdown_background();
    served
}

/// Accepts connections for as long as it is asked to. At the limit the next ones wait in the kernel's queue.
async fn accept<S: Stack>(
    listener: &TcpListener,
    connections: &Arc<Connections<S>>,
    slots: &Slots,
    tasks: &TaskTracker,
) {
    let mut complained: Option<Instant> = None;
    loop {
        let slot = slots.take().await;
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_about_one_connection(&error) {
                    if complained.is_none_or(|at| at.elapsed() > COMPLAIN_EVERY) {
                        tracing::warn!(%error, "no connection can be accepted");
                        complained = Some(Instant::now());
                    }
                    sleep(OUT_OF_RESOURCES).await;
                }
                continue;
            }
        };
        // Without it the last piece of an answer can wait for the client's acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        // Whatever a connection becomes holds its place, and is waited for, until it ends.
        let place = Hold::new((slot, tasks.token()));
        tasks.spawn(connections.clone().serve(stream, peer, place));
    }
}

/// The client went before its connection was accepted; nothing is wrong with the next one.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::Interrupted
    )
}
