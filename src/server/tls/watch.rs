use super::{Files, Pair, Tls, read};
use crate::{
    certificate::{File, expiry_warning},
    file_stamps::FileStamps,
};
use std::{
    convert::Infallible,
    fmt, io,
    path::Path,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

/// Between two looks at the files.
const INTERVAL: Duration = Duration::from_secs(1);
/// Between two warnings of the same certificate.
const WARN_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Takes up what the files say when they change, on a thread of its own, until it is dropped.
pub(crate) struct Watch {
    /// Nothing is sent; that it is gone is the message.
    _stop: Sender<Infallible>,
}

impl Watch {
    /// Says what is in use, and begins to look.
    ///
    /// # Errors
    ///
    /// When there is no thread for it.
    pub(crate) fn start(tls: Arc<Tls>) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<Infallible>();
        let mut watcher = Watcher::new(tls);
        thread::Builder::new().name("certificates".to_owned()).spawn(move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                watcher.look();
            }
        })?;
        Ok(Self { _stop: stop })
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// What the thread does.
pub(super) struct Watcher {
    tls: Arc<Tls>,
    /// The files as they are in use.
    used: FileStamps,
    /// As they were when they could not be used, and whether that was said.
    bad: Option<(FileStamps, bool)>,
    not_after: Option<SystemTime>,
    warned: Option<Instant>,
}

impl Watcher {
    pub(super) fn new(tls: Arc<Tls>) -> Self {
        let (used, pair) = tls.first.clone();
        let mut watcher = Self { tls, used, bad: None, not_after: None, warned: None };
        watcher.taken_up(&pair);
        watcher
    }

    /// Looks at the files once.
    pub(super) fn look(&mut self) {
        let files = &self.tls.files;
        let now = self.used.again();
        if now == self.used {
            self.bad = None;
            self.warn();
            return;
        }
        let said = match &self.bad {
            Some((bad, said)) if *bad == now => Some(*said),
            _ => None,
        };
        if said == Some(true) {
            self.warn();
            return;
        }
        match read(files) {
            Ok(pair) => {
                self.tls.pair.store(Arc::new(pair.clone()));
                (self.used, self.bad) = (now, None);
                self.taken_up(&pair);
            }
            Err(mistakes) => {
                // Two files are not written at once: only what is still wrong at the next look is a mistake.
                if said.is_some() {
                    for mistake in mistakes {
                        let (key, file) = (mistake.file.key(), path(files, mistake.file));
                        tracing::error!(
                            key, file = %file.display(), error = %mistake,
                            "the certificate cannot be taken up, the one in use stays"
                        );
                    }
                }
                self.bad = Some((now, said.is_some()));
            }
        }
    }

    fn taken_up(&mut self, pair: &Pair) {
        (self.not_after, self.warned) = (pair.not_after, None);
        let (file, expires) = (self.tls.files.certificate.display(), self.expires());
        tracing::info!(%file, expires, "a certificate was taken up");
        self.warn();
    }

    /// Warns of the end of what is in use, once a day.
    fn warn(&mut self) {
        let warning = self.not_after.and_then(|end| expiry_warning(end, SystemTime::now()));
        let Some(warning) = warning else {
            return;
        };
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            let (file, expires) = (self.tls.files.certificate.display(), self.expires());
            tracing::warn!(%file, expires, "{warning}");
        }
    }

    fn expires(&self) -> Option<String> {
        let end = jiff::Timestamp::try_from(self.not_after?).ok()?;
        Some(end.to_string())
    }
}

fn path(files: &Files, file: File) -> &Path {
    match (file, &files.client_ca) {
        (File::Key, _) => &files.key,
        (File::ClientCa, Some(ca)) => &ca.file,
        (File::Certificate | File::ClientCa, _) => &files.certificate,
    }
}
