//! `tollgate balance` and `tollgate ledger`, as a process: what they print, and what they refuse.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[cfg(feature = "postgres")]
#[path = "support/postgres_server.rs"]
mod postgres_server;
mod support;

#[cfg(feature = "postgres")]
use postgres_server::PostgresServer;
use rusqlite::Connection;
use serde_json::{Value, json};
#[cfg(feature = "postgres")]
use std::sync::Arc;
use std::{
    io::Read,
    ops::Deref,
    time::{SystemTime, UNIX_EPOCH},
};
use support::store::{Store, text};

/// One hold of 2.00 by the key "first" of "acme" for the request "r-1", as a gateway makes it.
const HOLD: &str = "0192d3c0-5f1a-7c3e-9b1d-0a2b3c4d5e6f";

/// Tests that are functions of the kind of store.
macro_rules! for_each_kind {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[test] fn $test() { super::$test(super::Kind::Sqlite); })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[test] fn $test() { super::$test(super::Kind::Postgres); })*
        }
    };
}

for_each_kind! { from_credit_to_verification released_by_hand limits wrong_usage no_store_is_made_by_mistake filters pages export discrepancies }

#[derive(Clone, Copy)]
enum Kind {
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

/// A store of either kind.
struct Books {
    store: Store,
    #[cfg(feature = "postgres")]
    database: Option<(Arc<PostgresServer>, String)>,
}

impl Deref for Books {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Books {
    fn new(kind: Kind) -> Self {
        let store = Store::new();
        match kind {
            Kind::Sqlite => Self {
                store,
                #[cfg(feature = "postgres")]
                database: None,
            },
            #[cfg(feature = "postgres")]
            Kind::Postgres => {
                let server = PostgresServer::shared();
                let name = server.database();
                let store = Store { url: server.url(&name), ..store };
                Self { store, database: Some((server, name)) }
            }
        }
    }

    /// In which "acme" has 10.00 and a key.
    fn with_money(kind: Kind) -> Self {
        let books = Self::new(kind);
        books.ok(&["keys", "create", "--account", "acme", "--id", "first"]);
        books.ok(&["balance", "add", "acme", "10"]);
        books
    }

    /// One of these, as SQLite or PostgreSQL writes it.
    fn either<'a>(&self, sqlite: &'a str, postgres: &'a str) -> &'a str {
        #[cfg(feature = "postgres")]
        if self.database.is_some() {
            return postgres;
        }
        let _ = postgres;
        sqlite
    }

    fn sql(&self, sql: &str) {
        #[cfg(feature = "postgres")]
        if let Some((server, name)) = &self.database {
            server.sql(name, &format!("SET search_path = tollgate; {sql}"));
            return;
        }
        Connection::open(self.file()).unwrap().execute_batch(sql).unwrap();
    }

    fn is_there(&self) -> bool {
        #[cfg(feature = "postgres")]
        if let Some((server, name)) = &self.database {
            return server.sql(name, "SELECT to_regnamespace('tollgate') IS NOT NULL") == "t";
        }
        self.file().exists()
    }

    /// Holds 2.00 as of now; it is settled in the year 2100.
    fn hold(&self, id: &str, item: &str, request: &str) {
        let blob = format!("x'{}'", id.replace('-', ""));
        let uuid = format!("'{id}'");
        let id = self.either(&blob, &uuid);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        self.sql(&format!(
            "BEGIN;
             INSERT INTO holds (id, account, key, amount, item, request, state, created_at, limit_at, at_limit)
                 VALUES ({id}, 1, 'first', 2000000, '{item}', '{request}', 'open', {now}, 4102444800000, 'settle');
             INSERT INTO entries (account, kind, amount, hold, at)
                 SELECT account, 'hold', -amount, id, created_at FROM holds WHERE id = {id};
             UPDATE accounts SET balance = balance - 2000000 WHERE id = 1;
             UPDATE spend_limits SET spent = spent + 2000000;
             COMMIT"
        ));
    }

