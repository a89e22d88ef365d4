//! Streams of events: each event passes as it comes, and whatever fails on the way ends in one last event.

use super::*;
use bytes::Bytes;
use http_body_util::{BodyExt as _, channel::Channel};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use support::{
    Events, Setup, assert_event,
    envelope::assert_error,
    http2::h2c_origin,
    origin::{EVENTS, LAST_CHUNK, chunk, events, json, ok},
    soon,
};
use tokio::sync::{Mutex, mpsc};

/// A provider that does, from the first request on, what the test tells it while it runs.
async fn directed() -> (Origin, mpsc::UnboundedSender<Act>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = Arc::new(Mutex::new(receiver));
    let origin = Origin::connections(move |mut connection| {
        let receiver = receiver.clone();
        async move {
            let mut acts = receiver.lock().await;
            connection.request().await?;
            while let Some(act) = acts.recv().await {
                match act {
                    Act::Send(bytes) => connection.wire.send(bytes).await?,
                    Act::Wait(pause) => tokio::time::sleep(pause).await,
                    Act::Fin => return Ok(()),
                    Act::Reset => {
                        connection.reset();
                        return Ok(());
                    }
                    Act::Hold => {
                        connection.wire.rest().await?;
                        return Ok(());
                    }
                }
            }
            Ok(())
        }
    })
    .await;
    (origin, sender)
}

fn to(origin: &Origin, lines: &str) -> Setup {
    Gateway::setup().all_to(&origin.url(), lines)
}

fn event(number: u32) -> String {
    format!(
        "id: {number}\nevent: progress\ndata: {{\"n\":{number},\ndata: \"status\":\"running\"}}\n\n"
    )
}

/// No event waits for the next one, nor for the end.
#[tokio::test]
async fn event_by_event() {
    for version in Version::BOTH {
        let (origin, director) = directed().await;
        let gateway = to(&origin, "").start().await;
        let opening = {
            let tell = |bytes: Vec<u8>| director.send(Act::send(bytes)).unwrap();
            tell([EVENTS.as_bytes(), &chunk(event(0))].concat());
            tell
        };
        let mut stream = Events::open(&gateway, with(post("/x", "{}"), version)).await;
        assert_eq!(
            (stream.status, stream.fields.one("content-type")),
            (200, Some("text/event-stream"))
        );
        assert!(!stream.fields.has("content-length"));
        assert_eq!(stream.next().await, Some(event(0)));
        for number in 1..20 {
            // In two pieces, two at once, or one; in lines that end otherwise, and with comments between them.
            match number % 4 {
                0 => {
                    let whole = event(number);
                    let (one, other) = whole.split_at(17);
                    opening(chunk(one));
                    opening(chunk(other));
                }
                1 => {
                    opening(chunk([event(number), event(number + 1000)].concat()));
                    assert_eq!(stream.next().await, Some(event(number)));
                    assert_eq!(stream.next().await, Some(event(number + 1000)));
                    continue;
                }
                2 => {
                    opening(chunk(": still here\n\n"));
                    assert_eq!(stream.next().await.unwrap(), ": still here\n\n");
                    opening(chunk(event(number)));
                }
                _ => opening(chunk(event(number))),
            }
            assert_eq!(stream.next().await, Some(event(number)), "{version:?}");
        }
        opening(LAST_CHUNK.into());
        assert_eq!(stream.next().await, None);
    }
}

