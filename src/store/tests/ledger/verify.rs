use super::{Books, Kind, new_hold};
use crate::{
    charge::End,
    store::ledger::{Discrepancy, HoldState, Period},
};

for_each_kind! {
    what_does_not_fit the_first_hundred_of_many entries_stay
}

const NOW: &str = "2026-01-01T12:00:00Z";

/// Holds of 1 (open), 2 (settled), 3 (released) and 1 (pending), and limits on all of them; 4.00 of 11.00 are left.
fn books(kind: Kind) -> Books {
    let mut books = Books::new(kind);
    books.add("acme", "1").unwrap();
    for period in Period::ALL {
        books.limit(None, period, Some("9"), NOW).unwrap();
    }
    books.limit(Some("first"), Period::Day, Some("9"), NOW).unwrap();
    books.held("1", NOW);
    for (by, end) in [("2", End::Settle), ("3", End::Release), ("1", End::Pend)] {
        let id = books.held(by, NOW);
        books.end(id, end, NOW);
    }
    books
}

fn word(discrepancy: &Discrepancy) -> String {
    let json = serde_json::to_value(discrepancy).unwrap();
    json["kind"].as_str().unwrap().to_owned()
}

/// Everything that no version of this program wrote is found, and nothing else is said.
fn what_does_not_fit(kind: Kind) {
    let table: &[(&str, &[&str], &str)] = &[
        ("", &[], ""),
        (
            "UPDATE accounts SET balance = balance + 1",
            &["balance"],
            "acme: the balance is 7.000001, and the entries make 7.00",
        ),
        (
            "UPDATE accounts SET balance = -1",
            &["balance", "below-zero"],
            "acme: the balance is below zero: -0.000001",
        ),
        ("UPDATE entries SET amount = 9000000 WHERE id = 1", &["balance"], "the entries make 6.00"),
        (
            "INSERT INTO entries (account, kind, amount, at) VALUES
             (1, 'credit', 9223372036854775807, 0), (1, 'credit', 9223372036854775807, 0)",
            &["balance"],
            "the entries make 18446744073716.551614",
        ),
        (
            "DELETE FROM entries WHERE kind = 'settle'",
            &["end"],
            "it is settled, and 0 entries end it, 0 of them so; exactly one should",
        ),
        (
            "DELETE FROM entries WHERE kind = 'release'",
            &["balance", "end"],
            "it is released, and 0 entries end it",
        ),
        (
            "DELETE FROM entries WHERE kind = 'hold' AND amount = -2000000",
            &["balance", "beginning"],
            "0 entries begin it",
        ),
        (
            "UPDATE entries SET amount = -2000001 WHERE kind = 'hold' AND amount = -2000000",
            &["balance", "beginning"],
            "1 entries begin it, 0 of them",
        ),
        (
            "INSERT INTO accounts (name, created_at, balance, revision) VALUES ('other', 0, -2000000, 0);
             UPDATE entries SET account = 2 WHERE kind = 'hold' AND amount = -2000000;
             UPDATE accounts SET balance = balance + 2000000 WHERE id = 1",
            &["below-zero", "beginning"],
            "1 entries begin it, 0 of them",
        ),
        (
            "INSERT INTO entries (account, kind, amount, hold, at)
             SELECT account, 'hold', -amount, id, 0 FROM holds WHERE state = 'open'",
            &["balance", "beginning"],
            "2 entries begin it, 2 of them",
        ),
        (
            "INSERT INTO entries (account, kind, amount, hold, at)
             SELECT account, 'hold', -1, id, 0 FROM holds WHERE state = 'open'",
            &["balance", "beginning"],
            "2 entries begin it, 1 of them",
        ),
        (
            "INSERT INTO entries (account, kind, amount, hold, at)
             SELECT account, 'settle', 0, id, 0 FROM holds WHERE state = 'settled'",
            &["end"],
            "2 entries end it, 2 of them",
        ),
        (
            "INSERT INTO entries (account, kind, amount, hold, at)
             SELECT account, 'settle', 0, id, 0 FROM holds WHERE state = 'open'",
            &["end"],
            "it is open, and 1 entries end it, 0 of them so; none should",
        ),
        (
            "INSERT INTO entries (account, kind, amount, hold, at)
             SELECT account, 'settle', 0, id, 0 FROM holds WHERE state = 'pending'",
            &["end"],
            "it is pending, and 1 entries end it",
        ),
        (
            "UPDATE holds SET state = 'released' WHERE state = 'settled'",
            &["end", "spent", "spent", "spent", "spent"],
            "it is released, and 1 entries end it, 0 of them",
        ),
        (
            "UPDATE holds SET state = 'settled' WHERE state = 'released'",
            &["end", "spent", "spent", "spent", "spent"],
            "it is settled, and 1 entries end it, 0 of them",
        ),
        (
            "UPDATE holds SET state = 'settled', ended_at = 0 WHERE state = 'open'",
            &["end"],
            "it is settled, and 0 entries end it",
        ),
        (
            "UPDATE entries SET amount = 3000001 WHERE kind = 'release'",
            &["balance", "end"],
            "1 entries end it, 0 of them",
        ),
        (
            "UPDATE entries SET amount = 1 WHERE kind = 'settle'",
            &["balance", "impossible-entry", "end"],
            "entry 5: its kind",
        ),
        (
            "UPDATE entries SET kind = 'debit' WHERE id = 1",
            &["impossible-entry"],
            "entry 1: its kind",
        ),
        (
            "UPDATE entries SET hold = NULL WHERE kind = 'settle'",
            &["impossible-entry", "end"],
            "entry 5: its kind",
        ),
        (
            "UPDATE entries SET hold = (SELECT id FROM holds WHERE state = 'open') WHERE id = 1",
            &["impossible-entry", "end"],
            "entry 1: its kind",
        ),
        (
            "DELETE FROM holds WHERE state = 'settled'",
            &["entry-of-no-hold", "entry-of-no-hold", "spent", "spent", "spent", "spent"],
            "entry 4: its hold",
        ),
        (
            "DELETE FROM holds WHERE state = 'released'",
            &["entry-of-no-hold", "entry-of-no-hold"],
            "entry 7: its hold",
        ),
        (
            "UPDATE entries SET account = 7 WHERE id = 1",
            &["balance", "entry-of-no-account"],
            "entry 1: its account is not there",
        ),
        (
            "UPDATE holds SET account = 7 WHERE state = 'released';
             UPDATE entries SET account = 7 WHERE hold = (SELECT id FROM holds WHERE account = 7)",
            &["entry-of-no-account", "entry-of-no-account", "hold-of-no-account"],
            "its account is not there",
        ),
        (
            "UPDATE holds SET account = 7 WHERE state = 'released'",
            &["hold-of-no-account", "beginning", "end"],
            "its account is not there",
        ),
        (
            "UPDATE holds SET amount = 4000000 WHERE state = 'settled'",
            &["beginning", "spent", "spent", "spent", "spent"],
            "0 of them with its amount",
        ),
        (
            "UPDATE spend_limits SET spent = spent + 1 WHERE period = 'day' AND key = ''",
            &["spent"],
            "acme: 4.000001 are counted as spent by the limit per day, and the holds make 4.00",
        ),
        (
            "UPDATE spend_limits SET spent = 0 WHERE period = 'month'",
            &["spent"],
            "acme: 0.00 are counted as spent by the limit per month",
        ),
        (
            "UPDATE spend_limits SET spent = 0 WHERE period = 'total'",
            &["spent"],
            "by the limit per total",
        ),
        (
            "UPDATE spend_limits SET spent = 0 WHERE key <> ''",
            &["spent"],
            "acme, key first: 0.00 are counted",
        ),
        (
            "UPDATE spend_limits SET start = start - 86400000 WHERE period = 'day' AND key = ''",
            &["spent"],
            "and the holds make 0.00",
        ),
        (
            "UPDATE holds SET created_at = created_at - 86400000 WHERE state = 'settled'",
            &["spent", "spent", "spent"],
            "and the holds make 2.00",
        ),
    ];
    for (sql, expected, said) in table {
        let mut books = books(kind);
        books.plant(sql);
        let found = books.verify();
        let kinds: Vec<_> = found.first.iter().map(word).collect();
        assert_eq!(kinds, *expected, "{sql}: {found:?}");
        let texts: Vec<_> = found.first.iter().map(ToString::to_string).collect();
        assert!(
            expected.is_empty() || texts.iter().any(|text| text.contains(said)),
            "{sql}: {texts:?}"
        );
        assert_eq!(found.discrepancies, expected.len() as u64);
    }
}

fn the_first_hundred_of_many(kind: Kind) {
    let mut books = Books::empty(kind);
    for number in 0..150 {
        books.add(&format!("a{number}"), "1").unwrap();
    }
    books.place.sql("UPDATE accounts SET balance = 2");
    let found = books.verify();
    assert_eq!((found.first.len(), found.discrepancies), (100, 150));
}

/// Entries are only ever added, whoever asks.
fn entries_stay(kind: Kind) {
    let mut books = books(kind);
    books.hold(&new_hold("acme", "first", "0.5"), NOW);
    for sql in [
        "DELETE FROM entries",
        "UPDATE entries SET amount = 1",
        "DELETE FROM holds",
        "DELETE FROM accounts",
        "TRUNCATE entries",
    ] {
        assert!(books.place.try_sql(sql).is_err(), "{sql}");
    }
    books.fit_together();
    let state = HoldState::Settled;
    assert_eq!(state.as_str().parse(), Ok(state));
}
