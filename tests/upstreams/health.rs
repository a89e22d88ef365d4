//! Which endpoints are left out, for how long, and how they come back.

use super::*;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use support::{
    Setup,
    origin::{answer, ok},
    soon,
};
use tokio::{sync::Semaphore, task::JoinSet};

fn both(first: &Origin, second: &Origin, lines: &str) -> Setup {
    let (one, other) = (first.url(), second.url());
    let endpoints = [("first", &*one, ""), ("second", &*other, "")];
    Gateway::setup().pool("pool", lines, &endpoints).route("/x", "pool", "")
}

#[tokio::test]
async fn a_pause_as_long_as_the_provider_says() {
    let limits = Arc::new(AtomicBool::new(true));
    let limited = limits.clone();
    let first = Origin::start(move |_| match limited.load(Ordering::SeqCst) {
        true => vec![Act::send(answer(429, "retry-after-ms: 700\r\n", ""))],
        false => vec![Act::send(ok("by the first"))],
    })
    .await;
    let second = Origin::ok("by the second").await;
    let gateway = both(&first, &second, "").start().await;
    gateway.ask(post("/x", "{}")).await.assert_ok("by the second");
    limits.store(false, Ordering::SeqCst);
    let page = gateway.page("/endpoints").await;
    let endpoint = &page["upstreams"][0]["endpoints"][0];
    assert_eq!(endpoint["state"], "paused", "{page}");
    assert!((1..=700).contains(&endpoint["back_in_ms"].as_u64().unwrap()), "{page}");
    for _ in 0..5 {
        gateway.ask(post("/x", "{}")).await.assert_ok("by the second");
    }
    assert_eq!(asked(&[&first, &second]), [1, 6]);
    gateway.until_endpoint_is("pool", "first", "due").await;
    gateway.ask(post("/x", "{}")).await.assert_ok("by the first");
    gateway.until_endpoint_is("pool", "first", "available").await;
}

#[tokio::test]
async fn a_long_pause_is_as_long() {
    let first = Origin::start(|_| vec![Act::send(answer(503, "retry-after: 120\r\n", ""))]).await;
    let limited = Origin::start(|_| vec![Act::send(answer(429, "retry-after: 120\r\n", ""))]).await;
    let gateway = both(&limited, &first, "").start().await;
    // Nobody else is left: the caller is told as long a wait as the provider wants.
    let answer = gateway.ask(post("/x", "{}")).await;
    assert_eq!(code(&answer, &gateway), code_of(&gateway, UpstreamKind::RateLimited));
    assert_eq!(answer.fields.one("retry-after"), Some("120"));
    let page = gateway.page("/endpoints").await;
    let back = page["upstreams"][0]["endpoints"][0]["back_in_ms"].as_u64().unwrap();
    assert!((60_000..=120_000).contains(&back), "{page}");
}

/// A refusal of our credential leaves an endpoint out at once; then one request tries whether it is back, and no other one.
#[tokio::test]
async fn out_at_once_and_back_with_one_request() {
    for refusal in [401, 402] {
        let (open, gate) = (Arc::new(AtomicBool::new(false)), Arc::new(Semaphore::new(0)));
        let (opened, gated) = (open.clone(), gate.clone());
        let first = Origin::connections(move |mut connection| {
            let (open, gate) = (opened.clone(), gated.clone());
            async move {
                while connection.request().await?.is_some() {
                    if open.load(Ordering::SeqCst) {
                        gate.acquire().await.unwrap().forget();
                        connection.wire.send(ok("by the first")).await?;
                    } else {
                        connection.wire.send(answer(refusal, "", MARKER)).await?;
                    }
                }
                Ok(())
            }
        })
        .await;
        let second = Origin::ok("by the second").await;
        let gateway = both(&first, &second, "ejection = { base = \"500ms\" }").start().await;
        for _ in 0..4 {
            gateway.ask(post("/x", "{}")).await.assert_ok("by the second");
        }
        assert_eq!(asked(&[&first, &second]), [1, 4], "{refusal}");

        open.store(true, Ordering::SeqCst);
        gateway.until_endpoint_is("pool", "first", "due").await;
        let gateway = Arc::new(gateway);
        let mut asking = JoinSet::new();
        for _ in 0..6 {
            let gateway = gateway.clone();
            asking.spawn(async move { gateway.ask(post("/x", "{}")).await });
        }
        // All but the one that tries are done by the second.
        for _ in 0..5 {
            let answer = soon("an answer", asking.join_next()).await.unwrap().unwrap();
            answer.assert_ok("by the second");
        }
        assert_eq!(first.requests().len(), 2);
        gate.add_permits(100);
        asking.join_next().await.unwrap().unwrap().assert_ok("by the first");
        gateway.until_endpoint_is("pool", "first", "available").await;
        gateway.ask(post("/x", "{}")).await.assert_ok("by the first");
    }
}

