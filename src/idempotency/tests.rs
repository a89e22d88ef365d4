use super::*;
use crate::{
    Fault, ValidateLayer,
    auth::{Account, Principal},
    charge::LedgerError,
    fault::{Cause, UpstreamFault, UpstreamKind as K},
    schema::Schema,
    work::{WorkEnd, WorkReport},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{
    BodyExt, Full,
    channel::{Channel, Sender},
};
use std::{
    future::{Ready, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_service::Service;

type Answer = Result<Response<Full<Bytes>>, Fault>;

fn request(account: &str, key: Option<&str>, body: &'static str) -> Request<Full<Bytes>> {
    let principal = Principal::new(Arc::new(Account::new(account)), "k1");
    let request = Request::post("/generate").extension(principal);
    let mut request = request.body(Full::from(body)).unwrap();
    let kind = HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    if let Some(key) = key {
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    }
    request
}

/// What it answers, by number of the call.
fn counting(
    layer: IdempotencyLayer<MemoryKeys>,
    answer: fn(usize) -> Answer,
) -> (
    impl Service<
        Request<Full<Bytes>>,
        Response = Response<impl http_body::Body<Data = Bytes, Error: std::fmt::Debug>>,
        Error = Fault,
        Future: Send,
    > + Clone,
    Arc<AtomicUsize>,
) {
    let calls = Arc::<AtomicUsize>::default();
    let counted = calls.clone();
    let schema: Schema = "{}".parse().unwrap();
    let service = ServiceBuilder::new()
        .layer(ValidateLayer::new().schema(schema))
        .layer(layer)
        .service(service_fn(move |_: Request<_>| {
            ready(answer(counted.fetch_add(1, Ordering::Relaxed) + 1))
        }));
    (service, calls)
}

async fn text<B>(answer: Response<B>) -> (u16, Option<String>, String)
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let replayed = answer.headers().get("idempotency-replayed");
    let replayed = replayed.map(|value| value.to_str().unwrap().to_owned());
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, replayed, String::from_utf8(body.to_vec()).unwrap())
}

fn numbered(call: usize) -> Answer {
    let mut answer = Response::new(Full::from(format!("call {call}")));
    answer.headers_mut().insert("x-made-by", HeaderValue::from_static("a provider"));
    Ok(answer)
}

#[tokio::test]
async fn the_same_request_again_is_answered_as_the_first_time() {
    let layer = IdempotencyLayer::new(MemoryKeys::default());
    let (service, calls) = counting(layer, numbered);
    let ask = |account, key, body| service.clone().oneshot(request(account, key, body));
    let first = ask("acme", Some("\"k\""), "{}").await.unwrap();
    assert_eq!(first.headers().get("x-made-by").unwrap(), "a provider");
    assert_eq!(text(first).await, (200, None, "call 1".to_owned()));
    let again = ask("acme", Some("k"), "{}").await.unwrap();
    assert_eq!(again.headers().get("x-made-by").unwrap(), "a provider");
    assert_eq!(again.headers().get("content-length").unwrap(), "6");
    assert_eq!(text(again).await, (200, Some("true".to_owned()), "call 1".to_owned()));
    // Something else under the same key; and keys that are others.
    let reused = text(ask("acme", Some("k"), "{\"a\":1}").await.unwrap()).await;
    assert!(reused.0 == 422 && reused.2.contains("idempotency_key_reused"), "{reused:?}");
    for (account, key, call) in
        [("other", Some("k"), 2), ("acme", Some("l"), 3), ("acme", None, 4), ("acme", None, 5)]
    {
        let answer = text(ask(account, key, "{}").await.unwrap()).await;
        assert_eq!(answer, (200, None, format!("call {call}")));
    }
    assert_eq!(calls.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn who_must_have_a_key_and_who_need_not() {
    let cases = [
        (Policy::Off, "POST", None, 200),
        (Policy::Off, "POST", Some("\"broken"), 200),
        (Policy::Optional, "POST", None, 200),
        (Policy::Optional, "POST", Some("\"broken"), 400),
        (Policy::Required, "POST", None, 400),
        (Policy::Required, "POST", Some("k"), 200),
        (Policy::Required, "GET", None, 200),
    ];
    for (policy, method, key, want) in cases {
        let layer = IdempotencyLayer::new(MemoryKeys::default()).policy(policy);
        let service = layer.layer(service_fn(|_: Request<Full<Bytes>>| ready(numbered(1))));
        let mut request = request("acme", key, "{}");
        *request.method_mut() = method.parse().unwrap();
        let answer = service.oneshot(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), want, "{policy:?} {method} {key:?}");
    }
    // Whose key would it be?
    let service = IdempotencyLayer::new(MemoryKeys::default())
        .layer(service_fn(|_: Request<Full<Bytes>>| ready(numbered(1))));
    let nobody = Request::post("/").header("idempotency-key", "k").body(Full::default()).unwrap();
    assert_eq!(service.oneshot(nobody).await.unwrap().status(), 401);
}

#[tokio::test]
async fn what_becomes_of_a_failure() {
    fn fails(kind: K, cause: Cause) -> Answer {
        Err(UpstreamFault::new(kind, cause).into())
    }
    let table: [(&str, fn(usize) -> Answer, usize); 6] = [
        ("refused, and may go better", |_| fails(K::ProviderError, Cause::Status(500)), 2),
        ("refused for good", |_| fails(K::InvalidRequest, Cause::Status(400)), 1),
        ("nobody knows", |_| fails(K::Timeout, Cause::FirstByteTimeout), 1),
        ("too little money", |_| Err(Fault::InsufficientBalance), 2),
        ("a body that is cut off is nobody's success", |_| fails(K::Incomplete, Cause::CutOff), 1),
        (
            "a status of ours",
            |_| {
                let mut answer = Response::new(Full::default());
                *answer.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
                Ok(answer)
            },
            2,
        ),
    ];
    for (name, answer, want) in table {
        let (service, calls) = counting(IdempotencyLayer::new(MemoryKeys::default()), answer);
        let mut bodies = Vec::new();
        for _ in 0..2 {
            // An error that is kept was an answer the first time, too.
            let answer = service.clone().oneshot(request("acme", Some("k"), "{}")).await;
            bodies.push(text(answer.unwrap()).await.2);
        }
        assert_eq!(calls.load(Ordering::Relaxed), want, "{name}");
        assert_eq!(bodies[0], bodies[1], "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_given_once() {
    let layer = IdempotencyLayer::new(MemoryKeys::default()).max_bytes(5);
    let (service, calls) = counting(layer, numbered);
    let ask = || service.clone().oneshot(request("acme", Some("k"), "{}"));
    assert_eq!(text(ask().await.unwrap()).await, (200, None, "call 1".to_owned()));
    let again = text(ask().await.unwrap()).await;
    assert!(again.0 == 409 && again.2.contains("idempotency_key_in_use"), "{again:?}");
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_second_request_while_the_first_is_at_work() {
    let (gate, asked) = (Arc::<Notify>::default(), Arc::<Notify>::default());
    let (open, seen) = (gate.clone(), asked.clone());
    let service = IdempotencyLayer::new(MemoryKeys::default()).layer(service_fn(
        move |_: Request<Full<Bytes>>| {
            let (gate, asked) = (gate.clone(), asked.clone());
            async move {
                asked.notify_one();
                gate.notified().await;
                numbered(1)
            }
        },
    ));
    let ask = || service.clone().oneshot(request("acme", Some("k"), "{}"));
    let first = tokio::spawn(ask());
    seen.notified().await;
    assert_eq!(ask().await.unwrap().status(), 409);
    // The first client leaves, and its request goes on: it comes back for the answer.
    first.abort();
    assert!(first.await.is_err());
    assert_eq!(ask().await.unwrap().status(), 409);
    open.notify_one();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let again = text(ask().await.unwrap()).await;
    assert_eq!(again, (200, Some("true".to_owned()), "call 1".to_owned()));
}

/// A service whose only answer is this stream; it says of the work what `report` says.
fn streaming(
    max_bytes: usize,
    end: Option<WorkEnd>,
) -> (
    impl Service<
        Request<Full<Bytes>>,
        Response = Response<impl http_body::Body<Data = Bytes, Error = BoxError>>,
        Error = Fault,
        Future: Send,
    > + Clone,
    Sender<Bytes, BoxError>,
    Arc<AtomicUsize>,
) {
    let (sender, body) = Channel::<Bytes, BoxError>::new(16);
    let body = Arc::new(Mutex::new(Some(body)));
    let calls = Arc::<AtomicUsize>::default();
    let counted = calls.clone();
    let layer = IdempotencyLayer::new(MemoryKeys::default()).max_bytes(max_bytes);
    let service = layer.layer(service_fn(move |request: Request<Full<Bytes>>| {
        counted.fetch_add(1, Ordering::Relaxed);
        if let Some(end) = &end {
            request.extensions().get::<WorkReport>().unwrap().tell(end.clone());
        }
        let body = body.lock().unwrap().take().unwrap_or_else(|| Channel::new(1).1);
        let mut answer = Response::new(body);
        let kind = HeaderValue::from_static("text/event-stream");
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
        ready(Ok::<_, Fault>(answer))
    }));
    (service, sender, calls)
}

async fn send_all(mut sender: Sender<Bytes, BoxError>, pieces: &[&'static str]) {
    for piece in pieces {
        sender.send_data(Bytes::from_static(piece.as_bytes())).await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_is_given_again_all_at_once() {
    let failed = |kind, cause| Some(WorkEnd::Failed(UpstreamFault::new(kind, cause).into()));
    let table = [
        (100, None, 1, 200),
        (100, Some(WorkEnd::Succeeded), 1, 200),
        // It ended with an event that says so.
        (100, failed(K::Timeout, Cause::IdleTimeout), 1, 200),
        (100, failed(K::ProviderError, Cause::WorkFailed(200)), 2, 200),
        (3, None, 1, 409),
    ];
    for (max_bytes, end, calls, status) in table {
        let (service, sender, counted) = streaming(max_bytes, end.clone());
        let ask = || service.clone().oneshot(request("acme", Some("k"), "{}"));
        let first = ask().await.unwrap();
        send_all(sender, &["a", "bc", "d"]).await;
        assert_eq!(
            text(first.map(|body| body.map_err(|_| ()))).await,
            (200, None, "abcd".to_owned())
        );
        let again = ask().await.unwrap();
        assert_eq!(again.status().as_u16(), status, "{end:?}");
        if calls == 1 && status == 200 {
            let again = text(again.map(|body| body.map_err(|_| ()))).await;
            assert_eq!(again, (200, Some("true".to_owned()), "abcd".to_owned()));
        }
        assert_eq!(counted.load(Ordering::Relaxed), calls, "{end:?}");
    }
}

#[tokio::test]
async fn whoever_leaves_a_stream_finds_it_whole() {
    let (service, sender, calls) = streaming(100, None);
    let ask = || service.clone().oneshot(request("acme", Some("k"), "{}"));
    let first = ask().await.unwrap();
    drop(first);
    assert_eq!(ask().await.unwrap().status(), 409);
    send_all(sender, &["a", "b"]).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let again = text(ask().await.unwrap().map(|body| body.map_err(|_| ()))).await;
    assert_eq!(again, (200, Some("true".to_owned()), "ab".to_owned()));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_stream_that_breaks_off_cannot_be_given_again() {
    let (service, mut sender, calls) = streaming(100, None);
    let ask = || service.clone().oneshot(request("acme", Some("k"), "{}"));
    let first = ask().await.unwrap();
    sender.send_data(Bytes::from_static(b"a")).await.unwrap();
    sender.abort("cut off".into());
    assert!(first.into_body().collect().await.is_err());
    assert_eq!(ask().await.unwrap().status(), 409);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// Without its store nothing is carried out.
#[tokio::test]
async fn a_store_that_is_away() {
    #[derive(Clone)]
    struct Away;
    impl IdempotencyStore for Away {
        type Beginning = Ready<Result<Begun, LedgerError>>;
        type Ending = Ready<Result<(), LedgerError>>;
        fn begin(&self, _: FirstRequest) -> Self::Beginning {
            ready(Err(LedgerError::new("away")))
        }
        fn keep(&self, _: &KeyName, _: Option<Kept>) -> Self::Ending {
            ready(Err(LedgerError::new("away")))
        }
        fn forget(&self, _: &KeyName) -> Self::Ending {
            ready(Err(LedgerError::new("away")))
        }
    }
    let service = IdempotencyLayer::new(Away).layer(service_fn(|_: Request<Full<Bytes>>| async {
        panic!("it is carried out") as Answer
    }));
    let answer = service.oneshot(request("acme", Some("k"), "{}")).await.unwrap();
    assert_eq!(answer.status(), 503);
}
