//! Every way out of the gateway, over real sockets: whatever fails, the answer is an envelope of the catalog, and an
//! answer that has begun is never made to look whole.
//!
//! Each exit is tried with every preset, in HTTP/1.1 and HTTP/2, with GET, POST and HEAD. That nothing of the
//! provider and no credential comes out, in an answer or in the log, is checked by [`Gateway`] when it goes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use http::StatusCode;
use std::{sync::Arc, time::Duration};
use support::{
    Act, CALLER, Gateway, MARKER, Origin, Received, Setup, Version, assert_envelope, assert_fault,
    client::Ask,
    envelope::entry_of,
    gzip,
    http2::{full, h2c_origin, tls_origin},
    origin::answer,
};
use tokio::{
    net::TcpListener,
    task::{JoinError, JoinSet},
};
use tollgate::{
    Catalog, Fault, Kind,
    envelope::Context,
    fault::{Cause, UpstreamFault, UpstreamKind},
    profile,
};

const METHODS: [&str; 3] = ["GET", "POST", "HEAD"];

const UNREACHABLE: Kind = Kind::Upstream(UpstreamKind::Unreachable);
const UNEXPECTED: Kind = Kind::Upstream(UpstreamKind::Unexpected);
const TIMEOUT: Kind = Kind::Upstream(UpstreamKind::Timeout);
const PROVIDER_ERROR: Kind = Kind::Upstream(UpstreamKind::ProviderError);
const OVERLOADED: Kind = Kind::Upstream(UpstreamKind::Overloaded);
const INVALID: Kind = Kind::Upstream(UpstreamKind::InvalidRequest);

