//! What the commands that work on a store share.

use super::{complain, env};
use crate::store::{
    KeyError, Missing, Store, StoreError, StoreUrl, ledger::BalanceError, until_millisecond,
};
use jiff::Timestamp;
use std::{
    io::{self, BufWriter, StdoutLock, Write},
    thread,
    time::Duration,
};

/// Between two attempts at a locked store.
const ATTEMPT: Duration = Duration::from_millis(20);
/// A second of them, after which somebody should know why nothing happens.
const ATTEMPTS_IN_SILENCE: i32 = 50;
/// A minute of them: an import of a million keys takes less, and a key must be revoked all the same.
const MOST_ATTEMPTS: i32 = 60 * ATTEMPTS_IN_SILENCE;

#[derive(Debug, clap::Args)]
pub(super) struct StoreArgs {
    /// The store: sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE?sslmode=MODE (better in the environment, where
    /// no list of processes shows it). Default: what TOLLGATE_STORE says.
    #[arg(long, value_name = "URL", global = true)]
    store: Option<String>,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
}

/// What a command works with.
pub(super) struct Context {
    pub(super) store: Store,
    pub(super) out: BufWriter<StdoutLock<'static>>,
    pub(super) json: bool,
    /// In whole milliseconds.
    pub(super) now: Timestamp,
}

/// Why a command did not do what it was asked.
pub(super) enum Failure {
    /// Wrong usage.
    Usage(String),
    Store(StoreError),
    Failed(String),
    /// Standard output cannot be written to.
    Output(io::Error),
}

impl StoreArgs {
    /// Whether a program is to read the output.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Opens the store, runs the command on it, and returns the exit code.
    pub(super) fn run(
        &self,
        missing: Missing,
        command: impl FnOnce(&mut Context) -> Result<(), Failure>,
    ) -> u8 {
        self.prepare_and_run(missing, || Ok(()), |context, ()| command(context))
    }

    /// The same, with something that is done before the store is opened, or made.
    pub(super) fn prepare_and_run<T>(
        &self,
        missing: Missing,
        prepare: impl FnOnce() -> Result<T, Failure>,
        command: impl FnOnce(&mut Context, T) -> Result<(), Failure>,
    ) -> u8 {
        let url = match self.url() {
            Ok(url) => url,
            Err(message) => return Failure::Usage(message).report("store"),
        };
        prepare()
            .and_then(|prepared| self.run_on(&url, missing, |context| command(context, prepared)))
            .map_or_else(|failure| failure.report(&url.to_string()), |()| 0)
    }

    fn run_on(
        &self,
        url: &StoreUrl,
        missing: Missing,
        command: impl FnOnce(&mut Context) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut store = Store::open(url, missing)?;
        store.when_locked(wait)?;
        if store.was_created() {
            complain(&format!("note: there was no store yet, made {url}"));
        }
        let out = BufWriter::new(io::stdout().lock());
        let now = until_millisecond(Timestamp::now());
        let mut context = Context { store, out, json: self.json, now };
        command(&mut context)?;
        Ok(context.out.flush()?)
    }

    fn url(&self) -> Result<StoreUrl, String> {
        let (url, from) = match &self.store {
            Some(url) => (url.clone(), "--store"),
            None => match env("TOLLGATE_STORE").filter(|url| !url.is_empty()) {
                Some(url) => (url, "TOLLGATE_STORE"),
                None => {
                    return Err("which store? Give --store URL or set TOLLGATE_STORE".to_owned());
                }
            },
        };
        url.parse().map_err(|error| format!("{from}: {error}"))
    }
}

/// Waits until the next attempt at a locked store, if there is to be one.
fn wait(attempts: i32) -> bool {
    if attempts == ATTEMPTS_IN_SILENCE {
        complain("another process keeps the store locked; waiting for it, a minute at most");
    }
    thread::sleep(ATTEMPT);
    attempts < MOST_ATTEMPTS
}

impl Failure {
    /// Says it, and returns the exit code.
    fn report(self, store: &str) -> u8 {
        let (message, code) = match self {
            // A reader who has left, as `head` does, is no failure.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return 0,
            Self::Output(error) => (format!("cannot write to standard output: {error}"), 1),
            Self::Usage(message) => (message, 2),
            Self::Failed(message) => (message, 1),
            Self::Store(error) => (format!("{store}: {error}"), 1),
        };
        complain(&format!("error: {message}"));
        code
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => Self::Store(error),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<BalanceError> for Failure {
    fn from(error: BalanceError) -> Self {
        match error {
            BalanceError::Store(error) => Self::Store(error),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}

impl Context {
    /// Prints one value on a line of its own.
    pub(super) fn print_json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, value)?;
        Ok(self.out.write_all(b"\n")?)
    }
}

/// A JSON array, an element a line, of however many there are.
#[derive(Debug, Default)]
pub(super) struct JsonArray {
    begun: bool,
}

impl JsonArray {
    pub(super) fn push(
        &mut self,
        out: &mut impl Write,
        value: &impl serde::Serialize,
    ) -> Result<(), Failure> {
        out.write_all(if self.begun { b",\n" } else { b"[\n" })?;
        self.begun = true;
        Ok(serde_json::to_writer(out, value)?)
    }

    pub(super) fn end(self, out: &mut impl Write) -> Result<(), Failure> {
        Ok(out.write_all(if self.begun { b"\n]\n" } else { b"[]\n" })?)
    }
}
