//! `examples/apistor.toml` in front of a provider that speaks Grsai's protocol: every row of the contract that says
//! `upstream_`, by a request of its own.

use super::*;
use std::time::{Duration, Instant};
use support::{
    CREDENTIAL, Events, Refusing, assert_event,
    gateway::Directory,
    origin::{EVENTS, LAST_CHUNK, answer, chunk, events, json},
};

const GENERATE: &str = "/api/v1/images/nanobanana/generate";
const RESULT: &str = "/api/v1/images/nanobanana/result";

/// The example in front of this URL, and a caller's key.
async fn example(url: &str, timeout_ms: &str) -> (Gateway, String) {
    let directory = Directory::default();
    let key = directory.key(&["--account", "acme"]);
    directory.pay_in("acme", "25");
    let environment =
        [("GRSAI_BASE_URL", url), ("GRSAI_API_KEY", CREDENTIAL), ("GRSAI_TIMEOUT_MS", timeout_ms)];
    let host = url.strip_prefix("http://").unwrap_or(url);
    let secrets = [&*key, host];
    (Gateway::example("apistor.toml", directory, &environment, &secrets).await, key)
}

fn generate(key: &str) -> Ask {
    post(GENERATE, r#"{"model":"nanobanano-2","prompt":"a cat"}"#).field("x-api-key", key)
}

/// Has the provider take on a task with this id, which it finds in a field.
async fn make(gateway: &Gateway, key: &str, id: &str) {
    let body = r#"{"model":"nanobanano-2","prompt":"a cat","webHook":"-1"}"#;
    let ask = post(GENERATE, body).field("x-api-key", key).field("x-task", id);
    gateway.ask(ask).await.assert_ok(&accepted(id));
}

fn accepted(id: &str) -> String {
    format!(r#"{{"code":0,"msg":"success","data":{{"id":"{id}"}}}}"#)
}

fn result(key: &str, id: &str) -> Ask {
    post(RESULT, &format!(r#"{{"id":"{id}"}}"#)).field("x-api-key", key)
}

/// A task object of the provider.
fn task(status: &str, reason: &str, error: &str) -> String {
    format!(
        r#"{{"id":"f44bcf50","results":[],"progress":35,"status":"{status}","failure_reason":"{reason}","error":"{error}"}}"#
    )
}

const SUCCEEDED: &str = r#"{"id":"f44bcf50","results":[{"url":"https://img.example/1.png","content":"a cat"}],"progress":100,"status":"succeeded","failure_reason":"","error":""}"#;

/// A refusal in a 200.
fn refused(code: i32, words: &str) -> Vec<Act> {
    json(200, &format!(r#"{{"code":{code},"data":null,"msg":"{words}"}}"#))
}

fn stream_of(events: &[&str]) -> Vec<Act> {
    vec![Act::send(support::origin::events(events))]
}

/// The reasons for which a task fails: failure_reason, error, code and status.
const FAILED: &[(&str, &str, &str, u16)] = &[
    ("input_moderation", "", "upstream_input_moderation", 422),
    ("output_moderation", "", "upstream_output_moderation", 422),
    ("error", "Invalid input parameters", "upstream_invalid_request", 400),
    ("error", "gemini timeout... Please try again later", "upstream_timeout", 504),
    ("error", "apikey credits not enough", "upstream_provider_error", 502),
    ("error", "PROVIDER-INTERNAL-7f3a91 has no GPU", "upstream_provider_error", 502),
];

/// Every other row: a name, what the provider does, code and status.
type Row = (&'static str, fn() -> Vec<Act>, &'static str, u16);

const GENERATE_ROWS: &[Row] = &[
    ("insufficient", || refused(-1, "insufficient credits"), "upstream_provider_error", 502),
    ("credits", || refused(-1, "apikey credits not enough"), "upstream_provider_error", 502),
    (
        "credits-400",
        || json(400, r#"{"status":"failed","error":"apikey credits not enough"}"#),
        "upstream_provider_error",
        502,
    ),
    ("key", || refused(-1, "invalid apikey"), "upstream_auth_failed", 502),
    ("status-401", || failure(401), "upstream_auth_failed", 502),
    ("status-403", || html(403), "upstream_auth_failed", 502),
    ("limit", || refused(-1, "rate limit"), "upstream_rate_limited", 429),
    ("status-429", || html(429), "upstream_rate_limited", 429),
    ("status-402", || failure(402), "upstream_provider_error", 502),
    ("status-400", || invalid(400), "upstream_invalid_request", 400),
    ("status-422", || html(422), "upstream_invalid_request", 400),
    ("status-500", || html(500), "upstream_provider_error", 502),
    ("status-502", || html(502), "upstream_provider_error", 502),
    ("status-503", || html(503), "upstream_provider_error", 502),
    ("status-504", || html(504), "upstream_timeout", 504),
    ("page-200", || html(200), "upstream_error_status", 502),
    ("status-418", || html(418), "upstream_error_status", 502),
    ("nothing", || refused(0, "success"), "upstream_error_status", 502),
    (
        "half",
        || json(200, r#"{"code":0,"msg":"success","data":{"id":"f4"#),
        "upstream_error_status",
        502,
    ),
    (
        "cut-off",
        || {
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
            vec![Act::send(head), Act::Fin]
        },
        "upstream_error_status",
        502,
    ),
    ("garbage", || vec![Act::send("SSH-2.0-dropbear\r\n"), Act::Fin], "upstream_error_status", 502),
    ("hangs-up", || vec![Act::Fin], "upstream_unreachable", 502),
    ("resets", || vec![Act::Reset], "upstream_unreachable", 502),
    (
        "silent-stream",
        || vec![Act::send([EVENTS, LAST_CHUNK].concat())],
        "upstream_error_status",
        502,
    ),
    (
        "no-image",
        || stream_of(&[&SUCCEEDED.replace("https://img.example/1.png", "")]),
        "upstream_output_moderation",
        422,
    ),
];

#[tokio::test]
async fn what_generate_answers_when_the_provider_fails() {
    let origin = Origin::start(|request| {
        let name = request.fields.one("x-row").unwrap();
        match name.strip_prefix("failed-") {
            Some(number) => {
                let (reason, error, ..) = FAILED[number.parse::<usize>().unwrap()];
                stream_of(&[&task("failed", reason, error)])
            }
            None => GENERATE_ROWS.iter().find(|row| row.0 == name).unwrap().1(),
        }
    })
    .await;
    let (gateway, key) = example(&origin.url(), "60000").await;
    let rows =
        GENERATE_ROWS.iter().map(|(name, _, code, status)| ((*name).to_owned(), *code, *status));
    let failed = FAILED.iter().enumerate();
    let failed =
        failed.map(|(number, (.., code, status))| (format!("failed-{number}"), *code, *status));
    let mut wrong = Vec::new();
    let rows: Vec<_> = rows.chain(failed).collect();
    for (name, want, status) in &rows {
        for version in Version::BOTH {
            let answer = gateway.ask(with(generate(&key).field("x-row", name), version)).await;
            let got = (code(&answer, &gateway), answer.status);
            if got != ((*want).to_owned(), *status) {
                wrong.push(format!("{name} {version:?}: {got:?} in place of {want} {status}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Nothing of it was sent twice: there is one provider.
    assert_eq!(origin.requests().len(), 2 * rows.len());
}

#[tokio::test]
async fn what_result_answers_when_the_provider_fails() {
    let origin = Origin::start(|request| {
        if let Some(id) = request.fields.one("x-task") {
            return json(200, &accepted(id));
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let id = body["id"].as_str().unwrap();
        let of_data =
            |data: &str| json(200, &format!(r#"{{"code":0,"msg":"success","data":{data}}}"#));
        match id.strip_prefix("failed-") {
            Some(number) => {
                let (reason, error, ..) = FAILED[number.parse::<usize>().unwrap()];
                of_data(&task("failed", reason, error))
            }
            None if id == "running" => of_data(&task("running", "", "")),
            None if id == "done" => of_data(SUCCEEDED),
            None => refused(-22, "task not found"),
        }
    })
    .await;
    let (gateway, key) = example(&origin.url(), "60000").await;
    for (number, (_, _, want, status)) in FAILED.iter().enumerate() {
        let id = format!("failed-{number}");
        make(&gateway, &key, &id).await;
        let answer = gateway.ask(result(&key, &id)).await;
        assert_eq!((&*code(&answer, &gateway), answer.status), (*want, *status), "{number}");
    }
    make(&gateway, &key, "unknown").await;
    // One that the provider does not know, and one that nobody has made: the caller learns as much of both.
    for id in ["unknown", "unmade"] {
        let answer = gateway.ask(result(&key, id)).await;
        assert_eq!((&*code(&answer, &gateway), answer.status), ("upstream_task_not_found", 404));
        assert_eq!(message(&answer), "There is no task with this id.");
    }
    for (id, data) in [("running", &*task("running", "", "")), ("done", SUCCEEDED)] {
        make(&gateway, &key, id).await;
        let answer = gateway.ask(result(&key, id)).await;
        answer.assert_ok(&format!(r#"{{"code":0,"msg":"success","data":{data}}}"#));
    }
}

#[tokio::test]
async fn what_an_accepted_task_answers() {
    let accepted = accepted("f44bcf50-1");
    let script = accepted.clone();
    let origin = Origin::start(move |_| json(200, &script)).await;
    let (gateway, key) = example(&origin.url(), "60000").await;
    let body = r#"{"model":"nanobanano-2-2k","prompt":"a cat","webHook":"-1"}"#;
    let answer = gateway.ask(post(GENERATE, body).field("x-api-key", &key)).await;
    answer.assert_ok(&accepted);
    let sent: Value = serde_json::from_slice(&origin.only_request().body).unwrap();
    assert_eq!((&sent["model"], &sent["imageSize"]), (&"nano-banana-2".into(), &"2K".into()));
}

#[tokio::test]
async fn what_a_stream_that_fails_midway_ends_with() {
    let running = task("running", "", "");
    let script = running.clone();
    let origin = Origin::start(move |request| {
        let name = request.fields.one("x-row").unwrap();
        let begun: Vec<u8> = EVENTS.bytes().chain(chunk(format!("data: {script}\n\n"))).collect();
        match name {
            "cut-off" => vec![Act::send(begun), Act::Fin],
            "reset" => vec![Act::send(begun), Act::Reset],
            "within-an-event" => {
                vec![Act::send([&*begun, &chunk("data: {\"id\"")].concat()), Act::Fin]
            }
            "garbage" => vec![Act::send([&*begun, b"zz\r\n"].concat()), Act::Hold],
            "succeeds" => stream_of(&[&script, SUCCEEDED]),
            number => {
                let (reason, error, ..) = FAILED[number.parse::<usize>().unwrap()];
                stream_of(&[&script, &task("failed", reason, error)])
            }
        }
    })
    .await;
    let (gateway, key) = example(&origin.url(), "60000").await;
    let failed = FAILED.iter().enumerate();
    let failed = failed.map(|(number, (.., code, _))| (number.to_string(), *code));
    let broken = ["cut-off", "reset", "within-an-event", "garbage"]
        .map(|name| (name.to_owned(), "upstream_error_status"));
    for (name, want) in failed.chain(broken) {
        for version in Version::BOTH {
            let ask = with(generate(&key).field("x-row", &name), version);
            let answer = gateway.ask(ask).await;
            assert_eq!(answer.status, 200);
            let events = answer.events();
            assert_eq!(events.len(), 2, "{name}: {}", answer.text());
            assert_eq!(events[0], format!("data: {running}\n\n"));
            assert_eq!(
                assert_event(events[1], &gateway.catalog).code(),
                want,
                "{name} {version:?}"
            );
            // The operator learns of it too.
            let id = answer.fields.one("x-request-id").unwrap();
            let line = gateway
                .logged(|l| l["message"] == "the answer failed on its way" && l["request_id"] == id)
                .await;
            assert!(line["fault"].as_str().unwrap().starts_with("upstream_"), "{line}");
        }
    }
    let answer = gateway.ask(generate(&key).field("x-row", "succeeds")).await;
    assert_eq!(
        answer.body,
        [format!("data: {running}\n\ndata: {SUCCEEDED}\n\n").as_bytes()].concat()
    );
}

#[tokio::test]
async fn nobody_there() {
    let refusing = Refusing::default();
    let (gateway, key) = example(&refusing.url(), "60000").await;
    let answer = gateway.ask(generate(&key)).await;
    assert_eq!((&*code(&answer, &gateway), answer.status), ("upstream_unreachable", 502));
}

#[tokio::test]
async fn silence_until_the_timeout() {
    let origin = Origin::start(|request| match request.fields.one("x-row").unwrap() {
        "begun" => vec![
            Act::send(
                [EVENTS.as_bytes(), &chunk(format!("data: {}\n\n", task("running", "", "")))]
                    .concat(),
            ),
            Act::Hold,
        ],
        _ => vec![Act::Hold],
    })
    .await;
    let (gateway, key) = example(&origin.url(), "300").await;
    let began = Instant::now();
    let answer = gateway.ask(generate(&key).field("x-row", "silent")).await;
    assert_eq!((&*code(&answer, &gateway), answer.status), ("upstream_timeout", 504));
    assert!(began.elapsed() >= Duration::from_millis(300));
    let mut stream = Events::open(&gateway, generate(&key).field("x-row", "begun")).await;
    assert!(stream.next().await.unwrap().starts_with("data: "));
    let last = stream.next().await.unwrap();
    assert_eq!(assert_event(&last, &gateway.catalog).code(), "upstream_timeout");
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn not_configured() {
    let directory = Directory::default();
    let key = directory.key(&["--account", "acme"]);
    let origin = Origin::ok("never").await;
    let environment = [("GRSAI_BASE_URL", &*origin.url())];
    let gateway = Gateway::example("apistor.toml", directory, &environment, &[&key]).await;
    let answer = gateway.ask(generate(&key)).await;
    assert_eq!((&*code(&answer, &gateway), answer.status), ("missing_grsai_api_key", 500));
    assert_eq!(origin.connection_count(), 0);
}

/// What the provider says of its own state never reaches a caller; a wait that it asks for does.
#[tokio::test]
async fn a_wait_is_passed_on() {
    let origin = Origin::start(|_| {
        let body = format!(r#"{{"code":-1,"data":null,"msg":"rate limit"}}<!-- {MARKER} -->"#);
        let fields = "content-type: application/json\r\nretry-after: 7\r\nx-ratelimit-limit: 5\r\n";
        vec![Act::send(answer(429, fields, &body))]
    })
    .await;
    let (gateway, key) = example(&origin.url(), "60000").await;
    let answer = gateway.ask(generate(&key)).await;
    assert_eq!((&*code(&answer, &gateway), answer.status), ("upstream_rate_limited", 429));
    assert_eq!(answer.fields.one("retry-after"), Some("7"));
    assert!(!answer.fields.has("x-ratelimit-limit"));
}

/// A stream in which there is nothing wrong is not touched.
#[tokio::test]
async fn a_stream_passes_byte_for_byte() {
    let whole = events(&[&task("running", "", ""), SUCCEEDED]);
    let begin = EVENTS.len();
    let script = whole.clone();
    let origin = Origin::start(move |_| vec![Act::send(script.clone())]).await;
    let (gateway, key) = example(&origin.url(), "60000").await;
    let answer = gateway.ask(generate(&key)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.fields.one("content-type"), Some("text/event-stream"));
    let sent = String::from_utf8(whole[begin..].to_vec()).unwrap();
    for event in answer.events() {
        assert!(sent.contains(event), "{event}");
    }
    assert_eq!(answer.events().len(), 2);
}
