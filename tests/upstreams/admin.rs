//! What the admin listener tells of the providers.

use super::*;
use support::{CREDENTIAL, Client, gateway::run, origin::answer};

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

/// What is in effect, to the credentials; and the same from the file alone.
#[tokio::test]
async fn the_configuration_that_is_in_effect() {
    let environment = [
        ("IMAGES_URL", "https://images.example/v1"),
        ("PROVIDER_KEY", CREDENTIAL),
        ("TOKEN", "a token of ours"),
    ];
    let mut setup = Gateway::setup()
        .secret("a token of ours")
        .server("admin_token = \"${PROVIDER_KEY}\"")
        .upstream("images", "${IMAGES_URL}", "timeout = \"90s\"")
        .upstream("texts", "${TEXTS_URL}", "")
        .route("/x", "images", "edit = [{ set = \"/key\", value = \"${TOKEN}\" }]")
        .route("/y", "texts", "");
    for (name, value) in environment {
        setup = setup.env(name, value);
    }
    let file = setup.write();
    let gateway = setup.start().await;
    let mut client = Client::connect(gateway.admin.unwrap(), gateway.answers.clone()).await;
    let request =
        format!("GET /config HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {CREDENTIAL}\r\n\r\n");
    let answer = client.send(request).await.answer("GET").await;
    assert_eq!((answer.status, answer.fields.one("content-type")), (200, Some("application/json")));
    let page: Value = serde_json::from_slice(&answer.body).unwrap();
    let images = &page["upstream"]["images"];
    assert_eq!((&images["timeout"], &images["idle_timeout"]), (&"90s".into(), &"60s".into()));
    let endpoint = &images["endpoint"][0];
    // What a variable says of a path may be a token.
    assert_eq!(endpoint["url"], "https://images.example/[redacted]");
    assert_eq!(endpoint["credential"], serde_json::json!({ "bearer": "[redacted]" }));
    assert_eq!(page["upstream"]["texts"]["endpoint"][0]["url"], "${TEXTS_URL}");
    assert_eq!(page["server"]["admin_token"], "[redacted]");
    assert_eq!(page["route"][0]["edit"][0]["value"], "[redacted]");
    assert_eq!(page["route"][0]["body"]["max_bytes"], "1MiB");
    let file = file.to_str().unwrap();
    let (code, out, err) = run(&["check", file, "--show"], &environment);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("TEXTS_URL is not set"), "{err}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), page);
}
