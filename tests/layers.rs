//! The library's layers in somebody else's stack: no proxy, no configuration, nothing but tower.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use std::{
    convert::Infallible,
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tollgate::{
    Catalog, Fault, Kind, NormalizeLayer,
    catalog::{EntryPatch, Settings},
    envelope,
    fault::{Cause, UpstreamFault, UpstreamKind},
    normalize,
    profile::UpstreamAnswer,
};
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt as _, buffer::Buffer, service_fn,
};
use tower_test::mock;

type Body = Full<Bytes>;

fn request() -> Request<()> {
    Request::builder().uri("/x").header("x-request-id", "req-1").body(()).unwrap()
}

/// Status, code and `source` of an answer that must be an envelope.
async fn read<B>(response: Response<B>) -> (u16, String, Value)
where
    B: http_body::Body<Data = Bytes>,
    B::Error: fmt::Debug,
{
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    assert_eq!(parts.headers["content-type"], "application/json");
    assert_eq!(parts.headers["cache-control"], "no-store");
    assert_eq!(parts.headers["content-length"], bytes.len().to_string());
    assert!(parts.headers.contains_key("x-request-id"));
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    let keys: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["data", "error"]);
    assert!(body["data"].is_null());
    let code = body["error"]["code"].as_str().unwrap().to_owned();
    (parts.status.as_u16(), code, body["error"].clone())
}

/// The default catalog's answer to a kind of fault.
fn entry(kind: Kind) -> (u16, String) {
    let entries = Catalog::shared_default().entries();
    let entry = entries.iter().find(|e| e.faults().contains(&kind)).unwrap();
    (entry.status().as_u16(), entry.code().to_owned())
}

/// What comes out of a Normalize around a service that ends like this.
async fn outcome<E>(outcome: Result<Response<Body>, E>) -> (u16, String, Value)
where
    E: Into<BoxError> + Send + 'static,
{
    let mut outcome = Some(outcome);
    let inner = service_fn(move |_: Request<()>| std::future::ready(outcome.take().unwrap()));
    let mut service = NormalizeLayer::default().layer(inner);
    let answer = service.ready().await.unwrap().call(request()).await.unwrap();
    read(answer).await
}

#[tokio::test]
async fn a_handlers_own_faults() {
    let faults = [
        (Fault::MissingCredential, Kind::MissingCredential),
        (Fault::Forbidden, Kind::Forbidden),
        (Fault::violation("prompt", "prompt is required"), Kind::Violation),
        (
            Fault::RateLimited { quota: "q".into(), retry_after: Some(Duration::from_secs(3)) },
            Kind::RateLimited,
        ),
        (
            UpstreamFault::new(UpstreamKind::OutputModeration, Cause::Other).into(),
            Kind::Upstream(UpstreamKind::OutputModeration),
        ),
    ];
    for (fault, kind) in faults {
        let (status, code, error) = outcome(Err::<Response<Body>, _>(fault)).await;
        assert_eq!((status, code), entry(kind));
        assert_eq!(error["source"], kind.source().as_str());
        assert_eq!(error["request_id"], "req-1");
    }
}

/// An error of somebody else's around another one.
#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("database password hunter2 is wrong")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

#[tokio::test]
async fn errors_of_others() {
    let table: [(fn() -> BoxError, Kind); 5] = [
        (|| Fault::TaskNotFound.into(), Kind::TaskNotFound),
        (|| tower::timeout::error::Elapsed::new().into(), Kind::DeadlineExceeded),
        (|| tower::load_shed::error::Overloaded::new().into(), Kind::Overloaded),
        (|| std::io::Error::other(Fault::BodyTimeout).into(), Kind::BodyTimeout),
        (|| "words of nobody".into(), Kind::Internal),
    ];
    for (make, kind) in table {
        for error in
            [make(), Box::new(Wrapped(make())), Box::new(Wrapped(Box::new(Wrapped(make()))))]
        {
            let (status, code, error) = outcome(Err::<Response<Body>, _>(error)).await;
            assert_eq!((status, code), entry(kind));
            assert!(
                !error.to_string().contains("hunter2") && !error.to_string().contains("nobody")
            );
        }
    }
}

