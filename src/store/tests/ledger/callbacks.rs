#[cfg(feature = "postgres")]
use super::new_hold;
use super::{Books, Kind, amount, time};
#[cfg(feature = "postgres")]
use crate::store::{StoreUrl, ledger::Books as _, postgres::PostgresBooks};
use crate::{
    auth::{Account, Principal},
    store::ledger::{
        CallbackFilter, CallbackState, CallbackStates, CallbackStep, Claim, DueCallback, Hinted,
        Job, Message, Outcome, Progress, StoredCallback,
    },
    tasks::{Callback, CallbackId, NewTask, Recorded},
};
use jiff::{SignedDuration, Timestamp};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::oneshot;

for_each_kind! {
    from_the_task_to_the_end looked_at_when_the_provider_calls taken_on_once_at_a_time what_was_done_meanwhile_counts
    no_account_has_more_than_its_share those_of_upstreams_that_are_not_known what_the_provider_says given_up_and_tried_again forgotten_after_a_week
}

const NOW: &str = "2026-01-01T00:00:00Z";
const LEASE: Duration = Duration::from_secs(30);

/// So many seconds later.
fn later(seconds: i64) -> Timestamp {
    time(NOW) + SignedDuration::from_secs(seconds)
}

fn message(body: &[u8]) -> Message {
    Message { content_type: "application/json".to_owned(), body: body.to_vec() }
}

/// All that is in this state.
fn of(state: CallbackState) -> Claim {
    Claim {
        state,
        scopes: Arc::new(["images".to_owned()]),
        stale_after: Duration::from_secs(24 * 60 * 60),
        most: 10,
        most_of_account: 10,
        at_work: HashMap::new(),
        lease: LEASE,
    }
}

fn waiting() -> Claim {
    of(CallbackState::Waiting)
}

impl Books {
    fn task_of(&mut self, account: &str, task: &str, hold: bool) -> (CallbackId, Recorded) {
        let id = CallbackId::new();
        let hold = hold.then(|| self.held("1", NOW));
        let new = NewTask {
            scope: "images".into(),
            id: task.into(),
            principal: Principal::new(Arc::new(Account::new(account)), "first"),
            endpoint: "main".into(),
            hold,
            amount: amount("1"),
            item: None,
            retention: Duration::from_secs(3600),
            callback: Some(Callback { id, url: "https://example.com/hook".into() }),
        };
        // Said twice, it is the same.
        for _ in 0..2 {
            self.write(Job::Record(new.clone(), oneshot::channel().0), time(NOW));
        }
        match self.write(Job::Record(new, oneshot::channel().0), time(NOW)) {
            Outcome::Recorded(recorded) => (id, recorded),
            other => panic!("{other:?}"),
        }
    }

    fn task(&mut self, task: &str) -> CallbackId {
        let (id, recorded) = self.task_of("acme", task, false);
        assert_eq!(recorded, Recorded::Recorded);
        id
    }

    fn hint(&mut self, id: CallbackId, now: Timestamp) -> Hinted {
        self.said(id, None, now)
    }

    fn said(&mut self, id: CallbackId, said: Option<&[u8]>, now: Timestamp) -> Hinted {
        match self.write(Job::Hint(id, said.map(message), oneshot::channel().0), now) {
            Outcome::Hinted(hinted) => hinted,
            other => panic!("{other:?}"),
        }
    }

    fn claim_as(&mut self, claim: Claim, now: Timestamp) -> Vec<DueCallback> {
        match self.write(Job::Claim(claim, oneshot::channel().0), now) {
            Outcome::Claimed(due) => due,
            other => panic!("{other:?}"),
        }
    }

    /// Whatever is due.
    fn claim(&mut self, now: Timestamp) -> Vec<DueCallback> {
        let mut due = self.claim_as(of(CallbackState::Waiting), now);
        due.extend(self.claim_as(of(CallbackState::Ready), now));
        due
    }