    /// Opens so many accounts, in whose books it stands nowhere why they have something.
    fn open_accounts(&self, count: usize) {
        let sqlite = format!(
            "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {count})
             INSERT INTO accounts (name, created_at, balance, revision) SELECT format('a%04d', x), 0, 1, 1 FROM n"
        );
        let postgres = format!(
            "INSERT INTO accounts (name, created_at, balance, revision)
             SELECT 'a' || lpad(x::text, 4, '0'), 0, 1, 1 FROM generate_series(1, {count}) AS n (x)"
        );
        self.sql(self.either(&sqlite, &postgres));
    }
}

fn column(table: &Value, name: &str) -> Vec<String> {
    table.as_array().unwrap().iter().map(|row| text(&row[name])).collect()
}

fn from_credit_to_verification(kind: Kind) {
    let store = Books::new(kind);
    let opened = store.json(&["balance", "add", "acme", "10", "--open", "--note", "invoice 7"]);
    assert_eq!((&opened["opened"], &opened["available"]), (&json!(true), &json!("10.00")));
    store.ok(&["keys", "create", "--account", "acme", "--id", "first"]);
    assert_eq!(store.ok(&["balance", "add", "acme", "-0.5"]), "acme: 0.50 taken, 9.50 available\n");
    assert_eq!(store.ok(&["balance", "add", "acme", "0.25"]), "acme: 0.25 added, 9.75 available\n");
    store.hold(HOLD, "images", "r-1");

    let shown = store.json(&["balance", "show", "acme"]);
    let expected = json!({
        "account": "acme", "available": "7.75", "held": "2.00", "total": "9.75", "limits": [],
    });
    assert_eq!(shown, expected);
    assert_eq!(store.json(&["balance", "show"]), json!([expected]));
    let shown = store.ok(&["balance", "show", "acme"]);
    assert_eq!(
        shown,
        "  account    acme\n  available  7.75\n  held       2.00\n  total      9.75\n"
    );

    let held = &store.json(&["ledger", "holds"])[0];
    assert_eq!(
        (&held["id"], &held["amount"], &held["state"]),
        (&json!(HOLD), &json!("2.00"), &json!("open"))
    );
    assert_eq!(
        (&held["limit_at"], &held["at_limit"]),
        (&json!("2100-01-01T00:00:00.000Z"), &json!("settle"))
    );
    let held = store.ok(&["ledger", "holds", "--account", "acme"]);
    assert!(held.starts_with("HOLD ") && held.contains("settle at 2100-01-01T00:00:00Z"), "{held}");
    assert_eq!(store.ok(&["ledger", "holds", "--state", "settled"]), "");

    let settle = ["ledger", "settle", HOLD, "--note", "seen at the provider"];
    assert_eq!(store.ok(&settle), format!("{HOLD}: settled, 2.00 of acme\n"));
    assert_eq!(store.json(&settle)["changed"], false);
    let done = store.ok(&settle);
    assert!(done.starts_with(&format!("{HOLD}: was settled already, at 2")), "{done}");
    store.fails(1, "was settled already", &["ledger", "release", HOLD]);
    assert_eq!(store.json(&["ledger", "holds"]), json!([]));
    assert_eq!(store.json(&["ledger", "holds", "--state", "all"])[0]["state"], "settled");

    let listed = store.json(&["ledger", "list"]);
    assert_eq!(column(&listed, "kind"), ["credit", "debit", "credit", "hold", "settle"]);
    assert_eq!(column(&listed, "amount"), ["10.00", "-0.50", "0.25", "-2.00", "0.00"]);
    let last = &listed[4];
    assert_eq!((&last["key"], &last["request"]), (&json!("first"), &json!("r-1")));
    assert_eq!((&last["hold"], &last["note"]), (&json!(HOLD), &json!("seen at the provider")));
    let listed = store.ok(&["ledger", "list"]);
    let lines: Vec<_> = listed.lines().collect();
    assert!(
        lines.len() == 6 && lines[0].starts_with("TIME ") && lines[1].ends_with("invoice 7"),
        "{listed}"
    );

    let verified = store.ok(&["ledger", "verify"]);
    assert!(
        verified.contains("entries    5\n") && verified.ends_with("Everything fits together.\n"),
        "{verified}"
    );
    let verified = store.json(&["ledger", "verify"]);
    assert_eq!((&verified["available"], &verified["settled"]), (&json!("7.75"), &json!("2.00")));
    assert_eq!((&verified["discrepancies"], &verified["first"]), (&json!(0), &json!([])));
}

fn released_by_hand(kind: Kind) {
    let store = Books::with_money(kind);
    store.hold(HOLD, "images", "r-1");
    store.sql("UPDATE holds SET state = 'pending'");
    assert_eq!(store.json(&["ledger", "holds", "--state", "pending"])[0]["id"], HOLD);
    assert_eq!(store.json(&["ledger", "release", HOLD])["state"], "released");
    assert_eq!(store.json(&["balance", "show", "acme"])["available"], "10.00");
    store.fails(1, "was released already", &["ledger", "settle", HOLD]);
    store.ok(&["ledger", "verify"]);
}

fn limits(kind: Kind) {
    let store = Books::with_money(kind);
    store.hold(HOLD, "images", "r-1");
    let set = store.json(&["balance", "set-limit", "acme", "50", "--per", "total"]);
    let limit = json!({"key": null, "period": "total", "amount": "50.00", "spent": "2.00", "ends_at": null});
    assert_eq!((&set["limit"], &set["changed"]), (&limit, &json!(true)));
    let set = store.json(&["balance", "set-limit", "acme", "50", "--per", "total"]);
    assert_eq!(set["changed"], false);
    let set = store.ok(&["balance", "set-limit", "acme", "0.5", "--per", "month", "--key", "fi"]);
    let (said, end) = set.split_once(" until ").unwrap();
    assert_eq!(said, "acme: 0.50 per month by the key first, 2.00 spent");
    assert!(end.ends_with("-01T00:00:00Z\n"), "{set}");
    let shown = store.ok(&["balance", "show", "acme"]);
    assert!(shown.contains("  limit      50.00 per total, 2.00 spent\n"), "{shown}");
    let shown = store.ok(&["balance", "show"]);
    assert!(shown.contains("2.00 of 50.00 per total, 1 limit of a key\n"), "{shown}");
    let none = ["balance", "set-limit", "acme", "none", "--per", "total"];
    assert_eq!(store.ok(&none), "acme: no limit per total any more\n");
    assert_eq!(store.ok(&none), "acme: there was no limit per total\n");
    assert_eq!(store.json(&none)["limit"], Value::Null);
    assert_eq!(column(&store.json(&["balance", "show", "acme"])["limits"], "period"), ["month"]);
    store.ok(&["ledger", "verify"]);
}

fn wrong_usage(kind: Kind) {
    let store = Books::with_money(kind);
    store.ok(&["keys", "create", "--account", "globex", "--id", "other"]);
    store.hold(HOLD, "images", "r-1");
    let most = "9223372036854.775807";
    let table: &[(i32, &str, &[&str])] = &[
        (
            1,
            "there is no account acmee; did you mean acme? --open opens it.",
            &["balance", "add", "acmee", "1"],
        ),
        (1, "there is no account zzzzz. --open opens it.", &["balance", "add", "zzzzz", "1"]),
        (1, "there is no account glob-ex; did you mean globex?", &["balance", "show", "glob-ex"]),
        (1, "did you mean acme?", &["balance", "set-limit", "acne", "1", "--per", "day"]),
        (2, "this changes nothing", &["balance", "add", "acme", "0"]),
        (2, "this changes nothing", &["balance", "add", "acme", "-0.00"]),
        (2, "expected an amount", &["balance", "add", "acme", "1,5"]),
        (2, "expected an amount", &["balance", "add", "acme", "0.0000001"]),
        (2, "expected an amount", &["balance", "add", "acme", "1e3"]),
        (2, "expected an amount", &["balance", "add", "acme", "-9223372036854.775808"]),
        (2, "AMOUNT", &["balance", "add", "acme"]),
        (2, "a name is", &["balance", "add", "", "1"]),
        (2, "a note is", &["balance", "add", "acme", "1", "--note", "a\nb"]),
        (
            1,
            "acme has a balance of 8.00, 8.01 cannot be taken from it; 2.00 more are held",
            &["balance", "add", "acme", "-8.01"],
        ),
        (1, "than can be counted", &["balance", "add", "acme", most]),
        (1, "balance of 0.00", &["balance", "add", "new", "-1", "--open"]),
        (2, "--per", &["balance", "set-limit", "acme", "1"]),
        (
            2,
            "expected day, month or total",
            &["balance", "set-limit", "acme", "1", "--per", "week"],
        ),
        (2, "a limit is not below zero", &["balance", "set-limit", "acme", "-1", "--per", "day"]),
        (2, "or none", &["balance", "set-limit", "acme", "nothing", "--per", "day"]),
        (
            1,
            "the key other belongs to globex",
            &["balance", "set-limit", "acme", "1", "--per", "day", "--key", "oth"],
        ),
        (
            1,
            "there is no key nobody",
            &["balance", "set-limit", "acme", "1", "--per", "day", "--key", "nobody"],
        ),
        (2, "expected credit", &["ledger", "list", "--kind", "refund"]),
        (2, "expected the id of a hold", &["ledger", "list", "--hold", "0192d3c0"]),
        (2, "expected a time", &["ledger", "list", "--since", "soon"]),
        (2, "--since: ", &["ledger", "list", "--since=-1h"]),
        (2, "--until: ", &["ledger", "list", "--until", "19000y"]),
        (2, "--limit", &["ledger", "list", "--limit=-1"]),
        (2, "--state", &["ledger", "holds", "--state", "gone"]),
        (2, "expected the id of a hold", &["ledger", "settle", "first"]),
        (1, "there is no hold", &["ledger", "settle", "0192d3c0-5f1a-7c3e-9b1d-0a2b3c4d5e60"]),
        (2, "--format", &["ledger", "export"]),
        (2, "--format", &["ledger", "export", "--format", "xml"]),
        (2, "instead of --json", &["ledger", "export", "--format", "csv", "--json"]),
    ];
    for (code, said, arguments) in table {
        let said = said.replace("than can be counted", "which is all that can be counted");
        store.fails(*code, &said, arguments);
    }
    assert_eq!(store.json(&["balance", "show", "acme"])["total"], "10.00");
    assert_eq!(store.json(&["accounts", "list"]).as_array().unwrap().len(), 2, "none was opened");
    store.ok(&["ledger", "verify"]);
}

/// Only who opens an account makes a store for it.
fn no_store_is_made_by_mistake(kind: Kind) {
    let store = Books::new(kind);
    let table: [&[&str]; 9] = [
        &["balance", "show"],
        &["balance", "add", "acme", "1"],
        &["balance", "set-limit", "acme", "1", "--per", "day"],
        &["ledger", "list"],
        &["ledger", "holds"],
        &["ledger", "settle", HOLD],
        &["ledger", "release", HOLD],
        &["ledger", "verify"],
        &["ledger", "export", "--format", "csv"],
    ];
    for arguments in table {
        store.fails(1, "there is no store", arguments);
        assert!(!store.is_there(), "{arguments:?}");
    }
    store.fails(2, "this changes nothing", &["balance", "add", "acme", "0", "--open"]);
    assert!(!store.is_there());
    store.ok(&["balance", "add", "acme", "1", "--open"]);
    assert!(store.is_there());
}

fn filters(kind: Kind) {
    let store = Books::with_money(kind);
    store.hold(HOLD, "images", "r-1");
    store.ok(&["balance", "add", "other", "5", "--open"]);
    let ids = |filter: &[&str]| {
        let listed = store.json(&[&["ledger", "list"], filter].concat());
        let entries = listed.as_array().unwrap().clone();
        entries.iter().map(|entry| entry["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let table: &[(&[&str], &[i64])] = &[
        (&[], &[1, 2, 3]),
        (&["--account", "other"], &[3]),
        (&["--account", "nobody"], &[]),
        (&["--key", "first"], &[2]),
        (&["--key", "fir"], &[2]),
        (&["--key", "in-the-configuration"], &[]),
        (&["--kind", "credit"], &[1, 3]),
        (&["--hold", HOLD], &[2]),
        (&["--request", "r-1"], &[2]),
        (&["--since", "1h"], &[1, 2, 3]),
        (&["--since", "2100-01-01"], &[]),
        (&["--until", "1h"], &[]),
        (&["--since", "2020-01-01T00:00:00Z", "--until", "2100-01-01"], &[1, 2, 3]),
        (&["--limit", "2"], &[2, 3]),
        (&["--limit", "0"], &[]),
        (&["--limit", "1", "--account", "acme"], &[2]),
    ];
    for (filter, expected) in table {
        assert_eq!(ids(filter), *expected, "{filter:?}");
        let lines = store.ok(&[&["ledger", "export", "--format", "jsonl"], *filter].concat());
        assert_eq!(lines.lines().count(), expected.len(), "{filter:?}");
    }
}

/// More than one page of each, and a reader that leaves before the end.
fn pages(kind: Kind) {
    let store = Books::with_money(kind);
    store.open_accounts(2_500);
    let id = store.either("randomblob(16)", "gen_random_uuid()");
    store.sql(&format!(
        "BEGIN;
         INSERT INTO entries (account, kind, amount, at) SELECT id, 'credit', 1, 0 FROM accounts WHERE id > 1;
         INSERT INTO holds (id, account, key, amount, state, created_at, limit_at, at_limit)
             SELECT {id}, id, 'k', 1, 'open', 0, 4102444800000, 'release' FROM accounts WHERE id > 1;
         INSERT INTO entries (account, kind, amount, hold, at) SELECT account, 'hold', -1, id, 0 FROM holds;
         UPDATE accounts SET balance = 0 WHERE id > 1;
         COMMIT"
    ));
    let count = |arguments: &[&str]| store.json(arguments).as_array().unwrap().len();
    assert_eq!(count(&["balance", "show"]), 2_501);
    assert_eq!(count(&["ledger", "holds"]), 2_500);
    assert_eq!(count(&["ledger", "list"]), 5_001);
    let last = store.json(&["ledger", "list", "--limit", "1500"]);
    let last = last.as_array().unwrap();
    assert_eq!(
        (last.len(), &last[0]["id"], &last[1_499]["id"]),
        (1_500, &json!(3_502), &json!(5_001))
    );
    assert_eq!(store.ok(&["ledger", "export", "--format", "csv"]).lines().count(), 5_002);
    store.ok(&["ledger", "verify"]);
    for command in [&["ledger", "list"][..], &["ledger", "export", "--format", "csv"]] {
        let mut child = store.command(command).spawn().unwrap();
        let mut some = [0; 100];
        child.stdout.take().unwrap().read_exact(&mut some).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    }
}

/// Callers choose some of what an accountant opens in a spreadsheet.
fn export(kind: Kind) {
    let store = Books::with_money(kind);
    store.hold(HOLD, "=HYPERLINK(\"//evil\")", "@r;1,\u{1b}[2J");
    store.ok(&["balance", "add", "acme", "-0.5", "--note=-correction"]);
    let trigger = store.either("entries_stay_as_they_are", "entries_stay ON entries");
    store.sql(&format!("DROP TRIGGER {trigger}; UPDATE entries SET at = 1767225600007"));
    let csv = store.ok(&["ledger", "export", "--format", "csv"]);
    let at = "\"2026-01-01T00:00:00.007Z\"";
    let expected = format!(
        "\"id\",\"at\",\"account\",\"kind\",\"amount\",\"item\",\"key\",\"request\",\"hold\",\"note\"\n\
         1,{at},\"acme\",\"credit\",10.00,\"\",\"\",\"\",\"\",\"\"\n\
         2,{at},\"acme\",\"hold\",-2.00,\"'=HYPERLINK(\"\"//evil\"\")\",\"first\",\"'@r;1,\u{1b}[2J\",\"{HOLD}\",\"\"\n\
         3,{at},\"acme\",\"debit\",-0.50,\"\",\"\",\"\",\"\",\"'-correction\"\n"
    );
    assert_eq!(csv, expected);
    let jsonl = store.ok(&["ledger", "export", "--format", "jsonl"]);
    let lines: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = json!({
        "id": 2, "at": "2026-01-01T00:00:00.007Z", "account": "acme", "kind": "hold", "amount": "-2.00",
        "item": "=HYPERLINK(\"//evil\")", "key": "first", "request": "@r;1,\u{1b}[2J", "hold": HOLD, "note": null,
    });
    assert_eq!((lines.len(), &lines[1]), (3, &expected));
    let only = ["ledger", "export", "--format", "csv", "--kind", "release"];
    assert_eq!(store.ok(&only).lines().count(), 1, "the head alone");
    // Nothing in a table moves the cursor.
    assert!(!store.ok(&["ledger", "list"]).contains('\u{1b}'));
    assert!(!store.ok(&["ledger", "holds"]).contains('\u{1b}'));
}

fn discrepancies(kind: Kind) {
    let store = Books::with_money(kind);
    store.hold(HOLD, "images", "r-1");
    store.sql("UPDATE accounts SET balance = balance + 1; DELETE FROM spend_limits");
    let done = store.run(&["ledger", "verify"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.out.contains("acme: the balance is 8.000001, and the entries make 8.00\n"),
        "{done:?}"
    );
    assert!(done.err.contains("error: 1 discrepancy"), "{done:?}");
    store.open_accounts(120);
    let done = store.run(&["ledger", "verify"]);
    assert!(done.code == 1 && done.out.ends_with("\nand 21 more\n"), "{done:?}");
    let done = store.run(&["ledger", "verify", "--json"]);
    let found: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((done.code, &found["discrepancies"]), (1, &json!(121)));
    assert_eq!(found["first"].as_array().unwrap().len(), 100);
    let first =
        json!({"kind": "balance", "account": "acme", "balance": "8.000001", "entries": "8.00"});
    assert_eq!(found["first"][0], first);
}
