use super::{
    Store,
    session::{Done, Parameter, Statements, column},
    time, time_if_any,
};
use crate::store::{KeyError, StoreError, StoredAccount};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};
use tokio_postgres::{Row, types::Type};

const SELECT: &str = "
    SELECT name, (SELECT count(*) FROM tollgate.keys WHERE account = accounts.id), created_at, suspended_at
    FROM tollgate.accounts";

impl Store {
    /// At most so many accounts, in the order of their names, from behind this one on.
    pub(crate) fn accounts(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<StoredAccount>, StoreError> {
        let limit = i64::from(limit);
        let condition = "name > $1 ORDER BY name LIMIT $2";
        let parameters: &[Parameter<'_>] = &[(&after, Type::TEXT), (&limit, Type::INT8)];
        self.session.view(async |view| select(view, condition, parameters).await)
    }

    /// Suspends or resumes an account, and says whether that is new.
    pub(crate) fn set_suspended(
        &mut self,
        name: &str,
        suspended: bool,
        now: Timestamp,
    ) -> Result<(StoredAccount, bool), KeyError> {
        self.session.change(async |change, revision| {
            let found = select(change, "name = $1", &[(&name, Type::TEXT)]).await?.pop();
            let before = found.ok_or_else(|| KeyError::NoSuchAccount(name.to_owned()))?;
            if before.suspended_at.is_some() == suspended {
                return Ok(Done::Same((before, false)));
            }
            let suspended_at = suspended.then_some(now);
            let sql =
                "UPDATE tollgate.accounts SET suspended_at = $2, revision = $3 WHERE name = $1";
            let parameters: &[Parameter<'_>] = &[
                (&name, Type::TEXT),
                (&suspended_at.map(Timestamp::as_millisecond), Type::INT8),
                (&revision, Type::INT8),
            ];
            change.execute(sql, parameters).await?;
            Ok(Done::Changed((StoredAccount { suspended_at, ..before }, true)))
        })
    }
}

/// The accounts of these names, opened where there are none.
pub(super) async fn accounts<'a>(
    change: &Statements<'_>,
    names: impl Iterator<Item = &'a str>,
    revision: i64,
    now: Timestamp,
) -> Result<HashMap<String, i64>, StoreError> {
    let names: Vec<&str> = names.collect::<BTreeSet<_>>().into_iter().collect();
    let open = "
        INSERT INTO tollgate.accounts (name, created_at, revision)
        SELECT name, $2, $3 FROM unnest($1) AS wanted (name)
        WHERE NOT EXISTS (SELECT FROM tollgate.accounts a WHERE a.name = wanted.name)";
    let now = now.as_millisecond();
    let parameters: &[Parameter<'_>] =
        &[(&names, Type::TEXT_ARRAY), (&now, Type::INT8), (&revision, Type::INT8)];
    change.execute(open, parameters).await?;
    let find = "SELECT name, id FROM tollgate.accounts WHERE name = ANY ($1)";
    let rows = change.query(find, &[(&names, Type::TEXT_ARRAY)]).await?;
    rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?))).collect()
}

/// The accounts for which this holds.
async fn select(
    statements: &Statements<'_>,
    condition: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<StoredAccount>, StoreError> {
    let rows = statements.query(&format!("{SELECT} WHERE {condition}"), parameters).await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<StoredAccount, StoreError> {
    Ok(StoredAccount {
        name: column(row, 0)?,
        keys: column::<i64>(row, 1)?.unsigned_abs(),
        created_at: time(row, 2)?,
        suspended_at: time_if_any(row, 3)?,
    })
}
