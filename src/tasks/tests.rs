use super::*;
use crate::{
    ChargeLayer, Fault,
    auth::{Account, Principal},
    charge::{Amount, Ended, LedgerError, MemoryLedger, Price},
    fault::{Cause, UpstreamFault, UpstreamKind as K},
    profile::WorkState,
    upstream::{AnsweredBy, Pinned},
    work::{WorkEnd, WorkReport},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex},
};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

type Answer = Result<Response<Full<Bytes>>, Fault>;

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn of(account: &str, uri: &str) -> Request<()> {
    let principal = Principal::new(Arc::new(Account::new(account)), "k1");
    Request::builder().uri(uri).extension(principal).body(()).unwrap()
}

fn json(status: u16, body: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

/// Tasks whose money is in this ledger, with one unit for `acme`.
fn tasks() -> (MemoryLedger, MemoryTasks) {
    let ledger = MemoryLedger::new();
    ledger.add("acme", amount("1"));
    (ledger.clone(), MemoryTasks::new(ledger))
}

/// A request of `acme` that may make a task, and is paid for with a quarter.
async fn make(ledger: &MemoryLedger, tasks: &MemoryTasks, answer: fn() -> Answer) -> (u16, String) {
    let service = ServiceBuilder::new()
        .layer(ChargeLayer::new(ledger.clone(), Price::fixed(amount("0.25"))))
        .layer(
            TasksLayer::new(tasks.clone(), "images", TaskId::InAnswer("/id".parse().unwrap()))
                .max_bytes(64),
        )
        .service(service_fn(move |request: Request<()>| {
            // Whoever answers says who it was, as it was asked to.
            assert!(request.extensions().get::<WorkReport>().is_some());
            ready(answer().map(|mut answer| {
                answer.extensions_mut().insert(AnsweredBy("first".into()));
                answer
            }))
        }));
    match service.oneshot(of("acme", "/")).await {
        Ok(answer) => {
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        }
        Err(fault) => (0, fault.to_string()),
    }
}

#[tokio::test]
async fn what_is_a_task() {
    const LONG: &str =
        r#"{"id":"t1","pad":"0123456789012345678901234567890123456789012345678901234567890123"}"#;
    let table: [(&str, fn() -> Answer, bool, &str, &str); 9] = [
        ("an id", || Ok(json(202, r#"{"id":"t1"}"#)), true, "0.75", "0.25"),
        ("a number", || Ok(json(200, r#"{"id":7}"#)), true, "0.75", "0.25"),
        ("no id", || Ok(json(200, r#"{"url":"u"}"#)), false, "0.75", "0.00"),
        ("no JSON", || Ok(json(200, "id: t1")), false, "0.75", "0.00"),
        ("longer than what is read", || Ok(json(200, LONG)), false, "0.75", "0.00"),
        (
            "a stream",
            || {
                let mut answer = json(200, "data: {\"id\":\"t1\"}\n\n");
                let kind = HeaderValue::from_static("text/event-stream");
                answer.headers_mut().insert(header::CONTENT_TYPE, kind);
                Ok(answer)
            },
            false,
            "0.75",
            "0.00",
        ),
        ("a failure", || Ok(json(500, r#"{"id":"t1"}"#)), false, "1.00", "0.00"),
        (
            "a fault",
            || Err(UpstreamFault::new(K::ProviderError, Cause::Status(500)).into()),
            false,
            "1.00",
            "0.00",
        ),
        (
            "nobody knows",
            || Err(UpstreamFault::new(K::Timeout, Cause::TotalTimeout).into()),
            false,
            "0.75",
            "0.25",
        ),
    ];
    for (name, answer, is_task, balance, reserved) in table {
        let (ledger, tasks) = tasks();
        let (status, body) = make(&ledger, &tasks, answer).await;
        if let Ok(passed) = answer() {
            assert_eq!(status, passed.status().as_u16(), "{name}");
            let passed = passed.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, passed, "{name}");
        }
        let mut found = false;
        for id in ["t1", "7"] {
            let task = tasks.find(&"images".into(), id).await.unwrap();
            found |=
                task.is_some_and(|task| &*task.account == "acme" && &*task.endpoint == "first");
        }
        assert_eq!(found, is_task, "{name}");
        let money = (ledger.balance("acme").to_string(), ledger.reserved().to_string());
        assert_eq!(money, (balance.to_owned(), reserved.to_owned()), "{name}");
    }
}

#[tokio::test]
async fn an_id_that_another_one_has() {
    let (ledger, tasks) = tasks();
    let other = NewTask {
        scope: "images".into(),
        id: "t1".into(),
        principal: Principal::new(Arc::new(Account::new("other")), "k2"),
        endpoint: "first".into(),
        hold: None,
        amount: Amount::ZERO,
        item: None,
        retention: std::time::Duration::from_secs(1),
        callback: None,
    };
    assert_eq!(tasks.record(other).await.unwrap(), Recorded::Recorded);
    let (status, body) = make(&ledger, &tasks, || Ok(json(202, r#"{"id":"t1"}"#))).await;
    assert!(status == 502 && !body.contains("t1"), "{status} {body}");
    let task = tasks.find(&"images".into(), "t1").await.unwrap().unwrap();
    assert_eq!(&*task.account, "other");
    // The provider works; who pays is known when the time of it is over.
    assert_eq!(ledger.reserved(), amount("0.25"));
}

/// A provider that is asked for the same twice may answer with the same task.
#[tokio::test]
async fn a_task_that_is_there_already_is_paid_for_once() {
    let (ledger, tasks) = tasks();
    for _ in 0..2 {
        let made = make(&ledger, &tasks, || Ok(json(202, r#"{"id":"t1"}"#))).await;
        assert_eq!(made, (202, r#"{"id":"t1"}"#.to_owned()));
        assert_eq!((ledger.balance("acme"), ledger.reserved()), (amount("0.75"), amount("0.25")));
    }
}

/// What a request about `t1` is answered when its reader says this of the work, and what is reserved then.
async fn ask(said: Option<WorkEnd>, answer: fn() -> Answer) -> (u16, Amount, Amount) {
    let (ledger, tasks) = tasks();
    make(&ledger, &tasks, || Ok(json(202, r#"{"id":"t1"}"#))).await;
    let layer = TasksLayer::new(tasks, "images", TaskId::InQuery("id".into()));
    let service = layer.layer(service_fn(move |request: Request<()>| {
        assert_eq!(request.extensions().get(), Some(&Pinned("first".into())));
        if let Some(said) = &said {
            request.extensions().get::<WorkReport>().unwrap().tell(said.clone());
        }
        ready(answer())
    }));
    let mut status = 0;
    // Whoever asks, and how often.
    for _ in 0..3 {
        let answer = service.clone().oneshot(of("acme", "/?id=t1")).await;
        status = answer.map_or(0, |answer| answer.status().as_u16());
    }
    (status, ledger.balance("acme"), ledger.reserved())
}

#[tokio::test]
async fn how_a_task_ends() {
    let failed = UpstreamFault::new(K::OutputModeration, Cause::Status(200));
    let table: [(Option<WorkEnd>, fn() -> Answer, u16, &str, &str); 7] = [
        (Some(WorkEnd::Succeeded), || Ok(json(200, "{}")), 200, "0.75", "0.00"),
        (Some(WorkEnd::Failed(failed.clone().into())), || Ok(json(200, "{}")), 200, "1.00", "0.00"),
        (Some(WorkEnd::Failed(failed.into())), || Err(Fault::Overloaded), 0, "1.00", "0.00"),
        (Some(WorkEnd::Unsaid), || Ok(json(200, "{}")), 200, "0.75", "0.00"),
        // What says nothing that can be read is a result.
        (None, || Ok(json(200, "{}")), 200, "0.75", "0.00"),
        (None, || Ok(json(202, "{}")), 202, "0.75", "0.25"),
        (None, || Ok(json(503, "{}")), 503, "0.75", "0.25"),
    ];
    for (said, answer, status, balance, reserved) in table {
        let found = ask(said.clone(), answer).await;
        assert_eq!(found, (status, amount(balance), amount(reserved)), "{said:?}");
    }
}

/// A store that knows one task of `acme`, and cannot do anything else.
#[derive(Clone, Default)]
struct Stuck {
    knows: bool,
    asked: Arc<Mutex<Vec<WorkState>>>,
}

impl TaskStore for Stuck {
    type Recording = Ready<Result<Recorded, LedgerError>>;
    type Finding = Ready<Result<Option<Task>, LedgerError>>;
    type Ending = Ready<Result<Option<Ended>, LedgerError>>;

    fn record(&self, _: NewTask) -> Self::Recording {
        ready(Err(LedgerError::new("away")))
    }

    fn find(&self, _: &Arc<str>, _: &str) -> Self::Finding {
        let (account, endpoint) = ("acme".into(), "first".into());
        let task =
            Task { account, endpoint, state: WorkState::Running, provider_id: None, is_paid: true };
        ready(if self.knows { Ok(Some(task)) } else { Err(LedgerError::new("away")) })
    }

    fn end(&self, _: &Arc<str>, _: &str, state: WorkState) -> Self::Ending {
        self.asked.lock().unwrap().push(state);
        ready(Err(LedgerError::new("away")))
    }
}

#[tokio::test]
async fn a_store_that_is_away() {
    let about = |store: Stuck, said: WorkEnd| {
        TasksLayer::new(store, "images", TaskId::InQuery("id".into())).layer(service_fn(
            move |request: Request<()>| {
                request.extensions().get::<WorkReport>().unwrap().tell(said.clone());
                ready(Ok::<_, Fault>(json(200, "{}")))
            },
        ))
    };
    let asks = |service: Tasks<_, Stuck>| service.oneshot(of("acme", "/?id=t1"));
    let failed = || WorkEnd::Failed(Fault::Internal);
    let unknown = asks(about(Stuck::default(), failed())).await.unwrap();
    assert_eq!(unknown.status(), 503);
    // A success that cannot be noted is none; a failure is one all the same.
    let store = Stuck { knows: true, ..Stuck::default() };
    assert_eq!(asks(about(store.clone(), WorkEnd::Succeeded)).await.unwrap().status(), 503);
    assert_eq!(asks(about(store.clone(), failed())).await.unwrap().status(), 200);
    assert_eq!(*store.asked.lock().unwrap(), [WorkState::Succeeded, WorkState::Failed]);
    // The task is made, and nobody can be told its id: the money stays until its time is over.
    let ledger = MemoryLedger::new();
    ledger.add("acme", amount("1"));
    let makes = ServiceBuilder::new()
        .layer(ChargeLayer::new(ledger.clone(), Price::fixed(amount("0.25"))))
        .layer(TasksLayer::new(
            Stuck::default(),
            "images",
            TaskId::InAnswer("/id".parse().unwrap()),
        ))
        .service(service_fn(|_: Request<()>| ready(Ok::<_, Fault>(json(202, r#"{"id":"t1"}"#)))));
    assert_eq!(makes.oneshot(of("acme", "/")).await.unwrap().status(), 500);
    assert_eq!(ledger.reserved(), amount("0.25"));
}

#[tokio::test]
async fn somebody_elses_task_is_none() {
    let (ledger, tasks) = tasks();
    make(&ledger, &tasks, || Ok(json(202, r#"{"id":"t1"}"#))).await;
    let layer = TasksLayer::new(tasks, "images", TaskId::InQuery("id".into()));
    let service = layer
        .layer(service_fn(|_: Request<()>| async { panic!("the provider is asked") as Answer }));
    let mut bodies = Vec::new();
    for (account, uri) in
        [("other", "/?id=t1"), ("acme", "/?id=t2"), ("acme", "/"), ("acme", "/?id=")]
    {
        let answer = service.clone().oneshot(of(account, uri)).await.unwrap();
        assert_eq!(answer.status(), 404);
        bodies.push(answer.into_body().collect().await.unwrap().to_bytes());
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
    let nobody =
        service.oneshot(Request::builder().uri("/?id=t1").body(()).unwrap()).await.unwrap();
    assert_eq!(nobody.status(), 401);
}
