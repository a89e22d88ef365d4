//! The binary as a process: commands, exit codes, signals, drain.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use std::{net::TcpListener, process::Command, time::Duration};
use support::{
    Act, CREDENTIAL, Client, Events, Gateway, Origin, Version, assert_envelope, assert_event,
    client::Ask,
    gateway::{BINARY, Directory, run},
    origin::{EVENTS, chunk},
    soon,
};
use tollgate::{Catalog, Kind};

const GOOD: &str = "[server]\nlisten = \"127.0.0.1:0\"\n[upstream.images]\n[[upstream.images.endpoint]]\n\
                    url = \"http://127.0.0.1:9\"\ncredential = { bearer = \"${IMAGES_KEY}\" }\n\
                    [[route]]\npath = \"/{*path}\"\nupstream = \"images\"\n";

#[test]
fn check_a_good_file() {
    let directory = Directory::default();
    let file = directory.file("good.toml", GOOD);
    let file = file.to_str().unwrap();
    let (code, out, err) = run(&["check", file], &[("IMAGES_KEY", CREDENTIAL)]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, format!("{file}: ok (1 routes, 1 upstreams)\n"));
    let (code, out, err) = run(&["check", file, "--show"], &[("IMAGES_KEY", CREDENTIAL)]);
    assert_eq!((code, err.as_str()), (0, ""));
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["upstream"]["images"]["endpoint"][0]["credential"]["bearer"], "[redacted]");
    assert_eq!(shown["server"]["listen"], "127.0.0.1:0");
    // What is missing in the environment is said, and no reason not to start.
    let (code, _, err) = run(&["check", file], &[]);
    assert_eq!(code, 0, "{err}");
    assert!(
        err.starts_with("warning: ") && err.contains("IMAGES_KEY") && err.contains("good.toml:6"),
        "{err}"
    );
}

/// Made from the definition of the command line, so that no command is missing.
#[test]
fn completions_and_a_page_of_the_manual() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, _) = run(&["completions", shell], &[]);
        assert!(code == 0 && out.contains("tollgate") && out.contains("rotate"), "{shell}");
    }
    let (code, page, _) = run(&["man"], &[]);
    assert!(code == 0 && page.starts_with(".ie") || page.contains(".TH tollgate 1"), "{page}");
    for command in ["serve", "keys", "callbacks", "ledger", "health"] {
        assert!(page.contains(command), "{command}");
    }
    assert_eq!(run(&["completions", "tcsh"], &[]).0, 2);
}

#[test]
fn check_tells_every_mistake_at_once() {
    let directory = Directory::default();
    let file = directory.file(
        "bad.toml",
        format!(
            "[server]\nlisten = \"nowhere\"\nidle_timeuot = \"1s\"\n[upstream.images]\ntimeout = \"soon\"\n\
             [[upstream.images.endpoint]]\nurl = \"http://user:{CREDENTIAL}@a\"\n\
             credential = {{ bearer = \"{CREDENTIAL}\\n\" }}\n[[route]]\npath = \"no-slash\"\nupstream = \"image\"\n"
        ),
    );
    let (code, out, err) = run(&["check", file.to_str().unwrap()], &[]);
    assert_eq!((code, out.as_str()), (78, ""), "{err}");
    for (line, key) in [
        (2, "server.listen"),
        (3, "server.idle_timeuot"),
        (5, "upstream.images.timeout"),
        (7, "upstream.images.endpoint[0].url"),
        (8, "upstream.images.endpoint[0].credential"),
        (10, "route[0].path"),
    ] {
        let found =
            err.lines().any(|l| l.contains(&format!("bad.toml:{line}:")) && l.contains(key));
        assert!(found, "line {line}, {key}:\n{err}");
    }
    assert!(err.contains("idle_timeout"), "did you mean:\n{err}");
    assert!(!err.contains(CREDENTIAL), "{err}");
    // `serve` says the same.
    let (code, _, served) = run(&["serve", "--config", file.to_str().unwrap()], &[]);
    assert_eq!((code, served), (78, err));
}

