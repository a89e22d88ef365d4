//! TLS towards clients, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use std::{io, sync::Arc};
use support::{
    Act, Client, Gateway, Origin, Version, assert_envelope,
    client::Ask,
    http2::full,
    soon,
    tls::{Authority, Identity, TlsClient, common_name, expired, uri},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
};
use tokio_rustls::rustls;

const BOTH: &[&str] = &["h2", "http/1.1"];
static TLS12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
static TLS13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")
}

fn says(text: &'static str) -> impl Fn(&Value) -> bool {
    move |line| line["message"].as_str().is_some_and(|message| message.starts_with(text))
}

/// A gateway with TLS before this provider.
async fn gateway(authority: &Authority, origin: &Origin, server: &str, tls: &str) -> Gateway {
    let setup = Gateway::setup().server(server).tls(&authority.server(), tls);
    let setup = setup.upstream("provider", &origin.url(), "");
    setup.route("/x/{*path}", "provider", "").start().await
}

#[tokio::test]
async fn both_versions_of_http_and_of_tls() {
    let origin = Origin::ok("yes").await;
    let authority = Authority::default();
    let gateway = gateway(&authority, &origin, "", "").await;
    for (version, number) in
        [(TLS12, rustls::ProtocolVersion::TLSv1_2), (TLS13, rustls::ProtocolVersion::TLSv1_3)]
    {
        for (alpn, want) in [
            (BOTH, Some("h2")),
            (&["http/1.1", "h2"], Some("h2")),
            (&["http/1.1"], Some("http/1.1")),
            (&[], None),
        ] {
            let client = authority.client(alpn).only(version);
            let stream = client.connect(&gateway).await.unwrap();
            let session = stream.get_ref().1;
            assert_eq!(session.protocol_version(), Some(number));
            assert_eq!(session.alpn_protocol(), want.map(str::as_bytes), "{alpn:?}");
            let (answer, lost) = if want == Some("h2") {
                let mut client = client.http2(&gateway).await;
                let answer = client.ask(&Ask::new(Version::Http2, "GET", "/x/a")).await.unwrap();
                (answer, client.ask(&Ask::new(Version::Http2, "GET", "/nowhere")).await.unwrap())
            } else {
                let mut client = client.http1(&gateway).await;
                let answer = client.send(get("/x/a")).await.answer("GET").await;
                (answer, client.send(get("/nowhere")).await.answer("GET").await)
            };
            answer.assert_ok("yes");
            assert_eq!(lost.status, 404);
            assert_envelope(&lost, &gateway.catalog);
            let seen = origin.last_request();
            assert_eq!(seen.fields.one("x-forwarded-proto"), Some("https"));
        }
    }
    // Nobody speaks what we do not.
    let refused = authority.client(&["spdy/3"]).connect(&gateway).await.unwrap_err();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
}

#[tokio::test]
async fn whoever_does_not_speak_tls() {
    let origin = Origin::ok("yes").await;
    let authority = Authority::default();
    let gateway = gateway(&authority, &origin, "", "").await;
    let mut client = gateway.client().await;
    // Not even an alert.
    client.send(get("/x/a")).await.assert_closed().await;
    gateway.logged(|line| line["error"] == "the client does not speak TLS").await;
    // The socket tells who is not even that far.
    gateway.client().await.finish().await.assert_closed().await;
    assert_eq!(authority.client(&[]).try_get(&gateway, "/x/b").await.unwrap().0, 200);
    let log = gateway.log();
    let failed: Vec<_> = log.iter().filter(|line| says("a TLS handshake failed")(line)).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["level"], "DEBUG");
    assert!(!log.iter().any(|line| line["level"] == "WARN" || line["level"] == "ERROR"), "{log:?}");
    assert_eq!(origin.only_request().target, "/x/b");
}

