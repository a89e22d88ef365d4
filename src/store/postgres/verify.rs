//! Whether everything in the ledger fits together.

use super::{
    Store, holds,
    session::{Statements, column},
    uuid::Uuid,
};
use crate::{
    charge::{Amount, HoldId},
    store::{
        StoreError,
        ledger::{Discrepancy, Period, Sum, Verification},
    },
};
use tokio_postgres::Row;

impl Store {
    /// Looks at everything as of one moment.
    ///
    /// What is only read for its sum is added up by the server, in halves that cannot overflow: see [`Sum::from_halves`].
    pub(crate) fn verify(&mut self) -> Result<Verification, StoreError> {
        self.session.view(async |view| {
            let mut found = Verification::default();
            balances(view, &mut found).await?;
            entries(view, &mut found).await?;
            holds_and_ends(view, &mut found).await?;
            limits(view, &mut found).await?;
            Ok(found)
        })
    }
}

/// Each balance is the sum of its account's entries, and not below zero.
async fn balances(view: &Statements<'_>, found: &mut Verification) -> Result<(), StoreError> {
    let all = "
        SELECT count(*), coalesce(sum(balance >> 32), 0)::bigint, coalesce(sum(balance & 4294967295), 0)::bigint
        FROM tollgate.accounts";
    for row in &view.add_up(all).await? {
        found.totals.accounts = count(row, 0)?;
        found.totals.available = sum(row, 1)?;
    }
    let wrong = "
        SELECT a.name, a.balance, coalesce(e.high, 0), coalesce(e.low, 0), coalesce(e.amount, 0) <> a.balance
        FROM tollgate.accounts a
        LEFT JOIN (
            SELECT account, sum(amount >> 32)::bigint AS high, sum(amount & 4294967295)::bigint AS low,
                   sum(amount) AS amount
            FROM tollgate.entries GROUP BY account
        ) e ON e.account = a.id
        WHERE a.balance < 0 OR coalesce(e.amount, 0) <> a.balance
        ORDER BY a.id";
    for row in &view.add_up(wrong).await? {
        let balance = Amount::from_micros(column(row, 1)?);
        if column(row, 4)? {
            let entries = sum(row, 2)?;
            found.add(Discrepancy::Balance { account: column(row, 0)?, balance, entries });
        }
        if balance < Amount::ZERO {
            found.add(Discrepancy::BelowZero { account: column(row, 0)?, balance });
        }
    }
    Ok(())
}

/// Each entry is of an account and, where its kind has one, of a hold that is there.
async fn entries(view: &Statements<'_>, found: &mut Verification) -> Result<(), StoreError> {
    let kinds = "
        SELECT kind, count(*), sum(amount >> 32)::bigint, sum(amount & 4294967295)::bigint
        FROM tollgate.entries GROUP BY kind";
    for row in &view.add_up(kinds).await? {
        found.totals.entries += count(row, 1)?;
        match column(row, 0)? {
            "credit" => found.totals.credited = sum(row, 2)?,
            "debit" => found.totals.debited = -sum(row, 2)?,
            _ => {}
        }
    }
    let wrong = "
        SELECT e.id, e.hold, a.id IS NULL, e.hold IS NOT NULL AND h.id IS NULL, i.impossible
        FROM tollgate.entries e
        LEFT JOIN tollgate.accounts a ON a.id = e.account
        LEFT JOIN tollgate.holds h ON h.id = e.hold
        CROSS JOIN LATERAL (SELECT NOT (
            (e.hold IS NULL) = (e.kind IN ('credit', 'debit'))
            AND CASE e.kind WHEN 'settle' THEN e.amount = 0 WHEN 'credit' THEN e.amount > 0
                    WHEN 'release' THEN e.amount > 0 WHEN 'debit' THEN e.amount < 0
                    WHEN 'hold' THEN e.amount < 0 ELSE false END
        ) AS impossible) i
        WHERE a.id IS NULL OR (e.hold IS NOT NULL AND h.id IS NULL) OR i.impossible
        ORDER BY e.id";
    for row in &view.add_up(wrong).await? {
        let entry = column(row, 0)?;
        if column(row, 2)? {
            found.add(Discrepancy::EntryOfNoAccount { entry });
        }
        if column(row, 3)? {
            let Uuid(hold) = column(row, 1)?;
            found.add(Discrepancy::EntryOfNoHold { entry, hold: HoldId::from_bytes(hold) });
        }
        if column(row, 4)? {
            found.add(Discrepancy::ImpossibleEntry { entry });
        }
    }
    Ok(())
}

