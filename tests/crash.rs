//! A gateway that is killed while it takes money, again and again: whatever moment it is, every success that somebody saw is paid for, nothing is
//! paid for twice, and nothing stays reserved for ever.
//!
//! `TOLLGATE_CRASHES` says how often it is killed; a few times where nothing is said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test may panic, and tells how much it has seen"
)]

#[cfg(feature = "postgres")]
#[path = "support/postgres_server.rs"]
mod postgres_server;
mod support;

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use support::{
    Act, Gateway, Origin, Received,
    gateway::{BINARY, Directory, run},
    origin::{EVENTS, LAST_CHUNK, chunk, json},
    soon,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};
use tollgate::Catalog;

/// How many clients ask at a time.
const CLIENTS: usize = 8;
/// What every request costs, in millionths.
const PRICE: i64 = 10_000;
const PAID_IN: i64 = 1_000_000_000_000;

const CONFIGURATION: &str = r#"
[server]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
workers = 2
drain_timeout = "2s"

[auth]
accept = ["bearer"]

[profile.mine]
extends = "generic"
work = { at = "/status", succeeded = "succeeded", failed = "failed" }

[upstream.provider]
profile = "mine"
timeout = "900ms"
[[upstream.provider.endpoint]]
url = "${PROVIDER}"

[charge]
time_limit = "2s"
[tasks]
retention = "3s"

[[route]]
method = "POST"
path = "/json"
upstream = "provider"
schema = '{ "type": "object" }'
price = "0.010"
idempotency = "optional"

[[route]]
method = "POST"
path = "/stream"
upstream = "provider"
price = "0.010"

[[route]]
method = "POST"
path = "/task"
upstream = "provider"
price = "0.010"
task = { id_in_answer = "/id" }

[[route]]
method = "GET"
path = "/task/{id}"
upstream = "provider"
task = { id_in_path = "id" }
"#;

