//! What the layers cost by themselves, without a socket: `cargo bench --bench layers`.
//!
//! Absolute figures depend on the machine; what says something is the difference between a row and the bare one
//! of its group.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a benchmark may panic, and has something to say"
)]

mod auth;
mod classify;
mod limit;
mod validate;

use bytes::Bytes;
use criterion::{BatchSize, Criterion};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};
use tollgate::{
    Catalog, Fault, NormalizeLayer, envelope,
    fault::{Cause, UpstreamFault, UpstreamKind},
    profile::UpstreamAnswer,
    request_id,
};
use tower::{Layer, Service, service_fn};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    normalize(&mut criterion);
    respond(&mut criterion);
    request_ids(&mut criterion);
    load(&mut criterion);
    auth::auth(&mut criterion);
    auth::keys(&mut criterion);
    classify::classify(&mut criterion);
    limit::limit(&mut criterion);
    validate::validate(&mut criterion);
    criterion.final_summary();
}

type Answer = Response<Full<Bytes>>;
type Make = fn() -> Answer;

/// A service that has its answer at once.
fn inner(
    answer: Make,
) -> impl Service<
    Request<Empty<Bytes>>,
    Response = Answer,
    Error = Infallible,
    Future = Ready<Result<Answer, Infallible>>,
> + Clone {
    service_fn(move |request: Request<Empty<Bytes>>| {
        black_box(request);
        ready(Ok(answer()))
    })
}

fn success() -> Answer {
    const BODY: Bytes = Bytes::from_static(&[b'x'; 600]);
    let mut answer = Response::new(Full::new(BODY));
    answer
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// What a provider's 500 looks like when it comes from `Forward`.
fn provider_failure() -> Answer {
    let mut answer = success();
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    answer.extensions_mut().insert(UpstreamAnswer);
    answer
}

/// A failure that nobody has marked: a handler's plain 404.
fn own_failure() -> Answer {
    let mut answer = success();
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

fn request() -> Request<Empty<Bytes>> {
    Request::builder()
        .uri("http://gateway.test/v1/generate")
        .header("host", "gateway.test")
        .header("user-agent", "bench")
        .header("accept", "*/*")
        .body(Empty::new())
        .unwrap()
}

/// The result of a future that needs no runtime.
fn now<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the inner service answers at once"),
    }
}

/// `Normalize` around an inner service, beside that service alone.
fn normalize(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("normalize");
    let cases: [(_, Make); 3] =
        [("success", success), ("provider's 500", provider_failure), ("own 404", own_failure)];
    for (name, answer) in cases {
        let mut bare = inner(answer);
        group.bench_function(format!("{name}, bare inner service"), |bencher| {
            bencher.iter_batched(request, |request| now(bare.call(request)), BatchSize::SmallInput);
        });
        let mut normalized = NormalizeLayer::default().layer(inner(answer));
        group.bench_function(format!("{name}, normalized"), |bencher| {
            bencher.iter_batched(
                request,
                |request| now(normalized.call(request)),
                BatchSize::SmallInput,
            );
        });
    }
}

/// One whole answer to a fault, in the words of each preset.
fn respond(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("respond");
    let id = HeaderValue::from_static("0123456789abcdef0123456789abcdef");
    let context = envelope::Context { head: false, request_id: Some(&id) };
    let faults = [
        ("plain message", Fault::NoRoute),
        ("provider", UpstreamFault::new(UpstreamKind::ProviderError, Cause::Status(500)).into()),
        ("message with a parameter", Fault::violation("width", "must be at least 256")),
    ];
    for preset in Catalog::presets() {
        let catalog = Catalog::preset(preset).unwrap();
        for (name, fault) in &faults {
            group.bench_function(format!("{preset}, {name}"), |bencher| {
                bencher.iter(|| catalog.respond(black_box(fault), context));
            });
        }
    }
}

/// The id of a request: made, and taken from the client.
fn request_ids(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request id");
    let sent = |id: Option<&'static str>| {
        let mut headers = HeaderMap::with_capacity(8);
        if let Some(id) = id {
            headers.insert(request_id::HEADER, HeaderValue::from_static(id));
        }
        headers
    };
    for (name, id) in [
        ("made", None),
        ("taken", Some("0123456789abcdef0123456789abcdef")),
        ("refused and made", Some("not a sane id")),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(|| sent(id), request_id::establish, BatchSize::SmallInput);
        });
    }
}

/// A catalog from its source, as at every start.
fn load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    for preset in Catalog::presets() {
        group.bench_function(preset, |bencher| {
            bencher.iter(|| Arc::new(Catalog::preset(black_box(preset)).unwrap()));
        });
    }
}
