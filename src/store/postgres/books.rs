//! The ledger in PostgreSQL, which the gateways of several machines share.
//!
//! A batch is one transaction, and is sent as a whole, its COMMIT included, before anything of it is answered: nothing is locked
//! for longer than the server works, whatever becomes of the gateway meanwhile. Everything in it may be done twice, so that a
//! batch whose connection breaks is done again.
//!
//! Times are those of the gateways, as with SQLite: their clocks must agree to within a second or so. Where they do not, a hold
//! ends, and a day of a spend limit begins, earlier or later by the difference.

use super::{
    PostgresError, Store, callbacks, holds, idempotency,
    link::Link,
    pipeline::Asked,
    session::{Parameter, Statements},
    tasks,
    url::PostgresUrl,
    uuid::Uuid,
};
use crate::{
    charge::{End, HoldId},
    profile::WorkState,
    store::{
        Missing, StoreError,
        ledger::{Books, Job, Outcome, Overdue},
    },
};
use jiff::Timestamp;
use tokio::runtime::{self, Runtime};
use tokio_postgres::types::Type;

/// The server gives up before the gateway does: a connection that still answers need not be made anew.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = '1800ms'; \
                     SET LOCAL lock_timeout = '1500ms'; \
                     SET LOCAL idle_in_transaction_session_timeout = '10s'";
/// What is lost with the server's last moments, as what it was answered to never is without.
const DO_NOT_FLUSH: &str = "SET LOCAL synchronous_commit = off";

/// The ledger in a PostgreSQL database.
#[derive(Debug)]
pub(in crate::store) struct PostgresBooks {
    runtime: Runtime,
    link: Link,
}

impl PostgresBooks {
    /// Opens the store, making it if there is none.
    pub(in crate::store) fn open(url: PostgresUrl) -> Result<Self, StoreError> {
        Store::open(&url, Missing::Create)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StoreError::Thread)?;
        Ok(Self { runtime, link: Link::new(url) })
    }
}

impl Books for PostgresBooks {
    fn write(
        &mut self,
        jobs: &[Job],
        must_last: bool,
        now: Timestamp,
    ) -> Result<Vec<Outcome>, StoreError> {
        let write =
            async |statements: &Statements<'_>| batch(statements, jobs, must_last, now).await;
        self.runtime.block_on(self.link.with(write))
    }

    fn overdue(
        &mut self,
        now: Timestamp,
        most: u32,
        except: &[HoldId],
    ) -> Result<Vec<Overdue>, StoreError> {
        let look =
            async |statements: &Statements<'_>| holds::overdue(statements, now, most, except).await;
        self.runtime.block_on(self.link.with(look))
    }

    fn end_overdue(&mut self, holds: &[HoldId], now: Timestamp) -> Result<Vec<HoldId>, StoreError> {
        let ids: Vec<_> = holds.iter().map(|id| Uuid(*id.as_bytes())).collect();
        let locks = Locks { holds: ids.clone(), ..Locks::default() };
        let end = async |statements: &Statements<'_>| {
            let begun = Asked::send(statements.run(BEGIN)).await;
            let locked = Asked::send(lock(statements, &locks)).await;
            let ended = Asked::send(holds::end_overdue(statements, &ids, now)).await;
            let stored = Asked::send(statements.run("COMMIT")).await;
            begun.answer().await?;
            locked.answer().await?;
            let ended = ended.answer().await?;
            stored.answer().await.map_err(PostgresError::storing)?;
            Ok(ended)
        };
        self.runtime.block_on(self.link.with(end))
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        let sql = "UPDATE tollgate.revision SET value = value";
        let probe = async |statements: &Statements<'_>| statements.execute(sql, &[]).await;
        self.runtime.block_on(self.link.with(probe))?;
        Ok(())
    }

    fn forget(&mut self, now: Timestamp, most: u32) -> Result<u64, StoreError> {
        let forget = async |statements: &Statements<'_>| {
            let keys = Asked::send(idempotency::forget(statements, now, most)).await;
            let callbacks = Asked::send(callbacks::forget(statements, now, most)).await;
            let tasks = tasks::forget(statements, now, most).await?;
            Ok(keys.answer().await?.max(callbacks.answer().await?).max(tasks))
        };
        self.runtime.block_on(self.link.with(forget))
    }
}

/// Does all of these in their order, or none of them.
async fn batch(
    statements: &Statements<'_>,
    jobs: &[Job],
    must_last: bool,
    now: Timestamp,
) -> Result<Vec<Outcome>, StoreError> {
    let begin = if must_last { BEGIN.to_owned() } else { format!("{BEGIN}; {DO_NOT_FLUSH}") };
    let begun = Asked::send(statements.run(&begin)).await;
    let locks = Locks::of(jobs);
    let locked = match locks.are_several() {
        true => Some(Asked::send(lock(statements, &locks)).await),
        false => None,
    };
    let mut asked: Vec<_> = jobs.iter().map(|_| None).collect();
    // Those who take callbacks on come last: what they lock nobody has locked in an order, and nothing is waited for behind them.
    for claims in [false, true] {
        for (job, asked) in jobs.iter().zip(&mut asked) {
            if matches!(job, Job::Claim(..)) == claims {
                *asked = Some(Asked::send(perform(statements, job, now)).await);
            }
        }
    }
    let stored = Asked::send(statements.run("COMMIT")).await;
    // The first that fails says why; whatever comes behind it says that something has failed.
    begun.answer().await?;
    if let Some(locked) = locked {
        locked.answer().await?;
    }
    let mut outcomes = Vec::with_capacity(jobs.len());
    for asked in asked.into_iter().flatten() {
        outcomes.push(asked.answer().await?);
    }
    stored.answer().await.map_err(PostgresError::storing)?;
    Ok(outcomes)
}

