//! What a gateway has read of a store, and what it makes of rows.

use super::{StoreError, key::read_scopes};
use crate::auth::{Account, KeyDigest, KeyRecord, Principal};
use jiff::Timestamp;
use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
};

/// What was read so far, and what keys share, so that a million of them stay small.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// The last change that was read; none at first.
    revision: Option<i64>,
    accounts: HashMap<i64, Arc<Account>>,
    /// Accounts that were known before everything is read again, by their names.
    before: HashMap<Box<str>, Arc<Account>>,
    plans: HashSet<Arc<str>>,
    scopes: HashMap<Box<str>, Arc<[Box<str>]>>,
}

/// Keys that were read. That an account was suspended or resumed is written into the account itself.
#[derive(Debug)]
pub(super) enum Changes {
    /// All that there are: whatever is not among them is gone.
    All(Vec<(KeyDigest, KeyRecord)>),
    /// Those that are new or changed.
    Some(Vec<(KeyDigest, KeyRecord)>),
}

/// A key, as a gateway reads it.
pub(super) struct KeyRow<'a> {
    pub(super) digest: [u8; 32],
    pub(super) id: &'a str,
    pub(super) account: i64,
    pub(super) plan: Option<&'a str>,
    /// A JSON array.
    pub(super) scopes: &'a str,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) revoked: bool,
}

impl Snapshot {
    /// Forgets how far it has read, as another store is to be read next. Accounts of the same name stay the same.
    pub(super) fn restart(&mut self) {
        self.revision = None;
    }

    /// Begins to read a store that is at this revision: what is newer than the one that is returned, or everything if
    /// there is none. If that comes to no [`end`](Self::end), the next time everything is read.
    pub(super) fn begin(&mut self, revision: i64) -> Option<i64> {
        // A revision that was there already: somebody has put an older state in its place.
        let since = self.revision.take().filter(|seen| *seen <= revision);
        if since.is_none() {
            // Another store may number its accounts in another way.
            let accounts = mem::take(&mut self.accounts).into_values();
            self.before.extend(accounts.map(|account| (account.name().into(), account)));
        }
        since
    }

    /// An account that was read. Accounts are read before keys.
    pub(super) fn account(&mut self, id: i64, name: &str, suspended: bool) {
        let account = self.accounts.entry(id).or_insert_with(|| {
            self.before.remove(name).unwrap_or_else(|| Arc::new(Account::new(name)))
        });
        account.set_suspended(suspended);
    }

    /// A key that was read.
    pub(super) fn key(&mut self, row: &KeyRow<'_>) -> Result<(KeyDigest, KeyRecord), StoreError> {
        let account = self.accounts.get(&row.account);
        let account = account.ok_or_else(|| StoreError::corrupt("a key of no account"))?.clone();
        let mut principal = Principal::new(account, row.id);
        if let Some(plan) = row.plan {
            principal = principal.with_plan(self.plan(plan));
        }
        principal = principal.with_scopes(self.scopes(row.scopes)?);
        let expires_at = row.expires_at.map(Into::into);
        let record = KeyRecord { principal, revoked: row.revoked, expires_at };
        Ok((KeyDigest::from_bytes(row.digest), record))
    }

    /// Everything is read that [`begin`](Self::begin) has asked for.
    pub(super) fn end(
        &mut self,
        revision: i64,
        since: Option<i64>,
        keys: Vec<(KeyDigest, KeyRecord)>,
    ) -> Changes {
        self.revision = Some(revision);
        self.before = HashMap::new();
        match since {
            Some(_) => Changes::Some(keys),
            None => Changes::All(keys),
        }
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
        let scopes: Arc<[Box<str>]> = read_scopes(json)?.into();
        self.scopes.insert(json.into(), scopes.clone());
        Ok(scopes)
    }
}
