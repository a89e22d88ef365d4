//! The worker threads, and what they serve with.

use super::{
    Listeners, Options, Stack, WorkerStack,
    generation::{Current, Generation},
    slots::Slots,
    worker::{Drain, Place, run_worker},
};
use crate::gateway::WorkerProcess;
use std::{
    io,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};
use tokio::{runtime::Handle, sync::mpsc::UnboundedSender};

/// The threads.
pub(crate) type Threads = Vec<JoinHandle<io::Result<()>>>;

/// What the workers serve with, and where they can be reached.
pub(crate) struct Workers<S> {
    current: Arc<Current<S>>,
    seats: Vec<Seat>,
}

/// One worker, from outside.
struct Seat {
    runtime: Handle,
    slots: Arc<Slots>,
}

/// Why the workers do not start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// There is no thread for one.
    Thread(io::Error),
    /// One has ended before it was ready; joining the threads tells why.
    Ended(Threads),
}

impl<S: Stack> Workers<S> {
    /// Starts a thread for each of the listeners, and returns when connections are accepted. `ended` hears of each
    /// that ends, however it does.
    ///
    /// # Errors
    ///
    /// When one of them does not start.
    pub(crate) fn start<W: Future<Output = ()> + Send + 'static>(
        listeners: Listeners,
        process: &[WorkerProcess],
        stacks: impl Iterator<Item = WorkerStack<S, W>>,
        options: &Options,
        drain: &Drain,
        ended: &UnboundedSender<()>,
    ) -> Result<(Self, Threads), StartError> {
        let (generations, warm_ups): (Vec<_>, Vec<_>) =
            stacks.map(|stack| Generation::new(stack, options)).unzip();
        let generations = generations.into_iter().map(Arc::new).collect();
        let current = Arc::new(Current::from_pointee(generations));
        let (mut threads, mut seats) = (Vec::new(), Vec::new());
        let parts = listeners.into_iter().zip(process).zip(warm_ups);
        for (number, ((listener, process), warm_up)) in parts.enumerate() {
            let slots = Arc::new(Slots::new(options.max_connections));
            let place = Place {
                listener,
                number,
                process: process.clone(),
                current: current.clone(),
                slots: slots.clone(),
                drain: drain.clone(),
            };
            let (ready, is_ready) = mpsc::channel();
            let ending = Ending(ended.clone());
            let thread = thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || {
                    let _ending = ending;
                    run_worker(place, warm_up, move |runtime| _ = ready.send(runtime))
                })
                .map_err(StartError::Thread)?;
            threads.push(thread);
            seats.push((is_ready, slots));
        }
        let mut reached = Vec::with_capacity(seats.len());
        for (is_ready, slots) in seats {
            // Each says so once; when it has failed instead, nobody is left to say it.
            match is_ready.recv() {
                Ok(runtime) => reached.push(Seat { runtime, slots }),
                Err(_) => return Err(StartError::Ended(threads)),
            }
        }
        Ok((Self { current, seats: reached }, threads))
    }

    /// Serves with this from now on, as soon as each worker has done what its stack wants done first. Must not be called on
    /// a runtime's thread.
    pub(crate) fn install<W: Future<Output = ()> + Send + 'static>(
        &self,
        stacks: impl Iterator<Item = WorkerStack<S, W>>,
        options: &Options,
    ) {
        let mut generations = Vec::with_capacity(self.seats.len());
        let (warm, is_warm) = mpsc::channel::<()>();
        for (seat, stack) in self.seats.iter().zip(stacks) {
            let (generation, warm_up) = Generation::new(stack, options);
            let warm = warm.clone();
            // On the thread that will use what it makes.
            seat.runtime.spawn(async move {
                warm_up.await;
                drop(warm);
            });
            generations.push(Arc::new(generation));
        }
        drop(warm);
        // Nothing is sent: it ends when all are done, or gone.
        let _ = is_warm.recv();
        self.current.store(Arc::new(generations));
        for seat in &self.seats {
            seat.slots.resize(options.max_connections);
        }
    }
}

/// Tells, however a worker ends, that it has.
struct Ending(UnboundedSender<()>);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
