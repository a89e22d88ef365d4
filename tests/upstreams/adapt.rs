//! What one endpoint wants otherwise than the others: another path, other names in a body.

use super::*;
use support::{Setup, gzip, origin::Received};

const SCHEMA: &str = r#"{
    "type": "object", "required": ["prompt"],
    "properties": { "prompt": { "type": "string" } }
}"#;

const ADAPT: &str = r#"
[[upstream.pool.endpoint.adapt]]
path = "/draw/{model}"
rewrite = "/api/{model}/run"
edit = [{ rename = "/size", to = "resolution" }, { set = "/source", value = "gate" }]
[[upstream.pool.endpoint.adapt]]
path = "/tasks/{id}"
rewrite = "/api/tasks/{id}"
"#;

fn both(first: &Origin, second: &Origin) -> Setup {
    let (first, second) = (first.url(), second.url());
    Gateway::setup()
        .pool("pool", "", &[("first", &first, ""), ("second", &second, ADAPT)])
        .file("any.json", SCHEMA)
}

fn body(received: &Received) -> &str {
    std::str::from_utf8(&received.body).unwrap()
}

#[tokio::test]
async fn each_endpoint_gets_what_it_wants() {
    let first = Origin::start(|_| html(503)).await;
    let second = Origin::ok("made").await;
    let gateway = both(&first, &second)
        .route(
            "/v1/{model}",
            "pool",
            "method = \"POST\"\nrewrite = \"/draw/{model}\"\nschema = \"any.json\"\n\
             [[route.edit]]\nremove = \"/user\"",
        )
        .route("/v1/tasks/{id}", "pool", "method = \"GET\"\nrewrite = \"/tasks/{id}\"")
        .route("/other", "pool", "method = \"POST\"\nschema = \"any.json\"")
        .start()
        .await;
    for version in Version::BOTH {
        let sent = r#"{"user": "u", "size": "4K",  "prompt": "a \u0063at", "n": 1e2}"#;
        let ask = post("/v1/fast%2D1?q=1", sent).field("content-digest", "sha-256=:AAAA:");
        gateway.ask(with(ask, version)).await.assert_ok("made");
        let received = first.last_request();
        assert_eq!(received.target, "/draw/fast%2D1?q=1");
        assert_eq!(body(&received), r#"{"size": "4K",  "prompt": "a \u0063at", "n": 1e2}"#);
        let received = second.last_request();
        assert_eq!(received.target, "/api/fast%2D1/run?q=1");
        let want = r#"{"resolution": "4K",  "prompt": "a \u0063at", "n": 1e2, "source": "gate"}"#;
        assert_eq!(body(&received), want);
        assert_eq!(received.fields.one("content-length"), Some(&*want.len().to_string()));
        assert_eq!(received.fields.one("content-digest"), None);

        gateway.ask(with(get("/v1/tasks/7?a"), version)).await.assert_ok("made");
        assert_eq!(second.last_request().target, "/api/tasks/7?a");

        // A path of which nothing is said, and a body without anything to edit.
        gateway
            .ask(with(post("/other", r#"{"prompt":"","size":1}"#), version))
            .await
            .assert_ok("made");
        assert_eq!(second.last_request().target, "/other");
        assert_eq!(body(&second.last_request()), r#"{"prompt":"","size":1}"#);
    }
}

#[tokio::test]
async fn of_compressed_bodies_what_they_mean_is_changed() {
    let (first, second) = (Origin::start(|_| html(503)).await, Origin::ok("made").await);
    let gateway = both(&first, &second)
        .route(
            "/draw/{model}",
            "pool",
            "method = \"POST\"\nschema = \"any.json\"\nbody = { content_encoding = \"decode\" }",
        )
        .start()
        .await;
    let zipped = gzip(br#"{"prompt":"x"}"#);
    let mut ask = post("/draw/m", "").field("content-encoding", "gzip");
    ask.body.clone_from(&zipped);
    gateway.ask(ask).await.assert_ok("made");
    let received = first.last_request();
    assert_eq!((&received.body, received.fields.one("content-encoding")), (&zipped, Some("gzip")));
    let received = second.last_request();
    assert_eq!(body(&received), r#"{"prompt":"x","source":"gate"}"#);
    assert_eq!(received.fields.one("content-encoding"), None);
}

/// What no edit can be made in is the caller's mistake, whoever would be asked first.
#[tokio::test]
async fn what_is_no_object_cannot_be_changed() {
    let first = Origin::start(|_| html(503)).await;
    let second = Origin::ok("made").await;
    let gateway = both(&first, &second)
        .file("list.json", r#"{"type":"array"}"#)
        .route("/draw/{model}", "pool", "method = \"POST\"\nschema = \"list.json\"")
        .start()
        .await;
    let answer = gateway.ask(post("/draw/m", "[1]")).await;
    assert_eq!(code(&answer, &gateway), entry_of(&gateway.catalog, Kind::NotAnObject).code());
    assert_eq!(asked(&[&first, &second]), [0, 0]);
}
