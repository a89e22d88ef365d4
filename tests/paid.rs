//! Requests that cost something, whose tasks are whose, and requests that come twice: over real sockets, with the balances that the command
//! line shows afterwards.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use support::{
    Act, Answer, Events, Gateway, Origin, Received, Setup, Version, assert_envelope,
    client::Ask,
    gateway::{Directory, TABLES, run},
    origin::{EVENTS, LAST_CHUNK, chunk, json},
    soon,
};
use tokio::sync::Notify;

/// What every paid route here costs.
const PRICE: &str = "0.01";

/// A gateway with a store, and callers of two accounts.
struct Shop {
    gateway: Gateway,
    directory: Directory,
    acme: String,
    other: String,
}

async fn shop(setup: Setup, balance: &str) -> Shop {
    let directory = Directory::default();
    let [acme, other] = ["acme", "other"].map(|account| directory.key(&["--account", account]));
    directory.pay_in("acme", balance);
    directory.pay_in("other", balance);
    let setup = setup.tables(TABLES).env("TOLLGATE_STORE", &directory.store());
    let gateway = setup.secret(&acme).secret(&other).start().await;
    Shop { gateway, directory, acme, other }
}

/// A provider behind paid routes.
fn setup(origin: &Origin) -> Setup {
    let paid =
        format!("method = \"POST\"\nschema = '{{\"type\":\"object\"}}'\nprice = \"{PRICE}\"\n");
    Setup::default()
        .upstream("provider", &origin.url(), "profile = \"mine\"\ntimeout = \"900ms\"")
        .route("/paid", "provider", &paid)
        .route("/keyed", "provider", &format!("{paid}idempotency = \"required\""))
        .route("/tasks", "provider", &format!("{paid}task = {{ id_in_answer = \"/id\" }}"))
        .route("/tasks/{id}", "provider", "method = \"GET\"\ntask = { id_in_path = \"id\" }")
}

fn post(path: &str, key: &str) -> Ask {
    let ask = Ask::new(Version::Http1, "POST", path).field("content-type", "application/json");
    ask.field("authorization", &format!("Bearer {key}"))
}

fn get(path: &str, key: &str) -> Ask {
    Ask::new(Version::Http1, "GET", path).field("authorization", &format!("Bearer {key}"))
}

fn with(mut ask: Ask, version: Version) -> Ask {
    ask.version = version;
    ask
}

#[track_caller]
fn code(answer: &Answer, gateway: &Gateway) -> String {
    assert_envelope(answer, &gateway.catalog).code().to_owned()
}

impl Shop {
    /// What the account can spend, and what is reserved.
    fn balance(&self, account: &str) -> (String, String) {
        let show = ["balance", "show", account, "--json", "--store", &self.directory.store()];
        let (code, out, error) = run(&show, &[]);
        assert_eq!(code, 0, "{error}");
        let balance: Value = serde_json::from_str(&out).unwrap();
        let amount = |name: &str| balance[name].as_str().unwrap().to_owned();
        (amount("available"), amount("held"))
    }

    #[track_caller]
    fn assert_balance(&self, available: &str, held: &str, what: &str) {
        assert_eq!(self.balance("acme"), (available.to_owned(), held.to_owned()), "{what}");
    }

    async fn until_balance_is(&self, available: &str, held: &str) {
        soon("the balance", async {
            while self.balance("acme") != (available.to_owned(), held.to_owned()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

/// The books are in order when a test is over.
impl Drop for Shop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let (code, out, error) =
                run(&["ledger", "verify", "--store", &self.directory.store()], &[]);
            assert_eq!(code, 0, "{out}{error}");
        }
    }
}

#[tokio::test]
async fn nobody_is_served_beyond_the_balance_however_many_ask_at_once() {
    let origin =
        Origin::start(|_| [vec![Act::Wait(Duration::from_millis(20))], json(200, "{}")].concat())
            .await;
    let shop = shop(setup(&origin), "0.05").await;
    let asks = (0..24).map(|number| {
        let version = Version::BOTH[number % 2];
        shop.gateway.try_ask(with(post("/paid", &shop.acme), version))
    });
    let answers = futures_join(asks.collect()).await;
    let mut statuses: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200; 5], vec![402; 19]].concat());
    assert_eq!(origin.requests().len(), 5);
    shop.assert_balance("0.00", "0.00", "all of it is spent");
    let answer = shop.gateway.ask(post("/paid", &shop.acme)).await;
    assert_eq!(code(&answer, &shop.gateway), "insufficient_balance");
    // Somebody else's is somebody else's.
    assert_eq!(shop.gateway.ask(post("/paid", &shop.other)).await.status, 200);
}

