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
    callback::{CallbackSecrets, Fields, Guard, Settings},
    config::{self, Config, FieldName},
    store::ledger::Message,
    tasks::CallbackId,
};
use http::{HeaderMap, header};
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::{Notify, Semaphore};

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
    /// Places for names that are looked up while their callers wait.
    lookups: Arc<Semaphore>,
}

impl Callbacks {
    /// Those of a configuration; who waits for the one `before` waits for this one too.
    pub(super) fn new(config: &Config, before: Option<&Self>) -> Self {
        let table = &config.callbacks;
        let places = |most| Arc::new(Semaphore::new(most));
        Self {
            secrets: CallbackSecrets::new(table.secrets()),
            guard: Guard::new(table.allow.iter().map(|network| network.get())),
            url: table.url().map(|url| url.to_string().into()),
            listens: config.route.iter().any(|route| {
                route.callback.as_ref().is_some_and(|callback| callback.result.is_none())
            }),
            max_bytes: table.max_bytes.unwrap_or(config::Callbacks::MAX_BYTES).get(),
            wake: before.map(|before| before.wake.clone()).unwrap_or_default(),
            early: before.map_or_else(|| places(called::MOST_EARLY), |before| before.early.clone()),
            lookups: before
                .map_or_else(|| places(take::MOST_LOOKUPS), |before| before.lookups.clone()),
        }
    }

    /// How callers are told, on a gateway that can ask for the tasks of these upstreams.
    pub(crate) fn settings(&self, config: &Config) -> Settings {
        let table = &config.callbacks;
        let field = |given: &Option<FieldName>, default: FieldName| {
            given.as_ref().unwrap_or(&default).get().clone()
        };
        let tells = config.route.iter().filter(|route| route.callback.is_some());
        let scopes: BTreeSet<String> = tells.map(|route| route.upstream.clone()).collect();
        let slowest = scopes.iter().filter_map(|scope| config.upstream.get(scope));
        let question = slowest.map(|upstream| upstream.timeout.get()).max();
        Settings {
            fields: Fields {
                id: field(&table.id_field, config::Callbacks::ID_FIELD),
                timestamp: field(&table.timestamp_field, config::Callbacks::TIMESTAMP_FIELD),
                signature: field(&table.signature_field, config::Callbacks::SIGNATURE_FIELD),
            },
            secrets: self.secrets.clone(),
            give_up_after: table.give_up_after.unwrap_or(config::Callbacks::GIVE_UP_AFTER).get(),
            retention: super::tasks::retention(config),
            timeout: table.timeout.unwrap_or(config::Callbacks::TIMEOUT).get(),
            question: question.unwrap_or_default(),
            scopes: scopes.into_iter().collect(),
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
