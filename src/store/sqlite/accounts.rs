use super::{Store, next_revision, rows, time, time_if_any};
use crate::store::{KeyError, Name, StoreError, StoredAccount};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction};

const SELECT: &str =
    "SELECT name, (SELECT count(*) FROM keys WHERE account = accounts.id), created_at, suspended_at
                      FROM accounts";

impl Store {
    /// At most so many accounts, in the order of their names, from behind this one on.
    pub(crate) fn accounts(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<StoredAccount>, StoreError> {
        let sql = format!("{SELECT} WHERE name > ?1 ORDER BY name LIMIT ?2");
        rows(self.connection.prepare_cached(&sql)?.query((after, limit))?, read)
    }

    /// Suspends or resumes an account, and says whether that is new.
    pub(crate) fn set_suspended(
        &mut self,
        name: &str,
        suspended: bool,
        now: Timestamp,
    ) -> Result<(StoredAccount, bool), KeyError> {
        let change = self.change()?;
        let before =
            find(&change, name)?.ok_or_else(|| KeyError::NoSuchAccount(name.to_owned()))?;
        if before.suspended_at.is_some() == suspended {
            return Ok((before, false));
        }
        let revision = next_revision(&change)?;
        let suspended_at = suspended.then(|| now.as_millisecond());
        change.execute(
            "UPDATE accounts SET suspended_at = ?2, revision = ?3 WHERE name = ?1",
            (name, suspended_at, revision),
        )?;
        change.commit()?;
        let suspended_at = suspended.then_some(now);
        Ok((StoredAccount { suspended_at, ..before }, true))
    }
}

/// The account of this name, opened if there is none.
pub(super) fn account(
    change: &Transaction<'_>,
    name: &Name,
    revision: i64,
    now: Timestamp,
) -> rusqlite::Result<i64> {
    let found = change
        .prepare_cached("SELECT id FROM accounts WHERE name = ?1")?
        .query_row([&**name], |row| row.get(0))
        .optional()?;
    match found {
        Some(id) => Ok(id),
        None => change
            .prepare_cached(
                "INSERT INTO accounts (name, created_at, revision) VALUES (?1, ?2, ?3)",
            )?
            .insert((&**name, now.as_millisecond(), revision)),
    }
}

fn find(change: &Transaction<'_>, name: &str) -> Result<Option<StoredAccount>, StoreError> {
    let mut statement = change.prepare(&format!("{SELECT} WHERE name = ?1"))?;
    let found = rows(statement.query([name])?, read)?;
    Ok(found.into_iter().next())
}

fn read(row: &Row<'_>) -> Result<StoredAccount, StoreError> {
    Ok(StoredAccount {
        name: row.get(0)?,
        keys: row.get::<_, i64>(1)?.unsigned_abs(),
        created_at: time(row, 2)?,
        suspended_at: time_if_any(row, 3)?,
    })
}
