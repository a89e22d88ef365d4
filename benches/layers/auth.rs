//! Keys: [`AuthLayer`], and looking them up.

use super::{inner, now, request, success};
use bytes::Bytes;
use criterion::{BatchSize, Criterion};
use http::{HeaderValue, Request};
use http_body_util::Empty;
use std::{
    convert::Infallible,
    future::ready,
    hint::black_box,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};
use tollgate::auth::{
    Account, ApiKey, AuthLayer, IdentityHeaders, KeyDigest, KeyPrefix, KeyRecord, KeyTable, Mode,
    Principal,
};
use tower::{Layer, Service, service_fn};

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
pub(super) fn auth(criterion: &mut Criterion) {
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
pub(super) fn keys(criterion: &mut Criterion) {
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
