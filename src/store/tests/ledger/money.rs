use super::{Books, Kind, amount, entry, new_hold, time};
use crate::{
    charge::{Amount, AtLimit, End, Ended, NewHold, Reservation, TimeLimit},
    store::ledger::{BalanceError, EntryFilter, HoldState, NewEntry},
};
use std::time::Duration;

for_each_kind! {
    credits_and_debits never_below_zero no_more_than_can_be_counted what_is_held ended_by_hand a_hold_without_end a_hold_twice overdue_holds
}

const NOW: &str = "2026-01-01T00:00:00Z";

fn credits_and_debits(kind: Kind) {
    let mut books = Books::empty(kind);
    let unknown = books.store.add(&entry("acme", "5"), time(NOW));
    assert!(matches!(unknown, Err(BalanceError::NoSuchAccount(name)) if name == "acme"));
    let unknown = books.store.balance("acme", time(NOW));
    assert!(matches!(unknown, Err(BalanceError::NoSuchAccount(_))), "nothing was opened");
    for (by, opened, left) in
        [("5", true, "5.00"), ("0.000001", false, "5.000001"), ("-5.000001", false, "0.00")]
    {
        let posted = books.add("acme", by).unwrap();
        let balance = &posted.balance;
        assert_eq!(
            (posted.opened, balance.available.to_string()),
            (opened, left.to_owned()),
            "{by}"
        );
        assert_eq!(balance.total, balance.available);
    }
    let note = Some("invoice 7".parse().unwrap());
    let posted = books.store.add(&NewEntry { note, ..entry("acme", "1") }, time(NOW)).unwrap();
    let entries = books.store.entries(&EntryFilter::default(), 0, 10).unwrap();
    let of = |number: usize| (entries[number].kind.as_str(), entries[number].amount.to_string());
    assert_eq!(of(0), ("credit", "5.00".to_owned()));
    assert_eq!(of(2), ("debit", "-5.000001".to_owned()));
    assert_eq!((entries[3].id, entries[3].note.as_deref()), (posted.entry, Some("invoice 7")));
    books.fit_together();
}

fn never_below_zero(kind: Kind) {
    let mut books = Books::new(kind);
    books.held("4", NOW);
    for (by, said) in [
        (
            "-6.000001",
            "acme has a balance of 6.00, 6.000001 cannot be taken from it; 4.00 more are held",
        ),
        ("-9223372036854.775807", "acme has a balance of 6.00"),
    ] {
        let error = books.add("acme", by).unwrap_err();
        assert!(error.to_string().starts_with(said), "{error}");
    }
    // Nor is an account opened to be in debt.
    assert!(matches!(books.add("other", "-1"), Err(BalanceError::TooLittle { .. })));
    assert!(matches!(books.store.balance("other", time(NOW)), Err(BalanceError::NoSuchAccount(_))));
    books.add("acme", "-6").unwrap();
    assert_eq!(books.balance("acme"), ("0.00".into(), "4.00".into()));
    books.fit_together();
}

/// What is held counts: it may come back.
fn no_more_than_can_be_counted(kind: Kind) {
    let mut books = Books::new(kind);
    let hold = books.held("4", NOW);
    let room = Amount::from_micros(i64::MAX - amount("10").micros());
    let too_much = Amount::from_micros(room.micros() + 1);
    for by in [too_much, Amount::from_micros(i64::MAX)] {
        let error = books.add("acme", &by.to_string()).unwrap_err();
        assert!(matches!(error, BalanceError::TooMuch { total, .. } if total == amount("10")));
    }
    books.add("acme", &room.to_string()).unwrap();
    assert_eq!(books.end(hold, End::Release, NOW), Ended::Released);
    let balance = books.store.balance("acme", time(NOW)).unwrap();
    assert_eq!((balance.available.micros(), balance.held), (i64::MAX, Amount::ZERO));
    // Two such accounts are more than one number of 64 bits.
    books.add("other", &Amount::from_micros(i64::MAX).to_string()).unwrap();
    books.fit_together();
    assert_eq!(books.verify().totals.available.to_string(), "18446744073709.551614");
}

