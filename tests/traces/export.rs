//! What a collector gets.

use super::*;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use prost::Message as _;
use std::time::{Duration, Instant};
use support::{Act, Refusing, origin::json, soon};

const TOKEN: &str = "otlp-token-55c1";
const INTERNAL: i32 = SpanKind::Internal as i32;
const SERVER: i32 = SpanKind::Server as i32;
const CLIENT: i32 = SpanKind::Client as i32;

/// A collector that takes everything.
async fn collector() -> Origin {
    Origin::start(|_| vec![Act::send(answer(200, "content-type: application/x-protobuf\r\n", ""))])
        .await
}

use support::origin::answer;

/// A gateway that records, with lines of `[traces]`.
fn recording(collector: &str, lines: &str) -> Setup {
    let authority = collector.trim_start_matches("http://").to_owned();
    Gateway::setup()
        .tables(&format!(
            "[traces]\nendpoint = \"{collector}\"\ncredential = {{ bearer = \"${{OTLP_TOKEN}}\" }}\n{lines}"
        ))
        .env("OTLP_TOKEN", TOKEN)
        .secret(TOKEN)
        .secret(&authority)
}

/// Ends the gateway, in good order.
async fn end(mut gateway: Gateway) {
    gateway.signal("TERM");
    assert!(gateway.exited().await.success(), "{}", gateway.stderr());
}

/// Every span that the collector has got, in the order in which they began.
fn spans(collector: &Origin) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for request in collector.requests() {
        assert_eq!((&*request.method, &*request.target), ("POST", "/v1/traces"));
        assert_eq!(request.fields.one("content-type"), Some("application/x-protobuf"));
        assert_eq!(request.fields.one("authorization"), Some(&*format!("Bearer {TOKEN}")));
        let sent = ExportTraceServiceRequest::decode(&*request.body).unwrap();
        for resource in sent.resource_spans {
            let attributes = &resource.resource.as_ref().unwrap().attributes;
            assert_eq!(find(attributes, "service.name").as_deref(), Some("tollgate"));
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    spans.sort_by_key(|span| span.start_time_unix_nano);
    spans
}

fn find(attributes: &[KeyValue], key: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{key}: {other:?}"),
    }
}

