//! What the admin listener counts, and what the access log says: over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeSet;
use support::{
    Act, Gateway, Origin, Version,
    client::Ask,
    gateway::Directory,
    origin::{answer, json},
    soon,
};

#[tokio::test]
async fn what_is_counted() {
    let origin = Origin::start(|request| match &*request.target {
        "/v1/bad" => json(500, "{}"),
        _ => json(200, r#"{"ok":true}"#),
    })
    .await;
    let directory = Directory::default();
    let key = directory.key(&["--account", "acme"]);
    directory.pay_in("acme", "0.015");
    let gateway = Gateway::setup()
        .tables("[auth]\n[[limit]]\nname = \"per-address\"\nkey = \"address\"\nrate = \"1/h\"\nburst = 8\n[[limit]]\nname = \"per-key\"\nkey = \"principal\"\nrate = \"1/h\"\nburst = 4")
        .upstream("images", &origin.url(), "")
        .route("/v1/{*rest}", "images", "name = \"images\"\nlimits = [\"per-address\", \"per-key\"]")
        .route("/paid", "images", "name = \"paid\"\nprice = \"0.01\"")
        .env("TOLLGATE_STORE", &directory.store())
        .secret(&key)
        .secret("secret-path")
        .start()
        .await;
    let ask = |path: &str, key: &str| {
        gateway.ask(
            Ask::new(Version::Http1, "GET", path).field("authorization", &format!("Bearer {key}")),
        )
    };
    let mut statuses = Vec::new();
    for (path, key) in [
        ("/v1/secret-path", &*key),
        ("/v1/a", &key),
        ("/v1/bad", &key),
        ("/v1/a", "nobody"),
        ("/v1/a", &key),
        ("/v1/a", &key),
        ("/nowhere/secret-path", &key),
        ("/paid", &key),
        ("/paid", &key),
    ] {
        statuses.push(ask(path, key).await.status);
    }
    assert_eq!(statuses, [200, 200, 502, 401, 200, 429, 404, 200, 402]);
    let all = gateway.metrics_of(9).await;
    let images = "http_route=\"images\"";
    for (name, labels, want) in [
        (
            "tollgate_requests_total",
            &[
                images,
                "http_response_status_code=\"200\"",
                "http_request_method=\"GET\"",
                "fault=\"\"",
            ][..],
            3.0,
        ),
        (
            "tollgate_requests_total",
            &[images, "fault=\"upstream_provider_error\"", "source=\"upstream\""],
            1.0,
        ),
        (
            "tollgate_requests_total",
            &[images, "fault=\"unknown_credential\"", "source=\"gateway\""],
            1.0,
        ),
        (
            "tollgate_requests_total",
            &[images, "http_response_status_code=\"401\"", "source=\"gateway\""],
            1.0,
        ),
        ("tollgate_requests_total", &["http_route=\"\"", "fault=\"no_route\""], 1.0),
        (
            "tollgate_requests_total",
            &["http_route=\"paid\"", "http_response_status_code=\"402\""],
            1.0,
        ),
        (
            "tollgate_limit_decisions_total",
            &["limit=\"per-address\"", "decision=\"admitted\""],
            6.0,
        ),
        ("tollgate_limit_decisions_total", &["limit=\"per-address\"", "decision=\"refused\""], 0.0),
        ("tollgate_limit_decisions_total", &["limit=\"per-key\"", "decision=\"admitted\""], 4.0),
        ("tollgate_limit_decisions_total", &["limit=\"per-key\"", "decision=\"refused\""], 1.0),
        ("tollgate_attempts_total", &["upstream=\"images\"", "outcome=\"delivered\""], 4.0),
        ("tollgate_attempts_total", &["upstream=\"images\"", "outcome=\"refused\""], 1.0),
        ("tollgate_ledger_operations_total", &["operation=\"held\""], 1.0),
        ("tollgate_ledger_operations_total", &["operation=\"settled\""], 1.0),
        ("tollgate_ledger_operations_total", &["operation=\"insufficient_balance\""], 1.0),
        ("tollgate_held_micros_total", &[], 10_000.0),
        ("tollgate_provider_duration_seconds_count", &[images], 4.0),
        ("tollgate_own_duration_seconds_count", &[], 9.0),
        ("tollgate_store_up", &["store=\"ledger\""], 1.0),
        ("tollgate_store_up", &["store=\"keys\""], 1.0),
        ("tollgate_endpoint_state", &["upstream=\"images\"", "state=\"available\""], 1.0),
        ("tollgate_endpoint_state", &["upstream=\"images\"", "state=\"out\""], 0.0),
        ("http_server_active_requests", &[], 0.0),
        ("tollgate_answers_broken_off_total", &[], 0.0),
        ("tollgate_build_info", &[env!("CARGO_PKG_VERSION")], 1.0),
    ] {
        assert_eq!(all.sum(name, labels), want, "{name} {labels:?}\n{all:#?}");
    }
    // Bounded by the configuration: nothing that a caller has made up is a label.
    for series in all.series() {
        assert!(!series.contains("nowhere") && !series.contains("acme"), "{series}");
    }
    let line = gateway
        .logged(|line| {
            line["message"] == "request" && line["route"] == "paid" && line["status"] == 200
        })
        .await;
    assert_eq!((&line["bytes"], &line["account"]), (&11.into(), &"acme".into()));
    assert!(line["provider_ms"].is_u64() && line["duration_ms"].is_u64(), "{line}");
    assert!(line.get("broken_off").is_none(), "{line}");
}

/// How a request came to its answer: over which endpoints, and what its provider calls it.
#[tokio::test]
async fn what_a_line_says_of_providers() {
    let refused = "content-type: application/json\r\nx-request-id: theirs-1\r\n";
    let first = Origin::start(move |_| vec![Act::send(answer(401, refused, "{}"))]).await;
    let fails = "content-type: application/json\r\nx-request-id: theirs-2\r\n";
    let second = Origin::start(move |request| match &*request.target {
        "/bad" => vec![Act::send(answer(500, fails, "{}"))],
        _ => json(200, "{}"),
    })
    .await;
    let endpoint = |name: &str, origin: &Origin| {
        format!("[[upstream.pool.endpoint]]\nname = \"{name}\"\nurl = \"{}\"\n", origin.url())
    };
    let pool = ["[upstream.pool]\n", &endpoint("first", &first), &endpoint("second", &second)];
    let gateway = Gateway::setup().tables(&pool.concat()).route("/{*rest}", "pool", "");
    let gateway = gateway.start().await;
    let line = async |path: &str| {
        let answer = gateway.get(path).await;
        gateway.request_line(answer.fields.one("x-request-id").unwrap()).await
    };
    let good = line("/good").await;
    let of_good = ["status", "attempts", "fault", "source", "provider_request_id"]
        .map(|name| good[name].to_string());
    let attempts = r#""first: refused (upstream_auth_failed), second: delivered""#;
    assert_eq!(of_good, ["200", attempts, "null", "null", "null"], "{good}");
    let bad = line("/bad").await;
    let of_bad = ["status", "attempts", "fault", "source", "provider_request_id"]
        .map(|name| bad[name].to_string());
    let attempts = r#""second: refused (upstream_provider_error)""#;
    assert_eq!(
        of_bad,
        ["502", attempts, "\"upstream_provider_error\"", "\"upstream\"", "\"theirs-2\""],
        "{bad}"
    );
    assert!(bad["reason"].as_str().is_some_and(|reason| reason.contains("500")), "{bad}");
}

/// A client that leaves in the middle.
#[tokio::test]
async fn what_does_not_come_to_its_end() {
    let origin = Origin::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345";
        vec![Act::send(head), Act::Hold]
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    client.send("GET /x HTTP/1.1\r\nhost: a\r\n\r\n").await;
    soon("the beginning", client.wire.until("12345")).await.unwrap();
    let all = gateway.metrics().await;
    assert_eq!(all.sum("http_server_active_requests", &[]), 1.0);
    assert_eq!(all.sum("tollgate_connections", &[]), 1.0);
    drop(client);
    let line = gateway.logged(|line| line["message"] == "request").await;
    assert_eq!((&line["broken_off"], &line["bytes"]), (&true.into(), &5.into()));
    let all = gateway.metrics().await;
    assert_eq!(all.sum("tollgate_answers_broken_off_total", &[]), 1.0);
    assert_eq!(all.sum("http_server_active_requests", &[]), 0.0);
}

/// What the README says of metrics is there, and nothing of what is there is unheard of in it. What dashboards and alerts ask for, see
/// `deploy/monitoring.rs`.
#[tokio::test]
async fn what_is_written_of_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::to(&origin).await;
    gateway.get("/x").await.assert_ok("yes");
    // The first one is an increase.
    assert_eq!(gateway.metrics().await.one("tollgate_unmatched_total", &[]), 0.0);
    let page = gateway.ask_admin("/metrics").await;
    let described: BTreeSet<&str> = page
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next())
        .collect();
    // Numbers that nothing has happened for yet have no lines at all.
    let source = read("src/metrics/names.rs");
    let known: BTreeSet<&str> = names(&source).collect();
    assert!(described.is_subset(&known), "{described:?}");
    assert!(described.len() > 10, "{described:?}");
    let readme = read("README.md");
    for name in names(&readme) {
        assert!(known.contains(name), "README.md: {name}");
    }
    for name in known {
        assert!(readme.contains(name), "README.md: {name}");
    }
}

/// Words that look like the name of a metric.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| {
        let ours = word.starts_with("tollgate_") || word.starts_with("http_server_");
        ours && word.len() > "http_server_".len()
    })
}
