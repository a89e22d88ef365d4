#[cfg(feature = "postgres")]
use super::postgres;
use super::{
    ImportError, Imported, KeyError, NewKey, Note, Rotation, StoreError, StoreUrl, StoredAccount,
    StoredKey,
    ledger::{
        Balance, BalanceError, CallbackFilter, Entry, EntryFilter, HoldFilter, LimitSet, Made,
        NewEntry, NewLimit, Page, Paging, Posted, StoredCallback, StoredHold, Summary, Used,
        Verification,
    },
    sqlite,
};
use crate::{
    charge::{End, HoldId},
    tasks::CallbackId,
};
use jiff::Timestamp;

/// What to do if there is no store, or an empty file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Create,
    Refuse,
}

/// An open store, of whatever kind.
#[derive(Debug)]
pub(crate) enum Store {
    Sqlite(sqlite::Store),
    #[cfg(feature = "postgres")]
    Postgres(postgres::Store),
}

/// The same expression for each kind of store.
macro_rules! each {
    ($store:expr, $of_a_kind:ident => $result:expr) => {
        match $store {
            Store::Sqlite($of_a_kind) => $result,
            #[cfg(feature = "postgres")]
            Store::Postgres($of_a_kind) => $result,
        }
    };
}

impl Store {
    /// Opens the store; if there is none, it is made or that is an error.
    ///
    /// # Errors
    ///
    /// If that is not possible, or what is there is no store that this version can use.
    pub(crate) fn open(url: &StoreUrl, missing: Missing) -> Result<Self, StoreError> {
        match url {
            StoreUrl::Sqlite(path) => sqlite::Store::open_path(path, missing).map(Self::Sqlite),
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(url) => postgres::Store::open(url, missing).map(Self::Postgres),
        }
    }

    /// The plans that the keys of a store are on. One that is not there yet has none, and is not made.
    ///
    /// # Errors
    ///
    /// If it cannot be looked at or opened.
    pub(crate) fn plans(url: &StoreUrl) -> Result<Vec<String>, StoreError> {
        match url {
            StoreUrl::Sqlite(path) => sqlite::Store::plans(path),
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(url) => postgres::Store::plans(url),
        }
    }

    /// Asks this, instead of giving up after a few seconds, whenever another process keeps the store locked: whether
    /// to try again, after so many attempts. What is asked lets some time go by between two attempts.
    pub(crate) fn when_locked(&mut self, try_again: fn(i32) -> bool) -> Result<(), StoreError> {
        each!(self, store => store.when_locked(try_again))
    }

    /// Whether opening it made it.
    pub(crate) fn was_created(&self) -> bool {
        each!(self, store => store.was_created())
    }

    /// Whether it should be opened anew, because it was opened while it could not be written to.
    pub(crate) fn is_read_only(&self) -> bool {
        match self {
            Self::Sqlite(store) => store.is_read_only(),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => false,
        }
    }

    /// At most so many keys, in the order of their creation, from behind this one on.
    pub(crate) fn keys(
        &self,
        account: Option<&str>,
        after: Option<&StoredKey>,
        limit: u32,
    ) -> Result<Vec<StoredKey>, StoreError> {
        each!(self, store => store.keys(account, after, limit))
    }

    /// The key with this id, else the only one whose id begins like this.
    pub(crate) fn key(&self, id: &str) -> Result<StoredKey, KeyError> {
        each!(self, store => store.key(id))
    }

    /// Stores a key.
    pub(crate) fn create(&mut self, key: &NewKey, now: Timestamp) -> Result<StoredKey, KeyError> {
        each!(self, store => store.create(key, now))
    }

    /// Revokes a key, for good, and says whether that is new.
    pub(crate) fn revoke(
        &mut self,
        id: &str,
        now: Timestamp,
    ) -> Result<(StoredKey, bool), KeyError> {
        each!(self, store => store.revoke(id, now))
    }

    /// Puts a new key in the place of an old one, which goes on for a while: (new, old).
    pub(crate) fn rotate(
        &mut self,
        id: &str,
        rotation: &Rotation,
        now: Timestamp,
    ) -> Result<(StoredKey, StoredKey), KeyError> {
        each!(self, store => store.rotate(id, rotation, now))
    }