/// One way in which a provider fails before the head of its answer has passed: what it does, and what that is.
type Exit = (&'static str, Kind, fn() -> Vec<Act>);

fn send(bytes: impl Into<Vec<u8>>) -> Vec<Act> {
    vec![Act::send(bytes)]
}

fn send_and(bytes: impl Into<Vec<u8>>, then: Act) -> Vec<Act> {
    vec![Act::send(bytes), then]
}

/// A whole answer with a marker in its head and its body.
fn failure(status: u16, fields: &str, body: &str) -> String {
    answer(
        status,
        &format!("x-provider: {MARKER}\r\nserver: {MARKER}\r\nset-cookie: id={MARKER}\r\n{fields}"),
        body,
    )
}

const EXITS: &[Exit] = &[
    // A failure, in every shape.
    ("html", OVERLOADED, || {
        let page = format!("<html><h1>502 Bad Gateway</h1>{MARKER}</html>");
        send(failure(502, "content-type: text/html\r\n", &page))
    }),
    ("empty", PROVIDER_ERROR, || send(failure(500, "", ""))),
    ("empty-until-close", PROVIDER_ERROR, || send_and("HTTP/1.1 500 Oops\r\n\r\n", Act::Fin)),
    ("gzip", PROVIDER_ERROR, || {
        let fields = format!(
            "HTTP/1.1 500 {MARKER}\r\ncontent-encoding: gzip\r\ncontent-type: application/json\r\netag: \"1\"\r\n"
        );
        let body = gzip(format!("{{\"error\":\"{MARKER}\"}}").as_bytes());
        let head = format!("{fields}content-length: {}\r\n\r\n", body.len());
        send([head.as_bytes(), &body].concat())
    }),
    ("claims-gzip", PROVIDER_ERROR, || send(failure(500, "content-encoding: gzip\r\n", MARKER))),
    ("wrong-type", PROVIDER_ERROR, || {
        let json = format!("{{\"error\":\"{MARKER}\"}}");
        send(failure(500, "content-type: image/png\r\n", &json))
    }),
    ("json-that-is-none", PROVIDER_ERROR, || {
        let body = format!("{{\"error\":{{\"message\":\"{MARKER}");
        send(failure(500, "content-type: application/json\r\n", &body))
    }),
    ("its-own-envelope", INVALID, || {
        let body =
            format!("{{\"data\":null,\"error\":{{\"code\":\"{MARKER}\",\"message\":null}}}}");
        send(failure(422, "content-type: application/json\r\n", &body))
    }),
    ("garbage-1-mib", PROVIDER_ERROR, || {
        let mut body = MARKER.as_bytes().to_vec();
        body.extend((0..1u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8));
        let head = format!("HTTP/1.1 500 Oops\r\ncontent-length: {}\r\n\r\n", body.len());
        send([head.as_bytes(), &body].concat())
    }),
    ("failure-cut-off", PROVIDER_ERROR, || {
        let head = format!("HTTP/1.1 500 Oops\r\ncontent-length: 1000\r\n\r\n{MARKER}");
        send_and(head, Act::Fin)
    }),
    ("failure-reset", PROVIDER_ERROR, || {
        let head = format!("HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{MARKER}");
        send_and(head, Act::Hold)
    }),
    ("challenge", Kind::Upstream(UpstreamKind::AuthFailed), || {
        let fields = format!("www-authenticate: Bearer realm=\"{MARKER}\"\r\n");
        send(failure(401, &fields, MARKER))
    }),
    ("after-103", PROVIDER_ERROR, || {
        let hint = format!("HTTP/1.1 103 Early Hints\r\nlink: <{MARKER}>\r\n\r\n");
        send(hint + &failure(500, "", MARKER))
    }),
    // No answer.
    ("reset", UNREACHABLE, || vec![Act::Reset]),
    ("close", UNREACHABLE, || vec![Act::Fin]),
    ("close-after-100", UNREACHABLE, || send_and("HTTP/1.1 100 Continue\r\n\r\n", Act::Fin)),
    ("half-a-head", UNREACHABLE, || {
        send_and(format!("HTTP/1.1 200 OK\r\nx-provider: {MARKER}"), Act::Fin)
    }),
    ("half-a-head-reset", UNREACHABLE, || {
        send_and(format!("HTTP/1.1 200 OK\r\nx-provider: {MARKER}"), Act::Reset)
    }),
    // Not HTTP, or in two ways at once.
    ("other-protocol", UNEXPECTED, || send_and(format!("SSH-2.0-{MARKER}\r\n"), Act::Hold)),
    ("binary", UNEXPECTED, || send_and(vec![0, 255, 1, 254, 13, 10], Act::Hold)),
    ("http-0.9", UNEXPECTED, || send_and(format!("<html>{MARKER}"), Act::Fin)),
    ("other-version", UNEXPECTED, || send_and("HTTP/3.0 200 OK\r\n\r\n", Act::Fin)),
    ("no-status", UNEXPECTED, || send_and("HTTP/1.1 OK\r\n\r\n", Act::Hold)),
    ("short-status", UNEXPECTED, || send_and("HTTP/1.1 20 OK\r\n\r\n", Act::Hold)),
    ("no-colon", UNEXPECTED, || {
        send_and(format!("HTTP/1.1 200 OK\r\n{MARKER}\r\n\r\n"), Act::Hold)
    }),
    ("nul-in-a-field", UNEXPECTED, || {
        send_and("HTTP/1.1 200 OK\r\na: b\0c\r\ncontent-length: 0\r\n\r\n", Act::Hold)
    }),
    ("head-too-large", UNEXPECTED, || {
        let long = "x".repeat(1 << 20);
        send_and(
            format!("HTTP/1.1 200 OK\r\nx-long: {long}{MARKER}\r\ncontent-length: 0\r\n\r\n"),
            Act::Hold,
        )
    }),
    ("too-many-fields", UNEXPECTED, || {
        let fields = "x-field: 1\r\n".repeat(5000);
        send_and(format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n"), Act::Hold)
    }),
    ("unasked-101", UNEXPECTED, || {
        let upgrade = "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        send_and(format!("{upgrade}{MARKER}"), Act::Hold)
    }),
    ("length-and-chunked", UNEXPECTED, || {
        send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")
    }),
    ("chunked-twice", UNEXPECTED, || {
        send(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        )
    }),
    ("chunked-in-a-list", UNEXPECTED, || {
        send("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
    }),
    ("coding-unknown", UNEXPECTED, || {
        send_and("HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nhello", Act::Fin)
    }),
];

/// Lengths that are none. An answer to HEAD has no body that they could be wrong about, and must not pass them on.
const LENGTHS: &[Exit] = &[
    ("two-lengths", UNEXPECTED, || {
        send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!")
    }),
    ("length-is-no-number", UNEXPECTED, || {
        send("HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\nhello")
    }),
    ("length-is-a-list", UNEXPECTED, || {
        send("HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\nhello!")
    }),
    ("length-has-a-sign", UNEXPECTED, || {
        send("HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello")
    }),
];

/// A provider that fails as the last segment of the path says.
async fn failing() -> Origin {
    Origin::start(|request| {
        let name = request.target.rsplit('/').next().unwrap();
        if let Some(status) = name.strip_prefix("status-") {
            return send(failure(status.parse().unwrap(), "", MARKER));
        }
        let exit = EXITS.iter().chain(LENGTHS).find(|(known, ..)| *known == name);
        exit.unwrap_or_else(|| panic!("no exit {name}")).2()
    })
    .await
}

fn ask(version: Version, method: &str, path: &str) -> Ask {
    Ask::new(version, method, path)
        .field("authorization", &format!("Bearer {CALLER}"))
        .field("accept-encoding", "gzip")
}

/// Tries each path in every version and with every method; each must be answered with its fault, and a HEAD with
/// the header fields of a GET. All that is wrong is told at once.
async fn try_all(gateway: Gateway, exits: impl IntoIterator<Item = (String, Kind)>) {
    try_with(&METHODS, gateway, exits).await;
}

async fn try_with(
    methods: &[&'static str],
    gateway: Gateway,
    exits: impl IntoIterator<Item = (String, Kind)>,
) {
    let gateway = Arc::new(gateway);
    let mut tries = JoinSet::new();
    let mut wrong = Vec::new();
    let mut collect = |done: Result<(), JoinError>| {
        if let Err(error) = done {
            wrong.push(error.to_string());
        }
    };
    for (path, kind) in exits {
        for version in Version::BOTH {
            for &method in methods {
                tries.spawn(try_one(gateway.clone(), version, method, path.clone(), kind));
            }
        }
        // A few at a time, so that it is the exit that is tested and not the load.
        while tries.len() > 32 {
            collect(tries.join_next().await.unwrap());
        }
    }
    while let Some(done) = tries.join_next().await {
        collect(done);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn try_one(gateway: Arc<Gateway>, version: Version, method: &str, path: String, kind: Kind) {
    let id = "a".repeat(32);
    let answer = gateway.try_ask(ask(version, method, &path).field("x-request-id", &id)).await;
    let case = format!("{method} {path} {version:?}, {}", gateway.catalog.name());
    let answer = answer.unwrap_or_else(|error| panic!("{case}: no whole answer: {error}"));
    let length = answer.fields.one("content-length").map(str::to_owned);
    assert!(answer.status >= 400, "{case}: {answer:?}");
    assert_fault(&answer, &gateway.catalog, kind);
    if method == "HEAD" {
        // The header fields are those of a GET.
        let get = gateway.ask(ask(version, "GET", &path).field("x-request-id", &id)).await;
        assert_eq!(length.as_deref(), get.fields.one("content-length"), "{case}");
    }
}

fn presets() -> impl Iterator<Item = Setup> {
    Catalog::presets().map(|preset| Gateway::setup().preset(preset))
}

#[test]
fn every_kind_of_fault_has_its_envelope() {
    for preset in Catalog::presets() {
        let catalog = Catalog::preset(preset).unwrap();
        for kind in Kind::ALL {
            let mut entries = catalog.entries().iter();
            let entry = entries.find(|entry| entry.faults().contains(kind));
            let entry = entry.unwrap_or_else(|| panic!("{preset}: nothing for {kind}"));
            assert!((400..600).contains(&entry.status().as_u16()), "{preset} {kind}");
            let again = entries.any(|entry| entry.faults().contains(kind));
            assert!(!again, "{preset}: two entries for {kind}");
        }
        let documented = Documented::new(&catalog);
        for fault in one_of_each_fault() {
            let rendered = catalog.respond(&fault, Context::default());
            documented.assert(&rendered);
            let body: serde_json::Value = serde_json::from_slice(rendered.body()).unwrap();
            let entry = catalog.entry(body["error"]["code"].as_str().unwrap()).unwrap();
            assert_eq!(entry.status(), rendered.status(), "{preset} {fault}");
            assert!(entry.faults().contains(&fault.kind().unwrap()), "{preset} {fault}");
            let message = body["error"]["message"].as_str().unwrap();
            assert!(
                !message.is_empty() && !message.contains(['{', '}']),
                "{preset} {fault}: {message}"
            );
        }
    }
}

/// What the OpenAPI document says of answers.
struct Documented(serde_json::Value);

impl Documented {
    fn new(catalog: &Catalog) -> Self {
        Self(catalog.to_openapi())
    }

    /// Status, header fields and body are those of the code, and those of any error.
    #[track_caller]
    fn assert(&self, answer: &http::Response<bytes::Bytes>) {
        let components = &self.0["components"];
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        let code = body["error"]["code"].as_str().unwrap();
        let response = &components["responses"][code];
        assert_eq!(response["x-http-status"], answer.status().as_u16(), "{code}");
        for schema in [code, "ErrorEnvelope"] {
            let schema = serde_json::json!({ "$ref": format!("#/components/schemas/{schema}"), "components": components });
            let validator = jsonschema::validator_for(&schema).unwrap();
            let errors: Vec<_> = validator.iter_errors(&body).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{code}: {errors:?} {body}");
        }
        // Nothing is said that is not documented.
        let members = &components["schemas"][code]["properties"]["error"]["properties"];
        for name in body["error"].as_object().unwrap().keys() {
            assert!(members[name].is_object(), "{code}: {name}");
        }
        for name in answer.headers().keys().map(http::HeaderName::as_str) {
            let of_json = ["content-type", "content-length", "cache-control"].contains(&name);
            let headers = response["headers"].as_object().unwrap();
            let known = headers.keys().any(|known| known.eq_ignore_ascii_case(name));
            assert!(of_json || known, "{code}: {name}");
        }
        if answer.status() == 401 {
            assert!(answer.headers().contains_key("www-authenticate"), "{code}");
        }
    }
}

/// One fault of every kind, with details.
fn one_of_each_fault() -> Vec<Fault> {
    let text = || "detail".into();
    let own = [
        Fault::MissingCredential,
        Fault::MalformedCredential,
        Fault::UnknownCredential,
        Fault::RevokedCredential,
        Fault::ExpiredCredential,
        Fault::AccountSuspended,
        Fault::Forbidden,
        Fault::RateLimited { quota: text(), retry_after: Some(Duration::from_millis(1500)) },
        Fault::ConcurrencyLimited { quota: text() },
        Fault::InvalidJson { detail: text() },
        Fault::EmptyObject,
        Fault::NotAnObject,
        Fault::violation("prompt", "prompt is required"),
        Fault::BodyTooLarge { limit: Some(5) },
        Fault::UnsupportedMediaType { expected: text() },
        Fault::BodyTimeout,
        Fault::BodyIncomplete,
        Fault::HeaderTimeout,
        Fault::HeaderTooLarge,
        Fault::UriTooLong,
        Fault::bad_request("detail"),
        Fault::ExpectationFailed,
        Fault::InsufficientBalance,
        Fault::SpendLimitReached,
        Fault::NoPrice,
        Fault::MissingIdempotencyKey,
        Fault::IdempotencyKeyInUse,
        Fault::IdempotencyKeyReused,
        Fault::NoRoute,
        Fault::MethodNotAllowed { allow: "GET".into() },
        Fault::TaskNotFound,
        Fault::NotConfigured { upstream: text() },
        Fault::LoopDetected,
        Fault::DeadlineExceeded,
        Fault::Overloaded,
        Fault::StoreUnavailable,
        Fault::ShuttingDown,
        Fault::Internal,
    ];
    let upstream = Kind::ALL.iter().filter_map(|kind| match kind {
        Kind::Upstream(kind) => Some(UpstreamFault::new(*kind, Cause::Other).into()),
        _ => None,
    });
    let all: Vec<_> = own.into_iter().chain(upstream).collect();
    for kind in Kind::ALL {
        assert!(all.iter().any(|fault| fault.kind() == Some(*kind)), "add {kind} to the list");
    }
    all
}

#[tokio::test]
async fn the_provider_fails_in_every_way() {
    for setup in presets() {
        let origin = failing().await;
        let gateway = setup.all_to(&origin.url(), "").start().await;
        let exits = EXITS.iter().map(|(name, kind, _)| (format!("/{name}"), *kind));
        try_all(gateway, exits).await;
    }
}

#[tokio::test]
async fn the_provider_sends_a_length_that_is_none() {
    for setup in presets() {
        let origin = failing().await;
        let gateway = setup.all_to(&origin.url(), "").start().await;
        let exits = LENGTHS.iter().map(|(name, kind, _)| (format!("/{name}"), *kind));
        try_with(&["GET", "POST"], gateway, exits).await;
    }
}

#[tokio::test]
async fn every_status_of_a_failure() {
    for setup in presets() {
        let origin = failing().await;
        let gateway = setup.all_to(&origin.url(), "").start().await;
        let statuses = (400..600).chain([600, 777, 999]);
        let exits = statuses.map(|status| {
            let code = StatusCode::from_u16(status).unwrap();
            let fault = UpstreamFault::from(profile::by_status(code));
            (format!("/status-{status}"), Kind::Upstream(fault.kind))
        });
        try_all(gateway, exits).await;
    }
}

#[tokio::test]
async fn no_route() {
    for setup in presets() {
        let origin = Origin::ok("never").await;
        let gateway = setup
            .upstream("provider", &origin.url(), "")
            .route("/only/{id}", "provider", "method = \"DELETE\"")
            .start()
            .await;
        let unknown = ["/", "/only", "/only/", "/only/1/", "/ONLY/1", "/nothing?a=b", "//only/1"];
        let exits = unknown.map(|path| (path.to_owned(), Kind::NoRoute));
        try_all(gateway, exits).await;
        assert_eq!(origin.connection_count(), 0);
    }
}

#[tokio::test]
async fn wrong_method() {
    for setup in presets() {
        let origin = Origin::ok("never").await;
        let gateway = setup
            .upstream("provider", &origin.url(), "")
            .route("/it", "provider", "method = [\"PUT\", \"DELETE\"]")
            .start()
            .await;
        for version in Version::BOTH {
            for method in ["GET", "POST", "HEAD", "OPTIONS", "BREW", "TRACE"] {
                let answer = gateway.ask(ask(version, method, "/it")).await;
                assert_fault(&answer, &gateway.catalog, Kind::MethodNotAllowed);
                assert_eq!(answer.fields.one("allow"), Some("DELETE, PUT"), "{method} {version:?}");
            }
        }
        assert_eq!(origin.connection_count(), 0);
    }
}

#[tokio::test]
async fn the_provider_cannot_be_reached() {
    // Bound and not listening: connections to it are refused for as long as it lives.
    let refusing =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    refusing.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let refusing = refusing.local_addr().unwrap().as_socket().unwrap();
    // Accepts in the kernel, and never says a word: a TLS handshake there takes too long.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = silent.local_addr().unwrap();
    let (untrusted, _) =
        tls_origin(&["h2", "http/1.1"], |_| http::Response::new(full(MARKER))).await;
    let (another, _) = tls_origin(&[], |_| http::Response::new(full(MARKER))).await;
    let (_, other_authority) = tls_origin(&[], |_| http::Response::new(full(MARKER))).await;
    let plain = Origin::connections(|mut connection| async move {
        connection.wire.fill().await?;
        connection.wire.send(failure(400, "", MARKER)).await
    })
    .await;
    let https = |address: std::net::SocketAddr| format!("https://{address}");
    for setup in presets() {
        let gateway = setup
            .file("other.pem", &other_authority)
            .upstream("refused", &format!("http://{refusing}"), "")
            .upstream("refused-tls", &https(refusing), "")
            // Some resolvers take their time to say no; that has a limit of its own, and the same answer.
            .upstream("dns", "http://nonexistent.invalid", "connect_timeout = \"500ms\"")
            .upstream("dns-tls", "https://nonexistent.invalid", "connect_timeout = \"500ms\"")
            .upstream("untrusted", &https(untrusted.address), "")
            .upstream("other-authority", &https(another.address), "ca_file = \"other.pem\"")
            .upstream("no-tls", &https(plain.address), "")
            .upstream("silent-tls", &https(silent), "connect_timeout = \"100ms\"")
            .route("/refused", "refused", "")
            .route("/refused-tls", "refused-tls", "")
            .route("/dns", "dns", "")
            .route("/dns-tls", "dns-tls", "")
            .route("/untrusted", "untrusted", "")
            .route("/other-authority", "other-authority", "")
            .route("/no-tls", "no-tls", "")
            .route("/silent-tls", "silent-tls", "")
            .start()
            .await;
        let exits = [
            "/refused",
            "/refused-tls",
            "/dns",
            "/dns-tls",
            "/untrusted",
            "/other-authority",
            "/no-tls",
            "/silent-tls",
        ];
        try_all(gateway, exits.map(|path| (path.to_owned(), UNREACHABLE))).await;
    }
    assert!(untrusted.requests().is_empty() && another.requests().is_empty());
}

#[tokio::test]
async fn the_provider_is_silent() {
    for setup in presets() {
        let origin = Origin::start(|request| match &*request.target {
            "/first-byte" | "/total" => vec![Act::Hold],
            _ => send_and("HTTP/1.1 200 OK\r\nx-slow:", Act::Hold),
        })
        .await;
        let gateway = setup
            .upstream("first-byte", &origin.url(), "first_byte_timeout = \"100ms\"")
            .upstream("total", &origin.url(), "timeout = \"100ms\"")
            .route("/first-byte", "first-byte", "")
            .route("/first-byte-half", "first-byte", "")
            .route("/total", "total", "")
            .route("/total-half", "total", "")
            .start()
            .await;
        let exits = ["/first-byte", "/first-byte-half", "/total", "/total-half"];
        try_all(gateway, exits.map(|path| (path.to_owned(), TIMEOUT))).await;
    }
}

#[tokio::test]
async fn the_provider_is_not_configured() {
    for setup in presets() {
        let origin = Origin::ok("never").await;
        let gateway = setup.without_env().all_to(&origin.url(), "").start().await;
        let code = entry_of(&gateway.catalog, Kind::NotConfigured);
        assert_eq!(code.status(), 500);
        if gateway.catalog.name() == "apistor" {
            assert_eq!(code.code(), "missing_grsai_api_key");
        }
        gateway
            .logged(|line| line["level"] == "WARN" && line.to_string().contains("PROVIDER_KEY"))
            .await;
        try_all(gateway, [("/x".to_owned(), Kind::NotConfigured)]).await;
        assert_eq!(origin.connection_count(), 0);
    }
}

#[tokio::test]
async fn a_provider_with_http2_fails() {
    let script = |request: &Received| {
        let status: u16 = request.target.rsplit('/').next().unwrap().parse().unwrap();
        http::Response::builder()
            .status(status)
            .header("x-provider", MARKER)
            .body(full(MARKER))
            .unwrap()
    };
    for setup in presets() {
        let origin = h2c_origin(script).await;
        let gateway = setup.all_to(&origin.url(), "http2 = \"always\"").start().await;
        let exits = [400, 404, 429, 500, 503, 599, 999].map(|status| {
            let code = StatusCode::from_u16(status).unwrap();
            let fault = UpstreamFault::from(profile::by_status(code));
            (format!("/{status}"), Kind::Upstream(fault.kind))
        });
        try_all(gateway, exits).await;
    }
    // It speaks HTTP/1 where HTTP/2 was agreed on, hangs up, or resets.
    let origin = Origin::connections(|mut connection| async move {
        match connection.number % 3 {
            0 => connection.wire.send(failure(400, "", MARKER)).await?,
            1 => {
                connection.wire.until("\r\n\r\n").await?;
            }
            _ => connection.reset(),
        }
        Ok(())
    })
    .await;
    let gateway = Gateway::setup().all_to(&origin.url(), "http2 = \"always\"").start().await;
    for round in 0..12 {
        let version = Version::BOTH[round % 2];
        let answer = gateway.ask(ask(version, "POST", "/x")).await;
        let entry = assert_envelope(&answer, &gateway.catalog);
        assert_eq!(entry.status(), 502, "{answer:?}");
    }
}

/// A wait that the provider asks for is passed on, and nothing else that it says beside it.
#[tokio::test]
async fn a_retry_hint_is_passed_on() {
    let origin = Origin::start(|_| send(failure(429, "retry-after: 7\r\n", MARKER))).await;
    for setup in presets() {
        let gateway = setup.all_to(&origin.url(), "").start().await;
        for version in Version::BOTH {
            let answer = gateway.ask(ask(version, "POST", "/x")).await;
            assert_fault(&answer, &gateway.catalog, Kind::Upstream(UpstreamKind::RateLimited));
            assert_eq!(answer.fields.one("retry-after"), Some("7"));
        }
    }
}

/// What breaks after the head of a success has passed.
const BREAKS: &[(&str, fn() -> Vec<Act>)] = &[
    ("length-fin", || send_and("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", Act::Fin)),
    ("length-reset", || send_and("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", Act::Reset)),
    ("length-silence", || {
        send_and("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", Act::Hold)
    }),
    ("length-nothing", || send_and("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", Act::Fin)),
    ("chunk-fin", || {
        send_and("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhalf", Act::Fin)
    }),
    ("chunks-fin", || {
        send_and("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", Act::Fin)
    }),
    ("chunks-reset", || {
        send_and("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", Act::Reset)
    }),
    ("chunks-silence", || {
        send_and("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", Act::Hold)
    }),
    ("chunks-garbage", || {
        send_and(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nZZ\r\nhalf\r\n",
            Act::Hold,
        )
    }),
    ("chunk-too-long", || {
        send_and(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhalf\r\n0\r\n\r\n",
            Act::Hold,
        )
    }),
    ("no-last-empty-line", || {
        send_and(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
            Act::Fin,
        )
    }),
    ("until-close-reset", || send_and("HTTP/1.1 200 OK\r\n\r\nhalf", Act::Reset)),
    ("until-close-silence", || send_and("HTTP/1.1 200 OK\r\n\r\nhalf", Act::Hold)),
];

async fn breaking() -> Origin {
    Origin::start(|request| {
        let name = request.target.rsplit('/').next().unwrap();
        BREAKS.iter().find(|(known, _)| *known == name).unwrap().1()
    })
    .await
}

#[tokio::test]
async fn a_broken_answer_is_never_a_short_success() {
    for limit in ["idle_timeout = \"100ms\"", "timeout = \"150ms\""] {
        let origin = breaking().await;
        let gateway = Gateway::setup().all_to(&origin.url(), limit).start().await;
        for (name, _) in BREAKS {
            for version in Version::BOTH {
                for method in ["GET", "POST"] {
                    let case = format!("{method} /{name} {version:?} {limit}");
                    match gateway.try_ask(ask(version, method, &format!("/{name}"))).await {
                        Err(_) => {}
                        // Whoever has not sent the head yet may still answer properly.
                        Ok(answer) if answer.status >= 400 => {
                            assert_envelope(&answer, &gateway.catalog);
                        }
                        Ok(answer) => panic!("{case}: a short success: {answer:?}"),
                    }
                }
            }
        }
        let cut_off =
            gateway.log().iter().filter(|l| l["message"] == "an answer is cut off").count();
        assert!(cut_off >= BREAKS.len(), "the log tells of {cut_off}");
    }
}

/// An answer without a body has no length to be checked while it is read, and must not pass on one that is none.
#[tokio::test]
async fn a_length_that_is_none_without_a_body() {
    for setup in presets() {
        let origin = failing().await;
        let gateway = setup.all_to(&origin.url(), "").start().await;
        let exits = LENGTHS.iter().map(|(name, kind, _)| (format!("/{name}"), *kind));
        try_with(&["HEAD"], gateway, exits).await;
    }
    for length in ["content-length: five", "content-length: 5\r\ncontent-length: 6"] {
        let head = format!("HTTP/1.1 304 Not Modified\r\n{length}\r\n\r\n");
        let origin = Origin::start(move |_| send(head.clone())).await;
        let gateway = Gateway::to(&origin).await;
        for version in Version::BOTH {
            let answer = gateway.try_ask(ask(version, "GET", "/x")).await;
            let answer = answer.unwrap_or_else(|error| panic!("{length:?} {version:?}: {error}"));
            match answer.status {
                304 => assert_eq!(answer.fields.one("content-length"), None),
                _ => assert_fault(&answer, &gateway.catalog, UNEXPECTED),
            }
        }
    }
}

/// Up to four times the limit the refusal is ours. Beyond that h2 refuses by itself, which the README says.
#[tokio::test]
async fn a_huge_header_list_in_http2() {
    let origin = Origin::ok("never").await;
    let gateway = Gateway::to(&origin).await;
    for (fields, ours) in [(40, true), (99, true), (200, false)] {
        let mut asked = ask(Version::Http2, "GET", "/x");
        for number in 0..fields {
            asked = asked.field(&format!("x-{number}"), &"y".repeat(1024));
        }
        let answer = gateway.try_ask(asked).await.unwrap();
        assert_eq!(answer.status, 431, "{fields}");
        if ours {
            assert_fault(&answer, &gateway.catalog, Kind::HeaderTooLarge);
        }
    }
}

/// HTTP/1.0 has no chunks: there the end of the connection is the end of the answer, unless it is a reset.
#[tokio::test]
async fn a_broken_answer_is_never_a_short_success_in_http_1_0() {
    let origin = breaking().await;
    let gateway = Gateway::setup().all_to(&origin.url(), "idle_timeout = \"100ms\"").start().await;
    let mut short = Vec::new();
    for (name, _) in BREAKS {
        let mut client = gateway.client().await;
        client.send(format!("GET /{name} HTTP/1.0\r\nhost: a\r\n\r\n")).await;
        match client.try_answer("GET").await {
            Ok(answer) if answer.status < 400 => short.push(name),
            _ => {}
        }
    }
    assert!(short.is_empty(), "short successes: {short:?}");
}
