//! Several gateways on one store, and many who ask them at once: whatever they were told is what is stored.

use super::{Books, Kind, amount};
use crate::{
    auth::{Account, Principal},
    charge::{
        AtLimit, End, Ended, HoldId, Ledger, LedgerError, NewHold, Reservation, TimeLimit, Turn,
    },
    idempotency::{Begun, FirstRequest, IdempotencyStore as _, Kept, KeyName},
    profile::WorkState,
    store::{
        StoreUrl,
        ledger::{Counts, HoldFilter, HoldState, HoldStates, LedgerThread, Period, StoreLedger},
    },
    tasks::{NewTask, Recorded, TaskStore},
};
use bytes::Bytes;
use fastrand::Rng;
use http::{HeaderMap, StatusCode};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

for_each_kind! { answers_are_what_is_stored }

const ACCOUNTS: [&str; 2] = ["acme", "other"];
const GATEWAYS: usize = 2;
const WORKERS: usize = 6;
const STEPS: usize = 60;

/// What workers were told.
#[derive(Default)]
struct Told {
    /// Holds that are there, and as what they have ended if somebody was told so.
    holds: BTreeMap<HoldId, BTreeSet<&'static str>>,
    /// Tasks that are there, their holds, and how somebody has said that they ended.
    tasks: BTreeMap<String, (HoldId, BTreeSet<&'static str>)>,
    /// How often each key was given to somebody, and given back.
    taken: BTreeMap<usize, (usize, usize)>,
    /// The answers that were given for each key.
    answers: BTreeMap<usize, BTreeSet<Bytes>>,
}

struct Work {
    url: StoreUrl,
    gateways: Mutex<Vec<Option<LedgerThread>>>,
    told: Mutex<Told>,
}

impl Work {
    fn ledger(&self, gateway: usize) -> StoreLedger {
        let gateways = self.gateways.lock().unwrap();
        gateways[gateway].as_ref().map(LedgerThread::ledger).unwrap_or_default()
    }

