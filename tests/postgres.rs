//! Keys, accounts and money in a real PostgreSQL: the command line, and gateways that share it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "postgres/callbacks.rs"]
mod callbacks;
#[path = "postgres/money.rs"]
mod money;
#[path = "support/postgres_server.rs"]
mod postgres_server;
mod support;

use postgres_server::{PASSWORD, PostgresServer};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};
use support::{
    Answer, Gateway, Origin, Version, assert_fault,
    client::Ask,
    gateway::{BINARY, Directory, run},
    soon,
};
use tollgate::Kind;

/// The URL of a database of a test's own, and a server that outlives the test.
fn database() -> (Arc<PostgresServer>, String, String) {
    let server = PostgresServer::shared();
    let name = server.database();
    let url = server.url(&name);
    (server, name, url)
}

/// Runs a command on a store: exit code, standard output, standard error.
fn cli(store: &str, arguments: &[&str]) -> (i32, String, String) {
    let done = run(arguments, &[("TOLLGATE_STORE", store)]);
    assert!(!done.1.contains(PASSWORD) && !done.2.contains(PASSWORD), "{done:?}");
    assert!(!done.2.contains("panicked"), "{done:?}");
    done
}

#[track_caller]
fn ok(store: &str, arguments: &[&str]) -> String {
    let (code, out, err) = cli(store, arguments);
    assert_eq!(code, 0, "{arguments:?}: {err}");
    out
}

