//! Gateways that take money from accounts in one database, whatever befalls it.

use super::{PASSWORD, PostgresServer, count, create, database, json, ok, text};
use crate::support::{Answer, Gateway, Origin, Version, assert_fault, client::Ask, origin, soon};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tollgate::Kind;

const FAILS: &str = "the ledger fails; what is to be paid for is refused";
const IS_BACK: &str = "the ledger is back";
/// Longer than anybody waits for a server that is silent, which is 2 s, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(4);

async fn gateway(store: &str, origin: &Origin) -> Gateway {
    Gateway::setup()
        .tables("[auth]\naccept = [\"bearer\"]\n[charge]\ntime_limit = \"8s\"")
        .server(&format!("store = \"{store}\"\nworkers = 2"))
        .secret(PASSWORD)
        .upstream("provider", &origin.url(), "profile = \"generic\"\ntimeout = \"2s\"")
        .route("/{*path}", "provider", "price = \"0.01\"")
        .start()
        .await
}

async fn pay(gateway: &Gateway, key: &str, id: &str) -> Answer {
    let ask = Ask::new(Version::Http1, "POST", "/x").field("x-request-id", id);
    let ask = ask.field("content-type", "application/json").field("connection", "close");
    gateway.ask(ask.field("authorization", &format!("Bearer {key}"))).await
}