/// The real layers, and not only their errors.
#[tokio::test(start_paused = true)]
async fn layers_of_tower() {
    let hanging =
        service_fn(|_: Request<()>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let normalize = NormalizeLayer::default;
    let timeout =
        ServiceBuilder::new().layer(normalize()).timeout(Duration::from_secs(1)).service(hanging);
    let answer = timeout.oneshot(request()).await.unwrap();
    assert_eq!(answer.extensions().get::<Fault>(), Some(&Fault::DeadlineExceeded));
    let (status, code, _) = read(answer).await;
    assert_eq!((status, code), entry(Kind::DeadlineExceeded));

    // The one place is taken, so the second request is shed.
    let full =
        ServiceBuilder::new().layer(normalize()).load_shed().concurrency_limit(1).service(hanging);
    let mut first = full.clone();
    let _running = first.ready().await.unwrap().call(request());
    let (status, code, _) = read(full.oneshot(request()).await.unwrap()).await;
    assert_eq!((status, code), entry(Kind::Overloaded));

    // A buffer whose worker has died with its service's readiness, then one whose worker is gone.
    let broken = tower::util::MapErr::new(hanging, |never: Infallible| match never {});
    let broken =
        NotReady { inner: broken, fault: Some(Fault::NotConfigured { upstream: "u".into() }) };
    let buffered = ServiceBuilder::new().layer(normalize()).service(Buffer::new(broken, 1));
    for _ in 0..2 {
        let (status, code, _) = read(buffered.clone().oneshot(request()).await.unwrap()).await;
        assert_eq!((status, code), entry(Kind::NotConfigured));
    }
}

/// A service that fails to become ready.
#[derive(Clone)]
struct NotReady<S> {
    inner: S,
    fault: Option<Fault>,
}

impl<S> Service<Request<()>> for NotReady<S>
where
    S: Service<Request<()>, Error = BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = S::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &self.fault {
            Some(fault) => Poll::Ready(Err(fault.clone().into())),
            None => panic!("asked again after an error"),
        }
    }

    fn call(&mut self, request: Request<()>) -> S::Future {
        self.inner.call(request)
    }
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_next_request_is_served() {
    #[derive(Clone)]
    struct Panicking(Arc<AtomicUsize>);

    impl Service<Request<()>> for Panicking {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future =
            std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            assert!(self.0.fetch_add(1, Ordering::SeqCst) != 2, "in poll_ready");
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<()>) -> Self::Future {
            match request.uri().path() {
                "/call" => panic!("in call"),
                "/await" => Box::pin(async {
                    tokio::task::yield_now().await;
                    panic!("in the future")
                }),
                _ => Box::pin(async { Ok(Response::new(Body::from("fine"))) }),
            }
        }
    }

    let mut service = NormalizeLayer::default().layer(Panicking(Arc::default()));
    for (path, fails) in
        [("/call", true), ("/await", true), ("/ready", true), ("/", false), ("/", false)]
    {
        let request = Request::builder().uri(path).body(()).unwrap();
        let answer = service.ready().await.unwrap().call(request).await.unwrap();
        if fails {
            let (status, code, _) = read(answer).await;
            assert_eq!((status, code), entry(Kind::Internal), "{path}");
        } else {
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "fine", "{path}");
        }
    }
}

