//! Another configuration while the gateway runs.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use support::{
    Act, Events, Gateway, Origin, Setup, Version,
    client::Ask,
    gateway::{BINARY, Directory, FILE, run},
    origin::{EVENTS, answer, chunk, ok},
    soon,
    tls::Authority,
};
use tokio::sync::Notify;
use tollgate::Catalog;

const GET: &str = "GET /x HTTP/1.1\r\nhost: api.test\r\n\r\n";

/// What became of it.
fn was_taken_up(line: &Value) -> bool {
    match line["message"].as_str().unwrap() {
        "the configuration was taken up" => true,
        "the configuration is refused, the one in use stays" => false,
        other => panic!("{other}"),
    }
}

/// The mistakes that the log says, with their keys.
fn mistakes(gateway: &Gateway) -> Vec<(String, String)> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let lines = gateway.log().into_iter().filter(|line| line["message"] == "wrong configuration");
    lines.map(|line| (text(&line, "key"), text(&line, "mistake"))).collect()
}

/// Both workers at once, on connections that were there before; what runs is finished as it began.
#[tokio::test]
async fn requests_that_run_finish_on_the_old_one() {
    let (slow, go) = Origin::waiting().await;
    let (old, new) = (Origin::ok("old").await, Origin::ok("new").await);
    let setup = |origin: &Origin| {
        let routes = Gateway::setup().server("workers = 2").upstream("slow", &slow.url(), "");
        let routes = routes.upstream("provider", &origin.url(), "");
        routes.route("/slow", "slow", "").route("/x", "provider", "")
    };
    let gateway = setup(&old).start().await;
    let mut kept = Vec::new();
    for _ in 0..8 {
        let mut client = gateway.client().await;
        client.send(GET).await.answer("GET").await.assert_ok("old");
        kept.push(client);
    }
    let mut http2 = gateway.http2().await;
    let ask = Ask::new(Version::Http2, "GET", "/x");
    http2.ask(&ask).await.unwrap().assert_ok("old");
    let mut waiting = gateway.client().await;
    waiting.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    slow.until("it runs", |origin| origin.requests().len() == 1).await;

    // The route of the request that runs is gone.
    let next = Gateway::setup().server("workers = 2").upstream("provider", &new.url(), "");
    let outcome = gateway.reload(&next.route("/x", "provider", "")).await;
    assert!(was_taken_up(&outcome) && outcome["took_ms"].is_number(), "{outcome}");
    let shown = gateway.page("/config").await;
    assert!(shown["upstream"]["slow"].is_null() && shown["upstream"]["provider"].is_object());
    for client in &mut kept {
        client.send(GET).await.answer("GET").await.assert_ok("new");
    }
    http2.ask(&ask).await.unwrap().assert_ok("new");
    assert_eq!(gateway.get("/slow").await.status, 404);
    go.notify_one();
    assert_eq!(waiting.answer("GET").await.status, 200);
    waiting.send(GET).await.answer("GET").await.assert_ok("new");
    let applied = gateway.metrics().await;
    assert_eq!(applied.one("tollgate_config_reloads_total", &["outcome=\"applied\""]), 1.0);
}

#[tokio::test]
async fn a_stream_goes_on() {
    let go = Arc::new(Notify::new());
    let told = go.clone();
    let origin = Origin::connections(move |mut connection| {
        let go = told.clone();
        async move {
            while connection.request().await?.is_some() {
                let begin = [EVENTS.as_bytes(), &chunk("data: 1\n\n")].concat();
                connection.wire.send(begin).await?;
                go.notified().await;
                let end = [&*chunk("data: 2\n\n"), b"0\r\n\r\n"].concat();
                connection.wire.send(end).await?;
            }
            Ok(())
        }
    })
    .await;
    for version in Version::BOTH {
        let setup = || Gateway::setup().all_to(&origin.url(), "");
        let gateway = setup().start().await;
        let mut events = Events::open(&gateway, Ask::new(version, "GET", "/x")).await;
        assert_eq!(events.next().await.as_deref(), Some("data: 1\n\n"));
        for _ in 0..3 {
            assert!(was_taken_up(&gateway.reload(&setup()).await));
        }
        go.notify_one();
        assert_eq!(events.rest().await, ["data: 2\n\n"]);
    }
}

