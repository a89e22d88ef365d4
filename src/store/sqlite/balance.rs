//! What accounts have, and what they may spend of it.

use super::{
    Store,
    accounts::account,
    holds::{SpendLimit, post, spent_in},
    keys, next_revision, rows,
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
use rusqlite::{Connection, OptionalExtension, ToSql, Transaction};

/// Holds that have not ended are few, and have an index of their own.
const SELECT: &str = "
    WITH live (account, amount) AS MATERIALIZED (
        SELECT account, sum(amount) FROM holds INDEXED BY holds_due WHERE state IN ('open', 'pending') GROUP BY account
    )
    SELECT a.id, a.name, a.balance, coalesce(live.amount, 0)
    FROM accounts a LEFT JOIN live ON live.account = a.id";
const LIMITS: &str =
    "SELECT key, period, amount, start, spent, carried FROM spend_limits WHERE account = ?1";

impl Store {
    /// What at most so many accounts have, in the order of their names, from behind this one on.
    pub(crate) fn balances(
        &mut self,
        after: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Balance>, StoreError> {
        let view = self.connection.transaction()?;
        select(&view, "a.name > ?1 ORDER BY a.name LIMIT ?2", &[&after, &limit], now)
    }

    /// What an account has.
    pub(crate) fn balance(&mut self, name: &str, now: Timestamp) -> Result<Balance, BalanceError> {
        let view = self.connection.transaction()?;
        must_find(&view, name, now)
    }

    /// Gives money to an account, or takes it.
    pub(crate) fn add(&mut self, new: &NewEntry, now: Timestamp) -> Result<Posted, BalanceError> {
        let change = self.change()?;
        let (id, opened) = match id_of(&change, &new.account)? {
            Some(id) => (id, false),
            None if new.open => {
                let revision = next_revision(&change)?;
                (account(&change, &new.account, revision, now)?, true)
            }
            None => return Err(BalanceError::NoSuchAccount(new.account.to_string())),
        };
        must_find(&change, &new.account, now)?.permit(new.amount)?;
        let kind = if new.amount.is_positive() { EntryKind::Credit } else { EntryKind::Debit };
        let at = now.as_millisecond();
        let entry = post(&change, id, kind, new.amount.micros(), None, at, new.note.as_deref())?;
        let balance = must_find(&change, &new.account, now)?;
        change.commit()?;
        Ok(Posted { entry, opened, balance })
    }

    /// Limits what an account or a key may spend within a period, or does so no longer.
    ///
    /// What was held or settled in the period already counts. Another amount for a limit that is there keeps its count.
    pub(crate) fn set_limit(
        &mut self,
        new: &NewLimit,
        now: Timestamp,
    ) -> Result<LimitSet, BalanceError> {
        let change = self.change()?;
        let Some(account) = id_of(&change, &new.account)? else {
            return Err(BalanceError::NoSuchAccount(new.account.to_string()));
        };
        let key = new.key.as_deref().map(|id| key_of(&change, id, &new.account)).transpose()?;
        let of = key.as_deref().unwrap_or_default();
        let before = limit(&change, account, of, new.period)?.map(|limit| limit.amount);
        write_limit(&change, account, of, new, before.is_some(), now)?;
        let after = limit(&change, account, of, new.period)?;
        let after = after.map(|limit| spending(&change, account, limit, now)).transpose()?;
        change.commit()?;
        Ok(LimitSet { key, before: before.map(Amount::from_micros), now: after })
    }
}

/// The whole id of a key of this account.
fn key_of(change: &Transaction<'_>, id: &str, account: &str) -> Result<String, BalanceError> {
    let key = keys::key(change, id)?;
    match key.account == account {
        true => Ok(key.id),
        false => Err(BalanceError::KeyOfAnother { key: key.id, account: key.account }),
    }
}

fn write_limit(
    change: &Transaction<'_>,
    account: i64,
    key: &str,
    new: &NewLimit,
    is_there: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let period = new.period.as_str();
    match new.amount.map(Amount::micros) {
        None => change.execute(
            "DELETE FROM spend_limits WHERE account = ?1 AND key = ?2 AND period = ?3",
            (account, key, period),
        )?,
        Some(amount) if is_there => change.execute(
            "UPDATE spend_limits SET amount = ?4 WHERE account = ?1 AND key = ?2 AND period = ?3",
            (account, key, period, amount),
        )?,
        Some(amount) => {
            let spent = spent_in(change, account, key, new.period, now)?;
            change.execute(
                "INSERT INTO spend_limits (account, key, period, amount, start, spent) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (account, key, period, amount, new.period.start(now), spent),
            )?
        }
    };
    Ok(())
}

fn limit(
    connection: &Connection,
    account: i64,
    key: &str,
    period: Period,
) -> Result<Option<SpendLimit>, StoreError> {
    let sql = format!("{LIMITS} AND key = ?2 AND period = ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(rows(statement.query((account, key, period.as_str()))?, SpendLimit::read)?.pop())
}

fn spending(
    connection: &Connection,
    account: i64,
    limit: SpendLimit,
    now: Timestamp,
) -> Result<Spending, StoreError> {
    let spent = limit.spent_by(connection, account, now)?;
    Ok(Spending {
        period: limit.period,
        amount: Amount::from_micros(limit.amount),
        spent: Amount::from_micros(spent),
        ends_at: limit.period.end(now),
        key: Some(limit.key).filter(|key| !key.is_empty()),
    })
}

fn id_of(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM accounts WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

fn must_find(connection: &Connection, name: &str, now: Timestamp) -> Result<Balance, BalanceError> {
    let found = select(connection, "a.name = ?1", &[&name], now)?.pop();
    found.ok_or_else(|| BalanceError::NoSuchAccount(name.to_owned()))
}

/// The accounts for which this holds.
fn select(
    connection: &Connection,
    condition: &str,
    parameters: &[&dyn ToSql],
    now: Timestamp,
) -> Result<Vec<Balance>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE {condition}"))?;
    let found = rows(statement.query(parameters)?, |row| {
        let amount = |column| Ok::<_, StoreError>(Amount::from_micros(row.get(column)?));
        let id: i64 = row.get(0)?;
        Ok((id, Balance::new(row.get(1)?, amount(2)?, amount(3)?, Vec::new())))
    })?;
    let mut limits = connection.prepare_cached(&format!("{LIMITS} ORDER BY key, period"))?;
    let with_limits = |(id, balance): (i64, Balance)| {
        let of_account = rows(limits.query([id])?, SpendLimit::read)?.into_iter();
        let limits = of_account.map(|limit| spending(connection, id, limit, now));
        Ok(Balance { limits: limits.collect::<Result<_, StoreError>>()?, ..balance })
    };
    found.into_iter().map(with_limits).collect()
}
