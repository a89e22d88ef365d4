use super::{places::Places, *};
use crate::{
    Fault,
    auth::{Account, Principal},
    limit::{Caller, InvalidQuota, Key},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use std::{
    collections::VecDeque,
    convert::Infallible,
    future::pending,
    num::NonZeroU32,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio_test::{assert_pending, task::spawn};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_test::mock;

fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn layer(most: u32) -> InFlightLimitLayer {
    InFlightLimitLayer::new("in-flight", number(most)).unwrap()
}

fn request(key: &str, plan: Option<&str>) -> Request<()> {
    let mut principal = Principal::new(Arc::new(Account::new("acme")), key);
    if let Some(plan) = plan {
        principal = principal.with_plan(plan);
    }
    let mut request = Request::new(());
    request.extensions_mut().insert(principal);
    request
}

/// A body that ends, or fails, as it is told.
struct Script(VecDeque<Option<Result<Frame<Bytes>, BoxError>>>);

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(17)
    }
}

type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

/// A service, limited to one, whose answers have this body.
fn with_body<B>(
    body: impl Fn() -> B + Clone,
) -> impl Service<Request<()>, Response = Response<InFlightBody<AnyBody>>, Error = Infallible> + Clone
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    layer(1).layer(service_fn(move |_: Request<()>| {
        let body = body().map_err(Into::into).boxed_unsync();
        std::future::ready(Ok(Response::new(body)))
    }))
}

async fn status<S, B>(service: &S) -> u16
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible> + Clone,
{
    service.clone().oneshot(request("k", None)).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn until_the_body_has_ended() {
    let frames = || Script([Some(Ok(Frame::data(Bytes::from("a")))), None].into());
    let service = with_body(frames);
    let mut running = service.clone().oneshot(request("k", None)).await.unwrap().into_body();
    assert_eq!(running.size_hint().exact(), Some(17));
    assert_eq!(status(&service).await, 429);
    assert!(running.frame().await.unwrap().is_ok());
    assert_eq!(status(&service).await, 429);
    assert!(running.frame().await.is_none());
    assert_eq!(status(&service).await, 200, "while the body that has ended is still there");
    drop(running);
    assert_eq!(status(&service).await, 200);
}

#[tokio::test]
async fn until_the_last_frame_of_a_body_that_knows_it() {
    let service = with_body(|| Full::new(Bytes::from("a")));
    let mut running = service.clone().oneshot(request("k", None)).await.unwrap().into_body();
    assert!(!running.is_end_stream());
    assert_eq!(status(&service).await, 429);
    assert!(running.frame().await.unwrap().is_ok());
    assert!(running.is_end_stream());
    assert_eq!(status(&service).await, 200);
}

#[tokio::test]
async fn until_the_body_has_failed() {
    let service = with_body(|| Script([Some(Err("cut off".into()))].into()));
    let mut running = service.clone().oneshot(request("k", None)).await.unwrap().into_body();
    assert_eq!(status(&service).await, 429);
    assert!(running.frame().await.unwrap().is_err());
    assert_eq!(status(&service).await, 200);
}

#[tokio::test]
async fn until_the_body_is_dropped() {
    let service = with_body(|| Script([].into()));
    let mut running = service.clone().oneshot(request("k", None)).await.unwrap().into_body();
    assert_pending!(spawn(running.frame()).poll());
    assert_eq!(status(&service).await, 429);
    drop(running);
    assert_eq!(status(&service).await, 200);
}

#[tokio::test]
async fn not_for_a_body_without_anything_in_it() {
    let service = with_body(Empty::new);
    let _kept = service.clone().oneshot(request("k", None)).await.unwrap();
    assert_eq!(status(&service).await, 200);
}

#[tokio::test]
async fn until_the_future_is_dropped() {
    let service = layer(1).layer(service_fn(|request: Request<()>| async move {
        if request.uri() == "/slow" {
            pending::<()>().await;
        }
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    }));
    let mut slow = request("k", None);
    *slow.uri_mut() = "/slow".parse().unwrap();
    let mut running = spawn(service.clone().oneshot(slow));
    assert_pending!(running.poll());
    assert_eq!(status(&service).await, 429);
    drop(running);
    assert_eq!(status(&service).await, 200);
}

#[tokio::test]
async fn an_error_frees_the_place() {
    let service = layer(1).layer(service_fn(|_: Request<()>| async {
        Err::<Response<Empty<Bytes>>, _>(BoxError::from("broken"))
    }));
    for _ in 0..2 {
        let outcome = service.clone().oneshot(request("k", None)).await;
        assert_eq!(outcome.map(|_| ()).unwrap_err().to_string(), "broken");
    }
}

#[tokio::test]
async fn by_caller_and_by_plan() {
    let inner = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("a")))
    });
    let service = layer(1).plan("pro", number(3)).layer(inner);
    let ask = |key: &'static str, plan| service.clone().oneshot(request(key, plan));
    let mut running = Vec::new();
    let table = [
        ("a", None, 200),
        ("a", None, 429),
        ("b", None, 200),
        ("c", Some("pro"), 200),
        ("c", Some("pro"), 200),
        ("c", Some("pro"), 200),
        ("c", Some("pro"), 429),
        ("d", Some("other"), 200),
        ("d", Some("other"), 429),
    ];
    for (key, plan, status) in table {
        let answer = ask(key, plan).await.unwrap();
        assert_eq!(answer.status(), status, "{key} {plan:?}");
        if status == 429 {
            let fault = Fault::ConcurrencyLimited { quota: "in-flight".into() };
            assert_eq!(answer.extensions().get(), Some(&fault));
        }
        running.push(answer);
    }
    let by_account = layer(1).key(Key::Account).layer(inner);
    let _running = by_account.clone().oneshot(request("a", None)).await.unwrap();
    assert_eq!(by_account.oneshot(request("b", None)).await.unwrap().status(), 429);
}

#[test]
fn who_runs_nothing_is_forgotten() {
    let places = Arc::new(Places::default());
    let caller = Caller::named("a");
    let (a, b) = (places.take(caller, number(2)), places.take(caller, number(2)));
    assert!(a.is_some() && b.is_some() && places.take(caller, number(2)).is_none());
    drop(a);
    assert!(!places.is_empty());
    drop(b);
    assert!(places.is_empty());
}

#[test]
fn readiness_is_the_inner_services() {
    type Answer = Response<Full<Bytes>>;
    let (mut service, mut handle) = mock::spawn_layer::<Request<()>, Answer, _>(layer(1));
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(service.poll_ready().is_ready());
}

#[test]
fn names() {
    assert_eq!(InFlightLimitLayer::new("a\"", number(1)).map(|_| ()), Err(InvalidQuota::Name));
}
