//! What only a server does to those who keep the ledger in it.

use super::{Books, Kind, Place, new_hold, time};
use crate::{
    charge::{End, Ended, HoldId, NewHold, Reservation},
    store::{
        Missing, Store, StoreError, StoreUrl,
        ledger::{Books as _, HoldFilter, HoldStates, Job, Outcome},
        postgres::{PostgresBooks, PostgresError},
        tests::{PostgresServer, watch::wait_until},
    },
};
use jiff::Timestamp;
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

const NOW: &str = "2026-01-01T12:00:00Z";

fn open(url: &StoreUrl) -> PostgresBooks {
    match url {
        StoreUrl::Postgres(url) => PostgresBooks::open(url.clone()).unwrap(),
        StoreUrl::Sqlite(_) => panic!("not a server"),
    }
}

fn hold(new: &NewHold) -> Job {
    Job::Hold(new.clone(), oneshot::channel().0)
}

fn end(id: HoldId, how: End) -> Job {
    Job::End(id, how, oneshot::channel().0)
}

#[track_caller]
fn held(outcomes: Vec<Outcome>) {
    let is_held = |outcome: &Outcome| matches!(outcome, Outcome::Held(Reservation::Held));
    assert!(outcomes.iter().all(is_held), "{outcomes:?}");
}

/// Ends whoever writes an entry, so often, when it is to be stored.
fn end_who_writes(books: &Books, times: u32) {
    let how = "CREATE SEQUENCE deaths;
         CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
             'BEGIN IF nextval(''tollgate.deaths'') <= TIMES THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
              RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER die AFTER INSERT ON entries
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()";
    books.place.sql(&how.replace("TIMES", &times.to_string()));
}

#[test]
fn the_connection_ends_while_it_writes() {
    let mut books = Books::new(Kind::Postgres);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND usename = 'tollgate'";
    let first = books.held("1", NOW);
    books.place.sql(end);
    assert_eq!(books.end(first, End::Settle, NOW), Ended::Settled);
    end_who_writes(&books, 3);
    let (first, second) = (new_hold("acme", "first", "1"), new_hold("acme", "first", "2"));
    held(books.ledger.write(&[hold(&first), hold(&second)], false, time(NOW)).unwrap());
    books.place.sql("DROP TRIGGER die ON entries");
    let mut store = Store::open(&books.place.url(), Missing::Refuse).unwrap();
    assert_eq!(store.balance("acme", time(NOW)).unwrap().available.to_string(), "6.00");
    assert_eq!(store.verify().unwrap().discrepancies, 0);
}

/// Not for ever: somebody waits.
#[test]
fn the_connection_ends_again_and_again() {
    let mut books = Books::new(Kind::Postgres);
    end_who_writes(&books, 1_000_000);
    let began = Instant::now();
    let new = new_hold("acme", "first", "1");
    let error = books.ledger.write(&[hold(&new)], false, time(NOW)).unwrap_err();
    assert!(matches!(error, StoreError::Postgres(PostgresError::InDoubt)), "{error:?}");
    assert!(error.is_outage() && began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    books.place.sql("DROP TRIGGER die ON entries");
    held(books.ledger.write(&[hold(&new)], false, time(NOW)).unwrap());
}

/// What is between a client and a server. What a client has sent may be on its way for long, and arrive when the client is gone.
struct Network {
    port: u16,
    /// Whether what the client of each connection sends is held up.
    held_up: Arc<Mutex<Vec<Arc<AtomicBool>>>>,
}

impl Network {
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let network = Self { port: listener.local_addr().unwrap().port(), held_up: Arc::default() };
        let held_up = network.held_up.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
                let is_held_up = Arc::<AtomicBool>::default();
                held_up.lock().unwrap().push(is_held_up.clone());
                let (from, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || pass_on(from, to, &AtomicBool::new(false)));
                thread::spawn(move || pass_on(client, server, &is_held_up));
            }
        });
        network
    }

    /// Of the connections that there are.
    fn hold_up(&self, is: bool) {
        self.held_up.lock().unwrap().iter().for_each(|one| one.store(is, Ordering::Relaxed));
    }
}

