//! The store beside a model that anybody can read: after whatever is done, both have the same, and everything fits together.

use super::{Books, Kind, new_limit};
use crate::{
    auth::{Account, Principal},
    charge::{Amount, AtLimit, End, Ended, HoldId, NewHold, Reservation, TimeLimit},
    store::ledger::{BalanceError, HoldFilter, HoldState, HoldStates, NewEntry, Period},
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const ACCOUNTS: [&str; 2] = ["acme", "other"];
/// Of each account, and known as "acme-first".
const KEYS: [&str; 2] = ["first", "second"];

#[derive(Clone, Debug)]
enum Step {
    Add {
        account: usize,
        amount: i64,
    },
    Hold {
        account: usize,
        key: usize,
        amount: i64,
        hours: u64,
        then: AtLimit,
    },
    /// The same once more.
    Repeat {
        hold: usize,
    },
    End {
        hold: usize,
        how: End,
    },
    EndByHand {
        hold: usize,
        how: End,
    },
    Expire,
    Limit {
        account: usize,
        key: Option<usize>,
        period: Period,
        amount: Option<i64>,
    },
    /// Time goes on or, seldom, back.
    Wait {
        hours: i64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let account = 0..ACCOUNTS.len();
    let amount = 1..40_i64;
    let how = prop_oneof![Just(End::Settle), Just(End::Release), Just(End::Pend)];
    let by_hand = prop_oneof![Just(End::Settle), Just(End::Release)];
    let then = prop_oneof![Just(AtLimit::Settle), Just(AtLimit::Release)];
    let period = prop_oneof![Just(Period::Day), Just(Period::Month), Just(Period::Total)];
    let key = prop::option::of(0..KEYS.len());
    let step = prop_oneof![
        2 => (account.clone(), -60..80_i64).prop_map(|(account, amount)| Step::Add { account, amount }),
        6 => (account.clone(), 0..KEYS.len(), amount, 1..60_u64, then)
            .prop_map(|(account, key, amount, hours, then)| Step::Hold { account, key, amount, hours, then }),
        1 => (0..20_usize).prop_map(|hold| Step::Repeat { hold }),
        4 => (0..20_usize, how).prop_map(|(hold, how)| Step::End { hold, how }),
        1 => (0..20_usize, by_hand).prop_map(|(hold, how)| Step::EndByHand { hold, how }),
        1 => Just(Step::Expire),
        2 => (account, key, period, prop::option::of(0..80_i64))
            .prop_map(|(account, key, period, amount)| Step::Limit { account, key, period, amount }),
        2 => prop_oneof![4 => 1..30_i64, 1 => 400..800_i64, 1 => -30..0_i64].prop_map(|hours| Step::Wait { hours }),
    ];
    prop::collection::vec(step, 1..60)
}

#[derive(Clone, Debug)]
struct Held {
    new: NewHold,
    account: usize,
    key: usize,
    amount: i64,
    state: HoldState,
    created_at: Timestamp,
    limit_at: Timestamp,
}

#[derive(Debug)]
struct Model {
    now: Timestamp,
    balances: [i64; 2],
    holds: Vec<Held>,
    limits: BTreeMap<(usize, Option<usize>, &'static str), (Period, i64)>,
}

impl Model {
    /// What was held or settled in the period that is now.
    fn spent(&self, account: usize, key: Option<usize>, period: Period) -> i64 {
        let counts = |held: &&Held| {
            held.account == account
                && key.is_none_or(|key| key == held.key)
                && held.state != HoldState::Released
                && period.start(held.created_at) == period.start(self.now)
        };
        self.holds.iter().filter(counts).map(|held| held.amount).sum()
    }

    fn reserve(&self, account: usize, key: usize, amount: i64) -> Reservation {
        if self.balances[account] < amount {
            return Reservation::InsufficientBalance;
        }
        let passed = self.limits.iter().any(|((whose, of, _), (period, most))| {
            *whose == account
                && of.is_none_or(|of| of == key)
                && self.spent(account, *of, *period) + amount > *most
        });
        if passed { Reservation::SpendLimitReached } else { Reservation::Held }
    }

    fn end(&mut self, number: usize, how: End) -> HoldState {
        let held = &mut self.holds[number];
        if !held.state.is_ended() {
            held.state = match how {
                End::Settle => HoldState::Settled,
                End::Release => HoldState::Released,
                End::Pend => HoldState::Pending,
            };
            if held.state == HoldState::Released {
                self.balances[held.account] += held.amount;
            }
        }
        held.state
    }
}

fn key_id(account: usize, key: usize) -> String {
    format!("{}-{}", ACCOUNTS[account], KEYS[key])
}

fn ended(state: HoldState) -> Ended {
    match state {
        HoldState::Open | HoldState::Pending => Ended::Pending,
        HoldState::Settled => Ended::Settled,
        HoldState::Released => Ended::Released,
    }
}

/// Does one thing in both, and compares what is answered.
fn step(books: &mut Books, model: &mut Model, step: &Step) {
    let now = model.now;
    let some = |number: usize, model: &Model| {
        (!model.holds.is_empty()).then(|| number % model.holds.len())
    };
    match *step {
        Step::Add { amount: 0, .. } => {}
        Step::Add { account, amount } => {
            let new = NewEntry {
                account: ACCOUNTS[account].parse().unwrap(),
                amount: Amount::from_micros(amount),
                note: None,
                open: false,
            };
            match books.store.add(&new, now) {
                Ok(_) => model.balances[account] += amount,
                Err(error) => {
                    assert!(matches!(error, BalanceError::TooLittle { .. }), "{error}");
                    assert!(model.balances[account] + amount < 0);
                }
            }
            assert!(model.balances[account] >= 0);
        }
        Step::Hold { account, key, amount, hours, then } => {
            let after = Duration::from_secs(hours * 3600);
            let account_of = Arc::new(Account::new(ACCOUNTS[account]));
            let new = NewHold {
                id: HoldId::new(),
                principal: Principal::new(account_of, key_id(account, key)),
                amount: Amount::from_micros(amount),
                limit: TimeLimit { after, then },
                request_id: None,
                item: None,
                turn: None,
            };
            let expected = model.reserve(account, key, amount);
            assert_eq!(books.hold(&new, &now.to_string()), expected);
            if expected == Reservation::Held {
                model.balances[account] -= amount;
                let (state, limit_at) =
                    (HoldState::Open, now + SignedDuration::try_from(after).unwrap());
                model.holds.push(Held {
                    new,
                    account,
                    key,
                    amount,
                    state,
                    created_at: now,
                    limit_at,
                });
            }
        }
        Step::Repeat { hold } => {
            if let Some(number) = some(hold, model) {
                let Held { new, state, .. } = &model.holds[number];
                let expected =
                    if state.is_ended() { Reservation::Ended } else { Reservation::Held };
                assert_eq!(books.hold(new, &now.to_string()), expected);
            }
        }
        Step::End { hold, how } => {
            if let Some(number) = some(hold, model) {
                let id = model.holds[number].new.id;
                assert_eq!(books.end(id, how, &now.to_string()), ended(model.end(number, how)));
            }
        }
        Step::EndByHand { hold, how } => {
            if let Some(number) = some(hold, model) {
                let Held { new, state, .. } = &model.holds[number];
                let was_ended = state.is_ended();
                let (hold, changed) = books.store.end_hold(new.id, how, None, now).unwrap();
                assert_eq!((hold.state, changed), (model.end(number, how), !was_ended));
            }
        }
        Step::Expire => {
            let mut due: Vec<_> = (0..model.holds.len())
                .filter(|number| {
                    !model.holds[*number].state.is_ended() && model.holds[*number].limit_at <= now
                })
                .collect();
            let mut ended = books.end_overdue(now);
            for number in &due {
                let then = model.holds[*number].new.limit.then;
                model
                    .end(*number, if then == AtLimit::Settle { End::Settle } else { End::Release });
            }
            ended.sort();
            due.sort_by_key(|number| model.holds[*number].new.id);
            assert_eq!(
                ended,
                due.iter().map(|number| model.holds[*number].new.id).collect::<Vec<_>>()
            );
        }
        Step::Limit { account, key, period, amount } => {
            let id = key.map(|key| key_id(account, key));
            let mut new = new_limit(ACCOUNTS[account], id.as_deref(), period, None);
            new.amount = amount.map(Amount::from_micros);
            books.store.set_limit(&new, now).unwrap();
            let place = (account, key, period.as_str());
            match amount {
                Some(amount) => drop(model.limits.insert(place, (period, amount))),
                None => drop(model.limits.remove(&place)),
            }
        }
        Step::Wait { hours } => model.now = now + SignedDuration::from_hours(hours),
    }
}

/// Whether the store has what the model has.
fn compare(books: &mut Books, model: &Model) {
    for (account, name) in ACCOUNTS.iter().enumerate() {
        let balance = books.store.balance(name, model.now).unwrap();
        assert_eq!(balance.available.micros(), model.balances[account], "{name}");
        let live =
            model.holds.iter().filter(|held| held.account == account && !held.state.is_ended());
        assert_eq!(balance.held.micros(), live.map(|held| held.amount).sum::<i64>(), "{name}");
        let limits = model.limits.iter().filter(|((whose, ..), _)| *whose == account);
        let mut expected: Vec<_> = limits
            .map(|((_, key, _), (period, most))| {
                let spent = model.spent(account, *key, *period);
                (key.map(|key| key_id(account, key)), period.as_str(), *most, spent)
            })
            .collect();
        expected.sort();
        let found: Vec<_> = balance
            .limits
            .into_iter()
            .map(|limit| {
                (limit.key, limit.period.as_str(), limit.amount.micros(), limit.spent.micros())
            })
            .collect();
        assert_eq!(found, expected, "{name}");
    }
    let all = HoldFilter { account: None, states: HoldStates::All };
    let found = books.store.holds(&all, None, 1_000).unwrap();
    let found: Vec<_> = found.into_iter().map(|hold| (hold.id, hold.state)).collect();
    let mut expected: Vec<_> = model.holds.iter().map(|held| (held.new.id, held.state)).collect();
    expected.sort_by_key(|(id, _)| *id);
    assert_eq!(found, expected);
    books.fit_together();
}

/// Does all of it, and looks after each step.
fn as_in_the_model(kind: Kind, steps: &[Step]) {
    let mut books = Books::empty(kind);
    for (account, name) in ACCOUNTS.iter().enumerate() {
        for key in 0..KEYS.len() {
            books = books.with_key(name, &key_id(account, key));
        }
    }
    let now = "2026-02-27T20:00:00Z".parse().unwrap();
    let mut model = Model { now, balances: [0; 2], holds: Vec::new(), limits: BTreeMap::new() };
    // Otherwise little would be held.
    for account in 0..ACCOUNTS.len() {
        step(&mut books, &mut model, &Step::Add { account, amount: 150 });
    }
    for this in steps {
        step(&mut books, &mut model, this);
        compare(&mut books, &model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn sqlite(steps in steps()) {
        as_in_the_model(Kind::Sqlite, &steps);
    }
}

#[cfg(feature = "postgres")]
proptest! {
    // Each of them has a database of its own.
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn postgres(steps in steps()) {
        as_in_the_model(Kind::Postgres, &steps);
    }
}
