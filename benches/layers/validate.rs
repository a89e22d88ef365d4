//! Bodies: [`ValidateLayer`] and its parts, beside `serde_json`'s own parse of the same bytes.

use super::{now, success};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use http::Request;
use http_body_util::Full;
use std::{convert::Infallible, future::ready, hint::black_box, sync::Arc};
use tollgate::{
    ValidateLayer,
    edit::Edits,
    json::{Document, Syntax},
    schema::Schema,
    validate::ValidatedBody,
};
use tower::{Layer, Service, service_fn};

/// The schema of a real contract.
fn schema() -> Schema {
    include_str!("../../examples/schemas/apistor/generate.json").parse().unwrap()
}

/// A request of 300 bytes.
fn small(model: &str) -> Bytes {
    let head = format!(
        r#"{{"model":"{model}","aspectRatio":"16:9","urls":["https://cdn.example.com/in/4711.png"],"webHook":"-1","shutProgress":false,"prompt":""#
    );
    Bytes::from(format!(
        "{head}{}\"}}",
        "a lighthouse at dusk ".repeat(20).split_at(300 - head.len() - 2).0
    ))
}

/// A request with an image of a mebibyte in it.
fn large() -> Bytes {
    let image = "iVBORw0KGgoAAAANSUhEUgAA".repeat((1 << 20) / 24);
    Bytes::from(format!(
        r#"{{"model":"nanobanano-2","prompt":"the same at night","urls":["{image}"]}}"#
    ))
}

pub(super) fn validate(criterion: &mut Criterion) {
    let schema = Arc::new(schema());
    let syntax = Syntax::default();
    let bodies = [
        ("300 B", small("nanobanano-2"), true),
        ("300 B, refused", small("nanobanano-9"), false),
        ("1 MiB", large(), true),
    ];
    let mut group = criterion.benchmark_group("validate");
    for (name, body, good) in &bodies {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{name}: serde_json's parse alone"), |bencher| {
            bencher.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(body)).unwrap());
        });
        group.bench_function(format!("{name}: syntax"), |bencher| {
            bencher.iter(|| Document::parse(black_box(body.clone()), &syntax).unwrap());
        });
        group.bench_function(format!("{name}: syntax and schema"), |bencher| {
            bencher.iter(|| {
                let document = Document::parse(black_box(body.clone()), &syntax).unwrap();
                let violation = if schema.accepts(document.root()) {
                    None
                } else {
                    schema.first_violation(document.root())
                };
                assert_eq!(violation.is_none(), *good);
            });
        });
        let request = || {
            Request::post("http://gateway.test/v1/generate")
                .header("content-type", "application/json")
                .body(Full::from(body.clone()))
                .unwrap()
        };
        let mut bare = service_fn(|request: Request<Full<Bytes>>| {
            black_box(request);
            ready(Ok::<_, Infallible>(success()))
        });
        group.bench_function(format!("{name}: bare inner service"), |bencher| {
            bencher.iter_batched(request, |request| now(bare.call(request)), BatchSize::SmallInput);
        });
        let checked = service_fn(|request: Request<ValidatedBody<Full<Bytes>>>| {
            black_box(request);
            ready(Ok::<_, Infallible>(success()))
        });
        let mut layer =
            ValidateLayer::new().schema(schema.clone()).max_bytes(2 << 20).layer(checked);
        group.bench_function(format!("{name}: layer"), |bencher| {
            bencher.iter_batched(
                request,
                |request| now(layer.call(request)),
                BatchSize::SmallInput,
            );
        });
    }
    let values = [("model", "nano-banana-2"), ("imageSize", "1K")];
    let values = values.map(|(name, value)| (name.to_owned(), value.into())).to_vec();
    let table = [("nanobanano-2".to_owned(), values)];
    let edits = Edits::new().map("/model".parse().unwrap(), table).unwrap();
    for (name, body, _) in bodies.iter().filter(|(_, _, good)| *good) {
        group.bench_function(format!("{name}: edit"), |bencher| {
            bencher.iter(|| edits.apply(black_box(body)).unwrap());
        });
    }
}
