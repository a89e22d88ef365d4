//! The script against a model of the algorithm, on a real server, at times of the test's choice.

#[path = "../../../tests/support/redis_server.rs"]
mod redis_server;

use self::redis_server::RedisServer;
use super::{Unavailable, script};
use crate::limit::{Counters, Demand, Demands, Level, Levels, Local, Rate};
use governor::clock::FakeRelativeClock;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use redis::Value;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

/// The script by the test's clock, in microseconds, as its last argument; nothing expires while the test runs.
const AT_A_TIME: &str = concat!(
    "local now, linger = tonumber(table.remove(ARGV)), 3600000\n",
    include_str!("gcra.lua")
);

/// 2026, in microseconds.
const START: u64 = 1_790_000_000_000_000;

struct Server {
    connection: redis::Connection,
    hash: String,
    _process: RedisServer,
}

impl Server {
    fn start() -> Self {
        let process = RedisServer::start(&[]);
        let mut connection = process.client();
        let hash = redis::cmd("SCRIPT").arg("LOAD").arg(AT_A_TIME).query(&mut connection).unwrap();
        Self { connection, hash, _process: process }
    }

    fn check(&mut self, demands: &Demands, now: u64) -> Levels {
        let mut command = script::command(&self.hash, demands).unwrap();
        let answer: Value = command.arg(now).query(&mut self.connection).unwrap();
        script::levels(demands, &answer).unwrap_or_else(|_| panic!("{answer:?}"))
    }

    fn run(&mut self, words: &[&str]) -> Value {
        redis::cmd(words[0]).arg(&words[1..]).query(&mut self.connection).unwrap()
    }
}

/// The algorithm in nanoseconds without end: a bucket that drains, and overflows at `burst × interval`.
#[derive(Default)]
struct Model {
    buckets: HashMap<u128, Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    filled: u128,
    at: u128,
}

impl Model {
    fn check(&mut self, demands: &Demands, now: u64) -> Levels {
        let now = u128::from(now) * 1000;
        let drained: Vec<u128> = demands
            .iter()
            .map(|demand| {
                let bucket = self
                    .buckets
                    .get(&demand.bucket)
                    .copied()
                    .unwrap_or(Bucket { filled: 0, at: now });
                bucket.filled.saturating_sub(now - bucket.at)
            })
            .collect();
        let poured =
            |demand: &Demand| demand.rate.interval().as_nanos() * u128::from(demand.cost.get());
        let size = |demand: &Demand| {
            demand.rate.interval().as_nanos() * u128::from(demand.rate.burst().get())
        };
        let admitted = demands
            .iter()
            .zip(&drained)
            .all(|(demand, filled)| filled + poured(demand) <= size(demand));
        let level = |(demand, filled): (&Demand, &u128)| {
            let overflow = (filled + poured(demand)).saturating_sub(size(demand));
            let filled = filled + if admitted { poured(demand) } else { 0 };
            let wait = match demand.cost > demand.rate.burst() {
                true => Duration::MAX,
                false => Duration::from_nanos(u64::try_from(overflow).unwrap()),
            };
            let remaining = (size(demand) - filled) / demand.rate.interval().as_nanos();
            self.buckets.insert(demand.bucket, Bucket { filled, at: now });
            Level {
                remaining: u32::try_from(remaining).unwrap(),
                wait,
                reset: Duration::from_nanos(u64::try_from(filled).unwrap()),
            }
        };
        demands.iter().zip(&drained).map(level).collect()
    }
}

fn demand(interval: u64, burst: u32, cost: u32) -> Demand {
    let one = NonZeroU32::MIN;
    Demand {
        quota: "q".into(),
        rate: Rate::per(one, Duration::from_nanos(interval))
            .unwrap()
            .with_burst(NonZeroU32::new(burst).unwrap()),
        bucket: 7,
        cost: NonZeroU32::new(cost).unwrap(),
    }
}

fn some(demand: Demand) -> Demands {
    Demands::from_iter([demand])
}

/// Intervals and bursts of all sizes that can be counted, with costs that have a chance.
fn quota() -> impl Strategy<Value = (NonZeroU64, u32)> {
    let interval =
        prop_oneof![1..10_u64, 100..5_000_u64, 1_000_000..2_000_000_000_u64, any::<u64>()];
    let burst = prop_oneof![1..20_u32, 1000..100_000_u32, any::<u32>()];
    (interval, burst).prop_filter_map("countable", |(interval, burst)| {
        let interval = NonZeroU64::new(interval)?;
        let long = u128::from(interval.get()) * u128::from(burst) > u128::from(u64::MAX / 4);
        (burst > 0 && !long).then_some((interval, burst))
    })
}

