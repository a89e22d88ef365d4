use super::usage::{Made, Page, Paging, Summary, Used};
use crate::store::{Missing, Store, StoreError, StoreUrl};
use jiff::Timestamp;
use std::{
    fmt,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread,
};
use tokio::sync::oneshot;

/// More questions than these do not wait.
const MOST_WAITING: usize = 256;

/// Something that somebody wants to know. What is long to find out keeps nobody from paying: it is read on a thread and a
/// connection of its own.
type Question = Box<dyn FnOnce(&mut Option<Store>) + Send>;

/// Reads what accounts have used, until all of these are gone.
#[derive(Clone)]
pub(crate) struct UsageReader {
    questions: SyncSender<Question>,
    url: Arc<StoreUrl>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unread {
    Store(StoreError),
    /// Too many ask.
    Busy,
}

impl UsageReader {
    /// Reads in this store.
    ///
    /// # Errors
    ///
    /// If there is no thread for it.
    pub(crate) fn start(url: &StoreUrl) -> Result<Self, StoreError> {
        let (questions, asked) = mpsc::sync_channel(MOST_WAITING);
        thread::Builder::new()
            .name("usage".to_owned())
            .spawn(move || answer(&asked))
            .map_err(StoreError::Thread)?;
        Ok(Self { questions, url: Arc::new(url.clone()) })
    }

    pub(crate) async fn usage(&self, account: &str, paging: Paging) -> Result<Page<Used>, Unread> {
        let account = account.to_owned();
        self.ask(move |store| store.usage(&account, paging)).await
    }

    pub(crate) async fn summary(&self, account: &str) -> Result<Summary, Unread> {
        let account = account.to_owned();
        self.ask(move |store| store.usage_summary(&account, Timestamp::now())).await
    }

    pub(crate) async fn tasks(
        &self,
        account: &str,
        scope: Option<&str>,
        paging: Paging,
    ) -> Result<Page<Made>, Unread> {
        let (account, scope) = (account.to_owned(), scope.map(str::to_owned));
        let ask = move |store: &mut Store| {
            store.tasks(&account, scope.as_deref(), paging, Timestamp::now())
        };
        self.ask(ask).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Unread> {
        let (reply, answer) = oneshot::channel();
        let url = self.url.clone();
        let question: Question = Box::new(move |open| {
            // Whoever asked has left.
            if reply.is_closed() {
                return;
            }
            let found = opened(open, &url).and_then(look);
            if found.is_err() || open.as_ref().is_some_and(Store::is_read_only) {
                *open = None;
            }
            let _ = reply.send(found);
        });
        match self.questions.try_send(question) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return Err(Unread::Busy),
        }
        answer.await.map_err(|_| Unread::Busy)?.map_err(Unread::Store)
    }
}

impl fmt::Debug for UsageReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageReader").field("store", &self.url.to_string()).finish_non_exhaustive()
    }
}

fn answer(asked: &Receiver<Question>) {
    let mut open = None;
    for question in asked {
        question(&mut open);
    }
}

/// The store, which is opened when somebody first asks, and anew after a failure.
fn opened<'s>(open: &'s mut Option<Store>, url: &StoreUrl) -> Result<&'s mut Store, StoreError> {
    Ok(match open.take() {
        Some(store) => open.insert(store),
        None => open.insert(Store::open(url, Missing::Refuse)?),
    })
}