/// A probe whose caller leaves has found out nothing, and holds nothing up.
#[tokio::test]
async fn a_probe_that_is_broken_off() {
    let open = Arc::new(AtomicBool::new(false));
    let opened = open.clone();
    let first = Origin::start(move |request| {
        match (opened.load(Ordering::SeqCst), request.fields.has("x-hold")) {
            (false, _) => vec![Act::send(answer(401, "", MARKER))],
            (true, true) => vec![Act::Hold],
            (true, false) => vec![Act::send(ok("by the first"))],
        }
    })
    .await;
    let second = Origin::ok("by the second").await;
    let gateway = both(&first, &second, "ejection = { base = \"50ms\" }").start().await;
    gateway.ask(post("/x", "{}")).await.assert_ok("by the second");
    open.store(true, Ordering::SeqCst);
    gateway.until_endpoint_is("pool", "first", "due").await;
    let mut client = gateway.client().await;
    client.send("GET /x HTTP/1.1\r\nhost: a\r\nx-hold: 1\r\n\r\n").await;
    first.until("the probe", |first| first.requests().len() == 2).await;
    gateway.ask(post("/x", "{}")).await.assert_ok("by the second");
    drop(client);
    gateway.until_endpoint_is("pool", "first", "due").await;
    gateway.ask(post("/x", "{}")).await.assert_ok("by the first");
}

/// By rate: enough failures, and enough of them.
#[tokio::test]
async fn out_after_failures() {
    let first = Origin::start(|_| html(503)).await;
    let second = Origin::ok("by the second").await;
    let lines = "ejection = { failures = 3, base = \"60s\" }";
    let gateway = both(&first, &second, lines).start().await;
    for _ in 0..6 {
        gateway.ask(post("/x", "{}")).await.assert_ok("by the second");
    }
    assert_eq!(asked(&[&first, &second]), [3, 6]);
    assert_eq!(gateway.endpoint_state("pool", "first").await, "out");
}

/// What is wrong with a request says nothing about the provider.
#[tokio::test]
async fn never_out_for_what_callers_do() {
    let first = Origin::start(|_| invalid(400)).await;
    let second = Origin::ok("by the second").await;
    let gateway = both(&first, &second, "ejection = { failures = 1, percent = 1 }").start().await;
    for _ in 0..20 {
        let answer = gateway.ask(post("/x", "{}")).await;
        assert_eq!(code(&answer, &gateway), code_of(&gateway, UpstreamKind::InvalidRequest));
    }
    assert_eq!(asked(&[&first, &second]), [20, 0]);
}

/// When all are out the one that is back first is asked all the same; unless all may be out.
#[tokio::test]
async fn all_out() {
    for all in [false, true] {
        let (first, second) =
            (Origin::start(|_| failure(401)).await, Origin::start(|_| failure(402)).await);
        let lines = format!("ejection = {{ base = \"60s\", all = {all} }}");
        let gateway = both(&first, &second, &lines).start().await;
        gateway.ask(post("/x", "{}")).await;
        assert_eq!(asked(&[&first, &second]), [1, 1]);
        let answer = gateway.ask(post("/x", "{}")).await;
        let sum: usize = asked(&[&first, &second]).iter().sum();
        if all {
            assert_eq!(code(&answer, &gateway), code_of(&gateway, UpstreamKind::Overloaded));
            let wait: u64 = answer.fields.one("retry-after").unwrap().parse().unwrap();
            assert!((50..=60).contains(&wait), "{wait}");
            assert_eq!(sum, 2);
        } else {
            assert_eq!(answer.status, 502);
            assert_eq!(sum, 3);
        }
    }
}

/// A stream that fails on its way is a failure of its endpoint too.
#[tokio::test]
async fn out_after_streams_that_fail() {
    let event = support::origin::chunk("data: {\"n\":1}\n\n");
    let half = [support::origin::EVENTS.as_bytes(), &event].concat();
    let first = Origin::start(move |_| vec![Act::send(half.clone()), Act::Fin]).await;
    let second = Origin::ok("by the second").await;
    let lines = "ejection = { failures = 3, base = \"60s\", percent = 50 }";
    let gateway = both(&first, &second, lines).start().await;
    for _ in 0..3 {
        assert_eq!(gateway.ask(post("/x", "{}")).await.events().len(), 2);
    }
    gateway.until_endpoint_is("pool", "first", "out").await;
    gateway.ask(post("/x", "{}")).await.assert_ok("by the second");
}

/// A client that keeps a provider waiting is the one who is late.
#[tokio::test]
async fn never_out_for_slow_clients() {
    let origin = Origin::ok("made").await;
    let lines = "timeout = \"300ms\"\nejection = { failures = 1, all = true }";
    let gateway = Gateway::setup()
        .pool("pool", lines, &[("one", &origin.url(), "")])
        .route("/x", "pool", "")
        .start()
        .await;
    for _ in 0..2 {
        let slow = "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf";
        let answer = gateway.raw(slow).await;
        assert_eq!(code(&answer, &gateway), entry_of(&gateway.catalog, Kind::BodyTimeout).code());
    }
    gateway.ask(get("/x")).await.assert_ok("made");
}

/// The rest of an answer that is passed on without a look counts too.
#[tokio::test]
async fn out_after_answers_that_break_off() {
    let first = Origin::start(|request| match &*request.method {
        "GET" => {
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 9\r\n\r\nhalf";
            vec![Act::send(head), Act::Fin]
        }
        _ => vec![Act::send(ok("by the first"))],
    })
    .await;
    let second = Origin::ok("by the second").await;
    let gateway = both(&first, &second, "").start().await;
    for _ in 0..5 {
        gateway.ask(post("/x", "{}")).await.assert_ok("by the first");
        assert!(gateway.try_ask(get("/x")).await.is_err());
    }
    gateway.until_endpoint_is("pool", "first", "out").await;
    gateway.ask(post("/x", "{}")).await.assert_ok("by the second");
}
