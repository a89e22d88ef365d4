//! Shared quotas against real redis servers, and against what is none: [`RedisCounters`] and [`SharedCounters`].

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "redis/failing.rs"]
mod failing;
#[path = "redis/log.rs"]
mod log;
#[path = "redis/login.rs"]
mod login;
#[path = "redis/outage.rs"]
mod outage;
#[path = "support/redis_server.rs"]
mod redis_server;
#[path = "redis/replicas.rs"]
mod replicas;

use redis_server::RedisServer;
use std::{
    future::{Ready, ready},
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tollgate::limit::{
    Counters, CountersError, Demand, Demands, Level, Levels, Rate,
    redis::{RedisConfig, RedisCounters, RedisStore, Unavailable},
};

/// More than any check here may take: the timeout that the tests set, and a busy machine.
const SOON: Duration = Duration::from_secs(20);

fn config(url: &str) -> RedisConfig {
    // Long enough for a busy machine; what tests the timeout itself sets a shorter one.
    RedisConfig::new(url.parse().unwrap()).timeout(Duration::from_secs(5))
}

fn store(url: &str) -> RedisStore {
    RedisStore::new(config(url))
}

/// So many units, of which one comes back an hour.
fn demand(quota: &str, burst: u32) -> Demand {
    let rate = Rate::per(NonZeroU32::MIN, Duration::from_secs(3600)).unwrap();
    Demand {
        quota: quota.into(),
        rate: rate.with_burst(NonZeroU32::new(burst).unwrap()),
        bucket: 1,
        cost: NonZeroU32::MIN,
    }
}

fn demands<const N: usize>(quotas: [Demand; N]) -> Demands {
    quotas.into_iter().collect()
}

fn is_admitted(levels: &Levels) -> bool {
    levels.iter().all(|level| level.wait.is_zero())
}

/// Why Redis could not be asked.
fn reason(error: &CountersError) -> Unavailable {
    std::error::Error::source(error).unwrap().downcast_ref::<Unavailable>().unwrap().clone()
}

/// Checks until Redis is asked again, with a quota that nothing else looks at.
async fn back(counters: &RedisCounters) {
    let start = Instant::now();
    while counters.check(demands([demand("back", 1)])).await.is_err() {
        assert!(start.elapsed() < SOON, "Redis does not come back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Counters in memory that admit everything, say that 77 is left, and remember what they were asked.
#[derive(Clone, Default)]
struct Memory {
    asked: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Counters for Memory {
    type Check = Ready<Result<Levels, CountersError>>;

    fn check(&self, demands: Demands) -> Self::Check {
        let quotas = demands.iter().map(|demand| demand.quota.to_string()).collect();
        self.asked.lock().unwrap().push(quotas);
        ready(Ok(demands.iter().map(|_| Level { remaining: 77, ..Level::default() }).collect()))
    }
}

#[tokio::test]
async fn quotas_are_counted_in_one_round_trip() {
    let server = RedisServer::start(&[]);
    let counters = store(&server.url()).counters();
    let both = demands([demand("a", 2), demand("b", 5)]);
    let levels = counters.check(both.clone()).await.unwrap();
    assert_eq!(levels.iter().map(|level| level.remaining).collect::<Vec<_>>(), [1, 4]);
    let calls = |command: &str| -> u64 {
        let stats: String =
            redis::cmd("INFO").arg("commandstats").query(&mut server.client()).unwrap();
        let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:")));
        line.and_then(|line| line.split_once("calls=")?.1.split_once(',')?.0.parse().ok()).unwrap()
    };
    // One more is the probe of the connection.
    assert_eq!(calls("evalsha"), 2);
    assert!(is_admitted(&counters.check(both.clone()).await.unwrap()));
    let levels = counters.check(both).await.unwrap();
    assert_eq!(levels.iter().map(|level| level.remaining).collect::<Vec<_>>(), [0, 3]);
    assert!(levels[0].wait > Duration::from_secs(3500) && levels[1].wait.is_zero(), "{levels:?}");
    assert_eq!(calls("evalsha"), 4);
}

#[tokio::test]
async fn keys_have_one_hash_tag_and_expire() {
    let server = RedisServer::start(&[]);
    let counters = store(&server.url()).counters();
    counters.check(demands([demand("a", 2), demand("b {x}", 5)])).await.unwrap();
    let mut client = server.client();
    for key in ["tollgate:{limits}:a", "tollgate:{limits}:b {x}"] {
        let key = format!("{key}:00000000000000000000000000000001");
        let left: i64 = redis::cmd("PTTL").arg(&key).query(&mut client).unwrap();
        assert!((3_500_000..=3_601_001).contains(&left), "{key} expires in {left}");
    }
}

#[tokio::test]
async fn a_script_that_was_forgotten_is_told_again() {
    let server = RedisServer::start(&[]);
    let counters = store(&server.url()).counters();
    counters.connect().await.unwrap();
    let _: () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut server.client()).unwrap();
    assert!(is_admitted(&counters.check(demands([demand("a", 1)])).await.unwrap()));
    assert!(!is_admitted(&counters.check(demands([demand("a", 1)])).await.unwrap()));
}

#[tokio::test]
async fn a_node_of_a_cluster_counts_if_it_owns_the_slot() {
    let server = RedisServer::start(&["--cluster-enabled", "yes"]);
    let counters = store(&server.url()).counters();
    let error = counters.connect().await.unwrap_err();
    assert_eq!(error, Unavailable::Refused("CLUSTERDOWN"));
    let mut client = server.client();
    let slots = ["ADDSLOTSRANGE", "0", "16383"];
    let _: () = redis::cmd("CLUSTER").arg(&slots).query(&mut client).unwrap();
    back(&counters).await;
    let levels = counters.check(demands([demand("a", 2), demand("b", 2)])).await.unwrap();
    assert!(is_admitted(&levels));
}

#[tokio::test]
async fn databases_count_apart() {
    let server = RedisServer::start(&[]);
    for database in ["0", "3"] {
        let counters = store(&format!("{}?db={database}", server.url())).counters();
        assert!(is_admitted(&counters.check(demands([demand("a", 1)])).await.unwrap()));
    }
}