#[tokio::test]
async fn handshakes_do_not_take_for_ever() {
    let origin = Origin::ok("yes").await;
    let authority = Authority::default();
    let gateway = gateway(&authority, &origin, "header_timeout = \"200ms\"", "").await;
    // Nothing, the head of a record, and half of a hello.
    for begun in [&b""[..], &[22, 3, 1], &[22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3]] {
        let mut client = gateway.client().await;
        client.send(begun).await.assert_closed().await;
    }
    // And after it, the request.
    let mut client = authority.client(&[]).http1(&gateway).await;
    client.assert_closed().await;
    let late = |line: &Value| says("a TLS handshake failed")(line) && line["level"] == "DEBUG";
    assert_eq!(gateway.log().iter().filter(|line| late(line)).count(), 3);
}

#[tokio::test]
async fn clients_with_certificates() {
    let origin = Origin::ok("yes").await;
    let (ours, theirs) = (Authority::default(), Authority::default());
    let good = ours.sign(&["client"], |_| {});
    let foreign = theirs.sign(&["client"], |_| {});
    let old = ours.sign(&["client"], expired);
    let ask = "client_ca_file = \"ca.crt\"\nclient_auth = ";
    // No certificate, a good one, one of others, an expired one.
    for (lines, want) in [
        (String::new(), [true, true, true, true]),
        (format!("{ask}\"optional\""), [true, true, false, false]),
        (format!("{ask}\"required\""), [false, true, false, false]),
    ] {
        let setup = Gateway::setup().tls(&ours.server(), &lines).file("ca.crt", &ours.pem());
        let gateway = setup.all_to(&origin.url(), "").start().await;
        for version in [TLS12, TLS13] {
            let nobody = ours.client(BOTH[1..].as_ref()).only(version);
            let clients = [None, Some(&good), Some(&foreign), Some(&old)];
            for (who, want) in clients.into_iter().zip(want) {
                let client = who.map_or(nobody.clone(), |who| nobody.clone().with(who));
                let got = client.try_get(&gateway, "/a").await;
                assert_eq!(got.is_ok(), want, "{lines}: {got:?}");
            }
        }
        // Of no concern to anybody else.
        let log = gateway.log();
        assert!(!log.iter().any(|line| line["level"] == "WARN" || line["level"] == "ERROR"));
    }
}

