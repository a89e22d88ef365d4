//! Money that is reserved, and what becomes of it.

use super::{StoreError, instant, rows};
use crate::{
    charge::{Amount, AtLimit, End, Ended, HoldId, NewHold, Reservation, Turn},
    store::ledger::{EntryKind, HoldState, Overdue, Period, TIME_LIMIT, limit_at},
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params};

/// Reserves money, if there is as much.
pub(in crate::store) fn hold(
    change: &Transaction<'_>,
    hold: &NewHold,
    now: Timestamp,
) -> Result<Reservation, StoreError> {
    // Asked for once more, by somebody who has not heard the answer.
    if let Some(there) = find(change, hold.id)? {
        return Ok(if there.state.is_ended() { Reservation::Ended } else { Reservation::Held });
    }
    let account: Option<(i64, i64)> = change
        .prepare_cached("SELECT id, balance FROM accounts WHERE name = ?1")?
        .query_row([hold.principal.account()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let amount = hold.amount.micros();
    let Some((account, _)) = account.filter(|(_, balance)| *balance >= amount) else {
        return Ok(Reservation::InsufficientBalance);
    };
    let key = hold.principal.key_id();
    if !spend(change, account, key, amount, now)? {
        return Ok(Reservation::SpendLimitReached);
    }
    let (now, limit_at) = (now.as_millisecond(), limit_at(now, hold.limit.after));
    change
        .prepare_cached(
            "INSERT INTO holds (id, account, key, amount, item, request, turn, state, created_at, limit_at, at_limit)
             VALUES (:id, :account, :key, :amount, :item, :request, :turn, 'open', :now, :limit_at, :at_limit)",
        )?
        .execute(named_params! {
            ":id": hold.id.as_bytes(), ":account": account, ":key": key, ":amount": amount,
            ":item": hold.item, ":request": hold.request_id, ":turn": hold.turn.as_ref().map(Turn::as_bytes), ":now": now,
            ":limit_at": limit_at,
            ":at_limit": hold.limit.then.as_str(),
        })?;
    post(change, account, EntryKind::Hold, -amount, Some(hold.id), now, None)?;
    Ok(Reservation::Held)
}

/// Ends a hold that has not ended yet.
pub(in crate::store) fn end(
    change: &Transaction<'_>,
    id: HoldId,
    end: End,
    now: Timestamp,
    note: Option<&str>,
) -> Result<Ended, StoreError> {
    let Some(held) = find(change, id)? else { return Ok(Ended::Unknown) };
    if held.state.is_ended() {
        return Ok(held.state.ended());
    }
    let (state, now) = (HoldState::after(end), now.as_millisecond());
    if state == held.state {
        return Ok(state.ended());
    }
    let ended_at = state.is_ended().then_some(now);
    change
        .prepare_cached("UPDATE holds SET state = ?2, ended_at = ?3 WHERE id = ?1")?
        .execute((id.as_bytes(), state.as_str(), ended_at))?;
    match state {
        HoldState::Settled => {
            post(change, held.account, EntryKind::Settle, 0, Some(id), now, note)?;
        }
        HoldState::Released => {
            post(change, held.account, EntryKind::Release, held.amount, Some(id), now, note)?;
            unspend(change, &held)?;
        }
        HoldState::Open | HoldState::Pending => {}
    }
    Ok(state.ended())
}

/// Holds whose time limit has come, at most so many.
pub(in crate::store) fn overdue(
    connection: &Connection,
    now: Timestamp,
    most: u32,
    except: &[HoldId],
) -> Result<Vec<Overdue>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT h.id, a.name, h.amount, h.request, h.at_limit FROM holds h JOIN accounts a ON a.id = h.account
         WHERE h.state IN ('open', 'pending') AND h.limit_at <= ?1 ORDER BY h.limit_at",
    )?;
    let mut rows = statement.query([now.as_millisecond()])?;
    let mut overdue = Vec::new();
    while overdue.len() < most as usize
        && let Some(row) = rows.next()?
    {
        let id = HoldId::from_bytes(row.get(0)?);
        if except.contains(&id) {
            continue;
        }
        let at_limit: String = row.get(4)?;
        overdue.push(Overdue {
            id,
            account: row.get(1)?,
            amount: Amount::from_micros(row.get(2)?),
            request_id: row.get(3)?,
            then: if at_limit == "settle" { AtLimit::Settle } else { AtLimit::Release },
        });
    }
    Ok(overdue)
}

/// Ends those of these holds that nobody has ended, or given more time, since they were looked for.
pub(in crate::store) fn end_overdue(
    change: &Transaction<'_>,
    holds: &[HoldId],
    now: Timestamp,
) -> Result<Vec<HoldId>, StoreError> {
    let mut ended = Vec::with_capacity(holds.len());
    for id in holds {
        let at_limit: Option<String> = change
            .prepare_cached(
                "SELECT at_limit FROM holds WHERE id = ?1 AND state IN ('open', 'pending') AND limit_at <= ?2",
            )?
            .query_row((id.as_bytes(), now.as_millisecond()), |row| row.get(0))
            .optional()?;
        if let Some(at_limit) = at_limit {
            let how = if at_limit == "settle" { End::Settle } else { End::Release };
            end(change, *id, how, now, Some(TIME_LIMIT))?;
            ended.push(*id);
        }
    }
    Ok(ended)
}