/// Everything that is wrong is said, and nothing changes.
#[tokio::test]
async fn a_bad_one_is_refused() {
    let origin = Origin::ok("yes").await;
    let good = || Gateway::setup().all_to(&origin.url(), "");
    let gateway = good().start().await;
    let bad = Gateway::setup()
        .server("idle_timeuot = \"1s\"\nsend_timeout = \"soon\"")
        .upstream("provider", &origin.url(), "")
        .route("/x", "povider", "schema = \"none.json\"");
    let outcome = gateway.reload(&bad).await;
    assert!(!was_taken_up(&outcome), "{outcome}");
    let said = mistakes(&gateway);
    let keys: Vec<_> = said.iter().map(|(key, _)| key.as_str()).collect();
    for key in
        ["server.idle_timeuot", "server.send_timeout", "route[0].upstream", "route[0].schema"]
    {
        assert!(keys.contains(&key), "{key}: {said:?}");
    }
    assert_eq!(outcome["mistakes"], said.len());
    let line = gateway.logged(|line| line["key"] == "server.idle_timeuot").await;
    assert!(line["file"].as_str().unwrap().ends_with(FILE) && line["line"].is_number(), "{line}");
    assert_eq!(line["help"], "did you mean `idle_timeout`?");
    gateway.get("/anything").await.assert_ok("yes");
    assert_eq!(gateway.probe("/readyz").await, 200);
    let refused = gateway.metrics().await;
    assert_eq!(refused.one("tollgate_config_last_reload_successful", &[]), 0.0);
    assert_eq!(refused.one("tollgate_config_reloads_total", &["outcome=\"refused\""]), 1.0);

    // What is no file any more, or no TOML.
    std::fs::remove_file(gateway.directory().path().join(FILE)).unwrap();
    assert!(!was_taken_up(&gateway.reload_by(|| gateway.signal("HUP")).await));
    gateway.directory().file(FILE, "[server\n");
    assert!(!was_taken_up(&gateway.reload_by(|| gateway.signal("HUP")).await));
    gateway.get("/anything").await.assert_ok("yes");
    assert!(was_taken_up(&gateway.reload(&good()).await));
    assert_eq!(gateway.metrics().await.one("tollgate_config_last_reload_successful", &[]), 1.0);
}

#[tokio::test]
async fn what_a_process_has_for_life() {
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::setup().all_to(&origin.url(), "").start().await;
    let other = Gateway::setup().server("workers = 3\nstore = \"sqlite://other.db\"");
    let outcome = gateway.reload(&other.all_to(&origin.url(), "")).await;
    assert!(!was_taken_up(&outcome) && outcome["mistakes"] == 2, "{outcome}");
    let said = mistakes(&gateway);
    let keys: Vec<_> = said.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["server.workers", "server.store"]);
    gateway.get("/x").await.assert_ok("yes");
}

/// The limits of this configuration.
fn limited(origin: &Origin, few: &str, many: &str) -> Setup {
    let limit = |name: &str, rate: &str| {
        format!("[[limit]]\nname = \"{name}\"\nkey = \"address\"\nrate = \"{rate}\"\n")
    };
    Gateway::setup()
        .tables(&[limit("few", few), limit("many", many)].concat())
        .upstream("provider", &origin.url(), "")
        .route("/few", "provider", "limits = [\"few\"]")
        .route("/many", "provider", "limits = [\"many\"]")
}

#[tokio::test]
async fn what_is_used_of_a_quota_stays_used() {
    let origin = Origin::ok("yes").await;
    let gateway = limited(&origin, "1/h", "1/h").start().await;
    for path in ["/few", "/many"] {
        assert_eq!(gateway.get(path).await.status, 200, "{path}");
        assert_eq!(gateway.get(path).await.status, 429, "{path}");
    }
    // One of them is another one now.
    assert!(was_taken_up(&gateway.reload(&limited(&origin, "1/h", "2/h")).await));
    assert_eq!(gateway.get("/few").await.status, 429);
    assert_eq!(gateway.get("/many").await.status, 200);
    // And as it was: neither more nor less.
    assert!(was_taken_up(&gateway.reload(&limited(&origin, "1/h", "1/h")).await));
    assert_eq!(gateway.get("/few").await.status, 429);
    assert_eq!(gateway.get("/many").await.status, 429);
}