/// The same with axum around it and a real connection, which is kept.
#[tokio::test]
async fn axum_keeps_the_connection_after_a_panic() {
    async fn panicking() -> &'static str {
        panic!("in a handler")
    }
    let app = axum::Router::new()
        .route("/panic", axum::routing::get(panicking))
        .route("/", axum::routing::get(|| async { "fine" }));
    // Around the whole router, so that its own 404 and 405 are answered too.
    let app = NormalizeLayer::default().layer(app);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper_util::service::TowerToHyperService::new(app);
        let io = hyper_util::rt::TokioIo::new(stream);
        hyper::server::conn::http1::Builder::new().serve_connection(io, service).await.unwrap();
    });
    let mut client = TcpStream::connect(address).await.unwrap();
    let cases = [
        ("GET /panic", "500"),
        ("GET /", "200"),
        ("GET /nothing", "404"),
        ("POST /", "405"),
        ("HEAD /panic", "500"),
        ("GET /", "200"),
    ];
    for (line, status) in cases {
        client.write_all(format!("{line} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {head}");
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap();
        let length = if line.starts_with("HEAD") { 0 } else { length.parse().unwrap() };
        let mut body = vec![0; length];
        client.read_exact(&mut body).await.unwrap();
        if status != "200" && length > 0 {
            let body: Value = serde_json::from_slice(&body).unwrap();
            let code = body["error"]["code"].as_str().unwrap();
            let entry = Catalog::shared_default().entry(code).unwrap();
            assert_eq!(entry.status().as_str(), status);
        }
        assert_eq!(head.contains("allow: "), status == "405", "{head}");
    }
}

/// A handler's refusal does not know the request; the layer around it does, and its answer is whole.
#[cfg(feature = "axum")]
#[tokio::test]
async fn a_handlers_refusal_carries_the_request_id() {
    async fn refusing() -> Result<&'static str, Fault> {
        Err(Fault::TaskNotFound)
    }
    let app = axum::Router::new().route("/x", axum::routing::get(refusing));
    let app = NormalizeLayer::default().layer(app);
    for sent in [Some("req-1"), None] {
        let mut asked = Request::builder().uri("/x");
        if let Some(id) = sent {
            asked = asked.header("x-request-id", id);
        }
        let asked = asked.body(axum::body::Body::empty()).unwrap();
        let answer = app.clone().oneshot(asked).await.unwrap();
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert!(sent.is_none_or(|sent| sent == id), "{id}");
        let (status, code, error) = read(answer).await;
        assert_eq!((status, code), entry(Kind::TaskNotFound));
        assert_eq!(error["request_id"], id);
    }
    // Nor does it know that nobody wants a body.
    let asked = Request::head("/x").body(axum::body::Body::empty()).unwrap();
    let answer = app.clone().oneshot(asked).await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn readiness_is_the_inner_services() {
    let (mut service, mut handle) =
        mock::spawn_layer::<Request<()>, Response<Body>, _>(NormalizeLayer::default());
    handle.allow(0);
    assert!(service.poll_ready().is_pending(), "no lost backpressure");
    assert!(!service.is_woken());
    handle.allow(1);
    assert!(service.is_woken(), "and no lost wake-up");
    assert!(service.poll_ready().is_ready());
    let answering = tokio::spawn(service.call(Request::new(())));
    let (seen, respond) = handle.next_request().await.unwrap();
    assert!(seen.headers().contains_key("x-request-id"));
    respond.send_response(Response::new(Body::from("yes")));
    let answer = answering.await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert!(service.poll_ready().is_pending());
}

#[tokio::test]
async fn a_failed_readiness_answers_one_request() {
    let (mut service, mut handle) =
        mock::spawn_layer::<Request<()>, Response<Body>, _>(NormalizeLayer::default());
    handle.send_error(Fault::ShuttingDown);
    assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))));
    assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))), "kept until it is told");
    let (status, code, _) = read(service.call(Request::new(())).await.unwrap()).await;
    assert_eq!((status, code), entry(Kind::ShuttingDown));
}