#[tokio::test]
async fn a_certificate_says_who_is_calling() {
    let origin = Origin::ok("yes").await;
    let ours = Authority::default();
    let key = "key-of-somebody-else";
    let digest = sha256(key);
    let gateway = Gateway::setup()
        .tls(&ours.server(), "client_ca_file = \"ca.crt\"\nclient_auth = \"optional\"")
        .file("ca.crt", &ours.pem())
        .tables(&format!(
            "[auth]\n[auth.forward]\naccount = \"x-account\"\nkey_id = \"x-key\"\nplan = \"x-plan\"\n\
             [[auth.key]]\ndigest = \"{digest}\"\naccount = \"other\"\nid = \"k\"\n\
             [[auth.certificate]]\nsubject = \"acme.test\"\naccount = \"acme\"\nplan = \"pro\"\nscopes = [\"a\"]\n\
             [[auth.certificate]]\nsubject = \"spiffe://acme/job\"\naccount = \"job\"\nid = \"j\"\n\
             [[auth.certificate]]\nsubject = \"Mr X\"\naccount = \"mr-x\"\n"
        ))
        .upstream("provider", &origin.url(), "")
        .route("/a", "provider", "scopes = [\"a\"]")
        .route("/b", "provider", "")
        .route("/free", "provider", "auth = \"none\"")
        .route("/either", "provider", "auth = \"optional\"")
        .start()
        .await;
    let dns = ours.sign(&["nobody.test", "acme.test"], |_| {});
    let spiffe = ours.sign(&[], uri("spiffe://acme/job"));
    let named = ours.sign(&[], common_name("Mr X"));
    let unknown = ours.sign(&["acme.test.evil"], common_name("Mr Y"));
    let with = |identity: &Identity| ours.client(&[]).with(identity);
    let nobody = ours.client(&[]);
    let acme = Some(("acme", "acme.test", Some("pro")));
    let table: [(&str, &TlsClient, &str, u16, Option<(&str, &str, Option<&str>)>); 12] = [
        ("dns", &with(&dns), "/a", 200, acme),
        ("dns", &with(&dns), "/free", 200, None),
        ("dns", &with(&dns), "/either", 200, acme),
        ("uri", &with(&spiffe), "/a", 403, None),
        ("uri", &with(&spiffe), "/b", 200, Some(("job", "j", None))),
        ("uri", &with(&spiffe), "/either", 200, Some(("job", "j", None))),
        ("cn", &with(&named), "/b", 200, Some(("mr-x", "Mr%20X", None))),
        ("unknown", &with(&unknown), "/b", 401, None),
        ("unknown", &with(&unknown), "/either", 200, None),
        ("none", &nobody, "/b", 401, None),
        ("none", &nobody, "/either", 200, None),
        ("none", &nobody, "/free", 200, None),
    ];
    for (who, client, path, status, want) in table {
        let before = origin.requests().len();
        let (got, _) = client.try_get(&gateway, path).await.unwrap();
        assert_eq!(got, status, "{who} {path}");
        assert_eq!(origin.requests().len() - before, usize::from(status == 200));
        if status == 200 {
            let fields = origin.last_request().fields;
            let told = ["x-account", "x-key", "x-plan"].map(|name| fields.one(name));
            let want =
                want.map_or([None; 3], |(account, id, plan)| [Some(account), Some(id), plan]);
            assert_eq!(told, want, "{who} {path}");
        }
    }
    // A key goes before the certificate, a bad one too; and over HTTP/2.
    let mut client = ours.client(BOTH).with(&dns).http2(&gateway).await;
    for (bearer, status, account) in [
        (Some(key), 200, Some("other")),
        (Some("key-of-nobody"), 401, None),
        (None, 200, Some("acme")),
    ] {
        let mut ask = Ask::new(Version::Http2, "GET", "/b").field("x-account", "root");
        if let Some(bearer) = bearer {
            ask = ask.field("authorization", &format!("Bearer {bearer}"));
        }
        assert_eq!(client.ask(&ask).await.unwrap().status, status);
        if status == 200 {
            assert_eq!(origin.last_request().fields.one("x-account"), account);
        }
    }
}

fn sha256(text: &str) -> String {
    tollgate::auth::KeyDigest::of(&tollgate::auth::ApiKey::parse(text).unwrap()).to_string()
}

#[tokio::test]
async fn a_new_certificate_is_taken_up() {
    let (origin, go) = Origin::waiting().await;
    let (first, second) = (Authority::default(), Authority::default());
    let setup = Gateway::setup().tls(&first.server(), "").all_to(&origin.url(), "");
    let file = setup.write();
    let directory = file.parent().unwrap().to_owned();
    let gateway = setup.start().await;
    gateway.logged(says("a certificate was taken up")).await;
    let mut old = first.client(&[]).http1(&gateway).await;
    old.send(get("/old")).await;
    origin.until("a request runs", |o| o.requests().len() == 1).await;

    // A certificate without its key is none.
    let new = second.server();
    std::fs::write(directory.join("tls.crt"), &new.certificate).unwrap();
    let refused = gateway.logged(says("the certificate cannot be taken up")).await;
    assert_eq!(
        (refused["level"].as_str(), refused["key"].as_str()),
        (Some("ERROR"), Some("key_file"))
    );
    first.client(&[]).connect(&gateway).await.unwrap();
    second.client(&[]).connect(&gateway).await.unwrap_err();

    std::fs::write(directory.join("tls.key"), &new.key).unwrap();
    let taken = || gateway.log().iter().filter(|l| says("a certificate was taken up")(l)).count();
    gateway.logged(|_| taken() == 2).await;
    second.client(&[]).connect(&gateway).await.unwrap();
    first.client(&[]).connect(&gateway).await.unwrap_err();
    // What was there goes on, and takes another request.
    go.notify_one();
    old.answer("GET").await.assert_ok("at last");
    go.notify_one();
    old.send(get("/again")).await.answer("GET").await.assert_ok("at last");
    // It was said once, however often it was looked at.
    let refused = gateway.log().iter().filter(|l| l["level"] == "ERROR").count();
    assert_eq!(refused, 1, "{}", gateway.stderr());
}