#[tokio::test]
async fn what_runs_counts_among_so_many_at_once() {
    let (origin, go) = Origin::waiting().await;
    let setup = |most: u32| {
        Gateway::setup()
            .tables(&format!("[[limit]]\nname = \"few\"\nkey = \"address\"\nin_flight = {most}\n"))
            .upstream("provider", &origin.url(), "")
            .route("/x", "provider", "limits = [\"few\"]")
    };
    let gateway = setup(1).start().await;
    let mut first = gateway.client().await;
    first.send(GET).await;
    origin.until("it runs", |origin| origin.requests().len() == 1).await;
    assert!(was_taken_up(&gateway.reload(&setup(1)).await));
    assert_eq!(gateway.get("/x").await.status, 429);
    // One more may.
    assert!(was_taken_up(&gateway.reload(&setup(2)).await));
    let mut second = gateway.client().await;
    second.send(GET).await;
    origin.until("they run", |origin| origin.requests().len() == 2).await;
    assert_eq!(gateway.get("/x").await.status, 429);
    go.notify_one();
    go.notify_one();
    for client in [&mut first, &mut second] {
        assert_eq!(client.answer("GET").await.status, 200);
    }
    go.notify_one();
    assert_eq!(gateway.get("/x").await.status, 200);
}

/// And with it the connections to it.
#[tokio::test]
async fn how_an_endpoint_is_stays_known() {
    let refuses = Arc::new(AtomicBool::new(true));
    let refused = refuses.clone();
    let first = Origin::start(move |_| match refused.load(Ordering::SeqCst) {
        true => vec![Act::send(answer(401, "", "{}"))],
        false => vec![Act::send(ok("by the first"))],
    })
    .await;
    let second = Origin::ok("by the second").await;
    let setup = |credential: &str, name: &str| {
        let pool = format!(
            "[upstream.pool]\n[[upstream.pool.endpoint]]\nname = \"{name}\"\nurl = \"{}\"\n\
             credential = {{ bearer = \"{credential}\" }}\n[[upstream.pool.endpoint]]\n\
             name = \"second\"\nurl = \"{}\"\n",
            first.url(),
            second.url()
        );
        Gateway::setup().tables(&pool).route("/x", "pool", "")
    };
    let gateway = setup("one", "first").start().await;
    gateway.get("/x").await.assert_ok("by the second");
    assert_eq!(gateway.endpoint_state("pool", "first").await, "out");
    let (asked, connections) = (first.requests().len(), second.connection_count());
    assert!(was_taken_up(&gateway.reload(&setup("one", "first")).await));
    assert_eq!(gateway.endpoint_state("pool", "first").await, "out");
    gateway.get("/x").await.assert_ok("by the second");
    assert_eq!((first.requests().len(), second.connection_count()), (asked, connections));
    // Another credential may be the right one.
    refuses.store(false, Ordering::SeqCst);
    assert!(was_taken_up(&gateway.reload(&setup("two", "first")).await));
    assert_eq!(gateway.endpoint_state("pool", "first").await, "available");
    gateway.get("/x").await.assert_ok("by the first");
    assert_eq!(second.connection_count(), connections);
    // Of what is gone nothing is said.
    let available = async |name: &str| {
        let labels = [&*format!("endpoint=\"{name}\""), "state=\"available\""];
        gateway.metrics().await.one("tollgate_endpoint_state", &labels)
    };
    assert_eq!(available("first").await, 1.0);
    assert!(was_taken_up(&gateway.reload(&setup("two", "renamed")).await));
    assert_eq!(available("first").await, 0.0);
    assert_eq!(available("renamed").await, 1.0);
}

/// What was counted stays counted, whichever configuration a request began with.
#[tokio::test]
async fn counts_go_on() {
    let (slow, go) = Origin::waiting().await;
    let origin = Origin::ok("yes").await;
    let setup = |rate: &str| {
        limited(&origin, "9/h", rate).upstream("slow", &slow.url(), "").route("/slow", "slow", "")
    };
    let gateway = setup("8/h").start().await;
    let mut waits = gateway.client().await;
    waits.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    slow.until("the slow one", |slow| slow.requests().len() == 1).await;
    for rate in ["7/h", "6/h", "5/h"] {
        gateway.get("/few").await.assert_ok("yes");
        assert!(was_taken_up(&gateway.reload(&setup(rate)).await));
    }
    go.notify_one();
    assert_eq!(waits.answer("GET").await.status, 200);
    let all = gateway.metrics_of(4).await;
    let (few, slow) = ("http_route=\"* /few\"", "http_route=\"* /slow\"");
    assert_eq!(all.one("tollgate_requests_total", &[few]), 3.0);
    assert_eq!(all.one("tollgate_requests_total", &[slow]), 1.0);
    let admitted = ["limit=\"few\"", "decision=\"admitted\""];
    assert_eq!(all.one("tollgate_limit_decisions_total", &admitted), 3.0);
    assert_eq!(all.one("tollgate_answer_bytes_total", &[few]), 9.0);
}

