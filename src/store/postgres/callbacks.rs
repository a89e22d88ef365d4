//! Callers who want to be told when a task is over.

use super::{
    Store, StoreError,
    session::{Done, Parameter, Statements, column},
    time, time_if_any,
    uuid::Uuid,
};
use crate::{
    store::ledger::{
        CallbackFilter, CallbackState, CallbackStep, Claim, DueCallback, Hinted, MOST_ACCOUNTS,
        Message, StoredCallback, limit_at, over_for_long,
    },
    tasks::CallbackId,
};
use jiff::Timestamp;
use tokio_postgres::{Row, types::Type};

/// Has a callback looked at now, because the provider says that there is something to see, and keeps what it has said, if that is given.
pub(super) async fn hint(
    statements: &Statements<'_>,
    id: CallbackId,
    said: Option<&Message>,
    now: Timestamp,
) -> Result<Hinted, StoreError> {
    let sql = "
        WITH waiting AS (
            UPDATE tollgate.callbacks SET hinted = true, due_at = least(due_at, $2),
                content_type = coalesce($3, content_type), body = coalesce($4, body)
            WHERE id = $1 AND state = 'waiting')
        SELECT FROM tollgate.callbacks WHERE id = $1";
    let parameters: &[Parameter<'_>] = &[
        (&Uuid(*id.as_bytes()), Type::UUID),
        (&now.as_millisecond(), Type::INT8),
        (&said.map(|message| &*message.content_type), Type::TEXT),
        (&said.map(|message| &*message.body), Type::BYTEA),
    ];
    let known = !statements.query(sql, parameters).await?.is_empty();
    Ok(if known { Hinted::Known } else { Hinted::Unknown })
}

/// Takes callbacks on, account by account, so that one that has very many keeps nobody else waiting; not those that another gateway is
/// about to.
pub(super) async fn claim(
    statements: &Statements<'_>,
    claim: &Claim,
    now: Timestamp,
) -> Result<Vec<DueCallback>, StoreError> {
    // One look into the index for each account, from another one on each time.
    let sql = "
        WITH RECURSIVE first (id) AS (
            SELECT (random() * coalesce(max(account), 0))::bigint FROM tollgate.callbacks WHERE state = $1
        ), next (id, turn) AS (
            SELECT (SELECT min(account) FROM tollgate.callbacks, first WHERE state = $1 AND account >= first.id), 1
            UNION ALL
            SELECT (SELECT min(account) FROM tollgate.callbacks WHERE state = $1 AND account > next.id), turn + 1
            FROM next WHERE next.id IS NOT NULL AND turn < $2
        ), again (id, turn) AS (
            SELECT (SELECT min(account) FROM tollgate.callbacks WHERE state = $1), 1
            UNION ALL
            SELECT (SELECT min(account) FROM tollgate.callbacks WHERE state = $1 AND account > again.id), turn + 1
            FROM again, first WHERE again.id < first.id AND turn < $2
        ), picked AS (
            SELECT d.id FROM (SELECT id FROM next WHERE id IS NOT NULL UNION SELECT id FROM again WHERE id IS NOT NULL) n
            JOIN tollgate.accounts a ON a.id = n.id
            CROSS JOIN LATERAL (
                SELECT c.id FROM tollgate.callbacks c
                WHERE c.state = $1 AND c.account = a.id AND c.due_at <= $3 AND c.leased_until <= $3
                AND (c.scope = ANY ($4) OR c.since <= $5)
                ORDER BY c.due_at
                LIMIT greatest($6 - coalesce((SELECT w.count FROM unnest($7, $8) AS w (name, count) WHERE w.name = a.name), 0), 0)
                FOR UPDATE SKIP LOCKED
            ) d LIMIT $9
        )
        UPDATE tollgate.callbacks c SET leased_until = $10, hinted = false FROM tollgate.accounts a
        WHERE a.id = c.account AND c.id IN (SELECT id FROM picked)
        RETURNING c.id, a.name, c.key, c.scope, c.task, c.url, c.state, c.attempts, c.since, c.content_type, c.body";
    let (names, counts): (Vec<&str>, Vec<i64>) =
        claim.at_work.iter().map(|(name, count)| (&**name, i64::from(*count))).unzip();
    let parameters: &[Parameter<'_>] = &[
        (&claim.state.as_str(), Type::TEXT),
        (&i64::from(MOST_ACCOUNTS), Type::INT8),
        (&now.as_millisecond(), Type::INT8),
        (&&*claim.scopes, Type::TEXT_ARRAY),
        (&claim.stale_since(now), Type::INT8),
        (&i64::from(claim.most_of_account), Type::INT8),
        (&names, Type::TEXT_ARRAY),
        (&counts, Type::INT8_ARRAY),
        (&i64::from(claim.most), Type::INT8),
        (&limit_at(now, claim.lease), Type::INT8),
    ];
    statements.query(sql, parameters).await?.iter().map(due).collect()
}

fn due(row: &Row) -> Result<DueCallback, StoreError> {
    let (content_type, body): (Option<String>, Option<Vec<u8>>) =
        (column(row, 9)?, column(row, 10)?);
    Ok(DueCallback {
        id: id(row, 0)?,
        account: column(row, 1)?,
        key: column(row, 2)?,
        scope: column(row, 3)?,
        task: column(row, 4)?,
        url: column(row, 5)?,
        state: CallbackState::read(column(row, 6)?)?,
        attempts: attempts(row, 7)?,
        since: time(row, 8)?,
        message: body.map(|body| Message { content_type: content_type.unwrap_or_default(), body }),
    })
}

