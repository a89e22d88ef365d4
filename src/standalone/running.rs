use super::{
    Failure, join,
    reload::{InEffect, KeeperThread},
    stores::OpenStores,
};
use crate::{
    Catalog,
    server::{
        Drain, Listeners, Threads,
        access_log::{self, AccessLog},
        admin::{self, Admin},
    },
    signal::Signal,
};
use arc_swap::ArcSwap;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    runtime::Runtime,
    signal::unix::{self, SignalKind},
    sync::mpsc::UnboundedReceiver,
};

/// What the process is told from outside.
pub(super) struct Signals {
    /// Whether there is something to read again: without it, the end of the terminal is the end of the process.
    reloads: bool,
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hang_up: unix::Signal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// SIGTERM or SIGINT.
    End,
    /// SIGHUP.
    Reload,
}

impl Signals {
    /// Hears them from now on, within a runtime: none of them ends the process by itself any more.
    ///
    /// # Errors
    ///
    /// When the system does not let us.
    pub(super) fn listen(reloads: bool) -> io::Result<Self> {
        Ok(Self {
            reloads,
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hang_up: unix::signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.hang_up.recv() => if self.reloads { Told::Reload } else { Told::End },
        }
    }

    /// Waits until the process is to end.
    async fn end(&mut self) {
        while self.next().await != Told::End {
            tracing::info!("the process is about to end: no configuration is taken up any more");
        }
    }
}

/// A gateway that is listening.
pub(crate) struct Running {
    /// Of everything that is not done by the workers.
    pub(super) runtime: Arc<Runtime>,
    pub(super) signals: Signals,
    pub(super) address: SocketAddr,
    pub(super) admin: Option<Listeners>,
    pub(super) pages: Arc<ArcSwap<Admin>>,
    /// Where lines of requests are collected.
    pub(super) lines: Option<Arc<AccessLog>>,
    pub(super) in_effect: Arc<ArcSwap<InEffect>>,
    /// Begins with the signal to stop.
    pub(super) stopping: Signal,
    pub(super) drain: Drain,
    pub(super) threads: Threads,
    /// Says that a worker has ended.
    pub(super) ended: UnboundedReceiver<()>,
    pub(super) keeper: KeeperThread,
    /// The last to go: what was asked of the ledger is written, whatever becomes of everybody else.
    pub(super) _stores: OpenStores,
}

/// Why it does not go on.
enum End {
    /// Everything that ran has ended.
    Drained,
    /// Somebody did not want to wait for that.
    Impatient,
    /// A worker has ended that should not have.
    Broken,
}

impl Running {
    /// Where it listens, with the port that it really is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its answers look like.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.in_effect.load().plan.catalog.clone()
    }

    /// Where `/livez` and `/readyz` are.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Listeners::address)
    }

    /// Serves until SIGTERM or SIGINT, then lets what runs finish. A second signal ends it at once. SIGHUP has the configuration read again.
    ///
    /// # Errors
    ///
    /// When a worker ends without having been asked to.
    pub(crate) fn run_until_signal(mut self) -> Result<(), Failure> {
        let runtime = self.runtime.clone();
        match runtime.block_on(self.run()) {
            End::Drained => self.join(),
            End::Impatient => {
                // The workers are not waited for, nor is what they have to say left behind.
                if let Some(lines) = &self.lines {
                    lines.flush();
                }
                tracing::warn!("stopped at once by a second signal");
                Ok(())
            }
            End::Broken => {
                // The others finish what they are at.
                self.drain.begin.begin();
                Err(self.join().err().unwrap_or(Failure::WorkerPanicked))
            }
        }
    }

    async fn run(&mut self) -> End {
        self.begin_upkeep();
        loop {
            tokio::select! {
                told = self.signals.next() => match told {
                    Told::Reload => self.keeper.reload(),
                    Told::End => break,
                },
                _ = self.ended.recv() => return End::Broken,
            }
        }
        self.stopping.begin();
        self.keeper.stop();
        let server = &self.in_effect.load_full().config.server;
        let (delay, timeout) = (server.drain_delay.get(), server.drain_timeout.get());
        if !delay.is_zero() {
            let for_s = delay.as_secs_f64();
            tracing::info!(for_s, "stopping: requests are still taken, and /readyz says no");
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = self.signals.end() => return End::Impatient,
                _ = self.ended.recv() => {}
            }
        }
        tracing::info!(at_most_s = timeout.as_secs(), "draining: what runs may finish");
        self.drain.begin.begin();
        let all_ended = async {
            for _ in &self.threads {
                self.ended.recv().await;
            }
        };
        tokio::select! {
            () = all_ended => End::Drained,
            () = self.signals.end() => End::Impatient,
        }
    }

    /// What goes on beside the workers, for as long as the runtime lives.
    fn begin_upkeep(&mut self) {
        for socket in self.admin.take().into_iter().flatten() {
            tokio::spawn(admin::serve(socket, self.pages.clone()));
        }
        if let Some(lines) = self.lines.clone() {
            tokio::spawn(every(access_log::INTERVAL, move || AccessLog::flush(&lines)));
        }
    }

    fn join(self) -> Result<(), Failure> {
        // One that has failed does not keep the others from their end.
        let ended = [join(self.threads), self.keeper.join()];
        if let Some(lines) = self.lines {
            lines.flush();
        }
        ended.into_iter().collect::<Result<(), _>>()?;
        tracing::info!("stopped");
        Ok(())
    }
}

async fn every(interval: Duration, work: impl Fn()) {
    loop {
        tokio::time::sleep(interval).await;
        work();
    }
}
