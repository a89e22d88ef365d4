//! What the layers cost by themselves, without a socket: `cargo bench --bench layers`.
//!
//! Absolute figures depend on the machine; what says something is the difference between a row and the bare one
//! of its group.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails may panic")]

use bytes::Bytes;
use criterion::{BatchSize, Criterion};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::pin,
    sync::{Arc, Barrier},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};
use tollgate::{
    Catalog, Fault, NormalizeLayer,
    auth::{
        Account, ApiKey, AuthLayer, IdentityHeaders, KeyDigest, KeyPrefix, KeyRecord, KeyTable,
        Mode, Principal,
    },
    envelope,
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
    auth(&mut criterion);
    keys(&mut criterion);
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
> {
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

/// The key with this number.
fn key(number: usize) -> ApiKey {
    ApiKey::parse(&format!("tg_{number:036}")).unwrap()
}

/// As many good keys, of a thousand accounts.
fn key_table(keys: usize) -> KeyTable {
    let accounts: Vec<_> =
        (0..1_000).map(|number| Arc::new(Account::new(format!("account-{number}")))).collect();
    KeyTable::from_records((0..keys).map(|number| {
        let account = accounts[number % accounts.len()].clone();
        let principal = Principal::new(account, format!("key-{number}"));
        (KeyDigest::of(&key(number)), KeyRecord::new(principal))
    }))
}

/// `Auth` around an inner service, beside that service alone; what it refuses, beside what it lets in.
fn auth(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("auth");
    let with_key = |key: &ApiKey| {
        let value = HeaderValue::try_from(format!("Bearer {}", key.expose())).unwrap();
        move || {
            let mut request = request();
            request.headers_mut().insert(http::header::AUTHORIZATION, value.clone());
            request
        }
    };
    let mut bare = inner(success);
    group.bench_function("bare inner service", |bencher| {
        let request = with_key(&key(7));
        bencher.iter_batched(&request, |request| now(bare.call(request)), BatchSize::SmallInput);
    });

    let keys = key_table(1_000);
    let (revoked, good) = (key(1), key(7));
    let digest = KeyDigest::of(&revoked);
    let record = keys.get(&digest).unwrap();
    keys.apply([(digest, KeyRecord { revoked: true, ..record })]);
    let layer = AuthLayer::new(keys);
    let prefix: KeyPrefix = "tg".parse().unwrap();
    let generated = ApiKey::generate(&prefix).unwrap();
    let cases = [
        ("good key of 1,000", layer.clone(), &good),
        ("good key, forwarded", layer.clone().forward(IdentityHeaders::tollgate()), &good),
        ("revoked key", layer.clone(), &revoked),
        ("unknown key", layer.clone(), &generated),
        ("damaged key", layer.clone().key_prefix(prefix), &good),
        ("nobody is asked", layer.mode(Mode::None), &good),
    ];
    for (name, layer, key) in cases {
        let mut service = layer.layer(service_fn(|request: Request<Empty<Bytes>>| {
            black_box(request);
            ready(Ok::<_, Infallible>(success()))
        }));
        group.bench_function(name, |bencher| {
            let request = with_key(key);
            bencher.iter_batched(
                &request,
                |request| now(service.call(request)),
                BatchSize::SmallInput,
            );
        });
    }
}

/// Lookups alone: by outcome, by size, and by two threads at once, on one key and on all of them.
fn keys(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("keys");
    group.bench_function("digest", |bencher| {
        let key = key(7);
        bencher.iter(|| KeyDigest::of(black_box(&key)));
    });
    for keys in [1_000, 1_000_000] {
        let table = key_table(keys);
        let digests = |count: usize, first: usize| -> Vec<_> {
            let mut digests: Vec<_> =
                (first..first + count).map(|number| KeyDigest::of(&key(number))).collect();
            fastrand::shuffle(&mut digests);
            digests
        };
        let known = digests(keys, 0);
        let unknown = digests(keys, keys);
        for (name, digests) in [("known", &known), ("unknown", &unknown)] {
            let mut digests = digests.iter().cycle();
            group.bench_function(format!("{name}, of {keys}"), |bencher| {
                bencher.iter(|| table.get(digests.next().unwrap()));
            });
        }
        for threads in [1, 2] {
            for (name, digests) in [("one key", &known[..1]), ("all keys", &known[..])] {
                group.bench_function(format!("{name} of {keys}, {threads} threads"), |bencher| {
                    bencher.iter_custom(|rounds| at_once(threads, rounds, &table, digests));
                });
            }
        }
        group.bench_function(format!("one change, of {keys}"), |bencher| {
            let record = table.get(&known[0]).unwrap();
            bencher.iter(|| table.apply([(known[0], record.clone())]));
        });
    }
}

/// How long it takes until each thread has made so many lookups, each beginning elsewhere.
fn at_once(threads: usize, rounds: u64, table: &KeyTable, digests: &[KeyDigest]) -> Duration {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|number| {
                let start = &start;
                let mut digests = digests.iter().cycle().skip(number * digests.len() / threads);
                scope.spawn(move || {
                    start.wait();
                    let begun = Instant::now();
                    for _ in 0..rounds {
                        black_box(digests.next().and_then(|digest| table.get(digest)));
                    }
                    begun.elapsed()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).max().unwrap_or_default()
    })
}
