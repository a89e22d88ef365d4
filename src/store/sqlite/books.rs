use super::{Store, callbacks, holds, idempotency, open::Identity, tasks};
use crate::{
    charge::HoldId,
    store::{
        Missing, StoreError,
        ledger::{Books, Job, Outcome, Overdue, over_for_long},
    },
};
use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::{path::PathBuf, time::Duration};

/// How long another process may keep the file locked while requests wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// The ledger in a SQLite file.
#[derive(Debug)]
pub(in crate::store) struct SqliteBooks {
    path: PathBuf,
    /// None after a failure.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    store: Store,
    identity: Identity,
    /// Whether each change is flushed to the disk.
    flushes: bool,
}

impl SqliteBooks {
    /// Opens the file, making it if there is none.
    pub(in crate::store) fn open(path: PathBuf) -> Result<Self, StoreError> {
        Store::open_path(&path, Missing::Create)?;
        let mut books = Self { path, open: None };
        books.store()?;
        Ok(books)
    }

    /// The file that is there now. None that is there no more is made again: it would have forgotten everything.
    fn store(&mut self) -> Result<&mut Open, StoreError> {
        let there = Identity::of(&self.path)?;
        let open = match self.open.take().filter(|open| open.identity == there) {
            Some(open) => open,
            None => {
                let store = Store::open_path(&self.path, Missing::Refuse)?;
                store.connection.busy_timeout(PATIENCE)?;
                Open { store, identity: there, flushes: true }
            }
        };
        Ok(self.open.insert(open))
    }

    /// Does something with the file, which is opened anew after a failure.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Open) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let done = self.store().and_then(work);
        if done.is_err() {
            self.open = None;
        }
        done
    }
}

impl Open {
    /// Whether changes are flushed from here on. What is not flushed is only lost if the power fails, and never without what came
    /// after it.
    fn flush(&mut self, flushes: bool) -> Result<(), StoreError> {
        if self.flushes != flushes {
            let how = if flushes { "FULL" } else { "NORMAL" };
            self.store.connection.pragma_update(None, "synchronous", how)?;
            self.flushes = flushes;
        }
        Ok(())
    }
}

/// Whether anything is to be forgotten.
fn anything_is_over(connection: &Connection, now: Timestamp) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM tasks WHERE forget_at <= ?1)
             OR EXISTS (SELECT 1 FROM idempotency_keys WHERE forget_at <= ?1)
             OR EXISTS (SELECT 1 FROM callbacks WHERE ended_at <= ?2)",
    )?;
    let times = (now.as_millisecond(), over_for_long(now));
    Ok(statement.query_row(times, |row| row.get(0))?)
}

fn perform(change: &Transaction<'_>, job: &Job, now: Timestamp) -> Result<Outcome, StoreError> {
    Ok(match job {
        Job::Hold(new, _) => Outcome::Held(holds::hold(change, new, now)?),
        Job::End(id, how, _) => Outcome::Ended(holds::end(change, *id, *how, now, None)?),
        Job::Record(task, _) => Outcome::Recorded(tasks::record(change, task, now)?),
        Job::Find(name, _) => Outcome::Found(tasks::find(change, &name.scope, &name.id, now)?),
        Job::EndTask(name, state, _) => {
            Outcome::TaskEnded(tasks::end(change, &name.scope, &name.id, *state, now)?)
        }
        Job::Begin(request, _) => Outcome::Begun(idempotency::begin(change, request, now)?),
        Job::Keep(name, answer, _) => {
            idempotency::keep(change, name, answer.as_ref())?;
            Outcome::Done
        }
        Job::GiveBack(name, _) => {
            idempotency::give_back(change, name)?;
            Outcome::Done
        }
        Job::Hint(id, said, _) => {
            Outcome::Hinted(callbacks::hint(change, *id, said.as_ref(), now)?)
        }
        Job::Claim(claim, _) => Outcome::Claimed(callbacks::claim(change, claim, now)?),
        Job::Step(step, _) => {
            callbacks::step(change, step, now)?;
            Outcome::Done
        }
        // The writer keeps it to itself.
        Job::Stop => Outcome::Done,
    })
}

impl Books for SqliteBooks {
    fn write(
        &mut self,
        jobs: &[Job],
        must_last: bool,
        now: Timestamp,
    ) -> Result<Vec<Outcome>, StoreError> {
        self.with(|open| {
            // Most of the time there is nothing to take on, and nobody else is kept from writing for it.
            if let [Job::Claim(claim, _)] = jobs
                && !callbacks::any_is_due(&open.store.connection, claim, now)?
            {
                return Ok(vec![Outcome::Claimed(Vec::new())]);
            }
            // Questions keep nobody else from writing.
            let behavior = match jobs.iter().all(Job::is_question) {
                true => TransactionBehavior::Deferred,
                false => TransactionBehavior::Immediate,
            };
            open.flush(must_last)?;
            let change = open.store.connection.transaction_with_behavior(behavior)?;
            let done = jobs.iter().map(|job| perform(&change, job, now));
            let outcomes = done.collect::<Result<_, _>>()?;
            change.commit()?;
            Ok(outcomes)
        })
    }

    fn overdue(
        &mut self,
        now: Timestamp,
        most: u32,
        except: &[HoldId],
    ) -> Result<Vec<Overdue>, StoreError> {
        self.with(|open| holds::overdue(&open.store.connection, now, most, except))
    }

    fn end_overdue(
        &mut self,
        overdue: &[HoldId],
        now: Timestamp,
    ) -> Result<Vec<HoldId>, StoreError> {
        self.with(|open| {
            open.flush(true)?;
            let change = open.store.change()?;
            let ended = holds::end_overdue(&change, overdue, now)?;
            change.commit()?;
            Ok(ended)
        })
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        self.with(|open| {
            let change = open.store.change()?;
            change.execute("UPDATE revision SET value = value", [])?;
            Ok(change.commit()?)
        })
    }

    fn forget(&mut self, now: Timestamp, most: u32) -> Result<u64, StoreError> {
        self.with(|open| {
            // A look, which keeps nobody from writing, before the change.
            if !anything_is_over(&open.store.connection, now)? {
                return Ok(0);
            }
            let change = open.store.change()?;
            let tasks = tasks::forget(&change, now, most)?;
            let keys = idempotency::forget(&change, now, most)?;
            let callbacks = callbacks::forget(&change, now, most)?;
            change.commit()?;
            Ok(tasks.max(keys).max(callbacks) as u64)
        })
    }
}