    /// Asks until there is an answer, the same every time: of any gateway, as they are restarted.
    async fn ask<T, F>(&self, rng: &mut Rng, ask: impl Fn(StoreLedger) -> F) -> T
    where
        F: Future<Output = Result<T, LedgerError>>,
    {
        loop {
            match ask(self.ledger(rng.usize(..GATEWAYS))).await {
                Ok(answer) => return answer,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }

    /// One that is there.
    fn any_hold(&self, rng: &mut Rng) -> Option<HoldId> {
        let told = self.told.lock().unwrap();
        let number = rng.usize(..told.holds.len().max(1));
        told.holds.keys().nth(number).copied()
    }

    async fn hold(&self, rng: &mut Rng) {
        let new = NewHold {
            id: HoldId::new(),
            principal: principal(rng),
            amount: amount(["0.1", "1", "3"][rng.usize(..3)]),
            limit: TimeLimit {
                after: Duration::from_millis([1, 30, 60_000][rng.usize(..3)]),
                then: [AtLimit::Settle, AtLimit::Release][rng.usize(..2)],
            },
            request_id: None,
            item: None,
            turn: None,
        };
        for _ in 0..=rng.usize(..2) {
            let reserved = self.ask(rng, |ledger| ledger.hold(new.clone())).await;
            let mut told = self.told.lock().unwrap();
            match reserved {
                Reservation::Held => drop(told.holds.entry(new.id).or_default()),
                Reservation::Ended => assert!(told.holds.contains_key(&new.id), "it never was"),
                _ => assert!(!told.holds.contains_key(&new.id), "it was held"),
            }
        }
    }

    async fn end(&self, rng: &mut Rng) {
        let Some(id) = self.any_hold(rng) else { return };
        let how = [End::Settle, End::Release, End::Pend][rng.usize(..3)];
        for _ in 0..=rng.usize(..2) {
            let state = match self.ask(rng, |ledger| Ledger::end(&ledger, id, how)).await {
                Ended::Settled => "settled",
                Ended::Released => "released",
                Ended::Pending if how == End::Pend => continue,
                other => panic!("{how:?} of a hold that is there: {other:?}"),
            };
            self.told.lock().unwrap().holds.get_mut(&id).unwrap().insert(state);
        }
    }

    async fn record(&self, rng: &mut Rng) {
        let Some(hold) = self.any_hold(rng) else { return };
        let id = format!("t{hold}");
        let of = |account: &str| NewTask {
            scope: "provider".into(),
            id: (*id).into(),
            principal: Principal::new(Arc::new(Account::new(account)), "key"),
            endpoint: "main".into(),
            hold: Some(hold),
            amount: amount("1"),
            item: None,
            retention: Duration::from_secs(3600),
            callback: None,
        };
        for _ in 0..=rng.usize(..2) {
            let recorded = self.ask(rng, |ledger| ledger.record(of("acme"))).await;
            assert_eq!(recorded, Recorded::Recorded);
        }
        self.told.lock().unwrap().tasks.entry(id.clone()).or_insert((hold, BTreeSet::new()));
        let taken = self.ask(rng, |ledger| ledger.record(of("somebody-else"))).await;
        assert_eq!(taken, Recorded::Taken);
    }

    async fn end_task(&self, rng: &mut Rng) {
        let id = {
            let told = self.told.lock().unwrap();
            let number = rng.usize(..told.tasks.len().max(1));
            told.tasks.keys().nth(number).cloned()
        };
        let Some(id) = id else { return };
        let how = [WorkState::Succeeded, WorkState::Failed][rng.usize(..2)];
        let scope: Arc<str> = "provider".into();
        // It is said before it is asked: somebody else may see it at once.
        self.told.lock().unwrap().tasks.get_mut(&id).unwrap().1.insert(how.as_str());
        self.ask(rng, |ledger| TaskStore::end(&ledger, &scope, &id, how)).await;
        let task = self.ask(rng, |ledger| ledger.find(&scope, &id)).await.unwrap();
        assert_eq!((&*task.account, &*task.endpoint), ("acme", "main"));
        assert_ne!(task.state, WorkState::Running);
        let none = self.ask(rng, |ledger| ledger.find(&scope, "nobody's")).await;
        assert_eq!(none, None);
    }

    async fn repeat(&self, rng: &mut Rng) {
        let number = rng.usize(..8);
        let turn = Turn::new();
        let name = KeyName { account: "acme".into(), key: format!("k{number}").into(), turn };
        let request = FirstRequest {
            name: name.clone(),
            fingerprint: [u8::try_from(number).unwrap(); 32],
            lease: Duration::from_secs(60),
            retention: Duration::from_secs(3600),
        };
        for attempt in 0..=rng.usize(..2) {
            match self.ask(rng, |ledger| ledger.begin(request.clone())).await {
                Begun::First => {}
                other if attempt > 0 => panic!("it was the first: {other:?}"),
                Begun::InUse => return,
                Begun::Answered(kept) => {
                    let mut told = self.told.lock().unwrap();
                    told.answers.entry(number).or_default().insert(kept.body);
                    return;
                }
                Begun::Reused => panic!("the same was asked for"),
            }
        }
        let mut other = request.clone();
        other.name.turn = Turn::new();
        other.fingerprint = [99; 32];
        assert_eq!(self.ask(rng, |ledger| ledger.begin(other.clone())).await, Begun::Reused);
        let gives_back = rng.bool();
        {
            let mut told = self.told.lock().unwrap();
            let (taken, back) = told.taken.entry(number).or_default();
            *taken += 1;
            *back += usize::from(gives_back);
            assert!(*taken <= *back + 1, "key {number}: two have it");
        }
        if gives_back {
            return self.ask(rng, |ledger| ledger.forget(&name)).await;
        }
        let body = Bytes::copy_from_slice(turn.as_bytes());
        let kept = Kept { status: StatusCode::OK, headers: HeaderMap::new(), body: body.clone() };
        self.ask(rng, |ledger| ledger.keep(&name, Some(kept.clone()))).await;
        self.told.lock().unwrap().answers.entry(number).or_default().insert(body);
    }

    async fn work(self: Arc<Self>, mut rng: Rng) {
        for _ in 0..STEPS {
            match rng.usize(..10) {
                0..4 => self.hold(&mut rng).await,
                4..7 => self.end(&mut rng).await,
                7 => self.record(&mut rng).await,
                8 => self.end_task(&mut rng).await,
                _ => self.repeat(&mut rng).await,
            }
        }
    }

    /// One after the other ends and starts again, whatever it is at.
    async fn restart(&self, gateway: usize) {
        let stopped = self.gateways.lock().unwrap()[gateway].take();
        tokio::task::spawn_blocking(move || drop(stopped)).await.unwrap();
        let url = self.url.clone();
        let started =
            tokio::task::spawn_blocking(move || LedgerThread::start(&url, Counts::default()))
                .await
                .unwrap();
        self.gateways.lock().unwrap()[gateway] = Some(started.unwrap());
    }
}

fn principal(rng: &mut Rng) -> Principal {
    let account = Arc::new(Account::new(ACCOUNTS[rng.usize(..2)]));
    Principal::new(account, ["first", "second"][rng.usize(..2)])
}

fn answers_are_what_is_stored(kind: Kind) {
    let mut books = Books::new(kind).with_key("acme", "second");
    books.add("acme", "20").unwrap();
    books.add("other", "15").unwrap();
    let now = "2026-01-01T00:00:00Z";
    books.limit(Some("second"), Period::Day, Some("12"), now).unwrap();
    books.limit(None, Period::Total, Some("25"), now).unwrap();
    let url = books.place.url();
    let start = |_| Some(LedgerThread::start(&url, Counts::default()).unwrap());
    let gateways = (0..GATEWAYS).map(start).collect::<Vec<_>>().into();
    let work = Arc::new(Work { url: url.clone(), gateways, told: Mutex::default() });
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let workers: Vec<_> =
            (0..WORKERS).map(|_| tokio::spawn(work.clone().work(Rng::new()))).collect();
        let mut gateways = (0..GATEWAYS).cycle();
        while !workers.iter().all(tokio::task::JoinHandle::is_finished) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            work.restart(gateways.next().unwrap()).await;
        }
        for worker in workers {
            worker.await.unwrap();
        }
    });
    // What was asked before they end is written.
    work.gateways.lock().unwrap().clear();
    compare(&mut books, &work.told.lock().unwrap());
}

