//! Whose tasks are whose.

use super::{StoreError, callbacks, holds, next_revision};
use crate::{
    charge::{End, Ended, HoldId},
    profile::WorkState,
    store::ledger::{limit_at, work_state},
    tasks::{NewTask, Recorded, Task},
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, named_params};

/// Remembers a task, and lets its hold live as long.
pub(in crate::store) fn record(
    change: &Transaction<'_>,
    task: &NewTask,
    now: Timestamp,
) -> Result<Recorded, StoreError> {
    let account = account(change, task.principal.account(), now)?;
    let forget_at = limit_at(now, task.retention);
    let hold = task.hold.as_ref().map(HoldId::as_bytes);
    let inserted = change
        .prepare_cached(
            "INSERT INTO tasks (scope, id, account, key, endpoint, hold, item, amount, state, created_at, forget_at)
             VALUES (:scope, :id, :account, :key, :endpoint, :hold, :item, :amount, 'running', :now, :forget_at)
             ON CONFLICT DO NOTHING",
        )?
        .execute(named_params! {
            ":scope": task.scope, ":id": task.id, ":account": account, ":key": task.principal.key_id(),
            ":endpoint": task.endpoint, ":hold": hold, ":item": task.item, ":amount": task.amount.micros(),
            ":now": now.as_millisecond(), ":forget_at": forget_at,
        })?;
    let known = (inserted == 0).then(|| there(change, task, account, hold)).transpose()?;
    if let Some(callback) = &task.callback
        && known != Some(Recorded::Taken)
    {
        callbacks::record(change, callback, task, account, now)?;
    }
    if let Some(known) = known {
        return Ok(known);
    }
    if let Some(hold) = hold {
        change
            .prepare_cached(
                "UPDATE holds SET limit_at = ?2 WHERE id = ?1 AND state IN ('open', 'pending')",
            )?
            .execute((hold, forget_at))?;
    }
    Ok(Recorded::Recorded)
}

/// What a task that is there already is to this one: the same, recorded once more, or another one.
fn there(
    change: &Transaction<'_>,
    task: &NewTask,
    account: i64,
    hold: Option<&[u8; 16]>,
) -> Result<Recorded, StoreError> {
    let (theirs, same_hold) = change
        .prepare_cached(
            "SELECT account = ?3 AND endpoint = ?4, hold IS ?5 FROM tasks WHERE scope = ?1 AND id = ?2",
        )?
        .query_row((&task.scope, &task.id, account, &task.endpoint, hold), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(match (theirs, same_hold) {
        (true, true) => Recorded::Recorded,
        (true, false) => Recorded::Known,
        (false, _) => Recorded::Taken,
    })
}

/// Looks for a task.
pub(in crate::store) fn find(
    connection: &Connection,
    scope: &str,
    id: &str,
    now: Timestamp,
) -> Result<Option<Task>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT a.name, t.endpoint, t.state, t.hold IS NOT NULL FROM tasks t JOIN accounts a ON a.id = t.account
         WHERE t.scope = ?1 AND t.id = ?2 AND t.forget_at > ?3",
    )?;
    let mut rows = statement.query((scope, id, now.as_millisecond()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Task {
        account: row.get(0)?,
        endpoint: row.get(1)?,
        state: work_state(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?,
        is_paid: row.get(3)?,
        provider_id: None,
    }))
}

/// Says how a task has ended, if nobody has said it before, and ends its hold. What has become of that, if it has one.
pub(in crate::store) fn end(
    change: &Transaction<'_>,
    scope: &str,
    id: &str,
    how: WorkState,
    now: Timestamp,
) -> Result<Option<Ended>, StoreError> {
    let found: Option<(Option<[u8; 16]>, bool)> = change
        .prepare_cached("SELECT hold, state = 'running' FROM tasks WHERE scope = ?1 AND id = ?2")?
        .query_row((scope, id), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((hold, is_running)) = found else { return Ok(Some(Ended::Unknown)) };
    let end = match how {
        WorkState::Succeeded => End::Settle,
        WorkState::Failed => End::Release,
        WorkState::Running => End::Pend,
    };
    if is_running && how != WorkState::Running {
        change
            .prepare_cached(
                "UPDATE tasks SET state = ?3, ended_at = ?4 WHERE scope = ?1 AND id = ?2",
            )?
            .execute((scope, id, how.as_str(), now.as_millisecond()))?;
    }
    // What was said first counts: of a hold that has ended it is only asked how.
    let end = if is_running { end } else { End::Pend };
    let hold = hold.map(HoldId::from_bytes);
    hold.map(|hold| holds::end(change, hold, end, now, None)).transpose()
}

/// Forgets tasks whose time is over, at most so many.
pub(in crate::store) fn forget(
    change: &Transaction<'_>,
    now: Timestamp,
    most: u32,
) -> Result<usize, StoreError> {
    let forgotten = change
        .prepare_cached(
            "DELETE FROM tasks WHERE (scope, id) IN
             (SELECT scope, id FROM tasks WHERE forget_at <= ?1 ORDER BY forget_at LIMIT ?2)",
        )?
        .execute((now.as_millisecond(), most))?;
    Ok(forgotten)
}

/// The account of this name, opened if there is none: that of a key in a configuration is in no store.
fn account(change: &Transaction<'_>, name: &str, now: Timestamp) -> Result<i64, StoreError> {
    let found = change
        .prepare_cached("SELECT id FROM accounts WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    let revision = next_revision(change)?;
    let mut insert = change
        .prepare_cached("INSERT INTO accounts (name, created_at, revision) VALUES (?1, ?2, ?3)")?;
    Ok(insert.insert((name, now.as_millisecond(), revision))?)
}