async fn perform(
    statements: &Statements<'_>,
    job: &Job,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    Ok(match job {
        Job::Hold(new, _) => Outcome::Held(holds::hold(statements, new, now).await?),
        Job::End(id, how, _) => Outcome::Ended(holds::end(statements, *id, *how, now, None).await?),
        Job::Record(task, _) => Outcome::Recorded(tasks::record(statements, task, now).await?),
        Job::Find(name, _) => {
            Outcome::Found(tasks::find(statements, &name.scope, &name.id, now).await?)
        }
        Job::EndTask(name, state, _) => {
            Outcome::TaskEnded(tasks::end(statements, &name.scope, &name.id, *state, now).await?)
        }
        Job::Begin(request, _) => {
            Outcome::Begun(idempotency::begin(statements, request, now).await?)
        }
        Job::Keep(name, answer, _) => {
            idempotency::keep(statements, name, answer.as_ref()).await?;
            Outcome::Done
        }
        Job::GiveBack(name, _) => {
            idempotency::give_back(statements, name).await?;
            Outcome::Done
        }
        Job::Hint(id, said, _) => {
            Outcome::Hinted(callbacks::hint(statements, *id, said.as_ref(), now).await?)
        }
        Job::Claim(claim, _) => Outcome::Claimed(callbacks::claim(statements, claim, now).await?),
        Job::Step(step, _) => {
            callbacks::step(statements, step, now).await?;
            Outcome::Done
        }
        // The writer keeps it to itself.
        Job::Stop => Outcome::Done,
    })
}

/// The accounts whose balances may change, by what they are known by; and callbacks, which come behind them.
#[derive(Debug, Default)]
struct Locks<'a> {
    accounts: Vec<&'a str>,
    holds: Vec<Uuid>,
    scopes: Vec<&'a str>,
    tasks: Vec<&'a str>,
    callbacks: Vec<Uuid>,
}

impl<'a> Locks<'a> {
    fn of(jobs: &'a [Job]) -> Self {
        let mut locks = Self::default();
        for job in jobs {
            match job {
                Job::Hold(new, _) => locks.accounts.push(new.principal.account()),
                Job::End(id, End::Release, _) => locks.holds.push(Uuid(*id.as_bytes())),
                Job::EndTask(name, WorkState::Failed, _) => {
                    locks.scopes.push(&name.scope);
                    locks.tasks.push(&name.id);
                }
                Job::Hint(id, ..) => locks.callbacks.push(Uuid(*id.as_bytes())),
                Job::Step(step, _) => locks.callbacks.push(Uuid(*step.id.as_bytes())),
                _ => {}
            }
        }
        locks.accounts.sort_unstable();
        locks.accounts.dedup();
        locks
    }

    /// Otherwise there is no order to keep. Of a task the account comes first too, or others may wait crosswise.
    fn are_several(&self) -> bool {
        let all = self.accounts.len() + self.holds.len() + self.callbacks.len();
        all > 1 || !self.tasks.is_empty()
    }
}

/// Locks accounts, then callbacks, in the order in which everybody does, so that no two batches wait for each other.
async fn lock(statements: &Statements<'_>, locks: &Locks<'_>) -> Result<(), StoreError> {
    let sql = "
        SELECT FROM tollgate.accounts WHERE id = ANY (ARRAY(
            SELECT id FROM tollgate.accounts WHERE name = ANY ($1)
            UNION SELECT account FROM tollgate.holds WHERE id = ANY ($2)
            UNION SELECT t.account FROM unnest($3, $4) AS o (scope, id) JOIN tollgate.tasks t USING (scope, id)
        )) ORDER BY id FOR NO KEY UPDATE";
    let parameters: &[Parameter<'_>] = &[
        (&locks.accounts, Type::TEXT_ARRAY),
        (&locks.holds, Type::UUID_ARRAY),
        (&locks.scopes, Type::TEXT_ARRAY),
        (&locks.tasks, Type::TEXT_ARRAY),
    ];
    let accounts = Asked::send(statements.query(sql, parameters)).await;
    let sql = "SELECT FROM tollgate.callbacks WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";
    if !locks.callbacks.is_empty() {
        statements.query(sql, &[(&locks.callbacks, Type::UUID_ARRAY)]).await?;
    }
    accounts.answer().await?;
    Ok(())
}