async fn provider() -> Origin {
    Origin::start(|_| origin::json(200, r#"{"status":"succeeded"}"#)).await
}

fn pay_in(store: &str, amount: &str) {
    ok(store, &["balance", "add", "acme", amount, "--open"]);
}

fn available(store: &str) -> String {
    text(&json(store, &["balance", "show", "acme"])["available"])
}

/// The ids of the requests that were paid for.
fn paid(store: &str) -> Vec<String> {
    let settled = ok(store, &["ledger", "export", "--format", "jsonl", "--kind", "settle"]);
    let request = |line: &str| text(&serde_json::from_str::<Value>(line).unwrap()["request"]);
    settled.lines().map(request).collect()
}

async fn no_hold_is_left(store: &str) {
    soon("the end of every hold", async {
        while ok(store, &["ledger", "holds", "--json"]).trim() != "[]" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_on_one_account() {
    let (_server, _, store) = database();
    let origin = provider().await;
    let (_, key) = create(&store);
    pay_in(&store, "0.505");
    let (first, second) = tokio::join!(gateway(&store, &origin), gateway(&store, &origin));
    let gateways = Arc::new([first, second]);
    let asks: Vec<_> = (0..200)
        .map(|number| {
            let (gateways, key) = (gateways.clone(), key.clone());
            tokio::spawn(async move {
                let gateway = &gateways[number % 2];
                let answer = pay(gateway, &key, &format!("r{number}")).await;
                if answer.status != 200 {
                    assert_fault(&answer, &gateway.catalog, Kind::InsufficientBalance);
                }
                answer.status
            })
        })
        .collect();
    let mut succeeded = 0;
    for ask in asks {
        succeeded += usize::from(ask.await.unwrap() == 200);
    }
    assert_eq!(succeeded, 50);
    assert_eq!((available(&store), paid(&store).len()), ("0.005".to_owned(), 50));
    ok(&store, &["ledger", "verify"]);
}

/// Callers who ask all the time, and what they saw.
struct Load {
    gateway: Arc<Gateway>,
    over: AtomicBool,
    succeeded: Mutex<BTreeSet<String>>,
    successes: AtomicUsize,
    refusals: AtomicUsize,
}

impl Load {
    async fn ask(self: Arc<Self>, number: usize, key: String) {
        for count in 0.. {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let (id, began) = (format!("r{number}-{count}"), Instant::now());
            let answer = pay(&self.gateway, &key, &id).await;
            assert!(began.elapsed() < PATIENCE, "{id}: {:?} {answer:?}", began.elapsed());
            if answer.status == 200 {
                self.succeeded.lock().unwrap().insert(id);
                self.successes.fetch_add(1, Ordering::Relaxed);
            } else {
                // 500, where the provider had done the work already.
                let kind = match answer.status {
                    500 => Kind::Internal,
                    _ => Kind::StoreUnavailable,
                };
                assert_fault(&answer, &self.gateway.catalog, kind);
                self.refusals.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    async fn more(&self, what: &str, of: &AtomicUsize) {
        let until = of.load(Ordering::Relaxed) + 20;
        soon(what, async {
            while of.load(Ordering::Relaxed) < until {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

/// Ended as by a power failure, ended in an orderly way, and standing still: again and again, in the midst of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_away_for_a_while() {
    let mut server = PostgresServer::start(&[]);
    let store = server.url(&server.database());
    let origin = provider().await;
    let (_, key) = create(&store);
    pay_in(&store, "100000");
    let gateway = Arc::new(gateway(&store, &origin).await);
    let load = Arc::new(Load {
        gateway: gateway.clone(),
        over: AtomicBool::new(false),
        succeeded: Mutex::default(),
        successes: AtomicUsize::new(0),
        refusals: AtomicUsize::new(0),
    });
    let clients: Vec<_> =
        (0..8).map(|number| tokio::spawn(load.clone().ask(number, key.clone()))).collect();
    for number in 0..6 {
        load.more("successes", &load.successes).await;
        match number % 3 {
            0 => server.kill(),
            1 => server.stop(),
            _ => server.pause(),
        }
        load.more("refusals", &load.refusals).await;
        if number % 3 == 2 {
            server.resume();
        } else {
            server.restart();
        }
    }
    load.more("successes", &load.successes).await;
    // So short that nobody is refused.
    server.stop();
    server.restart();
    load.more("successes", &load.successes).await;
    load.over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert!(count(&gateway, FAILS) >= 6 && count(&gateway, IS_BACK) >= 6, "{}", gateway.stderr());
    no_hold_is_left(&store).await;
    let paid = paid(&store);
    let once: BTreeSet<_> = paid.iter().cloned().collect();
    assert_eq!(once.len(), paid.len(), "paid for twice");
    let succeeded = load.succeeded.lock().unwrap();
    let unpaid: Vec<_> = succeeded.difference(&once).collect();
    assert!(unpaid.is_empty(), "{unpaid:?}");
    ok(&store, &["ledger", "verify"]);
}

/// As a standby is. What costs nothing goes on.
#[tokio::test]
async fn it_may_only_be_read() {
    let (server, name, store) = database();
    let origin = provider().await;
    let (_, key) = create(&store);
    pay_in(&store, "1");
    let set = |value| {
        let database = format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}");
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'tollgate'";
        server.sql("postgres", &database);
        server.sql(&name, end);
    };
    set("on");
    let gateway = gateway(&store, &origin).await;
    assert_fault(&pay(&gateway, &key, "a").await, &gateway.catalog, Kind::StoreUnavailable);
    let said = gateway.logged(|line| line["message"] == FAILS).await;
    assert!(text(&said["error"]).contains("the server is read-only"), "{said}");
    assert!(text(&said["store"]).starts_with("postgres://tollgate@127.0.0.1"), "{said}");
    set("off");
    gateway.logged(|line| line["message"] == IS_BACK).await;
    assert_eq!(pay(&gateway, &key, "b").await.status, 200);
    assert_eq!(paid(&store), ["b"]);
}

/// Somebody who may read everything, and what it takes to be paid.
#[tokio::test]
async fn privileges() {
    let (server, name, store) = database();
    let origin = provider().await;
    let (_, key) = create(&store);
    pay_in(&store, "1");
    server.sql(
        &name,
        "GRANT USAGE ON SCHEMA tollgate TO scram; GRANT SELECT ON ALL TABLES IN SCHEMA tollgate TO scram",
    );
    let guest = server.url_of(&format!("scram:{PASSWORD}"), &name);
    let gateway = gateway(&guest, &origin).await;
    assert_fault(&pay(&gateway, &key, "a").await, &gateway.catalog, Kind::StoreUnavailable);
    let said = gateway.logged(|line| line["message"] == FAILS).await;
    assert!(text(&said["error"]).contains("the user may not do that"), "{said}");
    // As it stands in the README.
    server.sql(
        &name,
        "GRANT INSERT ON tollgate.accounts, tollgate.entries, tollgate.holds, tollgate.tasks, tollgate.callbacks, tollgate.idempotency_keys TO scram;
         GRANT UPDATE ON tollgate.revision, tollgate.accounts, tollgate.holds, tollgate.spend_limits, tollgate.tasks, tollgate.callbacks,
             tollgate.idempotency_keys TO scram;
         GRANT DELETE ON tollgate.tasks, tollgate.callbacks, tollgate.idempotency_keys TO scram",
    );
    gateway.logged(|line| line["message"] == IS_BACK).await;
    assert_eq!(pay(&gateway, &key, "b").await.status, 200);
    ok(&store, &["ledger", "verify"]);
}
