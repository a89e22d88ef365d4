//! Redis is killed, paused and started again, and each quota does what it is told.

use super::*;
use tollgate::limit::{Local, OnStoreFailure, redis::SharedCounters};

fn shared(store: &RedisStore, memory: &Memory) -> SharedCounters<Memory> {
    SharedCounters::new(store.counters(), memory.clone())
        .on_store_failure("open", OnStoreFailure::Open)
        .on_store_failure("local", OnStoreFailure::Local)
        .on_store_failure("local2", OnStoreFailure::Local)
}

#[tokio::test]
async fn each_quota_does_what_it_is_told_and_hands_back() {
    let mut server = RedisServer::start(&[]);
    let (store, memory) = (store(&server.url()), Memory::default());
    let counters = shared(&store, &memory);
    let check = |quotas: &[&str]| {
        let quotas = quotas.iter().map(|quota| demand(quota, 5)).collect();
        let check = counters.check(quotas);
        async {
            let levels = check.await.map_err(|error| reason(&error))?;
            Ok::<Vec<u32>, Unavailable>(levels.iter().map(|level| level.remaining).collect())
        }
    };
    assert_eq!(check(&["open", "local", "closed"]).await, Ok(vec![4, 4, 4]));
    assert!(store.is_available() && counters.redis().is_available());

    server.kill();
    assert!(check(&["closed"]).await.is_err());
    assert!(check(&["open", "local", "closed"]).await.is_err());
    assert_eq!(memory.asked.lock().unwrap().len(), 0, "what is refused is not counted");
    assert_eq!(check(&["open"]).await, Ok(vec![5]));
    assert_eq!(check(&["local2", "open", "local"]).await, Ok(vec![77, 5, 77]));
    assert_eq!(*memory.asked.lock().unwrap(), [["local2", "local"]], "counted together");
    assert!(!counters.redis().is_available());
    let outcomes = store.outcomes();
    assert_eq!((outcomes.shared, outcomes.closed), (1, 2));
    assert_eq!((outcomes.open, outcomes.local), (1, 1));

    server.restart();
    back(counters.redis()).await;
    // It kept nothing, so it counts from whole quotas.
    assert_eq!(check(&["open", "local", "closed"]).await, Ok(vec![4, 4, 4]));
    assert_eq!(memory.asked.lock().unwrap().len(), 1);
    assert!(store.is_available() && counters.redis().is_available());
}

#[tokio::test]
async fn what_is_counted_in_memory_is_limited_there() {
    let mut server = RedisServer::start(&[]);
    let store = store(&server.url());
    let counters = SharedCounters::new(store.counters(), Local::default())
        .on_store_failure("local", OnStoreFailure::Local);
    let check = || counters.check(demands([demand("local", 2)]));
    assert_eq!(check().await.unwrap()[0].remaining, 1);
    server.kill();
    for remaining in [1, 0] {
        assert_eq!(check().await.unwrap()[0].remaining, remaining);
    }
    assert!(!is_admitted(&check().await.unwrap()));
    server.restart();
    back(counters.redis()).await;
    assert_eq!(check().await.unwrap()[0].remaining, 1);
    assert_eq!(store.outcomes().local, 3);
}

#[tokio::test]
async fn a_server_that_keeps_its_data_goes_on_where_it_was() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let counters = store(&server.url()).counters();
    assert_eq!(counters.check(demands([demand("a", 5)])).await.unwrap()[0].remaining, 4);
    server.kill();
    assert!(counters.check(demands([demand("a", 5)])).await.is_err());
    server.restart();
    back(&counters).await;
    assert_eq!(counters.check(demands([demand("a", 5)])).await.unwrap()[0].remaining, 3);
}

#[tokio::test]
async fn a_connection_that_is_lost_while_nobody_asks_is_made_anew() {
    let server = RedisServer::start(&[]);
    let counters = store(&server.url()).counters();
    counters.connect().await.unwrap();
    let mut client = server.client();
    let _: i64 =
        redis::cmd("CLIENT").arg("KILL").arg("SKIPME").arg("yes").query(&mut client).unwrap();
    back(&counters).await;
}

#[tokio::test]
async fn a_paused_server_costs_one_timeout() {
    let server = RedisServer::start(&[]);
    let timeout = Duration::from_millis(200);
    let store = RedisStore::new(config(&server.url()).timeout(timeout));
    let counters = store.counters();
    counters.connect().await.unwrap();

    server.pause();
    let start = Instant::now();
    let error = counters.check(demands([demand("a", 5)])).await.unwrap_err();
    assert_eq!(reason(&error), Unavailable::Timeout);
    assert!((timeout..SOON).contains(&start.elapsed()), "{:?}", start.elapsed());
    let start = Instant::now();
    for _ in 0..1000 {
        let error = counters.check(demands([demand("a", 5)])).await.unwrap_err();
        assert_eq!(reason(&error), Unavailable::Timeout);
    }
    assert!(start.elapsed() < timeout, "a thousand refusals took {:?}", start.elapsed());

    server.resume();
    back(&counters).await;
    // The one that was late was spent, the thousand others were not asked.
    assert_eq!(counters.check(demands([demand("a", 5)])).await.unwrap()[0].remaining, 3);
}

#[tokio::test]
async fn one_late_answer_does_not_take_the_others_away() {
    let server = RedisServer::start(&[]);
    let timeout = Duration::from_secs(1);
    let counters = RedisStore::new(config(&server.url()).timeout(timeout)).counters();
    counters.connect().await.unwrap();
    server.pause();
    let mut first = tokio_test::task::spawn(counters.check(demands([demand("a", 5)])));
    assert!(first.poll().is_pending());
    tokio::time::sleep(timeout / 2).await;
    let mut second = tokio_test::task::spawn(counters.check(demands([demand("a", 5)])));
    assert!(second.poll().is_pending());
    assert!(first.into_inner().await.is_err());
    assert!(!counters.is_available());
    server.resume();
    // Both were spent, and the one that was waited for long enough is told so.
    assert_eq!(second.into_inner().await.unwrap()[0].remaining, 3);
    back(&counters).await;
}

#[tokio::test]
async fn no_more_wait_than_may() {
    let server = RedisServer::start(&[]);
    let most = std::num::NonZeroUsize::new(3).unwrap();
    let counters = RedisStore::new(config(&server.url()).max_waiting(most)).counters();
    counters.connect().await.unwrap();
    server.pause();
    let check = || tokio_test::task::spawn(counters.check(demands([demand("a", 5)])));
    let mut waiting: Vec<_> = (0..3).map(|_| check()).collect();
    for check in &mut waiting {
        assert!(check.poll().is_pending());
    }
    let error = counters.check(demands([demand("a", 5)])).await.unwrap_err();
    assert_eq!(reason(&error), Unavailable::Crowded);
    assert!(counters.is_available(), "that is no fault of Redis");
    server.resume();
    for check in waiting {
        assert!(is_admitted(&check.into_inner().await.unwrap()));
    }
    assert!(is_admitted(&counters.check(demands([demand("a", 5)])).await.unwrap()));
}

#[tokio::test]
async fn what_starts_later_than_the_gateway_is_found() {
    let mut server = RedisServer::start(&[]);
    server.kill();
    let counters = store(&server.url()).counters();
    assert!(matches!(counters.connect().await, Err(Unavailable::Unreachable(_))));
    server.restart();
    back(&counters).await;
}