/// Each hold has one entry that begins it and, if it has ended, one that ends it.
async fn holds_and_ends(view: &Statements<'_>, found: &mut Verification) -> Result<(), StoreError> {
    let states = "
        SELECT state, count(*), sum(amount >> 32)::bigint, sum(amount & 4294967295)::bigint
        FROM tollgate.holds GROUP BY state";
    for row in &view.add_up(states).await? {
        found.totals.holds += count(row, 1)?;
        match column(row, 0)? {
            "open" | "pending" => found.totals.held += sum(row, 2)?,
            "settled" => found.totals.settled = sum(row, 2)?,
            _ => {}
        }
    }
    let wrong = "
        SELECT * FROM (
            SELECT h.id, h.state, a.id IS NULL AS of_nobody,
                   count(*) FILTER (WHERE e.kind = 'hold') AS begins,
                   count(*) FILTER (WHERE e.kind = 'hold' AND e.amount = -h.amount AND e.account = h.account) AS so_begins,
                   count(*) FILTER (WHERE e.kind <> 'hold') AS ends,
                   count(*) FILTER (WHERE e.account = h.account AND CASE h.state
                       WHEN 'settled' THEN e.kind = 'settle' AND e.amount = 0
                       WHEN 'released' THEN e.kind = 'release' AND e.amount = h.amount
                       ELSE false END) AS so_ends
            FROM tollgate.holds h
            LEFT JOIN tollgate.accounts a ON a.id = h.account
            LEFT JOIN tollgate.entries e ON e.hold = h.id
            GROUP BY h.id, h.state, a.id
        ) counted
        WHERE of_nobody OR begins <> 1 OR so_begins <> 1
           OR ends <> (state IN ('settled', 'released'))::int OR so_ends <> ends
        ORDER BY id";
    for row in &view.add_up(wrong).await? {
        let (hold, state) = (holds::id(row, 0)?, holds::state(row, 1)?);
        if column(row, 2)? {
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
async fn limits(view: &Statements<'_>, found: &mut Verification) -> Result<(), StoreError> {
    let wrong = "
        WITH counted AS MATERIALIZED (
            SELECT p.account, p.period, p.start, h.key, sum(h.amount) AS amount
            FROM (SELECT DISTINCT account, period, start FROM tollgate.spend_limits) p
            JOIN tollgate.holds h ON h.account = p.account AND h.created_at >= p.start
                AND h.created_at < tollgate.period_end(p.period, p.start) AND h.state <> 'released'
            GROUP BY p.account, p.period, p.start, h.key
        ), compared AS (
            SELECT l.account, l.key, l.period, l.spent, l.carried + coalesce((
                SELECT sum(c.amount) FROM counted c
                WHERE c.account = l.account AND c.period = l.period AND c.start = l.start AND l.key IN ('', c.key)
            ), 0) AS holds
            FROM tollgate.spend_limits l
        )
        SELECT coalesce(a.name, ''), c.key, c.period, c.spent,
               floor(c.holds / 4294967296)::bigint, mod(c.holds, 4294967296)::bigint
        FROM compared c LEFT JOIN tollgate.accounts a ON a.id = c.account
        WHERE c.holds <> c.spent ORDER BY c.account, c.key, c.period";
    for row in &view.add_up(wrong).await? {
        let (key, period): (&str, &str) = (column(row, 1)?, column(row, 2)?);
        let period: Period =
            period.parse().map_err(|_| StoreError::corrupt("a limit has no known period"))?;
        found.add(Discrepancy::Spent {
            account: column(row, 0)?,
            key: Some(key).filter(|key| !key.is_empty()).map(str::to_owned),
            period,
            spent: Amount::from_micros(column(row, 3)?),
            holds: sum(row, 4)?,
        });
    }
    Ok(())
}

/// From the two halves of a sum.
fn sum(row: &Row, index: usize) -> Result<Sum, StoreError> {
    Ok(Sum::from_halves(column(row, index)?, column(row, index + 1)?))
}

fn count(row: &Row, index: usize) -> Result<u64, StoreError> {
    Ok(column::<i64>(row, index)?.unsigned_abs())
}