#[track_caller]
fn assert_attributes(span: &Span, want: &[(&str, Option<&str>)]) {
    for (key, value) in want {
        assert_eq!(find(&span.attributes, key).as_deref(), *value, "{key}: {span:#?}");
    }
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The one of this kind.
#[track_caller]
fn only(spans: &[Span], kind: i32) -> &Span {
    let mut found = spans.iter().filter(|span| span.kind == kind);
    let (Some(one), None) = (found.next(), found.next()) else { panic!("{spans:#?}") };
    one
}

#[tokio::test]
async fn a_request_with_two_tries() {
    let collector = collector().await;
    let (first, second) = (Origin::start(|_| json(503, "{}")).await, Origin::ok("made").await);
    let gateway = recording(&collector.url(), "")
        .pool("images", "", &[("primary", &first.url(), ""), ("backup", &second.url(), "")])
        .route("/v1/{*rest}", "images", "name = \"pictures\"")
        .start()
        .await;
    let ask = Ask::new(Version::Http1, "GET", "/v1/secret-path?secret-query")
        .field("x-request-id", "twice")
        .field("traceparent", SENT)
        .field("tracestate", STATE);
    gateway.ask(ask).await.assert_ok("made");
    assert_eq!(gateway.request_line("twice").await["trace_id"], TRACE);
    end(gateway).await;
    let spans = spans(&collector);
    let server = only(&spans, SERVER);
    assert_eq!(hex(&server.parent_span_id), "b7ad6b7169203331");
    assert_eq!(server.name, "GET /v1/{*rest}");
    assert!(!is_error(server));
    assert_attributes(
        server,
        &[
            ("http.request.method", Some("GET")),
            ("http.route", Some("/v1/{*rest}")),
            ("http.response.status_code", Some("200")),
            ("http.response.body.size", Some("4")),
            ("url.scheme", Some("http")),
            ("network.protocol.version", Some("1.1")),
            ("tollgate.route", Some("pictures")),
            ("tollgate.request_id", Some("twice")),
            ("error.type", None),
        ],
    );
    let tries: Vec<_> = spans.iter().filter(|span| span.kind == CLIENT).collect();
    let [refused, delivered] = tries[..] else { panic!("{spans:#?}") };
    assert_eq!((&*refused.name, &*delivered.name), ("GET images/primary", "GET images/backup"));
    assert_attributes(
        refused,
        &[
            ("tollgate.upstream", Some("images")),
            ("tollgate.endpoint", Some("primary")),
            ("tollgate.outcome", Some("refused")),
            ("http.response.status_code", Some("503")),
            ("http.request.resend_count", None),
            ("error.type", Some("upstream_overloaded")),
        ],
    );
    assert_attributes(
        delivered,
        &[
            ("tollgate.outcome", Some("delivered")),
            ("http.response.status_code", Some("200")),
            ("http.request.resend_count", Some("1")),
            ("error.type", None),
        ],
    );
    assert!(is_error(refused) && !is_error(delivered));
    for (span, origin) in [(refused, &first), (delivered, &second)] {
        assert_eq!(hex(&span.trace_id), TRACE);
        assert_eq!(span.parent_span_id, server.span_id);
        assert!(server.start_time_unix_nano <= span.start_time_unix_nano);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        assert!(span.end_time_unix_nano <= server.end_time_unix_nano);
        // The provider is told which span asks it.
        let [parent, state] = told(origin);
        assert_eq!(parent, [format!("00-{TRACE}-{}-01", hex(&span.span_id))]);
        assert_eq!(state, [STATE]);
    }
    let all = collector.raw();
    assert!(!all.contains("secret-path") && !all.contains("secret-query"));
    for origin in [&first, &second] {
        assert!(!all.contains(&origin.address.to_string()));
    }
}

/// While it runs, spans are sent by and by.
#[tokio::test]
async fn spans_need_not_wait_for_the_end() {
    let (collector, origin) = (collector().await, Origin::ok("yes").await);
    let gateway = recording(&collector.url(), "")
        .env("OTEL_BSP_SCHEDULE_DELAY", "20")
        .all_to(&origin.url(), "")
        .start()
        .await;
    for requests in 1..=2 {
        gateway.get("/x").await.assert_ok("yes");
        let servers =
            |collector: &Origin| spans(collector).iter().filter(|span| span.kind == SERVER).count();
        collector.until("its span", |collector| servers(collector) == requests).await;
    }
    let spans = spans(&collector);
    assert!(spans.iter().all(|span| span.kind != SERVER || span.parent_span_id.is_empty()));
    let [parent, _] = told(&origin);
    assert!(parent[0].ends_with("-03"), "{parent:?}");
}

#[tokio::test]
async fn what_is_not_recorded() {
    let (collector, origin) = (collector().await, Origin::ok("yes").await);
    let unrecorded = SENT.replace("-01", "-00");
    for (lines, fields) in [
        ("sample = 1.0", &[("traceparent", &*unrecorded)][..]),
        ("sample = 0.0", &[]),
        ("sample = 0\nfrom = \"nobody\"", &[("traceparent", SENT)]),
    ] {
        let gateway = recording(&collector.url(), lines).all_to(&origin.url(), "").start().await;
        gateway.ask(ask(Version::Http2, "unseen", fields)).await.assert_ok("yes");
        let line = gateway.request_line("unseen").await;
        let [parent, _] = told(&origin);
        match lines.contains("1.0") {
            true => assert_eq!(
                (&*parent, &line["trace_id"]),
                (&[unrecorded.clone()][..], &TRACE.into())
            ),
            false => assert_eq!(made(&parent), line["trace_id"]),
        }
        end(gateway).await;
    }
    assert_eq!(collector.requests().len(), 0);
}

/// What ends a request before a provider is asked, and what makes it wait, has a span of its own.
#[tokio::test]
async fn what_is_in_the_way() {
    let (collector, origin) = (collector().await, Origin::ok("yes").await);
    let gateway = recording(&collector.url(), "propagate = false")
        .tables("[[limit]]\nname = \"one\"\nkey = \"route\"\nrate = \"1/h\"\nburst = 1")
        .upstream("a", &origin.url(), "")
        .file("any.json", "{}")
        .route("/limited", "a", "name = \"limited\"\nlimits = [\"one\"]")
        .route("/checked", "a", "name = \"checked\"\nmethod = \"POST\"\nschema = \"any.json\"")
        .start()
        .await;
    let limited = || Ask::new(Version::Http1, "GET", "/limited").field("traceparent", SENT);
    assert_eq!(gateway.ask(limited()).await.status, 200);
    assert_eq!(gateway.ask(limited()).await.status, 429);
    let mut client = gateway.client().await;
    client
        .send("POST /checked HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        .await;
    // Somebody reads the body now.
    soon("the question", client.wire.until("100 Continue\r\n\r\n")).await.unwrap();
    let waited = Duration::from_millis(2);
    tokio::time::sleep(waited).await;
    assert_eq!(client.send("{}").await.answer("POST").await.status, 200);
    assert!(told(&origin)[0].is_empty());
    drop(client);
    end(gateway).await;
    let spans = spans(&collector);
    let server = |status: &str, route: &str| {
        let is_it = |span: &&Span| {
            span.kind == SERVER
                && find(&span.attributes, "http.response.status_code").as_deref() == Some(status)
                && find(&span.attributes, "tollgate.route").as_deref() == Some(route)
        };
        spans.iter().find(is_it).unwrap()
    };
    let within = |server: &Span, kind: i32, name: &str| {
        let is_it = |span: &&Span| {
            span.parent_span_id == server.span_id && span.kind == kind && span.name.contains(name)
        };
        spans.iter().find(is_it).cloned()
    };
    let refused = server("429", "limited");
    // The caller's doing is no failure of the server's.
    assert!(!is_error(refused));
    assert_attributes(refused, &[("tollgate.fault", Some("rate_limited")), ("error.type", None)]);
    assert!(within(refused, CLIENT, "").is_none());
    let limit = within(refused, INTERNAL, "limit").unwrap();
    assert_attributes(&limit, &[("error.type", Some("rate_limited"))]);
    let checked = server("200", "checked");
    let validate = within(checked, INTERNAL, "validate").unwrap();
    let took = validate.end_time_unix_nano - validate.start_time_unix_nano;
    assert!(u128::from(took) >= waited.as_nanos() && !is_error(&validate), "{took}");
    assert!(within(checked, CLIENT, "POST a/").is_some());
}

/// Who leaves, and what breaks off.
#[tokio::test]
async fn what_does_not_come_to_its_end() {
    let collector = collector().await;
    let origin = Origin::start(|request| match &*request.target {
        "/half" => {
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345";
            vec![Act::send(head), Act::Hold]
        }
        _ => vec![Act::Hold],
    })
    .await;
    let gateway = recording(&collector.url(), "").all_to(&origin.url(), "").start().await;
    for (path, said) in [("/half", "request"), ("/silent", "no answer")] {
        let mut client = gateway.client().await;
        client.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        if path == "/half" {
            soon("the beginning", client.wire.until("12345")).await.unwrap();
        }
        let is_it =
            |origin: &Origin| origin.requests().last().is_some_and(|last| last.target == path);
        origin.until("the request", is_it).await;
        drop(client);
        let is_it = |line: &serde_json::Value| {
            line["message"].as_str().is_some_and(|text| text.starts_with(said))
        };
        assert!(gateway.logged(is_it).await["trace_id"].is_string());
    }
    end(gateway).await;
    let spans = spans(&collector);
    let of = |kind: i32| -> Vec<_> {
        let of_kind = spans.iter().filter(|span| span.kind == kind);
        of_kind.map(|span| (is_error(span), find(&span.attributes, "error.type"))).collect()
    };
    let error = |kind: &str| (true, Some(kind.to_owned()));
    assert_eq!(of(SERVER), [error("broken_off"), error("cancelled")]);
    assert_eq!(of(CLIENT), [(false, None), error("cancelled")]);
}

/// Nothing waits for a collector: no request, and the end only for a moment.
#[tokio::test]
async fn a_collector_that_is_away() {
    let origin = Origin::ok("yes").await;
    let silent = Origin::start(|_| vec![Act::Hold]).await;
    let dead = Refusing::default();
    for url in [silent.url(), dead.url()] {
        let gateway = recording(&url, "").all_to(&origin.url(), "").start().await;
        for _ in 0..3 {
            gateway.get("/x").await.assert_ok("yes");
        }
        let asked = Instant::now();
        end(gateway).await;
        assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    }
}

#[tokio::test]
async fn a_collector_that_refuses() {
    let origin = Origin::ok("yes").await;
    let collector = Origin::start(|_| vec![Act::send(answer(401, "", support::MARKER))]).await;
    let gateway = recording(&collector.url(), "")
        .env("OTEL_BSP_SCHEDULE_DELAY", "20")
        .all_to(&origin.url(), "")
        .start()
        .await;
    gateway.get("/x").await.assert_ok("yes");
    let line = gateway
        .logged(|line| {
            line["message"].as_str().is_some_and(|text| text.starts_with("spans are lost"))
        })
        .await;
    assert_eq!((&line["level"], &line["reason"]), (&"WARN".into(), &"status 401".into()));
    assert!(line["refused"].as_u64().unwrap() >= 2 && line["full"] == 0, "{line}");
    end(gateway).await;
}

/// What goes for all programs goes for this one, where it is not told otherwise.
#[tokio::test]
async fn the_environment_says_where() {
    let (collector, origin) = (collector().await, Origin::ok("yes").await);
    let gateway = Gateway::setup()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())
        .env("OTEL_EXPORTER_OTLP_HEADERS", &format!("x-team={TOKEN}"))
        .env("OTEL_RESOURCE_ATTRIBUTES", "service.name=gate,deployment.environment.name=test")
        .secret(TOKEN)
        .all_to(&origin.url(), "")
        .start()
        .await;
    gateway.get("/x").await.assert_ok("yes");
    end(gateway).await;
    let request = collector.only_request();
    assert_eq!(request.target, "/v1/traces");
    assert_eq!(request.fields.one("x-team"), Some(TOKEN));
    let sent = ExportTraceServiceRequest::decode(&*request.body).unwrap();
    let attributes = &sent.resource_spans[0].resource.as_ref().unwrap().attributes;
    for (key, value) in [
        ("service.name", "gate"),
        ("deployment.environment.name", "test"),
        ("service.version", env!("CARGO_PKG_VERSION")),
    ] {
        assert_eq!(find(attributes, key).as_deref(), Some(value), "{attributes:?}");
    }
}
