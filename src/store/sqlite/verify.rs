//! Whether everything in the ledger fits together.

use super::{Store, holds, instant, rows};
use crate::{
    charge::{Amount, HoldId},
    store::{
        StoreError,
        ledger::{Discrepancy, Period, Sum, Verification},
    },
};
use jiff::Timestamp;
use rusqlite::{Connection, Row};
use std::collections::HashMap;

impl Store {
    /// Looks at everything as of one moment.
    ///
    /// What is only read for its sum is added up by SQLite, in halves that cannot overflow: see [`Sum::from_halves`].
    pub(crate) fn verify(&mut self) -> Result<Verification, StoreError> {
        let view = self.connection.transaction()?;
        let mut found = Verification::default();
        balances(&view, &mut found)?;
        entries(&view, &mut found)?;
        holds_and_ends(&view, &mut found)?;
        limits(&view, &mut found)?;
        Ok(found)
    }
}

/// Each balance is the sum of its account's entries, and not below zero.
fn balances(view: &Connection, found: &mut Verification) -> Result<(), StoreError> {
    let mut statement = view.prepare(
        "SELECT a.name, a.balance, coalesce(e.high, 0), coalesce(e.low, 0)
         FROM accounts a
         LEFT JOIN (
             SELECT account, sum(amount >> 32) AS high, sum(amount & 4294967295) AS low FROM entries GROUP BY account
         ) e ON e.account = a.id",
    )?;
    let mut accounts = statement.query([])?;
    while let Some(row) = accounts.next()? {
        let balance = Amount::from_micros(row.get(1)?);
        let entries = sum(row, 2)?;
        found.totals.accounts += 1;
        found.totals.available += balance.into();
        if Sum::from(balance) != entries {
            found.add(Discrepancy::Balance { account: row.get(0)?, balance, entries });
        }
        if balance < Amount::ZERO {
            found.add(Discrepancy::BelowZero { account: row.get(0)?, balance });
        }
    }
    Ok(())
}

/// Each entry is of an account and, where its kind has one, of a hold that is there.
fn entries(view: &Connection, found: &mut Verification) -> Result<(), StoreError> {
    let mut statement = view.prepare(
        "SELECT kind, count(*), sum(amount >> 32), sum(amount & 4294967295) FROM entries GROUP BY kind",
    )?;
    let mut kinds = statement.query([])?;
    while let Some(row) = kinds.next()? {
        found.totals.entries += count(row, 1)?;
        match row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)? {
            "credit" => found.totals.credited = sum(row, 2)?,
            "debit" => found.totals.debited = -sum(row, 2)?,
            _ => {}
        }
    }
    let mut statement = view.prepare(
        "SELECT e.id, e.hold, a.id IS NULL, e.hold IS NOT NULL AND h.id IS NULL, NOT (
             (e.hold IS NULL) = (e.kind IN ('credit', 'debit'))
             AND CASE e.kind WHEN 'settle' THEN e.amount = 0 WHEN 'credit' THEN e.amount > 0
                     WHEN 'release' THEN e.amount > 0 WHEN 'debit' THEN e.amount < 0
                     WHEN 'hold' THEN e.amount < 0 ELSE false END
         ) AS impossible
         FROM entries e LEFT JOIN accounts a ON a.id = e.account LEFT JOIN holds h ON h.id = e.hold
         WHERE a.id IS NULL OR (e.hold IS NOT NULL AND h.id IS NULL) OR impossible",
    )?;
    let mut wrong = statement.query([])?;
    while let Some(row) = wrong.next()? {
        let entry = row.get(0)?;
        if row.get(2)? {
            found.add(Discrepancy::EntryOfNoAccount { entry });
        }
        if row.get(3)? {
            found.add(Discrepancy::EntryOfNoHold { entry, hold: HoldId::from_bytes(row.get(1)?) });
        }
        if row.get(4)? {
            found.add(Discrepancy::ImpossibleEntry { entry });
        }
    }
    Ok(())
}