#[test]
fn exit_codes() {
    let directory = Directory::default();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (good, none) = (path("good.toml"), path("none.toml"));
    directory.file("good.toml", GOOD);
    directory.file("syntax.toml", "[server\n");
    directory.file("ca.pem", "no certificate");
    directory.file(
        "ca.toml",
        GOOD.replace("[upstream.images]\n", "[upstream.images]\nca_file = \"ca.pem\"\n"),
    );
    directory.file("preset.toml", format!("[catalog]\npreset = \"defualt\"\n{GOOD}"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (syntax, ca, preset) = (path("syntax.toml"), path("ca.toml"), path("preset.toml"));
    let table: &[(&[&str], i32, &str)] = &[
        (&["serve", "--config", &none], 78, "none.toml"),
        (&["check", &none], 78, "none.toml"),
        (&["check", &syntax], 78, "syntax.toml:1"),
        (&["check", &ca], 78, "ca_file"),
        (&["serve", "--config", &ca], 78, "ca_file"),
        (&["check", &preset], 78, "did you mean"),
        (&["serve", "--config", &good, "--listen", &taken], 1, "another process"),
        (&["serve", "--upstream", "http://127.0.0.1:9", "--listen", &taken], 1, "another process"),
        (&["serve", "--config", &good, "--admin", &taken], 1, "server.admin"),
        (&["serve", "--upstream", "ftp://a"], 2, "--upstream"),
        (&["serve", "--upstream", "http://a", "--config", &good], 2, "--config"),
        (&["serve"], 2, "--config"),
        (&["serve", "--listen", "nowhere"], 2, "--listen"),
        (&["check"], 2, "FILE"),
        (&["frobnicate"], 2, "frobnicate"),
        (&[], 2, "Usage"),
        (&["catalog", "--format", "xml"], 2, "xml"),
        (&["catalog", "--preset", "apistr", "--format", "json"], 2, "apistr"),
        (&["explain", "not_fuond"], 1, "did you mean not_found?"),
        (&["explain", "qqqqqqqqqq"], 1, "catalog"),
        (&["--version"], 0, ""),
        (&["--help"], 0, ""),
    ];
    for (arguments, want, said) in table {
        let (code, _, err) = run(arguments, &[]);
        assert_eq!(code, *want, "{arguments:?}\n{err}");
        assert!(err.contains(said), "{arguments:?}: {said}\n{err}");
        assert!(!err.contains("panicked"), "{err}");
    }
}

#[test]
fn schema_and_catalog() {
    let (code, out, _) = run(&["schema"], &[]);
    let schema: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, schema["type"].as_str()), (0, Some("object")));
    assert!(
        schema["properties"]["route"].is_object() && schema["properties"]["upstream"].is_object()
    );
    for preset in Catalog::presets() {
        let catalog = Catalog::preset(preset).unwrap();
        let (code, out, _) = run(&["catalog", "--preset", preset, "--format", "json"], &[]);
        let printed: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, printed["name"].as_str()), (0, Some(preset)));
        let (code, page, _) = run(&["catalog", "--preset", preset, "--format", "markdown"], &[]);
        assert_eq!(code, 0);
        for entry in catalog.entries() {
            assert!(out.contains(&format!("\"{}\"", entry.code())), "{}", entry.code());
            assert!(page.contains(entry.code()), "{}", entry.code());
            let (code, text, _) = run(&["explain", entry.code(), "--preset", preset], &[]);
            assert_eq!(code, 0, "{}", entry.code());
            let head = format!("{} · HTTP {} · {preset}", entry.code(), entry.status().as_u16());
            assert!(text.starts_with(&head), "{text}");
        }
    }
    // Without a catalog named, whatever has the code explains it.
    let (code, text, _) = run(&["explain", "missing_grsai_api_key"], &[]);
    assert!(code == 0 && text.contains("apistor"), "{text}");
}