fn compare(books: &mut Books, told: &Told) {
    books.fit_together();
    let all = HoldFilter { account: None, states: HoldStates::All };
    let stored: BTreeMap<_, _> = books
        .store
        .holds(&all, None, 10_000)
        .unwrap()
        .into_iter()
        .map(|h| (h.id, h.state))
        .collect();
    assert!(stored.keys().eq(told.holds.keys()), "holds that nobody was told of, or lost ones");
    for (id, ended) in &told.holds {
        // Those that nobody was told of may have reached their time limit.
        let one = ended.is_empty() || ended.iter().eq([&stored[id].as_str()]);
        assert!(one, "{id}: {ended:?}, and it is {:?}", stored[id]);
    }
    for (id, (hold, said)) in told.tasks.iter().filter(|(_, (_, said))| !said.is_empty()) {
        let state = books
            .place
            .sql(&format!("SELECT count(*) FROM tasks WHERE id = '{id}' AND state = 'running'"));
        assert_eq!(state, "0", "{id}: {said:?}");
        assert!(stored[hold].is_ended(), "{id}: its hold is {:?}", stored[hold]);
    }
    for (key, answers) in &told.answers {
        assert!(answers.len() <= 1, "key {key}: {} answers", answers.len());
    }
    let ended = stored.values().filter(|state| state.is_ended()).count();
    let of = |state: HoldState| stored.values().filter(|other| **other == state).count();
    assert!(ended > 10 && of(HoldState::Settled) > 0 && of(HoldState::Released) > 0, "{stored:?}");
    for account in ACCOUNTS {
        let balance = books.store.balance(account, jiff::Timestamp::now()).unwrap();
        assert!(balance.available >= amount("0"), "{balance:?}");
    }
}
