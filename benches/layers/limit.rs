//! Quotas: [`RateLimitLayer`] and [`InFlightLimitLayer`].

use super::{inner, now, request, success};
use bytes::Bytes;
use criterion::{BatchSize, BenchmarkGroup, Criterion, measurement::WallTime};
use http::Request;
use http_body_util::Empty;
use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    thread,
    time::{Duration, Instant},
};
use tollgate::{
    client_address::ClientAddress,
    limit::{
        Counters, Demand, Demands, InFlightLimitLayer, Key, Local, Quota, Rate, RateLimitLayer,
    },
};
use tower::{Layer, Service};

/// One that is never used up, so that all requests go the same way.
fn quota(name: &'static str) -> Quota {
    let units = NonZeroU32::new(1_000_000_000).unwrap();
    Quota::new(name, Rate::per(units, Duration::from_secs(1)).unwrap())
}

fn layer(quotas: &[&'static str]) -> RateLimitLayer {
    let layer = RateLimitLayer::new(Local::new(2_000_000));
    quotas.iter().fold(layer, |layer, name| layer.quota(quota(name)).unwrap())
}

fn request_from(address: u32) -> Request<Empty<Bytes>> {
    let mut request = request();
    request.extensions_mut().insert(ClientAddress(IpAddr::V4(Ipv4Addr::from(address))));
    request
}

/// Requests from so many addresses, in an order that no cache expects.
fn requests(keys: u32) -> impl FnMut() -> Request<Empty<Bytes>> {
    let mut turn = 0_u32;
    move || {
        turn = turn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        request_from((turn >> 8) % keys)
    }
}

pub(super) fn limit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("limit");
    let mut bare = inner(success);
    group.bench_function("bare inner service", |bencher| {
        let requests = requests(1_000);
        bencher.iter_batched(requests, |request| now(bare.call(request)), BatchSize::SmallInput);
    });
    for (name, quotas) in
        [("one quota, 1,000 keys", &["a"] as &[_]), ("two quotas, 1,000 keys", &["a", "b"])]
    {
        let mut limited = layer(quotas).layer(inner(success));
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                requests(1_000),
                |request| now(limited.call(request)),
                BatchSize::SmallInput,
            );
        });
    }
    let most = NonZeroU32::new(100).unwrap();
    let in_flight = InFlightLimitLayer::new("in-flight", most).unwrap().key(Key::Address);
    let mut in_flight = in_flight.layer(inner(success));
    group.bench_function("in flight, 1,000 keys", |bencher| {
        bencher.iter_batched(
            requests(1_000),
            |request| now(in_flight.call(request)),
            BatchSize::SmallInput,
        );
    });
    for (name, keys, threads) in [
        ("one thread, one key", 1, 1),
        ("two threads, one key", 1, 2),
        ("one thread, a million keys", 1_000_000, 1),
        ("two threads, a million keys", 1_000_000, 2),
    ] {
        group.bench_function(format!("{name}, bare inner service"), |bencher| {
            bencher.iter_custom(|turns| contend(|| inner(success), keys, threads, turns));
        });
        let layer = layer(&["a"]);
        group.bench_function(name, |bencher| {
            let limited = || layer.layer(inner(success));
            bencher.iter_custom(|turns| contend(limited, keys, threads, turns));
        });
    }
    flood(&mut group);
}

/// What a new address costs when ten million others have filled the table, and what all of them have cost: a caller who
/// was limited before them still is, and memory is bounded.
fn flood(group: &mut BenchmarkGroup<'_, WallTime>) {
    const ADDRESSES: u32 = 10_000_000;
    let local = Local::default();
    let demand = |bucket: u128, units: u32, period| {
        let rate = Rate::per(NonZeroU32::new(units).unwrap(), period).unwrap();
        let demand = Demand { quota: "q".into(), rate, bucket, cost: NonZeroU32::MIN };
        Demands::from_iter([demand])
    };
    let admit = |demands: Demands| now(local.check(demands)).unwrap()[0].wait.is_zero();
    let limited = || demand(u128::MAX, 1, Duration::from_secs(3600));
    assert!(admit(limited()) && !admit(limited()));
    let mut address = 0_u32;
    let mut next = || {
        address += 1;
        admit(demand(address.into(), 10, Duration::from_secs(60)))
    };
    // Once, and before anything is measured: a second flood would find the memory of the first.
    let (before, start) = (resident(), Instant::now());
    assert!((0..ADDRESSES).all(|_| next()));
    let (each, kib) = (start.elapsed() / ADDRESSES, resident().saturating_sub(before));
    eprintln!("flood: {} keys, {kib} KiB, {} ns each", local.len(), each.as_nanos());
    group.bench_function("a new address, after ten million", |bencher| bencher.iter(&mut next));
    assert!(!admit(limited()), "limited all the way through");
}

/// The memory that the process has, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// How long the slower thread takes for so many requests, making them included.
fn contend<S>(make: impl Fn() -> S + Sync, keys: u32, threads: u32, turns: u64) -> Duration
where
    S: Service<Request<Empty<Bytes>>>,
{
    let work = |thread: u32| {
        let mut service = make();
        let mut requests = requests(keys);
        (0..thread * 7).for_each(|_| drop(requests()));
        let start = Instant::now();
        for _ in 0..turns {
            let _ = black_box(now(service.call(requests())));
        }
        start.elapsed()
    };
    let work = &work;
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|n| scope.spawn(move || work(n))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).max().unwrap_or_default()
    })
}
