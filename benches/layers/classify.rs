//! What it costs to find out what an answer means.

use super::now;
use bytes::Bytes;
use criterion::{BatchSize, Criterion};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use std::{convert::Infallible, future::ready, hint::black_box, sync::Arc};
use tollgate::{
    ClassifyLayer,
    profile::{Answer, Content, Profile},
};
use tower::{Layer, Service, service_fn};

pub(super) fn classify(criterion: &mut Criterion) {
    layer(criterion);
    profiles(criterion);
}

fn answer(status: u16, kind: &str, body: &Bytes) -> Response<Full<Bytes>> {
    let answer = Response::builder().status(status).header("content-type", kind);
    answer.body(Full::new(body.clone())).unwrap()
}

/// The layer, over answers that need no look, are looked at, and fail.
fn layer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("classify");
    let image = Bytes::from(vec![0x89; 600]);
    let success = Bytes::from(format!(
        r#"{{"id":"1","data":[{{"url":"https://a.example/{}"}}]}}"#,
        "x".repeat(560)
    ));
    let failure = Bytes::from(format!(
        r#"{{"error":{{"message":"{}","type":"invalid_request_error","param":"size","code":"invalid_value"}}}}"#,
        "The value is not supported. ".repeat(33),
    ));
    let rows = [
        ("bare", None, answer(200, "image/png", &image)),
        ("success that needs no look", Some("openai"), answer(200, "image/png", &image)),
        (
            "JSON success of 600 B, generic",
            Some("generic"),
            answer(200, "application/json", &success),
        ),
        ("JSON success of 600 B, grsai", Some("grsai"), answer(200, "application/json", &success)),
        (
            "JSON failure of 1 KiB, openai",
            Some("openai"),
            answer(400, "application/json", &failure),
        ),
    ];
    for (name, profile, answer) in rows {
        let make = move || (answer.status(), answer.headers().clone(), answer.body().clone());
        let inner = service_fn(|(status, headers, body): (StatusCode, HeaderMap, Full<Bytes>)| {
            let mut answer = Response::new(body);
            (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
            ready(Ok::<_, Infallible>(answer))
        });
        match profile {
            None => {
                let mut inner = inner;
                group.bench_function(name, |b| {
                    b.iter_batched(
                        &make,
                        |answer| black_box(now(inner.call(answer))),
                        BatchSize::SmallInput,
                    );
                });
            }
            Some(profile) => {
                let profile = Arc::new(Profile::preset(profile).unwrap());
                // What is asked is what is answered.
                let mut service = ClassifyLayer::new(profile).layer(service_fn(
                    |request: Request<(StatusCode, HeaderMap, Full<Bytes>)>| {
                        let (status, headers, body) = request.into_body();
                        let mut answer = Response::new(body);
                        (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
                        ready(Ok::<_, Infallible>(answer))
                    },
                ));
                group.bench_function(name, |b| {
                    b.iter_batched(
                        || Request::new(make()),
                        |request| black_box(now(service.call(request))),
                        BatchSize::SmallInput,
                    );
                });
            }
        }
    }
    group.finish();
}

/// The rules alone, and how long it takes to read them.
fn profiles(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("profile");
    for name in ["generic", "openai", "gemini"] {
        group.bench_function(format!("read {name}"), |b| {
            b.iter(|| Profile::preset(black_box(name)).unwrap());
        });
        let profile = Profile::preset(name).unwrap();
        let headers = HeaderMap::new();
        let body = r#"{"id":"1","object":"x","created":1,"data":[{"url":"https://a.example/1"}]}"#;
        let content = Content::read(&headers, Bytes::from(body), 1 << 20);
        group.bench_function(format!("success by {name}"), |b| {
            b.iter(|| {
                profile.classify(&Answer::new(StatusCode::OK, &headers, black_box(&content)))
            });
        });
    }
    group.finish();
}
