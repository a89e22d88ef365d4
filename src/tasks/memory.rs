use super::{NewTask, Recorded, Task, TaskStore};
use crate::{
    charge::{End, Ended, HoldId, Ledger, LedgerError, MemoryLedger},
    profile::WorkState,
};
use std::{
    collections::HashMap,
    future::{Ready, ready},
    sync::{Arc, Mutex, PoisonError},
};

/// Tasks in memory, with their holds in a [`MemoryLedger`]: for tests. Clones are the same store.
///
/// It has no clock: a task stays, whatever its retention.
#[derive(Clone, Debug, Default)]
pub struct MemoryTasks {
    ledger: MemoryLedger,
    tasks: Arc<Mutex<HashMap<Key, (Task, Option<HoldId>)>>>,
}

type Key = (Arc<str>, Box<str>);

impl MemoryTasks {
    /// Whose holds are in this ledger.
    pub fn new(ledger: MemoryLedger) -> Self {
        Self { ledger, tasks: Arc::default() }
    }

    fn with<T>(&self, look: impl FnOnce(&mut HashMap<Key, (Task, Option<HoldId>)>) -> T) -> T {
        look(&mut self.tasks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TaskStore for MemoryTasks {
    type Recording = Ready<Result<Recorded, LedgerError>>;
    type Finding = Ready<Result<Option<Task>, LedgerError>>;
    type Ending = Ready<Result<Option<Ended>, LedgerError>>;

    fn record(&self, new: NewTask) -> Self::Recording {
        let account = new.principal.account().into();
        let task = Task {
            account,
            endpoint: new.endpoint,
            state: WorkState::Running,
            provider_id: None,
            is_paid: new.hold.is_some(),
        };
        ready(Ok(self.with(|tasks| {
            let (known, hold) =
                tasks.entry((new.scope, new.id)).or_insert((task.clone(), new.hold));
            match known.account == task.account && known.endpoint == task.endpoint {
                true if *hold == new.hold => Recorded::Recorded,
                true => Recorded::Known,
                false => Recorded::Taken,
            }
        })))
    }

    fn find(&self, scope: &Arc<str>, id: &str) -> Self::Finding {
        let key = (scope.clone(), id.into());
        ready(Ok(self.with(|tasks| tasks.get(&key).map(|(task, _)| task.clone()))))
    }

    fn end(&self, scope: &Arc<str>, id: &str, state: WorkState) -> Self::Ending {
        let end = match state {
            WorkState::Succeeded => End::Settle,
            WorkState::Failed => End::Release,
            WorkState::Running => End::Pend,
        };
        let found = self.with(|tasks| {
            let (task, hold) = tasks.get_mut(&(scope.clone(), id.into()))?;
            let end = if task.state == WorkState::Running { end } else { End::Pend };
            if task.state == WorkState::Running {
                task.state = state;
            }
            Some((*hold, end))
        });
        ready(match found {
            None => Ok(Some(Ended::Unknown)),
            Some((None, _)) => Ok(None),
            Some((Some(hold), end)) => self.ledger.end(hold, end).into_inner().map(Some),
        })
    }
}
