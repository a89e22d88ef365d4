//! Callers who want to be told when a task is over.

use super::{Store, StoreError, rows, time, time_if_any};
use crate::{
    store::ledger::{
        CallbackFilter, CallbackState, CallbackStep, Claim, DueCallback, FIRST_LOOK, Hinted,
        MOST_ACCOUNTS, Message, StoredCallback, limit_at, over_for_long,
    },
    tasks::{Callback, CallbackId, NewTask},
};
use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, named_params};

/// Remembers whom to tell of a task.
pub(in crate::store) fn record(
    change: &Transaction<'_>,
    callback: &Callback,
    task: &NewTask,
    account: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    change
        .prepare_cached(
            "INSERT INTO callbacks (id, scope, task, account, key, url, state, since, due_at, created_at)
             VALUES (:id, :scope, :task, :account, :key, :url, 'waiting', :now, :first_look, :now)
             ON CONFLICT DO NOTHING",
        )?
        .execute(named_params! {
            ":id": callback.id.as_bytes(), ":scope": task.scope, ":task": task.id, ":account": account,
            ":key": task.principal.key_id(), ":url": callback.url, ":now": now.as_millisecond(),
            ":first_look": limit_at(now, FIRST_LOOK),
        })?;
    Ok(())
}

/// Has a callback looked at now, because the provider says that there is something to see, and keeps what it has said, if that is given.
pub(in crate::store) fn hint(
    change: &Transaction<'_>,
    id: CallbackId,
    said: Option<&Message>,
    now: Timestamp,
) -> Result<Hinted, StoreError> {
    let waiting = change
        .prepare_cached(
            "UPDATE callbacks SET hinted = 1, due_at = min(due_at, :now), content_type = coalesce(:content_type, content_type),
                 body = coalesce(:body, body) WHERE id = :id AND state = 'waiting'",
        )?
        .execute(named_params! {
            ":id": id.as_bytes(), ":now": now.as_millisecond(), ":body": said.map(|message| &message.body),
            ":content_type": said.map(|message| &message.content_type),
        })?;
    let known = waiting > 0
        || change
            .prepare_cached("SELECT 1 FROM callbacks WHERE id = ?1")?
            .exists([id.as_bytes()])?;
    Ok(if known { Hinted::Known } else { Hinted::Unknown })
}

const DUE: &str = "state = :state AND due_at <= :now AND leased_until <= :now";

/// Whether there is anything to do.
pub(in crate::store) fn any_is_due(
    connection: &Connection,
    claim: &Claim,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut statement = connection
        .prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM callbacks WHERE {DUE})"))?;
    let parameters = named_params! {
        ":state": claim.state.as_str(), ":now": now.as_millisecond(),
    };
    Ok(statement.query_row(parameters, |row| row.get(0))?)
}

/// Takes callbacks on: account by account, so that one that has very many keeps nobody else waiting.
pub(in crate::store) fn claim(
    change: &Transaction<'_>,
    claim: &Claim,
    now: Timestamp,
) -> Result<Vec<DueCallback>, StoreError> {
    let accounts = accounts(change, claim)?;
    let sql = format!(
        "UPDATE callbacks SET leased_until = :leased_until, hinted = 0
         WHERE id IN (
             SELECT id FROM callbacks WHERE account = :account AND {DUE}
             AND (scope IN (SELECT value FROM json_each(:scopes)) OR since <= :stale) ORDER BY due_at LIMIT :most)
         RETURNING id, (SELECT name FROM accounts a WHERE a.id = account), key, scope, task, url, state, attempts, since,
             content_type, body"
    );
    let scopes = serde_json::to_string(&*claim.scopes).unwrap_or_default();
    let mut statement = change.prepare_cached(&sql)?;
    let mut claimed = Vec::new();
    for (account, name) in accounts {
        let left = claim.most.saturating_sub(u32::try_from(claimed.len()).unwrap_or(u32::MAX));
        let found = statement.query(named_params! {
            ":state": claim.state.as_str(), ":now": now.as_millisecond(), ":account": account,
            ":leased_until": limit_at(now, claim.lease), ":scopes": scopes, ":stale": claim.stale_since(now),
            ":most": left.min(claim.room(&name)),
        })?;
        claimed.extend(rows(found, due)?);
    }
    Ok(claimed)
}

/// Accounts that have callbacks in this state, from another one on each time.
fn accounts(change: &Transaction<'_>, claim: &Claim) -> Result<Vec<(i64, String)>, StoreError> {
    let first: Option<i64> = change
        .prepare_cached("SELECT max(account) FROM callbacks WHERE state = ?1")?
        .query_row([claim.state.as_str()], |row| row.get(0))?;
    let from = first.map_or(0, |last| fastrand::i64(0..=last.max(0)));
    // One look into the index for each account.
    let sql = "
        WITH RECURSIVE next (id) AS (
            SELECT min(account) FROM callbacks WHERE state = :state AND account >= :from
            UNION ALL
            SELECT (SELECT min(account) FROM callbacks WHERE state = :state AND account > next.id) FROM next WHERE next.id IS NOT NULL
            LIMIT :most)
        SELECT a.id, a.name FROM next JOIN accounts a ON a.id = next.id";
    let mut statement = change.prepare_cached(sql)?;
    let mut all = Vec::new();
    for from in [from, 0] {
        let found = statement.query(named_params! {
            ":state": claim.state.as_str(), ":from": from, ":most": MOST_ACCOUNTS,
        })?;
        for account in rows(found, |row| Ok((row.get(0)?, row.get(1)?)))? {
            if !all.contains(&account) {
                all.push(account);
            }
        }
    }
    Ok(all)
}