/// A session that began under authorities that are no longer believed is no way in.
#[tokio::test]
async fn other_authorities_for_clients() {
    let origin = Origin::ok("yes").await;
    let (ours, old, new) = (Authority::default(), Authority::default(), Authority::default());
    let setup = Gateway::setup()
        .tls(&ours.server(), "client_ca_file = \"ca.crt\"\nclient_auth = \"required\"")
        .file("ca.crt", &old.pem())
        .all_to(&origin.url(), "");
    let file = setup.write().with_file_name("ca.crt");
    let gateway = setup.start().await;
    let client = |authority: &Authority, versions| {
        let identity = authority.sign(&["a.test"], |_| {});
        ours.client(&[]).with(&identity).only(versions).resuming()
    };
    let theirs = [client(&old, TLS12), client(&old, TLS13)];
    let others = [client(&new, TLS12), client(&new, TLS13)];
    for client in &theirs {
        for resumed in [false, true] {
            let stream = client.connect(&gateway).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            assert_eq!(kind == Some(rustls::HandshakeKind::Resumed), resumed, "{kind:?}");
            let mut client = Client::over(stream, gateway.answers.clone());
            client.send(get("/x")).await.answer("GET").await.assert_ok("yes");
        }
    }
    for client in &others {
        client.try_get(&gateway, "/x").await.unwrap_err();
    }

    std::fs::write(file, new.pem()).unwrap();
    let taken = || gateway.log().iter().filter(|l| says("a certificate was taken up")(l)).count();
    gateway.logged(|_| taken() == 2).await;
    for client in &theirs {
        client.try_get(&gateway, "/x").await.unwrap_err();
    }
    for client in &others {
        assert_eq!(client.try_get(&gateway, "/x").await.unwrap().0, 200);
    }
}

