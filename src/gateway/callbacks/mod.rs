//! Callers who are told when a task is over.
//!
//! ```text
//! caller ── take ── provider              a URL of ours in the place of the caller's
//!                     │ calls
//!                   called ── store       a hint
//!                               │
//!           results ── callback::Relay    asks how the task has ended, and tells the caller
//! ```

mod called;
mod results;
mod take;

pub(super) use self::{
    called::Called,
    results::{Way, ways},
    take::{CallbackLayer, OurUrl, RouteCallback},
};

use crate::{
    callback::{CallbackSecrets, Guard},
    config::Config,
    store::ledger::Message,
    tasks::CallbackId,
};
use http::{HeaderMap, header};
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore};

/// The longest message where nothing else is said.
const MAX_BYTES: usize = 1 << 20;

/// What all routes share.
#[derive(Clone, Debug)]
pub(crate) struct Callbacks {
    pub(crate) secrets: CallbackSecrets,
    pub(crate) guard: Guard,
    /// Where providers reach us, without the token; nowhere, where nobody is told.
    url: Option<Arc<str>>,
    /// Whether what providers say counts.
    listens: bool,
    /// The longest message, in bytes.
    pub(crate) max_bytes: usize,
    /// Says that a provider has called.
    pub(crate) wake: Arc<Notify>,
    /// Places for calls that have come too early.
    early: Arc<Semaphore>,
}

impl Callbacks {
    pub(super) fn new(config: &Config) -> Self {
        let table = &config.callbacks;
        Self {
            secrets: CallbackSecrets::new(table.secrets()),
            guard: Guard::new(table.allow.iter().map(|network| network.get())),
            url: table.url().map(|url| url.to_string().into()),
            listens: config.route.iter().any(|route| {
                route.callback.as_ref().is_some_and(|callback| callback.result.is_none())
            }),
            max_bytes: table.max_bytes.map_or(MAX_BYTES, |bytes| bytes.get()),
            wake: Arc::default(),
            early: Arc::new(Semaphore::new(called::MOST_EARLY)),
        }
    }

    /// The URL of ours that stands for a callback.
    fn url_for(&self, id: CallbackId) -> Option<String> {
        Some(format!("{}/{}", self.url.as_ref()?, self.secrets.token(id)?))
    }
}

/// What was said, as far as it is kept.
fn message(headers: &HeaderMap, body: &[u8]) -> Message {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("application/json").to_owned();
    Message { content_type, body: body.to_vec() }
}