/// Until the one who reads is gone: that the other is goes unnoticed.
fn pass_on(mut from: TcpStream, mut to: TcpStream, is_held_up: &AtomicBool) {
    let mut buffer = [0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        while is_held_up.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
        if to.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
    // The server hears nothing of it yet.
    thread::sleep(Duration::from_secs(1));
}

/// Whoever was told that a hold has failed releases it. It is not made behind his back when what was sent arrives after all.
#[test]
fn nothing_is_done_too_late() {
    let mut books = Books::new(Kind::Postgres);
    let Place::Postgres { server, database } = &books.place else { panic!() };
    let network = Network::to(server.port());
    let url = server.url(database).replace(&server.port().to_string(), &network.port.to_string());
    let mut ledger = open(&url.parse().unwrap());
    let first = new_hold("acme", "first", "1");
    held(ledger.write(&[hold(&first)], false, time(NOW)).unwrap());
    network.hold_up(true);
    let began = Instant::now();
    let late = new_hold("acme", "first", "1");
    let error = ledger.write(&[hold(&late)], false, time(NOW)).unwrap_err();
    assert!(matches!(error, StoreError::Postgres(PostgresError::Silent(_))), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let released = ledger.write(&[end(late.id, End::Release)], false, time(NOW)).unwrap();
    assert!(matches!(released[..], [Outcome::Ended(Ended::Unknown)]), "{released:?}");
    network.hold_up(false);
    thread::sleep(Duration::from_millis(300));
    let live = HoldFilter { account: None, states: HoldStates::Live };
    let live = books.store.holds(&live, None, 10).unwrap();
    assert_eq!(live.iter().map(|hold| hold.id).collect::<Vec<_>>(), [first.id]);
    books.fit_together();
}

/// It fails soon, and goes on when the server does.
#[test]
fn the_server_stands_still() {
    let server = PostgresServer::start(&[]);
    let url: StoreUrl = server.url(&server.database()).parse().unwrap();
    let mut ledger = open(&url);
    let new = new_hold("acme", "first", "1");
    let now = time(NOW);
    let none = ledger.write(&[hold(&new)], false, now).unwrap();
    assert!(matches!(none[..], [Outcome::Held(Reservation::InsufficientBalance)]), "{none:?}");
    server.pause();
    for most in [3, 2] {
        let began = Instant::now();
        let error = ledger.write(&[hold(&new)], false, now).unwrap_err();
        assert!(matches!(error, StoreError::Postgres(PostgresError::Silent(_))), "{error:?}");
        assert!(began.elapsed() < Duration::from_secs(most), "{:?}", began.elapsed());
    }
    server.resume();
    wait_until(|| ledger.write(&[hold(&new)], false, now).is_ok());
}

/// By somebody at the server, for longer than a request may wait.
#[test]
fn an_account_is_locked() {
    let mut books = Books::new(Kind::Postgres);
    let Place::Postgres { server, database } = &books.place else { panic!() };
    let mut other = server.session(database);
    other.run("BEGIN; SELECT FROM tollgate.accounts FOR UPDATE");
    let began = Instant::now();
    let new = new_hold("acme", "first", "1");
    let error = books.ledger.write(&[hold(&new)], false, time(NOW)).unwrap_err();
    assert!(matches!(error, StoreError::Locked) && error.is_outage(), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    other.run("COMMIT");
    held(books.ledger.write(&[hold(&new)], false, time(NOW)).unwrap());
}

/// In the one order, and in the other.
#[test]
fn batches_do_not_wait_for_each_other() {
    let mut books = Books::new(Kind::Postgres);
    books.add("acme", "990").unwrap();
    books.add("other", "1000").unwrap();
    let url = books.place.url();
    thread::scope(|scope| {
        for accounts in [["acme", "other"], ["other", "acme"]] {
            let mut ledger = open(&url);
            scope.spawn(move || {
                for _ in 0..100 {
                    let holds = accounts.map(|account| new_hold(account, "first", "1"));
                    let ends = holds.each_ref().map(|new| end(new.id, End::Release));
                    held(ledger.write(&holds.each_ref().map(hold), false, time(NOW)).unwrap());
                    ledger.write(&ends, false, time(NOW)).unwrap();
                }
            });
        }
    });
    let met = "SELECT pg_stat_clear_snapshot(), deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(books.place.sql(met), "|0");
    assert_eq!(books.balance("acme"), ("1000.00".into(), "0.00".into()));
    books.fit_together();
}

/// Each hold is ended by one of them.
#[test]
fn several_look_for_overdue_holds() {
    let mut books = Books::new(Kind::Postgres);
    books.add("acme", "1000").unwrap();
    let ids: Vec<_> = (0..300).map(|_| books.held("1", NOW)).collect();
    let (url, later) = (books.place.url(), time("2026-01-02T00:00:00Z"));
    let ended: Vec<Vec<HoldId>> = thread::scope(|scope| {
        let sweep = |_| {
            let (mut ledger, ids) = (open(&url), &ids);
            scope.spawn(move || ledger.end_overdue(ids, later).unwrap())
        };
        let sweeps: Vec<_> = (0..3).map(sweep).collect();
        sweeps.into_iter().map(|sweep| sweep.join().unwrap()).collect()
    });
    let all: Vec<_> = ended.concat();
    assert_eq!(all.len(), ids.len());
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), ids.into_iter().collect());
    books.fit_together();
}

/// What is wrong with one hold is no outage.
#[test]
fn what_a_constraint_forbids() {
    let mut books = Books::new(Kind::Postgres);
    let (wrong, right) = (books.held("1", NOW), books.held("1", NOW));
    books.place.sql(&format!(
        "INSERT INTO entries (account, kind, amount, hold, at) VALUES (1, 'settle', 0, '{wrong}', 0)"
    ));
    let settle = |id| end(id, End::Settle);
    let error = books.ledger.write(&[settle(wrong), settle(right)], true, time(NOW)).unwrap_err();
    assert!(!error.is_outage(), "{error:?}");
    books.ledger.write(&[settle(right)], true, time(NOW)).unwrap();
    let error = books.ledger.end_overdue(&[wrong], Timestamp::MAX).unwrap_err();
    assert!(!error.is_outage(), "{error:?}");
}
