//! Which trace a request belongs to, and what a collector is told of it: over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[cfg(feature = "otlp")]
#[path = "traces/export.rs"]
mod export;
mod support;

use support::{Gateway, Origin, Setup, Version, client::Ask};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
/// What a client that records sends.
const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const STATE: &str = "rojo=00f067aa0ba902b7";

fn ask(version: Version, id: &str, fields: &[(&str, &str)]) -> Ask {
    let ask = Ask::new(version, "GET", "/x").field("x-request-id", id);
    fields.iter().fold(ask, |ask, (name, value)| ask.field(name, value))
}

/// `traceparent` and `tracestate`, as the provider has got them the last time.
fn told(origin: &Origin) -> [Vec<String>; 2] {
    let fields = origin.last_request().fields;
    ["traceparent", "tracestate"]
        .map(|name| fields.all(name).into_iter().map(str::to_owned).collect())
}

/// The trace of a `traceparent` that is one of ours: valid, and nobody records.
#[track_caller]
fn made(traceparent: &[String]) -> String {
    let [value] = traceparent else { panic!("{traceparent:?}") };
    let parts: Vec<_> = value.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { panic!("{value}") };
    let are_digits = |text: &str| text.bytes().all(|b| b"0123456789abcdef".contains(&b));
    assert!(are_digits(trace) && are_digits(span), "{value}");
    assert_eq!((version, trace.len(), span.len(), flags), ("00", 32, 16, "02"), "{value}");
    trace.to_owned()
}

async fn start(tables: &str, server: &str, origin: &Origin) -> Gateway {
    let setup: Setup = Gateway::setup().server(server).tables(tables);
    setup.all_to(&origin.url(), "").start().await
}

#[tokio::test]
async fn a_trace_is_continued_or_begun() {
    let origin = Origin::ok("yes").await;
    let gateway = start("", "", &origin).await;
    let upper = SENT.to_uppercase();
    let nobody = format!("00-{}-b7ad6b7169203331-01", "0".repeat(32));
    let later = format!("42{}-and-more", &SENT[2..]);
    let table: &[(&[&str], bool)] = &[
        (&[SENT], true),
        (&[&later], true),
        (&[], false),
        (&[SENT, SENT], false),
        (&[&upper], false),
        (&[&nobody], false),
        (&["00-1-2-3"], false),
    ];
    for version in Version::BOTH {
        for (i, (sent, continued)) in table.iter().enumerate() {
            let id = format!("request-{i}-{version:?}");
            let mut fields: Vec<_> = sent.iter().map(|value| ("traceparent", *value)).collect();
            fields.push(("tracestate", STATE));
            gateway.ask(ask(version, &id, &fields)).await.assert_ok("yes");
            let [parent, state] = told(&origin);
            let trace = gateway.request_line(&id).await["trace_id"].as_str().unwrap().to_owned();
            match continued {
                true => {
                    assert_eq!(
                        (&*parent, &*state),
                        (&[sent[0].to_owned()][..], &[STATE.to_owned()][..])
                    );
                    assert_eq!(trace, TRACE, "{sent:?}");
                }
                false => {
                    assert_eq!(made(&parent), trace, "{sent:?}");
                    assert_ne!(trace, TRACE, "{sent:?}");
                    assert!(state.is_empty(), "{sent:?}: {state:?}");
                }
            }
        }
    }
}

/// The line of a request that no provider has seen has it too.
#[tokio::test]
async fn refusals_have_a_trace() {
    let origin = Origin::ok("yes").await;
    let gateway =
        Gateway::setup().upstream("a", &origin.url(), "").route("/a", "a", "").start().await;
    let ask = ask(Version::Http1, "lost", &[("traceparent", SENT)]);
    assert_eq!(gateway.ask(ask).await.status, 404);
    assert_eq!(gateway.request_line("lost").await["trace_id"], TRACE);
}

#[tokio::test]
async fn providers_need_not_be_told() {
    let origin = Origin::ok("yes").await;
    let gateway = start("[traces]\npropagate = false", "", &origin).await;
    for fields in [&[("traceparent", SENT), ("tracestate", STATE)][..], &[]] {
        gateway.ask(ask(Version::Http1, "quiet", fields)).await.assert_ok("yes");
        assert_eq!(told(&origin), [vec![], Vec::<String>::new()]);
    }
    assert!(gateway.request_line("quiet").await.get("trace_id").is_none());
}

#[tokio::test]
async fn whose_traces_are_continued() {
    let origin = Origin::ok("yes").await;
    for (from, server, continued) in [
        ("trusted", "trusted_proxies = [\"127.0.0.0/8\"]", true),
        ("trusted", "trusted_proxies = [\"10.0.0.0/8\"]", false),
        ("nobody", "trusted_proxies = [\"127.0.0.0/8\"]", false),
        ("anybody", "", true),
    ] {
        let gateway = start(&format!("[traces]\nfrom = \"{from}\""), server, &origin).await;
        let fields = [("traceparent", SENT), ("tracestate", STATE)];
        gateway.ask(ask(Version::Http1, "whose", &fields)).await.assert_ok("yes");
        let [parent, state] = told(&origin);
        assert_eq!(parent == [SENT], continued, "{from}, {server}");
        assert_eq!(state == [STATE], continued, "{from}, {server}");
        if !continued {
            assert_ne!(made(&parent), TRACE);
        }
    }
}
