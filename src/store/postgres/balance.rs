//! What accounts have, and what they may spend of it.

use super::{
    Store,
    accounts::accounts,
    keys,
    session::{Done, Parameter, Statements, column},
};
use crate::{
    charge::Amount,
    store::{
        StoreError,
        ledger::{
            Balance, BalanceError, EntryKind, LimitSet, NewEntry, NewLimit, Period, Posted,
            Spending,
        },
    },
};
use jiff::Timestamp;
use std::{collections::HashMap, iter};
use tokio_postgres::{Row, types::Type};

/// Holds that have not ended are few, and have an index of their own. Only in a damaged store is it more than can be counted.
const SELECT: &str = "
    WITH live (account, amount) AS MATERIALIZED (
        SELECT account, least(sum(amount), 9223372036854775807)::bigint FROM tollgate.holds
        WHERE state IN ('open', 'pending') GROUP BY account
    )
    SELECT a.id, a.name, a.balance, coalesce(live.amount, 0)
    FROM tollgate.accounts a LEFT JOIN live ON live.account = a.id";
/// Of some accounts, and what is spent in the periods that a moment is in.
const LIMITS: &str = "
    SELECT account, key, period, amount,
           CASE WHEN start = tollgate.period_start(period, $2) THEN spent
               ELSE tollgate.spent_in(account, key, period, tollgate.period_start(period, $2)) END
    FROM tollgate.spend_limits WHERE account = ANY ($1)";

