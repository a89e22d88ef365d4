//! The layer as a whole: what is refused, what answers say, and when the inner service is called.

use super::*;
use crate::{
    Fault, NormalizeLayer,
    auth::{Account, Principal},
    client_address::ClientAddress,
};
use bytes::Bytes;
use governor::clock::FakeRelativeClock;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use std::{
    convert::Infallible,
    future::{Future, Pending, pending},
    num::NonZeroU32,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock;

const SECOND: Duration = Duration::from_secs(1);

fn units(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn per_second(n: u32) -> Rate {
    Rate::per(units(n), SECOND).unwrap()
}

type Layered = RateLimitLayer<Local<FakeRelativeClock>>;

fn layer(quotas: impl IntoIterator<Item = Quota>) -> (Layered, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    let layer = RateLimitLayer::new(Local::with_clock(100, clock.clone()));
    (quotas.into_iter().fold(layer, |layer, quota| layer.quota(quota).unwrap()), clock)
}

type Answer = Response<Full<Bytes>>;

fn request() -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(ClientAddress("192.0.2.1".parse().unwrap()));
    request
}

/// An inner service that answers with these fields.
fn inner(
    fields: &'static [(&'static str, &'static str)],
) -> impl Service<
    Request<()>,
    Response = Answer,
    Error = Infallible,
    Future = std::future::Ready<Result<Answer, Infallible>>,
> + Clone {
    service_fn(move |_: Request<()>| {
        let answer =
            fields.iter().fold(Response::builder(), |a, (name, value)| a.header(*name, *value));
        std::future::ready(Ok(answer.body(Full::default()).unwrap()))
    })
}

fn fields<B>(answer: &Response<B>, name: &str) -> Vec<String> {
    let values = answer.headers().get_all(name);
    values.iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn admission_and_refusal() {
    let (layer, clock) = layer([Quota::new("per-address", per_second(2))]);
    let mut service = layer.layer(inner(&[]));
    // When, status, RateLimit, Retry-After, in milliseconds and in the body.
    let table = [
        (0, 200, r#""per-address";r=1;t=1"#, None, None),
        (0, 200, r#""per-address";r=0;t=1"#, None, None),
        (0, 429, r#""per-address";r=0;t=1"#, Some("1"), Some(500)),
        (499, 429, r#""per-address";r=0;t=1"#, Some("1"), Some(1)),
        (500, 200, r#""per-address";r=0;t=1"#, None, None),
        (1000, 200, r#""per-address";r=0;t=1"#, None, None),
        (2500, 200, r#""per-address";r=1;t=1"#, None, None),
    ];
    let mut now = 0;
    for (at, status, rate_limit, retry_after, retry_after_ms) in table {
        clock.advance(Duration::from_millis(at - now));
        now = at;
        let answer = service.ready().await.unwrap().call(request()).await.unwrap();
        assert_eq!(answer.status(), status, "{at} ms");
        assert_eq!(fields(&answer, "ratelimit-policy"), [r#""per-address";q=2;w=1"#]);
        assert_eq!(fields(&answer, "ratelimit"), [rate_limit], "{at} ms");
        assert_eq!(fields(&answer, "retry-after"), Vec::from_iter(retry_after), "{at} ms");
        assert!(fields(&answer, "x-ratelimit-limit").is_empty());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let wait = serde_json::from_slice::<serde_json::Value>(&body).ok();
        let wait = wait.and_then(|body| body["error"]["retry_after_ms"].as_u64());
        assert_eq!(wait, retry_after_ms, "{at} ms");
    }
}

#[tokio::test]
async fn the_longest_wait_is_told() {
    let hour = Rate::per(units(2), Duration::from_secs(3600)).unwrap();
    let quotas = [
        Quota::new("spare", Rate::per(units(9), Duration::from_secs(90_000)).unwrap()),
        Quota::new("hour", hour),
        Quota::new("second", per_second(1)),
    ];
    let (layer, clock) = layer(quotas);
    let mut service = layer.headers(Headers::Both).layer(inner(&[]));
    for _ in 0..2 {
        assert_eq!(service.ready().await.unwrap().call(request()).await.unwrap().status(), 200);
        clock.advance(Duration::from_millis(1000));
    }
    clock.advance(Duration::from_millis(500));
    let answer = service.ready().await.unwrap().call(request()).await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.extensions().get::<Fault>().unwrap().to_string(), "quota hour is used up");
    // The spare quota's window outlasts Retry-After, so that only what is left of it is said.
    assert_eq!(fields(&answer, "ratelimit"), [r#""spare";r=7, "hour";r=0;t=1798, "second";r=1"#]);
    assert_eq!(fields(&answer, "retry-after"), ["1798"]);
    assert_eq!(fields(&answer, "x-ratelimit-limit"), ["2"]);
    assert_eq!(fields(&answer, "x-ratelimit-remaining"), ["0"]);
    assert_eq!(fields(&answer, "x-ratelimit-reset"), ["3598"]);
}

#[tokio::test]
async fn which_fields() {
    let all = ["ratelimit", "ratelimit-policy", "x-ratelimit-limit"];
    let table = [
        (Headers::None, [false, false, false]),
        (Headers::Standard, [true, true, false]),
        (Headers::Legacy, [false, false, true]),
        (Headers::Both, [true, true, true]),
    ];
    for (headers, want) in table {
        let (layer, _) = layer([Quota::new("q", per_second(1))]);
        let service = layer.headers(headers).layer(inner(&[]));
        let answer = service.oneshot(request()).await.unwrap();
        assert_eq!(all.map(|name| answer.headers().contains_key(name)), want, "{headers:?}");
    }
}

/// As in the design: by address before the credentials, by key behind them.
#[tokio::test]
async fn twice_in_one_stack() {
    let (outer, clock) = layer([Quota::new("per-address", per_second(5))]);
    let inside = RateLimitLayer::new(Local::with_clock(100, clock))
        .quota(Quota::new("per-key", per_second(1)).key(Key::Principal).plan("pro", per_second(3)))
        .unwrap();
    let mut service = ServiceBuilder::new()
        .layer(outer.headers(Headers::Both))
        .map_request(|mut request: Request<()>| {
            let account = Arc::new(Account::new("acme"));
            request.extensions_mut().insert(Principal::new(account, "k").with_plan("pro"));
            request
        })
        .layer(inside.headers(Headers::Both))
        .service(inner(&[("ratelimit", r#""theirs";r=1"#), ("x-ratelimit-limit-tokens", "9")]));
    let policy = r#""per-address";q=5;w=1, "per-key";q=3;w=1"#;
    for (status, rate_limit, remaining) in [
        (200, r#""per-address";r=4;t=1, "per-key";r=2;t=1"#, "2"),
        (200, r#""per-address";r=3;t=1, "per-key";r=1;t=1"#, "1"),
        (200, r#""per-address";r=2;t=1, "per-key";r=0;t=1"#, "0"),
        (429, r#""per-address";r=1;t=1, "per-key";r=0;t=1"#, "0"),
        (429, r#""per-address";r=0;t=1, "per-key";r=0;t=1"#, "0"),
        (429, r#""per-address";r=0;t=1"#, "0"),
    ] {
        let answer = service.ready().await.unwrap().call(request()).await.unwrap();
        assert_eq!(answer.status(), status, "{rate_limit}");
        assert_eq!(fields(&answer, "ratelimit"), [rate_limit]);
        assert_eq!(fields(&answer, "x-ratelimit-remaining"), [remaining], "{rate_limit}");
        assert!(fields(&answer, "x-ratelimit-limit-tokens").is_empty());
        if rate_limit.contains("per-key") {
            assert_eq!(fields(&answer, "ratelimit-policy"), [policy]);
        }
    }
}

#[tokio::test]
async fn what_a_provider_says_of_its_own_limits_stays_here() {
    let theirs = &[
        ("ratelimit", r#""theirs";r=1"#),
        ("ratelimit-policy", r#""theirs";q=1"#),
        ("ratelimit-remaining", "1"),
        ("x-ratelimit-limit", "7"),
        ("x-ratelimit-limit", "8"),
        ("x-ratelimit-reset-tokens", "1s"),
        ("anthropic-ratelimit-requests-limit", "50"),
        ("x-rate-limit-limit", "1"),
        ("etag", "\"x\""),
    ];
    for headers in [Headers::None, Headers::Both] {
        let (layer, _) = layer([]);
        let answer = layer.headers(headers).layer(inner(theirs)).oneshot(request()).await.unwrap();
        let names: Vec<_> = answer.headers().keys().map(http::HeaderName::as_str).collect();
        assert_eq!(names, ["etag"]);
    }
}

/// A failure that is put into other words further out says how the quotas stand, as a success does.
#[tokio::test]
async fn failures_carry_the_fields() {
    let (layer, _) = layer([Quota::new("q", per_second(2))]);
    let service = ServiceBuilder::new().layer(NormalizeLayer::default()).layer(layer).service_fn(
        |_: Request<()>| async {
            Response::builder().status(500).header("x-secret", "1").body(Full::<Bytes>::default())
        },
    );
    let answer = service.oneshot(request()).await.unwrap();
    assert_eq!(answer.status(), 500);
    assert_eq!(fields(&answer, "ratelimit"), [r#""q";r=1;t=1"#]);
    assert_eq!(fields(&answer, "ratelimit-policy"), [r#""q";q=2;w=1"#]);
    assert!(fields(&answer, "x-secret").is_empty());
}

#[tokio::test]
async fn a_refusal_to_a_head_has_no_body() {
    let (layer, _) = layer([Quota::new("q", per_second(1))]);
    let mut service = layer.layer(inner(&[]));
    let head = || {
        let mut request = request();
        *request.method_mut() = Method::HEAD;
        request
    };
    service.ready().await.unwrap().call(head()).await.unwrap();
    let answer = service.ready().await.unwrap().call(head()).await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_ne!(fields(&answer, "content-length"), ["0"]);
    assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
}

/// Counters that fail, or that never answer.
#[derive(Clone)]
struct Broken;

impl Counters for Broken {
    type Check = std::future::Ready<Result<Levels, CountersError>>;

    fn check(&self, _: Demands) -> Self::Check {
        std::future::ready(Err(CountersError::new("gone")))
    }
}

#[derive(Clone)]
struct Silent;

impl Counters for Silent {
    type Check = Pending<Result<Levels, CountersError>>;

    fn check(&self, _: Demands) -> Self::Check {
        pending()
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_refuses() {
    let layer = RateLimitLayer::new(Broken).quota(Quota::new("q", per_second(1))).unwrap();
    let called = service_fn(|_: Request<()>| -> std::future::Ready<Result<Answer, Infallible>> {
        unreachable!("nothing is let through")
    });
    let answer = layer.layer(called).oneshot(request()).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.extensions().get(), Some(&Fault::StoreUnavailable));
    assert_eq!(fields(&answer, "ratelimit-policy"), [r#""q";q=1;w=1"#]);
    assert!(fields(&answer, "ratelimit").is_empty());
}

#[test]
fn readiness_is_the_inner_services() {
    let (layer, _) = layer([Quota::new("q", per_second(1))]);
    let (mut service, mut handle) = mock::spawn_layer::<Request<()>, Answer, _>(layer);
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(service.poll_ready().is_ready());
    let mut admitted = tokio_test::task::spawn(service.call(request()));
    assert!(admitted.poll().is_pending());
    let (_, answer) =
        tokio_test::assert_ready!(tokio_test::task::spawn(handle.next_request()).poll()).unwrap();
    answer.send_response(Answer::default());
    assert_eq!(tokio_test::assert_ready_ok!(admitted.poll()).status(), 200);
    assert!(service.poll_ready().is_pending());
}

#[test]
fn nobody_is_asked_before_the_counters_have_answered() {
    let layer = RateLimitLayer::new(Silent);
    let (mut service, mut handle) = mock::spawn_layer::<Request<()>, Answer, _>(layer);
    assert!(service.poll_ready().is_ready());
    let mut waiting = tokio_test::task::spawn(service.call(request()));
    assert!(waiting.poll().is_pending());
    assert!(tokio_test::task::spawn(handle.next_request()).poll().is_pending());
}

/// A service that must be asked for its readiness before each call, clone by clone.
struct Picky {
    ready: bool,
}

impl Clone for Picky {
    fn clone(&self) -> Self {
        Self { ready: false }
    }
}

impl Service<Request<()>> for Picky {
    type Response = Answer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been asked");
        Box::pin(async { Err("broken".into()) })
    }
}

#[tokio::test]
async fn the_ready_service_is_called_and_its_error_kept() {
    let (layer, _) = layer([Quota::new("q", per_second(5))]);
    let mut service = layer.layer(Picky { ready: false });
    for _ in 0..2 {
        let outcome = service.ready().await.unwrap().call(request()).await;
        assert_eq!(outcome.map(|_| ()).unwrap_err().to_string(), "broken");
    }
}

#[tokio::test]
async fn costs() {
    let cheap = Quota::new("q", per_second(10));
    let (cheap_layer, clock) = layer([cheap.clone()]);
    let counters = Local::with_clock(100, clock);
    let make = |quota| RateLimitLayer::new(counters.clone()).quota(quota).unwrap();
    let cheap = make(cheap);
    let dear = make(Quota::new("q", per_second(10)).cost(units(4)));
    drop(cheap_layer);
    let ask = async |layer: &Layered| {
        let answer = layer.layer(inner(&[])).oneshot(request()).await.unwrap();
        (answer.status().as_u16(), fields(&answer, "ratelimit").remove(0))
    };
    // The same quota at two costs counts together.
    assert_eq!(ask(&dear).await, (200, r#""q";r=6;t=1"#.into()));
    assert_eq!(ask(&dear).await, (200, r#""q";r=2;t=1"#.into()));
    assert_eq!(ask(&dear).await, (429, r#""q";r=2;t=1"#.into()));
    assert_eq!(ask(&cheap).await, (200, r#""q";r=1;t=1"#.into()));
}

#[tokio::test]
async fn own_keys() {
    let tenant = |parts: &http::request::Parts| parts.headers.get("x-tenant").map(Caller::named);
    let (layer, _) = layer([Quota::new("q", per_second(1)).key(Key::custom(tenant))]);
    let mut service = layer.layer(inner(&[]));
    for (tenant, status) in [("a", 200), ("b", 200), ("a", 429), ("", 200), ("", 429)] {
        let mut request = request();
        request.headers_mut().extend(HeaderMap::from_iter([(
            http::HeaderName::from_static("x-tenant"),
            tenant.parse().unwrap(),
        )]));
        let answer = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(answer.status(), status, "{tenant}");
    }
}
