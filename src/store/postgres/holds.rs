//! Money that is reserved, and what becomes of it. What it means is in `functions_2.sql`.

use super::{
    StoreError,
    session::{Parameter, Statements, column},
    uuid::Uuid,
};
use crate::{
    charge::{Amount, AtLimit, End, Ended, HoldId, NewHold, Reservation, Turn},
    store::ledger::{HoldState, Overdue, TIME_LIMIT, limit_at},
};
use jiff::Timestamp;
use tokio_postgres::{Row, types::Type};

/// Reserves money, if there is as much.
pub(super) async fn hold(
    statements: &Statements<'_>,
    hold: &NewHold,
    now: Timestamp,
) -> Result<Reservation, StoreError> {
    let sql = "SELECT tollgate.hold($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let parameters: &[Parameter<'_>] = &[
        (&Uuid(*hold.id.as_bytes()), Type::UUID),
        (&hold.principal.account(), Type::TEXT),
        (&hold.principal.key_id(), Type::TEXT),
        (&hold.amount.micros(), Type::INT8),
        (&hold.item.as_deref(), Type::TEXT),
        (&hold.request_id.as_deref(), Type::TEXT),
        (&hold.turn.as_ref().map(Turn::as_bytes).copied().map(Uuid), Type::UUID),
        (&now.as_millisecond(), Type::INT8),
        (&limit_at(now, hold.limit.after), Type::INT8),
        (&hold.limit.then.as_str(), Type::TEXT),
    ];
    let rows = statements.query(sql, parameters).await?;
    match rows.first().map(|row| column(row, 0)).transpose()? {
        Some("held") => Ok(Reservation::Held),
        Some("ended") => Ok(Reservation::Ended),
        Some("insufficient") => Ok(Reservation::InsufficientBalance),
        Some("limited") => Ok(Reservation::SpendLimitReached),
        _ => Err(StoreError::corrupt("a hold has come to nothing that is known")),
    }
}

/// Ends a hold that has not ended yet.
pub(super) async fn end(
    statements: &Statements<'_>,
    id: HoldId,
    end: End,
    now: Timestamp,
    note: Option<&str>,
) -> Result<Ended, StoreError> {
    let sql = "SELECT tollgate.end_hold($1, $2, $3, $4, false)";
    let parameters: &[Parameter<'_>] = &[
        (&Uuid(*id.as_bytes()), Type::UUID),
        (&HoldState::after(end).as_str(), Type::TEXT),
        (&now.as_millisecond(), Type::INT8),
        (&note, Type::TEXT),
    ];
    let rows = statements.query(sql, parameters).await?;
    let state = rows.first().map(|row| state_if_any(row, 0)).transpose()?.flatten();
    Ok(state.map_or(Ended::Unknown, HoldState::ended))
}

/// Holds whose time limit has come, at most so many.
pub(super) async fn overdue(
    statements: &Statements<'_>,
    now: Timestamp,
    most: u32,
    except: &[HoldId],
) -> Result<Vec<Overdue>, StoreError> {
    let sql = "
        SELECT h.id, a.name, h.amount, h.request, h.at_limit
        FROM tollgate.holds h JOIN tollgate.accounts a ON a.id = h.account
        WHERE h.state IN ('open', 'pending') AND h.limit_at <= $1 AND h.id <> ALL ($3)
        ORDER BY h.limit_at LIMIT $2";
    let except: Vec<_> = except.iter().map(|id| Uuid(*id.as_bytes())).collect();
    let parameters: &[Parameter<'_>] = &[
        (&now.as_millisecond(), Type::INT8),
        (&i64::from(most), Type::INT8),
        (&except, Type::UUID_ARRAY),
    ];
    let rows = statements.query(sql, parameters).await?;
    rows.iter()
        .map(|row| {
            let at_limit: &str = column(row, 4)?;
            Ok(Overdue {
                id: id(row, 0)?,
                account: column(row, 1)?,
                amount: Amount::from_micros(column(row, 2)?),
                request_id: column(row, 3)?,
                then: if at_limit == "settle" { AtLimit::Settle } else { AtLimit::Release },
            })
        })
        .collect()
}

/// Ends those of these holds that nobody else has ended, or is about to: other gateways look for them too.
pub(super) async fn end_overdue(
    statements: &Statements<'_>,
    holds: &[Uuid],
    now: Timestamp,
) -> Result<Vec<HoldId>, StoreError> {
    let sql = "
        SELECT id, tollgate.end_hold(id, CASE at_limit WHEN 'settle' THEN 'settled' ELSE 'released' END, $2, $3, true)
        FROM (
            SELECT id, at_limit FROM tollgate.holds
            WHERE id = ANY ($1) AND state IN ('open', 'pending') AND limit_at <= $2
            ORDER BY id FOR UPDATE SKIP LOCKED
        ) overdue";
    let parameters: &[Parameter<'_>] = &[
        (&holds, Type::UUID_ARRAY),
        (&now.as_millisecond(), Type::INT8),
        (&TIME_LIMIT, Type::TEXT),
    ];
    statements.query(sql, parameters).await?.iter().map(|row| id(row, 0)).collect()
}

/// The hold that a column names.
pub(super) fn id(row: &Row, index: usize) -> Result<HoldId, StoreError> {
    Ok(HoldId::from_bytes(column::<Uuid>(row, index)?.0))
}

/// How far the hold is, from this column.
pub(super) fn state(row: &Row, index: usize) -> Result<HoldState, StoreError> {
    read_state(column(row, index)?)
}

fn state_if_any(row: &Row, index: usize) -> Result<Option<HoldState>, StoreError> {
    column::<Option<&str>>(row, index)?.map(read_state).transpose()
}

pub(super) fn read_state(text: &str) -> Result<HoldState, StoreError> {
    text.parse().map_err(|_| StoreError::corrupt("a hold is in no known state"))
}
