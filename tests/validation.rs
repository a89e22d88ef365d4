//! What may be asked: bodies and parameters, by the shipped contracts and the real binary, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use std::sync::Arc;
use support::{
    Act, Answer, CREDENTIAL, Gateway, Origin, Setup, Version, assert_envelope, assert_fault,
    client::Ask,
    gateway::{Directory, run},
    gzip,
    origin::{answer, ok},
    soon,
};
use tokio::sync::{Notify, mpsc};
use tollgate::Kind;

const GENERATE: &str = "/api/v1/images/nanobanana/generate";
const RESULT: &str = "/api/v1/images/nanobanana/result";
/// What callers write into bodies. It must not come out, in whatever state the body is.
const SECRET: &str = "BODY-SECRET-51c0de";
const JSON: &str = "content-type: application/json\r\n";

/// A new key in the directory's store.
fn create(directory: &Directory) -> String {
    let store = directory.store();
    let arguments = ["keys", "create", "--account", "acme", "--store", &store, "--json"];
    let (code, out, err) = run(&arguments, &[]);
    assert_eq!(code, 0, "{err}");
    let made: Value = serde_json::from_str(&out).unwrap();
    made["key"].as_str().unwrap().to_owned()
}

async fn apistor(origin: &Origin) -> (Gateway, String) {
    let directory = Directory::default();
    let key = create(&directory);
    directory.pay_in("acme", "25");
    let environment = [("GRSAI_BASE_URL", &*origin.url()), ("GRSAI_API_KEY", CREDENTIAL)];
    let secrets = [&*key, SECRET];
    let gateway = Gateway::example("apistor.toml", directory, &environment, &secrets).await;
    (gateway, key)
}

async fn eggapi(origin: &Origin) -> (Gateway, String) {
    let directory = Directory::default();
    let key = create(&directory);
    directory.pay_in("acme", "25");
    let environment = [("EGGAPI_PRIMARY_URL", &*origin.url()), ("EGGAPI_PRIMARY_KEY", CREDENTIAL)];
    let secrets = [&*key, SECRET];
    let gateway = Gateway::example("eggapi.toml", directory, &environment, &secrets).await;
    (gateway, key)
}

fn post(version: Version, path: &str, body: impl AsRef<[u8]>) -> Ask {
    let mut ask =
        Ask::new(version, "POST", path).field("content-type", "application/json; charset=utf-8");
    ask.body = body.as_ref().to_vec();
    ask
}

/// Asks with a key, again where there were too many requests in this second.
async fn ask(gateway: &Gateway, key: &str, ask: Ask) -> Answer {
    let ask = ask.field("authorization", &format!("Bearer {key}"));
    soon("an answer that is not 429", async {
        loop {
            let answer = gateway.ask(ask.clone()).await;
            if answer.status != 429 {
                return answer;
            }
        }
    })
    .await
}

fn error(answer: &Answer) -> Value {
    let body: Value = serde_json::from_slice(&answer.body)
        .unwrap_or_else(|error| panic!("{error}: {}", answer.text()));
    body["error"].clone()
}

/// The code and the message of a failure whose envelope is as it should be.
#[track_caller]
fn refusal(gateway: &Gateway, answer: &Answer) -> (u16, String, String) {
    assert_envelope(answer, &gateway.catalog);
    let error = error(answer);
    let text = |name: &str| error[name].as_str().unwrap().to_owned();
    (answer.status, text("code"), text("message"))
}

