//! What an account has used, as it is shown to its holder.

use super::{Store, rows, time, time_if_any};
use crate::{
    charge::{Amount, HoldId},
    store::{
        StoreError,
        ledger::{Made, OfModel, Page, Paging, Period, Summary, Total, Used, work_state},
    },
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

/// What a caller is charged for, or may yet be.
const PAID: &str = "FROM holds WHERE account = ?1 AND state <> 'released'";

impl Store {
    /// What was paid for, the latest first.
    pub(crate) fn usage(
        &mut self,
        account: &str,
        paging: Paging,
    ) -> Result<Page<Used>, StoreError> {
        // All of it as of one moment.
        let view = self.connection.transaction()?;
        let Some((account, _)) = find(&view, account)? else {
            return Ok(Page::new(Vec::new(), paging, 0));
        };
        let total = count(&view, &format!("SELECT count(*) {PAID}"), account)?;
        let sql = format!(
            "SELECT id, created_at, state, item, amount, key, request {PAID} ORDER BY created_at DESC, id DESC LIMIT ?2 OFFSET ?3"
        );
        let mut statement = view.prepare_cached(&sql)?;
        let found = statement.query((account, paging.per_page, paging.offset()))?;
        Ok(Page::new(rows(found, used)?, paging, total))
    }

    /// The whole of it.
    pub(crate) fn usage_summary(
        &mut self,
        account: &str,
        now: Timestamp,
    ) -> Result<Summary, StoreError> {
        let view = self.connection.transaction()?;
        let (id, balance) = find(&view, account)?.unwrap_or((-1, 0));
        let since = |start: i64| -> Result<Total, StoreError> {
            let mut statement = view.prepare_cached(
                "SELECT count(*), coalesce(sum(amount), 0) FROM holds
                 WHERE account = ?1 AND state = 'settled' AND created_at >= ?2",
            )?;
            let (requests, cost): (i64, i64) =
                statement.query_row((id, start), |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(Total { requests: requests.unsigned_abs(), cost: Amount::from_micros(cost) })
        };
        let held: i64 = view
            .prepare_cached(
                "SELECT coalesce(sum(amount), 0) FROM holds WHERE account = ?1 AND state IN ('open', 'pending')",
            )?
            .query_row([id], |row| row.get(0))?;
        let mut statement = view.prepare_cached(
            "SELECT item, count(*), sum(amount) FROM holds WHERE account = ?1 AND state = 'settled'
             GROUP BY item ORDER BY sum(amount) DESC, item LIMIT 100",
        )?;
        let by_model = rows(statement.query([id])?, |row| {
            let (requests, cost): (i64, i64) = (row.get(1)?, row.get(2)?);
            let total =
                Total { requests: requests.unsigned_abs(), cost: Amount::from_micros(cost) };
            Ok(OfModel { model: row.get(0)?, total })
        })?;
        Ok(Summary {
            balance: Amount::from_micros(balance),
            held: Amount::from_micros(held),
            today: since(Period::Day.start(now))?,
            this_month: since(Period::Month.start(now))?,
            all_time: since(0)?,
            by_model,
        })
    }

    /// The tasks that an account has made, the latest first.
    pub(crate) fn tasks(
        &mut self,
        account: &str,
        scope: Option<&str>,
        paging: Paging,
        now: Timestamp,
    ) -> Result<Page<Made>, StoreError> {
        const THEIRS: &str =
            "FROM tasks WHERE account = ?1 AND forget_at > ?2 AND (?3 IS NULL OR scope = ?3)";
        let view = self.connection.transaction()?;
        let Some((account, _)) = find(&view, account)? else {
            return Ok(Page::new(Vec::new(), paging, 0));
        };
        let now = now.as_millisecond();
        let total: i64 = view
            .prepare_cached(&format!("SELECT count(*) {THEIRS}"))?
            .query_row((account, now, scope), |row| row.get(0))?;
        let sql = format!(
            "SELECT id, state, item,
                 CASE WHEN EXISTS (SELECT 1 FROM holds h WHERE h.id = hold AND h.state = 'released') THEN 0 ELSE amount END,
                 hold IS NOT NULL, created_at, ended_at {THEIRS}
             ORDER BY created_at DESC, id DESC LIMIT ?4 OFFSET ?5"
        );
        let mut statement = view.prepare_cached(&sql)?;
        let found = statement.query((account, now, scope, paging.per_page, paging.offset()))?;
        Ok(Page::new(rows(found, made)?, paging, total.unsigned_abs()))
    }
}

/// An account's row, and what it can spend.
fn find(view: &Connection, account: &str) -> Result<Option<(i64, i64)>, StoreError> {
    let mut statement = view.prepare_cached("SELECT id, balance FROM accounts WHERE name = ?1")?;
    Ok(statement.query_row([account], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

fn count(view: &Connection, sql: &str, account: i64) -> Result<u64, StoreError> {
    let count: i64 = view.prepare_cached(sql)?.query_row([account], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

fn used(row: &Row<'_>) -> Result<Used, StoreError> {
    let state: String = row.get(2)?;
    Ok(Used {
        id: HoldId::from_bytes(row.get(0)?),
        created_at: time(row, 1)?,
        status: if state == "settled" { "charged" } else { "held" },
        model: row.get(3)?,
        cost: Amount::from_micros(row.get(4)?),
        key_id: row.get(5)?,
        request_id: row.get(6)?,
    })
}

fn made(row: &Row<'_>) -> Result<Made, StoreError> {
    let (state, priced): (String, bool) = (row.get(1)?, row.get(4)?);
    let amount = Amount::from_micros(row.get(3)?);
    Ok(Made {
        id: row.get(0)?,
        status: Made::status(work_state(&state)?),
        model: row.get(2)?,
        cost: priced.then_some(amount),
        created_at: time(row, 5)?,
        ended_at: time_if_any(row, 6)?,
    })
}