/// Without a signal: the file itself, and one that it names.
#[tokio::test]
async fn files_are_watched() {
    let origin = Origin::ok("yes").await;
    let setup = || {
        Gateway::setup().upstream("provider", &origin.url(), "").route(
            "/x",
            "provider",
            "method = \"POST\"\nschema = \"schema.json\"",
        )
    };
    let gateway = setup().file("schema.json", "{ \"required\": [\"a\"] }").start().await;
    let post = || {
        let mut ask =
            Ask::new(Version::Http1, "POST", "/x").field("content-type", "application/json");
        ask.body = b"{\"b\":1}".to_vec();
        gateway.ask(ask)
    };
    assert_eq!(post().await.status, 400);
    let changed = gateway.reload_by(|| {
        gateway.directory().file("schema.json", "{ \"required\": [\"b\"] }");
    });
    assert!(was_taken_up(&changed.await));
    assert_eq!(post().await.status, 200);
    // Half of it is refused, and read again when the rest is there.
    let broken = gateway.reload_by(|| _ = gateway.directory().file("schema.json", "{ \"requ"));
    assert!(!was_taken_up(&broken.await));
    assert_eq!(post().await.status, 200);
    let mended = gateway.reload_by(|| _ = gateway.directory().file("schema.json", "{}"));
    assert!(was_taken_up(&mended.await));
    // A directory in whose place another one is put, as in Kubernetes.
    let without = gateway.reload_by(|| {
        let next =
            gateway.directory().file("next", Setup::default().all_to(&origin.url(), "").text());
        std::fs::rename(next, gateway.directory().path().join(FILE)).unwrap();
    });
    assert!(was_taken_up(&without.await));
    gateway.get("/anything").await.assert_ok("yes");
}

/// Certificates at another place, and TLS that was not there: connections that are there keep what they have.
#[tokio::test]
async fn tls_comes_and_goes() {
    let origin = Origin::ok("yes").await;
    let plain = || Gateway::setup().all_to(&origin.url(), "");
    let gateway = plain().start().await;
    let over = |name: &str, authority: &Authority| {
        let identity = authority.server();
        let [certificate, key] = ["crt", "key"].map(|kind| format!("{name}.{kind}"));
        gateway.directory().file(&certificate, &identity.certificate);
        gateway.directory().file(&key, &identity.key);
        let tls = format!("[server.tls]\ncert_file = \"{certificate}\"\nkey_file = \"{key}\"");
        plain().tables(&tls)
    };
    let (one, two) = (Authority::default(), Authority::default());
    let mut cleartext = gateway.client().await;
    cleartext.send(GET).await.answer("GET").await.assert_ok("yes");
    assert!(was_taken_up(&gateway.reload(&over("one", &one)).await));
    let end = gateway.metrics().await.one("tollgate_certificate_expiry_timestamp_seconds", &[]);
    assert!(end > 4e9, "{end}");
    let mut old = one.client(&[]).http1(&gateway).await;
    old.send(GET).await.answer("GET").await.assert_ok("yes");
    assert!(was_taken_up(&gateway.reload(&over("two", &two)).await));
    let mut new = two.client(&[]).http1(&gateway).await;
    new.send(GET).await.answer("GET").await.assert_ok("yes");
    assert!(one.client(&[]).connect(&gateway).await.is_err());
    old.send(GET).await.answer("GET").await.assert_ok("yes");
    cleartext.send(GET).await.answer("GET").await.assert_ok("yes");
    assert!(was_taken_up(&gateway.reload(&plain()).await));
    gateway.get("/x").await.assert_ok("yes");
    new.send(GET).await.answer("GET").await.assert_ok("yes");
    // A certificate that is none stands in the way, until it is one.
    let next = over("three", &one);
    gateway.directory().file("three.crt", "nothing");
    assert!(!was_taken_up(&gateway.reload(&next).await));
    gateway.get("/x").await.assert_ok("yes");
    let mended = gateway.reload_by(|| _ = over("three", &one));
    assert!(was_taken_up(&mended.await));
    one.client(&[]).http1(&gateway).await.send(GET).await.answer("GET").await.assert_ok("yes");
}