    #[track_caller]
    fn the_one_due(&mut self, now: Timestamp) -> DueCallback {
        let mut due = self.claim(now);
        assert_eq!(due.len(), 1, "{due:?}");
        due.remove(0)
    }

    fn step(&mut self, due: &DueCallback, to: Progress, error: Option<&str>, now: Timestamp) {
        let error = error.map(str::to_owned);
        let step = CallbackStep { id: due.id, from: (due.state, due.attempts), to, error };
        self.write(Job::Step(step, oneshot::channel().0), now);
    }

    fn stored(&self) -> Vec<StoredCallback> {
        let filter = CallbackFilter { account: None, states: CallbackStates::All };
        self.store.callbacks(&filter, None, 100).unwrap()
    }

    #[track_caller]
    fn is(&self, state: CallbackState, attempts: u32, error: Option<&str>) {
        let [stored] = &*self.stored() else { panic!("{:?}", self.stored()) };
        assert_eq!(
            (stored.state, stored.attempts, stored.error.as_deref()),
            (state, attempts, error)
        );
        assert_eq!(stored.ended_at.is_some(), state.is_over());
    }
}

fn from_the_task_to_the_end(kind: Kind) {
    let mut books = Books::new(kind);
    let id = books.task("t1");
    books.is(CallbackState::Waiting, 0, None);
    assert!(books.claim(later(9)).is_empty());
    let due = books.the_one_due(later(10));
    assert_eq!((due.id, &*due.account, &*due.key), (id, "acme", "first"));
    assert_eq!((&*due.scope, &*due.task, &*due.url), ("images", "t1", "https://example.com/hook"));
    assert_eq!((due.state, due.attempts, due.since), (CallbackState::Waiting, 0, time(NOW)));
    assert_eq!(due.message, None);
    books.step(&due, Progress::Again(Duration::from_secs(5)), Some("nobody knows"), later(11));
    books.is(CallbackState::Waiting, 1, Some("nobody knows"));
    assert!(books.claim(later(15)).is_empty());
    let due = books.the_one_due(later(16));
    books.step(&due, Progress::Ready(message(b"\xff{}")), None, later(17));
    books.is(CallbackState::Ready, 0, None);
    let due = books.the_one_due(later(17));
    assert_eq!(due.message, Some(message(b"\xff{}")));
    assert_eq!((due.state, due.attempts, due.since), (CallbackState::Ready, 0, later(17)));
    books.step(&due, Progress::Again(Duration::from_secs(5)), Some("500"), later(18));
    books.is(CallbackState::Ready, 1, Some("500"));
    let due = books.the_one_due(later(23));
    assert_eq!(due.message, Some(message(b"\xff{}")), "the same again");
    books.step(&due, Progress::Delivered, None, later(24));
    books.is(CallbackState::Delivered, 2, None);
    assert!(books.claim(later(1_000_000)).is_empty());
    // Somebody else's task is told to nobody.
    let (_, taken) = books.task_of("other", "t1", false);
    assert_eq!((taken, books.stored().len()), (Recorded::Taken, 1));
    // The same account may want to be told once more, of what it has from another request.
    let (_, known) = books.task_of("acme", "t1", true);
    assert_eq!((known, books.stored().len()), (Recorded::Known, 2));
}

fn looked_at_when_the_provider_calls(kind: Kind) {
    let mut books = Books::new(kind);
    let id = books.task("t1");
    assert_eq!(books.hint(CallbackId::new(), later(1)), Hinted::Unknown);
    assert!(books.claim(later(1)).is_empty());
    assert_eq!(books.hint(id, later(1)), Hinted::Known);
    let due = books.the_one_due(later(1));
    // It calls once more while somebody looks, and so perhaps too early.
    assert_eq!(books.hint(id, later(2)), Hinted::Known);
    assert!(books.claim(later(2)).is_empty());
    books.step(&due, Progress::Again(Duration::from_secs(300)), None, later(3));
    let due = books.the_one_due(later(3));
    books.step(&due, Progress::Again(Duration::from_secs(300)), None, later(4));
    assert!(books.claim(later(5)).is_empty());
    books.hint(id, later(5));
    let due = books.the_one_due(later(5));
    books.step(&due, Progress::Ready(message(b"{}")), None, later(6));
    let due = books.the_one_due(later(6));
    books.step(&due, Progress::Again(Duration::from_secs(300)), Some("500"), later(7));
    // A receiver that fails is not tried more often for it.
    assert_eq!(books.hint(id, later(8)), Hinted::Known);
    assert!(books.claim(later(8)).is_empty());
}

