use super::{Books, Kind, amount, digest, key, name, new_hold, new_limit, time};
use crate::{
    charge::{End, HoldId, Reservation},
    store::{
        KeyError, Life, NewKey, Rotation,
        ledger::{BalanceError, Period, Spending},
    },
};

for_each_kind! {
    what_was_spent_before_counts another_amount_keeps_the_count the_next_day_begins_at_nothing time_goes_back whose_limit
    a_successor_has_the_limits who_belongs_to_another_account
}

/// What is spent of the only limit.
#[track_caller]
fn spent(books: &mut Books, now: &str) -> String {
    let limits = books.store.balance("acme", time(now)).unwrap().limits;
    let [Spending { spent, .. }] = &*limits else { panic!("{limits:?}") };
    spent.to_string()
}

fn what_was_spent_before_counts(kind: Kind) {
    let table = [
        // By whom, in which period, and what of 1 + 2 + 4 + 8 + 16 + 32 is in it.
        (None, Period::Day, "16.00"),
        (None, Period::Month, "28.00"),
        (None, Period::Total, "31.00"),
        (Some("first"), Period::Day, "0.00"),
        (Some("first"), Period::Month, "12.00"),
        (Some("second"), Period::Total, "19.00"),
    ];
    for (key, period, expected) in table {
        let mut books = Books::new(kind).with_key("acme", "second");
        books.add("acme", "100").unwrap();
        let mut hold = |key: &str, by: &str, now: &str| -> HoldId {
            let new = new_hold("acme", key, by);
            assert_eq!(books.hold(&new, now), Reservation::Held);
            new.id
        };
        let settled = hold("second", "1", "2026-01-31T23:59:59.999Z");
        hold("second", "2", "2026-01-01T00:00:00Z");
        let pending = hold("first", "4", "2026-02-01T00:00:00Z");
        hold("first", "8", "2026-02-27T23:59:59.999Z");
        hold("second", "16", "2026-02-28T00:00:00Z");
        let released = hold("first", "32", "2026-02-28T00:00:00Z");
        let now = "2026-02-28T12:00:00Z";
        books.end(settled, End::Settle, now);
        books.end(pending, End::Pend, now);
        books.end(released, End::Release, now);

        let set = books.limit(key, period, Some("50"), now).unwrap();
        assert_eq!((set.key.as_deref(), set.before), (key, None));
        let Spending { spent, ends_at, .. } = set.now.clone().unwrap();
        assert_eq!(spent.to_string(), expected, "{key:?} {period}");
        let end = (period != Period::Total).then(|| time("2026-03-01T00:00:00Z"));
        assert_eq!(ends_at, end);
        assert_eq!(books.store.balance("acme", time(now)).unwrap().limits, [set.now.unwrap()]);
        books.fit_together();
    }
}

fn another_amount_keeps_the_count(kind: Kind) {
    let mut books = Books::new(kind);
    let now = "2026-02-28T12:00:00Z";
    books.limit(None, Period::Day, Some("5"), now).unwrap();
    books.held("3", now);
    let set = books.limit(None, Period::Day, Some("2"), now).unwrap();
    assert_eq!((set.before, set.now.unwrap().spent), (Some(amount("5")), amount("3")));
    assert_eq!(books.hold(&new_hold("acme", "first", "0.01"), now), Reservation::SpendLimitReached);
    let set = books.limit(None, Period::Day, Some("3.01"), now).unwrap();
    assert_eq!(set.now.unwrap().spent, amount("3"));
    books.held("0.01", now);
    // Nothing may be spent at all.
    books.limit(None, Period::Month, Some("0"), "2026-03-01T00:00:00Z").unwrap();
    let next_month = books.hold(&new_hold("acme", "first", "0.01"), "2026-03-01T00:00:00Z");
    assert_eq!(next_month, Reservation::SpendLimitReached);
    books.fit_together();

    let set = books.limit(None, Period::Month, None, now).unwrap();
    assert_eq!((set.before, set.now), (Some(amount("0")), None));
    let set = books.limit(None, Period::Month, None, now).unwrap();
    assert_eq!((set.before, set.now), (None, None));
    books.held("0.01", "2026-03-01T00:00:00Z");
    books.fit_together();
}