/// Notes what has become of a callback that was taken on.
pub(super) async fn step(
    statements: &Statements<'_>,
    step: &CallbackStep,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "
        UPDATE tollgate.callbacks SET leased_until = 0, hinted = false, error = $6, state = $4, attempts = $5,
            content_type = CASE WHEN $12 THEN content_type ELSE $9 END, body = CASE WHEN $12 THEN body ELSE $10 END,
            since = CASE state WHEN $4 THEN since ELSE $8 END,
            due_at = CASE WHEN hinted THEN $8 ELSE $11 END,
            ended_at = CASE WHEN $7 THEN $8 END
        WHERE id = $1 AND state = $2 AND attempts = $3";
    let ((before, tried), (state, attempts)) = (step.from, step.after());
    let parameters: &[Parameter<'_>] = &[
        (&Uuid(*step.id.as_bytes()), Type::UUID),
        (&before.as_str(), Type::TEXT),
        (&integer(tried), Type::INT4),
        (&state.as_str(), Type::TEXT),
        (&integer(attempts), Type::INT4),
        (&step.error.as_deref(), Type::TEXT),
        (&state.is_over(), Type::BOOL),
        (&now.as_millisecond(), Type::INT8),
        (&step.message().map(|message| &*message.content_type), Type::TEXT),
        (&step.message().map(|message| &*message.body), Type::BYTEA),
        (&limit_at(now, step.pause()), Type::INT8),
        (&step.keeps_message(), Type::BOOL),
    ];
    statements.execute(sql, parameters).await?;
    Ok(())
}

/// Forgets callbacks that have been over for long, at most so many.
pub(super) async fn forget(
    statements: &Statements<'_>,
    now: Timestamp,
    most: u32,
) -> Result<u64, StoreError> {
    let sql = "
        DELETE FROM tollgate.callbacks WHERE id = ANY (ARRAY(
            SELECT id FROM tollgate.callbacks WHERE ended_at <= $1 ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED))";
    let parameters: &[Parameter<'_>] =
        &[(&over_for_long(now), Type::INT8), (&i64::from(most), Type::INT8)];
    statements.execute(sql, parameters).await
}

impl Store {
    /// At most so many callbacks, in the order of their creation, from behind this one on.
    pub(in crate::store) fn callbacks(
        &self,
        filter: &CallbackFilter,
        after: Option<&StoredCallback>,
        limit: u32,
    ) -> Result<Vec<StoredCallback>, StoreError> {
        let sql = "
            SELECT c.id, a.name, c.scope, c.task, c.url, c.state, c.attempts, c.created_at, c.due_at, c.ended_at, c.error
            FROM tollgate.callbacks c JOIN tollgate.accounts a ON a.id = c.account
            WHERE ($1 IS NULL OR a.name = $1) AND ($2 IS NULL OR (c.created_at, c.id) > ($5, $2)) AND c.state = ANY ($3)
            ORDER BY c.created_at, c.id LIMIT $4";
        let id = after.map(|last| Uuid(*last.id.as_bytes()));
        let at = after.map(|last| last.created_at.as_millisecond());
        self.session.view(async |statements| {
            let parameters: &[Parameter<'_>] = &[
                (&filter.account, Type::TEXT),
                (&id, Type::UUID),
                (&filter.states.words(), Type::TEXT_ARRAY),
                (&i64::from(limit), Type::INT8),
                (&at, Type::INT8),
            ];
            statements.query(sql, parameters).await?.iter().map(stored).collect()
        })
    }

    /// Has a callback tried again that was given up, or that is not due yet, and says whether there is one that is not delivered.
    pub(in crate::store) fn retry_callback(
        &mut self,
        id: CallbackId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "
            UPDATE tollgate.callbacks SET due_at = $2, hinted = true, ended_at = NULL,
                since = CASE state WHEN 'given-up' THEN $2 ELSE since END,
                attempts = CASE state WHEN 'given-up' THEN 0 ELSE attempts END,
                state = CASE WHEN state <> 'given-up' THEN state WHEN body IS NULL THEN 'waiting' ELSE 'ready' END
            WHERE id = $1 AND state <> 'delivered'";
        self.session.change(async |statements, _| {
            let parameters: &[Parameter<'_>] =
                &[(&Uuid(*id.as_bytes()), Type::UUID), (&now.as_millisecond(), Type::INT8)];
            Ok(Done::Kept(statements.execute(sql, parameters).await? > 0))
        })
    }
}

fn stored(row: &Row) -> Result<StoredCallback, StoreError> {
    Ok(StoredCallback {
        id: id(row, 0)?,
        account: column(row, 1)?,
        scope: column(row, 2)?,
        task: column(row, 3)?,
        url: column(row, 4)?,
        state: CallbackState::read(column(row, 5)?)?,
        attempts: attempts(row, 6)?,
        created_at: time(row, 7)?,
        due_at: time(row, 8)?,
        ended_at: time_if_any(row, 9)?,
        error: column(row, 10)?,
    })
}

fn id(row: &Row, index: usize) -> Result<CallbackId, StoreError> {
    Ok(CallbackId::from_bytes(column::<Uuid>(row, index)?.0))
}

fn attempts(row: &Row, index: usize) -> Result<u32, StoreError> {
    let attempts: i32 = column(row, index)?;
    u32::try_from(attempts).map_err(|_| StoreError::corrupt("a number of attempts is negative"))
}

fn integer(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