fn taken_on_once_at_a_time(kind: Kind) {
    let mut books = Books::new(kind);
    let ids: Vec<_> = (0..5).map(|task| books.task(&format!("t{task}"))).collect();
    let first = books.claim_as(Claim { most: 2, ..waiting() }, later(10));
    let second = books.claim(later(10));
    let mut claimed: Vec<_> = first.iter().chain(&second).map(|due| due.id).collect();
    assert_eq!((first.len(), second.len()), (2, 3));
    claimed.sort();
    assert_eq!(claimed, ids);
    // Whoever had them is gone.
    assert!(books.claim(later(39)).is_empty());
    assert_eq!(books.claim(later(40)).len(), 5);
}

fn what_was_done_meanwhile_counts(kind: Kind) {
    let mut books = Books::new(kind);
    books.task("t1");
    let slow = books.the_one_due(later(10));
    let quick = books.the_one_due(later(50));
    books.step(&quick, Progress::Ready(message(b"1")), None, later(51));
    books.step(&slow, Progress::Again(LEASE), Some("too late"), later(52));
    books.step(&slow, Progress::GivenUp, Some("too late"), later(52));
    books.is(CallbackState::Ready, 0, None);
}

fn no_account_has_more_than_its_share(kind: Kind) {
    let mut books = Books::new(kind);
    for number in 0..20 {
        books.task_of("acme", &format!("t{number}"), false);
    }
    for account in ["other", "third"] {
        books.task_of(account, account, false);
    }
    let at_work = HashMap::from([("acme".to_owned(), 1), ("third".to_owned(), 3)]);
    let claim = Claim { most_of_account: 3, at_work, ..waiting() };
    let of = |due: &[DueCallback]| {
        let mut accounts: Vec<_> = due.iter().map(|due| due.account.clone()).collect();
        accounts.sort();
        accounts
    };
    let due = books.claim_as(claim.clone(), later(10));
    assert_eq!(of(&due), ["acme", "acme", "other"]);
    let due = books.claim_as(Claim { at_work: HashMap::new(), ..claim }, later(10));
    assert_eq!(of(&due), ["acme", "acme", "acme", "third"]);
}

fn those_of_upstreams_that_are_not_known(kind: Kind) {
    let mut books = Books::new(kind);
    books.task("t1");
    let others = Claim { scopes: Arc::new(["others".to_owned()]), ..waiting() };
    assert!(books.claim_as(others.clone(), later(10)).is_empty());
    assert_eq!(books.claim_as(waiting(), later(10)).len(), 1);
    // Somebody has to give them up.
    assert_eq!(books.claim_as(others, later(24 * 60 * 60)).len(), 1);
}

/// Each is written by another gateway in another order.
#[cfg(feature = "postgres")]
#[test]
fn nobody_waits_crosswise() {
    let mut books = Books::new(Kind::Postgres);
    let ids: Vec<_> = (0..8).map(|number| books.task(&format!("t{number}"))).collect();
    let StoreUrl::Postgres(url) = books.place.url() else { panic!("not a server") };
    let gateway = |turned: bool| {
        let (ids, url) = (ids.clone(), url.clone());
        std::thread::spawn(move || {
            let mut ledger = PostgresBooks::open(url).unwrap();
            for round in 0..100 {
                let mut jobs: Vec<_> =
                    ids.iter().map(|id| Job::Hint(*id, None, oneshot::channel().0)).collect();
                jobs.push(Job::Hold(new_hold("acme", "first", "0.01"), oneshot::channel().0));
                jobs.push(Job::Claim(waiting(), oneshot::channel().0));
                if turned {
                    jobs.reverse();
                }
                let written = ledger.write(&jobs, false, later(round));
                assert!(written.is_ok(), "{written:?}");
            }
        })
    };
    let gateways = [gateway(false), gateway(true)];
    gateways.into_iter().for_each(|gateway| gateway.join().unwrap());
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(books.place.sql(sql), "0");
}