/// What has to be known of a hold to end it.
struct Held {
    account: i64,
    key: String,
    amount: i64,
    state: HoldState,
    created_at: Timestamp,
}

fn find(connection: &Connection, id: HoldId) -> Result<Option<Held>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT account, key, amount, state, created_at FROM holds WHERE id = ?1",
    )?;
    let mut rows = statement.query([id.as_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Held {
        account: row.get(0)?,
        key: row.get(1)?,
        amount: row.get(2)?,
        state: state(row, 3)?,
        created_at: instant(row.get(4)?)?,
    }))
}

/// How far the hold is, from this column.
pub(super) fn state(row: &Row<'_>, column: usize) -> Result<HoldState, StoreError> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    text.parse().map_err(|_| StoreError::corrupt("a hold is in no known state"))
}

/// Writes an entry, and what follows for the balance; says which one.
pub(super) fn post(
    change: &Transaction<'_>,
    account: i64,
    kind: EntryKind,
    amount: i64,
    hold: Option<HoldId>,
    now: i64,
    note: Option<&str>,
) -> Result<i64, StoreError> {
    let entry = change
        .prepare_cached(
            "INSERT INTO entries (account, kind, amount, hold, at, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .insert((account, kind.as_str(), amount, hold.map(|hold| *hold.as_bytes()), now, note))?;
    if amount != 0 {
        change
            .prepare_cached("UPDATE accounts SET balance = balance + ?2 WHERE id = ?1")?
            .execute((account, amount))?;
    }
    Ok(entry)
}

/// Counts the amount against every limit on what the account and the key may spend, unless one would be passed.
fn spend(
    change: &Transaction<'_>,
    account: i64,
    key: &str,
    amount: i64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let limits = limits_of(change, account, key)?;
    let mut sums = Vec::with_capacity(limits.len());
    for limit in &limits {
        let spent = limit.spent_by(change, account, now)?.saturating_add(amount);
        if spent > limit.amount {
            return Ok(false);
        }
        sums.push(spent);
    }
    for (limit, spent) in limits.iter().zip(sums) {
        limit.write(change, account, limit.period.start(now), spent)?;
    }
    Ok(true)
}

/// What was held or settled in the period that this moment is in; with an empty key, by all of them.
pub(super) fn spent_in(
    connection: &Connection,
    account: i64,
    key: &str,
    period: Period,
    moment: Timestamp,
) -> Result<i64, StoreError> {
    let end = period.end(moment).map_or(i64::MAX, Timestamp::as_millisecond);
    let spent = connection
        .prepare_cached(
            "SELECT coalesce(sum(amount), 0) FROM holds
             WHERE account = ?1 AND created_at >= ?2 AND created_at < ?3 AND state <> 'released' AND ?4 IN ('', key)",
        )?
        .query_row((account, period.start(moment), end, key), |row| row.get(0))?;
    Ok(spent)
}

/// Takes a hold out of the limits again, as far as its periods are still counted.
fn unspend(change: &Transaction<'_>, held: &Held) -> Result<(), StoreError> {
    for limit in limits_of(change, held.account, &held.key)? {
        if limit.start == limit.period.start(held.created_at) {
            let spent = limit.spent.saturating_sub(held.amount).max(limit.carried);
            limit.write(change, held.account, limit.start, spent)?;
        }
    }
    Ok(())
}

pub(super) struct SpendLimit {
    pub(super) key: String,
    pub(super) period: Period,
    pub(super) amount: i64,
    start: i64,
    spent: i64,
    carried: i64,
}

impl SpendLimit {
    /// From the columns key, period, amount, start, spent and carried.
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let period: String = row.get(1)?;
        Ok(Self {
            key: row.get(0)?,
            period: period
                .parse()
                .map_err(|_| StoreError::corrupt("a limit has no known period"))?,
            amount: row.get(2)?,
            start: row.get(3)?,
            spent: row.get(4)?,
            carried: row.get(5)?,
        })
    }

    /// What is spent in the period that this moment is in. Where that is another one than was counted last, the holds know: there
    /// may be some already, as clocks are set back and processes wait for each other.
    pub(super) fn spent_by(
        &self,
        connection: &Connection,
        account: i64,
        moment: Timestamp,
    ) -> Result<i64, StoreError> {
        if self.start == self.period.start(moment) {
            return Ok(self.spent);
        }
        spent_in(connection, account, &self.key, self.period, moment)
    }

    fn write(
        &self,
        change: &Transaction<'_>,
        account: i64,
        start: i64,
        spent: i64,
    ) -> Result<(), StoreError> {
        // What another key has spent in another period is of no matter.
        let carried = if start == self.start { self.carried } else { 0 };
        change
            .prepare_cached(
                "UPDATE spend_limits SET start = ?4, spent = ?5, carried = ?6 WHERE account = ?1 AND key = ?2 AND period = ?3",
            )?
            .execute((account, &self.key, self.period.as_str(), start, spent, carried))?;
        Ok(())
    }
}

fn limits_of(
    connection: &Connection,
    account: i64,
    key: &str,
) -> Result<Vec<SpendLimit>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT key, period, amount, start, spent, carried FROM spend_limits WHERE account = ?1 AND key IN ('', ?2)",
    )?;
    rows(statement.query((account, key))?, SpendLimit::read)
}
