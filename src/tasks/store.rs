use super::Callback;
use crate::{
    auth::Principal,
    charge::{Amount, Ended, HoldId, LedgerError},
    profile::WorkState,
};
use std::{future::Future, sync::Arc, time::Duration};

/// Who remembers whose task is which, and where it is worked on.
///
/// As with a [`Ledger`](crate::charge::Ledger), every operation begins when it is called, and may be repeated.
pub trait TaskStore {
    /// The answer to [`record`](Self::record).
    type Recording: Future<Output = Result<Recorded, LedgerError>> + Send + Unpin;
    /// The answer to [`find`](Self::find).
    type Finding: Future<Output = Result<Option<Task>, LedgerError>> + Send + Unpin;
    /// The answer to [`end`](Self::end).
    type Ending: Future<Output = Result<Option<Ended>, LedgerError>> + Send + Unpin;

    /// Remembers a task; its hold, if it has one, ends with the retention. The answer comes when it would outlive a power failure.
    fn record(&self, task: NewTask) -> Self::Recording;

    /// Looks for a task. Takes as long for one that is not there.
    fn find(&self, scope: &Arc<str>, id: &str) -> Self::Finding;

    /// Says how a task has ended, and ends its hold with it: settled if it has succeeded, released if it has failed. The first word counts. The answer is what
    /// has become of the hold, now or before; nothing for a task that has none, and [`Ended::Unknown`] for one that is not there.
    fn end(&self, scope: &Arc<str>, id: &str, state: WorkState) -> Self::Ending;
}

/// A task that a provider has taken on.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Within what its id is one of a kind, such as the name of the upstream.
    pub scope: Arc<str>,
    /// What the provider calls it, and so the caller.
    pub id: Box<str>,
    /// Whose it is.
    pub principal: Principal,
    /// Where it is worked on.
    pub endpoint: Arc<str>,
    /// The money that is reserved for it.
    pub hold: Option<HoldId>,
    /// How much that is.
    pub amount: Amount,
    /// The row of the price table.
    pub item: Option<Box<str>>,
    /// For how long it is remembered.
    pub retention: Duration,
    /// Who is told when it is over, by stores that do.
    pub callback: Option<Callback>,
}

/// Whether a task is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recorded {
    /// It is.
    Recorded,
    /// It is, and the caller is to call it so.
    As(Box<str>),
    /// The same account has it already, from another request: the provider has taken on nothing new.
    Known,
    /// It is not: another one has the same id, of somebody else or elsewhere.
    Taken,
}

/// What is known of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The account whose task it is.
    pub account: Box<str>,
    /// Where it is worked on.
    pub endpoint: Arc<str>,
    /// How far it is, as far as somebody has asked.
    pub state: WorkState,
    /// Whether money is reserved for it, or was.
    pub is_paid: bool,
    /// What the provider calls it, where the caller calls it otherwise.
    pub provider_id: Option<Box<str>>,
}