/// What the log calls a fault can be looked up as well.
#[test]
fn explain_a_fault() {
    for preset in Catalog::presets() {
        let catalog = Catalog::preset(preset).unwrap();
        for kind in Kind::ALL {
            let (kind, entry) = (kind.as_str(), support::envelope::entry_of(&catalog, *kind));
            if catalog.entry(kind).is_some() {
                continue;
            }
            let (code, text, err) = run(&["explain", kind, "--preset", preset], &[]);
            let head = format!("{} · HTTP {} · {preset}", entry.code(), entry.status().as_u16());
            assert!(code == 0 && text.starts_with(&head), "{kind}: {text}{err}");
        }
    }
    // Without a catalog named, every catalog's answer.
    let (code, text, err) = run(&["explain", "upstream_overloaded"], &[]);
    assert_eq!(code, 0, "{err}");
    for preset in Catalog::presets() {
        assert!(text.contains(&format!(" · {preset}\n")), "{preset}:\n{text}");
    }
}

/// A file named in the environment is no argument, and does not conflict with any.
#[test]
fn a_file_in_the_environment_is_not_in_the_way() {
    let environment = [("TOLLGATE_CONFIG", "/none.toml")];
    for arguments in [
        &["catalog", "--preset", "eggapi"][..],
        &["catalog", "--preset", "eggapi", "--format", "json"],
        &["explain", "not_found", "--preset", "default"],
    ] {
        let (code, out, err) = run(arguments, &environment);
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}");
        assert_eq!(out, run(arguments, &[]).1, "{arguments:?}");
    }
    // Where no argument says more, it is what is served; empty it is nothing.
    let (code, _, err) = run(&["serve"], &environment);
    assert!(code == 78 && err.contains("none.toml"), "{err}");
    let (code, _, err) = run(&["serve"], &[("TOLLGATE_CONFIG", "")]);
    assert!(code == 2 && err.contains("--config"), "{err}");
}

/// A reader who leaves early, as `head` does, is no failure.
/// Too few descriptors for all workers: the process says so and ends, whichever of them failed.
#[test]
fn a_worker_that_cannot_start() {
    let directory = Directory::default();
    let many = GOOD.replace("[server]", "[server]\nworkers = 8");
    let file = directory.file("many.toml", many);
    for descriptors in [12, 20, 24, 30] {
        let command =
            format!("ulimit -n {descriptors}; exec {BINARY} serve --config {}", file.display());
        let output = Command::new("timeout").args(["20", "sh", "-c", &command]).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{descriptors}: {err}");
        assert!(err.contains("Too many open files"), "{descriptors}: {err}");
    }
}

#[test]
fn a_closed_pipe() {
    let line = format!("'{BINARY}' schema | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}");
    let ended = Command::new("bash").args(["-c", &line]).output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
}

#[tokio::test]
async fn serve_without_a_file() {
    let origin = Origin::ok("yes").await;
    let mut command = Command::new(BINARY);
    command.args(["serve", "--upstream", &origin.url(), "--listen", "127.0.0.1:0"]).env_clear();
    let catalog = Catalog::preset("default").unwrap();
    let gateway = Gateway::run(command, catalog, vec![origin.address.to_string()], None).await;
    assert_eq!(gateway.admin, None);
    for path in ["/", "/a/b?c"] {
        gateway.get(path).await.assert_ok("yes");
        assert_eq!(origin.last_request().target, path);
    }
}

#[tokio::test]
async fn the_environment_goes_before_the_file() {
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::setup()
        .server("header_timeout = \"${PATIENCE:-3s}\"")
        .env("TOLLGATE_LISTEN", "127.0.0.2:0")
        .all_to("${URL}", "")
        .env("URL", &origin.url())
        .start()
        .await;
    assert_eq!(gateway.address.ip().to_string(), "127.0.0.2");
    gateway.get("/x").await.assert_ok("yes");
}

/// `serve --upstream` does not read the file that the environment names, and an empty address is none.
#[tokio::test]
async fn serve_without_the_file_of_the_environment() {
    let origin = Origin::ok("yes").await;
    for (listen, arguments) in [
        ("127.0.0.2:0", &[][..]),
        ("127.0.0.3:0", &["--listen", "127.0.0.2:0"]),
        ("", &["--listen", "127.0.0.2:0"]),
    ] {
        let mut command = Command::new(BINARY);
        command.args(["serve", "--upstream", &origin.url()]).args(arguments).env_clear();
        command.env("TOLLGATE_CONFIG", "/none.toml").env("TOLLGATE_ADMIN", "");
        command.env("TOLLGATE_LISTEN", listen);
        let catalog = Catalog::preset("default").unwrap();
        let gateway = Gateway::run(command, catalog, Vec::new(), None).await;
        assert_eq!(gateway.address.ip().to_string(), "127.0.0.2", "{listen} {arguments:?}");
        assert_eq!(gateway.admin, None);
        gateway.get("/x").await.assert_ok("yes");
    }
    let (code, _, err) = run(
        &["serve", "--upstream", &origin.url()],
        &[("TOLLGATE_LISTEN", "nowhere"), ("TOLLGATE_CONFIG", "/none.toml")],
    );
    assert!(code == 2 && err.contains("TOLLGATE_LISTEN"), "{err}");
}