/// The head waits for the first event that says something: comments and empty lines say nothing yet.
#[tokio::test]
async fn a_stream_that_begins_with_a_failure_is_an_ordinary_failure() {
    for (first, kind) in [
        (
            r#"{"error":{"message":"PROVIDER-INTERNAL-7f3a91","type":"server_error"}}"#,
            UpstreamKind::ProviderError,
        ),
        (r#"{"error":{"type":"overloaded_error","message":"x"}}"#, UpstreamKind::Overloaded),
        (r#"{"error":{"code":"invalid_api_key","message":"x"}}"#, UpstreamKind::AuthFailed),
        (
            r#"{"error":{"code":"content_policy_violation","message":"Not that"}}"#,
            UpstreamKind::InputModeration,
        ),
    ] {
        let script = [
            EVENTS.as_bytes(),
            &chunk(": hello\n\n"),
            &chunk(format!("data: {first}\n\n")),
            &chunk("data: [DONE]\n\n"),
            LAST_CHUNK.as_bytes(),
        ]
        .concat();
        let bad = Origin::start(move |_| vec![Act::send(script.clone())]).await;
        let good = Origin::start(|_| vec![Act::send(events(&[r#"{"n":1}"#]))]).await;
        let (one, other) = (bad.url(), good.url());
        let gateway = Gateway::setup()
            .pool("alone", "", &[("bad", &one, "")])
            .pool("pool", "", &[("bad", &one, ""), ("good", &other, "")])
            .route("/alone", "alone", "")
            .route("/pool", "pool", "")
            .start()
            .await;
        for version in Version::BOTH {
            let answer = gateway.ask(with(post("/alone", "{}"), version)).await;
            assert_eq!(code(&answer, &gateway), code_of(&gateway, kind));
        }
        let answer = gateway.ask(post("/pool", "{}")).await;
        if kind == UpstreamKind::InputModeration {
            assert_eq!(code(&answer, &gateway), code_of(&gateway, kind));
        } else {
            answer.assert_ok("data: {\"n\":1}\n\n");
        }
    }
}

/// What breaks a stream, and what that is.
type Break = (&'static str, fn() -> Vec<Act>, UpstreamKind);

const BREAKS: &[Break] = &[
    ("fin", || vec![Act::Fin], UpstreamKind::Incomplete),
    ("reset", || vec![Act::Reset], UpstreamKind::Incomplete),
    (
        "within an event",
        || vec![Act::send(chunk("data: {\"n\":")), Act::Fin],
        UpstreamKind::Incomplete,
    ),
    ("within a chunk", || vec![Act::send("ff\r\ndata: {}\n"), Act::Fin], UpstreamKind::Incomplete),
    ("no chunk", || vec![Act::send("zz\r\n"), Act::Hold], UpstreamKind::Incomplete),
    ("silence", || vec![Act::Hold], UpstreamKind::Timeout),
    (
        "silence within an event",
        || vec![Act::send(chunk("data: {\"n\":")), Act::Hold],
        UpstreamKind::Timeout,
    ),
    (
        "its own failure",
        || {
            let event =
                r#"data: {"error":{"message":"PROVIDER-INTERNAL-7f3a91","type":"server_error"}}"#;
            vec![Act::send(chunk(format!("{event}\n\n"))), Act::Hold]
        },
        UpstreamKind::ProviderError,
    ),
    (
        "an event called error",
        || vec![Act::send(chunk("event: error\ndata: PROVIDER-INTERNAL-7f3a91\n\n")), Act::Hold],
        UpstreamKind::ProviderError,
    ),
];

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_event() {
    let origin = Origin::start(|request| {
        let number: usize = request.target.trim_start_matches('/').parse().unwrap();
        let begun = [EVENTS.as_bytes(), &chunk(event(1)), &chunk(event(2))].concat();
        [vec![Act::send(begun)], BREAKS[number].1()].concat()
    })
    .await;
    for preset in tollgate::Catalog::presets() {
        let lines = "idle_timeout = \"150ms\"\nejection = { failures = 1000 }";
        let gateway = to(&origin, lines).preset(preset).start().await;
        for (number, (name, _, kind)) in BREAKS.iter().enumerate() {
            for version in Version::BOTH {
                let ask = with(post(&format!("/{number}"), "{}"), version);
                let mut stream =
                    Events::open(&gateway, ask.field("x-request-id", "stream-1")).await;
                let (first, second) = (stream.next().await, stream.next().await);
                assert_eq!((first, second), (Some(event(1)), Some(event(2))), "{name}");
                let last = stream.next().await.unwrap();
                let entry = assert_event(&last, &gateway.catalog);
                assert!(entry.faults().contains(&Kind::Upstream(*kind)), "{name}: {last}");
                assert_eq!(stream.next().await, None, "{name}");
            }
        }
    }
}

/// In lines of JSON the last one is the envelope.
#[tokio::test]
async fn lines_of_json() {
    let (origin, director) = directed().await;
    let gateway = to(&origin, "").start().await;
    let head = EVENTS.replace("text/event-stream", "application/x-ndjson");
    director.send(Act::send([head.as_bytes(), &chunk("{\"n\":1}\n")].concat())).unwrap();
    let mut stream = Events::open(&gateway, post("/x", "{}")).await;
    assert_eq!(stream.line().await.unwrap(), "{\"n\":1}\n");
    director.send(Act::send(chunk("{\"n\":2}\n{\"n\":"))).unwrap();
    assert_eq!(stream.line().await.unwrap(), "{\"n\":2}\n");
    director.send(Act::Fin).unwrap();
    let last = stream.line().await.unwrap();
    let entry = assert_error(&serde_json::from_str(&last).unwrap(), &gateway.catalog);
    assert!(entry.faults().contains(&Kind::Upstream(UpstreamKind::Incomplete)), "{last}");
    assert_eq!(stream.line().await, None);
}

#[tokio::test]
async fn heartbeats_during_silence() {
    for version in Version::BOTH {
        let (origin, director) = directed().await;
        let gateway = to(&origin, "heartbeat = \"50ms\"\nidle_timeout = \"10s\"").start().await;
        director.send(Act::send([EVENTS.as_bytes(), &chunk(event(1))].concat())).unwrap();
        let mut stream = Events::open(&gateway, with(post("/x", "{}"), version)).await;
        assert_eq!(stream.next().await, Some(event(1)));
        for _ in 0..3 {
            assert!(stream.next().await.unwrap().starts_with(": "));
        }
        // Half an event is no place for a comment.
        let whole = event(2);
        let (one, other) = whole.split_at(10);
        director.send(Act::send(chunk(one))).unwrap();
        assert!(stream.next().await.unwrap().starts_with(": "));
        director.send(Act::send(chunk(other))).unwrap();
        loop {
            let next = stream.next().await.unwrap();
            if !next.starts_with(": ") {
                assert_eq!(next, event(2));
                break;
            }
        }
        director.send(Act::send(LAST_CHUNK)).unwrap();
        while let Some(next) = stream.next().await {
            assert!(next.starts_with(": "), "{next}");
        }
    }
}

/// Heartbeats are ours: they do not keep a provider alive that says nothing.
#[tokio::test]
async fn silence_with_heartbeats_is_silence() {
    let script = [EVENTS.as_bytes(), &chunk(event(1))].concat();
    let origin = Origin::start(move |_| vec![Act::send(script.clone()), Act::Hold]).await;
    let gateway = to(&origin, "heartbeat = \"40ms\"\nidle_timeout = \"300ms\"").start().await;
    let mut stream = Events::open(&gateway, post("/x", "{}")).await;
    let all = stream.rest().await;
    let (first, last) = (&all[0], all.last().unwrap());
    assert_eq!(*first, event(1));
    let entry = assert_event(last, &gateway.catalog);
    assert!(entry.faults().contains(&Kind::Upstream(UpstreamKind::Timeout)), "{last}");
    assert!(all.len() > 3, "{all:?}");
    assert!(all[1..all.len() - 1].iter().all(|event| event.starts_with(": ")), "{all:?}");
}

/// The same from a provider that speaks HTTP/2, which ends a stream with a frame and not with its connection.
#[tokio::test]
async fn a_provider_that_speaks_http2() {
    for breaks in [false, true] {
        let (mut sender, body) = Channel::<Bytes, io::Error>::new(1);
        let body = std::sync::Mutex::new(Some(body));
        let origin = h2c_origin(move |_| {
            let body = body.lock().unwrap().take().expect("one request");
            let response = http::Response::builder().header("content-type", "text/event-stream");
            response.body(body.boxed()).unwrap()
        })
        .await;
        let gateway = to(&origin, "http2 = \"always\"").start().await;
        sender.send_data(event(0).into()).await.unwrap();
        let mut stream = Events::open(&gateway, post("/x", "{}")).await;
        assert_eq!(stream.next().await, Some(event(0)));
        for number in 1..5 {
            sender.send_data(event(number).into()).await.unwrap();
            assert_eq!(stream.next().await, Some(event(number)));
        }
        if breaks {
            sender.send_data("data: half".into()).await.unwrap();
            sender.abort(io::ErrorKind::Other.into());
            let last = stream.next().await.unwrap();
            let entry = assert_event(&last, &gateway.catalog);
            assert!(entry.faults().contains(&Kind::Upstream(UpstreamKind::Incomplete)), "{last}");
        } else {
            drop(sender);
        }
        assert_eq!(stream.next().await, None);
    }
}

/// Whoever leaves takes the provider's stream with them.
#[tokio::test]
async fn a_client_that_leaves_closes_the_providers_stream() {
    for version in Version::BOTH {
        let closed = Arc::<AtomicUsize>::default();
        let counted = closed.clone();
        let origin = Origin::connections(move |mut connection| {
            let closed = counted.clone();
            async move {
                if connection.request().await?.is_some() {
                    connection.wire.send([EVENTS.as_bytes(), &chunk(event(1))].concat()).await?;
                    let _ = connection.wire.rest().await;
                    closed.fetch_add(1, Ordering::SeqCst);
                }
                io::Result::Ok(())
            }
        })
        .await;
        let gateway = to(&origin, "").start().await;
        let mut stream = Events::open(&gateway, with(post("/x", "{}"), version)).await;
        assert_eq!(stream.next().await, Some(event(1)));
        drop(stream);
        origin.until("the provider's stream ends", |_| closed.load(Ordering::SeqCst) == 1).await;

        // The same while the head is still awaited.
        let silent = Arc::<AtomicUsize>::default();
        let counted = silent.clone();
        let origin = Origin::connections(move |mut connection| {
            let closed = counted.clone();
            async move {
                if connection.request().await?.is_some() {
                    connection
                        .wire
                        .send([EVENTS.as_bytes(), &chunk(": not yet\n\n")].concat())
                        .await?;
                    let _ = connection.wire.rest().await;
                    closed.fetch_add(1, Ordering::SeqCst);
                }
                io::Result::Ok(())
            }
        })
        .await;
        let gateway = Arc::new(to(&origin, "").start().await);
        let asking = gateway.clone();
        let asking =
            tokio::spawn(async move { asking.try_ask(with(post("/x", "{}"), version)).await });
        origin.until("the request", |origin| origin.requests().len() == 1).await;
        asking.abort();
        let _ = asking.await;
        origin.until("the provider's stream ends", |_| silent.load(Ordering::SeqCst) == 1).await;
    }
}

/// An event that is too long to be looked at passes; what fails behind it is told all the same, on a line of its own.
#[tokio::test]
async fn an_event_that_is_longer_than_what_is_looked_at() {
    let long = format!(
        "data: {{\"error\":{{\"type\":\"server_error\"}},\"x\":\"{}\"}}\n\n",
        "x".repeat(200_000)
    );
    let script =
        [EVENTS.as_bytes(), &chunk(event(1)), &chunk(&long), &chunk("data: half")].concat();
    let origin = Origin::start(move |_| vec![Act::send(script.clone()), Act::Fin]).await;
    let gateway = to(&origin, "max_event_bytes = \"4KiB\"").start().await;
    for version in Version::BOTH {
        let mut stream = Events::open(&gateway, with(post("/x", "{}"), version)).await;
        assert_eq!(stream.next().await, Some(event(1)));
        assert_eq!(stream.next().await.unwrap(), long);
        assert_event(&stream.next().await.unwrap(), &gateway.catalog);
        assert_eq!(stream.next().await, None);
    }
}

/// What is no stream of events is none: an answer that a profile need not look at goes on as it comes.
#[tokio::test]
async fn other_answers_pass_as_they_come() {
    let (origin, director) = directed().await;
    let gateway = to(&origin, "").start().await;
    let head = EVENTS.replace("text/event-stream", "image/png");
    director.send(Act::send([head.as_bytes(), &chunk("\u{89}PNG\n")].concat())).unwrap();
    let mut stream = Events::open(&gateway, post("/x", "{}")).await;
    assert_eq!(stream.line().await.unwrap(), "\u{89}PNG\n");
    director.send(Act::send(chunk("more\n"))).unwrap();
    assert_eq!(stream.line().await.unwrap(), "more\n");
    director.send(Act::Fin).unwrap();
    // It is cut off, and looks like it.
    assert!(soon("an end", stream.try_next()).await.is_err());
}

/// A stream in a coding is read, and goes on without it.
#[tokio::test]
async fn a_compressed_stream() {
    use std::io::Write as _;
    let plain = [event(1), event(2)].concat();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let head = EVENTS.replace("\r\n\r\n", "\r\ncontent-encoding: gzip\r\n\r\n");
    let script = [head.as_bytes(), &chunk(body), LAST_CHUNK.as_bytes()].concat();
    let origin = Origin::start(move |_| vec![Act::send(script.clone())]).await;
    let gateway = to(&origin, "").start().await;
    let answer = gateway.ask(post("/x", "{}").field("accept-encoding", "gzip")).await;
    answer.assert_ok(&plain);
    assert!(!answer.fields.has("content-encoding"));
}

/// HEAD and answers that say that they are streams and are none.
#[tokio::test]
async fn streams_of_nothing() {
    let origin = Origin::start(|request| match (&*request.method, &*request.target) {
        ("HEAD", _) => vec![Act::send(EVENTS.replace("transfer-encoding: chunked\r\n", ""))],
        (_, "/empty") => vec![Act::send(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 0\r\n\r\n",
        )],
        (_, "/json") => json(200, r#"{"n":1}"#),
        _ => vec![Act::send(ok("plain"))],
    })
    .await;
    let gateway = to(&origin, "").start().await;
    for version in Version::BOTH {
        let head = gateway.ask(Ask::new(version, "HEAD", "/x")).await;
        assert_eq!(head.status, 200);
        gateway.ask(with(post("/json", "{}"), version)).await.assert_ok(r#"{"n":1}"#);
        gateway.ask(with(post("/x", "{}"), version)).await.assert_ok("plain");
        let empty = gateway.ask(with(post("/empty", "{}"), version)).await;
        assert_eq!((empty.status, empty.body.len()), (200, 0));
    }
}