fn given_up_and_tried_again(kind: Kind) {
    let mut books = Books::new(kind);
    let id = books.task("t1");
    assert!(!books.store.retry_callback(CallbackId::new(), later(1)).unwrap());
    // Now instead of later.
    assert!(books.store.retry_callback(id, later(1)).unwrap());
    let due = books.the_one_due(later(1));
    books.step(&due, Progress::Ready(message(b"1")), None, later(2));
    let due = books.the_one_due(later(2));
    books.step(&due, Progress::GivenUp, Some("404"), later(3));
    books.is(CallbackState::GivenUp, 1, Some("404"));
    assert!(books.claim(later(1000)).is_empty());
    assert!(books.store.retry_callback(id, later(1000)).unwrap());
    let due = books.the_one_due(later(1000));
    assert_eq!((due.state, due.attempts, due.since), (CallbackState::Ready, 0, later(1000)));
    assert_eq!(due.message, Some(message(b"1")));
    books.step(&due, Progress::Delivered, None, later(1002));
    assert!(!books.store.retry_callback(id, later(1003)).unwrap());
    let only = |states| {
        let filter = CallbackFilter { account: Some("acme".to_owned()), states };
        books.store.callbacks(&filter, None, 10).unwrap().len()
    };
    assert_eq!(only(CallbackStates::Live), 0);
    assert_eq!(only(CallbackStates::Only(CallbackState::Delivered)), 1);
    assert_eq!(only(CallbackStates::Only(CallbackState::GivenUp)), 0);
}

fn forgotten_after_a_week(kind: Kind) {
    let mut books = Books::new(kind);
    books.task("t1");
    books.task("t2");
    let due = books.claim_as(Claim { most: 1, ..waiting() }, later(10));
    books.step(&due[0], Progress::GivenUp, Some("404"), later(10));
    let week = 7 * 24 * 60 * 60;
    books.ledger.forget(later(9 + week), 10).unwrap();
    assert_eq!(books.stored().len(), 2);
    books.ledger.forget(later(10 + week), 10).unwrap();
    assert_eq!(books.stored().len(), 1, "and none that is not over");
}

fn what_the_provider_says(kind: Kind) {
    let mut books = Books::new(kind);
    let id = books.task("t1");
    for said in [&b"first"[..], b"last"] {
        assert_eq!(books.said(id, Some(said), later(1)), Hinted::Known);
    }
    let due = books.the_one_due(later(1));
    assert_eq!((due.state, due.message.clone()), (CallbackState::Waiting, Some(message(b"last"))));
    books.step(&due, Progress::Again(LEASE), None, later(1));
    assert_eq!(books.hint(id, later(2)), Hinted::Known);
    let due = books.the_one_due(later(2));
    assert_eq!(due.message, Some(message(b"last")), "it is kept");
    books.step(&due, Progress::Ready(message(b"ours")), None, later(3));
    assert_eq!(books.said(id, Some(b"too late"), later(3)), Hinted::Known);
    let due = books.the_one_due(later(3));
    assert_eq!(due.message, Some(message(b"ours")));
    books.step(&due, Progress::Delivered, None, later(4));
    // What a provider has said is never sent as it is.
    let id = books.task("t2");
    books.said(id, Some(b"theirs"), later(5));
    let due = books.the_one_due(later(5));
    books.step(&due, Progress::GivenUp, None, later(6));
    books.store.retry_callback(id, later(7)).unwrap();
    let due = books.the_one_due(later(7));
    assert_eq!((due.state, due.message), (CallbackState::Waiting, None));
}
