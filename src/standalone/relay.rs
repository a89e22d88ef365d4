use super::Failure;
use crate::{
    callback::{self, Relay},
    config::Config,
    forward::Roots,
    gateway::Plan,
    signal::Signal,
};
use std::thread::{self, JoinHandle};
use tokio::runtime;

/// Tells callers when their tasks are over, on a thread of its own.
#[derive(Debug)]
pub(super) struct RelayThread {
    stop: Signal,
    thread: JoinHandle<()>,
}

impl RelayThread {
    /// Begins, where a route lets callers ask for it; until `drain`, or until it is stopped.
    ///
    /// # Errors
    ///
    /// When there is no thread for it.
    pub(super) fn start(
        config: &Config,
        plan: &Plan,
        drain: Signal,
    ) -> Result<Option<Self>, Failure> {
        let is_on = config.callbacks.url().is_some();
        if !is_on || config.route.iter().all(|route| route.callback.is_none()) {
            return Ok(None);
        }
        let settings = plan.callbacks.settings(config);
        let sender =
            callback::Sender::new(plan.callbacks.guard.clone(), settings.timeout, &Roots::system());
        let metrics = &plan.process.metrics;
        let events = callback::Event::ALL.map(|event| metrics.callbacks(event.as_str()));
        let relay = Relay::new(plan.ledger.clone(), plan.results(), sender, settings)
            .counted(move |event| events[event as usize].increment(1));
        let (wake, patience) = (plan.callbacks.wake.clone(), config.server.drain_timeout.get());
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Worker)?;
        let (stop, stopped) = (Signal::default(), Signal::default());
        let told = stop.clone();
        let work = move || {
            runtime.block_on(async {
                let over = async {
                    tokio::select! {
                        () = drain.begun() => {}
                        () = told.begun() => {}
                    }
                    stopped.begin();
                    tokio::time::sleep(patience).await;
                };
                // What is cut off is due again when its lease is over.
                tokio::select! {
                    () = relay.run(&wake, &stopped) => {}
                    () = over => {}
                }
            });
            // Without waiting for a name that is still being looked up.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("callbacks".to_owned()).spawn(work);
        Ok(Some(Self { stop, thread: thread.map_err(Failure::Worker)? }))
    }

    /// Takes on nothing more, and finishes what it has.
    pub(super) fn stop(&self) {
        self.stop.begin();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// When it has panicked.
    pub(super) fn join(self) -> Result<(), Failure> {
        self.thread.join().map_err(|_| Failure::WorkerPanicked)
    }
}