/// A clone has no readiness of another's, neither a good one nor a bad one.
#[tokio::test]
async fn a_clone_asks_for_itself() {
    #[derive(Clone, Default)]
    struct Once {
        ready: bool,
        failed: bool,
    }

    impl Service<Request<()>> for Once {
        type Response = Response<Body>;
        type Error = Fault;
        type Future = std::future::Ready<Result<Response<Body>, Fault>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
            self.ready = true;
            if std::mem::take(&mut self.failed) {
                return Poll::Ready(Err(Fault::Overloaded));
            }
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            assert!(self.ready, "called without having been asked");
            std::future::ready(Ok(Response::default()))
        }
    }

    let failing = Once { failed: true, ..Once::default() };
    let mut service = NormalizeLayer::default().layer(failing);
    service.ready().await.unwrap();
    let mut clone = service.clone();
    assert_eq!(clone.ready().await.unwrap().call(request()).await.unwrap().status(), 200);
    assert_eq!(service.call(request()).await.unwrap().status(), 503);
    assert_eq!(service.ready().await.unwrap().call(request()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn answers_of_others() {
    let table = [
        (404, Kind::NoRoute),
        (405, Kind::MethodNotAllowed),
        (413, Kind::BodyTooLarge),
        (415, Kind::UnsupportedMediaType),
        (418, Kind::BadRequest),
        (500, Kind::Internal),
        (503, Kind::Overloaded),
        (599, Kind::Internal),
        (999, Kind::Internal),
    ];
    for (status, kind) in table {
        let plain = Response::builder()
            .status(status)
            .header("content-type", "text/plain")
            .header("content-encoding", "br")
            .header("etag", "\"1\"")
            .header("allow", "GET")
            .body(Body::from("stack trace of Widget.java"))
            .unwrap();
        let (got, code, error) = outcome(Ok::<_, Infallible>(plain)).await;
        assert_eq!((got, code), entry(kind), "{status}");
        assert_eq!(error["source"], "gateway");
        assert!(!error.to_string().contains("Widget"));
    }
    // The same statuses of a provider are something else.
    let table = [
        (401, UpstreamKind::AuthFailed),
        (402, UpstreamKind::AccountExhausted),
        (404, UpstreamKind::NotFound),
        (429, UpstreamKind::RateLimited),
        (500, UpstreamKind::ProviderError),
        (999, UpstreamKind::Unexpected),
    ];
    for (status, kind) in table {
        let mut relayed = Response::new(Body::from("words of a provider"));
        *relayed.status_mut() = StatusCode::from_u16(status).unwrap();
        relayed.extensions_mut().insert(UpstreamAnswer);
        let (got, code, error) = outcome(Ok::<_, Infallible>(relayed)).await;
        assert_eq!((got, code), entry(Kind::Upstream(kind)), "{status}");
        assert_eq!(error["source"], "upstream");
    }
}

#[tokio::test]
async fn successes_are_left_alone() {
    for status in [200, 201, 204, 302, 304, 399] {
        let inner = service_fn(move |_: Request<()>| async move {
            let answer = Response::builder().status(status).header("etag", "\"1\"");
            Ok::<_, Infallible>(answer.body(Body::from("as it is")).unwrap())
        });
        let answer = NormalizeLayer::default().layer(inner).oneshot(request()).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["etag"]),
            (status, &"\"1\"".parse().unwrap())
        );
        assert_eq!(answer.headers()["x-request-id"], "req-1");
        assert!(!answer.headers().contains_key("cache-control"));
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "as it is");
    }
}