/// Whose certificate is nobody's any more is nobody on a connection that is there.
#[tokio::test]
async fn accounts_of_certificates_go() {
    let origin = Origin::ok("yes").await;
    let authority = Authority::default();
    let setup = |subject: &str| {
        let (server, tls) =
            (authority.server(), "client_auth = \"required\"\nclient_ca_file = \"ca.pem\"");
        Gateway::setup()
            .tls(&server, tls)
            .file("ca.pem", &authority.pem())
            .tables(&format!("[[auth.certificate]]\nsubject = \"{subject}\"\naccount = \"acme\""))
            .upstream("provider", &origin.url(), "")
            .route("/x", "provider", "auth = \"required\"")
    };
    let gateway = setup("a.test").start().await;
    let identity = authority.sign(&["a.test"], |_| {});
    let mut client = authority.client(&[]).with(&identity).http1(&gateway).await;
    client.send(GET).await.answer("GET").await.assert_ok("yes");
    assert!(was_taken_up(&gateway.reload(&setup("b.test")).await));
    assert_eq!(client.send(GET).await.answer("GET").await.status, 401);
    assert!(was_taken_up(&gateway.reload(&setup("a.test")).await));
    client.send(GET).await.answer("GET").await.assert_ok("yes");
}

/// Authorities are how a certificate is taken back; a connection that is there is no way around that.
#[tokio::test]
async fn certificates_of_an_authority_that_is_gone() {
    let origin = Origin::ok("yes").await;
    let (first, second) = (Authority::default(), Authority::default());
    let tls = |auth: &str| format!("client_auth = \"{auth}\"\nclient_ca_file = \"ca.pem\"");
    let setup = |tls: &str| {
        Gateway::setup()
            .tls(&first.server(), tls)
            .file("ca.pem", &first.pem())
            .tables("[[auth.certificate]]\nsubject = \"a.test\"\naccount = \"acme\"")
            .upstream("provider", &origin.url(), "")
            .route("/x", "provider", "auth = \"required\"")
            .route("/free", "provider", "auth = \"none\"")
    };
    let free = "GET /free HTTP/1.1\r\nhost: api.test\r\n\r\n";
    let gateway = setup(&tls("optional")).start().await;
    let identity = first.sign(&["a.test"], |_| {});
    let (known, nobody) = (first.client(&[]).with(&identity), first.client(&[]));
    let mut known = [known.http1(&gateway).await, known.http1(&gateway).await];
    let mut nobody = [nobody.http1(&gateway).await, nobody.http1(&gateway).await];
    for client in &mut known {
        client.send(GET).await.answer("GET").await.assert_ok("yes");
    }
    for client in &mut nobody {
        client.send(free).await.answer("GET").await.assert_ok("yes");
    }
    // Another authority, by its file alone.
    let said = |gateway: &Gateway| {
        let taken = |line: &Value| line["message"] == "a certificate was taken up";
        gateway.log().into_iter().filter(taken).count()
    };
    let before = said(&gateway);
    gateway.directory().file("ca.pem", second.pem());
    gateway.logged(|_| said(&gateway) > before).await;
    let answer = known[0].send(GET).await.answer("GET").await;
    assert_eq!((answer.status, answer.kept), (401, false));
    let answer = nobody[0].send(free).await.answer("GET").await;
    assert_eq!((answer.status, answer.kept), (200, true));
    // And one that everybody has to have.
    gateway.directory().file("ca.pem", first.pem());
    assert!(was_taken_up(&gateway.reload(&setup(&tls("required"))).await));
    let answer = nobody[1].send(free).await.answer("GET").await;
    assert_eq!((answer.status, answer.kept), (200, false));
    known[1].send(GET).await.answer("GET").await.assert_ok("yes");
}

