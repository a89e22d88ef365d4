use super::{
    callback::{CallbackStep, Claim, DueCallback, Hinted, Message},
    counts::Counts,
    op::{Job, Reply, TaskName},
    reader::UsageReader,
    writer::{Books, Writer},
};
#[cfg(feature = "postgres")]
use crate::store::postgres::PostgresBooks;
use crate::{
    charge::{End, Ended, HoldId, Ledger, LedgerError, NewHold, Reservation},
    idempotency::{Begun, FirstRequest, IdempotencyStore, Kept, KeyName},
    profile::WorkState,
    store::{StoreError, StoreUrl, sqlite::SqliteBooks},
    tasks::{CallbackId, NewTask, Recorded, Task, TaskStore},
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, Sender},
    },
    task::{Context, Poll, ready},
    thread::{self, JoinHandle},
};
use tokio::sync::oneshot;

/// More requests than these do not wait: whoever comes with one more is refused.
const MOST_WAITING: usize = 10_000;

/// The ledger in a store. Clones speak to the same thread.
#[derive(Clone, Debug)]
pub(crate) struct StoreLedger {
    jobs: Sender<Job>,
    waiting: Arc<AtomicUsize>,
}

/// The thread that writes the ledger, until this is dropped: then it writes what it was asked so far, and ends.
pub(crate) struct LedgerThread {
    ledger: StoreLedger,
    usage: UsageReader,
    healthy: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LedgerThread {
    /// Opens the store, making it if there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub(crate) fn start(url: &StoreUrl, counts: Counts) -> Result<Self, StoreError> {
        match url {
            StoreUrl::Sqlite(path) => Self::with(SqliteBooks::open(path.clone())?, url, counts),
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(postgres) => {
                Self::with(PostgresBooks::open(postgres.clone())?, url, counts)
            }
        }
    }

    fn with(
        books: impl Books + Send + 'static,
        url: &StoreUrl,
        counts: Counts,
    ) -> Result<Self, StoreError> {
        let (jobs, asked) = mpsc::channel();
        let waiting = Arc::<AtomicUsize>::default();
        let healthy = Arc::new(AtomicBool::new(true));
        let writer =
            Writer::new(books, url.to_string(), waiting.clone(), healthy.clone()).counted(counts);
        let thread = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer.run(&asked))
            .map_err(StoreError::Thread)?;
        let usage = UsageReader::start(url)?;
        let ledger = StoreLedger { jobs, waiting };
        Ok(Self { ledger, usage, healthy, thread: Some(thread) })
    }

    /// Who asks it.
    pub(crate) fn ledger(&self) -> StoreLedger {
        self.ledger.clone()
    }

    /// Who reads what accounts have used.
    pub(crate) fn usage(&self) -> UsageReader {
        self.usage.clone()
    }

    /// The same, for whoever does not have the thread.
    pub(crate) fn health(&self) -> Arc<AtomicBool> {
        self.healthy.clone()
    }

    /// Whether what was last written could be.
    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }
}

impl Drop for LedgerThread {
    fn drop(&mut self) {
        let _ = self.ledger.jobs.send(Job::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic there was reported there.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for LedgerThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerThread").field("healthy", &self.is_healthy()).finish_non_exhaustive()
    }
}

/// One that nobody keeps: all that it answers is an error.
impl Default for StoreLedger {
    fn default() -> Self {
        Self { jobs: mpsc::channel().0, waiting: Arc::default() }
    }
}

impl StoreLedger {
    fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        // Nobody receives it when the thread has ended; then the answer says so.
        let _ = self.jobs.send(job(reply));
        Answer(Some(answer))
    }

    /// The same for what begins a request.
    fn ask_if_any_room<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Answer<T> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Answer(None);
        }
        self.ask(job)
    }
}

impl Ledger for StoreLedger {
    type Holding = Answer<Reservation>;
    type Ending = Answer<Ended>;

    fn hold(&self, hold: NewHold) -> Answer<Reservation> {
        self.ask_if_any_room(|reply| Job::Hold(hold, reply))
    }

    fn end(&self, id: HoldId, end: End) -> Answer<Ended> {
        self.ask(|reply| Job::End(id, end, reply))
    }
}

impl TaskStore for StoreLedger {
    type Recording = Answer<Recorded>;
    type Finding = Answer<Option<Task>>;
    type Ending = Answer<Option<Ended>>;

    fn record(&self, task: NewTask) -> Answer<Recorded> {
        self.ask(|reply| Job::Record(task, reply))
    }

    fn find(&self, scope: &Arc<str>, id: &str) -> Answer<Option<Task>> {
        let name = TaskName { scope: scope.clone(), id: id.into() };
        self.ask_if_any_room(|reply| Job::Find(name, reply))
    }

    fn end(&self, scope: &Arc<str>, id: &str, state: WorkState) -> Answer<Option<Ended>> {
        let name = TaskName { scope: scope.clone(), id: id.into() };
        self.ask(|reply| Job::EndTask(name, state, reply))
    }
}

/// Who is told when a task is over.
impl StoreLedger {
    /// Has a callback looked at now, because the provider has called, and keeps what it has said, if that counts.
    pub(crate) fn hint(&self, id: CallbackId, said: Option<Message>) -> Answer<Hinted> {
        self.ask_if_any_room(|reply| Job::Hint(id, said, reply))
    }

    /// Takes callbacks on about which something is to be done.
    pub(crate) fn claim_callbacks(&self, claim: Claim) -> Answer<Vec<DueCallback>> {
        self.ask(|reply| Job::Claim(claim, reply))
    }

    /// Notes what has become of one.
    pub(crate) fn note_callback(&self, step: CallbackStep) -> Answer<()> {
        self.ask(|reply| Job::Step(step, reply))
    }
}

impl IdempotencyStore for StoreLedger {
    type Beginning = Answer<Begun>;
    type Ending = Answer<()>;

    fn begin(&self, request: FirstRequest) -> Answer<Begun> {
        self.ask_if_any_room(|reply| Job::Begin(request, reply))
    }

    fn keep(&self, name: &KeyName, answer: Option<Kept>) -> Answer<()> {
        self.ask(|reply| Job::Keep(name.clone(), answer, reply))
    }

    fn forget(&self, name: &KeyName) -> Answer<()> {
        self.ask(|reply| Job::GiveBack(name.clone(), reply))
    }
}

/// An answer of the thread. Nothing where it was not even asked.
#[derive(Debug)]
pub(crate) struct Answer<T>(Option<oneshot::Receiver<Result<T, Arc<StoreError>>>>);

impl<T> Future for Answer<T> {
    type Output = Result<T, LedgerError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(answer) = &mut self.0 else {
            return Poll::Ready(Err(LedgerError::new("too many requests wait for the store")));
        };
        Poll::Ready(match ready!(Pin::new(answer).poll(cx)) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(LedgerError::new(error)),
            Err(_) => Err(LedgerError::new("nobody keeps the ledger")),
        })
    }
}