#[tokio::test]
async fn a_code_of_the_applications_own() {
    let patch = EntryPatch::message("Taken.").with_status(409);
    let settings = Settings::new("eggapi").with_entry("NAME_TAKEN", patch);
    let catalog = Arc::new(Catalog::from_settings(&settings).unwrap());
    let layer = NormalizeLayer::new(catalog.clone());
    let table = [
        (Fault::custom("NAME_TAKEN"), 409, "NAME_TAKEN", Some("Taken.")),
        (
            Fault::custom_message("NAME_TAKEN", "cat is taken"),
            409,
            "NAME_TAKEN",
            Some("cat is taken"),
        ),
        (Fault::custom_message("UNHEARD_OF", "a secret"), 500, "INTERNAL_ERROR", None),
    ];
    for (fault, status, code, message) in table {
        let inner = service_fn(move |_: Request<()>| {
            let fault = fault.clone();
            async move { Err::<Response<Body>, _>(fault) }
        });
        let (got, got_code, error) =
            read(layer.layer(inner).oneshot(request()).await.unwrap()).await;
        assert_eq!((got, got_code.as_str()), (status, code));
        assert!(message.is_none_or(|m| error["message"] == m), "{error}");
        assert!(!error.to_string().contains("secret"));
        assert_eq!(error.as_object().unwrap().len(), 2, "eggapi: code and message alone");
    }
    let layer = layer.classify_own(|parts| match parts.status.as_u16() {
        409 => Fault::custom("NAME_TAKEN"),
        _ => normalize::own(parts),
    });
    let inner = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::builder().status(409).body(Body::from("conflict")).unwrap())
    });
    let (got, code, _) = read(layer.layer(inner).oneshot(request()).await.unwrap()).await;
    assert_eq!((got, code.as_str()), (409, "NAME_TAKEN"));
}

/// A refusal of a layer further in, which knows only the default catalog, leaves in the words of the outer one.
#[tokio::test]
async fn another_catalogs_words_are_translated() {
    let fault =
        Fault::RateLimited { quota: "q".into(), retry_after: Some(Duration::from_millis(1500)) };
    for preset in Catalog::presets() {
        let outer = Arc::new(Catalog::preset(preset).unwrap());
        let refusal = fault.clone();
        let inner = service_fn(move |request: Request<()>| {
            let answer =
                Catalog::shared_default().respond(&refusal, envelope::Context::of(&request));
            async move { Ok::<_, Infallible>(answer.map(Body::new)) }
        });
        // Twice the same one, and another inside.
        let inner = NormalizeLayer::default().layer(inner);
        let once = NormalizeLayer::new(outer.clone()).layer(inner);
        let twice = NormalizeLayer::new(outer.clone()).layer(once);
        let answer = twice.oneshot(request()).await.unwrap();
        assert_eq!(answer.headers()["retry-after"], "2");
        assert_eq!(answer.extensions().get::<Fault>(), Some(&fault));
        let (status, code, _) = read(answer).await;
        let want = outer.entry_for(&fault);
        assert_eq!((status, code.as_str()), (want.status().as_u16(), want.code()), "{preset}");
    }
}

#[tokio::test]
async fn a_head_has_the_headers_and_no_body() {
    for make in [true, false] {
        let inner = move || {
            service_fn(move |_: Request<()>| async move {
                if make {
                    return Err(Fault::NoRoute);
                }
                Ok(Response::builder().status(404).body(Body::from("plain")).unwrap())
            })
        };
        let mut lengths = Vec::new();
        for method in [Method::GET, Method::HEAD] {
            let mut asked = request();
            *asked.method_mut() = method.clone();
            let answer = NormalizeLayer::default().layer(inner()).oneshot(asked).await.unwrap();
            lengths.push(answer.headers()["content-length"].clone());
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body.is_empty(), method == Method::HEAD);
        }
        assert_eq!(lengths[0], lengths[1]);
    }
}

/// Requests reach the inner service as they are, but for the id.
#[tokio::test]
async fn requests_pass_through() {
    let (mut service, mut handle) =
        mock::spawn_layer::<Request<()>, Response<Body>, _>(NormalizeLayer::default());
    handle.allow(1);
    assert!(service.poll_ready().is_ready());
    let sent = Request::builder()
        .method("PUT")
        .uri("/a?b")
        .header("x-request-id", "kept")
        .body(())
        .unwrap();
    let answering = tokio::spawn(service.call(sent));
    let (seen, respond) = handle.next_request().await.unwrap();
    assert_eq!((seen.method().as_str(), seen.uri().to_string().as_str()), ("PUT", "/a?b"));
    assert_eq!(seen.headers().len(), 1);
    respond.send_error("closed");
    let (status, code, error) = read(answering.await.unwrap().unwrap()).await;
    assert_eq!((status, code), entry(Kind::Internal));
    assert_eq!(error["request_id"], "kept");
}
