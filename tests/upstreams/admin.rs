//! What the admin listener tells of the providers.

use super::*;
use support::{CREDENTIAL, origin::answer};

#[tokio::test]
async fn endpoints_and_how_they_are() {
    let refusing = Origin::start(|_| failure(401)).await;
    let good = Origin::ok("made").await;
    let (one, other) = (refusing.url(), good.url());
    let gateway = Gateway::setup()
        .pool(
            "images",
            "profile = \"openai\"",
            &[
                ("one", &one, ""),
                ("other", &other, "priority = 7\nweight = 2\nprofile = \"fal\""),
                ("third", &other, "priority = 7"),
            ],
        )
        .upstream_with("texts", "${TEXTS_URL}", "", "")
        .route("/x", "images", "")
        .route("/y", "texts", "")
        .start()
        .await;
    gateway.ask(post("/x", "{}")).await.assert_ok("made");
    let page = gateway.page("/endpoints").await;
    let upstreams = page["upstreams"].as_array().unwrap();
    assert_eq!(upstreams[0]["upstream"], "images");
    assert_eq!(upstreams[1], serde_json::json!({ "upstream": "texts", "state": "not configured" }));
    let [one, other, third] = upstreams[0]["endpoints"].as_array().unwrap().as_slice() else {
        panic!("{page}")
    };
    assert_eq!(
        (&one["endpoint"], &one["state"], &one["profile"]),
        (&"one".into(), &"out".into(), &"openai".into())
    );
    assert!(one["back_in_ms"].as_u64().is_some_and(|ms| ms <= 10_000), "{page}");
    assert_eq!(
        (&other["endpoint"], &other["state"], &other["profile"]),
        (&"other".into(), &"available".into(), &"fal".into())
    );
    assert_eq!(
        (&other["priority"], &other["weight"], &other["back_in_ms"]),
        (&7.into(), &2.into(), &Value::Null)
    );
    assert_eq!((&one["priority"], &third["weight"]), (&1.into(), &1.into()));
}

/// A failure that no rule knows is kept, so that somebody can write the rule; not so one that a rule knows.
#[tokio::test]
async fn failures_that_no_rule_knows() {
    let origin = Origin::start(|request| {
        let host = request.fields.one("host").unwrap();
        match &*request.target {
            "/known" => failure(402),
            "/good" => vec![Act::send(support::origin::ok("made"))],
            target => {
                let text = format!("teapot {target} of {CREDENTIAL} at http://{host}/pot");
                vec![Act::send(answer(418, "content-type: text/plain; charset=utf-8\r\n", &text))]
            }
        }
    })
    .await;
    let gateway =
        Gateway::setup().all_to(&origin.url(), "ejection = { failures = 1000 }").start().await;
    assert_eq!(gateway.page("/unmatched").await, serde_json::json!({ "counts": {}, "latest": [] }));
    for path in ["/known", "/good"] {
        gateway.ask(post(path, "{}")).await;
    }
    for number in 0..70 {
        let answer = gateway.ask(post(&format!("/{number}"), "{}")).await;
        assert_eq!(code(&answer, &gateway), code_of(&gateway, UpstreamKind::Unexpected));
    }
    let page = gateway.page("/unmatched").await;
    assert_eq!(page["counts"], serde_json::json!({ "provider/1": 70 }));
    let latest = page["latest"].as_array().unwrap();
    assert_eq!(latest.len(), 64);
    let newest = &latest[0];
    assert_eq!(newest["text"], "teapot /69 of […] at […]", "{newest}");
    assert_eq!((&newest["status"], &newest["profile"]), (&418.into(), &"generic".into()));
    assert_eq!(newest["endpoint"], "provider/1");
    assert!(newest["content_type"].as_str().unwrap().starts_with("text/plain"), "{newest}");
    assert_eq!(newest["taken_for"], Kind::Upstream(UpstreamKind::Unexpected).as_str());
    assert!(newest["at"].as_str().unwrap().starts_with("20"), "{newest}");
}