    /// Stores keys of numbered lines: all of them, or none.
    ///
    /// A key that is there already with the same data is left alone. With other data it is an error, or, with `update`,
    /// gets the new data; it stays revoked if it is. An id or a note that a line does not give is no other data, and
    /// neither is a later end of a key that was rotated: it keeps the one that its rotation gave it.
    pub(crate) fn import(
        &mut self,
        lines: &[(u64, NewKey)],
        update: bool,
        now: Timestamp,
    ) -> Result<Imported, ImportError> {
        each!(self, store => store.import(lines, update, now))
    }

    /// At most so many accounts, in the order of their names, from behind this one on.
    pub(crate) fn accounts(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<StoredAccount>, StoreError> {
        each!(self, store => store.accounts(after, limit))
    }

    /// Suspends or resumes an account, and says whether that is new.
    pub(crate) fn set_suspended(
        &mut self,
        name: &str,
        suspended: bool,
        now: Timestamp,
    ) -> Result<(StoredAccount, bool), KeyError> {
        each!(self, store => store.set_suspended(name, suspended, now))
    }

    /// At most so many balances, in the order of the accounts' names, from behind this one on.
    pub(crate) fn balances(
        &mut self,
        after: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Balance>, StoreError> {
        each!(self, store => store.balances(after, limit, now))
    }

    /// What an account has.
    pub(crate) fn balance(&mut self, name: &str, now: Timestamp) -> Result<Balance, BalanceError> {
        each!(self, store => store.balance(name, now))
    }

    /// Gives money to an account, or takes it.
    pub(crate) fn add(&mut self, new: &NewEntry, now: Timestamp) -> Result<Posted, BalanceError> {
        each!(self, store => store.add(new, now))
    }

    /// Sets what an account, or a key, may spend within a time.
    pub(crate) fn set_limit(
        &mut self,
        new: &NewLimit,
        now: Timestamp,
    ) -> Result<LimitSet, BalanceError> {
        each!(self, store => store.set_limit(new, now))
    }

    /// At most so many entries, in their order, from behind this one on.
    pub(crate) fn entries(
        &self,
        filter: &EntryFilter,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        each!(self, store => store.entries(filter, after, limit))
    }

    /// The entry behind which the last so many are.
    pub(crate) fn before_last(&self, filter: &EntryFilter, count: u32) -> Result<i64, StoreError> {
        each!(self, store => store.before_last(filter, count))
    }

    /// At most so many holds, in their order, from behind this one on.
    pub(crate) fn holds(
        &self,
        filter: &HoldFilter,
        after: Option<HoldId>,
        limit: u32,
    ) -> Result<Vec<StoredHold>, StoreError> {
        each!(self, store => store.holds(filter, after, limit))
    }

    /// Ends a hold by hand, and says whether that is new.
    pub(crate) fn end_hold(
        &mut self,
        id: HoldId,
        end: End,
        note: Option<&Note>,
        now: Timestamp,
    ) -> Result<(StoredHold, bool), BalanceError> {
        each!(self, store => store.end_hold(id, end, note, now))
    }

    /// At most so many callbacks, in the order of their creation, from behind this one on.
    pub(crate) fn callbacks(
        &self,
        filter: &CallbackFilter,
        after: Option<&StoredCallback>,
        limit: u32,
    ) -> Result<Vec<StoredCallback>, StoreError> {
        each!(self, store => store.callbacks(filter, after, limit))
    }

    /// Has a callback tried again that was given up, or that is not due yet, and says whether there is one that is not delivered.
    pub(crate) fn retry_callback(
        &mut self,
        id: CallbackId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        each!(self, store => store.retry_callback(id, now))
    }

    /// Whether balances, entries and holds fit together.
    pub(crate) fn verify(&mut self) -> Result<Verification, StoreError> {
        each!(self, store => store.verify())
    }

    /// What an account has paid for, the latest first.
    pub(crate) fn usage(
        &mut self,
        account: &str,
        paging: Paging,
    ) -> Result<Page<Used>, StoreError> {
        each!(self, store => store.usage(account, paging))
    }

    /// The whole of what an account has used.
    pub(crate) fn usage_summary(
        &mut self,
        account: &str,
        now: Timestamp,
    ) -> Result<Summary, StoreError> {
        each!(self, store => store.usage_summary(account, now))
    }

    /// The tasks that an account has made, the latest first; of all upstreams, or of one.
    pub(crate) fn tasks(
        &mut self,
        account: &str,
        scope: Option<&str>,
        paging: Paging,
        now: Timestamp,
    ) -> Result<Page<Made>, StoreError> {
        each!(self, store => store.tasks(account, scope, paging, now))
    }
}