fn the_next_day_begins_at_nothing(kind: Kind) {
    let mut books = Books::new(kind);
    books.limit(None, Period::Day, Some("5"), "2026-02-28T12:00:00Z").unwrap();
    let first = books.held("5", "2026-02-28T23:59:59.999Z");
    let more = new_hold("acme", "first", "1");
    assert_eq!(books.hold(&more, "2026-02-28T23:59:59.999Z"), Reservation::SpendLimitReached);
    assert_eq!(spent(&mut books, "2026-02-28T23:59:59.999Z"), "5.00");
    assert_eq!(spent(&mut books, "2026-03-01T00:00:00Z"), "0.00");
    assert_eq!(books.hold(&more, "2026-03-01T00:00:00Z"), Reservation::Held);
    // What comes back of yesterday is not given to today.
    books.end(first, End::Release, "2026-03-01T00:00:00Z");
    assert_eq!(spent(&mut books, "2026-03-01T00:00:00Z"), "1.00");
    books.fit_together();
}

/// A process has waited for its turn across midnight, or a clock was set back.
fn time_goes_back(kind: Kind) {
    let (today, tomorrow) = ("2026-02-28T23:59:59.999Z", "2026-03-01T00:00:00Z");
    let mut books = Books::new(kind);
    books.limit(None, Period::Day, Some("3"), today).unwrap();
    books.held("2", today);
    books.held("2", tomorrow);
    let more = |by| new_hold("acme", "first", by);
    assert_eq!(books.hold(&more("2"), today), Reservation::SpendLimitReached);
    books.held("1", today);
    assert_eq!(spent(&mut books, today), "3.00");
    books.fit_together();
    assert_eq!(books.hold(&more("2"), tomorrow), Reservation::SpendLimitReached, "2 + 2 > 3");
    books.held("1", tomorrow);
    assert_eq!(spent(&mut books, tomorrow), "3.00");
    books.fit_together();

    let mut books = Books::new(kind);
    books.held("2", tomorrow);
    books.limit(None, Period::Day, Some("3"), today).unwrap();
    assert_eq!(books.hold(&more("2"), tomorrow), Reservation::SpendLimitReached);
    books.fit_together();
}

fn whose_limit(kind: Kind) {
    let mut books = Books::new(kind).with_key("other", "key_other").with_key("acme", "key_acme");
    let now = "2026-02-28T12:00:00Z";
    let mut set = |account: &str, key: Option<&str>| {
        let new = new_limit(account, key, Period::Day, Some("1"));
        books.store.set_limit(&new, time(now)).map(|set| set.key)
    };
    assert_eq!(set("acme", Some("key_a")).unwrap().as_deref(), Some("key_acme"));
    assert!(matches!(set("nobody", None), Err(BalanceError::NoSuchAccount(_))));
    assert!(matches!(set("acme", Some("none")), Err(BalanceError::Key(KeyError::NoSuchKey(_)))));
    assert!(matches!(set("acme", Some("key_")), Err(BalanceError::Key(KeyError::Ambiguous(_)))));
    let other = set("acme", Some("key_o")).unwrap_err();
    assert_eq!(other.to_string(), "the key key_other belongs to other");
    // The limit of one key is none for another.
    let reserved = |books: &mut Books, key| books.hold(&new_hold("acme", key, "2"), now);
    assert_eq!(reserved(&mut books, "key_acme"), Reservation::SpendLimitReached);
    assert_eq!(reserved(&mut books, "first"), Reservation::Held);
    books.fit_together();
}

