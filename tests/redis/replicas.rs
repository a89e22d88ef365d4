//! Several connections, threads and runtimes on one Redis.

use super::*;
use std::{task::Poll, thread};

fn on_its_own_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Ten tasks of each of some threads ask as fast as they can; how many they get.
fn admitted(counters: Vec<RedisCounters>, each: usize, quota: &Demand) -> usize {
    thread::scope(|scope| {
        let replicas: Vec<_> = counters
            .into_iter()
            .map(|counters| {
                scope.spawn(move || {
                    on_its_own_runtime(async {
                        let tasks: Vec<_> = (0..10)
                            .map(|_| {
                                let (counters, quota) = (counters.clone(), quota.clone());
                                tokio::spawn(async move {
                                    let mut admitted = 0;
                                    for _ in 0..each {
                                        let levels = counters.check(demands([quota.clone()])).await;
                                        admitted += usize::from(is_admitted(&levels.unwrap()));
                                    }
                                    admitted
                                })
                            })
                            .collect();
                        let mut sum = 0;
                        for task in tasks {
                            sum += task.await.unwrap();
                        }
                        sum
                    })
                })
            })
            .collect();
        replicas.into_iter().map(|replica| replica.join().unwrap()).sum()
    })
}

#[test]
fn two_replicas_admit_exactly_the_quota() {
    let server = RedisServer::start(&[]);
    let counters = (0..2).map(|_| store(&server.url()).counters()).collect();
    assert_eq!(admitted(counters, 100, &demand("a", 777)), 777);
}

#[test]
fn the_workers_of_one_process_admit_exactly_the_quota() {
    let server = RedisServer::start(&[]);
    let store = store(&server.url());
    let counters = (0..3).map(|_| store.counters()).collect();
    assert_eq!(admitted(counters, 50, &demand("a", 777)), 777);
    assert_eq!(store.outcomes().shared, 1500);
}

#[test]
fn what_comes_back_comes_back_once() {
    let server = RedisServer::start(&[]);
    let rate = Rate::per(NonZeroU32::new(1000).unwrap(), Duration::from_secs(1)).unwrap();
    let quota = Demand { rate: rate.with_burst(NonZeroU32::new(10).unwrap()), ..demand("a", 1) };
    let counters = (0..2).map(|_| store(&server.url()).counters()).collect();
    let start = Instant::now();
    let admitted = admitted(counters, 100, &quota);
    let most = 10 + start.elapsed().as_millis() as usize;
    assert!((10..=most).contains(&admitted), "{admitted} of at most {most}");
}

#[test]
fn what_was_used_on_a_runtime_that_ended_is_used_on_the_next() {
    let server = RedisServer::start(&[]);
    let counters = store(&server.url()).counters();
    for remaining in [1, 0] {
        let levels = on_its_own_runtime(counters.check(demands([demand("a", 2)]))).unwrap();
        assert_eq!(levels[0].remaining, remaining);
    }
}

#[tokio::test]
async fn nobody_keeps_a_connection_that_nobody_needs() {
    let server = RedisServer::start(&[]);
    let counters = store(&server.url()).counters();
    counters.connect().await.unwrap();
    let clients = |client: &mut redis::Connection| -> usize {
        let list: String = redis::cmd("CLIENT").arg("LIST").query(client).unwrap();
        list.lines().count()
    };
    let mut client = server.client();
    assert_eq!(clients(&mut client), 2);
    drop(counters);
    let start = Instant::now();
    while clients(&mut client) > 1 {
        assert!(start.elapsed() < SOON, "it stays connected");
        tokio::task::yield_now().await;
    }
}

#[test]
fn without_a_runtime_there_is_an_error() {
    let server = RedisServer::start(&[]);
    let counters = store(&server.url()).counters();
    let mut check = tokio_test::task::spawn(counters.check(demands([demand("a", 2)])));
    let Poll::Ready(Err(error)) = check.poll() else { panic!("there is nothing to wait for") };
    assert_eq!(reason(&error), Unavailable::NoRuntime);
    assert!(is_admitted(&on_its_own_runtime(counters.check(demands([demand("a", 2)]))).unwrap()));
}
