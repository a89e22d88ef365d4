//! The alerts and the dashboard: a gateway that runs has every number, label and word that they ask for.

use super::{read, yaml};
use crate::support::{
    Act, Gateway, Origin, Version,
    client::Ask,
    gateway::Directory,
    metrics::Metrics,
    origin::{answer, json},
};
use serde_json::Value;
use std::collections::BTreeSet;

/// What is asked of one number, as in `name{label="value"}`.
#[derive(Debug)]
struct Selector {
    name: String,
    /// The label, how it is compared, and with what.
    matchers: Vec<(String, String, String)>,
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The numbers that an expression of PromQL asks for, as far as ours make use of it, and the labels that it groups them by.
fn understand(expression: &str) -> (Vec<Selector>, BTreeSet<String>) {
    let (mut selectors, mut groups) = (Vec::new(), BTreeSet::new());
    let mut rest = expression;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        let word = &rest[start..];
        let (word, behind) = word.split_at(word.find(|c| !is_of_a_name(c)).unwrap_or(word.len()));
        rest = behind;
        if word == "by" {
            let (labels, behind) =
                behind.trim_start().strip_prefix('(').unwrap().split_once(')').unwrap();
            groups.extend(labels.split(',').map(|label| label.trim().to_owned()));
            rest = behind;
        } else if word.starts_with("tollgate_") || word.starts_with("http_server_") {
            let mut matchers = Vec::new();
            if let Some(inside) = behind.strip_prefix('{') {
                let (inside, behind) = inside.split_once('}').unwrap();
                for matcher in inside.split(',').map(str::trim) {
                    let (label, rest) =
                        matcher.split_at(matcher.find(|c| !is_of_a_name(c)).unwrap());
                    let (operator, value) = rest.split_once('"').unwrap();
                    let value = value.strip_suffix('"').unwrap();
                    matchers.push((label.to_owned(), operator.to_owned(), value.to_owned()));
                }
                rest = behind;
            }
            selectors.push(Selector { name: word.to_owned(), matchers });
        } else if let Some(behind) = behind.strip_prefix('(') {
            // A function; what is inside comes next.
            rest = behind;
        }
    }
    (selectors, groups)
}

#[test]
fn expressions_are_understood() {
    let (selectors, groups) =
        understand("sum by (a, b) (rate(tollgate_x{c=\"d\", e!~\"f|g\"}[5m])) / tollgate_y > 0.1");
    let found: Vec<_> = selectors.iter().map(|of| (&*of.name, of.matchers.len())).collect();
    assert_eq!(found, [("tollgate_x", 2), ("tollgate_y", 0)]);
    assert_eq!(selectors[0].matchers[1], ("e".into(), "!~".into(), "f|g".into()));
    assert_eq!(groups, ["a", "b"].map(str::to_owned).into());
}

/// A gateway with everything that is counted, at which things have gone well and wrong.
async fn gateway() -> (Gateway, [Origin; 2]) {
    let origin = Origin::start(|request| match &*request.target {
        "/odd" => vec![Act::send(answer(418, "content-type: text/plain\r\n", "short and stout"))],
        "/bad" => json(500, "{}"),
        _ => json(200, r#"{"id":"1"}"#),
    })
    .await;
    // A credential that is refused is not tried again.
    let refusing = Origin::start(|_| json(401, "{}")).await;
    let directory = Directory::default();
    let key = directory.key(&["--account", "acme"]);
    directory.pay_in("acme", "1");
    let secret = "0123456789abcdef0123456789abcdef";
    let gateway = Gateway::setup()
        .tables("[auth]\n[[limit]]\nname = \"all\"\nkey = \"route\"\nrate = \"9/s\"")
        .tables(&format!(
            "[callbacks]\nurl = \"https://api.example.com/callbacks\"\nsecrets = [\"{secret}\"]\n\
             [profile.mine]\nextends = \"generic\"\n\
             work = {{ at = \"/status\", succeeded = \"done\", failed = \"failed\" }}"
        ))
        .tables("[[route]]\npath = \"/callbacks/{token}\"\nauth = \"none\"\nserve = \"callback\"")
        .upstream("images", &origin.url(), "profile = \"mine\"")
        .upstream("refusing", &refusing.url(), "")
        .upstream_with("unset", "http://unset.test", "", "credential = { bearer = \"${NOT_SET}\" }")
        .route("/paid", "images", "method = \"POST\"\nprice = \"0.01\"\nlimits = [\"all\"]")
        .route(
            "/tasks",
            "images",
            "method = \"POST\"\nschema = '{\"properties\":{\"hook\":{\"type\":\"string\"}}}'\nprice = \"0.01\"\ntask = { id_in_answer = \"/id\" }\ncallback = { url_in_body = \"/hook\" }",
        )
        .route("/tasks/{id}", "images", "method = \"GET\"\ntask = { id_in_path = \"id\" }")
        .route("/refusing", "refusing", "")
        .route("/unset", "unset", "")
        .route("/{*rest}", "images", "")
        .env("TOLLGATE_STORE", &directory.store())
        .secret(&key)
        .secret(secret)
        .start()
        .await;
    for path in ["/paid", "/bad", "/odd", "/refusing", "/unset", "/x"] {
        let method = if path == "/paid" { "POST" } else { "GET" };
        let ask = Ask::new(Version::Http1, method, path);
        gateway.ask(ask.field("authorization", &format!("Bearer {key}"))).await;
    }
    (gateway, [origin, refusing])
}

/// Every expression with where it stands, and what is made of the labels of its result.
fn expressions() -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for document in yaml(&read("deploy/prometheus/alerts.yaml")) {
        for group in document["groups"].as_array().unwrap() {
            for rule in group["rules"].as_array().unwrap() {
                let annotations = rule["annotations"].to_string();
                found.push((text(&rule["alert"]), text(&rule["expr"]), annotations));
            }
        }
    }
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/dashboard.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            found.push((
                text(&panel["title"]),
                text(&target["expr"]),
                target["legendFormat"].to_string(),
            ));
        }
    }
    found
}

