mod callbacks;
mod limits;
mod model;
mod money;
mod reading;
#[cfg(feature = "postgres")]
mod server;
mod verify;
mod workers;

use super::{Kind, Place, digest, key, name};
#[cfg(feature = "postgres")]
use crate::store::postgres::PostgresBooks;
use crate::{
    auth::{Account, Principal},
    charge::{Amount, AtLimit, End, Ended, HoldId, NewHold, Reservation, TimeLimit},
    store::{
        NewKey, Store, StoreUrl,
        ledger::{
            BalanceError, Books as Ledger, Job, LimitSet, NewEntry, NewLimit, Outcome, Period,
            Posted, Verification,
        },
        sqlite::SqliteBooks,
    },
};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// A store, in which the account "acme" has 10.00 and the key "first".
struct Books {
    store: Store,
    ledger: Box<dyn Ledger>,
    place: Place,
}

impl Books {
    fn new(kind: Kind) -> Self {
        let books = Self::empty(kind);
        let mut books = books.with_key("acme", "first");
        books.add("acme", "10").unwrap();
        books
    }

    fn empty(kind: Kind) -> Self {
        let place = Place::new(kind);
        let store = place.store();
        match &store {
            // Nothing in these tests is about what outlives a power failure.
            Store::Sqlite(store) => {
                store.connection.pragma_update(None, "synchronous", "OFF").unwrap();
            }
            #[cfg(feature = "postgres")]
            Store::Postgres(_) => {}
        }
        let ledger: Box<dyn Ledger> = match place.url() {
            StoreUrl::Sqlite(path) => Box::new(SqliteBooks::open(path).unwrap()),
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(url) => Box::new(PostgresBooks::open(url).unwrap()),
        };
        Self { store, ledger, place }
    }

    fn with_key(mut self, account: &str, id: &str) -> Self {
        let new = NewKey { account: name(account), digest: digest(id), ..key(id) };
        self.store.create(&new, time("2026-01-01T00:00:00Z")).unwrap();
        self
    }

    /// Opens the account if it is not there.
    fn add(&mut self, account: &str, amount: &str) -> Result<Posted, BalanceError> {
        let new = NewEntry { open: true, ..entry(account, amount) };
        self.store.add(&new, time("2026-01-01T00:00:00Z"))
    }

    fn hold(&mut self, new: &NewHold, now: &str) -> Reservation {
        match self.write(Job::Hold(new.clone(), oneshot::channel().0), time(now)) {
            Outcome::Held(reserved) => reserved,
            other => panic!("{other:?}"),
        }
    }

    fn write(&mut self, job: Job, now: Timestamp) -> Outcome {
        self.ledger.write(&[job], false, now).unwrap().pop().unwrap()
    }

    /// Holds so much by the key "first" of "acme".
    #[track_caller]
    fn held(&mut self, amount: &str, now: &str) -> HoldId {
        let new = new_hold("acme", "first", amount);
        assert_eq!(self.hold(&new, now), Reservation::Held);
        new.id
    }

    fn end(&mut self, id: HoldId, how: End, now: &str) -> Ended {
        match self.write(Job::End(id, how, oneshot::channel().0), time(now)) {
            Outcome::Ended(ended) => ended,
            other => panic!("{other:?}"),
        }
    }

    fn end_overdue(&mut self, now: Timestamp) -> Vec<HoldId> {
        let overdue = self.ledger.overdue(now, 1_000, &[]).unwrap();
        let ids: Vec<_> = overdue.iter().map(|hold| hold.id).collect();
        assert_eq!(self.ledger.end_overdue(&ids, now).unwrap().len(), ids.len());
        ids
    }

    /// Changes something that nothing in the schema lets through.
    fn plant(&self, sql: &str) {
        let before = match &self.place {
            Place::Sqlite(_) => {
                "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; DROP INDEX entries_hold;
                 DROP TRIGGER entries_stay; DROP TRIGGER entries_stay_as_they_are"
            }
            #[cfg(feature = "postgres")]
            Place::Postgres { .. } => {
                "DO $$ DECLARE c record; BEGIN
                     FOR c IN SELECT conrelid::regclass AS of, conname FROM pg_constraint
                              WHERE connamespace = 'tollgate'::regnamespace AND contype IN ('c', 'f') LOOP
                         EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.of, c.conname);
                     END LOOP;
                 END $$;
                 DROP INDEX entries_hold; DROP TRIGGER entries_stay ON entries"
            }
        };
        self.place.sql(&format!("{before}; {sql}"));
    }

    fn limit(
        &mut self,
        key: Option<&str>,
        period: Period,
        amount: Option<&str>,
        now: &str,
    ) -> Result<LimitSet, BalanceError> {
        self.store.set_limit(&new_limit("acme", key, period, amount), time(now))
    }

    /// (available, held)
    fn balance(&mut self, account: &str) -> (String, String) {
        let balance = self.store.balance(account, time("2026-01-01T00:00:00Z")).unwrap();
        (balance.available.to_string(), balance.held.to_string())
    }

    fn verify(&mut self) -> Verification {
        self.store.verify().unwrap()
    }

    #[track_caller]
    fn fit_together(&mut self) {
        let found = self.verify();
        assert_eq!(found.discrepancies, 0, "{found:?}");
    }
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn entry(account: &str, by: &str) -> NewEntry {
    NewEntry { account: name(account), amount: amount(by), note: None, open: false }
}

/// It is released after an hour.
fn new_hold(account: &str, key: &str, by: &str) -> NewHold {
    NewHold {
        id: HoldId::new(),
        principal: Principal::new(Arc::new(Account::new(account)), key),
        amount: amount(by),
        limit: TimeLimit { after: Duration::from_secs(3600), then: AtLimit::Release },
        request_id: None,
        item: None,
        turn: None,
    }
}

fn new_limit(account: &str, key: Option<&str>, period: Period, by: Option<&str>) -> NewLimit {
    let key = key.map(str::to_owned);
    NewLimit { account: name(account), key, period, amount: by.map(amount) }
}
