//! Requests that came with an `Idempotency-Key`.

use super::{
    StoreError,
    session::{Parameter, Statements, column},
    uuid::Uuid,
};
use crate::{
    idempotency::{Begun, FirstRequest, Kept, KeyName},
    store::ledger::{fields, kept, limit_at},
};
use jiff::Timestamp;
use tokio_postgres::{Row, types::Type};

/// Takes the key, if nobody has it.
pub(super) async fn begin(
    statements: &Statements<'_>,
    request: &FirstRequest,
    now: Timestamp,
) -> Result<Begun, StoreError> {
    let FirstRequest { name, fingerprint, lease, retention } = request;
    let sql = "SELECT fingerprint = $4, state, status, fields, body FROM tollgate.take_key($1, $2, $3, $4, $5, $6, $7)";
    let parameters: &[Parameter<'_>] = &[
        (&&*name.account, Type::TEXT),
        (&&*name.key, Type::TEXT),
        (&Uuid(*name.turn.as_bytes()), Type::UUID),
        (&fingerprint.as_slice(), Type::BYTEA),
        (&now.as_millisecond(), Type::INT8),
        (&limit_at(now, *lease), Type::INT8),
        (&limit_at(now, *lease.max(retention)), Type::INT8),
    ];
    let rows = statements.query(sql, parameters).await?;
    let Some(row) = rows.first() else { return Ok(Begun::First) };
    Ok(match (column(row, 0)?, column(row, 1)?) {
        (false, _) => Begun::Reused,
        (true, "answered") => Begun::Answered(read(row)?),
        (true, _) => Begun::InUse,
    })
}

fn read(row: &Row) -> Result<Kept, StoreError> {
    let (lines, body): (Option<&[u8]>, Option<&[u8]>) = (column(row, 3)?, column(row, 4)?);
    let body = body.unwrap_or_default().to_vec();
    kept(column::<i16>(row, 2)?.unsigned_abs(), lines.unwrap_or_default(), body)
}

/// Keeps an answer, or that there is none to be given again.
pub(super) async fn keep(
    statements: &Statements<'_>,
    name: &KeyName,
    answer: Option<&Kept>,
) -> Result<(), StoreError> {
    let sql = "
        UPDATE tollgate.idempotency_keys SET state = $4, status = $5, fields = $6, body = $7
        WHERE account = $1 AND key = $2 AND turn = $3";
    let state = if answer.is_some() { "answered" } else { "spent" };
    let status = answer.map(|kept| i16::try_from(kept.status.as_u16()).unwrap_or_default());
    let parameters: &[Parameter<'_>] = &[
        (&&*name.account, Type::TEXT),
        (&&*name.key, Type::TEXT),
        (&Uuid(*name.turn.as_bytes()), Type::UUID),
        (&state, Type::TEXT),
        (&status, Type::INT2),
        (&answer.map(|kept| fields::write(&kept.headers)), Type::BYTEA),
        (&answer.map(|kept| &*kept.body), Type::BYTEA),
    ];
    statements.execute(sql, parameters).await?;
    Ok(())
}

/// Gives the key back, unless there is money that was not given back for its request: then it is in use as long as that is so.
pub(super) async fn give_back(
    statements: &Statements<'_>,
    name: &KeyName,
) -> Result<(), StoreError> {
    let sql = "
        DELETE FROM tollgate.idempotency_keys k WHERE account = $1 AND key = $2 AND turn = $3
        AND NOT EXISTS (SELECT FROM tollgate.holds h WHERE h.turn = k.turn AND h.state <> 'released')";
    let parameters: &[Parameter<'_>] = &[
        (&&*name.account, Type::TEXT),
        (&&*name.key, Type::TEXT),
        (&Uuid(*name.turn.as_bytes()), Type::UUID),
    ];
    statements.execute(sql, parameters).await?;
    Ok(())
}

/// Forgets keys whose time is over, at most so many.
pub(super) async fn forget(
    statements: &Statements<'_>,
    now: Timestamp,
    most: u32,
) -> Result<u64, StoreError> {
    let sql = "
        DELETE FROM tollgate.idempotency_keys WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM tollgate.idempotency_keys WHERE forget_at <= $1 ORDER BY forget_at LIMIT $2
            FOR UPDATE SKIP LOCKED))";
    let parameters: &[Parameter<'_>] =
        &[(&now.as_millisecond(), Type::INT8), (&i64::from(most), Type::INT8)];
    statements.execute(sql, parameters).await
}