/// Compares all rows before it complains.
fn assert_rows(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

#[tokio::test]
async fn apistor_has_a_code_for_every_cause() {
    let origin = Origin::ok("made").await;
    let (gateway, key) = apistor(&origin).await;

    let models = "model must be one of: nanobanano-2, nanobanano-2-2k, nanobanano-2-4k";
    let ratios =
        "aspectRatio must be one of: auto, 1:1, 16:9, 9:16, 4:3, 3:4, 3:2, 2:3, 5:4, 4:5, 21:9";
    let object = "The request body must be a JSON object.";
    let not_json = "The request body is not valid JSON.";
    let empty = "The request body is an empty object. Send the fields that this endpoint requires.";
    let with = |rest: &str| {
        format!(r#"{{"model":"nanobanano-2","prompt":"{SECRET}",{rest}}}"#).into_bytes()
    };
    let bytes = |text: &str| text.replace("SECRET", SECRET).into_bytes();
    let mut table: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        (GENERATE, with(r#""urls":"https://a.test/b""#), "invalid_urls", "urls must be an array"),
        (GENERATE, with(r#""urls":["a",5]"#), "invalid_urls", "urls[1] must be a string"),
        (GENERATE, with(r#""urls":[null]"#), "invalid_urls", "urls[0] must be a string"),
        (GENERATE, with(r#""urls":{}"#), "invalid_urls", "urls must be an array"),
        (GENERATE, with(r#""aspectRatio":"7:5""#), "invalid_aspect_ratio", ratios),
        (GENERATE, with(r#""aspectRatio":1"#), "invalid_aspect_ratio", ratios),
        (GENERATE, with(r#""aspectRatio":null"#), "invalid_aspect_ratio", ratios),
        (GENERATE, with(r#""webHook":-1"#), "invalid_webhook", "webHook must be a string"),
        (GENERATE, with(r#""webHook":[]"#), "invalid_webhook", "webHook must be a string"),
        (
            GENERATE,
            with(r#""shutProgress":"true""#),
            "invalid_shut_progress",
            "shutProgress must be true or false",
        ),
        (
            GENERATE,
            with(r#""shutProgress":1"#),
            "invalid_shut_progress",
            "shutProgress must be true or false",
        ),
        (
            GENERATE,
            b"{\"model\":\"nanobanano-2\",\"prompt\":\"\xff\"}".to_vec(),
            "invalid_json",
            not_json,
        ),
    ];
    for path in [GENERATE, RESULT] {
        for text in [
            "",
            " \r\n\t",
            "SECRET",
            "{",
            r#"{"prompt":"SECRET""#,
            r#"{"prompt":"SECRET"} x"#,
            r#"{"prompt":"SECRET"}{}"#,
            r#"{"prompt":"SECRET",}"#,
            r#"{"id":"a","id":"SECRET"}"#,
            r#"{"id":"a","\u0069d":"SECRET"}"#,
            r#"{"id":"a","x":[{"SECRET":1,"SECRET":2}]}"#,
            r#"{"id":NaN}"#,
            r#"{"id":Infinity}"#,
            r#"{'id':'SECRET'}"#,
            r#"{"id":"SECRET"} // mine"#,
            r#"{"id":"\ud800"}"#,
            "\u{feff}{}",
        ] {
            table.push((path, bytes(text), "invalid_json", not_json));
        }
        table.push((path, bytes("{}"), "invalid_json_body", empty));
        table.push((path, bytes(" { } "), "invalid_json_body", empty));
        for text in ["[]", r#"[{"id":"SECRET"}]"#, r#""SECRET""#, "null", "5", "true"] {
            table.push((path, bytes(text), "invalid_body", object));
        }
    }
    for (text, code, message) in [
        (r#"{"prompt":"SECRET"}"#, "invalid_model", "model is required"),
        (r#"{"other":"SECRET"}"#, "invalid_model", "model is required"),
        (r#"{"model":"SECRET","prompt":"a"}"#, "invalid_model", models),
        (r#"{"model":"nano-banana-2","prompt":"a"}"#, "invalid_model", models),
        (r#"{"model":5,"prompt":"a"}"#, "invalid_model", models),
        (r#"{"model":null,"prompt":"a"}"#, "invalid_model", models),
        // The order of the contract and not of the body.
        (r#"{"urls":5,"prompt":"","model":""}"#, "invalid_model", models),
        (r#"{"model":"nanobanano-2"}"#, "invalid_prompt", "prompt is required"),
        (r#"{"model":"nanobanano-2","prompt":""}"#, "invalid_prompt", "prompt must not be empty"),
        (r#"{"model":"nanobanano-2","prompt":5}"#, "invalid_prompt", "prompt must be a string"),
        (
            r#"{"model":"nanobanano-2","prompt":["SECRET"]}"#,
            "invalid_prompt",
            "prompt must be a string",
        ),
    ] {
        table.push((GENERATE, bytes(text), code, message));
    }
    for (text, message) in [
        (r#"{"task":"SECRET"}"#, "id is required"),
        (r#"{"id":""}"#, "id must not be empty"),
        (r#"{"id":5}"#, "id must be a string"),
        (r#"{"id":null}"#, "id must be a string"),
        (r#"{"id":["SECRET"]}"#, "id must be a string"),
    ] {
        table.push((RESULT, bytes(text), "invalid_id", message));
    }
    let mut wrong = Vec::new();
    for (path, body, code, message) in &table {
        for version in Version::BOTH {
            let answer = ask(&gateway, &key, post(version, path, body)).await;
            let row = format!("{version:?} {path} {:?}", String::from_utf8_lossy(body));
            if answer.status != 400 {
                wrong.push(format!("{row}: {} {}", answer.status, answer.text()));
                continue;
            }
            let got = refusal(&gateway, &answer);
            let docs = error(&answer)["docs_url"].as_str().unwrap().to_owned();
            if (&*got.1, &*got.2) != (code, message) || !docs.ends_with(&format!("#{code}")) {
                wrong.push(format!("{row}: {got:?} {docs}; not {code} {message}"));
            }
        }
    }
    let good = br#"{"model":"nanobanano-2","prompt":"a"}"#;
    for version in Version::BOTH {
        for media_type in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/json; charset=latin1"),
            Some("application/jsonx"),
        ] {
            let mut request = Ask::new(version, "POST", GENERATE);
            request.body = good.to_vec();
            if let Some(media_type) = media_type {
                request = request.field("content-type", media_type);
            }
            let answer = ask(&gateway, &key, request).await;
            let got = refusal(&gateway, &answer);
            if (got.0, &*got.1) != (415, "unsupported_media_type") {
                wrong.push(format!("{media_type:?}: {got:?}"));
            }
        }
    }
    assert_rows(&wrong);
    assert!(origin.requests().is_empty(), "{:?}", origin.requests());
}

#[tokio::test]
async fn apistor_sends_on_what_was_asked_with_the_providers_model() {
    let origin = Origin::start(|request| {
        let task = r#"{"code":0,"msg":"success","data":{"id":"f44bcf50-a"}}"#;
        match request.fields.has("x-task") {
            true => vec![Act::send(answer(200, JSON, task))],
            false => vec![Act::send(ok("made"))],
        }
    })
    .await;
    let (gateway, key) = apistor(&origin).await;
    let text = |model: &str, end: &str| {
        format!(
            "\r\n{{ \"prompt\" : \"caf\\u00e9 😀 {SECRET}\",\n\t\"model\":  \"{model}\" ,\"urls\":[ \
             \"https://a.test/b?c\" ,\"data:image/png;base64,AA==\"], \"aspectRatio\":\"21:9\", \"webHook\":\"-1\", \
             \"shutProgress\":true, \"n\": 1.0e0{end}}} \n"
        )
    };
    for (model, size) in
        [("nanobanano-2", "1K"), ("nanobanano-2-2k", "2K"), ("nanobanano-2-4k", "4K")]
    {
        let want = text("nano-banana-2", &format!(", \"imageSize\": \"{size}\""));
        for version in Version::BOTH {
            ask(&gateway, &key, post(version, GENERATE, text(model, ""))).await.assert_ok("made");
            let request = origin.last_request();
            assert_eq!(request.target, "/v1/draw/nano-banana");
            assert_eq!(String::from_utf8(request.body).unwrap(), want, "{version:?}");
            assert_eq!(request.fields.one("content-length"), Some(&*want.len().to_string()));
            assert_eq!(request.fields.one("content-type"), Some("application/json; charset=utf-8"));
        }
        // In pieces, in the middle of a character too.
        let whole = text(model, "");
        let mut client = gateway.client().await;
        let head = format!(
            "POST {GENERATE} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n{JSON}transfer-encoding: chunked\r\n\r\n"
        );
        client.send(&head).await;
        for piece in whole.as_bytes().chunks(7) {
            client
                .send(format!("{:x}\r\n", piece.len()))
                .await
                .send(piece)
                .await
                .send("\r\n")
                .await;
        }
        client.send("0\r\n\r\n").await.answer("POST").await.assert_ok("made");
        let request = origin.last_request();
        assert_eq!(String::from_utf8(request.body).unwrap(), want);
        let length = request.fields.one("content-length").map(str::to_owned);
        assert!(length.is_none_or(|length| length == want.len().to_string()));
    }
    // A member that the caller has put there does not stand beside ours; an escaped name is the name.
    let own = r#"{"imageSize":"8K","\u006dodel":"nanobanano-2-\u0034k","prompt":"a"}"#;
    ask(&gateway, &key, post(Version::Http1, GENERATE, own)).await.assert_ok("made");
    let body: Value = serde_json::from_slice(&origin.last_request().body).unwrap();
    assert_eq!(body, serde_json::json!({"imageSize":"4K","model":"nano-banana-2","prompt":"a"}));

    let task = post(Version::Http1, GENERATE, own).field("x-task", "1");
    assert_eq!(ask(&gateway, &key, task).await.status, 200);
    let result = " { \"id\" :\"f44bcf50-\\u0061\" , \"more\" : [ ] } ";
    ask(&gateway, &key, post(Version::Http1, RESULT, result)).await.assert_ok("made");
    let request = origin.last_request();
    assert_eq!((&*request.target, &*request.body), ("/v1/draw/result", result.as_bytes()));
    assert_eq!(request.fields.one("content-length"), Some(&*result.len().to_string()));
}

#[tokio::test]
async fn eggapi_names_the_field_in_the_message() {
    let origin = Origin::ok("{}").await;
    let (gateway, key) = eggapi(&origin).await;
    let with = |rest: &str| format!(r#"{{"model":"nanobanana","prompt":"{SECRET}",{rest}}}"#);
    let models = "model must be one of: nanobanana, nanobanana-pro";
    let url = |name: &str| format!("{name} must be a valid URL");
    let long = |name: &str, most: usize| {
        let text = "é".repeat(most + 1);
        (
            with(&format!(r#""{name}":"{text}""#)),
            format!("{name} must be at most {most} characters"),
        )
    };
    let mut table: Vec<(String, String)> = [
        (r#"{"prompt":"a"}"#, "model is required"),
        (r#"{"model":"SECRET","prompt":"a"}"#, models),
        (r#"{"model":1,"prompt":"a"}"#, models),
        (r#"{"model":"nanobanana"}"#, "prompt is required"),
        (r#"{"model":"nanobanana","prompt":""}"#, "prompt must not be empty"),
        (r#"{"model":"nanobanana","prompt":5}"#, "prompt must be a string"),
        (r#"{"model":"nanobanana","prompt":null}"#, "prompt must be a string"),
        ("{}", "The request body is an empty object, fields are required"),
        ("[]", "The request body must be a JSON object"),
        (r#""SECRET""#, "The request body must be a JSON object"),
        ("null", "The request body must be a JSON object"),
    ]
    .map(|(text, message)| (text.replace("SECRET", SECRET), message.to_owned()))
    .into();
    let sides = "must be between 256 and 2048";
    for (rest, message) in [
        (r#""negative_prompt":5"#, "negative_prompt must be a string".to_owned()),
        (r#""width":255"#, format!("width {sides}")),
        (r#""width":2049"#, format!("width {sides}")),
        (r#""width":256.5"#, "width must be an integer".to_owned()),
        (r#""width":"512""#, "width must be an integer".to_owned()),
        (r#""height":0"#, format!("height {sides}")),
        (r#""height":-1e300"#, format!("height {sides}")),
        (r#""height":null"#, "height must be an integer".to_owned()),
        (r#""num_outputs":0"#, "num_outputs must be between 1 and 4".to_owned()),
        (r#""num_outputs":5"#, "num_outputs must be between 1 and 4".to_owned()),
        (r#""num_outputs":18446744073709551616"#, "num_outputs must be between 1 and 4".to_owned()),
        (r#""duration":0"#, "duration must be between 1 and 60".to_owned()),
        (r#""duration":61"#, "duration must be between 1 and 60".to_owned()),
        (r#""aspect_ratio":"1:1""#, "aspect_ratio must be one of: 16:9, 9:16".to_owned()),
        (r#""resolution":"8k""#, "resolution must be one of: 1k, 2k, 4k".to_owned()),
        (r#""image_urls":"https://a.test""#, "image_urls must be an array".to_owned()),
        (r#""image_urls":["https://a.test/1","https://a.test/2","nowhere"]"#, url("image_urls[2]")),
        (r#""image_urls":["ftp://a.test/1"]"#, url("image_urls[0]")),
        (r#""image_urls":["https://a.test/1",5]"#, url("image_urls[1]")),
        (r#""image_urls":["https://a b"]"#, url("image_urls[0]")),
        (r#""webhook_url":"javascript:alert(1)""#, url("webhook_url")),
        (r#""webhook_url":"https://""#, url("webhook_url")),
        (r#""webhook_url":"""#, url("webhook_url")),
        (r#""webhook_url":7"#, url("webhook_url")),
    ] {
        table.push((with(rest), message));
    }
    table.push(long("negative_prompt", 1000));
    let prompt = "😀".repeat(2001);
    table.push((
        format!(r#"{{"model":"nanobanana","prompt":"{prompt}"}}"#),
        "prompt must be at most 2000 characters".to_owned(),
    ));
    let ten = [r#""https://a.test/""#; 10].join(",");
    table.push((
        with(&format!(r#""image_urls":[{ten}]"#)),
        "image_urls must have at most 9 items".to_owned(),
    ));
    let far = format!("https://a.test/{}", "x".repeat(2048));
    table.push((
        with(&format!(r#""webhook_url":"{far}""#)),
        "webhook_url must be at most 2048 characters".to_owned(),
    ));
    let mut wrong = Vec::new();
    for (body, message) in &table {
        for version in Version::BOTH {
            let answer = ask(&gateway, &key, post(version, "/v1/generate", body)).await;
            let got = (answer.status, error(&answer));
            if (got.0, got.1["code"].as_str(), got.1["message"].as_str())
                != (400, Some("VALIDATION_ERROR"), Some(message))
            {
                let start: String = body.chars().take(120).collect();
                wrong.push(format!("{version:?} {start}: {got:?}; not {message}"));
            } else {
                refusal(&gateway, &answer);
            }
        }
    }
    for body in
        ["", "  ", "SECRET", "{", "{} {}", r#"{"a":NaN}"#, r#"{"a":1,"a":2}"#, r#"{"a":1e999}"#]
    {
        let body = body.replace("SECRET", SECRET);
        let answer = ask(&gateway, &key, post(Version::Http1, "/v1/generate", &body)).await;
        let got = refusal(&gateway, &answer);
        let said = got.2.starts_with("The request body is not JSON: ");
        if (got.0, &*got.1, said) != (400, "VALIDATION_ERROR", true) {
            wrong.push(format!("{body}: {got:?}"));
        }
    }
    let mut plain = Ask::new(Version::Http1, "POST", "/v1/generate");
    plain = plain.field("content-type", "text/plain");
    let got = refusal(&gateway, &ask(&gateway, &key, plain).await);
    assert_eq!((got.0, &*got.1), (415, "UNSUPPORTED_MEDIA_TYPE"));

    for (path, message) in [
        ("/v1/tasks?page=0", "page must be at least 1"),
        ("/v1/tasks?page=-1", "page must be at least 1"),
        ("/v1/tasks?page=x", "page must be an integer"),
        ("/v1/tasks?page=", "page must be an integer"),
        ("/v1/tasks?page", "page must be an integer"),
        ("/v1/tasks?page=1.5", "page must be an integer"),
        ("/v1/tasks?per_page=0", "per_page must be between 1 and 100"),
        ("/v1/tasks?per_page=101", "per_page must be between 1 and 100"),
        ("/v1/tasks?page=1&per_page=1000", "per_page must be between 1 and 100"),
        ("/v1/tasks?page=1&page=2", "page is there more than once"),
        ("/v1/tasks?page=1&p%61ge=2", "page is there more than once"),
        ("/v1/tasks?page=%ff", "page is not UTF-8"),
        ("/v1/usage?page=0", "page must be at least 1"),
        ("/v1/tasks/bad%20id", "id must be the id of a task"),
        ("/v1/tasks/a%2Fb", "id must be the id of a task"),
        ("/v1/tasks/gen_1?id=gen_2", "id is there more than once"),
    ] {
        for version in Version::BOTH {
            let answer = ask(&gateway, &key, Ask::new(version, "GET", path)).await;
            let got = (answer.status, error(&answer));
            if (got.0, got.1["code"].as_str(), got.1["message"].as_str())
                != (400, Some("VALIDATION_ERROR"), Some(message))
            {
                wrong.push(format!("{version:?} {path}: {got:?}; not {message}"));
            }
        }
    }
    assert_rows(&wrong);
    assert!(origin.requests().is_empty(), "{:?}", origin.requests());
}

#[tokio::test]
async fn eggapi_lets_on_what_keeps_the_rules() {
    let origin = Origin::start(|_| vec![Act::send(answer(200, JSON, r#"{"id":"gen_1"}"#))]).await;
    let (gateway, key) = eggapi(&origin).await;
    let wrapped = r#"{"data":{"id":"gen_1"},"error":null}"#;
    let nine = [r#""HTTPS://a.test/b?c=d#e""#; 9].join(" , ");
    for body in [
        r#"{"model":"nanobanana","prompt":"a"}"#.to_owned(),
        format!(r#"{{"model":"nanobanana-pro","prompt":"{}"}}"#, "😀".repeat(2000)),
        format!(
            " {{ \"prompt\" : \"caf\\u00e9 {SECRET}\",\n\"model\":\t\"nanobanana\",\"negative_prompt\":\"\", \
             \"width\":256,\"height\":2048.0,\"num_outputs\":4,\"duration\":60,\"aspect_ratio\":\"9:16\", \
             \"resolution\":\"4k\",\"image_urls\":[{nine}],\"webhook_url\":\"http://b.test/\",\"extra\":{{}} }} "
        ),
    ] {
        for version in Version::BOTH {
            ask(&gateway, &key, post(version, "/v1/generate", &body)).await.assert_ok(wrapped);
            let request = origin.last_request();
            assert_eq!(String::from_utf8(request.body).unwrap(), body);
            assert_eq!(request.fields.one("content-length"), Some(&*body.len().to_string()));
            assert_eq!(request.target, "/v1/generate");
        }
    }
    for version in Version::BOTH {
        let path = "/v1/tasks/gen_1?page=0";
        ask(&gateway, &key, Ask::new(version, "GET", path)).await.assert_ok(wrapped);
        assert_eq!(origin.last_request().target, path);
    }
    let asked = origin.requests().len();
    for (path, page) in [
        ("/v1/tasks", Some((1, 20))),
        ("/v1/tasks?page=1&per_page=100", Some((1, 100))),
        ("/v1/tasks?per_page=1&p%61ge=2&other=a+b&&", Some((2, 1))),
        ("/v1/tasks?all", Some((1, 20))),
        ("/v1/usage?page=3", Some((3, 20))),
        ("/v1/usage/summary?page=x", None),
    ] {
        for version in Version::BOTH {
            let answer = ask(&gateway, &key, Ask::new(version, "GET", path)).await;
            assert_eq!(answer.status, 200, "{path}");
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            let pagination = &body["data"]["pagination"];
            let number = |name: &str| pagination[name].as_u64();
            assert_eq!(number("page").zip(number("per_page")), page, "{path}: {body}");
        }
    }
    assert_eq!(origin.requests().len(), asked, "the gateway answers these by itself");
}

const SCHEMA: &str = r#"{
  "type": "object",
  "required": ["prompt"],
  "properties": {
    "prompt": { "type": "string", "minLength": 1 },
    "width": { "type": "integer", "minimum": 256, "maximum": 2048 },
    "tags": { "type": "array", "items": { "type": "string" } }
  }
}"#;

/// A gateway whose route `/x` has a schema, and `/free` has none.
fn checked(origin: &Origin, server: &str, tables: &str) -> Setup {
    Gateway::setup()
        .server(server)
        .tables(tables)
        .file("schema.json", SCHEMA)
        .secret(SECRET)
        .upstream("provider", &origin.url(), "")
        .route("/x", "provider", "schema = \"schema.json\"")
        .route("/free", "provider", "")
}

fn head(path: &str, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: a\r\n{JSON}{fields}\r\n")
}

#[tokio::test]
async fn a_client_that_asks_first_sends_nothing_in_vain() {
    let origin = Origin::ok("made").await;
    let gateway = checked(&origin, "", "[body]\nmax_bytes = \"1KiB\"").start().await;
    for (fields, status) in [
        ("content-length: 1025\r\nexpect: 100-continue\r\n", "HTTP/1.1 413 "),
        ("content-length: 99999999999\r\nexpect: 100-continue\r\n", "HTTP/1.1 413 "),
        ("content-length: 0\r\nexpect: 100-continue\r\n", "HTTP/1.1 400 "),
        (
            "content-length: 10\r\ncontent-encoding: gzip\r\nexpect: 100-continue\r\n",
            "HTTP/1.1 415 ",
        ),
    ] {
        let mut client = gateway.client().await;
        client.send(head("/x", fields)).await;
        let line = soon("a first line", client.wire.until("\r\n")).await.unwrap();
        let line = String::from_utf8(line).unwrap();
        assert!(line.starts_with(status), "{fields}: {line}");
    }
    let mut client = gateway.client().await;
    let body = r#"{"prompt":"a"}"#;
    let fields = format!("content-length: {}\r\nexpect: 100-continue\r\n", body.len());
    client.send(head("/x", &fields)).await;
    let (line, _) = soon("100", client.wire.head()).await.unwrap().unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue");
    assert!(origin.requests().is_empty());
    client.send(body).await.answer("POST").await.assert_ok("made");
    assert_eq!(origin.only_request().body, body.as_bytes());
}

#[tokio::test]
async fn bodies_that_grow_too_long_come_too_slowly_or_break_off() {
    let origin = Origin::ok("made").await;
    let tables = "[body]\nmax_bytes = \"1KiB\"\ntimeout = \"300ms\"";
    let gateway = checked(&origin, "", tables).start().await;

    // Longer than it may be, which shows on the way only.
    let mut client = gateway.client().await;
    client.send(head("/x", "transfer-encoding: chunked\r\n")).await;
    client.send(chunk(&format!("{{\"prompt\":\"{SECRET}{}", "a".repeat(600)))).await;
    client.send(chunk(&"a".repeat(600))).await;
    let answer = client.answer("POST").await;
    assert_fault(&answer, &gateway.catalog, Kind::BodyTooLarge);
    assert_eq!(answer.status, 413);
    for version in Version::BOTH {
        let long = format!("{{\"prompt\":\"{}\"}}", "a".repeat(1024));
        let answer = gateway.ask(post(version, "/x", long)).await;
        assert_fault(&answer, &gateway.catalog, Kind::BodyTooLarge);
    }
    // To the byte.
    let most = format!("{{\"prompt\":\"{}\"}}", "a".repeat(1024 - 13));
    assert_eq!(most.len(), 1024);
    gateway.ask(post(Version::Http1, "/x", &most)).await.assert_ok("made");
    let count = origin.requests().len();

    // Too slow, whether it says how long it is or not.
    for (fields, start) in [
        ("content-length: 100\r\n", format!("{{\"prompt\":\"{SECRET}")),
        ("transfer-encoding: chunked\r\n", chunk(&format!("{{\"prompt\":\"{SECRET}"))),
        ("content-length: 100\r\n", String::new()),
    ] {
        let mut client = gateway.client().await;
        let answer = client.send(head("/x", fields)).await.send(start).await.answer("POST").await;
        assert_fault(&answer, &gateway.catalog, Kind::BodyTimeout);
        assert_eq!(answer.status, 408);
        let line = gateway.request_line(answer.fields.one("x-request-id").unwrap()).await;
        assert_eq!(line["fault"], "body_timeout", "{line}");
    }

    // Broken off: with the end of the client's side, and with the connection.
    for fields in ["content-length: 100\r\n", "transfer-encoding: chunked\r\n"] {
        let mut client = gateway.client().await;
        let start = match fields.starts_with('c') {
            true => format!("{{\"prompt\":\"{SECRET}\"}}"),
            false => chunk(&format!("{{\"prompt\":\"{SECRET}\"}}")),
        };
        client.send(head("/x", fields)).await.send(&start).await.finish().await;
        if let Ok(answer) = client.try_answer("POST").await {
            assert_fault(&answer, &gateway.catalog, Kind::BodyIncomplete);
        }
        let mut client = gateway.client().await;
        client.send(head("/x", fields)).await.send(&start).await;
        drop(client);
        gateway.ask(post(Version::Http1, "/x", r#"{"prompt":"next"}"#)).await.assert_ok("made");
    }
    let requests = origin.requests();
    assert_eq!(requests.len(), count + 2, "{requests:?}");
    assert!(!origin.raw().contains(SECRET));
}

#[tokio::test]
async fn memory_for_bodies_has_an_end_and_comes_back() {
    const MIB: usize = 1 << 20;
    let origin = Origin::ok("made").await;
    let server = "workers = 1\nmax_buffered_bytes = \"8224KiB\"";
    let gateway = checked(&origin, server, "").start().await;
    let buffered = async || gateway.metrics().await.one("tollgate_buffered_bytes", &[]);
    let body = format!("{{\"prompt\":\"{}\"}}", "a".repeat(MIB - 13));
    assert_eq!(body.len(), MIB);
    let request = head("/x", &format!("content-length: {MIB}\r\n")) + &body;
    let request: Arc<str> = request.into();

    for round in 0..2 {
        let (sender, mut answers) = mpsc::unbounded_channel();
        let mut tasks = Vec::new();
        for _ in 0..40 {
            let mut client = gateway.client().await;
            let (sender, request) = (sender.clone(), request.clone());
            tasks.push(tokio::spawn(async move {
                client.send(&request[..request.len() - 1]).await;
                let answer = client.try_answer("POST").await;
                let _ = sender.send(answer);
            }));
        }
        for _ in 0..32 {
            let answer = soon("a refusal", answers.recv()).await.unwrap().unwrap();
            assert_fault(&answer, &gateway.catalog, Kind::Overloaded);
            assert_eq!(answer.status, 503);
        }
        // The other eight have all there is: a mebibyte each, and 4 KiB for what is in it.
        let answer = gateway.ask(post(Version::Http1, "/x", &body)).await;
        assert_fault(&answer, &gateway.catalog, Kind::Overloaded);
        let line = gateway.request_line(answer.fields.one("x-request-id").unwrap()).await;
        assert_eq!(line["fault"], "overloaded", "{line}");
        assert_eq!(buffered().await, 8.0 * (MIB + 4096) as f64);
        assert!(answers.try_recv().is_err(), "more than 32 refusals");
        // What is not read whole is not concerned.
        gateway.ask(post(Version::Http1, "/free", &body)).await.assert_ok("made");
        assert_eq!(origin.requests().len(), 2 * round + 1);

        for task in tasks {
            task.abort();
        }
        soon("the memory", async {
            while gateway.ask(post(Version::Http1, "/x", &body)).await.status != 200 {}
        })
        .await;
        assert_eq!(origin.last_request().body.len(), MIB);
        soon("all of it", async { while buffered().await > 0.0 {} }).await;
    }
}

#[tokio::test]
async fn compressed_bodies_are_checked_and_sent_on_as_they_came() {
    let origin = Origin::ok("made").await;
    let tables = "[body]\ncontent_encoding = \"decode\"\nmax_decoded_bytes = \"4KiB\"";
    let gateway = checked(&origin, "", tables).start().await;
    let coded =
        |version, text: &str| post(version, "/x", gzip(text)).field("content-encoding", "gzip");
    let good = format!("{{ \"prompt\" : \"caf\\u00e9 {SECRET}\"}}");
    for version in Version::BOTH {
        gateway.ask(coded(version, &good)).await.assert_ok("made");
        let request = origin.last_request();
        assert_eq!(request.body, gzip(&good));
        assert_eq!(request.fields.all("content-encoding"), ["gzip"]);
        assert_eq!(request.fields.one("content-length"), Some(&*gzip(&good).len().to_string()));
    }
    let count = origin.requests().len();
    let answer = gateway.ask(coded(Version::Http1, r#"{"prompt":5}"#)).await;
    assert_fault(&answer, &gateway.catalog, Kind::Violation);
    assert_eq!(error(&answer)["message"], "prompt must be a string");
    let answer = gateway.ask(coded(Version::Http1, "{")).await;
    assert_fault(&answer, &gateway.catalog, Kind::InvalidJson);
    // A bomb.
    let bomb = format!("{{\"prompt\":\"{}\"}}", "a".repeat(10 << 20));
    let answer = gateway.ask(coded(Version::Http1, &bomb)).await;
    assert_fault(&answer, &gateway.catalog, Kind::BodyTooLarge);
    // Not what it says, and not all of it.
    let short = gzip(&good);
    for body in [good.as_bytes(), &short[..short.len() - 9], &[&*short, b"x"].concat()] {
        let ask = post(Version::Http1, "/x", body).field("content-encoding", "gzip");
        let answer = gateway.ask(ask).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_envelope(&answer, &gateway.catalog);
    }
    let ask = post(Version::Http1, "/x", &good).field("content-encoding", "x-secret");
    let answer = gateway.ask(ask).await;
    assert_fault(&answer, &gateway.catalog, Kind::UnsupportedMediaType);
    assert_eq!(answer.fields.one("accept-encoding"), Some("gzip, br, zstd, deflate"));
    assert_eq!(origin.requests().len(), count);

    let gateway = checked(&origin, "", "").start().await;
    for version in Version::BOTH {
        let answer = gateway.ask(coded(version, &good)).await;
        assert_fault(&answer, &gateway.catalog, Kind::UnsupportedMediaType);
        assert_eq!(answer.status, 415);
        assert_eq!(answer.fields.one("accept-encoding"), Some("identity"));
    }
    assert_eq!(origin.requests().len(), count);
}

#[tokio::test]
async fn all_violations_for_those_who_ask() {
    let origin = Origin::ok("made").await;
    let gateway = checked(&origin, "", "[body]\nviolations = \"on-request\"").start().await;
    let bad = r#"{"width":1,"tags":["a",2,"c",4]}"#;
    for version in Version::BOTH {
        for path in ["/x?all", "/x?a=b&all", "/x?all&all"] {
            let answer = gateway.ask(post(version, path, bad)).await;
            assert_eq!(answer.status, 400, "{answer:?}");
            let error = error(&answer);
            assert_eq!(error["message"], "prompt is required");
            let details = error["details"].as_array().unwrap_or_else(|| panic!("{error}"));
            let rows: Vec<_> = details
                .iter()
                .map(|row| ["field", "code", "message"].map(|name| row[name].as_str().unwrap()))
                .collect();
            let code = "invalid_parameter";
            assert_eq!(
                rows,
                [
                    ["prompt", code, "prompt is required"],
                    ["width", code, "width must be between 256 and 2048"],
                    ["tags[1]", code, "tags[1] must be a string"],
                    ["tags[3]", code, "tags[3] must be a string"],
                ]
            );
        }
        for path in ["/x", "/x?all=1", "/x?xall", "/x?a=all"] {
            let answer = gateway.ask(post(version, path, bad)).await;
            assert_fault(&answer, &gateway.catalog, Kind::Violation);
            assert!(error(&answer)["details"].is_null(), "{path}: {answer:?}");
        }
    }
    assert!(origin.requests().is_empty());
    for (path, target) in [
        ("/x?all", "/x"),
        ("/x?all&x=1", "/x?x=1"),
        ("/x?x=%20&all&y", "/x?x=%20&y"),
        ("/x?x=1&all", "/x?x=1"),
        ("/x?all=1", "/x?all=1"),
        ("/x", "/x"),
    ] {
        for version in Version::BOTH {
            gateway.ask(post(version, path, r#"{"prompt":"a"}"#)).await.assert_ok("made");
            assert_eq!(origin.last_request().target, target, "{path}");
        }
    }
}

#[tokio::test]
async fn a_body_that_nobody_checks_streams() {
    let arrived = Arc::new(Notify::new());
    let origin = Origin::connections({
        let arrived = arrived.clone();
        move |mut connection| {
            let arrived = arrived.clone();
            async move {
                let request = connection.head().await?.expect("a request");
                assert_eq!(request.fields.one("transfer-encoding"), Some("chunked"));
                connection.wire.until("first").await?;
                arrived.notify_one();
                connection.wire.until("0\r\n\r\n").await?;
                connection.wire.send(ok("made")).await
            }
        }
    })
    .await;
    let gateway = checked(&origin, "", "[body]\nmax_bytes = \"4B\"").start().await;
    let mut client = gateway.client().await;
    client.send(head("/free", "transfer-encoding: chunked\r\n")).await;
    client.send(chunk("not json: first")).await;
    soon("the first chunk at the provider", arrived.notified()).await;
    client.send(chunk("last")).await.send("0\r\n\r\n").await;
    client.answer("POST").await.assert_ok("made");
}

#[test]
fn check_says_what_is_wrong_with_a_schema() {
    let schema = "schema = \"s.json\"";
    let wrong: [(&str, &str, Option<&str>, &str, &[&str]); 14] = [
        (
            "a code",
            schema,
            Some("{\n  \"properties\": {\n    \"a\": { \"x-fault\": \"invalid_nothing\" }\n  }\n}"),
            schema,
            &["s.json:3: /properties/a/x-fault: ", "no code invalid_nothing"],
        ),
        (
            "a keyword",
            schema,
            Some("{\n  \"properties\": {\n    \"a\": {\n      \"minLenght\": 1 }\n  }\n}"),
            schema,
            &["s.json:4: /properties/a/minLenght: unknown keyword", "`minLength`"],
        ),
        (
            "recursion",
            schema,
            Some("{\n  \"properties\": {\n    \"a\": { \"$ref\": \"#\" }\n  }\n}"),
            schema,
            &["s.json:3: /properties/a/$ref: ", "refers to itself"],
        ),
        (
            "another draft",
            schema,
            Some("{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\"\n}"),
            schema,
            &["s.json:2: /$schema: only the draft 2020-12"],
        ),
        (
            "another document",
            schema,
            Some("{\n\n  \"$ref\": \"https://a.test/s.json\"\n}"),
            schema,
            &["s.json:3: /$ref: ", "other documents are not read"],
        ),
        (
            "a reference to nothing",
            schema,
            Some("{\n  \"$ref\": \"#/$defs/a\"\n}"),
            schema,
            &["s.json:2: /$ref: there is nothing"],
        ),
        (
            "a format",
            schema,
            Some("{\n  \"format\": \"urll\"\n}"),
            schema,
            &["s.json:2: /format: there is no such format"],
        ),
        (
            "a pattern",
            schema,
            Some("{\n  \"pattern\": \"(?=a)\"\n}"),
            schema,
            &["s.json:2: /pattern: not a regular expression"],
        ),
        ("no JSON", schema, Some("{\n  \"type\": }"), schema, &["s.json:2: the text is not JSON"]),
        ("no file", schema, None, schema, &["there is no such file"]),
        (
            "parameters",
            "parameters = \"s.json\"",
            Some("{\n  \"propertis\": {}\n}"),
            "parameters = ",
            &["s.json:2: /propertis: unknown keyword"],
        ),
        (
            "keys of an edit",
            "edit = [{ set = \"/a\", to = \"b\" }]",
            None,
            "edit = ",
            &["expected `set` and `value`"],
        ),
        (
            "a body that is not read",
            "body = { max_bytes = \"1KiB\" }",
            None,
            "body = ",
            &["means nothing without a `schema` or an `edit`"],
        ),
        (
            "a key of body",
            "schema = \"s.json\"\nbody = { max_byte = \"1KiB\" }",
            Some("{}"),
            "body = ",
            &["route[0].body.max_byte: unknown key"],
        ),
    ];
    for (what, lines, text, place, wanted) in wrong {
        let mut setup = Gateway::setup()
            .upstream("provider", "http://127.0.0.1:9", "")
            .route("/x", "provider", lines);
        if let Some(text) = text {
            setup = setup.file("s.json", text);
        }
        let file = setup.write();
        let written = std::fs::read_to_string(&file).unwrap();
        let line = 1 + written.lines().position(|line| line.starts_with(place)).unwrap();
        let (code, out, err) =
            run(&["check", file.to_str().unwrap()], &[("PROVIDER_KEY", CREDENTIAL)]);
        assert_eq!((code, &*out), (78, ""), "{what}: {err}");
        let at = format!("tollgate.toml:{line}");
        let said = err
            .lines()
            .any(|said| said.contains(&at) && wanted.iter().all(|wanted| said.contains(wanted)));
        assert!(said, "{what}: no line with {at} and {wanted:?} in:\n{err}");
    }
    let setup = Gateway::setup()
        .file("s.json", SCHEMA)
        .upstream("provider", "http://127.0.0.1:9", "")
        .route("/x", "provider", schema);
    let file = setup.write();
    let (code, _, err) = run(&["check", file.to_str().unwrap()], &[("PROVIDER_KEY", CREDENTIAL)]);
    assert_eq!((code, &*err), (0, ""));
}

/// What is in a body is nobody's business but the provider's: the gateway logs all it can, and its log and its answers
/// are searched when it goes.
#[tokio::test]
async fn nothing_of_a_body_is_logged() {
    let origin = Origin::ok("made").await;
    let tables = "[body]\nviolations = \"all\"\ncontent_encoding = \"decode\"";
    let gateway = checked(&origin, "", tables).start().await;
    let good = format!("{{\"prompt\":\"{SECRET}\",\"{SECRET}\":[\"{SECRET}\"]}}");
    let bad = format!(
        "{{\"prompt\":[\"{SECRET}\"],\"width\":\"{SECRET}\",\"tags\":[{{\"{SECRET}\":1}}]}}"
    );
    for version in Version::BOTH {
        for body in [&*good, &bad, &good[1..], &good[..good.len() - 1], &format!("{good}{SECRET}")]
        {
            for (coding, body) in [(None, body.as_bytes().to_vec()), (Some("gzip"), gzip(body))] {
                for path in ["/x", "/free"] {
                    let mut ask = post(version, path, &body);
                    if let Some(coding) = coding {
                        ask = ask.field("content-encoding", coding);
                    }
                    let answer = gateway.ask(ask).await;
                    let fine = path == "/free" || body == good.as_bytes() || body == gzip(&good);
                    assert_eq!(answer.status, if fine { 200 } else { 400 }, "{answer:?}");
                }
            }
        }
    }
    let told = |line: &Value| line["message"] == "request";
    gateway.logged(|line| told(line) && line["fault"] == "violation").await;
    gateway.logged(|line| told(line) && line["fault"] == "invalid_json").await;
}
