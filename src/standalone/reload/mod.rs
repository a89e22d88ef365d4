//! Another configuration while the gateway runs: built whole beside the one in effect, and swapped in one step; or refused, and the
//! one in effect stays.

mod changes;
mod fixed;
mod refusal;

use self::{
    changes::Changes,
    refusal::{Again, Refusal},
};
use super::{Failure, parts::Parts};
use crate::{
    config::{Config, Diagnostic, Errors, Loaded},
    file_stamps::FileStamps,
    gateway::{Plan, Process},
    server::{Options, admin::Admin},
};
use arc_swap::ArcSwap;
use std::{
    io,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::sync::mpsc::UnboundedSender;

/// Between two looks at the files.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long the end of the process waits for who reads the configuration.
const PATIENCE: Duration = Duration::from_secs(3);

/// A configuration that is served.
#[derive(Debug)]
pub(super) struct InEffect {
    pub(super) config: Arc<Config>,
    pub(super) plan: Arc<Plan>,
}

/// Where the configuration comes from.
pub(crate) struct Source {
    /// Reads it, and notes the files that it reads.
    pub(crate) load: Box<dyn Fn(&mut FileStamps) -> Result<Loaded, Errors> + Send>,
    /// Those that were read last time.
    pub(crate) files: FileStamps,
}

/// Who changes the configuration.
pub(super) struct Keeper {
    pub(super) process: Process,
    /// Gives the workers something else to serve with.
    pub(super) install: Box<dyn Fn(&Plan, &Options) + Send>,
    pub(super) in_effect: Arc<ArcSwap<InEffect>>,
    pub(super) pages: Arc<ArcSwap<Admin>>,
    pub(super) parts: Parts,
}

impl Keeper {
    /// Takes up what changes in the source, on a thread of its own, until it is stopped.
    ///
    /// # Errors
    ///
    /// When there is no thread for it.
    pub(super) fn keep(
        self,
        source: Option<Source>,
        ended: UnboundedSender<()>,
    ) -> io::Result<KeeperThread> {
        let (commands, commanded) = mpsc::channel();
        let work = move || {
            let _broken = Broken(ended);
            self.run(source, &commanded)
        };
        let thread = thread::Builder::new().name("configuration".to_owned()).spawn(work)?;
        Ok(KeeperThread { commands: Some(commands), thread: Some(thread) })
    }

    fn run(mut self, mut source: Option<Source>, commanded: &Receiver<()>) -> Self {
        let mut changes =
            source.as_ref().map(|source| Changes::since(source.files.clone())).unwrap_or_default();
        let mut again = Again::default();
        loop {
            let why = match commanded.recv_timeout(INTERVAL) {
                // However often it was said meanwhile.
                Ok(()) => commanded.try_iter().fold("a signal", |why, ()| why),
                Err(RecvTimeoutError::Timeout) if changes.look() && self.watches() => {
                    "files have changed"
                }
                Err(RecvTimeoutError::Timeout) if again.is_due() => "it may be possible now",
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return self,
            };
            // Nobody asks where there is none.
            let Some(source) = &mut source else { continue };
            again.note(self.reload(source, why));
            changes = Changes::since(source.files.clone());
        }
    }

    fn watches(&self) -> bool {
        self.in_effect.load().config.server.watch
    }

    /// Reads the source again, and says what became of it. Whether the same may be taken up later.
    fn reload(&mut self, source: &mut Source, why: &str) -> bool {
        let began = Instant::now();
        let mut files = FileStamps::default();
        let loaded = (source.load)(&mut files);
        source.files = files;
        let outcome = loaded.map_err(Refusal::Errors).and_then(|loaded| {
            loaded.warnings.iter().for_each(Diagnostic::log_warning);
            self.take_up(loaded.config)
        });
        let took_ms = began.elapsed().as_secs_f64() * 1000.0;
        if matches!(outcome, Err(Refusal::Stopping)) {
            return false;
        }
        self.process.metrics.config_reloaded(outcome.is_ok());
        match outcome {
            Ok(()) => {
                tracing::info!(why, took_ms, "the configuration was taken up");
                false
            }
            Err(refusal) => {
                let mistakes = refusal.log();
                tracing::error!(
                    why,
                    mistakes,
                    "the configuration is refused, the one in use stays"
                );
                refusal.may_pass()
            }
        }
    }

    /// Swaps the configuration, or leaves everything as it is.
    fn take_up(&mut self, config: Config) -> Result<(), Refusal> {
        let before = self.in_effect.load_full();
        let fixed = fixed::changed(&before.config, &config);
        if !fixed.is_empty() {
            return Err(Refusal::Fixed(fixed));
        }
        let build = || self.parts.build(&config, &self.process, Some(&before.plan));
        // A defect is no reason to stop what works.
        let built = panic::catch_unwind(AssertUnwindSafe(build)).map_err(|_| Refusal::Defect)?;
        let built = built.map_err(Refusal::Failure)?;
        if self.parts.stopping.has_begun() {
            return Err(Refusal::Stopping);
        }
        let (plan, config) = (built.plan.clone(), Arc::new(config));
        (self.install)(&plan, &built.options);
        self.pages.store(Arc::new(self.parts.adopt(built, &config)));
        self.in_effect.store(Arc::new(InEffect { config, plan }));
        Ok(())
    }
}

/// Says that the thread has come to an end that it should not have: without it nobody looks after the stores.
struct Broken(UnboundedSender<()>);

impl Drop for Broken {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.send(());
        }
    }
}

/// The thread of a [`Keeper`].
pub(super) struct KeeperThread {
    /// `None` when it is to end.
    commands: Option<Sender<()>>,
    thread: Option<JoinHandle<Keeper>>,
}

impl KeeperThread {
    /// Has the source read again.
    pub(super) fn reload(&self) {
        if let Some(commands) = &self.commands {
            // A thread that has panicked reads nothing any more; that was reported there.
            let _ = commands.send(());
        }
    }

    /// From here on nothing is taken up.
    pub(super) fn stop(&mut self) {
        self.commands = None;
    }

    /// Waits for everything that goes by the configuration to end, after the drain has begun.
    ///
    /// # Errors
    ///
    /// When some of it has panicked.
    pub(super) fn join(mut self) -> Result<(), Failure> {
        match self.ended() {
            Some(thread) => thread.join().map_err(|_| Failure::WorkerPanicked)?.parts.join(),
            None => Ok(()),
        }
    }

    /// The thread, which has ended. `None` if it does not in time: it may be reading from a file system that hangs.
    fn ended(&mut self) -> Option<JoinHandle<Keeper>> {
        self.stop();
        let thread = self.thread.take()?;
        let until = Instant::now() + PATIENCE;
        while !thread.is_finished() {
            if Instant::now() > until {
                tracing::warn!("whoever reads the configuration hangs, and is not waited for");
                return None;
            }
            thread::sleep(Duration::from_millis(1));
        }
        Some(thread)
    }
}

impl Drop for KeeperThread {
    fn drop(&mut self) {
        // A panic there was reported there.
        let _ = self.ended().map(JoinHandle::join);
    }
}
