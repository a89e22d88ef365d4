//! Requests that came with an `Idempotency-Key`.

use super::StoreError;
use crate::{
    idempotency::{Begun, FirstRequest, Kept, KeyName},
    store::ledger::{fields, kept, limit_at},
};
use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, named_params};

/// Takes the key, if nobody has it; who asks once more in the same turn has it.
pub(in crate::store) fn begin(
    change: &Transaction<'_>,
    request: &FirstRequest,
    now: Timestamp,
) -> Result<Begun, StoreError> {
    let FirstRequest { name, fingerprint, lease, retention } = request;
    if let Some(begun) = find(change, name, fingerprint, now.as_millisecond())? {
        return Ok(begun);
    }
    change
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotency_keys (account, key, turn, fingerprint, state, lease_until, forget_at)
             VALUES (:account, :key, :turn, :fingerprint, 'working', :lease_until, :forget_at)",
        )?
        .execute(named_params! {
            ":account": name.account, ":key": name.key, ":turn": name.turn.as_bytes(), ":fingerprint": fingerprint,
            ":lease_until": limit_at(now, *lease), ":forget_at": limit_at(now, *lease.max(retention)),
        })?;
    Ok(Begun::First)
}

/// What is known of a key that somebody has.
fn find(
    change: &Connection,
    name: &KeyName,
    fingerprint: &[u8; 32],
    now: i64,
) -> Result<Option<Begun>, StoreError> {
    let mut statement = change.prepare_cached(
        "SELECT fingerprint = ?3, state, status, fields, body FROM idempotency_keys k
         WHERE account = ?1 AND key = ?2 AND forget_at > ?4 AND (state <> 'working' OR turn <> ?5 AND (lease_until > ?4 OR EXISTS (
             SELECT 1 FROM holds h WHERE h.turn = k.turn AND h.state <> 'released')))",
    )?;
    let turn = name.turn.as_bytes();
    let mut rows = statement.query((&name.account, &name.key, fingerprint, now, turn))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let state: String = row.get(1)?;
    Ok(Some(match (row.get(0)?, &*state) {
        (false, _) => Begun::Reused,
        (true, "answered") => Begun::Answered(read(row)?),
        (true, _) => Begun::InUse,
    }))
}

fn read(row: &Row<'_>) -> Result<Kept, StoreError> {
    let lines: Vec<u8> = row.get(3)?;
    kept(row.get(2)?, &lines, row.get(4)?)
}

/// Keeps an answer, or that there is none to be given again.
pub(in crate::store) fn keep(
    change: &Transaction<'_>,
    name: &KeyName,
    answer: Option<&Kept>,
) -> Result<(), StoreError> {
    let state = if answer.is_some() { "answered" } else { "spent" };
    change
        .prepare_cached(
            "UPDATE idempotency_keys SET state = :state, status = :status, fields = :fields, body = :body
             WHERE account = :account AND key = :key AND turn = :turn",
        )?
        .execute(named_params! {
            ":account": name.account, ":key": name.key, ":turn": name.turn.as_bytes(), ":state": state,
            ":status": answer.map(|kept| kept.status.as_u16()),
            ":fields": answer.map(|kept| fields::write(&kept.headers)),
            ":body": answer.map(|kept| &*kept.body),
        })?;
    Ok(())
}

/// Gives the key back, unless there is money that was not given back for its request: then it is in use as long as that is so.
pub(in crate::store) fn give_back(
    change: &Transaction<'_>,
    name: &KeyName,
) -> Result<(), StoreError> {
    change
        .prepare_cached(
            "DELETE FROM idempotency_keys WHERE account = ?1 AND key = ?2 AND turn = ?3
             AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.turn = ?3 AND h.state <> 'released')",
        )?
        .execute((&name.account, &name.key, name.turn.as_bytes()))?;
    Ok(())
}

/// Forgets keys whose time is over, at most so many.
pub(in crate::store) fn forget(
    change: &Transaction<'_>,
    now: Timestamp,
    most: u32,
) -> Result<usize, StoreError> {
    let forgotten = change
        .prepare_cached(
            "DELETE FROM idempotency_keys WHERE rowid IN
             (SELECT rowid FROM idempotency_keys WHERE forget_at <= ?1 ORDER BY forget_at LIMIT ?2)",
        )?
        .execute((now.as_millisecond(), most))?;
    Ok(forgotten)
}