/// Between two requests, in thousandths of the time in which the first quota is whole again; what each costs, in
/// thousandths of the burst, and up to two units more.
type Step = (u64, Vec<(u32, u32)>);

fn steps(quotas: usize) -> impl Strategy<Value = Vec<Step>> {
    let cost = (0..600_u32, 0..3_u32);
    let pause = prop_oneof![Just(0), 0..100_u64, 900..1100_u64];
    prop::collection::vec((pause, prop::collection::vec(cost, quotas)), 1..30)
}

#[test]
fn the_script_is_the_algorithm() {
    let server = RefCell::new(Server::start());
    let quotas = prop::collection::vec(quota(), 1..4)
        .prop_flat_map(|quotas| (Just(quotas.clone()), steps(quotas.len())));
    let mut runner =
        TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let (admitted, refused) = (Cell::new(0), Cell::new(0));
    let result = runner.run(&quotas, |(quotas, steps)| {
        let mut server = server.borrow_mut();
        server.run(&["FLUSHALL"]);
        let (mut model, mut now) = (Model::default(), START);
        let (clock, mut elapsed) = (FakeRelativeClock::default(), Duration::ZERO);
        let local = Local::with_clock(100, clock.clone());
        for (pause, costs) in steps {
            let whole = u128::from(quotas[0].0.get()) * u128::from(quotas[0].1) / 1000;
            now += u64::try_from(whole * u128::from(pause) / 1000).unwrap().min(1 << 50);
            let demands: Demands = quotas
                .iter()
                .zip(costs)
                .enumerate()
                .map(|(n, ((interval, burst), (share, more)))| {
                    let cost = u64::from(*burst) * u64::from(share) / 1000 + u64::from(more);
                    let cost = u32::try_from(cost).unwrap_or(u32::MAX).max(1);
                    Demand { bucket: n as u128, ..demand(interval.get(), *burst, cost) }
                })
                .collect();
            let levels = server.check(&demands, now);
            prop_assert_eq!(&levels, &model.check(&demands, now), "{:?} at {}", demands, now);
            clock.advance(Duration::from_micros(now - START) - elapsed);
            elapsed = Duration::from_micros(now - START);
            let in_memory = local.check(demands.clone()).into_inner().unwrap();
            // More than a burst is refused there without a look at what is left.
            if demands.iter().all(|demand| demand.cost <= demand.rate.burst()) {
                prop_assert_eq!(&levels, &in_memory, "in memory: {:?} at {}", demands, now);
            }
            match levels.iter().all(|level| level.wait.is_zero()) {
                true => admitted.set(admitted.get() + 1),
                false => refused.set(refused.get() + 1),
            }
            // A burst must fit beside the time of day.
            if now > START + (1 << 50) {
                break;
            }
        }
        Ok(())
    });
    result.unwrap();
    let (admitted, refused) = (admitted.get(), refused.get());
    assert!(admitted > 500 && refused > 500, "{admitted} admitted, {refused} refused");
}

#[test]
fn three_millions_a_second_are_exact() {
    let mut server = Server::start();
    let three_millions =
        Rate::per(NonZeroU32::new(3_000_000).unwrap(), Duration::from_secs(1)).unwrap();
    let rate = three_millions.with_burst(NonZeroU32::new(6).unwrap());
    let demands = some(Demand { rate, ..demand(1, 1, 1) });
    let mut admitted = 0;
    for tick in 0..1000 {
        for _ in 0..7 {
            admitted += u32::from(server.check(&demands, START + tick)[0].wait.is_zero());
        }
    }
    // 333 nanoseconds a unit: the six of the burst, and all that come back in 999 microseconds.
    assert_eq!(admitted, 6 + 999_000 / 333);
}

#[test]
fn a_burst_is_exact_at_its_edges() {
    let mut server = Server::start();
    let ms = Duration::from_millis;
    let demands = some(demand(1_000_000, 3, 2));
    let level = |remaining, wait, reset| Level { remaining, wait: ms(wait), reset: ms(reset) };
    assert_eq!(server.check(&demands, START)[0], level(1, 0, 2));
    assert_eq!(server.check(&demands, START)[0], level(1, 1, 2));
    let almost = server.check(&demands, START + 999)[0];
    assert_eq!(almost.wait, Duration::from_micros(1));
    assert_eq!(server.check(&demands, START + 1000)[0], level(0, 0, 3));
}

