//! Gateways that share callbacks: whoever made the task, any of them hears of its end, and one of them tells its owner.

use super::{PASSWORD, create, database, json, ok, text};
use crate::support::{Gateway, Origin, Version, client::Ask, origin, soon};
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const TABLES: &str = r#"
[auth]
accept = ["bearer"]
[profile.mine]
extends = "generic"
work = { at = "/status", succeeded = "succeeded", failed = "failed" }
[callbacks]
url = "https://api.example.com/callbacks"
secrets = ["a secret of at least 32 characters"]
allow = ["127.0.0.0/8"]
[[route]]
path = "/callbacks/{token}"
auth = "none"
serve = "callback"
"#;

async fn gateway(store: &str, origin: &Origin) -> Gateway {
    let generate = "method = \"POST\"\nschema = '{\"type\":\"object\"}'\nprice = \"0.01\"\ntask = { id_in_answer = \"/id\" }\n\
                    callback = { url_in_body = \"/hook\", result = \"result\" }";
    let result = "name = \"result\"\nmethod = \"GET\"\ntask = { id_in_path = \"id\" }";
    Gateway::setup()
        .tables(TABLES)
        .server(&format!("store = \"{store}\""))
        .secret(PASSWORD)
        .upstream("provider", &origin.url(), "profile = \"mine\"")
        .route("/tasks", "provider", generate)
        .route("/tasks/{id}", "provider", result)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_several_gateways_tells_the_owner_once() {
    const TASKS: usize = 20;
    let (_server, _, store) = database();
    let is_over = Arc::new(AtomicBool::new(false));
    let (state, made) = (is_over.clone(), std::sync::atomic::AtomicUsize::new(0));
    let origin = Origin::start(move |request| match &*request.method {
        "POST" => {
            let number = made.fetch_add(1, Ordering::Relaxed);
            origin::json(202, &format!(r#"{{"id":"t{number}"}}"#))
        }
        _ if state.load(Ordering::Relaxed) => origin::json(200, r#"{"status":"succeeded"}"#),
        _ => origin::json(200, r#"{"status":"running"}"#),
    })
    .await;
    let receiver = Origin::ok("{}").await;
    let (_, key) = create(&store);
    ok(&store, &["balance", "add", "acme", "1", "--open"]);
    let (first, second) = tokio::join!(gateway(&store, &origin), gateway(&store, &origin));
    let mut paths = Vec::new();
    for _ in 0..TASKS {
        let mut ask = Ask::new(Version::Http1, "POST", "/tasks")
            .field("content-type", "application/json")
            .field("authorization", &format!("Bearer {key}"));
        ask.body = format!(r#"{{"hook":"{}/"}}"#, receiver.url()).into_bytes();
        assert_eq!(first.ask(ask).await.status, 202);
        let body: Value = serde_json::from_slice(&origin.last_request().body).unwrap();
        let url = body["hook"].as_str().unwrap().to_owned();
        paths.push(url.strip_prefix("https://api.example.com").unwrap().to_owned());
    }
    is_over.store(true, Ordering::Relaxed);
    // A provider may call more than once, and here and there.
    for path in &paths {
        for gateway in [&second, &first] {
            assert_eq!(gateway.ask(Ask::new(Version::Http1, "POST", path)).await.status, 200);
        }
    }
    soon("the end of all", async {
        let delivered = ["callbacks", "list", "--state", "delivered"];
        while json(&store, &delivered).as_array().unwrap().len() < TASKS {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let mut told: Vec<_> = receiver
        .requests()
        .iter()
        .map(|request| request.fields.one("x-webhook-id").unwrap().to_owned())
        .collect();
    told.sort();
    told.dedup();
    assert_eq!((told.len(), receiver.requests().len()), (TASKS, TASKS));
    assert_eq!(text(&json(&store, &["balance", "show", "acme"])["available"]), "0.80");
    ok(&store, &["ledger", "verify"]);
}
