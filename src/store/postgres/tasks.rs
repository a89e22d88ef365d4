//! Whose tasks are whose.

use super::{
    StoreError, holds,
    session::{Parameter, Statements, column},
    uuid::Uuid,
};
use crate::{
    charge::{End, Ended, HoldId},
    profile::WorkState,
    store::ledger::{FIRST_LOOK, HoldState, limit_at, work_state},
    tasks::{NewTask, Recorded, Task},
};
use jiff::Timestamp;
use tokio_postgres::types::Type;

/// Remembers a task, and lets its hold live as long.
pub(super) async fn record(
    statements: &Statements<'_>,
    task: &NewTask,
    now: Timestamp,
) -> Result<Recorded, StoreError> {
    let callback = task.callback.as_ref();
    let sql = match callback {
        None => "SELECT tollgate.record_task($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        Some(_) => {
            "SELECT tollgate.record_task_to_tell($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
        }
    };
    let parameters: &[Parameter<'_>] = &[
        (&&*task.scope, Type::TEXT),
        (&&*task.id, Type::TEXT),
        (&task.principal.account(), Type::TEXT),
        (&task.principal.key_id(), Type::TEXT),
        (&&*task.endpoint, Type::TEXT),
        (&task.hold.as_ref().map(HoldId::as_bytes).copied().map(Uuid), Type::UUID),
        (&task.item.as_deref(), Type::TEXT),
        (&task.amount.micros(), Type::INT8),
        (&now.as_millisecond(), Type::INT8),
        (&limit_at(now, task.retention), Type::INT8),
        (&callback.map(|callback| Uuid(*callback.id.as_bytes())), Type::UUID),
        (&callback.map(|callback| &*callback.url), Type::TEXT),
        (&limit_at(now, FIRST_LOOK), Type::INT8),
    ];
    // Those of a callback are the last.
    let parameters = if callback.is_some() { parameters } else { &parameters[..10] };
    let rows = statements.query(sql, parameters).await?;
    match rows.first().map(|row| column(row, 0)).transpose()? {
        Some("recorded") => Ok(Recorded::Recorded),
        Some("known") => Ok(Recorded::Known),
        Some("taken") => Ok(Recorded::Taken),
        _ => Err(StoreError::corrupt("a task has come to nothing that is known")),
    }
}

/// Looks for a task.
pub(super) async fn find(
    statements: &Statements<'_>,
    scope: &str,
    id: &str,
    now: Timestamp,
) -> Result<Option<Task>, StoreError> {
    let sql = "
        SELECT a.name, t.endpoint, t.state, t.hold IS NOT NULL
        FROM tollgate.tasks t JOIN tollgate.accounts a ON a.id = t.account
        WHERE t.scope = $1 AND t.id = $2 AND t.forget_at > $3";
    let parameters: &[Parameter<'_>] =
        &[(&scope, Type::TEXT), (&id, Type::TEXT), (&now.as_millisecond(), Type::INT8)];
    let rows = statements.query(sql, parameters).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (account, endpoint): (&str, &str) = (column(row, 0)?, column(row, 1)?);
    let state = work_state(column(row, 2)?)?;
    Ok(Some(Task {
        account: account.into(),
        endpoint: endpoint.into(),
        state,
        is_paid: column(row, 3)?,
        provider_id: None,
    }))
}

/// Says how a task has ended, if nobody has said it before, and ends its hold. What has become of that, if it has one.
pub(super) async fn end(
    statements: &Statements<'_>,
    scope: &str,
    id: &str,
    how: WorkState,
    now: Timestamp,
) -> Result<Option<Ended>, StoreError> {
    let ends = match how {
        WorkState::Succeeded => End::Settle,
        WorkState::Failed => End::Release,
        WorkState::Running => return Err(StoreError::corrupt("a task ends without an end")),
    };
    let sql = "SELECT tollgate.end_task($1, $2, $3, $4, $5)";
    let parameters: &[Parameter<'_>] = &[
        (&scope, Type::TEXT),
        (&id, Type::TEXT),
        (&how.as_str(), Type::TEXT),
        (&HoldState::after(ends).as_str(), Type::TEXT),
        (&now.as_millisecond(), Type::INT8),
    ];
    let rows = statements.query(sql, parameters).await?;
    let word: Option<&str> = rows.first().map(|row| column(row, 0)).transpose()?.flatten();
    word.map(|word| match word {
        "unknown" => Ok(Ended::Unknown),
        state => Ok(holds::read_state(state)?.ended()),
    })
    .transpose()
}

/// Forgets tasks whose time is over, at most so many.
pub(super) async fn forget(
    statements: &Statements<'_>,
    now: Timestamp,
    most: u32,
) -> Result<u64, StoreError> {
    let sql = "
        DELETE FROM tollgate.tasks WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM tollgate.tasks WHERE forget_at <= $1 ORDER BY forget_at LIMIT $2 FOR UPDATE SKIP LOCKED))";
    let parameters: &[Parameter<'_>] =
        &[(&now.as_millisecond(), Type::INT8), (&i64::from(most), Type::INT8)];
    statements.execute(sql, parameters).await
}