/// The labels that a text shows: `{{ $labels.x }}` of an alert, `{{x}}` of a legend.
fn shown(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).map(|piece| {
        let name = piece.split("}}").next().unwrap().trim();
        name.strip_prefix("$labels.").unwrap_or(name)
    })
}

/// What Prometheus adds by itself.
const ADDED: [&str; 2] = ["instance", "le"];
/// Of what there is no gateway here: one with a certificate.
const ELSEWHERE: &str = "tollgate_certificate_expiry_timestamp_seconds";

fn assert_there(metrics: &Metrics, place: &str, selector: &Selector, groups: &BTreeSet<String>) {
    let Selector { name, matchers } = selector;
    if name == ELSEWHERE {
        return;
    }
    assert!(metrics.of(name, &[]).next().is_some(), "{place}: there is no {name}");
    let labels = matchers.iter().map(|(label, ..)| label).chain(groups);
    for label in labels.filter(|label| !ADDED.contains(&&***label)) {
        let wanted = format!("{label}=\"");
        let all = metrics.of(name, &[]).all(|(series, _)| series.contains(&wanted));
        assert!(all, "{place}: {name} has no {label}");
    }
    let exact = matchers.iter().filter(|(_, operator, _)| operator == "=");
    let exact: Vec<_> = exact.map(|(label, _, value)| format!("{label}=\"{value}\"")).collect();
    let exact: Vec<_> = exact.iter().map(String::as_str).collect();
    assert!(
        metrics.of(name, &exact).next().is_some(),
        "{place}: {name} has nothing with {exact:?}"
    );
}

#[tokio::test]
async fn what_alerts_and_dashboard_ask_for_is_there() {
    let (gateway, _origins) = gateway().await;
    let metrics = gateway.metrics_of(6).await;
    let expressions = expressions();
    assert!(expressions.len() > 20, "{expressions:#?}");
    for (place, expression, texts) in &expressions {
        let (selectors, groups) = understand(expression);
        assert!(!selectors.is_empty(), "{place}");
        for selector in &selectors {
            assert_there(&metrics, place, selector, &groups);
        }
        for label in shown(texts) {
            assert!(groups.contains(label), "{place}: what it says of {label} is lost");
        }
    }
    // What the most urgent ones wait for has happened here.
    let out = ["upstream=\"refusing\"", "state=\"out\""];
    assert_eq!(metrics.one("tollgate_endpoint_state", &out), 1.0);
    // Failures that no rule of a profile knows.
    let unmatched = |endpoint: &str| metrics.one("tollgate_unmatched_total", &[endpoint]);
    let endpoints = ["endpoint=\"images/1\"", "endpoint=\"refusing/1\""];
    assert_eq!(endpoints.map(unmatched), [2.0, 1.0]);
    let own = ["http_route=\"* /unset\"", "source=\"gateway\"", "code=\"500\""];
    assert_eq!(metrics.sum("tollgate_requests_total", &own), 1.0);
}