/// Each hold has one entry that begins it and, if it has ended, one that ends it.
fn holds_and_ends(view: &Connection, found: &mut Verification) -> Result<(), StoreError> {
    let mut statement = view.prepare(
        "SELECT state, count(*), sum(amount >> 32), sum(amount & 4294967295) FROM holds GROUP BY state",
    )?;
    let mut states = statement.query([])?;
    while let Some(row) = states.next()? {
        found.totals.holds += count(row, 1)?;
        match row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)? {
            "open" | "pending" => found.totals.held += sum(row, 2)?,
            "settled" => found.totals.settled = sum(row, 2)?,
            _ => {}
        }
    }
    let mut statement = view.prepare(
        "SELECT h.id, h.state, a.id IS NULL,
                count(*) FILTER (WHERE e.kind = 'hold') AS begins,
                count(*) FILTER (WHERE e.kind = 'hold' AND e.amount = -h.amount AND e.account = h.account) AS so_begins,
                count(*) FILTER (WHERE e.kind <> 'hold') AS ends,
                count(*) FILTER (WHERE e.account = h.account AND CASE h.state
                    WHEN 'settled' THEN e.kind = 'settle' AND e.amount = 0
                    WHEN 'released' THEN e.kind = 'release' AND e.amount = h.amount
                    ELSE false END) AS so_ends
         FROM holds h LEFT JOIN accounts a ON a.id = h.account LEFT JOIN entries e ON e.hold = h.id
         GROUP BY h.id
         HAVING a.id IS NULL OR begins <> 1 OR so_begins <> 1
             OR ends <> (h.state IN ('settled', 'released')) OR so_ends <> ends",
    )?;
    let mut wrong = statement.query([])?;
    while let Some(row) = wrong.next()? {
        let hold = HoldId::from_bytes(row.get(0)?);
        let state = holds::state(row, 1)?;
        if row.get(2)? {
            found.add(Discrepancy::HoldOfNoAccount { hold });
        }
        let [begins, so_begins, ends, so_ends] =
            [count(row, 3)?, count(row, 4)?, count(row, 5)?, count(row, 6)?];
        found.compare_ends(hold, state, (begins, so_begins), (ends, so_ends));
    }
    Ok(())
}

/// What each spend limit has counted is what the holds of its period are, besides what it was begun with.
///
/// The limits of an account that are in the same period are looked at together: however many keys have one, each hold is read at
/// most once for a day, a month and all time.
fn limits(view: &Connection, found: &mut Verification) -> Result<(), StoreError> {
    let mut statement = view.prepare("SELECT DISTINCT account, period, start FROM spend_limits")?;
    let mut counted = statement.query([])?;
    while let Some(row) = counted.next()? {
        let (account, period, start): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let period: Period =
            period.parse().map_err(|_| StoreError::corrupt("a limit has no known period"))?;
        compare(view, account, period, start, found)?;
    }
    Ok(())
}

fn compare(
    view: &Connection,
    account: i64,
    period: Period,
    start: i64,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let end = period.end(instant(start)?).map_or(i64::MAX, Timestamp::as_millisecond);
    let mut statement = view.prepare_cached(
        "SELECT key, sum(amount >> 32), sum(amount & 4294967295) FROM holds
         WHERE account = ?1 AND created_at >= ?2 AND created_at < ?3 AND state <> 'released' GROUP BY key",
    )?;
    let keys = rows(statement.query((account, start, end))?, |row| {
        Ok((row.get::<_, String>(0)?, sum(row, 1)?))
    })?;
    let mut all = Sum::default();
    keys.iter().for_each(|(_, sum)| all += *sum);
    let keys: HashMap<String, Sum> = keys.into_iter().collect();
    let mut statement = view.prepare_cached(
        "SELECT l.key, l.spent, coalesce(a.name, ''), l.carried FROM spend_limits l LEFT JOIN accounts a ON a.id = l.account
         WHERE l.account = ?1 AND l.period = ?2 AND l.start = ?3",
    )?;
    let mut limits = statement.query((account, period.as_str(), start))?;
    while let Some(row) = limits.next()? {
        let key: String = row.get(0)?;
        let spent = Amount::from_micros(row.get(1)?);
        let mut holds =
            if key.is_empty() { all } else { keys.get(&key).copied().unwrap_or_default() };
        holds += Amount::from_micros(row.get(3)?).into();
        if holds != spent.into() {
            let key = Some(key).filter(|key| !key.is_empty());
            found.add(Discrepancy::Spent { account: row.get(2)?, key, period, spent, holds });
        }
    }
    Ok(())
}

/// From the two halves of a sum.
fn sum(row: &Row<'_>, column: usize) -> Result<Sum, StoreError> {
    Ok(Sum::from_halves(row.get(column)?, row.get(column + 1)?))
}

fn count(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}
