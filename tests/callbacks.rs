//! Callers who are told when a task is over: over real sockets, with a provider that calls and a receiver that does not always answer.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use std::{
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};
use support::{
    Gateway, Origin, Received, Setup, Version, assert_envelope,
    client::Ask,
    gateway::{Directory, TABLES, run},
    origin::json,
    soon,
};

const SECRET: &str = "a secret of at least 32 characters";
const SCHEMA: &str = r#"{"type":"object","properties":{"hook":{"type":["string","null"],"x-fault":"invalid_webhook"}}}"#;

/// A provider whose task is in this state, a receiver that answers with this status, and a gateway in between.
struct Shop {
    gateway: Option<Gateway>,
    directory: Arc<Directory>,
    key: String,
    origin: Origin,
    receiver: Origin,
    task: Arc<Mutex<&'static str>>,
    status: Arc<AtomicU16>,
    callbacks: String,
    /// How the end of the task is found out.
    result: &'static str,
}

const ALLOWED: &str = "allow = [\"127.0.0.0/8\"]";

async fn shop(callbacks: &str) -> Shop {
    shop_with(callbacks, ", result = \"result\"").await
}

async fn shop_with(callbacks: &str, result: &'static str) -> Shop {
    let task = Arc::new(Mutex::new("running"));
    let state = task.clone();
    let origin = Origin::start(move |request| match &*request.method {
        "POST" => json(202, r#"{"id":"t/1"}"#),
        _ => json(200, &format!(r#"{{"status":"{}","url":"a"}}"#, state.lock().unwrap())),
    })
    .await;
    let status = Arc::new(AtomicU16::new(200));
    let answers = status.clone();
    let receiver = Origin::start(move |_| json(answers.load(Ordering::Relaxed), "{}")).await;
    let directory = Arc::new(Directory::default());
    let key = directory.key(&["--account", "acme"]);
    directory.pay_in("acme", "1");
    let callbacks = callbacks.to_owned();
    let mut shop =
        Shop { gateway: None, directory, key, origin, receiver, task, status, callbacks, result };
    shop.start().await;
    shop
}

impl Shop {
    async fn start(&mut self) {
        let callbacks = format!(
            "[callbacks]\nurl = \"https://api.example.com/callbacks\"\nsecrets = [\"{SECRET}\"]\n{}",
            self.callbacks
        );
        let generate = format!(
            "method = \"POST\"\nschema = '{SCHEMA}'\nprice = \"0.01\"\ntask = {{ id_in_answer = \"/id\" }}\n\
             callback = {{ url_in_body = \"/hook\", ignore = [\"-1\"]{} }}",
            self.result
        );
        let result = "name = \"result\"\nmethod = \"GET\"\ntask = { id_in_path = \"id\" }\nsuccess = \"wrap\"";
        let setup = Setup::default()
            .preset("apistor")
            .tables(&format!("{TABLES}{callbacks}"))
            .tables(
                "[[route]]\npath = \"/callbacks/{token}\"\nauth = \"none\"\nserve = \"callback\"",
            )
            .upstream("provider", &self.origin.url(), "profile = \"mine\"")
            .route("/tasks", "provider", &generate)
            .route("/tasks/{id}", "provider", result)
            .env("TOLLGATE_STORE", &self.directory.store())
            .secret(&self.key)
            .secret(SECRET);
        self.gateway = Some(setup.start().await);
    }

    fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    fn hook(&self) -> String {
        format!("{}/hook?for=acme", self.receiver.url())
    }

    async fn generate(&self, body: &str) -> support::Answer {
        let mut ask = Ask::new(Version::Http1, "POST", "/tasks")
            .field("content-type", "application/json")
            .field("authorization", &format!("Bearer {}", self.key));
        ask.body = body.as_bytes().to_vec();
        self.gateway().ask(ask).await
    }

    /// A task whose end the receiver is to be told, and the path at which the provider calls.
    async fn task(&self) -> String {
        let answer = self.generate(&format!(r#"{{"hook":"{}","a":1}}"#, self.hook())).await;
        assert_eq!((answer.status, answer.text()), (202, r#"{"id":"t/1"}"#));
        let body: Value = serde_json::from_slice(&self.origin.last_request().body).unwrap();
        assert_eq!(body["a"], 1);
        let url = body["hook"].as_str().unwrap();
        url.strip_prefix("https://api.example.com").unwrap().to_owned()
    }

    async fn call(&self, path: &str) -> u16 {
        self.say(path, r#"{"status":"succeeded","url":"https://forged.example.com"}"#).await
    }

    async fn say(&self, path: &str, text: &str) -> u16 {
        let mut ask =
            Ask::new(Version::Http1, "POST", path).field("content-type", "application/json");
        ask.body = text.as_bytes().to_vec();
        self.gateway().ask(ask).await.status
    }

    async fn ends(&self, path: &str, state: &'static str) {
        *self.task.lock().unwrap() = state;
        assert_eq!(self.call(path).await, 200);
    }

    async fn message(&self) -> Received {
        self.receiver.until("a message", |receiver| !receiver.requests().is_empty()).await;
        self.receiver.last_request()
    }

    /// The only callback.
    fn listed(&self) -> Value {
        let (code, out, error) = self.run(&["callbacks", "list", "--json", "--state", "all"]);
        assert_eq!(code, 0, "{error}");
        let mut all: Vec<Value> = serde_json::from_str(&out).unwrap();
        assert_eq!(all.len(), 1, "{out}");
        all.remove(0)
    }

    async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        soon(what, async {
            loop {
                let listed = self.listed();
                if wanted(&listed) {
                    return listed;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        run(arguments, &[("TOLLGATE_STORE", &self.directory.store())])
    }

    #[track_caller]
    fn assert_balance(&self, available: &str, held: &str) {
        let (_, out, _) = self.run(&["balance", "show", "acme", "--json"]);
        let balance: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&balance["available"], &balance["held"]), (&available.into(), &held.into()));
    }
}

fn field<'r>(request: &'r Received, name: &str) -> &'r str {
    request.fields.one(name).unwrap()
}

/// What openssl has to say of it.
fn hmac(secret: &str, message: &[u8]) -> String {
    let directory = Directory::default();
    let file = directory.file("message", message);
    let out = Command::new("openssl").args(["dgst", "-sha256", "-hmac", secret]).arg(file).output();
    let out = String::from_utf8(out.unwrap().stdout).unwrap();
    out.trim().rsplit(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn whoever_wants_to_be_told_is_told_what_a_poll_would_tell() {
    let shop = shop(ALLOWED).await;
    let path = shop.task().await;
    shop.assert_balance("0.99", "0.01");
    // A call is a hint and nothing else: the task goes on.
    assert_eq!(shop.call(&path).await, 200);
    let listed = shop.until("a look", |listed| listed["attempts"] == 1).await;
    assert_eq!((&listed["state"], &listed["task"]), (&"waiting".into(), &"t/1".into()));
    assert_eq!(shop.receiver.connection_count(), 0);
    shop.ends(&path, "succeeded").await;
    let message = shop.message().await;
    assert_eq!((&*message.method, &*message.target), ("POST", "/hook?for=acme"));
    let want = r#"{"data":{"status":"succeeded","url":"a"},"error":null}"#;
    assert_eq!(str::from_utf8(&message.body).unwrap(), want);
    assert_eq!(field(&message, "content-type"), "application/json");
    let timestamp = field(&message, "x-webhook-timestamp");
    let age =
        std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() - timestamp.parse::<u64>().unwrap();
    assert!(age < 30, "{timestamp}");
    let listed = shop.until("the end", |listed| listed["state"] == "delivered").await;
    assert_eq!(listed["id"], field(&message, "x-webhook-id"));
    let secret = ["callbacks", "secret", "acme", "--config"];
    let file = shop.directory.file(
        "secrets.toml",
        format!("[callbacks]\nsecrets = [\"{SECRET}\"]\n[upstream.a]\n[[upstream.a.endpoint]]\nurl = \"http://a\"\n[[route]]\npath = \"/\"\nupstream = \"a\""),
    );
    let (code, secret, error) = shop.run(&[&secret[..], &[file.to_str().unwrap()]].concat());
    assert_eq!(code, 0, "{error}");
    let signed = [timestamp.as_bytes(), b".", &message.body].concat();
    let want = format!("sha256={}", hmac(secret.trim(), &signed));
    assert_eq!(field(&message, "x-webhook-signature"), want);
    // It was paid for once, and nobody is told twice.
    shop.assert_balance("0.99", "0.00");
    shop.ends(&path, "succeeded").await;
    let (code, _, error) = shop.run(&["callbacks", "retry", listed["id"].as_str().unwrap()]);
    assert_eq!(code, 1, "{error}");
    assert_eq!(shop.receiver.requests().len(), 1);
    shop.gateway().logged(|line| line["message"] == "a callback is delivered").await;
}

#[tokio::test]
async fn of_a_failure_its_owner_is_told_too_and_has_the_money_back() {
    let shop = shop(ALLOWED).await;
    let path = shop.task().await;
    shop.ends(&path, "failed").await;
    let message = shop.message().await;
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!(body["data"]["status"], "failed");
    shop.assert_balance("1.00", "0.00");
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_again_also_after_a_crash() {
    let mut shop = shop(ALLOWED).await;
    shop.status.store(503, Ordering::Relaxed);
    let path = shop.task().await;
    shop.ends(&path, "succeeded").await;
    let listed = shop.until("an attempt", |listed| listed["attempts"] == 1).await;
    assert_eq!(listed["state"], "ready");
    assert_eq!(listed["error"], "the receiver answered 503");
    shop.gateway().signal("KILL");
    shop.gateway.as_mut().unwrap().exited().await;
    shop.gateway = None;
    shop.status.store(200, Ordering::Relaxed);
    // The provider is not asked for it again.
    *shop.task.lock().unwrap() = "running";
    shop.start().await;
    let (code, _, error) = shop.run(&["callbacks", "retry", listed["id"].as_str().unwrap()]);
    assert_eq!(code, 0, "{error}");
    let delivered = shop.until("the end", |listed| listed["state"] == "delivered").await;
    assert_eq!(delivered["error"], Value::Null);
    let messages = shop.receiver.requests();
    let [first, .., last] = &*messages else { panic!("{messages:?}") };
    assert_eq!(first.body, last.body);
    assert_eq!(field(first, "x-webhook-id"), field(last, "x-webhook-id"));
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_given_up_for_all_to_see() {
    let shop = shop(&format!("{ALLOWED}\ngive_up_after = \"1ms\"")).await;
    shop.status.store(404, Ordering::Relaxed);
    let path = shop.task().await;
    shop.ends(&path, "succeeded").await;
    let listed = shop.until("the end", |listed| listed["state"] == "given-up").await;
    assert_eq!(listed["error"], "the receiver answered 404");
    let line = shop.gateway().logged(|line| line["message"] == "a callback is given up").await;
    assert_eq!((&line["account"], &line["level"]), (&"acme".into(), &"WARN".into()));
    let (_, out, _) = shop.run(&["callbacks", "list", "--state", "given-up"]);
    assert!(out.contains("the receiver answered 404") && !out.contains("for=acme"), "{out}");
    // Whoever knows better has it tried again.
    shop.status.store(204, Ordering::Relaxed);
    assert_eq!(shop.run(&["callbacks", "retry", listed["id"].as_str().unwrap()]).0, 0);
    shop.until("the end", |listed| listed["state"] == "delivered").await;
}

#[tokio::test]
async fn a_receiver_that_has_gone_is_given_up_at_once() {
    let shop = shop(ALLOWED).await;
    shop.status.store(410, Ordering::Relaxed);
    let path = shop.task().await;
    shop.ends(&path, "succeeded").await;
    shop.until("the end", |listed| listed["state"] == "given-up").await;
    assert_eq!(shop.receiver.requests().len(), 1);
}

#[tokio::test]
async fn whoever_has_no_token_of_ours_is_told_nothing() {
    let shop = shop(ALLOWED).await;
    let path = shop.task().await;
    let token = path.rsplit('/').next().unwrap();
    let mut forged = token.to_owned();
    forged.replace_range(5..6, if &token[5..6] == "A" { "B" } else { "A" });
    for token in ["x", &forged, &token[1..], "%FF", &format!("{token}A")] {
        let ask = Ask::new(Version::Http1, "POST", &format!("/callbacks/{token}"));
        let answer = shop.gateway().ask(ask).await;
        assert_eq!(answer.status, 404, "{token}");
        assert_envelope(&answer, &shop.gateway().catalog);
    }
    assert_eq!(shop.listed()["attempts"], 0);
}

#[tokio::test]
async fn urls_that_nobody_may_have_called() {
    let shop = shop("").await;
    let table = [
        "http://127.0.0.1:9/",
        "https://127.0.0.1",
        "http://localhost:8080/admin",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://127.1/",
        "http://0/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://100.64.0.1/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "http://user:password@example.com/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "//example.com/",
        "example.com",
        "http://",
        "http://exa mple.com/",
        "",
    ];
    for url in table {
        let answer = shop.generate(&format!(r#"{{"hook":"{url}"}}"#)).await;
        let code = assert_envelope(&answer, &shop.gateway().catalog).code().to_owned();
        assert_eq!((answer.status, &*code), (400, "invalid_webhook"), "{url}");
    }
    // A provider that does not mind the case of names would call there.
    for body in
        [r#"{"hook":"-1","Hook":"http://example.com/"}"#, r#"{"HOOK":"http://example.com/"}"#]
    {
        assert_eq!(shop.generate(body).await.status, 400, "{body}");
    }
    assert_eq!(shop.origin.connection_count(), 0);
    shop.assert_balance("1.00", "0.00");
}

#[tokio::test]
async fn what_is_no_url_goes_on_as_it_is() {
    let shop = shop(ALLOWED).await;
    for body in [r#"{"hook":"-1"}"#, r#"{ "hook" : null }"#, r#"{"a":"http://127.0.0.1/"}"#] {
        assert_eq!(shop.generate(body).await.status, 202, "{body}");
        assert_eq!(str::from_utf8(&shop.origin.last_request().body).unwrap(), body);
    }
    let (_, out, _) = shop.run(&["callbacks", "list", "--json", "--state", "all"]);
    assert_eq!(out.trim(), "[]");
}

/// Where a provider cannot be asked, what it says when it calls is read as an answer of its own.
#[tokio::test]
async fn a_provider_that_cannot_be_asked() {
    for (last, balance) in [("succeeded", "0.99"), ("failed", "1.00")] {
        let shop = shop_with(ALLOWED, "").await;
        let path = shop.task().await;
        let nothing = [r#"{"status":"running"}"#, "<html>", "", r#"{"status":"#];
        for (attempts, said) in (1..).zip(nothing) {
            assert_eq!(shop.say(&path, said).await, 200);
            let listed = shop.until("a look", |listed| listed["attempts"] == attempts).await;
            assert_eq!(listed["state"], "waiting", "{said}");
        }
        assert_eq!(shop.say(&path, &"x".repeat((1 << 20) + 1)).await, 413);
        shop.assert_balance("0.99", "0.01");
        let said = format!(r#"{{ "status" : "{last}", "url" : "a" }}"#);
        assert_eq!(shop.say(&path, &said).await, 200);
        let message = shop.message().await;
        assert_eq!(str::from_utf8(&message.body).unwrap(), said);
        shop.until("the end", |listed| listed["state"] == "delivered").await;
        // The first word counts.
        let other = if last == "failed" { "succeeded" } else { "failed" };
        shop.say(&path, &format!(r#"{{"status":"{other}"}}"#)).await;
        shop.assert_balance(balance, "0.00");
        assert_eq!(shop.receiver.requests().len(), 1);
        assert_eq!(shop.origin.requests().len(), 1, "nobody was asked");
    }
}

/// A provider that calls before it answers, and not again.
#[tokio::test]
async fn a_provider_that_calls_too_early() {
    let mut shop = shop_with(ALLOWED, "").await;
    let (address, called) = (Arc::new(Mutex::new(None)), Arc::new(AtomicU16::new(0)));
    let (to, status) = (address.clone(), called.clone());
    let eager = Origin::connections(move |mut connection| {
        let (to, status) = (to.clone(), status.clone());
        async move {
            let Some(request) = connection.request().await? else { return Ok(()) };
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let path = body["hook"].as_str().unwrap().replace("https://api.example.com", "");
            let mut ask = Ask::new(Version::Http1, "POST", &path);
            ask.body = br#"{"status":"succeeded"}"#.to_vec();
            let to = to.lock().unwrap().unwrap();
            let answer = ask.send(to, Arc::default()).await.unwrap();
            status.store(answer.status, Ordering::Relaxed);
            let answer = "content-type: application/json\r\n";
            connection.wire.send(support::origin::answer(202, answer, r#"{"id":"t"}"#)).await
        }
    })
    .await;
    shop.gateway = None;
    shop.origin = eager;
    shop.start().await;
    *address.lock().unwrap() = Some(shop.gateway().address);
    let answer = shop.generate(&format!(r#"{{"hook":"{}"}}"#, shop.hook())).await;
    assert_eq!((answer.status, called.load(Ordering::Relaxed)), (202, 503));
    let message = shop.message().await;
    assert_eq!(message.body, br#"{"status":"succeeded"}"#);
}

/// The contracts' own words for it.
#[tokio::test]
async fn the_examples() {
    type Row =
        (&'static str, [&'static str; 2], &'static str, &'static str, fn(&Received) -> String);
    let table: [Row; 2] = [
        (
            "apistor",
            ["GRSAI_BASE_URL", "GRSAI_API_KEY"],
            "/api/v1/images/nanobanana/generate",
            r#"{"model":"nanobanano-2","prompt":"a cat","webHook":"https://127.0.0.1/"}"#,
            |request| {
                match &*request.target {
                "/v1/draw/nano-banana" => r#"{"code":0,"msg":"success","data":{"id":"t1"}}"#.to_owned(),
                _ => r#"{"code":0,"msg":"success","data":{"id":"t1","status":"succeeded","results":[]}}"#.to_owned(),
            }
            },
        ),
        (
            "eggapi",
            ["EGGAPI_PRIMARY_URL", "EGGAPI_PRIMARY_KEY"],
            "/v1/generate",
            r#"{"model":"nanobanana","prompt":"a cat","webhook_url":"https://127.0.0.1/"}"#,
            |_| r#"{"id":"t1","status":"completed"}"#.to_owned(),
        ),
    ];
    for (name, [url, credential], path, body, answers) in table {
        let origin = Origin::start(move |request| json(200, &answers(request))).await;
        let directory = Directory::default();
        let key = directory.key(&["--account", "acme"]);
        directory.pay_in("acme", "1");
        let environment = [
            (url, &*origin.url()),
            (credential, "k"),
            ("TOLLGATE_CALLBACK_URL", "https://api.example.com/callbacks"),
            ("TOLLGATE_CALLBACK_SECRET", SECRET),
        ];
        let example = format!("{name}.toml");
        let gateway = Gateway::example(&example, directory, &environment, &[&key, SECRET]).await;
        let ask = |body: &str| {
            let mut ask = Ask::new(Version::Http1, "POST", path)
                .field("content-type", "application/json")
                .field("authorization", &format!("Bearer {key}"));
            ask.body = body.as_bytes().to_vec();
            ask
        };
        let refused = gateway.ask(ask(body)).await;
        let code = assert_envelope(&refused, &gateway.catalog).code().to_owned();
        let want = if name == "apistor" { "invalid_webhook" } else { "VALIDATION_ERROR" };
        assert_eq!(code, want);
        assert_eq!(origin.connection_count(), 0);
        // Nobody is there to be called, and the provider is called by nobody but us.
        let taken = gateway.ask(ask(&body.replace("127.0.0.1", "hook.invalid"))).await;
        assert_eq!(taken.status, 200, "{}", taken.text());
        let sent = String::from_utf8(origin.last_request().body).unwrap();
        assert!(sent.contains("https://api.example.com/callbacks/"), "{sent}");
        assert!(!sent.contains("hook.invalid"), "{sent}");
    }
}