/// Whoever writes keys by way of links, as Kubernetes does, changes the link.
#[tokio::test]
async fn a_link_that_changes() {
    let origin = Origin::ok("yes").await;
    let (first, second) = (Authority::default(), Authority::default());
    let (one, two) = (first.server(), second.server());
    let setup = Gateway::setup().tls(&one, "").all_to(&origin.url(), "");
    let directory = setup.write().parent().unwrap().to_owned();
    for (name, identity) in [("one", &one), ("two", &two)] {
        std::fs::create_dir(directory.join(name)).unwrap();
        std::fs::write(directory.join(name).join("tls.crt"), &identity.certificate).unwrap();
        std::fs::write(directory.join(name).join("tls.key"), &identity.key).unwrap();
    }
    std::os::unix::fs::symlink("one", directory.join("data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        std::fs::remove_file(directory.join(name)).unwrap();
        std::os::unix::fs::symlink(format!("data/{name}"), directory.join(name)).unwrap();
    }
    let gateway = setup.start().await;
    first.client(&[]).connect(&gateway).await.unwrap();
    std::os::unix::fs::symlink("two", directory.join("new")).unwrap();
    std::fs::rename(directory.join("new"), directory.join("data")).unwrap();
    let taken = || gateway.log().iter().filter(|l| says("a certificate was taken up")(l)).count();
    gateway.logged(|_| taken() == 2).await;
    second.client(&[]).connect(&gateway).await.unwrap();
    assert!(!gateway.log().iter().any(|line| line["level"] == "ERROR"));
}

#[tokio::test]
async fn a_certificate_that_ends_soon() {
    let origin = Origin::ok("yes").await;
    let authority = Authority::default();
    let identity = authority.sign(&["localhost"], expired);
    let setup = Gateway::setup().tls(&identity, "").all_to(&origin.url(), "");
    let gateway = setup.start().await;
    let warned = gateway.logged(says("the certificate has expired")).await;
    assert_eq!(warned["level"], "WARN");
    assert_eq!(warned["expires"], "2020-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_drain() {
    let (origin, go) = Origin::waiting().await;
    let authority = Authority::default();
    // The drain alone ends who has said nothing yet.
    let mut gateway = gateway(&authority, &origin, "header_timeout = \"1m\"", "").await;
    let plain = authority.client(&[]);
    let mut silent = plain.http1(&gateway).await;
    let mut idle = plain.http1(&gateway).await;
    idle.send(get("/nowhere")).await.answer("GET").await;
    let mut begun = gateway.client().await;
    begun.send([22, 3, 1]).await;
    let mut http1 = plain.http1(&gateway).await;
    http1.send(get("/x/1")).await;
    let mut http2 = authority.client(BOTH).http2(&gateway).await;
    let mut spare = http2.sender.clone();
    let request = http::Request::get("https://localhost/x/2").body(full("")).unwrap();
    let asked = tokio::spawn(async move { http2.request(request).await });
    origin.until("both requests run", |o| o.requests().len() == 2).await;

    gateway.signal("TERM");
    gateway.logged(says("draining")).await;
    // With a `close_notify`, without which there would be an error.
    idle.assert_closed().await;
    silent.assert_closed().await;
    begun.assert_closed().await;
    // What runs ends well, and nothing begins.
    origin
        .until("both are answered", |_| {
            go.notify_one();
            asked.is_finished()
        })
        .await;
    http1.answer("GET").await.assert_ok("at last");
    http1.assert_closed().await;
    asked.await.unwrap().unwrap().assert_ok("at last");
    // After GOAWAY nothing is asked on it.
    let gone = soon("the end of the connection", async {
        spare.ready().await.is_err() || spare.is_closed()
    });
    assert!(gone.await);
    assert_eq!(gateway.exited().await.code(), Some(0));
}

/// An answer that breaks off must not end like a whole one.
#[tokio::test]
async fn an_answer_that_breaks_off() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
    let origin =
        Origin::start(move |_| vec![Act::send(format!("{head}4\r\nhalf\r\n")), Act::Reset]);
    let origin = origin.await;
    let authority = Authority::default();
    let gateway = gateway(&authority, &origin, "", "").await;
    for version in ["1.0", "1.1"] {
        let mut stream = authority.client(&[]).connect(&gateway).await.unwrap();
        let request = format!("GET /x/a HTTP/{version}\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        let error = soon("the end", stream.read_to_end(&mut read)).await.unwrap_err();
        let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
        assert!(kinds.contains(&error.kind()), "HTTP/{version}: {error:?}");
    }
}

/// It is let go, and so is the provider.
#[tokio::test]
async fn a_client_that_takes_nothing() {
    let ended = Arc::new(Notify::new());
    let told = ended.clone();
    let origin = Origin::connections(move |mut connection| {
        let ended = told.clone();
        async move {
            connection.request().await?;
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000000000\r\n\r\n";
            connection.wire.send(head).await?;
            while connection.wire.send([b'x'; 4096]).await.is_ok() {}
            ended.notify_one();
            Ok(())
        }
    })
    .await;
    let authority = Authority::default();
    let gateway = gateway(&authority, &origin, "send_timeout = \"300ms\"", "").await;
    let mut stream = authority.client(&[]).connect(&gateway).await.unwrap();
    stream.write_all(get("/x/a").as_bytes()).await.unwrap();
    soon("the provider is let go", ended.notified()).await;
}

#[tokio::test]
async fn a_websocket() {
    let origin = Origin::websocket().await;
    let authority = Authority::default();
    let gateway = gateway(&authority, &origin, "", "").await;
    let mut client = authority.client(&["http/1.1"]).http1(&gateway).await;
    let upgrade =
        "GET /x/chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(client.send(upgrade).await.answer("GET").await.status, 101);
    client.send("!").await;
    assert_eq!(soon("an echo", client.wire.take(1)).await.unwrap(), b"!");
    client.finish().await.assert_closed().await;
}