/// Fewer wait until enough of those that are there have ended, and more come in at once.
#[tokio::test]
async fn how_many_connections_there_may_be() {
    let origin = Origin::ok("yes").await;
    let setup = |most: u32| {
        Gateway::setup().server(&format!("max_connections = {most}")).all_to(&origin.url(), "")
    };
    let gateway = setup(1).start().await;
    let mut first = gateway.client().await;
    first.send(GET).await.answer("GET").await.assert_ok("yes");
    let mut second = gateway.client().await;
    second.send(GET).await;
    assert!(was_taken_up(&gateway.reload(&setup(2)).await));
    second.answer("GET").await.assert_ok("yes");
    assert!(was_taken_up(&gateway.reload(&setup(1)).await));
    drop(first);
    let mut third = gateway.client().await;
    third.send(GET).await;
    for _ in 0..5 {
        second.send(GET).await.answer("GET").await.assert_ok("yes");
    }
    assert_eq!(origin.requests().len(), 7, "the third is not served yet");
    drop(second);
    third.answer("GET").await.assert_ok("yes");
}

/// Keys of the store, and a ledger that nothing asked for at first.
#[tokio::test]
async fn a_price_on_a_route_that_had_none() {
    let origin = Origin::ok("{}").await;
    let directory = Directory::default();
    let key = directory.key(&["--account", "acme"]);
    let (code, _, error) =
        run(&["balance", "add", "acme", "1", "--store", &directory.store()], &[]);
    assert_eq!(code, 0, "{error}");
    let store = format!("store = \"{}\"", directory.store());
    let setup = |lines: &str| {
        Gateway::setup()
            .server(&store)
            .tables("[auth]\naccept = [\"bearer\"]")
            .upstream("provider", &origin.url(), "")
            .route("/x", "provider", &format!("method = \"POST\"\nauth = \"required\"\n{lines}"))
    };
    let gateway = setup("").start().await;
    let post = || {
        let ask = Ask::new(Version::Http1, "POST", "/x");
        gateway.ask(ask.field("authorization", &format!("Bearer {key}")))
    };
    assert_eq!(post().await.status, 200);
    assert!(was_taken_up(&gateway.reload(&setup("price = { amount = \"0.75\" }")).await));
    assert_eq!(post().await.status, 200);
    assert_eq!(post().await.status, 402);
    // What is gone from the configuration is still written down.
    assert!(was_taken_up(&gateway.reload(&setup("")).await));
    assert_eq!(post().await.status, 200);
    let (_, balance, _) = run(&["balance", "show", "acme", "--store", &directory.store()], &[]);
    assert!(balance.contains("0.25"), "{balance}");
}

/// The end of the terminal is the end of what was started in it.
#[tokio::test]
async fn without_a_file_there_is_nothing_to_read_again() {
    let origin = Origin::ok("yes").await;
    let mut command = std::process::Command::new(BINARY);
    command.args(["serve", "--listen", "127.0.0.1:0", "--upstream", &origin.url()]).env_clear();
    let catalog = Catalog::preset("default").unwrap();
    let mut gateway = Gateway::run(command, catalog, Vec::new(), None).await;
    gateway.get("/x").await.assert_ok("yes");
    gateway.signal("HUP");
    assert_eq!(gateway.exited().await.code(), Some(0));
}

/// What is asked on the same connections ever after holds nothing of what was before: here, a connection to the provider of then.
#[tokio::test]
async fn nothing_is_left_of_the_old_one() {
    let ended = Arc::new(Notify::new());
    let tell = ended.clone();
    let old = Origin::connections(move |mut connection| {
        let tell = tell.clone();
        async move {
            while connection.request().await?.is_some() {
                connection.wire.send(ok("old")).await?;
            }
            tell.notify_one();
            Ok(())
        }
    })
    .await;
    let new = Origin::ok("new").await;
    let setup = |origin: &Origin| Gateway::setup().all_to(&origin.url(), "");
    let gateway = setup(&old).start().await;
    let (mut http1, mut http2) = (gateway.client().await, gateway.http2().await);
    let ask = Ask::new(Version::Http2, "GET", "/x");
    http1.send(GET).await.answer("GET").await.assert_ok("old");
    http2.ask(&ask).await.unwrap().assert_ok("old");
    assert!(was_taken_up(&gateway.reload(&setup(&new)).await));
    http1.send(GET).await.answer("GET").await.assert_ok("new");
    http2.ask(&ask).await.unwrap().assert_ok("new");
    soon("the end of the connection", ended.notified()).await;
    http1.send(GET).await.answer("GET").await.assert_ok("new");
}