/// An empty address in the environment is as good as none.
#[tokio::test]
async fn an_empty_environment_says_nothing() {
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::setup()
        .env("TOLLGATE_LISTEN", "")
        .env("TOLLGATE_ADMIN", "")
        .all_to(&origin.url(), "")
        .start()
        .await;
    assert_eq!(gateway.probe("/livez").await, 200);
    gateway.get("/x").await.assert_ok("yes");
}

#[tokio::test]
async fn probes() {
    let gateway = Gateway::to(&Origin::ok("yes").await).await;
    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/x", 404)] {
        assert_eq!(gateway.probe(path).await, status, "{path}");
    }
}

#[tokio::test]
async fn a_signal_lets_what_runs_finish() {
    for signal in ["TERM", "INT"] {
        let (origin, go) = Origin::waiting().await;
        let mut gateway = Gateway::to(&origin).await;
        let address = gateway.address;
        let mut idle = gateway.client().await;
        assert_envelope(
            &idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.answer("GET").await,
            &gateway.catalog,
        );
        let mut silent = gateway.client().await;
        let mut http1 = gateway.client().await;
        http1.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut http2 = gateway.http2().await;
        let request = http::Request::get("http://a/x").body(support::http2::full("")).unwrap();
        let asked = tokio::spawn(async move { http2.request(request).await });
        origin.until("both requests run", |o| o.requests().len() == 2).await;

        gateway.signal(signal);
        gateway
            .logged(|line| line["message"].as_str().is_some_and(|m| m.starts_with("draining")))
            .await;
        // Whoever has nothing running is let go.
        idle.assert_closed().await;
        silent.assert_closed().await;
        assert_eq!(gateway.probe("/readyz").await, 503);
        assert_eq!(gateway.probe("/livez").await, 200);
        let refused = tokio::net::TcpStream::connect(address).await;
        assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);

        go.notify_one();
        go.notify_one();
        origin
            .until("both are answered", |_| {
                go.notify_one();
                asked.is_finished()
            })
            .await;
        let answer = http1.answer("GET").await;
        answer.assert_ok("at last");
        asked.await.unwrap().unwrap().assert_ok("at last");
        http1.assert_closed().await;
        assert_eq!(gateway.exited().await.code(), Some(0), "{signal}");
    }
}

/// A connection that has become something else is waited for like any other.
#[tokio::test]
async fn a_signal_lets_a_tunnel_finish() {
    let origin = Origin::connections(|mut connection| async move {
        connection.request().await?;
        let agreed = "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        connection.wire.send(agreed).await?;
        let byte = connection.wire.take(1).await?;
        connection.wire.send(byte).await?;
        connection.wire.rest().await?;
        Ok(())
    })
    .await;
    let mut gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    let upgrade =
        "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(client.send(upgrade).await.answer("GET").await.status, 101);
    gateway.signal("TERM");
    gateway
        .logged(|line| line["message"].as_str().is_some_and(|m| m.starts_with("draining")))
        .await;
    // Nothing may happen in this time.
    let ended = tokio::time::timeout(Duration::from_millis(500), client.wire.fill()).await;
    assert!(ended.is_err(), "{ended:?}");
    client.send("!").await;
    assert_eq!(soon("an echo", client.wire.take(1)).await.unwrap(), b"!");
    client.finish().await.assert_closed().await;
    assert_eq!(gateway.exited().await.code(), Some(0));
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let (origin, _go) = Origin::waiting().await;
    let mut gateway = Gateway::setup()
        .server("drain_timeout = \"200ms\"")
        .all_to(&origin.url(), "")
        .start()
        .await;
    let mut client = gateway.client().await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.until("the request runs", |o| o.requests().len() == 1).await;
    gateway.signal("TERM");
    assert!(client.try_answer("GET").await.is_err());
    assert_eq!(gateway.exited().await.code(), Some(0));
}