fn what_is_held(kind: Kind) {
    let mut books = Books::new(kind).with_key("other", "second");
    let ids = ["1", "2", "3"].map(|by| books.held(by, NOW));
    assert_eq!(books.balance("acme"), ("4.00".into(), "6.00".into()));
    assert_eq!(
        books.hold(&new_hold("other", "second", "1"), NOW),
        Reservation::InsufficientBalance
    );
    books.end(ids[0], End::Pend, NOW);
    assert_eq!(books.balance("acme"), ("4.00".into(), "6.00".into()), "pending is held");
    books.end(ids[1], End::Settle, NOW);
    assert_eq!(books.balance("acme"), ("4.00".into(), "4.00".into()));
    books.end(ids[2], End::Release, NOW);
    assert_eq!(books.balance("acme"), ("7.00".into(), "1.00".into()));
    assert_eq!(books.balance("other"), ("0.00".into(), "0.00".into()));
    let pages: Vec<_> = ["", "acme", "other"]
        .map(|after| books.store.balances(after, 1, time(NOW)).unwrap())
        .into_iter()
        .map(|page| {
            page.into_iter().map(|balance| (balance.account, balance.total.to_string())).collect()
        })
        .collect::<Vec<Vec<_>>>();
    let line = |account: &str, total: &str| vec![(account.to_owned(), total.to_owned())];
    assert_eq!(pages, [line("acme", "8.00"), line("other", "0.00"), vec![]]);
    books.add("acme", "-1.5").unwrap();
    let totals = books.verify().totals;
    assert_eq!((totals.accounts, totals.entries, totals.holds), (2, 7, 3));
    let sums = [totals.available, totals.held, totals.credited, totals.debited, totals.settled];
    assert_eq!(sums.map(|sum| sum.to_string()), ["5.50", "1.00", "10.00", "1.50", "2.00"]);
}

fn ended_by_hand(kind: Kind) {
    // (what it was, how it is ended) -> (what it is then, whether that is new)
    let table = [
        (None, End::Settle, HoldState::Settled, true),
        (None, End::Release, HoldState::Released, true),
        (Some(End::Pend), End::Release, HoldState::Released, true),
        (Some(End::Settle), End::Settle, HoldState::Settled, false),
        (Some(End::Settle), End::Release, HoldState::Settled, false),
        (Some(End::Release), End::Settle, HoldState::Released, false),
    ];
    for (before, end, state, new) in table {
        let mut books = Books::new(kind);
        let id = books.held("4", NOW);
        if let Some(before) = before {
            books.end(id, before, NOW);
        }
        let note = "by hand".parse().unwrap();
        let later = time("2026-01-01T00:10:00Z");
        let (hold, changed) = books.store.end_hold(id, end, Some(&note), later).unwrap();
        assert_eq!((hold.state, changed), (state, new), "{before:?} {end:?}");
        assert_eq!(hold.ended_at, Some(if new { later } else { time(NOW) }));
        let left = if state == HoldState::Settled { "6.00" } else { "10.00" };
        assert_eq!(books.balance("acme").0, left);
        let entries = books.store.entries(&EntryFilter::default(), 0, 10).unwrap();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[2].note.as_deref(), new.then_some("by hand"));
        books.fit_together();
    }
    let mut books = Books::new(kind);
    let unknown =
        books.store.end_hold(new_hold("acme", "first", "1").id, End::Settle, None, time(NOW));
    assert!(matches!(unknown, Err(BalanceError::NoSuchHold(_))));
}

/// It keeps the others from nothing.
fn a_hold_without_end(kind: Kind) {
    let mut books = Books::new(kind);
    let limit = TimeLimit { after: Duration::MAX, then: AtLimit::Release };
    let endless = NewHold { limit, ..new_hold("acme", "first", "1") };
    books.hold(&endless, NOW);
    assert!(books.end_overdue(time("2027-01-01T00:00:00Z")).is_empty());
    let other = books.held("1", NOW);
    assert_eq!(books.end_overdue(time("2027-01-01T00:00:00Z")), [other]);
}

/// Whoever asks for one once more has it, until it has ended.
fn a_hold_twice(kind: Kind) {
    let mut books = Books::new(kind);
    let new = new_hold("acme", "first", "1");
    for _ in 0..2 {
        assert_eq!(books.hold(&new, NOW), Reservation::Held);
    }
    books.end(new.id, End::Pend, NOW);
    assert_eq!(books.hold(&new, NOW), Reservation::Held);
    books.end(new.id, End::Release, NOW);
    assert_eq!(books.hold(&new, NOW), Reservation::Ended);
    assert_eq!(books.balance("acme"), ("10.00".into(), "0.00".into()));
    books.fit_together();
}

/// One that was given more time since it was looked for, and one that cannot be ended, keep the others from nothing.
fn overdue_holds(kind: Kind) {
    let mut books = Books::new(kind);
    let ids = ["1", "2", "3"].map(|by| books.held(by, NOW));
    let later = time("2027-01-01T00:00:00Z");
    let overdue = books.ledger.overdue(later, 2, &[ids[0]]).unwrap();
    assert_eq!(overdue.iter().map(|hold| hold.id).collect::<Vec<_>>(), ids[1..]);
    books.end(ids[1], End::Settle, NOW);
    let ended = books.ledger.end_overdue(&ids, later).unwrap();
    assert_eq!(ended, [ids[0], ids[2]]);
    assert_eq!(books.ledger.end_overdue(&ids, later).unwrap(), []);
    let entries = books.store.entries(&EntryFilter::default(), 0, 10).unwrap();
    assert_eq!(entries.last().unwrap().note.as_deref(), Some("time limit"));
    books.fit_together();
}