/// A provider that succeeds four times of five, each time a little later or sooner.
fn provider(request: &Received) -> Vec<Act> {
    let pause = Act::Wait(Duration::from_micros(u64::from(fastrand::u16(..5_000))));
    let fails = fastrand::u8(..5) == 0;
    let path = request.target.split('?').next().unwrap_or_default();
    let mut acts = vec![pause];
    acts.extend(match path {
        "/stream" => {
            let last = if fails { "failed" } else { "succeeded" };
            let event = |status: &str| chunk(format!("data: {{\"status\":\"{status}\"}}\n\n"));
            let begun = [EVENTS.as_bytes(), &event("running")].concat();
            let pause = Act::Wait(Duration::from_millis(1));
            vec![
                Act::send(begun),
                pause,
                Act::send([&*event(last), LAST_CHUNK.as_bytes()].concat()),
            ]
        }
        "/json" if fails => json(500, r#"{"error":{"message":"no"}}"#),
        "/json" => json(200, r#"{"status":"succeeded","url":"https://img.example/1.png"}"#),
        "/task" => json(202, &format!(r#"{{"id":"t{}","status":"running"}}"#, fastrand::u64(..))),
        // Of a task it says the same whenever it is asked.
        task if task.ends_with('7') => json(200, r#"{"status":"failed"}"#),
        _ => json(200, r#"{"status":"succeeded"}"#),
    });
    acts
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    /// What succeeded, as far as the end of an answer.
    succeeded: Mutex<BTreeSet<String>>,
    /// The ids of all requests, by what they were repetitions of.
    asked: Mutex<BTreeMap<String, Vec<String>>>,
    count: AtomicUsize,
    changed: Notify,
}

/// A gateway, as long as it lives.
struct Target {
    address: Mutex<SocketAddr>,
    over: AtomicBool,
}

/// Sends one request and reads its answer to the end: status and body, if it has one.
async fn ask(address: SocketAddr, head: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let length = body.len();
    let message =
        format!("{head}host: test\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(message.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let whole = match length {
        Some(length) => length.parse() == Ok(body.len()),
        None => body.ends_with("0\r\n\r\n"),
    };
    whole.then(|| (status, body.to_owned()))
}

/// A caller who asks until there is no more gateway to ask; who got no answer asks for the same once more.
async fn client(number: usize, key: String, target: Arc<Target>, seen: Arc<Seen>) {
    let mut count = 0;
    while !target.over.load(Ordering::Relaxed) {
        count += 1;
        let name = format!("op-{number}-{count}");
        let kind = ["json", "stream", "task"][fastrand::usize(..3)];
        for attempt in 0..20 {
            if target.over.load(Ordering::Relaxed) {
                return;
            }
            let id = format!("{name}-{attempt}");
            let operation = if kind == "json" { name.clone() } else { id.clone() };
            seen.asked.lock().unwrap().entry(operation.clone()).or_default().push(id.clone());
            let address = *target.address.lock().unwrap();
            let repeatable =
                if kind == "json" { format!("idempotency-key: {name}\r\n") } else { String::new() };
            let head = format!(
                "POST /{kind} HTTP/1.1\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\nx-request-id: {id}\r\n{repeatable}"
            );
            let answer = ask(address, &head, r#"{"prompt":"a cat"}"#).await;
            let Some((status, body)) = answer else {
                // It was killed: the next one comes up, before there are no attempts left.
                tokio::time::sleep(Duration::from_millis(25)).await;
                continue;
            };
            assert!(matches!(status, 200 | 202 | 409 | 502 | 503 | 504), "{status} {body}");
            let succeeded = match kind {
                "task" => status == 202 && follow(&key, &target, &body).await,
                _ => status == 200 && body.contains("\"succeeded\""),
            };
            if succeeded {
                seen.succeeded.lock().unwrap().insert(operation);
                seen.count.fetch_add(1, Ordering::Relaxed);
                seen.changed.notify_waiters();
            }
            break;
        }
    }
}

/// Asks about a task until it has ended; whether it has succeeded.
async fn follow(key: &str, target: &Target, accepted: &str) -> bool {
    let accepted: Value = serde_json::from_str(accepted).unwrap();
    let id = accepted["id"].as_str().unwrap().to_owned();
    for _ in 0..20 {
        let address = *target.address.lock().unwrap();
        let head = format!("GET /task/{id} HTTP/1.1\r\nauthorization: Bearer {key}\r\n");
        match ask(address, &head, "").await {
            Some((200, body)) => return body.contains("\"succeeded\""),
            Some((404, _)) => return false,
            _ => tokio::time::sleep(Duration::from_millis(25)).await,
        }
    }
    false
}

async fn start(file: &Path, origin: &Origin, store: &str) -> Gateway {
    let mut command = Command::new(BINARY);
    command
        .args(["serve", "--config"])
        .arg(file)
        .env_clear()
        .env("TOLLGATE_LOG", "info")
        .env("TOLLGATE_STORE", store)
        .env("PROVIDER", origin.url());
    Gateway::run(command, Catalog::preset("default").unwrap(), Vec::new(), None).await
}

fn ledger(store: &str, arguments: &[&str]) -> String {
    let (code, out, error) = run(&[&["ledger"], arguments, &["--store", store]].concat(), &[]);
    assert_eq!(code, 0, "{arguments:?}: {out}{error}");
    out
}

/// Kills the gateway so often, and then looks whether the books are right.
async fn killed_again_and_again(store: &str, key: String, crashes: usize) {
    let directory = Directory::default();
    let file = directory.file("tollgate.toml", CONFIGURATION);
    let origin = Origin::start(provider).await;
    let mut gateway = start(&file, &origin, store).await;
    let address = Mutex::new(gateway.address);
    let target = Arc::new(Target { address, over: AtomicBool::new(false) });
    let seen = Arc::<Seen>::default();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| tokio::spawn(client(number, key.clone(), target.clone(), seen.clone())))
        .collect();
    for _ in 0..crashes {
        // Some successes later, whenever that is.
        let until = seen.count.load(Ordering::Relaxed) + fastrand::usize(1..40);
        soon("some successes", async {
            while seen.count.load(Ordering::Relaxed) < until {
                let _ =
                    tokio::time::timeout(Duration::from_millis(10), seen.changed.notified()).await;
            }
        })
        .await;
        gateway.signal("KILL");
        gateway.exited().await;
        gateway = start(&file, &origin, store).await;
        *target.address.lock().unwrap() = gateway.address;
    }
    target.over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    soon("the end of every hold", async {
        while ledger(store, &["holds", "--json"]).trim() != "[]" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    gateway.signal("TERM");
    assert!(gateway.exited().await.success());
    check(store, &seen, crashes);
}

fn check(store: &str, seen: &Seen, crashes: usize) {
    ledger(store, &["verify"]);
    let mut settled = BTreeMap::<String, usize>::new();
    let (mut held, mut released, mut over_time) = (0, 0, 0);
    for line in ledger(store, &["export", "--format", "jsonl"]).lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        match entry["kind"].as_str().unwrap() {
            "settle" => {
                *settled.entry(entry["request"].as_str().unwrap().to_owned()).or_default() += 1;
            }
            "hold" => held += 1,
            "release" => released += 1,
            _ => continue,
        }
        over_time += usize::from(entry["note"] == "time limit");
    }
    let succeeded = seen.succeeded.lock().unwrap();
    for (operation, ids) in &*seen.asked.lock().unwrap() {
        let charges: usize = ids.iter().filter_map(|id| settled.get(id)).sum();
        assert!(charges <= 1, "{operation}: charged {charges} times");
        assert!(
            charges == 1 || !succeeded.contains(operation),
            "{operation}: a success without its charge: {}",
            ledger(store, &["list", "--request", ids.last().unwrap()])
        );
    }
    let settled = settled.len();
    assert_eq!(held, settled + released);
    let (_, out, _) = run(&["balance", "show", "acme", "--store", store, "--json"], &[]);
    let balance: Value = serde_json::from_str(&out).unwrap();
    let available: tollgate::charge::Amount =
        balance["available"].as_str().unwrap().parse().unwrap();
    assert_eq!(available.micros(), PAID_IN - PRICE * i64::try_from(settled).unwrap());
    eprintln!(
        "killed {crashes} times: {} successes seen, {held} holds, {settled} settled, {released} released, {over_time} of them at their time limit",
        succeeded.len()
    );
    assert!(
        succeeded.len() >= crashes && over_time > 0,
        "nothing was in flight when it was killed"
    );
}

/// Gives "acme" its money; a key of it.
fn with_money(store: &str) -> String {
    support::store::pay_in(store, "acme", "1000000");
    support::store::key(store, "acme")
}

fn crashes(everyday: usize) -> usize {
    std::env::var("TOLLGATE_CRASHES").map_or(everyday, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let directory = Directory::default();
    let key = with_money(&directory.store());
    killed_again_and_again(&directory.store(), key, crashes(10)).await;
}

/// The server goes on while the gateway is killed.
#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    let server = postgres_server::PostgresServer::start(&[]);
    let store = server.url(&server.database());
    let key = with_money(&store);
    killed_again_and_again(&store, key, crashes(10)).await;
}
