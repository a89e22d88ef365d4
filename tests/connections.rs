//! Connections: which are kept and reused, on both sides, with TLS and without, and how long each step may take.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "connections/proxy_protocol.rs"]
mod proxy_protocol;
mod support;

use http::Response;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use support::{
    Act, Gateway, Origin, Version, assert_fault,
    client::Ask,
    http2::{changing_tls_origin, full, h2c_origin, tls_origin},
    origin::{answer, ok},
    soon,
};
use tokio::sync::Notify;
use tollgate::{Kind, fault::UpstreamKind};

const POST: &str = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn a_connection_is_used_again() {
    let origin = Origin::start(|r| match &*r.target {
        "/500" => vec![Act::send(answer(500, "", "no"))],
        "/head" => vec![Act::send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")],
        "/204" => vec![Act::send("HTTP/1.1 204 No Content\r\n\r\n")],
        "/chunked" => vec![Act::send(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        )],
        _ => vec![Act::send(ok("yes"))],
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    let asks = [
        ("GET", "/x"),
        ("POST", "/x"),
        ("HEAD", "/head"),
        ("GET", "/204"),
        ("GET", "/chunked"),
        ("POST", "/500"),
        ("GET", "/x"),
    ];
    for version in Version::BOTH {
        for (method, path) in asks {
            gateway.ask(Ask::new(version, method, path)).await;
            // Free as soon as its task has noticed that the answer is over; that is no later than this.
            gateway.get("/x").await.assert_ok("yes");
        }
    }
    // One that is still busy may cost another one; most requests must not.
    let (connections, requests) = (origin.connection_count(), origin.requests().len());
    assert!(connections <= 4, "{connections} connections for {requests} requests");
}

#[tokio::test]
async fn no_pool_no_reuse() {
    for (lines, fields) in
        [("max_idle = 0", ""), ("", "connection: close\r\n"), ("", "keep-alive: timeout=1\r\n")]
    {
        let origin = Origin::start(move |_| vec![Act::send(answer(200, fields, "yes"))]).await;
        let gateway = Gateway::setup().all_to(&origin.url(), lines).start().await;
        for _ in 0..3 {
            gateway.get("/x").await.assert_ok("yes");
        }
        assert_eq!(origin.connection_count(), 3, "{lines} {fields}");
    }
}

/// A provider that ends its first connection when told to, after one answer, and tells when it has.
async fn ending(how: Act) -> (Origin, Arc<Notify>, Arc<Notify>) {
    let (end, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, telling) = (end.clone(), ended.clone());
    let origin = Origin::connections(move |mut connection| {
        let (end, ended, how) = (told.clone(), telling.clone(), how.clone());
        async move {
            connection.request().await?;
            connection.wire.send(ok("yes")).await?;
            if connection.number == 0 {
                end.notified().await;
                match how {
                    Act::Reset => connection.reset(),
                    _ => drop(connection),
                }
                ended.notify_one();
                return Ok(());
            }
            while connection.request().await?.is_some() {
                connection.wire.send(ok("yes")).await?;
            }
            Ok(())
        }
    })
    .await;
    (origin, end, ended)
}

#[tokio::test]
async fn a_stale_connection_is_replaced_and_nobody_notices() {
    for how in [Act::Fin, Act::Reset] {
        for request_first in [true, false].repeat(4) {
            let (origin, end, ended) = ending(how.clone()).await;
            let gateway = Gateway::to(&origin).await;
            let mut client = gateway.client().await;
            client.send(POST).await.answer("POST").await.assert_ok("yes");
            // While it stands still, the connection ends and the next request comes: it learns both at once, in
            // this order or that, and may well take the connection before it sees its end.
            gateway.stop().await;
            if request_first {
                client.send(POST).await;
            }
            end.notify_one();
            soon("the end of the connection", ended.notified()).await;
            if !request_first {
                client.send(POST).await;
            }
            gateway.signal("CONT");
            client.answer("POST").await.assert_ok("yes");
            assert_eq!((origin.requests().len(), origin.connection_count()), (2, 2), "{how:?}");
        }
    }
}

/// The connection is long gone when the next request comes.
#[tokio::test]
async fn a_closed_connection_is_not_taken() {
    let (origin, end, ended) = ending(Act::Fin).await;
    let gateway =
        Gateway::setup().all_to(&origin.url(), "pool_idle_timeout = \"10s\"").start().await;
    gateway.raw(POST).await.assert_ok("yes");
    end.notify_one();
    soon("the end of the connection", ended.notified()).await;
    // The end is on its way; an answered request later it has arrived.
    gateway.ask(Ask::new(Version::Http1, "OPTIONS", "/")).await;
    gateway.raw(POST).await.assert_ok("yes");
    assert_eq!(origin.requests().len(), 2);
}

/// Whatever becomes of the connection: a request that may have been read is not sent again.
#[tokio::test]
async fn no_request_is_sent_twice() {
    let break_off = Arc::new(AtomicBool::new(false));
    for act in [Act::Fin, Act::Reset] {
        let breaking = break_off.clone();
        breaking.store(false, Ordering::SeqCst);
        let origin = Origin::start(move |_| {
            if breaking.load(Ordering::SeqCst) {
                vec![act.clone()]
            } else {
                vec![Act::send(ok("yes"))]
            }
        })
        .await;
        let gateway = Gateway::to(&origin).await;
        for (round, method) in ["GET", "POST", "PUT", "DELETE"].into_iter().enumerate() {
            break_off.store(false, Ordering::SeqCst);
            let request = format!("{method} /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
            gateway.raw(&request).await.assert_ok("yes");
            break_off.store(true, Ordering::SeqCst);
            let answer = gateway.raw(&request).await;
            assert_fault(&answer, &gateway.catalog, Kind::Upstream(UpstreamKind::Unreachable));
            assert_eq!(origin.requests().len(), 2 * (round + 1), "{method}");
        }
    }
}

#[tokio::test]
async fn https_with_both_versions() {
    let script = |_: &support::Received| Response::new(full("yes"));
    let table: [(&[&str], &str, &str); 5] = [
        (&["h2", "http/1.1"], "auto", "HTTP/2.0"),
        (&["http/1.1"], "auto", "HTTP/1.1"),
        (&[], "auto", "HTTP/1.1"),
        (&["h2", "http/1.1"], "never", "HTTP/1.1"),
        (&["h2"], "always", "HTTP/2.0"),
    ];
    for (alpn, http2, version) in table {
        let (origin, certificate) = tls_origin(alpn, script).await;
        let gateway = Gateway::setup()
            .file("ca.pem", &certificate)
            .all_to(
                &format!("https://{}", origin.address),
                &format!("ca_file = \"ca.pem\"\nhttp2 = \"{http2}\""),
            )
            .start()
            .await;
        for downstream in Version::BOTH {
            for method in ["POST", "GET", "HEAD"] {
                let answer = gateway.ask(Ask::new(downstream, method, "/x?y")).await;
                assert_eq!(answer.status, 200, "{answer:?}");
                let seen = origin.last_request();
                assert_eq!(
                    (seen.method.as_str(), seen.version.as_str()),
                    (method, version),
                    "{alpn:?} {http2}"
                );
            }
        }
        assert!(origin.connection_count() <= 2, "{alpn:?} {http2}");
    }
}

/// Many requests at once share one HTTP/2 connection, also when it has yet to be made.
#[tokio::test]
async fn one_http2_connection_for_many() {
    let origin = h2c_origin(|_| Response::new(full("yes"))).await;
    let gateway =
        Arc::new(Gateway::setup().all_to(&origin.url(), "http2 = \"always\"").start().await);
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let gateway = gateway.clone();
        asked.spawn(async move { gateway.get("/x").await.assert_ok("yes") });
    }
    while let Some(done) = asked.join_next().await {
        done.unwrap();
    }
    assert_eq!((origin.connection_count(), origin.requests().len()), (1, 40));
}

/// What a provider spoke on its first connection says nothing for ever.
#[tokio::test]
async fn a_provider_that_learns_http2() {
    let alpn = |connection| match connection {
        0 => vec!["http/1.1".to_owned()],
        _ => vec!["h2".to_owned(), "http/1.1".to_owned()],
    };
    let (origin, certificate) = changing_tls_origin(alpn, |request| {
        let answer = Response::builder();
        match request.connection {
            0 => answer.header("connection", "close").body(full("yes")).unwrap(),
            _ => answer.body(full("yes")).unwrap(),
        }
    })
    .await;
    let gateway = Gateway::setup()
        .file("ca.pem", &certificate)
        .all_to(&format!("https://{}", origin.address), "ca_file = \"ca.pem\"")
        .start()
        .await;
    for _ in 0..20 {
        gateway.get("/x").await.assert_ok("yes");
    }
    let requests = origin.requests();
    let versions: Vec<_> = requests.iter().map(|r| &*r.version).collect();
    assert_eq!(versions, [&["HTTP/1.1"][..], &["HTTP/2.0"; 19]].concat());
    assert_eq!(origin.connection_count(), 2);
}

/// Who waits for a connection that cannot be made shares the failure: together they take no longer than one.
#[tokio::test]
async fn many_wait_for_one_failure() {
    // Takes the connection, and never says a word of TLS.
    let origin = Origin::connections(|mut connection| async move {
        connection.wire.rest().await?;
        Ok(())
    })
    .await;
    for http2 in ["always", "auto"] {
        let lines = format!("http2 = \"{http2}\"\nconnect_timeout = \"300ms\"\ntimeout = \"5s\"");
        let url = format!("https://{}", origin.address);
        let gateway = Arc::new(Gateway::setup().all_to(&url, &lines).start().await);
        let mut asked = tokio::task::JoinSet::new();
        // One after the other they would take longer than a request may, and the last ones fail with that.
        for _ in 0..25 {
            let gateway = gateway.clone();
            asked.spawn(async move { gateway.get("/x").await });
        }
        while let Some(answer) = asked.join_next().await {
            let (answer, want) = (answer.unwrap(), Kind::Upstream(UpstreamKind::Unreachable));
            assert_fault(&answer, &gateway.catalog, want);
            assert_eq!(answer.status, 502, "{http2}");
        }
    }
}

#[tokio::test]
async fn a_head_that_does_not_come() {
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::setup()
        .server("header_timeout = \"200ms\"")
        .all_to(&origin.url(), "")
        .start()
        .await;
    // Half a head: an answer, and the end.
    for half in ["G", "GET /x HTTP/1.1\r\nHost: a\r\n", "GET /x HTTP/1.1\r\nHost: a\r\nx: y\r"] {
        let mut client = gateway.client().await;
        let answer = client.send(half).await.answer("GET").await;
        assert_fault(&answer, &gateway.catalog, Kind::HeaderTimeout);
        assert_eq!((answer.status, answer.kept), (408, false));
        client.assert_closed().await;
    }
    // One that trickles does not get more time, on a connection that was good so far.
    let mut client = gateway.client().await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.answer("GET").await.assert_ok("yes");
    let begun = Instant::now();
    client.send("GET /x HTTP/1.1\r\n").await;
    let trickle = async {
        loop {
            client.wire.send("x: y\r\n").await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let stopped: Result<std::io::Result<()>, _> =
        tokio::time::timeout(Duration::from_millis(600), trickle).await;
    let answer = client.answer("GET").await;
    assert_fault(&answer, &gateway.catalog, Kind::HeaderTimeout);
    assert!(begun.elapsed() < Duration::from_secs(3), "{stopped:?}");
    // Nothing at all: nobody is there to be answered.
    gateway.client().await.assert_closed().await;
    // HTTP/2: half a preface is no preface.
    let mut client = gateway.client().await;
    let answer = client.send("PRI * HTTP/2.0\r\n").await.answer("GET").await;
    assert_fault(&answer, &gateway.catalog, Kind::HeaderTimeout);
}

#[tokio::test]
async fn a_body_that_does_not_come() {
    let origin = Origin::ok("yes").await;
    let gateway =
        Gateway::setup().server("body_timeout = \"150ms\"").all_to(&origin.url(), "").start().await;
    for framing in [
        "Content-Length: 10\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "Content-Length: 1\r\n\r\n",
    ] {
        let mut client = gateway.client().await;
        let answer = client
            .send(format!("POST /x HTTP/1.1\r\nHost: a\r\n{framing}"))
            .await
            .answer("POST")
            .await;
        assert_fault(&answer, &gateway.catalog, Kind::BodyTimeout);
        assert_eq!(answer.status, 408);
        client.assert_closed().await;
    }
    // The limit is on silence, not on the whole.
    let mut client = gateway.client().await;
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n").await;
    for piece in ["h", "e", "l", "l", "o", "!"] {
        tokio::time::sleep(Duration::from_millis(60)).await;
        client.send(piece).await;
    }
    client.answer("POST").await.assert_ok("yes");
    assert_eq!(origin.only_request().body, b"hello!");
    // HTTP/2: only the stream is over.
    let mut http2 = gateway.http2().await;
    let (_sender, body) = http_body_util::channel::Channel::<bytes::Bytes, std::io::Error>::new(1);
    let request =
        http::Request::post("http://a/x").body(http_body_util::BodyExt::boxed(body)).unwrap();
    let answer = http2.request(request).await.unwrap();
    assert_fault(&answer, &gateway.catalog, Kind::BodyTimeout);
    let request = http::Request::get("http://a/x").body(full("")).unwrap();
    http2.request(request).await.unwrap().assert_ok("yes");
}

#[tokio::test]
async fn an_idle_connection_closes_quietly() {
    let origin = Origin::ok("yes").await;
    let gateway =
        Gateway::setup().server("idle_timeout = \"100ms\"").all_to(&origin.url(), "").start().await;
    let mut client = gateway.client().await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.answer("GET").await.assert_ok("yes");
    client.assert_closed().await;
    let http2 = gateway.http2().await;
    soon("the end of an idle connection", async {
        while !http2.sender.is_closed() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// An answer that takes longer than a connection may be idle is not idle.
#[tokio::test]
async fn waiting_for_an_answer_is_not_idle() {
    let origin = Origin::connections(|mut connection| async move {
        while connection.request().await?.is_some() {
            tokio::time::sleep(Duration::from_millis(500)).await;
            connection.wire.send(ok("yes")).await?;
        }
        Ok(())
    })
    .await;
    let gateway = Gateway::setup()
        .server("idle_timeout = \"100ms\"\nheader_timeout = \"100ms\"\nbody_timeout = \"100ms\"")
        .all_to(&origin.url(), "")
        .start()
        .await;
    for version in Version::BOTH {
        gateway.ask(Ask::new(version, "POST", "/x")).await.assert_ok("yes");
    }
}

/// The first byte is owed from the end of the request, not from its beginning.
#[tokio::test]
async fn a_slow_upload_is_not_a_slow_provider() {
    let origin = Origin::ok("yes").await;
    let gateway =
        Gateway::setup().all_to(&origin.url(), "first_byte_timeout = \"150ms\"").start().await;
    let mut client = gateway.client().await;
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n").await;
    for piece in ["s", "l", "o", "w"] {
        tokio::time::sleep(Duration::from_millis(120)).await;
        client.send(piece).await;
    }
    client.answer("POST").await.assert_ok("yes");
}

/// A client that goes takes its request with it.
#[tokio::test]
async fn a_client_that_leaves_ends_its_request() {
    let gone = Arc::new(Notify::new());
    let told = gone.clone();
    let origin = Origin::connections(move |mut connection| {
        let gone = told.clone();
        async move {
            connection.request().await?;
            let _ = connection.wire.rest().await;
            gone.notify_one();
            Ok(())
        }
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    client.send(POST).await;
    origin.until("the request arrives", |o| o.requests().len() == 1).await;
    drop(client);
    soon("the provider's connection ends", gone.notified()).await;

    let mut http2 = gateway.http2().await;
    let request = http::Request::post("http://a/x").body(full("hi")).unwrap();
    let asked = http2.sender.send_request(request);
    let asked = tokio::spawn(asked);
    origin.until("the request arrives", |o| o.requests().len() == 2).await;
    asked.abort();
    soon("the provider's connection ends", gone.notified()).await;
}

#[tokio::test]
async fn workers_share_the_port() {
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::setup().server("workers = 3").all_to(&origin.url(), "").start().await;
    for _ in 0..30 {
        gateway.get("/x").await.assert_ok("yes");
    }
}

/// A connection counts for as long as it lives, whatever it has become.
#[tokio::test]
async fn an_upgraded_connection_counts() {
    let origin = Origin::connections(|mut connection| async move {
        let request = connection.request().await?.unwrap();
        if request.target == "/x" {
            return connection.wire.send(ok("yes")).await;
        }
        let agreed = "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        connection.wire.send(agreed).await?;
        connection.wire.rest().await?;
        Ok(())
    })
    .await;
    let gateway =
        Gateway::setup().server("max_connections = 1").all_to(&origin.url(), "").start().await;
    let mut tunnel = gateway.client().await;
    let upgrade =
        "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(tunnel.send(upgrade).await.answer("GET").await.status, 101);
    let mut second = gateway.client().await;
    second.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Nothing may happen in this time.
    let served = tokio::time::timeout(Duration::from_millis(500), second.wire.fill()).await;
    assert!(served.is_err(), "{served:?}");
    assert_eq!(origin.requests().len(), 1);
    tunnel.finish().await.assert_closed().await;
    drop(tunnel);
    second.answer("GET").await.assert_ok("yes");
}