#[track_caller]
fn json(store: &str, arguments: &[&str]) -> Value {
    let out = ok(store, &[arguments, &["--json"]].concat());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// A new key of the account "acme": its id and the key itself.
fn create(store: &str) -> (String, String) {
    let made = json(store, &["keys", "create", "--account", "acme"]);
    (text(&made["id"]), text(&made["key"]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

async fn gateway(store: &str, origin: &Origin) -> Gateway {
    let setup = Gateway::setup().tables("[auth]").server(&format!("store = \"{store}\""));
    setup.secret(PASSWORD).all_to(&origin.url(), "").start().await
}

async fn ask(gateway: &Gateway, key: &str) -> Answer {
    let ask = Ask::new(Version::Http1, "GET", "/x");
    gateway.ask(ask.field("authorization", &format!("Bearer {key}"))).await
}

/// Asks until the answer has this status.
async fn until(gateway: &Gateway, key: &str, status: u16) -> Answer {
    soon(&format!("the status {status}"), async {
        loop {
            let answer = ask(gateway, key).await;
            if answer.status == status {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

#[test]
fn every_command() {
    let (_server, _, store) = database();
    for command in [&["keys", "list"][..], &["keys", "revoke", "x"], &["accounts", "list"]] {
        let (code, _, err) = cli(&store, command);
        assert!(code == 1 && err.contains("there is no store"), "{err}");
    }
    let arguments =
        ["keys", "create", "--account", "acme", "--plan", "pro", "--scope", "b", "--scope", "a"];
    let (code, key, err) =
        cli(&store, &[&arguments[..], &["--id", "first", "--expires", "30d"]].concat());
    assert!(code == 0 && key.starts_with("tg_"), "{err}");
    assert!(err.contains("there was no store yet, made postgres://tollgate@127.0.0.1:"), "{err}");
    let shown = json(&store, &["keys", "show", "fir"]);
    assert_eq!((&shown["plan"], &shown["state"]), (&"pro".into(), &"active".into()));
    assert_eq!(shown["scopes"], serde_json::json!(["a", "b"]));

    let rotated = json(&store, &["keys", "rotate", "first", "--grace", "1h"]);
    assert_eq!(rotated["rotated_from"], "first");
    let (code, _, err) = cli(&store, &["keys", "rotate", "first"]);
    assert!(code == 1 && err.contains("rotated already"), "{err}");
    let (code, out, err) = cli(&store, &["keys", "revoke", "nobody", "first"]);
    assert_eq!((code, &*out), (1, "first: revoked\n"), "{err}");
    assert!(ok(&store, &["keys", "revoke", "first"]).contains("was revoked already"));

    ok(&store, &["accounts", "suspend", "acme"]);
    assert!(json(&store, &["accounts", "list"])[0]["suspended_at"].is_string());
    ok(&store, &["accounts", "resume", "acme"]);

    let directory = Directory::default();
    let file =
        directory.file("keys.csv", "key,account,plan,scopes\nsk-1,acme,pro,a b\nsk-2,other,,\n");
    let file = file.to_str().unwrap();
    assert_eq!(json(&store, &["keys", "import", file])["added"], 2);
    assert_eq!(ok(&store, &["keys", "import", file]), "0 added, 0 updated, 2 unchanged\n");
    let other = directory.file("other.csv", "key,account\nsk-3,acme\nsk-2,else\n");
    let other = other.to_str().unwrap();
    let (code, _, err) = cli(&store, &["keys", "import", other]);
    assert!(code == 1 && err.contains("other.csv:3: the key is there already"), "{err}");
    assert_eq!(
        ok(&store, &["keys", "import", other, "--update"]),
        "1 added, 1 updated, 0 unchanged\n"
    );
    let listed = json(&store, &["keys", "list", "--all"]);
    assert_eq!(listed.as_array().unwrap().len(), 5);
    assert_eq!(json(&store, &["accounts", "list"]).as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn two_gateways_on_one_database() {
    let (_server, _, store) = database();
    let origin = Origin::ok("made").await;
    let (first, second) = tokio::join!(gateway(&store, &origin), gateway(&store, &origin));
    let (id, key) = create(&store);
    for gateway in [&first, &second] {
        until(gateway, &key, 200).await.assert_ok("made");
    }
    ok(&store, &["accounts", "suspend", "acme"]);
    for gateway in [&first, &second] {
        assert_fault(&until(gateway, &key, 403).await, &gateway.catalog, Kind::AccountSuspended);
    }
    ok(&store, &["accounts", "resume", "acme"]);
    ok(&store, &["keys", "revoke", &id]);
    for gateway in [&first, &second] {
        assert_fault(&until(gateway, &key, 401).await, &gateway.catalog, Kind::RevokedCredential);
    }
}

fn count(gateway: &Gateway, message: &str) -> usize {
    gateway.log().iter().filter(|line| line["message"] == message).count()
}

const FAILS: &str = "the key store fails; the keys as they were last read go on being served";
const IS_BACK: &str = "the key store is back, and was read again";

#[tokio::test]
async fn keys_outlive_the_server() {
    let mut server = PostgresServer::start(&[]);
    let store = server.url(&server.database());
    let origin = Origin::ok("made").await;
    let (id, key) = create(&store);
    let gateway = gateway(&store, &origin).await;
    assert_eq!(ask(&gateway, &key).await.status, 200);

    server.stop();
    let said = gateway.logged(|line| line["message"] == FAILS).await;
    assert!(text(&said["store"]).starts_with("postgres://tollgate@127.0.0.1"), "{said}");
    assert_eq!(ask(&gateway, &key).await.status, 200);
    assert_eq!(ask(&gateway, "sk-nobody-0123456789").await.status, 401);
    assert_eq!(gateway.probe("/readyz").await, 200);
    let (code, _, err) = cli(&store, &["keys", "revoke", &id]);
    assert!(code == 1 && err.contains("the server cannot be reached"), "{err}");

    server.restart();
    gateway.logged(|line| line["message"] == IS_BACK).await;
    ok(&store, &["keys", "revoke", &id]);
    until(&gateway, &key, 401).await;
    let (_, key) = create(&store);
    until(&gateway, &key, 200).await;
    assert_eq!((count(&gateway, FAILS), count(&gateway, IS_BACK)), (1, 1), "{}", gateway.stderr());
}

/// A server that is there and says nothing: the gateway serves, says so, and ends when it is told to.
#[tokio::test]
async fn a_server_that_hangs() {
    let server = PostgresServer::start(&[]);
    let store = server.url(&server.database());
    let origin = Origin::ok("made").await;
    let (_, key) = create(&store);
    let mut gateway = gateway(&store, &origin).await;
    server.pause();
    let said = gateway.logged(|line| line["message"] == FAILS).await;
    assert!(text(&said["error"]).contains("has not answered"), "{said}");
    assert_eq!(ask(&gateway, &key).await.status, 200);
    gateway.signal("TERM");
    assert!(gateway.exited().await.success());
}

#[test]
fn what_cannot_be_used() {
    let (server, name, store) = database();
    let directory = Directory::default();
    let table = [
        (store.replace(PASSWORD, "wr0ng-pg"), "refuses the user or the password"),
        (store.replace(&format!(":{PASSWORD}"), ""), "wants a password"),
        (store.replace(&name, "nowhere"), "no such database"),
        (format!("postgres://tollgate:wr0ng-pg@127.0.0.1:9/{name}"), "cannot be reached"),
        (format!("{store}?sslmode=require"), "no TLS"),
        (format!("{store}?sslmode=verify-full&sslrootcert=/nowhere.pem"), "/nowhere.pem"),
        (server.url_of(&format!("tls:{PASSWORD}"), &name), "pg_hba.conf"),
    ];
    let config = "[server]\nlisten = \"127.0.0.1:0\"\n[auth]\n[upstream.a]\n[[upstream.a.endpoint]]\n\
                  url = \"http://127.0.0.1:9\"\n[[route]]\npath = \"/x\"\nupstream = \"a\"\n";
    let file = directory.file("tollgate.toml", config);
    let file = file.to_str().unwrap();
    for (store, said) in &table {
        // A server that is away may be there the next time, without another configuration.
        let wrong = if *said == "cannot be reached" { 1 } else { 78 };
        for (code, command) in [
            (1, &["keys", "create", "--account", "acme"][..]),
            (1, &["accounts", "list"]),
            (wrong, &["check", file]),
            (wrong, &["serve", "--config", file]),
        ] {
            let (got, out, err) = cli(store, command);
            assert_eq!((got, &*out), (code, ""), "{command:?} {said}: {err}");
            assert!(err.contains(said) && !err.contains("wr0ng"), "{command:?} {said}: {err}");
            assert!(err.contains("postgres://t"), "{command:?} {said}: {err}");
        }
    }
    // What is wrong in the URL itself is wrong usage.
    for url in
        ["postgres://u:wr0ng@h", "postgres://u:wr0ng@h/d?sslmode=on", "postgres://u:wr/0ng@h/d"]
    {
        let (code, _, err) = cli("", &["keys", "list", "--store", url]);
        assert!(code == 2 && err.contains("--store: ") && !err.contains("0ng"), "{err}");
    }
    let unused = server.sql(&name, "SELECT to_regnamespace('tollgate') IS NULL");
    assert_eq!(unused, "t");
}

#[test]
fn a_check_makes_no_store_and_names_unknown_plans() {
    let (server, name, store) = database();
    let directory = Directory::default();
    let config = "[server]\nlisten = \"127.0.0.1:0\"\n[auth]\n[[limit]]\nname = \"a\"\nkey = \"principal\"\nrate = \"1/s\"\n\
                  plans = { free = { rate = \"2/s\" } }\n[upstream.a]\n[[upstream.a.endpoint]]\nurl = \"http://127.0.0.1:9\"\n\
                  [[route]]\npath = \"/x\"\nupstream = \"a\"\nlimits = [\"a\"]\n";
    let file = directory.file("tollgate.toml", config);
    let check = ["check", file.to_str().unwrap()];
    let (code, _, err) = cli(&store, &check);
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(server.sql(&name, "SELECT to_regnamespace('tollgate') IS NULL"), "t");
    ok(&store, &["keys", "create", "--account", "acme", "--plan", "gold"]);
    let (code, _, err) = cli(&store, &check);
    assert!(code == 0 && err.contains("plan gold"), "{err}");
}

#[test]
fn several_processes_at_once() {
    let (_server, _, store) = database();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5).for_each(|_| _ = create(&store)));
        }
    });
    assert_eq!(json(&store, &["accounts", "list"])[0]["keys"], 20);
}

fn command(store: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).env_clear().env("TOLLGATE_STORE", store);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn it_waits_for_an_import() {
    let (server, name, store) = database();
    let (id, _) = create(&store);
    let mut import = server.session(&name);
    import.run("BEGIN; SELECT FROM tollgate.revision FOR UPDATE");
    let mut child = command(&store, &["keys", "revoke", &id]).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains("another process keeps the store locked"), "{line}");
    import.run("COMMIT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, format!("{id}: revoked\n").as_bytes(), "{output:?}");
}

/// Killed in the midst of it: all of the keys are there or none, and nobody is kept waiting.
#[test]
fn killed_while_it_imports() {
    let (server, name, store) = database();
    create(&store);
    let directory = Directory::default();
    let lines: String = (0..30_000).map(|n| format!("sk-{n},acme\n")).collect();
    let keys = directory.file("keys.csv", format!("key,account\n{lines}"));
    let import = ["keys", "import", keys.to_str().unwrap()];
    // The rows that are not committed are in the table's file already.
    let size = || -> u64 {
        server.sql(&name, "SELECT pg_relation_size('tollgate.keys')").parse().unwrap()
    };
    let before = size();
    let mut child = command(&store, &import).spawn().unwrap();
    while size() == before {
        assert!(child.try_wait().unwrap().is_none(), "it is done already");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(json(&store, &["accounts", "list"])[0]["keys"], 1);
    assert_eq!(ok(&store, &import), "30000 added, 0 updated, 0 unchanged\n");
}