/// All of these at once.
async fn futures_join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(cx)
            {
                *output = Some(ready);
            }
        }
        match outputs.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_balance_that_is_short_in_the_words_of_each_contract() {
    for (preset, status, want) in
        [("apistor", 402, "insufficient_balance"), ("eggapi", 403, "INSUFFICIENT_BALANCE")]
    {
        let origin = Origin::ok("{}").await;
        let shop = shop(setup(&origin).preset(preset), "0.009999").await;
        for version in Version::BOTH {
            let answer = shop.gateway.ask(with(post("/paid", &shop.acme), version)).await;
            assert_eq!((&*code(&answer, &shop.gateway), answer.status), (want, status));
        }
        assert_eq!(origin.connection_count(), 0);
    }
}

fn stream(last: &str) -> Vec<Act> {
    let event = |status: &str| chunk(format!("data: {{\"status\":\"{status}\"}}\n\n"));
    let begun = [EVENTS.as_bytes(), &event("running")].concat();
    match last {
        "cut-off" => vec![Act::send(begun), Act::Fin],
        "silence" => vec![Act::send(begun), Act::Hold],
        "nothing" => vec![Act::send([&*begun, LAST_CHUNK.as_bytes()].concat())],
        last => vec![Act::send([&*begun, &event(last), LAST_CHUNK.as_bytes()].concat())],
    }
}