/// A store that is away stands in the way of the first price, and no longer than that.
#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let origin = Origin::ok("yes").await;
    let directory = Directory::default();
    let place = directory.path().join("store");
    let server = format!("store = \"sqlite://{}/tollgate.db\"", place.display());
    let setup = |lines: &str| {
        let setup = Gateway::setup().server(&server).upstream("provider", &origin.url(), "");
        setup.route("/x", "provider", lines)
    };
    let gateway = setup("").start().await;
    let refused = gateway.reload(&setup("auth = \"required\"")).await;
    assert!(!was_taken_up(&refused), "{refused}");
    gateway.get("/x").await.assert_ok("yes");
    let again = gateway.reload_by(|| std::fs::create_dir(&place).unwrap()).await;
    assert!(was_taken_up(&again) && again["why"] == "it may be possible now", "{again}");
    assert_eq!(gateway.get("/x").await.status, 401);
}

/// A name for something that never says anything: nobody waits for it, neither for a configuration nor for the end.
#[tokio::test]
async fn what_is_no_file_is_not_read() {
    let origin = Origin::ok("yes").await;
    let setup = |lines: &str| {
        let setup = Gateway::setup().upstream("provider", &origin.url(), "");
        setup.route("/x", "provider", lines)
    };
    let mut gateway = setup("").start().await;
    let pipe = |name: &str| {
        let path = gateway.directory().path().join(name);
        let _ = std::fs::remove_file(&path);
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    pipe("schema.json");
    let refused = gateway.reload(&setup("method = \"POST\"\nschema = \"schema.json\"")).await;
    assert!(!was_taken_up(&refused));
    pipe(FILE);
    assert!(!was_taken_up(&gateway.reload_by(|| gateway.signal("HUP")).await));
    let said = mistakes(&gateway);
    assert!(said.iter().all(|(_, mistake)| mistake.ends_with("it is no regular file")), "{said:?}");
    assert_eq!(said.len(), 2);
    gateway.get("/x").await.assert_ok("yes");
    std::fs::remove_file(gateway.directory().path().join(FILE)).unwrap();
    assert!(was_taken_up(&gateway.reload(&setup("")).await));
    gateway.signal("TERM");
    assert_eq!(gateway.exited().await.code(), Some(0));
}

/// What a load balancer has said is believed as long as it is listed.
#[tokio::test]
async fn load_balancers_come_and_go() {
    let origin = Origin::ok("yes").await;
    let setup = |lines: &str| Gateway::setup().server(lines).all_to(&origin.url(), "");
    let listed = "proxy_protocol = \"listed\"\nproxy_protocol_from = [\"127.0.0.1\"]";
    let gateway = setup(listed).start().await;
    let mut told = gateway.client().await;
    let header = "PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n";
    told.send(format!("{header}{GET}")).await.answer("GET").await.assert_ok("yes");
    let from = || origin.last_request().fields.one("x-forwarded-for").unwrap().to_owned();
    assert_eq!(from(), "203.0.113.7");
    assert!(was_taken_up(&gateway.reload(&setup("")).await));
    let answer = told.send(GET).await.answer("GET").await;
    assert_eq!((answer.status, answer.kept, &*from()), (200, false, "127.0.0.1"));
    let mut plain = gateway.client().await;
    plain.send(GET).await.answer("GET").await.assert_ok("yes");
    assert!(was_taken_up(&gateway.reload(&setup(listed)).await));
    let answer = plain.send(GET).await.answer("GET").await;
    assert_eq!((answer.status, answer.kept), (200, false));
}

/// The configuration that was read last says how long it may take.
#[tokio::test]
async fn a_drain_goes_by_the_last_one() {
    let (origin, _go) = Origin::waiting().await;
    let setup = |timeout: &str| {
        let server = format!("drain_timeout = \"{timeout}\"");
        Gateway::setup().server(&server).all_to(&origin.url(), "")
    };
    let mut gateway = setup("1h").start().await;
    let mut client = gateway.client().await;
    client.send(GET).await;
    origin.until("the request runs", |origin| origin.requests().len() == 1).await;
    assert!(was_taken_up(&gateway.reload(&setup("200ms")).await));
    gateway.signal("TERM");
    assert!(client.try_answer("GET").await.is_err());
    assert_eq!(gateway.exited().await.code(), Some(0));
}