/// A key that takes another's place takes its limits, and what is counted of them; the old one keeps its own until it ends.
fn a_successor_has_the_limits(kind: Kind) {
    let (now, tomorrow) = ("2026-02-28T12:00:00Z", "2026-03-01T12:00:00Z");
    let mut books = Books::new(kind);
    for period in [Period::Day, Period::Total] {
        books.limit(Some("first"), period, Some("5"), now).unwrap();
    }
    let open = books.held("2", now);
    let rotation = Rotation {
        digest: digest("second"),
        life: Life::Endless,
        old_ends_at: time("2026-04-01T00:00:00Z"),
    };
    let (new, _) = books.store.rotate("first", &rotation, time(now)).unwrap();
    books.fit_together();
    let reserve = |books: &mut Books, key: &str, by: &str, now: &str| {
        books.hold(&new_hold("acme", key, by), now)
    };
    assert_eq!(reserve(&mut books, &new.id, "3.01", now), Reservation::SpendLimitReached);
    assert_eq!(reserve(&mut books, &new.id, "2", now), Reservation::Held);
    assert_eq!(reserve(&mut books, "first", "3.01", now), Reservation::SpendLimitReached);
    assert_eq!(reserve(&mut books, "first", "1", now), Reservation::Held);
    books.fit_together();
    let spent = |books: &mut Books, now: &str| -> Vec<(bool, &str, String)> {
        let limits = books.store.balance("acme", time(now)).unwrap().limits;
        let one = |limit: Spending| {
            (limit.key.as_deref() == Some("first"), limit.period.as_str(), limit.spent.to_string())
        };
        let mut all: Vec<_> = limits.into_iter().map(one).collect();
        all.sort();
        all
    };
    let of = |new: [&str; 2], first: [&str; 2]| {
        let [a, b] = new.map(str::to_owned);
        let [c, d] = first.map(str::to_owned);
        vec![(false, "day", a), (false, "total", b), (true, "day", c), (true, "total", d)]
    };
    assert_eq!(spent(&mut books, now), of(["4.00", "4.00"], ["3.00", "3.00"]));
    // What comes back was held by the old one.
    books.end(open, End::Release, now);
    assert_eq!(spent(&mut books, now), of(["4.00", "4.00"], ["1.00", "1.00"]));
    books.fit_together();
    // The next day begins at nothing, for either.
    assert_eq!(reserve(&mut books, &new.id, "1", tomorrow), Reservation::Held);
    assert_eq!(spent(&mut books, tomorrow), of(["1.00", "5.00"], ["0.00", "1.00"]));
    assert_eq!(reserve(&mut books, &new.id, "0.01", tomorrow), Reservation::SpendLimitReached);
    books.fit_together();
}

/// What a key may spend of one account is no matter when it belongs to another.
fn who_belongs_to_another_account(kind: Kind) {
    let now = "2026-02-28T12:00:00Z";
    let mut books = Books::new(kind).with_key("acme", "second");
    for key in ["first", "second"] {
        books.limit(Some(key), Period::Day, Some("5"), now).unwrap();
    }
    books.limit(None, Period::Day, Some("7"), now).unwrap();
    let line = |id: &str, account: &str| NewKey { account: name(account), ..key(id) };
    let imported = books.store.import(&[(1, line("second", "other"))], true, time(now)).unwrap();
    assert_eq!(imported.updated, 1);
    let limits = books.store.balance("acme", time(now)).unwrap().limits;
    let keys: Vec<_> = limits.iter().map(|limit| limit.key.as_deref()).collect();
    assert_eq!(keys, [None, Some("first")]);
    assert_eq!(books.store.balance("other", time(now)).unwrap().limits, []);
    // Other data alone takes none away.
    let line = NewKey { plan: Some(name("pro")), ..line("first", "acme") };
    assert_eq!(books.store.import(&[(1, line)], true, time(now)).unwrap().updated, 1);
    assert_eq!(books.store.balance("acme", time(now)).unwrap().limits.len(), 2);
}