#[test]
fn a_refused_request_costs_nothing() {
    let mut server = Server::start();
    let (small, large) = (demand(1_000_000, 1, 1), Demand { bucket: 8, ..demand(1_000_000, 9, 1) });
    let both = Demands::from_iter([large.clone(), small]);
    server.check(&both, START);
    let levels = server.check(&both, START);
    assert_eq!((levels[0].remaining, levels[0].wait), (8, Duration::ZERO));
    assert!(!levels[1].wait.is_zero());
    assert_eq!(server.check(&some(large), START)[0].remaining, 7);
}

#[test]
fn more_than_the_burst_is_never_admitted_and_costs_nothing() {
    let mut server = Server::start();
    let levels = server.check(
        &Demands::from_iter([demand(1000, 2, 3), Demand { bucket: 8, ..demand(1000, 2, 1) }]),
        START,
    );
    assert_eq!(levels[0], Level { remaining: 2, wait: Duration::MAX, reset: Duration::ZERO });
    assert_eq!(levels[1].remaining, 2);
}

#[test]
fn a_clock_that_is_set_back_costs_one_burst_at_most() {
    let mut server = Server::start();
    let demands = some(demand(1_000_000, 2, 1));
    server.check(&demands, START);
    let level = server.check(&demands, START - 3_600_000_000)[0];
    assert_eq!(level.wait, Duration::from_millis(1));
    assert_eq!(level.reset, Duration::from_millis(2));
}

#[test]
fn a_value_that_is_no_state_is_overwritten() {
    let mut server = Server::start();
    let demands = some(demand(1_000_000, 2, 1));
    let key = "tollgate:{limits}:q:00000000000000000000000000000007";
    let rubbish: [&[&str]; 5] = [
        &["SET", key, "rubbish"],
        &["SET", key, ""],
        &["SET", key, "99999999999999999999999999"],
        &["SET", key, "1e18"],
        &["LPUSH", key, "1"],
    ];
    for words in rubbish {
        server.run(&["DEL", key]);
        server.run(words);
        assert_eq!(server.check(&demands, START)[0].remaining, 1, "{words:?}");
        let state =
            Value::BulkString(format!("{}", u128::from(START) * 1000 + 1_000_000).into_bytes());
        assert_eq!(server.run(&["GET", key]), state, "{words:?}");
    }
}

#[test]
fn what_is_no_answer_of_the_script_is_refused() {
    let demands = some(demand(1_000_000, 2, 1));
    let state = |text: &str| Value::BulkString(text.into());
    let answers = [
        Value::Nil,
        Value::Okay,
        Value::Array(vec![]),
        Value::Array(vec![Value::Int(1), Value::Int(5)]),
        Value::Array(vec![Value::Int(2), Value::Int(5), state("5000")]),
        Value::Array(vec![Value::Int(1), Value::Int(-5), state("5000")]),
        Value::Array(vec![Value::Int(1), Value::Int(5), Value::Int(5000)]),
        Value::Array(vec![Value::Int(1), Value::Int(5), state("x")]),
        Value::Array(vec![Value::Int(1), Value::Int(5), state("4999")]),
        Value::Array(vec![Value::Int(1), Value::Int(5), state("99999999")]),
        // Refused, and nothing that speaks against it.
        Value::Array(vec![Value::Int(0), Value::Int(5), state("5000")]),
        Value::Array(vec![Value::Int(1), Value::Int(5), state("5000"), state("5000")]),
    ];
    for answer in answers {
        assert_eq!(script::levels(&demands, &answer), Err(Unavailable::NotRedis), "{answer:?}");
    }
    let good = Value::Array(vec![Value::Int(1), Value::Int(5), state("5000")]);
    assert!(script::levels(&demands, &good).is_ok());
}

#[test]
fn a_rate_that_the_clock_cannot_hold_is_not_counted() {
    let half = u64::MAX / 8;
    let mut server = Server::start();
    let demands = some(demand(half, 2, 1));
    for spent in 1..=2 {
        let level = server.check(&demands, START)[0];
        assert_eq!(level.reset, Duration::from_nanos(spent * half));
    }
    assert_eq!(server.check(&demands, START)[0].wait, Duration::from_nanos(half));
    let command = script::command("", &some(demand(half + 1, 2, 1)));
    assert_eq!(command.err(), Some(Unavailable::Uncountable));
}
