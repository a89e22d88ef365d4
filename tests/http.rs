//! The rules for proxies (RFC 9110, RFC 9112), byte for byte: what the provider sees of a client's request, what the
//! client sees of the provider's answer, and what gets through to neither.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use std::sync::{Arc, OnceLock};
use support::{
    Act, CALLER, CREDENTIAL, Gateway, MARKER, Origin, Version, assert_fault,
    client::Ask,
    http2::{full, h2c_origin},
    origin::{answer, ok},
    soon,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::{io::copy_bidirectional, net::TcpStream};
use tollgate::{Kind, fault::UpstreamKind};

/// Fields that the gateway adds to every request.
const ADDED: [&str; 7] = [
    "host",
    "via",
    "authorization",
    "traceparent",
    "x-request-id",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// A GET with these lines in its head, besides `Host`.
fn get(lines: &str) -> String {
    format!("GET /x HTTP/1.1\r\nHost: api.test\r\n{lines}\r\n")
}

#[tokio::test]
async fn fields_of_one_connection_stay_on_it() {
    let origin = Origin::start(|_| {
        let fields = "connection: x-hop, keep-alive\r\nconnection: X-Other\r\nkeep-alive: timeout=9\r\n\
                      x-hop: 1\r\nx-other: 2\r\nx-end: 3\r\nproxy-authenticate: Basic\r\n\
                      proxy-connection: keep-alive\r\nupgrade: h2\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n";
        vec![Act::send(answer(200, fields, "yes"))]
    })
    .await;
    let setup = Gateway::setup().all_to(&origin.url(), "response_headers = [\"*\"]");
    let gateway = setup.start().await;
    let table: &[(&str, &[&str])] = &[
        ("X-End: 1\r\nX-end: 2\r\n", &["x-end: 1", "x-end: 2"]),
        (
            "Connection: close, X-A\r\nconnection: X-B\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\n",
            &["x-c: 3"],
        ),
        ("Connection: , keep-alive ,,\r\nKeep-Alive: timeout=5\r\n", &[]),
        ("Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\n", &[]),
        ("TE: gzip;q=0.5, deflate\r\n", &[]),
        ("TE: trailers, gzip\r\nConnection: TE\r\n", &["connection: te", "te: trailers"]),
        ("Upgrade: websocket\r\n", &[]),
        // Only a WebSocket may go past everything that stands before the provider.
        ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n", &[]),
        ("Expect: 100-continue\r\n", &[]),
        // What frames, routes or identifies the request cannot be made to disappear.
        (
            "Connection: x-request-id, x-forwarded-for, host, via, authorization, traceparent\r\n",
            &[],
        ),
    ];
    for (lines, want) in table {
        let answer = gateway.raw(get(lines)).await;
        answer.assert_ok("yes");
        let answered =
            answer.fields.without(&["x-request-id", "date", "content-length", "connection"]);
        assert_eq!(answered, ["set-cookie: a=1", "set-cookie: b=2", "x-end: 3"]);
        let seen = origin.last_request().fields;
        let mut others = ADDED.to_vec();
        others.push("x-forwarded-for");
        assert_eq!(seen.without(&others), *want, "{lines:?}");
        for name in others {
            assert!(seen.one(name).is_some(), "{name} {lines:?}");
        }
    }
}

#[tokio::test]
async fn host_via_and_credential_are_ours() {
    let origin = Origin::ok("yes").await;
    let setup = Gateway::setup()
        .upstream("own", &origin.url(), "")
        .upstream("preserved", &origin.url(), "preserve_host = true")
        .upstream_with(
            "another-field",
            &origin.url(),
            "",
            "credential = { header = \"x-api-key\", value = \"${PROVIDER_KEY}\" }",
        )
        .upstream_with("none", &origin.url(), "", "");
    let gateway = setup
        .route("/own", "own", "")
        .route("/preserved", "preserved", "")
        .route("/another-field", "another-field", "")
        .route("/none", "none", "")
        .start()
        .await;
    let ours = format!("Bearer {CREDENTIAL}");
    let callers = format!("Bearer {CALLER}");
    let bearer = Some(ours.as_str());
    let table = [
        ("/own", origin.address.to_string(), bearer, None),
        ("/preserved", gateway.address.to_string(), bearer, None),
        ("/another-field", origin.address.to_string(), None, Some(CREDENTIAL)),
        ("/none", origin.address.to_string(), Some(callers.as_str()), Some(CALLER)),
    ];
    for (path, host, authorization, key) in table {
        for version in Version::BOTH {
            let ask = Ask::new(version, "GET", path)
                .field("authorization", &callers)
                .field("x-api-key", CALLER)
                .field("via", "1.0 elsewhere");
            gateway.ask(ask).await.assert_ok("yes");
            let seen = origin.last_request().fields;
            assert_eq!(seen.one("host"), Some(host.as_str()), "{path} {version:?}");
            assert_eq!(seen.one("authorization"), authorization, "{path}");
            assert_eq!(seen.one("x-api-key"), key, "{path}");
            let via = if version == Version::Http2 { "2.0 gate" } else { "1.1 gate" };
            assert_eq!(seen.all("via").join(", "), format!("1.0 elsewhere, {via}"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_request_that_comes_round_is_refused() {
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::to(&origin).await;
    for via in ["1.1 gate", "1.0 a, 1.1 gate (comment)", "1.0 a\r\nvia: 2.0 gate"] {
        let answer = gateway.raw(get(&format!("via: {via}\r\n"))).await;
        assert_fault(&answer, &gateway.catalog, Kind::LoopDetected);
        assert_eq!(answer.status, 508);
    }
    let ask = Ask::new(Version::Http2, "POST", "/x").field("via", "2.0 gate");
    assert_fault(&gateway.ask(ask).await, &gateway.catalog, Kind::LoopDetected);
    assert_eq!(origin.connection_count(), 0);
    gateway.raw(get("via: 1.1 gateway\r\n")).await.assert_ok("yes");

    // For real: a gateway whose provider is itself, by way of a relay.
    let itself = Arc::new(OnceLock::new());
    let target = itself.clone();
    let relay = Origin::connections(move |mut connection| {
        let target = *target.get().unwrap();
        async move {
            let mut gateway = TcpStream::connect(target).await?;
            copy_bidirectional(&mut connection.wire.stream, &mut gateway).await?;
            Ok(())
        }
    })
    .await;
    let looping = Gateway::to(&relay).await;
    itself.set(looping.address).unwrap();
    let answer = looping.ask(Ask::new(Version::Http1, "POST", "/x")).await;
    // The inner refusal is the provider's to the outer one.
    assert_fault(&answer, &looping.catalog, Kind::Upstream(UpstreamKind::Unexpected));
    looping.logged(|line| line["fault"] == "loop_detected").await;
    assert_eq!(relay.connection_count(), 1);
}

#[tokio::test]
async fn only_a_trusted_peer_speaks_of_others() {
    let forged = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\nX-Forwarded-Host: evil.test\r\n\
                  X-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\
                  X_Forwarded_For: 6.6.6.6\r\n";
    let origin = Origin::ok("yes").await;
    let about = |seen: &support::Fields| {
        seen.without(&["host", "via", "authorization", "traceparent", "x-request-id"])
    };

    let gateway = Gateway::to(&origin).await;
    for lines in ["", forged] {
        gateway.raw(get(lines)).await.assert_ok("yes");
        let seen = about(&origin.last_request().fields);
        assert_eq!(
            seen,
            ["x-forwarded-for: 127.0.0.1", "x-forwarded-host: api.test", "x-forwarded-proto: http"],
            "{lines:?}"
        );
    }
    let trusting = Gateway::setup()
        .server("trusted_proxies = [\"10.0.0.0/8\", \"127.0.0.0/8\"]")
        .all_to(&origin.url(), "")
        .start()
        .await;
    trusting.raw(get(forged)).await.assert_ok("yes");
    assert_eq!(
        about(&origin.last_request().fields),
        [
            "forwarded: for=6.6.6.6",
            "x-forwarded-for: 6.6.6.6, 7.7.7.7, 127.0.0.1",
            "x-forwarded-host: evil.test",
            "x-forwarded-port: 1",
            "x-forwarded-proto: https",
            "x-real-ip: 6.6.6.6",
        ]
    );
}

#[tokio::test]
async fn targets() {
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::setup()
        .upstream("provider", &format!("{}/base/", origin.url()), "")
        .route("/{*path}", "provider", "")
        .route("/tasks/{id}/parts/{n}", "provider", "rewrite = \"/v1/{n}/of/{id}\"")
        .route("/all/{*rest}", "provider", "rewrite = \"/v2/{rest}\"")
        .start()
        .await;
    let table = [
        ("/x?a=b&c", "/base/x?a=b&c"),
        ("/x?", "/base/x?"),
        ("/a//b/", "/base/a//b/"),
        ("/a%2Fb%20c/%C3%A9?q=%00", "/base/a%2Fb%20c/%C3%A9?q=%00"),
        ("http://api.test/x?y", "/base/x?y"),
        ("HTTP://API.TEST/x", "/base/x"),
        ("/tasks/7/parts/a%2Fb?full=1", "/base/v1/a%2Fb/of/7?full=1"),
        ("/all/a/b%20c?x", "/base/v2/a/b%20c?x"),
    ];
    for (target, want) in table {
        let request = format!("GET {target} HTTP/1.1\r\nHost: api.test\r\n\r\n");
        gateway.raw(request).await.assert_ok("yes");
        let seen = origin.last_request();
        assert_eq!((seen.target.as_str(), seen.version.as_str()), (want, "HTTP/1.1"), "{target}");
        assert_eq!(seen.fields.one("x-forwarded-host"), Some("api.test"));
    }
    let requests = origin.requests().len();
    let refused = [
        ("OPTIONS * HTTP/1.1\r\nHost: api.test\r\n\r\n", Kind::MethodNotAllowed),
        ("TRACE /x HTTP/1.1\r\nHost: api.test\r\n\r\n", Kind::MethodNotAllowed),
        ("CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n", Kind::MethodNotAllowed),
        ("CONNECT /x HTTP/1.1\r\nHost: api.test\r\n\r\n", Kind::BadRequest),
        ("GET * HTTP/1.1\r\nHost: api.test\r\n\r\n", Kind::BadRequest),
        ("GET x HTTP/1.1\r\nHost: api.test\r\n\r\n", Kind::BadRequest),
        ("GET ftp://api.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n", Kind::BadRequest),
        ("GET http://other.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n", Kind::BadRequest),
        ("GET http://u:p@api.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n", Kind::BadRequest),
        ("GET /x#fragment HTTP/1.1\r\nHost: api.test\r\n\r\n", Kind::BadRequest),
        ("GET /a/../x HTTP/1.1\r\nHost: api.test\r\n\r\n", Kind::BadRequest),
        ("GET /a/%2e%2E/x HTTP/1.1\r\nHost: api.test\r\n\r\n", Kind::BadRequest),
        ("GET /tasks/../parts/x HTTP/1.1\r\nHost: api.test\r\n\r\n", Kind::BadRequest),
        ("GET /x\u{e9} HTTP/1.1\r\nHost: api.test\r\n\r\n", Kind::BadRequest),
    ];
    for (request, kind) in refused {
        let answer = gateway.raw(request).await;
        assert_fault(&answer, &gateway.catalog, kind);
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: api.test\r\n\r\n", "x".repeat(9 * 1024));
    assert_fault(&gateway.raw(long).await, &gateway.catalog, Kind::UriTooLong);
    let large = get(&format!("x-large: {}\r\n", "x".repeat(40 * 1024)));
    assert_fault(&gateway.raw(large).await, &gateway.catalog, Kind::HeaderTooLarge);
    let many = get(&"x-many: 1\r\n".repeat(200));
    assert_fault(&gateway.raw(many).await, &gateway.catalog, Kind::HeaderTooLarge);
    assert_eq!(origin.requests().len(), requests);
}

#[tokio::test]
async fn targets_of_http2() {
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.http2().await;
    let connect = Request::connect("api.test:443").body(full("")).unwrap();
    let table = [
        (connect, Kind::MethodNotAllowed),
        (Request::trace("http://api.test/x").body(full("")).unwrap(), Kind::MethodNotAllowed),
        (Request::get("http://api.test/a/../x").body(full("")).unwrap(), Kind::BadRequest),
        (
            Request::get(format!("http://api.test/{}", "x".repeat(9 * 1024)))
                .body(full(""))
                .unwrap(),
            Kind::UriTooLong,
        ),
        (Request::get("http://u@api.test/x").body(full("")).unwrap(), Kind::BadRequest),
        (
            Request::get("http://api.test/x")
                .header("x-large", "x".repeat(40 * 1024))
                .body(full(""))
                .unwrap(),
            Kind::HeaderTooLarge,
        ),
    ];
    for (request, kind) in table {
        let case = format!("{request:?}");
        let answer = match client.request(request).await {
            Ok(answer) => answer,
            Err(error) => panic!("{case:.80}: {error:?}"),
        };
        assert_fault(&answer, &gateway.catalog, kind);
    }
    assert_eq!(origin.connection_count(), 0);
    client
        .request(Request::get("http://api.test/x").body(full("")).unwrap())
        .await
        .unwrap()
        .assert_ok("yes");
}

/// Requests that two readers could read in two ways. The second request that one of them would find in it must
/// reach nobody.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n";

/// Heads that are refused as they stand.
const BAD_HEADS: &[(&str, &str)] = &[
    (
        "CL.TE",
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "TE.CL",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n",
    ),
    (
        "TE.TE",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    ),
    (
        "TE twice",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("TE list", "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (
        "TE chunked not last",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ),
    ("TE unknown", "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("TE quoted", "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    ("TE empty", "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\nContent-Length: 0\r\n\r\n"),
    (
        "TE vertical tab",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "TE space before the colon",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "TE in HTTP/1.0",
        "POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("CL twice", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n"),
    (
        "CL twice the same",
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    ),
    ("CL list", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 44\r\n\r\n"),
    ("CL sign", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n"),
    ("CL negative", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
    ("CL hexadecimal", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0x0\r\n\r\n"),
    ("CL empty", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"),
    ("CL too large", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n"),
    ("CL underscore", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n"),
    ("bare LF after a field", "POST /x HTTP/1.1\r\nHost: a\nContent-Length: 0\r\n\r\n"),
    ("bare LF everywhere", "POST /x HTTP/1.1\nHost: a\nContent-Length: 0\n\n"),
    ("bare LF at the end", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\n"),
    ("bare CR", "POST /x HTTP/1.1\r\nHost: a\r\nX: y\rContent-Length: 44\r\n\r\n"),
    ("folded", "POST /x HTTP/1.1\r\nHost: a\r\nX: y\r\n Content-Length: 44\r\n\r\n"),
    ("folded first", "POST /x HTTP/1.1\r\n Host: a\r\n\r\n"),
    ("space before a colon", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length : 0\r\n\r\n"),
    ("tab before a colon", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length\t: 0\r\n\r\n"),
    ("no colon", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length\r\n\r\n"),
    ("no name", "POST /x HTTP/1.1\r\nHost: a\r\n: 0\r\n\r\n"),
    ("NUL in a value", "POST /x HTTP/1.1\r\nHost: a\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"),
    ("NUL in a name", "POST /x HTTP/1.1\r\nHost: a\r\nX\0: b\r\nContent-Length: 0\r\n\r\n"),
    ("NUL in the target", "POST /x\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("two Hosts", "GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("two Hosts, the same", "GET /x HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"),
    ("no Host", "GET /x HTTP/1.1\r\n\r\n"),
    ("an empty Host", "GET /x HTTP/1.1\r\nHost:\r\n\r\n"),
    ("a Host that is none", "GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("Host with a user", "GET /x HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    ("a list of Hosts", "GET /x HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    ("version 2.0", "GET /x HTTP/2.0\r\nHost: a\r\n\r\n"),
    ("version 1.2", "GET /x HTTP/1.2\r\nHost: a\r\n\r\n"),
    ("no version", "GET /x\r\nHost: a\r\n\r\n"),
    ("a version in small letters", "GET /x http/1.1\r\nHost: a\r\n\r\n"),
    ("two spaces", "GET  /x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a tab", "GET\t/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a space in the target", "GET /x y HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a space first", " GET /x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a method that is no token", "G{}T /x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("many empty lines", "\r\n\r\n\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01"),
    ("CONNECT with a body", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 1\r\n\r\nx"),
];

#[tokio::test]
async fn an_ambiguous_head_reaches_nobody() {
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::to(&origin).await;
    for (name, request) in BAD_HEADS {
        let mut client = gateway.client().await;
        client.send([request.as_bytes(), SMUGGLED.as_bytes()].concat()).await;
        let answer = match client.try_answer("POST").await {
            Ok(answer) => answer,
            Err(error) => panic!("{name}: {error}"),
        };
        println!("{name}: {}", answer.text());
        assert_fault(&answer, &gateway.catalog, Kind::BadRequest);
        assert!(!answer.kept, "{name}");
        client.assert_closed().await;
    }
    assert_eq!((origin.connection_count(), origin.raw()), (0, String::new()));
}

/// Bodies that turn out to be broken when their beginning is under way. The provider never gets a whole request.
const BAD_BODIES: &[(&str, &str)] = &[
    ("no size", "\r\nhello\r\n0\r\n\r\n"),
    ("a size that is none", "zz\r\nhello\r\n0\r\n\r\n"),
    ("a size with a sign", "+5\r\nhello\r\n0\r\n\r\n"),
    ("a negative size", "-5\r\nhello\r\n0\r\n\r\n"),
    ("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
    ("a size with an underscore", "0_5\r\nhello\r\n0\r\n\r\n"),
    ("a space before the size", " 5\r\nhello\r\n0\r\n\r\n"),
    ("a space behind the size", "5 \r\nhello\r\n0\r\n\r\n"),
    ("a size too large", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    ("a size that overflows", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("bare LF behind the size", "5\nhello\r\n0\r\n\r\n"),
    ("bare CR behind the size", "5\rhello\r\n0\r\n\r\n"),
    ("bare LF behind the data", "5\r\nhello\n0\r\n\r\n"),
    ("too much data", "5\r\nhello!!\r\n0\r\n\r\n"),
    ("too little data", "9\r\nhello\r\n0\r\n\r\n"),
    ("bare LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
    ("bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("NUL in an extension", "5;a=\0\r\nhello\r\n0\r\n\r\n"),
    ("bare LF at the end", "5\r\nhello\r\n0\n\n"),
    ("a bad trailer", "5\r\nhello\r\n0\r\nno colon\r\n\r\n"),
    ("a trailer with a space", "5\r\nhello\r\n0\r\na : b\r\n\r\n"),
    ("a folded trailer", "5\r\nhello\r\n0\r\na: b\r\n c\r\n\r\n"),
    ("bare LF in the trailers", "5\r\nhello\r\n0\r\na: b\n\r\n"),
];

#[tokio::test]
async fn a_broken_body_is_no_request() {
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::to(&origin).await;
    let head = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(100_000));
    let many = "1;a=b;a=b;a=b;a=b;a=b;a=b;a=b;a=b\r\nx\r\n".repeat(1000) + "0\r\n\r\n";
    let more = [("a long extension", &*long), ("many extensions", &*many)];
    for (name, body) in BAD_BODIES.iter().chain(&more) {
        let mut client = gateway.client().await;
        client.send(head).await.send(body).await.send(SMUGGLED).await;
        let answer = match client.try_answer("POST").await {
            Ok(answer) => answer,
            Err(error) => panic!("{name}: {error}"),
        };
        println!("{name}: {}", answer.text());
        assert_fault(&answer, &gateway.catalog, Kind::BadRequest);
        client.assert_closed().await;
    }
    let large = format!("5\r\nhello\r\n0\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    let mut client = gateway.client().await;
    let answer = client.send(head).await.send(large).await.answer("POST").await;
    assert_fault(&answer, &gateway.catalog, Kind::HeaderTooLarge);
    assert!(origin.requests().is_empty());
    assert!(!origin.raw().contains("smuggled"), "{}", origin.raw());
}

/// A body that ends before its length does.
#[tokio::test]
async fn a_body_that_breaks_off_is_no_request() {
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::to(&origin).await;
    for framing in
        ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"]
    {
        let mut client = gateway.client().await;
        client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\n{framing}")).await;
        client.finish().await;
        // Whether somebody still reads the answer is not known; if there is one, it is this.
        if let Ok(answer) = client.try_answer("POST").await {
            assert_fault(&answer, &gateway.catalog, Kind::BodyIncomplete);
        }
    }
    gateway.get("/x").await.assert_ok("yes");
    assert_eq!(origin.only_request().method, "GET");
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_order() {
    let origin = Origin::start(|request| {
        let body = format!(
            "{} {} {}",
            request.method,
            request.target,
            String::from_utf8_lossy(&request.body)
        );
        vec![Act::send(ok(&body))]
    })
    .await;
    let gateway = Gateway::setup()
        .upstream("provider", &origin.url(), "")
        .route("/{*path}", "provider", "method = [\"GET\", \"POST\"]")
        .start()
        .await;
    let mut client = gateway.client().await;
    client
        .send(
            "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\
             DELETE /3 HTTP/1.1\r\nHost: a\r\n\r\nPOST /4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nho\r\n0\r\n\r\nGET /5 HTTP/1.1\r\nHost: a\r\n\r\nGET /6 HTTP/1.1\r\n\r\nGET /7 HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .await;
    client.answer("GET").await.assert_ok("GET /1 ");
    client.answer("POST").await.assert_ok("POST /2 hi");
    assert_fault(&client.answer("DELETE").await, &gateway.catalog, Kind::MethodNotAllowed);
    client.answer("POST").await.assert_ok("POST /4 ho");
    client.answer("GET").await.assert_ok("GET /5 ");
    // One without Host: refused, and nothing behind it is believed.
    let refused = client.answer("GET").await;
    assert_fault(&refused, &gateway.catalog, Kind::BadRequest);
    assert!(!refused.kept);
    client.assert_closed().await;
    assert!(!origin.raw().contains("/7"));
}

#[tokio::test]
async fn a_failure_does_not_cost_the_connection() {
    let origin = Origin::start(|request| match &*request.target {
        "/500" => vec![Act::send(answer(500, "", "no"))],
        "/reset" => vec![Act::Reset],
        _ => vec![Act::send(ok("yes"))],
    })
    .await;
    let gateway = Gateway::setup()
        .upstream("provider", &origin.url(), "")
        .route("/{*path}", "provider", "method = [\"GET\", \"POST\"]")
        .start()
        .await;
    let mut client = gateway.client().await;
    for (path, status) in [("/500", 502), ("/x", 200), ("/reset", 502), ("/x", 200)] {
        let answer = client
            .send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await
            .answer("GET")
            .await;
        assert_eq!((answer.status, answer.kept), (status, true), "{path}");
    }
    let unread = "DELETE /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let answer = client.send(unread).await.answer("DELETE").await;
    assert_fault(&answer, &gateway.catalog, Kind::MethodNotAllowed);
    if answer.kept {
        // Then the body that nobody wanted must not be taken for a request.
        client
            .send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .answer("GET")
            .await
            .assert_ok("yes");
    } else {
        client.assert_closed().await;
    }
}

#[tokio::test]
async fn expect_100_continue() {
    let origin =
        Origin::start(|request| vec![Act::send(ok(str::from_utf8(&request.body).unwrap()))]).await;
    let gateway = Gateway::setup()
        .upstream("provider", &origin.url(), "")
        .upstream("none", "http://nonexistent.invalid", "connect_timeout = \"300ms\"")
        .route("/x", "provider", "method = \"POST\"")
        .route("/none", "none", "")
        .start()
        .await;
    let head = |method: &str, path: &str, expect: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: {expect}\r\n\r\n"
        )
    };
    let mut client = gateway.client().await;
    client.send(head("POST", "/x", "100-continue")).await;
    let (line, fields) = support::soon("100", client.wire.head()).await.unwrap().unwrap();
    assert_eq!((line.as_str(), fields.0.len()), ("HTTP/1.1 100 Continue", 0));
    client.send("hello").await.answer("POST").await.assert_ok("hello");
    assert!(!origin.only_request().fields.has("expect"));

    // A refusal is final, and comes without the body having been asked for.
    let refused = [
        ("DELETE", "/x", "100-continue", Kind::MethodNotAllowed),
        ("POST", "/y", "100-continue", Kind::NoRoute),
        ("POST", "/none", "100-continue", Kind::Upstream(UpstreamKind::Unreachable)),
        ("POST", "/x", "200-ok", Kind::ExpectationFailed),
    ];
    for (method, path, expect, kind) in refused {
        let mut client = gateway.client().await;
        let answer = client.send(head(method, path, expect)).await.answer(method).await;
        assert_eq!(answer.interim, [] as [u16; 0], "{method} {path} {expect}");
        assert_fault(&answer, &gateway.catalog, kind);
        // Whether the body comes or not, it is not taken for a request.
        client.send("hello").await.send(SMUGGLED).await;
        if let Ok(next) = client.try_answer("GET").await {
            assert_fault(&next, &gateway.catalog, Kind::NoRoute);
        }
    }
    let old =
        "POST /x HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello";
    let answer = gateway.raw(old).await;
    assert_eq!((answer.interim.len(), answer.text()), (0, "hello"));
}

#[tokio::test]
async fn answers_without_a_body() {
    let script = |target: &str, head: bool| match target {
        "/204" => "HTTP/1.1 204 No Content\r\nx: y\r\n\r\n".to_owned(),
        "/304" => {
            "HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\ncontent-length: 1234\r\n\r\n".to_owned()
        }
        "/chunked" if head => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
        _ if head => {
            "HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ncontent-length: 1234\r\n\r\n".to_owned()
        }
        _ => ok("yes"),
    };
    let origin =
        Origin::start(move |r| vec![Act::send(script(&r.target, r.method == "HEAD"))]).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    let table = [
        ("GET", "/204", 204, None),
        ("HEAD", "/204", 204, None),
        ("POST", "/204", 204, None),
        ("GET", "/304", 304, Some("1234")),
        ("HEAD", "/x", 200, Some("1234")),
        ("HEAD", "/chunked", 200, None),
        ("GET", "/x", 200, Some("3")),
    ];
    for (method, path, status, length) in table {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        let first = client.send(request).await.answer(method).await;
        let second = gateway.ask(Ask::new(Version::Http2, method, path)).await;
        for answer in [first, second] {
            assert_eq!(answer.status, status, "{method} {path} {answer:?}");
            let got = answer.fields.one("content-length");
            // RFC 9110, section 15.4.5: it may be left out of a 304.
            let may_be_missing = status == 304 && got.is_none();
            assert!(may_be_missing || got == length, "{method} {path} {answer:?}");
            assert!(answer.kept);
        }
    }
}

#[tokio::test]
async fn trailers_both_ways() {
    let origin = Origin::start(|request| {
        let checksum = request.trailers.one("x-checksum").unwrap_or("none").to_owned();
        let forbidden = request.trailers.has("authorization") || request.trailers.has("host");
        assert!(!forbidden, "{:?}", request.trailers);
        vec![Act::send(format!(
            "HTTP/1.1 200 OK\r\ntrailer: x-echo\r\ntransfer-encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\
             x-echo: {checksum}\r\nserver: hidden\r\ncontent-length: 7\r\n\r\n"
        ))]
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    let request = "POST /x HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\nTrailer: x-checksum\r\n\
                   Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-checksum: 42\r\nauthorization: Bearer evil\r\nhost: evil\r\n\r\n";
    let answer = gateway.raw(request).await;
    answer.assert_ok("yes");
    assert_eq!(origin.last_request().body, b"hi");
    assert_eq!(answer.trailers.without(&[]), ["x-echo: 42"], "HTTP/1.1");

    let mut client = gateway.http2().await;
    let trailers =
        http::HeaderMap::from_iter([("x-checksum".parse().unwrap(), "43".parse().unwrap())]);
    let (mut sender, body) =
        http_body_util::channel::Channel::<bytes::Bytes, std::io::Error>::new(2);
    sender.send_data("hi".into()).await.unwrap();
    sender.send_trailers(trailers).await.unwrap();
    drop(sender);
    let request = Request::post("http://a/x")
        .header("te", "trailers")
        .header("trailer", "x-checksum")
        .body(body.boxed())
        .unwrap();
    let answer = client.request(request).await.unwrap();
    answer.assert_ok("yes");
    assert_eq!(answer.trailers.without(&[]), ["x-echo: 43"], "HTTP/2");
}

#[tokio::test]
async fn what_names_the_provider_stays_here() {
    let origin = Origin::connections(|mut connection| async move {
        let own = connection.wire.stream.local_addr()?;
        while connection.request().await?.is_some() {
            let fields = format!(
                "server: acme\r\nvia: 1.1 acme\r\nx-powered-by: acme\r\ncf-ray: 1\r\nopenai-organization: org\r\n\
                 alt-svc: h3\r\nlocation: http://{own}/next?a\r\netag: \"1\"\r\n"
            );
            connection.wire.send(answer(201, &fields, "yes")).await?;
        }
        Ok(())
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    for version in Version::BOTH {
        let answer = gateway.ask(Ask::new(version, "POST", "/x")).await;
        let rest = answer.fields.without(&["date", "content-length", "x-request-id"]);
        assert_eq!(rest, ["etag: \"1\"", "location: /next?a"]);
    }
}

#[tokio::test]
async fn request_ids() {
    let origin = Origin::start(|r| {
        vec![Act::send(answer(
            if r.target == "/x" { 200 } else { 500 },
            "x-request-id: theirs\r\n",
            "yes",
        ))]
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    let long = "a".repeat(129);
    let table = [
        (Some("abc-123_.:/+=@~"), true),
        (Some("a b"), false),
        (Some("a\"b"), false),
        (Some("a,b"), false),
        (Some(&*long), false),
        (Some("one\r\nx-request-id: two"), false),
        (None, false),
    ];
    for path in ["/x", "/fails"] {
        for (sent, accepted) in table {
            let line = sent.map_or_else(String::new, |id| format!("x-request-id: {id}\r\n"));
            let answer = gateway.raw(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{line}\r\n")).await;
            let id = answer.fields.one("x-request-id").expect("an id").to_owned();
            assert_eq!(Some(id.as_str()) == sent, accepted, "{sent:?}: {id}");
            assert!(id.len() <= 128 && id != "theirs");
            assert_eq!(origin.last_request().fields.one("x-request-id"), Some(id.as_str()));
            let of_this = |line: &serde_json::Value| {
                line["request_id"] == *id && line["status"] == answer.status
            };
            gateway.logged(of_this).await;
        }
    }
}

#[tokio::test]
async fn http_1_0_clients() {
    let origin = Origin::start(|r| match &*r.target {
        "/chunked" => vec![Act::send(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n",
        )],
        _ => vec![Act::send(ok("yes"))],
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    for path in ["/x", "/chunked"] {
        let mut client = gateway.client().await;
        let answer = client.send(format!("GET {path} HTTP/1.0\r\n\r\n")).await.answer("GET").await;
        answer.assert_ok("yes");
        assert!(!answer.fields.has("transfer-encoding"));
        client.assert_closed().await;
        let seen = origin.last_request();
        assert_eq!((seen.version.as_str(), seen.fields.one("via")), ("HTTP/1.1", Some("1.0 gate")));
        let kept =
            gateway.raw(format!("GET {path} HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")).await;
        kept.assert_ok("yes");
    }
}

/// HTTP/2 on both sides: what HTTP/1 needs for it must not come up.
#[tokio::test]
async fn http2_to_the_provider() {
    let origin = h2c_origin(|request| {
        let text = format!("{} {}", request.method, String::from_utf8_lossy(&request.body));
        Response::builder().header("x-powered-by", "acme").body(full(text)).unwrap()
    })
    .await;
    let gateway = Gateway::setup().all_to(&origin.url(), "http2 = \"always\"").start().await;
    for round in 0..3 {
        for version in Version::BOTH {
            let ask =
                Ask::new(version, "POST", "/x?y").field("cookie", "a=1").field("te", "trailers");
            let answer = gateway.ask(ask).await;
            answer.assert_ok("POST {\"prompt\":\"a cat\"}");
            let seen = origin.last_request();
            assert_eq!(seen.target, format!("http://{}/x?y", origin.address), "{round}");
            assert_eq!(seen.fields.one("authorization"), Some(&*format!("Bearer {CREDENTIAL}")));
            for name in ["connection", "transfer-encoding", "host"] {
                assert!(!seen.fields.has(name), "{name}");
            }
            assert_eq!(seen.fields.one("te"), Some("trailers"));
        }
    }
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    let answer = gateway.raw(get(upgrade)).await;
    answer.assert_ok("GET ");
    assert_eq!(origin.connection_count(), 1, "one connection for all of them");
}

/// A success that says nothing about its provider passes as it is, whatever is in it.
#[tokio::test]
async fn a_success_passes_byte_for_byte() {
    let body: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let fields = "content-type: image/x-any\r\ncontent-encoding: br\r\netag: W/\"1\"\r\nx-odd: \"a, b\"  c\r\n\
                  cache-control: max-age=60\r\nvary: accept\r\n";
    let head = format!("HTTP/1.1 206 Odd Reason\r\n{fields}content-length: {}\r\n\r\n", body.len());
    let whole = [head.as_bytes(), &body].concat();
    let origin = Origin::start(move |_| vec![Act::send(whole.clone())]).await;
    let setup = Gateway::setup().all_to(&origin.url(), "response_headers = [\"*\"]");
    let gateway = setup.start().await;
    for version in Version::BOTH {
        let answer = gateway.ask(Ask::new(version, "GET", "/x")).await;
        assert_eq!((answer.status, &answer.body), (206, &body));
        let mut want: Vec<_> = fields.lines().map(str::to_owned).collect();
        want.sort();
        let names = ["content-length", "date", "x-request-id"];
        assert_eq!(answer.fields.without(&names), want, "{version:?}");
    }
}

#[tokio::test]
async fn providers_of_http_1_0() {
    let origin = Origin::start(|request| {
        let answer = match &*request.target {
            "/length" => "HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nyes",
            "/kept" => "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 3\r\n\r\nyes",
            _ => "HTTP/1.0 200 OK\r\n\r\nyes",
        };
        vec![Act::send(answer), Act::Fin]
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    for version in Version::BOTH {
        for path in ["/length", "/kept", "/until-close"] {
            gateway.ask(Ask::new(version, "GET", path)).await.assert_ok("yes");
        }
    }
    // The answer is ours, and so is its version.
    let mut client = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(b"GET /length HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut line = [0; 12];
    soon("an answer", client.read_exact(&mut line)).await.unwrap();
    assert_eq!(line.escape_ascii().to_string(), "HTTP/1.1 200");
}

#[tokio::test]
async fn who_wants_to_close_is_let_go() {
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::to(&origin).await;
    for lines in ["Connection: close\r\n", "Connection: X, Close\r\n"] {
        let mut client = gateway.client().await;
        let answer = client.send(get(lines)).await.answer("GET").await;
        answer.assert_ok("yes");
        assert_eq!(answer.fields.one("connection"), Some("close"));
        client.assert_closed().await;
    }
    gateway.get("/x").await.assert_ok("yes");
    assert_eq!(origin.connection_count(), 1, "the provider's connection is another matter");
}

/// RFC 9112, section 9.6: who is about to close says so, or the next request is sent into nothing.
#[tokio::test]
async fn an_answer_before_the_end_says_so() {
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::setup()
        .server("body_timeout = \"100ms\"")
        .upstream("provider", &origin.url(), "")
        .route("/x", "provider", "method = \"POST\"")
        .start()
        .await;
    let table = [
        (
            "a broken body",
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ),
        ("a body that does not come", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"),
        (
            "a body that nobody wants",
            "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhello",
        ),
        (
            "a refused expectation",
            "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        ),
    ];
    let mut silent = Vec::new();
    for (case, request) in table {
        let mut client = gateway.client().await;
        let answer = client.send(request).await.answer("POST").await;
        assert!(answer.status >= 400);
        let closes = support::soon("the next event", client.wire.fill()).await;
        assert!(matches!(closes, Ok(0)), "{case}: {closes:?}");
        if answer.kept {
            silent.push(case);
        }
    }
    assert!(silent.is_empty(), "closed without `connection: close`: {silent:?}");
}

/// RFC 9110, section 8.6: no Content-Length in a 204, whatever the provider says.
#[tokio::test]
async fn no_length_in_a_204() {
    let origin = Origin::start(|_| {
        vec![Act::send("HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello")]
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    for version in Version::BOTH {
        let answer = gateway.ask(Ask::new(version, "GET", "/x")).await;
        assert_eq!(
            (answer.status, answer.fields.one("content-length")),
            (204, None),
            "{version:?}"
        );
    }
}

/// `Location` loses the provider's name; `Content-Location` and `Link` tell it as well.
#[tokio::test]
async fn the_providers_name_in_other_fields() {
    let origin = Origin::connections(|mut connection| async move {
        let own = connection.wire.stream.local_addr()?;
        while connection.request().await?.is_some() {
            let fields = format!(
                "content-location: http://{own}/x\r\nlink: <http://{own}/x?page=2>; rel=next\r\n"
            );
            connection.wire.send(answer(200, &fields, "yes")).await?;
        }
        Ok(())
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    // That the name is in no answer, `Gateway` sees to when it goes.
    gateway.get("/x").await.assert_ok("yes");
}

/// The words beside the status are the provider's, and stay with it.
#[tokio::test]
async fn a_reason_phrase_stays_inside() {
    let origin = Origin::start(|request| {
        let status = &request.target[1..];
        vec![Act::send(format!("HTTP/1.1 {status} {MARKER}\r\ncontent-length: 0\r\n\r\n"))]
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    for (status, line) in [
        ("200", "HTTP/1.1 200 OK\r\n"),
        ("206", "HTTP/1.1 206 Partial Content\r\n"),
        ("302", "HTTP/1.1 302 Found\r\n"),
        ("404", "HTTP/1.1 404 Not Found\r\n"),
    ] {
        let mut client = gateway.client().await;
        client.send(format!("GET /{status} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let got = soon("a status line", client.wire.until("\r\n")).await.unwrap();
        assert_eq!(String::from_utf8(got).unwrap(), line);
    }
}
