use super::text::{as_text, millisecond, millisecond_if_any};
use crate::{store::StoreError, tasks::CallbackId};
use jiff::Timestamp;
use serde::Serialize;
use std::{collections::HashMap, str::FromStr, sync::Arc, time::Duration};

/// When a task is first looked at whose provider has not called: a call can be lost.
pub(in crate::store) const FIRST_LOOK: Duration = Duration::from_secs(10);
/// For how long it can be seen what became of a callback.
const CALLBACKS_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How far a callback is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CallbackState {
    /// The task is not over, as far as is known.
    Waiting,
    /// It is, and the receiver has not heard of it.
    Ready,
    Delivered,
    GivenUp,
}

impl CallbackState {
    const ALL: [Self; 4] = [Self::Waiting, Self::Ready, Self::Delivered, Self::GivenUp];

    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Delivered => "delivered",
            Self::GivenUp => "given-up",
        }
    }

    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::Delivered | Self::GivenUp)
    }

    /// From the word in a store.
    pub(in crate::store) fn read(word: &str) -> Result<Self, StoreError> {
        word.parse().map_err(|_| StoreError::corrupt("a callback is in no known state"))
    }
}

impl FromStr for CallbackState {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or("expected waiting, ready, delivered or given-up")
    }
}

/// What the receiver is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

/// A callback about which something is to be done.
#[derive(Clone, Debug)]
pub(crate) struct DueCallback {
    pub(crate) id: CallbackId,
    pub(crate) account: String,
    /// The id of the key that the task was made with.
    pub(crate) key: String,
    pub(crate) scope: String,
    pub(crate) task: String,
    pub(crate) url: String,
    /// `Waiting` or `Ready`.
    pub(crate) state: CallbackState,
    /// How often something was tried in this state.
    pub(crate) attempts: u32,
    /// Since when it is in this state.
    pub(crate) since: Timestamp,
    /// What is sent, where it is `Ready`; before that, what the provider has said, if that is kept.
    pub(crate) message: Option<Message>,
}

/// Callbacks that somebody takes on.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// `Waiting` or `Ready`.
    pub(crate) state: CallbackState,
    /// Of tasks of these upstreams: others may know those that this gateway does not.
    pub(crate) scopes: Arc<[String]>,
    /// And whatever has been in this state for so long, to be given up.
    pub(crate) stale_after: Duration,
    /// At most so many.
    pub(crate) most: u32,
    /// At most so many of an account, less those that it has at work already.
    pub(crate) most_of_account: u32,
    pub(crate) at_work: HashMap<String, u32>,
    /// For how long nobody else does: a process that is killed does not give them back.
    pub(crate) lease: Duration,
}

/// So many accounts are looked at for one claim.
pub(in crate::store) const MOST_ACCOUNTS: u32 = 256;

impl Claim {
    /// How many more of this account may be taken on.
    pub(in crate::store) fn room(&self, account: &str) -> u32 {
        let at_work = self.at_work.get(account).copied().unwrap_or(0);
        self.most_of_account.saturating_sub(at_work).min(self.most)
    }

    /// Since when a callback is in its state that is to be given up, in Unix milliseconds.
    pub(in crate::store) fn stale_since(&self, now: Timestamp) -> i64 {
        let after = i64::try_from(self.stale_after.as_millis()).unwrap_or(i64::MAX);
        now.as_millisecond().saturating_sub(after)
    }
}

/// What has become of a callback that somebody had taken on. Nothing, if somebody else has done more meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct CallbackStep {
    pub(crate) id: CallbackId,
    /// What it was.
    pub(crate) from: (CallbackState, u32),
    pub(crate) to: Progress,
    /// What has gone wrong, if anything.
    pub(crate) error: Option<String>,
}

/// What comes next.
#[derive(Clone, Debug)]
pub(crate) enum Progress {
    /// The same again, after this time.
    Again(Duration),
    /// The receiver is sent this.
    Ready(Message),
    Delivered,
    GivenUp,
}

/// What ended before is forgotten, in Unix milliseconds.
pub(in crate::store) fn over_for_long(now: Timestamp) -> i64 {
    let kept = i64::try_from(CALLBACKS_KEPT.as_millis()).unwrap_or(i64::MAX);
    now.as_millisecond().saturating_sub(kept)
}

impl CallbackStep {
    /// The state that it is in then, and how often something was tried in that.
    pub(in crate::store) const fn after(&self) -> (CallbackState, u32) {
        let (before, attempts) = self.from;
        match self.to {
            Progress::Again(_) => (before, attempts.saturating_add(1)),
            Progress::Ready(_) => (CallbackState::Ready, 0),
            Progress::Delivered => (CallbackState::Delivered, attempts.saturating_add(1)),
            Progress::GivenUp => (CallbackState::GivenUp, attempts.saturating_add(1)),
        }
    }

    /// After which time it is looked at again.
    pub(in crate::store) const fn pause(&self) -> Duration {
        match self.to {
            Progress::Again(after) => after,
            _ => Duration::ZERO,
        }
    }

    /// Whether what is stored to be sent stays: what is given up may be tried again.
    pub(in crate::store) const fn keeps_message(&self) -> bool {
        match self.to {
            Progress::Again(_) => true,
            Progress::Ready(_) | Progress::Delivered => false,
            Progress::GivenUp => matches!(self.from.0, CallbackState::Ready),
        }
    }

    pub(in crate::store) const fn message(&self) -> Option<&Message> {
        match &self.to {
            Progress::Ready(message) => Some(message),
            _ => None,
        }
    }
}

/// Whether a callback is known that a provider speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hinted {
    Known,
    /// Not yet, or not any more.
    Unknown,
}

/// A callback as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StoredCallback {
    #[serde(serialize_with = "as_text")]
    pub(crate) id: CallbackId,
    pub(crate) account: String,
    /// The upstream.
    pub(crate) scope: String,
    pub(crate) task: String,
    pub(crate) url: String,
    pub(crate) state: CallbackState,
    pub(crate) attempts: u32,
    #[serde(serialize_with = "millisecond")]
    pub(crate) created_at: Timestamp,
    /// When something is tried next.
    #[serde(serialize_with = "millisecond")]
    pub(crate) due_at: Timestamp,
    #[serde(serialize_with = "millisecond_if_any")]
    pub(crate) ended_at: Option<Timestamp>,
    /// Why the last attempt has failed.
    pub(crate) error: Option<String>,
}

/// Which callbacks are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallbackFilter {
    pub(crate) account: Option<String>,
    /// Nothing: those that are not over.
    pub(crate) states: CallbackStates,
}

/// In which states.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum CallbackStates {
    All,
    /// Those that are not over.
    #[default]
    Live,
    Only(CallbackState),
}

impl CallbackStates {
    pub(in crate::store) fn words(self) -> Vec<&'static str> {
        let wanted = |state: &CallbackState| match self {
            Self::All => true,
            Self::Live => !state.is_over(),
            Self::Only(only) => *state == only,
        };
        CallbackState::ALL.into_iter().filter(wanted).map(CallbackState::as_str).collect()
    }
}
