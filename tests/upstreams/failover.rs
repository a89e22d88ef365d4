//! What is sent again, where, and what a caller hears when nothing has helped.

use super::*;
use std::time::{Duration, Instant};
use support::{
    CREDENTIAL, Refusing, Setup,
    origin::{answer, json, ok},
    soon,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A provider that does as it is asked.
async fn good() -> Origin {
    Origin::ok("made").await
}

fn both(first: &str, second: &str, lines: &str) -> Setup {
    Gateway::setup().pool("pool", lines, &[("first", first, ""), ("second", second, "")])
}

#[tokio::test]
async fn a_refusal_and_no_connection_go_to_the_second() {
    let (refusing, dead, second) =
        (Origin::start(|_| html(503)).await, Refusing::default(), good().await);
    for (name, url, first) in
        [("refused", refusing.url(), Some(&refusing)), ("dead", dead.url(), None)]
    {
        let gateway = both(&url, &second.url(), "").route("/x", "pool", "").start().await;
        for version in Version::BOTH {
            for ask in [post("/x", "{}"), get("/x")] {
                let before = second.requests().len();
                gateway.ask(with(ask, version)).await.assert_ok("made");
                assert_eq!(second.requests().len(), before + 1, "{name}");
            }
        }
        if let Some(first) = first {
            assert_eq!(first.requests().len(), 4);
        }
    }
}

/// What a provider does to a request, and how often it is sent there with each `repeat`, as a POST and as a GET.
type Row = (&'static str, fn() -> Vec<Act>, [(usize, usize); 4]);

const REPEATS: [&str; 4] = ["never", "unsent", "refused", "always"];

/// With `(1, 1)` it stays at the first, with 2 the second is asked.
const ROWS: &[Row] = &[
    ("refused", || failure(503), [(1, 1), (1, 1), (2, 2), (2, 2)]),
    ("reset", || vec![Act::Reset], [(1, 1), (1, 1), (1, 2), (2, 2)]),
    ("silent", || vec![Act::Hold], [(1, 1), (1, 1), (1, 2), (2, 2)]),
    (
        "cut off",
        || {
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
            vec![Act::send(head), Act::Fin]
        },
        [(1, 1), (1, 1), (1, 2), (2, 2)],
    ),
    ("a page in 200", || html(200), [(1, 1), (1, 1), (1, 2), (2, 2)]),
    ("invalid", || invalid(400), [(1, 1); 4]),
    ("not found", || invalid(404), [(1, 1); 4]),
];

#[tokio::test]
async fn what_is_sent_again() {
    let mut wrong = Vec::new();
    for (name, fail, counts) in ROWS {
        let first = Origin::start(move |_| fail()).await;
        let second = good().await;
        // It stays in, however often it fails.
        let mut setup = both(
            &first.url(),
            &second.url(),
            "first_byte_timeout = \"100ms\"\nejection = { failures = 1000 }\nretry_percent = 100",
        );
        for repeat in REPEATS {
            setup = setup.route(&format!("/{repeat}"), "pool", &format!("repeat = \"{repeat}\""));
        }
        let gateway = setup.start().await;
        for (repeat, (by_post, by_get)) in REPEATS.iter().zip(counts) {
            let path = format!("/{repeat}");
            for (ask, want) in [(post(&path, "{}"), *by_post), (get(&path), *by_get)] {
                let (method, before) = (ask.method.clone(), asked(&[&first, &second]));
                let answer = gateway.ask(ask).await;
                let after = asked(&[&first, &second]);
                let got = [after[0] - before[0], after[1] - before[1]];
                let passed = answer.status == 200;
                if got != [1, want - 1] || passed != (want == 2) {
                    wrong.push(format!("{name}, {repeat}, {method}: {got:?}, {}", answer.status));
                }
                if !passed {
                    assert_envelope(&answer, &gateway.catalog);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// With `repeat = "never"` even a request that nobody has seen is sent once; with `unsent` it goes on.
#[tokio::test]
async fn what_was_not_sent_is_sent_again() {
    let (dead, second) = (Refusing::default(), good().await);
    let mut setup = both(&dead.url(), &second.url(), "");
    for repeat in REPEATS {
        setup = setup.route(&format!("/{repeat}"), "pool", &format!("repeat = \"{repeat}\""));
    }
    let gateway = setup.start().await;
    for repeat in REPEATS {
        let answer = gateway.ask(post(&format!("/{repeat}"), "{}")).await;
        match repeat {
            "never" => {
                assert_eq!(code(&answer, &gateway), code_of(&gateway, UpstreamKind::Unreachable));
            }
            _ => answer.assert_ok("made"),
        }
    }
    assert_eq!(second.requests().len(), 3);
}

/// A body in pieces, each in a chunk of its own.
fn in_chunks(path: &str, body: &[u8], fields: &str) -> Vec<u8> {
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: a\r\n{fields}transfer-encoding: chunked\r\n\r\n");
    let pieces = body.chunks(777).flat_map(support::origin::chunk);
    head.bytes().chain(pieces).chain(*b"0\r\n\r\n").collect()
}

fn with_length(path: &str, body: &[u8], fields: &str) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: a\r\n{fields}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_body_is_sent_again_byte_for_byte() {
    let first = Origin::start(|_| html(503)).await;
    let second = good().await;
    let gateway = both(
        &first.url(),
        &second.url(),
        "max_replay_bytes = \"8KiB\"\nejection = { failures = 1000 }\nretry_percent = 100",
    )
    .file("any.json", r#"{"type":"object"}"#)
    .route("/checked", "pool", "schema = \"any.json\"")
    .route("/streams", "pool", "")
    .start()
    .await;
    let words: String = (0..1200).map(|number| format!("{number},")).collect();
    let checked = format!("{{\"prompt\":\"{words}\"\n , \"n\": 1e2}}");
    let binary: Vec<u8> =
        (0..8 * 1024_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let json = "content-type: application/json\r\n";
    for (name, request, body) in [
        ("checked", with_length("/checked", checked.as_bytes(), json), checked.as_bytes()),
        ("checked, in chunks", in_chunks("/checked", checked.as_bytes(), json), checked.as_bytes()),
        ("streams", with_length("/streams", &binary, ""), &*binary),
        ("streams, in chunks", in_chunks("/streams", &binary, ""), &*binary),
        ("nothing", with_length("/streams", b"", ""), b""),
    ] {
        gateway.raw(request).await.assert_ok("made");
        for origin in [&first, &second] {
            assert!(origin.last_request().body == body, "{name}");
        }
    }
    assert_eq!(asked(&[&first, &second]), [5, 5]);
    // HTTP/2 says no length.
    let mut ask = with(post("/streams", ""), Version::Http2);
    ask.body.clone_from(&binary);
    gateway.ask(ask).await.assert_ok("made");
    assert!(second.last_request().body == binary);
}

#[tokio::test]
async fn a_body_that_is_too_long_to_be_kept_is_sent_once() {
    let first = Origin::start(|_| html(503)).await;
    let second = good().await;
    let lines = "max_replay_bytes = \"8KiB\"\nejection = { failures = 1000 }";
    let gateway = both(&first.url(), &second.url(), lines).route("/x", "pool", "").start().await;
    let long = vec![b'x'; 8 * 1024 + 1];
    for (name, request) in
        [("length", with_length("/x", &long, "")), ("chunks", in_chunks("/x", &long, ""))]
    {
        let answer = gateway.raw(request).await;
        assert_eq!(code(&answer, &gateway), code_of(&gateway, UpstreamKind::Overloaded), "{name}");
        // The operator learns why.
        let line = gateway.request_line(answer.fields.one("x-request-id").unwrap()).await;
        let reason = line["reason"].as_str().unwrap();
        assert!(reason.contains("the body is longer than what is kept of it"), "{name}: {reason}");
    }
    assert_eq!(asked(&[&first, &second]), [2, 0]);
    assert!(first.requests().iter().all(|request| request.body == long));
}

/// By default no more than 64 KiB of a body are kept that nobody has looked at, whatever is allowed elsewhere.
#[tokio::test]
async fn what_is_kept_by_default() {
    let first = Origin::start(|_| html(503)).await;
    let second = good().await;
    let (one, other) = (first.url(), second.url());
    let endpoints = [("first", &*one, ""), ("second", &*other, "")];
    let gateway = Gateway::setup()
        .file("any.json", r#"{"type":"object"}"#)
        .pool("pool", "ejection = { failures = 1000 }", &endpoints)
        .pool("checking", "ejection = { failures = 1000 }", &endpoints)
        .route("/x", "pool", "")
        .route("/checked", "checking", "schema = \"any.json\"")
        .start()
        .await;
    let body = |length: usize| vec![b'x'; length];
    gateway.raw(in_chunks("/x", &body(64 * 1024), "")).await.assert_ok("made");
    for request in [in_chunks("/x", &body(65 * 1024), ""), with_length("/x", &body(65 * 1024), "")]
    {
        let answer = gateway.raw(request).await;
        assert_eq!(code(&answer, &gateway), code_of(&gateway, UpstreamKind::Overloaded));
    }
    assert_eq!(asked(&[&first, &second]), [3, 1]);
    // What was checked is in memory anyway.
    let long = format!("{{\"prompt\":\"{}\"}}", "x".repeat(500 * 1024));
    let request = with_length("/checked", long.as_bytes(), "content-type: application/json\r\n");
    gateway.raw(request).await.assert_ok("made");
    assert!(second.last_request().body == long.as_bytes());
}

#[tokio::test]
async fn a_long_body_goes_on_as_long_as_nothing_of_it_was_sent() {
    let (dead, second) = (Refusing::default(), good().await);
    let lines = "max_replay_bytes = \"8KiB\"";
    let gateway = both(&dead.url(), &second.url(), lines).route("/x", "pool", "").start().await;
    let long = vec![b'x'; 100 * 1024];
    gateway.raw(in_chunks("/x", &long, "")).await.assert_ok("made");
    assert!(second.only_request().body == long);
}

#[tokio::test]
async fn what_answers_tell_of_the_attempts() {
    let first = Origin::start(|request| match &*request.target {
        "/good" => vec![Act::send(ok("made"))],
        "/invalid" => invalid(400),
        _ => html(503),
    })
    .await;
    let second = Origin::start(|request| match &*request.target {
        "/bad" => html(502),
        _ => vec![Act::send(ok("made"))],
    })
    .await;
    for configured in [false, true] {
        let server = if configured { "attempts_header = true\nproxy_status = true" } else { "" };
        let gateway = both(&first.url(), &second.url(), "ejection = { failures = 1000 }")
            .server(server)
            .route("/{*path}", "pool", "")
            .start()
            .await;
        let table = [
            ("/good", 200, Some("1"), None),
            ("/better", 200, Some("2"), None),
            ("/bad", 502, Some("2"), Some("tollgate; received-status=503")),
            ("/invalid", 400, Some("1"), Some("tollgate; received-status=400")),
        ];
        for (path, status, attempts, proxy_status) in table {
            let answer = gateway.ask(get(path)).await;
            assert_eq!(answer.status, status, "{path}");
            let wanted = |value: Option<&'static str>| value.filter(|_| configured);
            assert_eq!(answer.fields.one("x-tollgate-attempts"), wanted(attempts), "{path}");
            let got = answer.fields.one("proxy-status");
            match wanted(proxy_status) {
                // Either of the two failures may be the more telling one.
                Some(want) if path == "/bad" => {
                    assert!(
                        got.is_some_and(|got| got.starts_with("tollgate; received-status=50")),
                        "{got:?} {want}"
                    );
                }
                want => assert_eq!(got, want, "{path}"),
            }
        }
    }
}

#[tokio::test]
async fn a_provider_is_told_how_much_time_is_left() {
    let first = Origin::start(|_| vec![Act::Hold]).await;
    let second = good().await;
    let lines =
        "timeout = \"5s\"\nfirst_byte_timeout = \"200ms\"\ndeadline_header = \"x-deadline-ms\"";
    let gateway = both(&first.url(), &second.url(), lines).route("/x", "pool", "").start().await;
    gateway.ask(get("/x").field("x-deadline-ms", "999999")).await.assert_ok("made");
    let left = |origin: &Origin| {
        origin.only_request().fields.one("x-deadline-ms").unwrap().parse::<u64>().unwrap()
    };
    assert!((4000..=5000).contains(&left(&first)), "{}", left(&first));
    assert!(left(&second) + 200 <= left(&first), "{} {}", left(&first), left(&second));
}

#[tokio::test]
async fn the_timeout_is_over_all_attempts() {
    let first = Origin::start(|_| vec![Act::Hold]).await;
    let second = Origin::start(|_| vec![Act::Hold]).await;
    let lines = "timeout = \"500ms\"\nfirst_byte_timeout = \"150ms\"\nattempts = 20\nretry_percent = 100\n\
                 backoff = \"1ms\"\nejection = { failures = 1000 }";
    let gateway = both(&first.url(), &second.url(), lines).route("/x", "pool", "").start().await;
    let began = Instant::now();
    let answer = gateway.ask(get("/x")).await;
    let took = began.elapsed();
    assert_eq!(code(&answer, &gateway), code_of(&gateway, UpstreamKind::Timeout));
    assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(3), "{took:?}");
    let sent: usize = asked(&[&first, &second]).iter().sum();
    assert!((2..=4).contains(&sent), "{sent}");
}

/// The most telling failure is what the caller hears: a definite refusal rather than silence, and that rather than nobody.
#[tokio::test]
async fn what_the_caller_hears_when_all_have_failed() {
    use UpstreamKind as K;
    let dead = Refusing::default();
    let origins = [
        (Origin::start(|_| failure(500)).await, K::ProviderError),
        (Origin::start(|_| vec![Act::Hold]).await, K::Timeout),
        (Origin::start(|_| vec![Act::Reset]).await, K::Unreachable),
        (Origin::start(|_| failure(429)).await, K::RateLimited),
    ];
    let [(error, _), (silent, _), (_, _), (limited, _)] = &origins;
    let table = [
        (silent.url(), error.url(), K::ProviderError),
        (error.url(), silent.url(), K::ProviderError),
        (silent.url(), dead.url(), K::Timeout),
        (dead.url(), silent.url(), K::Timeout),
        (dead.url(), error.url(), K::ProviderError),
        (limited.url(), error.url(), K::RateLimited),
        (error.url(), limited.url(), K::RateLimited),
    ];
    for (first, second, want) in table {
        let lines = "first_byte_timeout = \"100ms\"";
        let gateway = both(&first, &second, lines).route("/x", "pool", "").start().await;
        let answer = gateway.ask(get("/x")).await;
        assert_eq!(code(&answer, &gateway), code_of(&gateway, want), "{want:?}");
    }
}

/// Of a refusal of the input the provider's words pass, without what is nobody's business; of its own failures nothing.
#[tokio::test]
async fn which_words_of_the_provider_pass() {
    let origin = Origin::start(|request| {
        let host = request.fields.one("host").unwrap().to_owned();
        let words = format!(
            "Size 9999x9999 is not one of 1K, 2K (key {CREDENTIAL}, see http://{host}/docs or {host}) \
             <b>bold</b>\\u0007"
        );
        let status = request.target.trim_start_matches('/').parse().unwrap();
        json(status, &format!(r#"{{"error":{{"message":"{words}","type":"x"}}}}"#))
    })
    .await;
    for preset in tollgate::Catalog::presets() {
        let gateway = Gateway::setup()
            .preset(preset)
            .all_to(&origin.url(), "ejection = { failures = 1000 }")
            .start()
            .await;
        for status in [400, 422] {
            let answer = gateway.ask(post(&format!("/{status}"), "{}")).await;
            let message = message(&answer);
            assert!(message.contains("Size 9999x9999 is not one of 1K, 2K"), "{preset}: {message}");
            let private = [CREDENTIAL, "127.0.0.1", "http", "<b>", "\u{7}"];
            for private in private {
                assert!(!message.contains(private), "{preset}: {private} in {message}");
            }
        }
        for status in [401, 402, 403, 429, 500, 502, 503, 504, 418] {
            let answer = gateway.ask(post(&format!("/{status}"), "{}")).await;
            assert_envelope(&answer, &gateway.catalog);
            assert!(!message(&answer).contains("Size"), "{preset} {status}: {}", message(&answer));
        }
    }
}

/// The same key for all attempts of a request: the caller's own.
#[tokio::test]
async fn an_idempotency_key_is_the_same_for_all_attempts() {
    let first = Origin::start(|_| html(503)).await;
    let second = good().await;
    let gateway = both(&first.url(), &second.url(), "").route("/x", "pool", "").start().await;
    gateway.ask(post("/x", "{}").field("idempotency-key", "order-7")).await.assert_ok("made");
    for origin in [&first, &second] {
        assert_eq!(origin.only_request().fields.one("idempotency-key"), Some("order-7"));
    }
}

/// A provider that hangs up on a connection that was kept has not seen the request: it is sent again there.
#[tokio::test]
async fn a_connection_that_has_gone_stale_costs_nothing() {
    let first = Origin::connections(|mut connection| async move {
        if connection.request().await?.is_some() {
            connection.wire.send(answer(200, "", "made")).await?;
        }
        Ok(())
    })
    .await;
    let second = Origin::ok("by the second").await;
    let gateway = both(&first.url(), &second.url(), "").route("/x", "pool", "").start().await;
    for number in 1..=5 {
        soon("an answer", gateway.ask(post("/x", "{}"))).await.assert_ok("made");
        assert_eq!(first.requests().len(), number);
    }
    assert_eq!(second.requests().len(), 0);
}

/// Requests are shared out by weight among endpoints of the same priority, and go further only when those have failed.
#[tokio::test]
async fn by_weight_among_equals() {
    let (light, heavy, spare) = (good().await, good().await, good().await);
    let (one, two, three) = (light.url(), heavy.url(), spare.url());
    let gateway = Gateway::setup()
        .pool(
            "pool",
            "",
            &[
                ("light", &one, "priority = 0\nweight = 1"),
                ("heavy", &two, "priority = 0\nweight = 3"),
                ("spare", &three, "priority = 1"),
            ],
        )
        .route("/x", "pool", "")
        .start()
        .await;
    let mut client = gateway.client().await;
    for _ in 0..400 {
        client
            .send("GET /x HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .answer("GET")
            .await
            .assert_ok("made");
    }
    let asked = asked(&[&light, &heavy, &spare]);
    // Six standard deviations.
    assert!((48..=152).contains(&asked[0]), "{asked:?}");
    assert_eq!((asked[0] + asked[1], asked[2]), (400, 0), "{asked:?}");
}

/// An outage is not made twice as large: beyond a share of the requests nothing is repeated.
#[tokio::test]
async fn not_everything_is_repeated() {
    let first = Origin::start(|_| html(503)).await;
    let second = Origin::start(|_| html(503)).await;
    let lines = "retry_percent = 10\nejection = { failures = 100000 }";
    let gateway = both(&first.url(), &second.url(), lines).route("/x", "pool", "").start().await;
    let began = Instant::now();
    let mut client = gateway.client().await;
    for _ in 0..500 {
        let answer = client.send("GET /x HTTP/1.1\r\nhost: a\r\n\r\n").await.answer("GET").await;
        assert_eq!(code(&answer, &gateway), code_of(&gateway, UpstreamKind::Overloaded));
    }
    let asked = asked(&[&first, &second]);
    // Ten a second, and a tenth of the requests; what the first ten seconds may give is there at once.
    let most = 100 + 50 + (began.elapsed().as_secs_f64() * 10.0) as usize + 10;
    assert_eq!(asked[0], 500);
    assert!((1..=most).contains(&asked[1]), "{asked:?}, {most} at most");
}

/// What hygiene takes out of an answer is evidence all the same.
#[tokio::test]
async fn fields_that_do_not_pass_are_read() {
    let origin = Origin::start(|_| {
        let fields = "x-ratelimit-reset-requests: 12s\r\nx-ratelimit-remaining-requests: 0\r\n";
        vec![Act::send(answer(429, fields, "{}"))]
    })
    .await;
    let gateway = Gateway::setup()
        .pool("pool", "profile = \"openai\"", &[("one", &origin.url(), "")])
        .route("/x", "pool", "")
        .start()
        .await;
    let answer = gateway.ask(post("/x", "{}")).await;
    assert_eq!(code(&answer, &gateway), code_of(&gateway, UpstreamKind::RateLimited));
    assert_eq!(answer.fields.one("retry-after"), Some("12"));
    assert_eq!(answer.fields.one("x-ratelimit-reset-requests"), None);
}

/// What was asked about work that has failed is an answer, which nobody else need give, and no reason to leave anybody out.
#[tokio::test]
async fn a_task_that_has_failed_is_final() {
    let failed = r#"{"id":"7","status":"failed","error":"out of memory"}"#;
    let first = Origin::start(move |_| support::origin::json(200, failed)).await;
    let second = Origin::start(|_| invalid(404)).await;
    let gateway = both(&first.url(), &second.url(), "profile = \"replicate\"")
        .route("/x", "pool", "")
        .start()
        .await;
    for _ in 0..8 {
        let answer = gateway.ask(get("/x")).await;
        assert_eq!(code(&answer, &gateway), code_of(&gateway, UpstreamKind::ProviderError));
    }
    // Work that was given and has failed may be paid for.
    let answer = gateway.ask(post("/x", "{}")).await;
    assert_eq!(code(&answer, &gateway), code_of(&gateway, UpstreamKind::ProviderError));
    assert_eq!(asked(&[&first, &second]), [9, 0]);
}

/// An HTTP/2 provider, frame by frame, that begins with no request: it answers each with these frames.
async fn refusing_in_http2(frames: fn(stream: [u8; 4]) -> Vec<u8>) -> std::net::SocketAddr {
    const PREFACE: usize = 24;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.write_all(b"\0\0\0\x04\0\0\0\0\0").await?;
                let mut preface = [0; PREFACE];
                stream.read_exact(&mut preface).await?;
                loop {
                    let mut head = [0; 9];
                    stream.read_exact(&mut head).await?;
                    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                    let mut payload = vec![0; length as usize];
                    stream.read_exact(&mut payload).await?;
                    let (kind, flags) = (head[3], head[4]);
                    match (kind, flags & 1) {
                        (1, _) => {
                            let id = [head[5], head[6], head[7], head[8]];
                            stream.write_all(&frames(id)).await?;
                        }
                        (4, 0) => stream.write_all(b"\0\0\0\x04\x01\0\0\0\0").await?,
                        _ => {}
                    }
                }
                #[expect(unreachable_code, reason = "says what the block gives")]
                Ok::<(), std::io::Error>(())
            });
        }
    });
    address
}

/// RFC 9113, section 8.7: what was refused, and what comes after the last stream of one who goes away, was not begun with.
#[tokio::test]
async fn what_an_http2_provider_has_not_begun_goes_elsewhere() {
    let refused: fn([u8; 4]) -> Vec<u8> =
        |id| [&b"\0\0\x04\x03\0"[..], &id, b"\0\0\0\x07"].concat();
    let going_away: fn([u8; 4]) -> Vec<u8> = |_| b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    let cancelled: fn([u8; 4]) -> Vec<u8> =
        |id| [&b"\0\0\x04\x03\0"[..], &id, b"\0\0\0\x08"].concat();
    for (name, frames, goes_on) in [
        ("refused", refused, true),
        ("going away", going_away, true),
        ("cancelled", cancelled, false),
    ] {
        let first = refusing_in_http2(frames).await;
        let second =
            support::http2::h2c_origin(|_| http::Response::new(support::http2::full("made"))).await;
        let lines = "http2 = \"always\"";
        let gateway = both(&format!("http://{first}"), &second.url(), lines)
            .route("/x", "pool", "")
            .start()
            .await;
        let answer = gateway.ask(post("/x", "{}")).await;
        if goes_on {
            answer.assert_ok("made");
        } else {
            let unreachable = code_of(&gateway, UpstreamKind::Unreachable);
            assert_eq!(code(&answer, &gateway), unreachable, "{name}");
        }
    }
}

/// Of a success to our own credential those fields pass that describe it, and those that are listed.
#[tokio::test]
async fn which_fields_of_a_success_pass() {
    let origin = Origin::start(|_| {
        let fields = "content-type: image/png\r\netag: \"1\"\r\nset-cookie: a=1\r\nx-image-width: 9\r\nx-cost: 3\r\n";
        vec![Act::send(answer(200, fields, "made"))]
    })
    .await;
    for (lines, want) in [
        ("", &["content-type: image/png", "etag: \"1\""][..]),
        (
            "response_headers = [\"X-Image-*\"]",
            &["content-type: image/png", "etag: \"1\"", "x-image-width: 9"],
        ),
    ] {
        let gateway = Gateway::setup()
            .pool("pool", lines, &[("one", &origin.url(), "")])
            .route("/x", "pool", "")
            .start()
            .await;
        let answer = gateway.ask(get("/x")).await;
        answer.assert_ok("made");
        let ours = ["x-request-id", "date", "content-length", "connection"];
        assert_eq!(answer.fields.without(&ours), want, "{lines}");
    }
}

/// Whoever cuts a stream off within its last event gets no silent end.
#[tokio::test]
async fn a_stream_that_ends_within_an_event() {
    let events = "data: {\"id\":\"1\"}\n\ndata: {\"id\":\"1\",\"cho";
    let origin = Origin::start(move |_| {
        vec![Act::send(answer(200, "content-type: text/event-stream\r\n", events))]
    })
    .await;
    let gateway = Gateway::setup()
        .pool("pool", "profile = \"openai\"", &[("one", &origin.url(), "")])
        .route("/x", "pool", "")
        .start()
        .await;
    let answer = gateway.ask(post("/x", "{}")).await;
    let events = answer.events();
    let [_, last] = events.as_slice() else { panic!("{events:?}") };
    let entry = support::assert_event(last, &gateway.catalog);
    assert!(entry.faults().contains(&Kind::Upstream(UpstreamKind::Incomplete)), "{last}");
}
