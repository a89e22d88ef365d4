use super::{StoreError, StoreUrl, follow::Follower};
use crate::auth::KeyTable;
use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Between two looks at a store that is well.
const INTERVAL: Duration = Duration::from_millis(200);
/// The longest pause between two looks at one that fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Keeps a table of keys as the store has it, from a thread of its own, until it is dropped.
///
/// What another process changes is in the table a quarter of a second later. While the store fails, the table stays as
/// it is: nobody is locked out, and what is revoked meanwhile is not seen. That is said once, and once more when it
/// is over.
pub(crate) struct KeyWatch {
    healthy: Arc<AtomicBool>,
    /// Nothing is sent; that it is gone is the message.
    stop: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl KeyWatch {
    /// Opens the store, making it if there is none, reads all keys into the table, and follows it from then on.
    ///
    /// The table belongs to the store: whatever else is in it is gone.
    ///
    /// # Errors
    ///
    /// If the store cannot be opened or read.
    pub(crate) fn start(url: &StoreUrl, table: KeyTable) -> Result<Self, StoreError> {
        let follower = Follower::open(url, table)?;
        let healthy = Arc::new(AtomicBool::new(true));
        let (stop, stopped) = mpsc::channel();
        let watcher = Watcher { store: url.to_string(), follower, healthy: healthy.clone() };
        let thread = thread::Builder::new()
            .name("keys".to_owned())
            .spawn(move || watcher.run(&stopped))
            .map_err(StoreError::Thread)?;
        Ok(Self { healthy, stop: Some(stop), thread: Some(thread) })
    }

    /// The same, for whoever does not have the thread.
    pub(crate) fn health(&self) -> Arc<AtomicBool> {
        self.healthy.clone()
    }

    /// Whether the last look at the store went well, and another one follows.
    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }
}

impl Drop for KeyWatch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was reported there.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for KeyWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyWatch").field("healthy", &self.is_healthy()).finish_non_exhaustive()
    }
}

/// What the thread does.
struct Watcher {
    /// For the log.
    store: String,
    follower: Follower,
    healthy: Arc<AtomicBool>,
}

/// Whoever has stopped looking is not well, least of all after a panic.
impl Drop for Watcher {
    fn drop(&mut self) {
        self.healthy.store(false, Ordering::Relaxed);
    }
}

/// A time in which the store fails.
struct Outage {
    since: Instant,
    pause: Duration,
}

impl Watcher {
    fn run(mut self, stopped: &Receiver<Infallible>) {
        let mut outage: Option<Outage> = None;
        loop {
            let pause = outage.as_ref().map_or(INTERVAL, |outage| outage.pause);
            if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            outage = match (self.follower.poll(), outage) {
                (Ok(()), None) => None,
                (Ok(()), Some(outage)) => {
                    self.is_back(&outage);
                    None
                }
                (Err(error), None) => Some(self.fails(&error)),
                (Err(_), Some(Outage { since, pause })) => {
                    Some(Outage { since, pause: (pause * 2).min(LONGEST_PAUSE) })
                }
            };
        }
    }

    fn fails(&self, error: &StoreError) -> Outage {
        self.healthy.store(false, Ordering::Relaxed);
        tracing::warn!(
            store = self.store,
            %error,
            retry_in = ?INTERVAL,
            retry_at_most_every = ?LONGEST_PAUSE,
            "the key store fails; the keys as they were last read go on being served"
        );
        Outage { since: Instant::now(), pause: INTERVAL }
    }

    fn is_back(&self, outage: &Outage) {
        self.healthy.store(true, Ordering::Relaxed);
        tracing::info!(
            store = self.store,
            after = ?outage.since.elapsed(),
            keys = self.follower.keys(),
            "the key store is back, and was read again"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_panicked_is_not_well() {
        let name = format!("tollgate-watch-{}.db", std::process::id());
        let path = std::env::temp_dir().join(name);
        let url = StoreUrl::Sqlite(path.clone());
        let follower = Follower::open(&url, KeyTable::default()).unwrap();
        let healthy = Arc::new(AtomicBool::new(true));
        let watcher = Watcher { store: String::new(), follower, healthy: healthy.clone() };
        let thread = thread::spawn(move || {
            let _watcher = watcher;
            panic!("as the test wants it");
        });
        thread.join().unwrap_err();
        assert!(!healthy.load(Ordering::Relaxed));
        std::fs::remove_file(path).unwrap();
    }
}
