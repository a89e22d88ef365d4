//! What an account has used, as it is shown to its holder.

use super::{
    Store, holds,
    session::{Parameter, Statements, column},
    time, time_if_any,
};
use crate::{
    charge::Amount,
    store::{
        StoreError,
        ledger::{
            HoldState, Made, OfModel, Page, Paging, Period, Summary, Total, Used, work_state,
        },
    },
};
use jiff::Timestamp;
use tokio_postgres::{Row, types::Type};

/// What a caller is charged for, or may yet be.
const PAID: &str = "FROM tollgate.holds WHERE account = $1 AND state <> 'released'";

impl Store {
    /// What was paid for, the latest first.
    pub(crate) fn usage(
        &mut self,
        account: &str,
        paging: Paging,
    ) -> Result<Page<Used>, StoreError> {
        let limit = i64::from(paging.per_page);
        let list = format!(
            "SELECT id, created_at, state, item, amount, key, request {PAID}
             ORDER BY created_at DESC, id DESC LIMIT {limit} OFFSET {}",
            paging.offset()
        );
        self.session.view(async |view| {
            let Some((account, _)) = find(view, account).await? else {
                return Ok(Page::new(Vec::new(), paging, 0));
            };
            let theirs: &[Parameter<'_>] = &[(&account, Type::INT8)];
            let total = count(view, PAID, theirs).await?;
            let found = view.query(&list, theirs).await?;
            Ok(Page::new(found.iter().map(used).collect::<Result<_, _>>()?, paging, total))
        })
    }

    /// The whole of it.
    pub(crate) fn usage_summary(
        &mut self,
        account: &str,
        now: Timestamp,
    ) -> Result<Summary, StoreError> {
        let sums = "
            SELECT coalesce(sum(amount) FILTER (WHERE state IN ('open', 'pending')), 0)::bigint,
                   count(*) FILTER (WHERE state = 'settled' AND created_at >= $2),
                   coalesce(sum(amount) FILTER (WHERE state = 'settled' AND created_at >= $2), 0)::bigint,
                   count(*) FILTER (WHERE state = 'settled' AND created_at >= $3),
                   coalesce(sum(amount) FILTER (WHERE state = 'settled' AND created_at >= $3), 0)::bigint,
                   count(*) FILTER (WHERE state = 'settled'),
                   coalesce(sum(amount) FILTER (WHERE state = 'settled'), 0)::bigint
            FROM tollgate.holds WHERE account = $1";
        let models = "
            SELECT item, count(*), sum(amount)::bigint FROM tollgate.holds
            WHERE account = $1 AND state = 'settled' GROUP BY item ORDER BY sum(amount) DESC, item COLLATE \"C\" NULLS FIRST LIMIT 100";
        self.session.view(async |view| {
            let (id, balance) = find(view, account).await?.unwrap_or((-1, 0));
            let parameters: &[Parameter<'_>] = &[
                (&id, Type::INT8),
                (&Period::Day.start(now), Type::INT8),
                (&Period::Month.start(now), Type::INT8),
            ];
            let rows = view.query(sums, parameters).await?;
            let row = rows.first().ok_or(StoreError::Missing)?;
            let by_model = view.query(models, &parameters[..1]).await?;
            Ok(Summary {
                balance: Amount::from_micros(balance),
                held: Amount::from_micros(column(row, 0)?),
                today: total(row, 1)?,
                this_month: total(row, 3)?,
                all_time: total(row, 5)?,
                by_model: by_model.iter().map(of_model).collect::<Result<_, _>>()?,
            })
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
        const THEIRS: &str = "FROM tollgate.tasks WHERE account = $1 AND forget_at > $2 AND ($3 IS NULL OR scope = $3)";
        let limit = i64::from(paging.per_page);
        let list = format!(
            "SELECT id, state, item,
                 CASE WHEN EXISTS (SELECT 1 FROM tollgate.holds h WHERE h.id = hold AND h.state = 'released') THEN 0 ELSE amount END,
                 hold IS NOT NULL, created_at, ended_at {THEIRS}
             ORDER BY created_at DESC, id COLLATE \"C\" DESC LIMIT {limit} OFFSET {}",
            paging.offset()
        );
        self.session.view(async |view| {
            let Some((account, _)) = find(view, account).await? else {
                return Ok(Page::new(Vec::new(), paging, 0));
            };
            let theirs: &[Parameter<'_>] = &[
                (&account, Type::INT8),
                (&now.as_millisecond(), Type::INT8),
                (&scope, Type::TEXT),
            ];
            let total = count(view, THEIRS, theirs).await?;
            let found = view.query(&list, theirs).await?;
            Ok(Page::new(found.iter().map(made).collect::<Result<_, _>>()?, paging, total))
        })
    }
}

/// An account's row, and what it can spend.
async fn find(view: &Statements<'_>, account: &str) -> Result<Option<(i64, i64)>, StoreError> {
    let sql = "SELECT id, balance FROM tollgate.accounts WHERE name = $1";
    let rows = view.query(sql, &[(&account, Type::TEXT)]).await?;
    rows.first().map(|row| Ok((column(row, 0)?, column(row, 1)?))).transpose()
}

async fn count(
    view: &Statements<'_>,
    of: &str,
    parameters: &[Parameter<'_>],
) -> Result<u64, StoreError> {
    let rows = view.query(&format!("SELECT count(*) {of}"), parameters).await?;
    let count: i64 = column(rows.first().ok_or(StoreError::Missing)?, 0)?;
    Ok(count.unsigned_abs())
}

/// How often and how much, from this column on.
fn total(row: &Row, index: usize) -> Result<Total, StoreError> {
    let requests: i64 = column(row, index)?;
    let cost = Amount::from_micros(column(row, index + 1)?);
    Ok(Total { requests: requests.unsigned_abs(), cost })
}

fn of_model(row: &Row) -> Result<OfModel, StoreError> {
    Ok(OfModel { model: column(row, 0)?, total: total(row, 1)? })
}

fn used(row: &Row) -> Result<Used, StoreError> {
    let is_settled = matches!(holds::state(row, 2)?, HoldState::Settled);
    Ok(Used {
        id: holds::id(row, 0)?,
        created_at: time(row, 1)?,
        status: if is_settled { "charged" } else { "held" },
        model: column(row, 3)?,
        cost: Amount::from_micros(column(row, 4)?),
        key_id: column(row, 5)?,
        request_id: column(row, 6)?,
    })
}

fn made(row: &Row) -> Result<Made, StoreError> {
    let amount = Amount::from_micros(column(row, 3)?);
    Ok(Made {
        id: column(row, 0)?,
        status: Made::status(work_state(column(row, 1)?)?),
        model: column(row, 2)?,
        cost: column::<bool>(row, 4)?.then_some(amount),
        created_at: time(row, 5)?,
        ended_at: time_if_any(row, 6)?,
    })
}
