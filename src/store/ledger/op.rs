use super::callback::{CallbackStep, Claim, DueCallback, Hinted, Message};
use crate::{
    charge::{Amount, AtLimit, End, Ended, HoldId, NewHold, Reservation},
    idempotency::{Begun, FirstRequest, Kept, KeyName},
    profile::WorkState,
    store::StoreError,
    tasks::{CallbackId, NewTask, Recorded, Task},
};
use std::{fmt, sync::Arc};
use tokio::sync::oneshot;

/// Something that is to be written into the ledger, and who waits for it.
#[derive(Debug)]
pub(in crate::store) enum Job {
    Hold(NewHold, Reply<Reservation>),
    End(HoldId, End, Reply<Ended>),
    Record(NewTask, Reply<Recorded>),
    Find(TaskName, Reply<Option<Task>>),
    EndTask(TaskName, WorkState, Reply<Option<Ended>>),
    Begin(FirstRequest, Reply<Begun>),
    Keep(KeyName, Option<Kept>, Reply<()>),
    GiveBack(KeyName, Reply<()>),
    Hint(CallbackId, Option<Message>, Reply<Hinted>),
    Claim(Claim, Reply<Vec<DueCallback>>),
    Step(CallbackStep, Reply<()>),
    /// There is nothing more to do.
    Stop,
}

/// What a task is called, and within what.
#[derive(Clone, Debug)]
pub(in crate::store) struct TaskName {
    pub(in crate::store) scope: Arc<str>,
    pub(in crate::store) id: Box<str>,
}

/// How far a task is, from the word in a store.
pub(in crate::store) fn work_state(word: &str) -> Result<WorkState, StoreError> {
    let all = [WorkState::Running, WorkState::Succeeded, WorkState::Failed];
    all.into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| StoreError::corrupt("a task is in no known state"))
}

/// Who waits for an answer. Many of them may get the same error.
pub(in crate::store) type Reply<T> = oneshot::Sender<Result<T, Arc<StoreError>>>;

/// What became of a job, before it is known whether that will last.
#[derive(Clone, Debug)]
pub(in crate::store) enum Outcome {
    Held(Reservation),
    Ended(Ended),
    Recorded(Recorded),
    Found(Option<Task>),
    TaskEnded(Option<Ended>),
    Begun(Begun),
    Hinted(Hinted),
    Claimed(Vec<DueCallback>),
    /// There is nothing more to say.
    Done,
}

/// A hold that was ended because its time limit had come.
#[derive(Clone, Debug)]
pub(in crate::store) struct Overdue {
    pub(in crate::store) id: HoldId,
    pub(in crate::store) account: String,
    pub(in crate::store) amount: Amount,
    pub(in crate::store) request_id: Option<String>,
    pub(in crate::store) then: AtLimit,
}

/// For the log.
impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold(new, _) => write!(f, "hold {}", new.id),
            Self::End(id, end, _) => write!(f, "{end:?} hold {id}"),
            Self::Record(task, _) => write!(f, "record task {} of {}", task.id, task.scope),
            Self::Find(task, _) => write!(f, "find task {} of {}", task.id, task.scope),
            Self::EndTask(task, state, _) => {
                write!(f, "end task {} of {} as {}", task.id, task.scope, state.as_str())
            }
            Self::Begin(request, _) => {
                write!(f, "take an idempotency key of {}", request.name.account)
            }
            Self::Keep(name, ..) => write!(f, "keep an answer of {}", name.account),
            Self::GiveBack(name, _) => {
                write!(f, "give back an idempotency key of {}", name.account)
            }
            Self::Hint(id, ..) => write!(f, "look at callback {id}"),
            Self::Claim(..) => f.write_str("take callbacks on"),
            Self::Step(step, _) => write!(f, "note what became of callback {}", step.id),
            Self::Stop => f.write_str("stop"),
        }
    }
}

impl Job {
    /// Whether it is a hold that nobody waits for.
    pub(super) fn is_hold_for_nobody(&self) -> bool {
        matches!(self, Self::Hold(_, reply) if reply.is_closed())
    }

    /// Whether it is the first that is asked for a request. What follows from it is as many, and is never refused.
    pub(super) const fn is_new_work(&self) -> bool {
        matches!(self, Self::Hold(..) | Self::Begin(..) | Self::Find(..) | Self::Hint(..))
    }

    /// Whether somebody is told that money was taken or is back, or that a task is theirs: that must outlive a power failure.
    pub(super) const fn must_last(&self) -> bool {
        matches!(
            self,
            Self::End(_, End::Settle | End::Release, _)
                | Self::Record(..)
                // What a provider says it may say once.
                | Self::Hint(_, Some(_), _)
                | Self::Keep(..)
                | Self::EndTask(..)
        )
    }

    /// Whether it changes nothing.
    pub(in crate::store) const fn is_question(&self) -> bool {
        matches!(self, Self::Find(..))
    }
}