fn due(row: &Row<'_>) -> Result<DueCallback, StoreError> {
    let (content_type, body): (Option<String>, Option<Vec<u8>>) = (row.get(9)?, row.get(10)?);
    Ok(DueCallback {
        id: CallbackId::from_bytes(row.get(0)?),
        account: row.get(1)?,
        key: row.get(2)?,
        scope: row.get(3)?,
        task: row.get(4)?,
        url: row.get(5)?,
        state: state(row, 6)?,
        attempts: row.get(7)?,
        since: time(row, 8)?,
        message: body.map(|body| Message { content_type: content_type.unwrap_or_default(), body }),
    })
}

/// Notes what has become of a callback that was taken on.
pub(in crate::store) fn step(
    change: &Transaction<'_>,
    step: &CallbackStep,
    now: Timestamp,
) -> Result<(), StoreError> {
    let ((before, tried), (state, attempts)) = (step.from, step.after());
    change
        .prepare_cached(
            "UPDATE callbacks SET leased_until = 0, hinted = 0, error = :error, state = :state, attempts = :attempts,
                 content_type = CASE WHEN :keeps THEN content_type ELSE :content_type END,
                 body = CASE WHEN :keeps THEN body ELSE :body END,
                 since = CASE state WHEN :state THEN since ELSE :now END,
                 due_at = CASE WHEN hinted THEN :now ELSE :due_at END,
                 ended_at = CASE WHEN :over THEN :now END
             WHERE id = :id AND state = :before AND attempts = :tried",
        )?
        .execute(named_params! {
            ":id": step.id.as_bytes(), ":before": before.as_str(), ":tried": tried, ":state": state.as_str(),
            ":attempts": attempts, ":error": step.error, ":over": state.is_over(), ":keeps": step.keeps_message(), ":now": now.as_millisecond(),
            ":due_at": limit_at(now, step.pause()), ":body": step.message().map(|message| &message.body),
            ":content_type": step.message().map(|message| &message.content_type),
        })?;
    Ok(())
}

/// Forgets callbacks that have been over for long, at most so many.
pub(in crate::store) fn forget(
    change: &Transaction<'_>,
    now: Timestamp,
    most: u32,
) -> Result<usize, StoreError> {
    let forgotten = change
        .prepare_cached(
            "DELETE FROM callbacks WHERE id IN
             (SELECT id FROM callbacks WHERE ended_at <= ?1 ORDER BY ended_at LIMIT ?2)",
        )?
        .execute((over_for_long(now), most))?;
    Ok(forgotten)
}

impl Store {
    /// At most so many callbacks, in the order of their creation, from behind this one on.
    pub(in crate::store) fn callbacks(
        &self,
        filter: &CallbackFilter,
        after: Option<&StoredCallback>,
        limit: u32,
    ) -> Result<Vec<StoredCallback>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT c.id, a.name, c.scope, c.task, c.url, c.state, c.attempts, c.created_at, c.due_at, c.ended_at, c.error
             FROM callbacks c JOIN accounts a ON a.id = c.account
             WHERE (:account IS NULL OR a.name = :account) AND (:id IS NULL OR (c.created_at, c.id) > (:at, :id))
             AND c.state IN (SELECT value FROM json_each(:states)) ORDER BY c.created_at, c.id LIMIT :limit",
        )?;
        let states = serde_json::to_string(&filter.states.words()).unwrap_or_default();
        let found = statement.query(named_params! {
            ":account": filter.account, ":id": after.map(|last| last.id.as_bytes()),
            ":at": after.map(|last| last.created_at.as_millisecond()), ":states": states,
            ":limit": limit,
        })?;
        rows(found, |row| {
            Ok(StoredCallback {
                id: CallbackId::from_bytes(row.get(0)?),
                account: row.get(1)?,
                scope: row.get(2)?,
                task: row.get(3)?,
                url: row.get(4)?,
                state: state(row, 5)?,
                attempts: row.get(6)?,
                created_at: time(row, 7)?,
                due_at: time(row, 8)?,
                ended_at: time_if_any(row, 9)?,
                error: row.get(10)?,
            })
        })
    }

    /// Has a callback tried again that was given up, or that is not due yet, and says whether there is one that is not delivered.
    pub(in crate::store) fn retry_callback(
        &mut self,
        id: CallbackId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self.connection.execute(
            "UPDATE callbacks SET due_at = ?2, hinted = 1, ended_at = NULL,
                 since = CASE state WHEN 'given-up' THEN ?2 ELSE since END,
                 attempts = CASE state WHEN 'given-up' THEN 0 ELSE attempts END,
                 state = CASE WHEN state <> 'given-up' THEN state WHEN body IS NULL THEN 'waiting' ELSE 'ready' END
             WHERE id = ?1 AND state <> 'delivered'",
            (id.as_bytes(), now.as_millisecond()),
        )?;
        Ok(changed > 0)
    }
}

fn state(row: &Row<'_>, column: usize) -> Result<CallbackState, StoreError> {
    CallbackState::read(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}