/// Whoever balances learns of it before connections are refused.
#[tokio::test]
async fn requests_are_still_taken_while_it_says_that_it_is_not_ready() {
    let origin = Origin::ok("yes").await;
    let mut gateway =
        Gateway::setup().server("drain_delay = \"2s\"").all_to(&origin.url(), "").start().await;
    let admin = gateway.admin.unwrap().to_string();
    let health = || run(&["health"], &[("TOLLGATE_ADMIN", &admin)]);
    assert_eq!(health().0, 0);
    gateway.signal("TERM");
    let stopping = |line: &serde_json::Value| {
        line["message"].as_str().is_some_and(|message| message.starts_with("stopping"))
    };
    gateway.logged(stopping).await;
    assert_eq!(gateway.probe("/readyz").await, 503);
    let (code, _, error) = health();
    assert!(code == 1 && error.contains("draining"), "{code} {error}");
    gateway.get("/x").await.assert_ok("yes");
    assert_eq!(gateway.exited().await.code(), Some(0));
    let (code, _, error) = health();
    assert!(code == 1 && error.contains("cannot be asked"), "{code} {error}");
}

/// A stream that is cut off says so, in the words of the catalog.
#[tokio::test]
async fn a_stream_ends_with_an_event_when_the_drain_is_over() {
    let event = "data: {\"status\":\"running\"}\n\n";
    let origin = Origin::start(move |_| {
        vec![Act::send([EVENTS.as_bytes(), &chunk(event)].concat()), Act::Hold]
    })
    .await;
    for version in Version::BOTH {
        let mut gateway = Gateway::setup()
            .server("drain_timeout = \"300ms\"")
            .all_to(&origin.url(), "")
            .start()
            .await;
        let mut events = Events::open(&gateway, Ask::new(version, "GET", "/x")).await;
        assert_eq!(events.next().await.as_deref(), Some(event));
        gateway.signal("TERM");
        let last = events.next().await.unwrap();
        assert_eq!(assert_event(&last, &gateway.catalog).code(), "shutting_down", "{last}");
        assert_eq!(events.next().await, None);
        assert_eq!(gateway.exited().await.code(), Some(0));
    }
}

#[tokio::test]
async fn only_some_may_see_more_than_whether_it_is_well() {
    let origin = Origin::ok("yes").await;
    let setup = Gateway::setup().server("admin_token = \"a secret of 16 characters\"");
    let gateway = setup.secret("a secret of 16").all_to(&origin.url(), "").start().await;
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/endpoints", 401),
        ("/unmatched", 401),
        ("/config", 401),
    ] {
        assert_eq!(gateway.probe(path).await, status, "{path}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let (origin, _go) = Origin::waiting().await;
    let mut gateway = Gateway::to(&origin).await;
    let mut client: Client = gateway.client().await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.until("the request runs", |o| o.requests().len() == 1).await;
    gateway.signal("TERM");
    gateway
        .logged(|line| line["message"].as_str().is_some_and(|m| m.starts_with("draining")))
        .await;
    gateway.signal("INT");
    soon("the end", gateway.exited()).await;
    assert!(client.try_answer("GET").await.is_err());
}

/// Every preset can be the whole configuration's catalog, and its own words come out.
#[tokio::test]
async fn catalog_changes_in_the_configuration() {
    let origin = Origin::ok("yes").await;
    let gateway = Gateway::setup()
        .preset("eggapi")
        .upstream("provider", &origin.url(), "")
        .route("/x", "provider", "[catalog.entries.no_route]\nmessage = \"Nothing here.\"")
        .start()
        .await;
    let answer = gateway.get("/y").await;
    support::assert_fault(&answer, &gateway.catalog, Kind::NoRoute);
    assert_eq!(
        answer.text(),
        r#"{"data":null,"error":{"code":"NOT_FOUND","message":"Nothing here."}}"#
    );
}
