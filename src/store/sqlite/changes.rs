//! What a gateway reads: everything at first, then what is new.

use super::{Store, migrate, time_if_any};
use crate::{
    auth::{Account, KeyDigest, KeyRecord, Principal},
    store::StoreError,
};
use rusqlite::{Connection, Row};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// What was read so far, and what keys share, so that a million of them stay small.
#[derive(Debug, Default)]
pub(in crate::store) struct Snapshot {
    /// The last change that was read; none at first.
    revision: Option<i64>,
    accounts: HashMap<i64, Arc<Account>>,
    plans: HashSet<Arc<str>>,
    scopes: HashMap<Box<str>, Arc<[Box<str>]>>,
}

/// Keys that were read. That an account was suspended or resumed is written into the account itself.
#[derive(Debug)]
pub(in crate::store) enum Changes {
    /// All that there are: whatever is not among them is gone.
    All(Vec<(KeyDigest, KeyRecord)>),
    /// Those that are new or changed.
    Some(Vec<(KeyDigest, KeyRecord)>),
}

const ACCOUNTS: &str = "SELECT id, name, suspended_at IS NOT NULL FROM accounts";
const KEYS: &str =
    "SELECT digest, id, account, plan, scopes, expires_at, revoked_at IS NOT NULL FROM keys";

impl Store {
    /// A number that is another one whenever somebody else has changed something. Costs microseconds.
    pub(in crate::store) fn data_version(&self) -> Result<i64, StoreError> {
        let mut statement = self.connection.prepare_cached("PRAGMA data_version")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Reads what is new since the snapshot.
    ///
    /// # Errors
    ///
    /// If it cannot be read; the snapshot is of no use then.
    pub(in crate::store) fn changes(
        &mut self,
        snapshot: &mut Snapshot,
    ) -> Result<Changes, StoreError> {
        // All of it as of one moment.
        let view = self.connection.transaction()?;
        let known = migrate::MIGRATIONS.len();
        migrate::version(&view, known)?;
        let revision: i64 = view.query_row("SELECT value FROM revision", [], |row| row.get(0))?;
        // A revision that was there already: somebody has put an older state in its place.
        let since = snapshot.revision.filter(|seen| *seen <= revision);
        let changes = match since {
            Some(seen) => Changes::Some(snapshot.read_new(&view, seen)?),
            None => Changes::All(snapshot.read_all(&view)?),
        };
        snapshot.revision = Some(revision);
        Ok(changes)
    }
}

impl Snapshot {
    /// Forgets how far it has read, as another file is to be read next. Accounts of the same name stay the same.
    pub(in crate::store) fn restart(&mut self) {
        self.revision = None;
    }

    fn read_all(&mut self, view: &Connection) -> Result<Vec<(KeyDigest, KeyRecord)>, StoreError> {
        // Another file may number its accounts in another way.
        let accounts = std::mem::take(&mut self.accounts).into_values();
        let mut known = accounts.map(|account| (account.name().into(), account)).collect();
        let mut statement = view.prepare(ACCOUNTS)?;
        self.read_accounts(statement.query([])?, &mut known)?;
        self.read_keys(view.prepare(KEYS)?.query([])?)
    }

    fn read_new(
        &mut self,
        view: &Connection,
        seen: i64,
    ) -> Result<Vec<(KeyDigest, KeyRecord)>, StoreError> {
        let newer = |select| view.prepare(&format!("{select} WHERE revision > ?1"));
        self.read_accounts(newer(ACCOUNTS)?.query([seen])?, &mut HashMap::new())?;
        self.read_keys(newer(KEYS)?.query([seen])?)
    }

    fn read_accounts(
        &mut self,
        mut rows: rusqlite::Rows<'_>,
        known: &mut HashMap<Box<str>, Arc<Account>>,
    ) -> Result<(), StoreError> {
        while let Some(row) = rows.next()? {
            let name: Box<str> = row.get(1)?;
            let account = self.accounts.entry(row.get(0)?).or_insert_with(|| {
                known.remove(&name).unwrap_or_else(|| Arc::new(Account::new(name)))
            });
            account.set_suspended(row.get(2)?);
        }
        Ok(())
    }

    fn read_keys(
        &mut self,
        mut rows: rusqlite::Rows<'_>,
    ) -> Result<Vec<(KeyDigest, KeyRecord)>, StoreError> {
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            keys.push(self.read_key(row)?);
        }
        Ok(keys)
    }

    fn read_key(&mut self, row: &Row<'_>) -> Result<(KeyDigest, KeyRecord), StoreError> {
        let digest = KeyDigest::from_bytes(row.get(0)?);
        let id: Box<str> = row.get(1)?;
        let account = self.accounts.get(&row.get(2)?);
        let account = account.ok_or_else(|| StoreError::corrupt("a key of no account"))?.clone();
        let mut principal = Principal::new(account, id);
        if let Some(plan) = row.get_ref(3)?.as_str_or_null().map_err(rusqlite::Error::from)? {
            principal = principal.with_plan(self.plan(plan));
        }
        let scopes = row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?;
        principal = principal.with_scopes(self.scopes(scopes)?);
        let expires_at = time_if_any(row, 5)?.map(Into::into);
        Ok((digest, KeyRecord { principal, revoked: row.get(6)?, expires_at }))
    }

    fn plan(&mut self, name: &str) -> Arc<str> {
        if let Some(plan) = self.plans.get(name) {
            return plan.clone();
        }
        let plan: Arc<str> = name.into();
        self.plans.insert(plan.clone());
        plan
    }

    fn scopes(&mut self, json: &str) -> Result<Arc<[Box<str>]>, StoreError> {
        if let Some(scopes) = self.scopes.get(json) {
            return Ok(scopes.clone());
        }
        let scopes: Vec<Box<str>> = serde_json::from_str(json)
            .map_err(|_| StoreError::corrupt("scopes are no array of strings"))?;
        let scopes: Arc<[Box<str>]> = scopes.into();
        self.scopes.insert(json.into(), scopes.clone());
        Ok(scopes)
    }
}