#[tokio::test]
async fn who_pays_for_what() {
    type Row = (&'static str, fn() -> Vec<Act>, &'static str, &'static str);
    let table: &[Row] = &[
        ("json", || json(200, r#"{"status":"succeeded"}"#), "0.99", "0.00"),
        ("no-content", || vec![Act::send("HTTP/1.1 204 No Content\r\n\r\n")], "0.99", "0.00"),
        (
            "chunked",
            || {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
                vec![Act::send(
                    [head.as_bytes(), &chunk("a"), &chunk("b"), LAST_CHUNK.as_bytes()].concat(),
                )]
            },
            "0.99",
            "0.00",
        ),
        ("says-failed", || json(200, r#"{"status":"failed"}"#), "1.00", "0.00"),
        ("refused", || json(400, r#"{"error":{"message":"no"}}"#), "1.00", "0.00"),
        ("status-500", || json(500, r#"{"error":{"message":"no"}}"#), "1.00", "0.00"),
        ("our-key", || json(401, r#"{"error":{"message":"no"}}"#), "1.00", "0.00"),
        ("status-504", || json(504, "{}"), "0.99", "0.01"),
        ("hangs-up", || vec![Act::Fin], "0.99", "0.01"),
        ("half", || json(200, r#"{"status":"succ"#), "0.99", "0.01"),
        ("silence", || vec![Act::Hold], "0.99", "0.01"),
        ("stream-succeeded", || stream("succeeded"), "0.99", "0.00"),
        ("stream-failed", || stream("failed"), "1.00", "0.00"),
        ("stream-nothing", || stream("nothing"), "0.99", "0.01"),
        ("stream-cut-off", || stream("cut-off"), "0.99", "0.01"),
        ("stream-silence", || stream("silence"), "0.99", "0.01"),
    ];
    for (name, acts, available, held) in table {
        let origin = Origin::start(|_| acts()).await;
        let shop = shop(setup(&origin), "1").await;
        let _ = shop.gateway.try_ask(post("/paid", &shop.acme)).await;
        shop.assert_balance(available, held, name);
    }
}

/// Nothing at all is written for what costs nothing.
#[tokio::test]
async fn what_is_free_and_what_cannot_be_reached() {
    let origin = Origin::ok("{}").await;
    let refusing = support::Refusing::default();
    let setup = setup(&origin)
        .route("/free", "provider", "method = \"POST\"\nprice = \"0\"")
        .upstream("nobody", &refusing.url(), "profile = \"mine\"")
        .route("/nobody", "nobody", "method = \"POST\"\nprice = \"0.5\"");
    let shop = shop(setup, "1").await;
    assert_eq!(shop.gateway.ask(post("/free", &shop.acme)).await.status, 200);
    let answer = shop.gateway.ask(post("/nobody", &shop.acme)).await;
    assert_eq!(code(&answer, &shop.gateway), "upstream_unreachable");
    shop.assert_balance("1.00", "0.00", "nobody was reached");
}

/// A provider that waits for the test.
async fn patient() -> (Origin, Arc<Notify>) {
    let gate = Arc::<Notify>::default();
    let open = gate.clone();
    let origin = Origin::connections(move |mut connection| {
        let gate = gate.clone();
        async move {
            while connection.request().await?.is_some() {
                gate.notified().await;
                for act in json(200, r#"{"status":"succeeded"}"#) {
                    if let Act::Send(bytes) = act {
                        connection.wire.send(bytes).await?;
                    }
                }
            }
            Ok(())
        }
    })
    .await;
    (origin, open)
}

#[tokio::test]
async fn a_client_that_leaves() {
    for (policy, available) in [("finish", "0.99"), ("cancel", "1.00"), ("on-accept", "1.00")] {
        let (origin, gate) = patient().await;
        let tables = format!("[charge]\non_disconnect = \"{policy}\"\n");
        let setup = setup(&origin).tables(&tables);
        let shop = shop(setup, "1").await;
        let mut client = shop.gateway.client().await;
        client.send(post("/paid", &shop.acme).http1(shop.gateway.address)).await;
        origin.until("the request", |origin| origin.requests().len() == 1).await;
        drop(client);
        // Of work that goes on the provider says how it ended; what is broken off it never answers.
        if policy == "finish" {
            gate.notify_one();
        }
        shop.until_balance_is(available, "0.00").await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_a_stream() {
    for (policy, available) in [("finish", "0.99"), ("cancel", "1.00"), ("on-accept", "0.99")] {
        let origin = Origin::start(|_| {
            let event = |status: &str| chunk(format!("data: {{\"status\":\"{status}\"}}\n\n"));
            let begun = [EVENTS.as_bytes(), &event("running")].concat();
            let rest = [&*event("succeeded"), LAST_CHUNK.as_bytes()].concat();
            vec![Act::send(begun), Act::Wait(Duration::from_millis(300)), Act::send(rest)]
        })
        .await;
        let shop =
            shop(setup(&origin).tables(&format!("[charge]\non_disconnect = \"{policy}\"\n")), "1")
                .await;
        let mut stream = Events::open(&shop.gateway, post("/paid", &shop.acme)).await;
        assert!(stream.next().await.unwrap().contains("running"));
        drop(stream);
        shop.until_balance_is(available, "0.00").await;
    }
}

#[tokio::test]
async fn money_of_which_nobody_knows_goes_the_way_of_its_route() {
    for (rule, available, entry) in [("release", "1.00", "release"), ("settle", "0.99", "settle")] {
        let origin = Origin::start(|_| vec![Act::Fin]).await;
        let tables = format!("[charge]\ntime_limit = \"2s\"\nat_time_limit = \"{rule}\"\n");
        let shop = shop(setup(&origin).tables(&tables), "1").await;
        let answer = shop.gateway.ask(post("/paid", &shop.acme).field("x-request-id", "r-1")).await;
        assert_eq!(code(&answer, &shop.gateway), "upstream_unreachable");
        shop.assert_balance("0.99", "0.01", "not yet");
        let line = shop
            .gateway
            .logged(|line| {
                line["message"].as_str().unwrap().starts_with("a hold has reached its time limit")
            })
            .await;
        assert_eq!(
            (&line["account"], &line["request_id"], &line["end"]),
            (&"acme".into(), &"r-1".into(), &entry.into())
        );
        shop.until_balance_is(available, "0.00").await;
    }
}

/// A provider with tasks: `POST` makes the one that a field names, and `GET` says what its name says.
fn tasks(request: &Received) -> Vec<Act> {
    match request.fields.one("x-task") {
        Some(id) => json(202, &format!(r#"{{"id":"{id}","status":"running"}}"#)),
        None => {
            let id = request.target.rsplit('/').next().unwrap();
            let status = id.split('-').next().unwrap();
            json(200, &format!(r#"{{"id":"{id}","status":"{status}"}}"#))
        }
    }
}

impl Shop {
    async fn make(&self, id: &str) {
        let answer = self.gateway.ask(post("/tasks", &self.acme).field("x-task", id)).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
    }

    async fn task(&self, id: &str) -> Answer {
        self.gateway.ask(get(&format!("/tasks/{id}"), &self.acme)).await
    }
}

#[tokio::test]
async fn nobody_learns_anything_of_somebody_elses_task() {
    for preset in ["default", "apistor", "eggapi"] {
        let origin = Origin::start(tasks).await;
        let shop = shop(setup(&origin).preset(preset), "1").await;
        shop.make("running-1").await;
        assert_eq!(shop.task("running-1").await.status, 200);
        let before = origin.requests().len();
        let mut seen = BTreeSet::new();
        for (key, id) in
            [(&shop.other, "running-1"), (&shop.acme, "running-2"), (&shop.other, "%20")]
        {
            let ask = get(&format!("/tasks/{id}"), key).field("x-request-id", "r-1");
            let answer = shop.gateway.ask(ask).await;
            assert_eq!(answer.status, 404);
            let mut fields: Vec<_> =
                answer.fields.0.iter().map(|(n, v)| format!("{n}: {v}")).collect();
            fields.retain(|line| !line.starts_with("date"));
            seen.insert((fields, answer.text().to_owned()));
        }
        assert_eq!(seen.len(), 1, "{seen:#?}");
        // The provider is not asked.
        assert_eq!(origin.requests().len(), before);
    }
}

#[tokio::test]
async fn a_task_is_paid_for_once_or_not_at_all() {
    let origin = Origin::start(tasks).await;
    let shop = shop(setup(&origin), "1").await;
    for id in ["succeeded-1", "failed-1", "running-1"] {
        shop.make(id).await;
    }
    shop.assert_balance("0.97", "0.03", "nobody has asked yet");
    for id in ["succeeded-1", "failed-1", "running-1"] {
        let asks = (0..8).map(|_| shop.gateway.try_ask(get(&format!("/tasks/{id}"), &shop.acme)));
        for answer in futures_join(asks.collect()).await {
            assert_eq!(answer.unwrap().status, 200);
        }
    }
    shop.assert_balance("0.98", "0.01", "one is done, one has failed, one goes on");
    let (_, out, _) =
        run(&["ledger", "export", "--format", "jsonl", "--store", &shop.directory.store()], &[]);
    let count = |kind: &str| {
        out.lines().filter(|line| line.contains(&format!("\"kind\":\"{kind}\""))).count()
    };
    assert_eq!((count("hold"), count("settle"), count("release")), (3, 1, 1));
}

/// Whoever has made a task is asked about it, also when another one would come first.
#[tokio::test]
async fn a_task_is_asked_of_the_endpoint_that_has_it() {
    let first = Origin::start(|request| match &*request.method {
        "POST" => json(503, "{}"),
        _ => json(404, r#"{"error":{"message":"no such task"}}"#),
    })
    .await;
    let second = Origin::start(tasks).await;
    let endpoints = [("first", &*first.url(), ""), ("second", &*second.url(), "priority = 2")];
    let task = "method = \"POST\"\nprice = \"0.01\"\ntask = { id_in_answer = \"/id\" }";
    let setup = Setup::default()
        .pool("provider", "profile = \"mine\"\nejection = { failures = 1000 }", &endpoints)
        .route("/tasks", "provider", task)
        .route("/tasks/{id}", "provider", "method = \"GET\"\ntask = { id_in_path = \"id\" }");
    let shop = shop(setup, "1").await;
    shop.make("succeeded-1").await;
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
    assert_eq!(shop.task("succeeded-1").await.status, 200);
    assert_eq!((first.requests().len(), second.requests().len()), (1, 2));
    shop.assert_balance("0.99", "0.00", "it is done");
}

#[tokio::test]
async fn a_task_is_forgotten_and_its_money_does_not_stay() {
    let origin = Origin::start(tasks).await;
    let shop = shop(setup(&origin).tables("[tasks]\nretention = \"1s\"\n"), "1").await;
    shop.make("running-1").await;
    shop.assert_balance("0.99", "0.01", "it goes on");
    shop.until_balance_is("1.00", "0.00").await;
    assert_eq!(shop.task("running-1").await.status, 404);
}

#[tokio::test]
async fn the_same_request_twice() {
    let origin = Origin::start(|request| {
        let number = request.fields.one("x-number").unwrap_or("0");
        json(200, &format!(r#"{{"number":{number}}}"#))
    })
    .await;
    let shop = shop(setup(&origin), "1").await;
    let keyed = |key: &str, name: &str, number: &str| {
        post("/keyed", key).field("idempotency-key", name).field("x-number", number)
    };
    let answer = shop.gateway.ask(post("/keyed", &shop.acme)).await;
    assert_eq!((&*code(&answer, &shop.gateway), answer.status), ("missing_idempotency_key", 400));
    shop.gateway.ask(keyed(&shop.acme, "\"k\"", "1")).await.assert_ok(r#"{"number":1}"#);
    for version in Version::BOTH {
        let again = shop.gateway.ask(with(keyed(&shop.acme, "k", "2"), version)).await;
        again.assert_ok(r#"{"number":1}"#);
        assert_eq!(again.fields.one("idempotency-replayed"), Some("true"));
        assert_eq!(again.fields.all("content-length"), ["12"]);
    }
    shop.assert_balance("0.99", "0.00", "it was paid for once");
    let other = Ask { body: b"{\"a\":1}".to_vec(), ..keyed(&shop.acme, "k", "3") };
    let answer = shop.gateway.ask(other).await;
    assert_eq!((&*code(&answer, &shop.gateway), answer.status), ("idempotency_key_reused", 422));
    shop.gateway.ask(keyed(&shop.other, "k", "4")).await.assert_ok(r#"{"number":4}"#);
    // At the provider we are one account: no two callers have the same key there.
    let keys: BTreeSet<_> = origin
        .requests()
        .iter()
        .map(|request| request.fields.one("idempotency-key").unwrap().to_owned())
        .collect();
    assert_eq!((keys.len(), origin.requests().len()), (2, 2));
    assert!(keys.iter().all(|key| key.len() == 32), "{keys:?}");
}

#[tokio::test]
async fn who_comes_back_while_the_first_request_is_at_work_and_after() {
    let (origin, gate) = patient().await;
    let shop = shop(setup(&origin), "1").await;
    let keyed = || post("/keyed", &shop.acme).field("idempotency-key", "k");
    let mut client = shop.gateway.client().await;
    client.send(keyed().http1(shop.gateway.address)).await;
    origin.until("the request", |origin| origin.requests().len() == 1).await;
    let answer = shop.gateway.ask(keyed()).await;
    assert_eq!((&*code(&answer, &shop.gateway), answer.status), ("idempotency_key_in_use", 409));
    drop(client);
    gate.notify_one();
    shop.until_balance_is("0.99", "0.00").await;
    soon("the answer", async {
        while shop.gateway.ask(keyed()).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn spend_limits_besides_the_balance() {
    let origin = Origin::ok("{}").await;
    let shop = shop(setup(&origin), "1").await;
    assert_eq!(shop.gateway.ask(post("/paid", &shop.acme)).await.status, 200);
    let store = shop.directory.store();
    let limit = ["balance", "set-limit", "acme", "0.02", "--per", "total", "--store", &store];
    assert_eq!(run(&limit, &[]).0, 0);
    assert_eq!(shop.gateway.ask(post("/paid", &shop.acme)).await.status, 200);
    let answer = shop.gateway.ask(post("/paid", &shop.acme)).await;
    assert_eq!((&*code(&answer, &shop.gateway), answer.status), ("spend_limit_reached", 402));
    shop.assert_balance("0.98", "0.00", "there is more, but not for this");
}

/// The file is away for a while: nothing is done for nothing, and everything goes on when it is back.
#[tokio::test]
async fn a_store_that_is_away_for_a_while() {
    let origin = Origin::start(tasks).await;
    let shop = shop(setup(&origin), "1").await;
    shop.make("succeeded-1").await;
    let file = shop.directory.path().join("tollgate.db");
    let files = ["", "-wal", "-shm"].map(|suffix| {
        let name = |name: &str| file.with_file_name(format!("{name}{suffix}"));
        (name("tollgate.db"), name("elsewhere.db"))
    });
    for (here, there) in &files {
        let _ = std::fs::rename(here, there);
    }
    for ask in [
        post("/paid", &shop.acme),
        post("/tasks", &shop.acme),
        get("/tasks/succeeded-1", &shop.acme),
        post("/keyed", &shop.acme).field("idempotency-key", "k"),
    ] {
        let answer = shop.gateway.ask(ask).await;
        assert_eq!((&*code(&answer, &shop.gateway), answer.status), ("service_unavailable", 503));
    }
    shop.gateway
        .logged(|line| line["message"].as_str().unwrap().starts_with("the ledger fails"))
        .await;
    assert_eq!(origin.requests().len(), 1);
    let is_up =
        async || shop.gateway.metrics().await.one("tollgate_store_up", &["store=\"ledger\""]);
    assert_eq!(is_up().await, 0.0);
    let readiness = shop.gateway.ask_admin("/readyz").await;
    let reasons: serde_json::Value = serde_json::from_slice(&readiness.body).unwrap();
    let away = "the store of balances, tasks and keys is away";
    assert_eq!(readiness.status, 503);
    assert_eq!(reasons, serde_json::json!({ "status": "not ready", "reasons": [away] }));
    assert_eq!(shop.gateway.probe("/livez").await, 200);
    for (here, there) in &files {
        let _ = std::fs::rename(there, here);
    }
    // A store that has failed is left alone for a moment.
    soon("an answer", async { while shop.task("succeeded-1").await.status != 200 {} }).await;
    shop.gateway.logged(|line| line["message"] == "the ledger is back").await;
    assert_eq!((is_up().await, shop.gateway.probe("/readyz").await), (1.0, 200));
    shop.assert_balance("0.99", "0.00", "it is done");
}

/// Money comes before nothing but a provider that is there at all.
#[tokio::test]
async fn who_is_not_set_up_takes_no_money() {
    let origin = Origin::ok("{}").await;
    let setup = setup(&origin).upstream_with(
        "unset",
        "http://unset.test",
        "profile = \"mine\"",
        "credential = { bearer = \"${NOT_SET}\" }",
    );
    let setup = setup.route("/unset", "unset", "method = \"POST\"\nprice = \"5\"");
    let shop = shop(setup, "1").await;
    let answer = shop.gateway.ask(post("/unset", &shop.acme)).await;
    assert_eq!((&*code(&answer, &shop.gateway), answer.status), ("not_configured", 500));
}

/// What each caller sees of its own account, wrapped as the contract says.
#[tokio::test]
async fn what_an_account_has_used() {
    let origin = Origin::start(|request| match request.fields.has("x-fails") {
        true => vec![Act::Fin],
        false => tasks(request),
    })
    .await;
    let page = |name: &str| format!("method = \"GET\"\nserve = \"{name}\"\nsuccess = \"wrap\"");
    let by_model = "method = \"POST\"\nschema = '{\"properties\":{\"model\":{\"enum\":[\"a\",\"b\"]}}}'\ntask = { id_in_answer = \"/id\" }\nprice = { by = \"/model\", table = { a = \"0.01\", b = \"0.2\" } }";
    let mut setup = setup(&origin).preset("eggapi").route("/generate", "provider", by_model);
    for name in ["usage", "usage-summary", "tasks"] {
        setup = setup.tables(&format!("[[route]]\npath = \"/v1/{name}\"\n{}", page(name)));
    }
    let shop = shop(setup, "1").await;
    let body = |model: &str| format!(r#"{{"model":"{model}"}}"#).into_bytes();
    for (model, id) in
        [("a", "succeeded-1"), ("b", "succeeded-2"), ("a", "failed-3"), ("a", "running-4")]
    {
        let ask = Ask { body: body(model), ..post("/generate", &shop.acme).field("x-task", id) };
        assert_eq!(shop.gateway.ask(ask).await.status, 202);
        assert_eq!(shop.task(id).await.status, 200);
    }
    let look = async |path: &str, key: &str| {
        let answer = shop.gateway.ask(get(path, key)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(body["error"].is_null(), "{body}");
        body["data"].clone()
    };
    for version in Version::BOTH {
        let mut head = with(get("/v1/usage-summary", &shop.acme), version);
        head.method = http::Method::HEAD;
        let answer = shop.gateway.ask(head).await;
        assert_eq!((answer.status, &*answer.body), (200, &b""[..]), "{version:?}");
    }
    let summary = look("/v1/usage-summary", &shop.acme).await;
    assert_eq!((&summary["balance"], &summary["held"]), (&"0.78".into(), &"0.01".into()));
    for period in ["today", "this_month", "all_time"] {
        assert_eq!(summary[period], serde_json::json!({ "requests": 2, "cost": "0.21" }));
    }
    assert_eq!(
        summary["by_model"][0],
        serde_json::json!({ "model": "b", "requests": 1, "cost": "0.20" })
    );
    let usage = look("/v1/usage", &shop.acme).await;
    let costs: Vec<_> = usage["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["model"].as_str().unwrap(),
                item["cost"].as_str().unwrap(),
                item["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(costs, [("a", "0.01", "held"), ("b", "0.20", "charged"), ("a", "0.01", "charged")]);
    assert_eq!(
        usage["pagination"],
        serde_json::json!({ "page": 1, "per_page": 20, "total": 3, "total_pages": 1 })
    );
    let second = look("/v1/usage?page=2&per_page=2", &shop.acme).await;
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
    assert_eq!(second["pagination"]["total_pages"], 2);
    let made = look("/v1/tasks", &shop.acme).await;
    let states: Vec<_> = made["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["id"].as_str().unwrap(), item["status"].as_str().unwrap()))
        .collect();
    assert_eq!(
        states,
        [
            ("running-4", "pending"),
            ("failed-3", "failed"),
            ("succeeded-2", "completed"),
            ("succeeded-1", "completed")
        ]
    );
    // Of others there is nothing.
    for path in ["/v1/usage", "/v1/tasks"] {
        assert_eq!(look(path, &shop.other).await["pagination"]["total"], 0);
    }
    let answer = shop.gateway.ask(get("/v1/usage?page=0", &shop.acme)).await;
    assert_eq!((&*code(&answer, &shop.gateway), answer.status), ("VALIDATION_ERROR", 400));
}

/// Ids in which all that is known of a task is sealed: nothing is remembered, and the provider's ids are nobody's business.
#[tokio::test]
async fn sealed_ids() {
    let origin = Origin::start(|request| match &*request.target {
        "/result" => {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            json(200, &format!(r#"{{"id":{},"status":"succeeded"}}"#, body["id"]))
        }
        target if target.starts_with("/find?") => {
            json(200, &format!(r#"{{"query":"{}","status":"running"}}"#, &target[6..]))
        }
        _ => tasks(request),
    })
    .await;
    let paid = format!("method = \"POST\"\nprice = \"{PRICE}\"\n");
    let sealed = |place: &str| format!("task = {{ {place}, sealed = true }}");
    let setup = Setup::default()
        .tables("[tasks]\nseal_keys = [\"${SEAL}\"]\n")
        .env("SEAL", "an integration test's secret, which is long")
        .secret("an integration test's secret")
        .upstream("provider", &origin.url(), "profile = \"mine\"")
        .route("/tasks", "provider", &format!("{paid}{}", sealed("id_in_answer = \"/id\"")))
        .route("/tasks/{id}", "provider", &sealed("id_in_path = \"id\""))
        .route("/find", "provider", &sealed("id_in_query = \"id\""))
        .route(
            "/result",
            "provider",
            &format!("schema = '{{}}'\n{}", sealed("id_in_body = \"/id\"")),
        );
    let shop = shop(setup, "1").await;
    let answer = shop.gateway.ask(post("/tasks", &shop.acme).field("x-task", "succeeded-1")).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let id = body["id"].as_str().unwrap();
    assert_eq!((answer.status, &body["status"]), (202, &"running".into()));
    assert!(id.starts_with("task_") && !answer.text().contains("succeeded-1"), "{id}");
    assert_eq!(answer.fields.all("content-length"), [answer.body.len().to_string()]);
    shop.assert_balance("0.99", "0.01", "it goes on");
    let find = shop.gateway.ask(get(&format!("/find?a=1&id={id}"), &shop.acme)).await;
    find.assert_ok(r#"{"query":"a=1&id=succeeded-1","status":"running"}"#);
    // Somebody else's, one that was changed, and the provider's own.
    let other = if id.as_bytes()[20] == b'A' { "B" } else { "A" };
    let changed = format!("{}{other}{}", &id[..20], &id[21..]);
    for (key, id) in [(&shop.other, id), (&shop.acme, &changed), (&shop.acme, "succeeded-1")] {
        assert_eq!(shop.gateway.ask(get(&format!("/tasks/{id}"), key)).await.status, 404);
    }
    let ask = Ask {
        body: format!(r#"{{"a": 1, "id": "{id}"}}"#).into_bytes(),
        ..post("/result", &shop.acme)
    };
    shop.gateway.ask(ask).await.assert_ok(r#"{"id":"succeeded-1","status":"succeeded"}"#);
    assert_eq!(origin.last_request().body, br#"{"a": 1, "id": "succeeded-1"}"#);
    shop.assert_balance("0.99", "0.00", "it is done");
    assert_eq!(shop.task(id).await.status, 200);
    let requests = origin.requests().len();
    assert_eq!(requests, 4, "what is nobody's is asked of nobody");
}

/// What a failed attempt has said is forgotten: the next one is what is paid for.
#[tokio::test]
async fn who_pays_when_another_endpoint_has_done_it() {
    let failed = r#"{"status":"failed","error":"apikey credits not enough"}"#;
    let done = r#"{"status":"succeeded","results":[{"url":"https://a.example/1"}]}"#;
    let first = Origin::start(move |_| json(200, failed)).await;
    let second = Origin::start(move |_| json(200, done)).await;
    let endpoints = [("first", &*first.url(), ""), ("second", &*second.url(), "priority = 2")];
    let route = format!("method = \"POST\"\nprice = \"{PRICE}\"");
    let setup = Setup::default()
        .pool("provider", "profile = \"grsai\"", &endpoints)
        .route("/paid", "provider", &route);
    let shop = shop(setup, "1").await;
    let answer = shop.gateway.ask(post("/paid", &shop.acme)).await;
    assert_eq!((answer.status, first.requests().len(), second.requests().len()), (200, 1, 1));
    shop.assert_balance("0.99", "0.00", "the second one has done it");
}

/// Results that nobody can look into, and answers that are none.
#[tokio::test]
async fn results_of_every_shape() {
    let origin = Origin::start(|request| match &*request.target {
        "/paid" => vec![Act::send(
            "HTTP/1.1 302 Found\r\nlocation: https://login.example/\r\ncontent-length: 0\r\n\r\n",
        )],
        "/tasks" => {
            let state = request.fields.one("x-state").unwrap_or("running");
            json(
                201,
                &format!(
                    r#"{{"id":"{}","status":"{state}"}}"#,
                    request.fields.one("x-task").unwrap()
                ),
            )
        }
        "/tasks/large" => {
            let picture = "x".repeat(200_000);
            json(200, &format!(r#"{{"b64":"{picture}","status":"succeeded"}}"#))
        }
        "/tasks/stream" => stream("succeeded"),
        "/tasks/picture" => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 4\r\n\r\n";
            vec![Act::send(format!("{head}\x7fPNG"))]
        }
        "/tasks/head" => vec![Act::send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")],
        "/tasks/empty" => vec![Act::send("HTTP/1.1 204 No Content\r\n\r\n")],
        "/tasks/long-stream" => {
            let last = format!(
                "data: {{\"b64\":\"{}\",\"status\":\"succeeded\"}}\n\n",
                "x".repeat(1_200_000)
            );
            let begun = [EVENTS.as_bytes(), &chunk("data: {\"status\":\"running\"}\n\n")].concat();
            vec![Act::send([&*begun, &*chunk(last), LAST_CHUNK.as_bytes()].concat())]
        }
        _ => json(202, r#"{"status":"new"}"#),
    })
    .await;
    let shop = shop(setup(&origin), "1").await;
    let make = |id: &str, state: &str| {
        shop.gateway.ask(post("/tasks", &shop.acme).field("x-task", id).field("x-state", state))
    };
    assert_eq!(make("at-once", "succeeded").await.status, 201);
    shop.assert_balance("0.99", "0.00", "a task that is done when it is made");
    for (id, available, held) in [
        ("large", "0.98", "0.00"),
        ("stream", "0.97", "0.00"),
        ("picture", "0.96", "0.00"),
        ("long-stream", "0.95", "0.00"),
        ("unknown", "0.94", "0.01"),
        ("empty", "0.93", "0.02"),
    ] {
        assert_eq!(make(id, "running").await.status, 201);
        assert!((200..300).contains(&shop.task(id).await.status), "{id}");
        shop.assert_balance(available, held, id);
    }
    make("head", "running").await;
    let mut head = get("/tasks/head", &shop.acme);
    head.method = http::Method::HEAD;
    assert_eq!(shop.gateway.ask(head).await.status, 200);
    shop.assert_balance("0.92", "0.03", "nothing was seen of it");
    assert_ne!(shop.gateway.ask(post("/paid", &shop.acme)).await.status, 200);
    shop.assert_balance("0.92", "0.03", "nobody has done anything");
}

/// The money is back, and so there is nothing to be had for it any more.
#[tokio::test]
async fn no_result_of_what_was_given_back() {
    let origin = Origin::start(|request| {
        let state = request.fields.one("x-say").unwrap_or("running");
        json(
            200,
            &format!(
                r#"{{"id":"{}","status":"{state}"}}"#,
                request.fields.one("x-task").unwrap_or("t-1")
            ),
        )
    })
    .await;
    let shop = shop(setup(&origin), "1").await;
    let ask = |say: &str| shop.gateway.ask(get("/tasks/t-1", &shop.acme).field("x-say", say));
    // By the provider, which then thinks again.
    shop.gateway.ask(post("/tasks", &shop.acme)).await;
    ask("failed").await;
    shop.assert_balance("1.00", "0.00", "it has failed");
    let answer = ask("succeeded").await;
    assert_eq!(code(&answer, &shop.gateway), "upstream_error_status");
    shop.assert_balance("1.00", "0.00", "it has failed");
    // By hand.
    shop.gateway.ask(post("/tasks", &shop.acme).field("x-task", "t-2")).await;
    let store = shop.directory.store();
    let (_, out, _) = run(&["ledger", "holds", "--json", "--store", &store], &[]);
    let holds: Value = serde_json::from_str(&out).unwrap();
    let id = holds[0]["id"].as_str().unwrap();
    assert_eq!(run(&["ledger", "release", id, "--store", &store], &[]).0, 0);
    let ask = get("/tasks/t-2", &shop.acme).field("x-say", "succeeded");
    for _ in 0..2 {
        let answer = shop.gateway.ask(ask.clone()).await;
        assert_eq!(code(&answer, &shop.gateway), "task_not_found");
    }
    shop.assert_balance("1.00", "0.00", "somebody has given it back");
}

/// A key is kept for as long as its request can take, and says nothing of requests to other routes.
#[tokio::test]
async fn what_a_key_is_good_for() {
    let origin = Origin::start(|request| match &*request.target {
        "/refused" => json(422, r#"{"error":{"message":"no","code":"moderation_blocked"}}"#),
        target => json(200, &format!(r#"{{"from":"{target}"}}"#)),
    })
    .await;
    let keyed = "method = \"POST\"\nschema = '{\"type\":\"object\"}'\nidempotency = \"required\"";
    let setup = setup(&origin)
        .route("/refused", "provider", keyed)
        .route("/a/{model}", "provider", &format!("{keyed}\nrewrite = \"/made\""))
        .route("/b", "provider", &format!("{keyed}\nrewrite = \"/made\""));
    let shop = shop(setup, "1").await;
    let ask = |path: &str| {
        shop.gateway
            .ask(post(path, &shop.acme).field("idempotency-key", &path.replace('/', "-")[..2]))
    };
    let (first, second) = (ask("/refused").await, ask("/refused").await);
    assert_eq!(second.fields.one("idempotency-replayed"), Some("true"));
    // Word for word, with the id of the request in which it happened.
    assert_eq!(code(&first, &shop.gateway), "upstream_input_moderation");
    assert_eq!((first.status, &first.body), (second.status, &second.body));
    assert_eq!(ask("/a/cheap").await.status, 200);
    assert_eq!(code(&ask("/a/dear").await, &shop.gateway), "idempotency_key_reused");
    let to_b = post("/b", &shop.acme).field("idempotency-key", "-a");
    assert_eq!(code(&shop.gateway.ask(to_b).await, &shop.gateway), "idempotency_key_reused");
}

/// Where nobody here looks at keys the provider sees none: what it does once would be paid for twice.
#[tokio::test]
async fn a_key_that_nobody_looks_at() {
    let origin = Origin::start(|_| json(200, "{}")).await;
    let setup = setup(&origin).route("/free", "provider", "method = \"POST\"");
    let shop = shop(setup, "1").await;
    for (path, is_there) in [("/paid", false), ("/keyed", true), ("/free", true)] {
        shop.gateway.ask(post(path, &shop.acme).field("idempotency-key", "k")).await;
        assert_eq!(origin.last_request().fields.has("idempotency-key"), is_there, "{path}");
    }
}