impl Store {
    /// What at most so many accounts have, in the order of their names, from behind this one on.
    pub(crate) fn balances(
        &mut self,
        after: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Balance>, StoreError> {
        let limit = i64::from(limit);
        let condition = "a.name > $1 ORDER BY a.name LIMIT $2";
        let parameters: &[Parameter<'_>] = &[(&after, Type::TEXT), (&limit, Type::INT8)];
        self.session.view(async |view| select(view, condition, parameters, now).await)
    }

    /// What an account has.
    pub(crate) fn balance(&mut self, name: &str, now: Timestamp) -> Result<Balance, BalanceError> {
        self.session.view(async |view| must_find(view, name, now).await)
    }

    /// Gives money to an account, or takes it.
    pub(crate) fn add(&mut self, new: &NewEntry, now: Timestamp) -> Result<Posted, BalanceError> {
        self.session.change(async |change, revision| {
            let (id, opened) = match lock(change, &new.account).await? {
                Some(id) => (id, false),
                None if new.open => {
                    accounts(change, iter::once(&*new.account), revision, now).await?;
                    (must_lock(change, &new.account).await?, true)
                }
                None => return Err(BalanceError::NoSuchAccount(new.account.to_string())),
            };
            must_find(change, &new.account, now).await?.permit(new.amount)?;
            let entry = post(change, id, new, now).await?;
            let balance = must_find(change, &new.account, now).await?;
            let posted = Posted { entry, opened, balance };
            Ok(if opened { Done::Changed(posted) } else { Done::Kept(posted) })
        })
    }

    /// Limits what an account or a key may spend within a period, or does so no longer.
    ///
    /// What was held or settled in the period already counts. Another amount for a limit that is there keeps its count.
    pub(crate) fn set_limit(
        &mut self,
        new: &NewLimit,
        now: Timestamp,
    ) -> Result<LimitSet, BalanceError> {
        self.session.change(async |change, _| {
            let account = must_lock(change, &new.account).await?;
            let key = match &new.key {
                Some(id) => Some(key_of(change, id, &new.account).await?),
                None => None,
            };
            let of = key.as_deref().unwrap_or_default();
            let before = limit(change, account, of, new.period, now).await?;
            write_limit(change, account, of, new, now).await?;
            let after = limit(change, account, of, new.period, now).await?;
            Ok(Done::Kept(LimitSet { key, before: before.map(|limit| limit.amount), now: after }))
        })
    }
}

/// Locks an account, as everybody does who changes its balance or its limits, and says which it is.
pub(super) async fn lock(change: &Statements<'_>, name: &str) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT id FROM tollgate.accounts WHERE name = $1 FOR NO KEY UPDATE";
    let rows = change.query(sql, &[(&name, Type::TEXT)]).await?;
    rows.first().map(|row| column(row, 0)).transpose()
}

async fn must_lock(change: &Statements<'_>, name: &str) -> Result<i64, BalanceError> {
    lock(change, name).await?.ok_or_else(|| BalanceError::NoSuchAccount(name.to_owned()))
}

/// Writes an entry that no hold has, and what follows for the balance; says which one.
async fn post(
    change: &Statements<'_>,
    account: i64,
    new: &NewEntry,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let sql = "
        WITH changed AS (UPDATE tollgate.accounts SET balance = balance + $3 WHERE id = $1 RETURNING id)
        INSERT INTO tollgate.entries (account, kind, amount, at, note)
        SELECT changed.id, $2, $3, $4, $5 FROM changed RETURNING id";
    let kind = if new.amount.is_positive() { EntryKind::Credit } else { EntryKind::Debit };
    let parameters: &[Parameter<'_>] = &[
        (&account, Type::INT8),
        (&kind.as_str(), Type::TEXT),
        (&new.amount.micros(), Type::INT8),
        (&now.as_millisecond(), Type::INT8),
        (&new.note.as_deref(), Type::TEXT),
    ];
    let rows = change.query(sql, parameters).await?;
    column(rows.first().ok_or(StoreError::Missing)?, 0)
}

/// The whole id of a key of this account.
async fn key_of(change: &Statements<'_>, id: &str, account: &str) -> Result<String, BalanceError> {
    let key = keys::key(change, id).await?;
    match key.account == account {
        true => Ok(key.id),
        false => Err(BalanceError::KeyOfAnother { key: key.id, account: key.account }),
    }
}

async fn write_limit(
    change: &Statements<'_>,
    account: i64,
    key: &str,
    new: &NewLimit,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (period, start) = (new.period.as_str(), new.period.start(now));
    let amount = new.amount.map(Amount::micros);
    let of: &[Parameter<'_>] = &[
        (&account, Type::INT8),
        (&key, Type::TEXT),
        (&period, Type::TEXT),
        (&amount, Type::INT8),
        (&start, Type::INT8),
    ];
    let delete =
        "DELETE FROM tollgate.spend_limits WHERE account = $1 AND key = $2 AND period = $3";
    let write = "
        INSERT INTO tollgate.spend_limits (account, key, period, amount, start, spent)
        VALUES ($1, $2, $3, $4, $5, tollgate.spent_in($1, $2, $3, $5))
        ON CONFLICT (account, key, period) DO UPDATE SET amount = EXCLUDED.amount";
    match amount {
        None => change.execute(delete, &of[..3]).await?,
        Some(_) => change.execute(write, of).await?,
    };
    Ok(())
}

async fn limit(
    statements: &Statements<'_>,
    account: i64,
    key: &str,
    period: Period,
    now: Timestamp,
) -> Result<Option<Spending>, StoreError> {
    let accounts = vec![account];
    let parameters: &[Parameter<'_>] = &[
        (&accounts, Type::INT8_ARRAY),
        (&now.as_millisecond(), Type::INT8),
        (&key, Type::TEXT),
        (&period.as_str(), Type::TEXT),
    ];
    let sql = format!("{LIMITS} AND key = $3 AND period = $4");
    let rows = statements.query(&sql, parameters).await?;
    rows.first().map(|row| spending(row, now)).transpose()
}

/// From the columns of [`LIMITS`].
fn spending(row: &Row, now: Timestamp) -> Result<Spending, StoreError> {
    let (key, period): (&str, &str) = (column(row, 1)?, column(row, 2)?);
    let period: Period =
        period.parse().map_err(|_| StoreError::corrupt("a limit has no known period"))?;
    Ok(Spending {
        key: Some(key).filter(|key| !key.is_empty()).map(str::to_owned),
        period,
        amount: Amount::from_micros(column(row, 3)?),
        spent: Amount::from_micros(column(row, 4)?),
        ends_at: period.end(now),
    })
}

async fn must_find(
    statements: &Statements<'_>,
    name: &str,
    now: Timestamp,
) -> Result<Balance, BalanceError> {
    let found = select(statements, "a.name = $1", &[(&name, Type::TEXT)], now).await?.pop();
    found.ok_or_else(|| BalanceError::NoSuchAccount(name.to_owned()))
}

/// The accounts for which this holds.
async fn select(
    statements: &Statements<'_>,
    condition: &str,
    parameters: &[Parameter<'_>],
    now: Timestamp,
) -> Result<Vec<Balance>, StoreError> {
    let rows = statements.query(&format!("{SELECT} WHERE {condition}"), parameters).await?;
    let ids = rows.iter().map(|row| column(row, 0)).collect::<Result<Vec<i64>, _>>()?;
    let mut limits = HashMap::<i64, Vec<Spending>>::new();
    let parameters: &[Parameter<'_>] =
        &[(&ids, Type::INT8_ARRAY), (&now.as_millisecond(), Type::INT8)];
    let of_accounts = format!("{LIMITS} ORDER BY account, key, period");
    for row in &statements.query(&of_accounts, parameters).await? {
        limits.entry(column(row, 0)?).or_default().push(spending(row, now)?);
    }
    let balance = |row: &Row| {
        let amount = |index| Ok::<_, StoreError>(Amount::from_micros(column(row, index)?));
        let limits = limits.remove(&column(row, 0)?).unwrap_or_default();
        Ok(Balance::new(column(row, 1)?, amount(2)?, amount(3)?, limits))
    };
    rows.iter().map(balance).collect()
}
