//! The PROXY protocol: whom a load balancer speaks for, and who is believed.

use super::support::{
    Client, Gateway, Origin, Version, assert_envelope, assert_fault, client::Ask, http2::Http2,
    soon, tls::Authority,
};
use serde_json::Value;
use std::net::Ipv6Addr;
use tokio::net::TcpStream;
use tollgate::Kind;

const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
const V1: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\r\n";
const LISTED: &str = "proxy_protocol = \"listed\"\nproxy_protocol_from = [\"127.0.0.0/8\"]";

/// A header of version 2.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, block].concat()
}

/// With the source's address, the destination's, and both ports.
fn v2_of_v4() -> Vec<u8> {
    v2(0x21, 0x11, &[192, 0, 2, 7, 10, 0, 0, 1, 0x1f, 0x90, 1, 0xbb])
}

fn v2_of_v6() -> Vec<u8> {
    let address = "2001:db8::7".parse::<Ipv6Addr>().unwrap().octets();
    // Something about the connection behind it: the name that was asked for.
    v2(0x21, 0x21, &[&address[..], &address, &[0x1f, 0x90, 1, 0xbb, 2, 0, 1, b'a']].concat())
}

/// Every header, and who it says is at the other end.
fn headers() -> Vec<(Vec<u8>, &'static str)> {
    let socket = "127.0.0.1";
    vec![
        (V1.to_vec(), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 8080 443\r\n".to_vec(), "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 8080 443\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), socket),
        (format!("PROXY UNKNOWN {}\r\n", "x".repeat(91)).into_bytes(), socket),
        (v2_of_v4(), "192.0.2.7"),
        (v2_of_v6(), "2001:db8::7"),
        (v2(0x20, 0, &[]), socket),
        (v2(0x21, 0x31, &[b'/'; 216]), socket),
        // As long as it may be: more than is looked at in one go.
        (v2(0x20, 0, &[0; 4080]), socket),
    ]
}

async fn gateway(origin: &Origin, server: &str) -> Gateway {
    Gateway::setup().server(server).all_to(&origin.url(), "").start().await
}

/// The connection ends without another byte. What arrives when it has ended there makes a reset of it.
async fn assert_cut_off(client: &mut Client) {
    let rest = soon("the end of the connection", client.wire.rest()).await;
    assert_eq!(rest.unwrap_or_default(), b"");
}

/// There are this many such lines in the log.
async fn logged(gateway: &Gateway, count: usize, wanted: impl Fn(&Value) -> bool) {
    let lines = || gateway.log().iter().filter(|line| wanted(line)).count();
    gateway.logged(|_| lines() >= count).await;
    assert_eq!(lines(), count);
}

/// Who the provider was told is asking, the last time.
#[track_caller]
fn told(origin: &Origin) -> String {
    origin.last_request().fields.one("x-forwarded-for").unwrap().to_owned()
}

#[tokio::test]
async fn whom_a_load_balancer_speaks_for() {
    let origin = Origin::ok("yes").await;
    for mode in ["listed", "required"] {
        let gateway = gateway(&origin, &LISTED.replace("listed", mode)).await;
        for (header, want) in headers() {
            let name = String::from_utf8_lossy(&header);
            // In one piece with two requests, by itself, and byte by byte.
            let mut client = gateway.client().await;
            client.send([&header, GET.as_bytes(), GET.as_bytes()].concat()).await;
            for _ in 0..2 {
                client.answer("GET").await.assert_ok("yes");
                assert_eq!(told(&origin), want, "{name:?}");
            }
            let mut client = gateway.client().await;
            client.send(&header).await.send(GET).await.answer("GET").await.assert_ok("yes");
            assert_eq!(told(&origin), want, "{name:?}");
            if header.len() < 200 {
                let mut client = gateway.client().await;
                for byte in header.iter().chain(GET.as_bytes()) {
                    client.send([*byte]).await;
                    tokio::task::yield_now().await;
                }
                client.answer("GET").await.assert_ok("yes");
                assert_eq!(told(&origin), want, "{name:?}");
            }
            // HTTP/2 with prior knowledge.
            let stream = TcpStream::connect(gateway.address).await.unwrap();
            let mut client = Client::over(stream, gateway.answers.clone());
            client.send(&header).await;
            let (stream, record) = (client.wire.stream, gateway.answers.clone());
            let mut client = Http2::over(stream, "http", gateway.address, record).await;
            client.ask(&Ask::new(Version::Http2, "GET", "/x")).await.unwrap().assert_ok("yes");
            assert_eq!(told(&origin), want, "{name:?}");
        }
    }
}

#[tokio::test]
async fn whoever_has_to_say_it_and_does_not() {
    let origin = Origin::ok("yes").await;
    let gateway = gateway(&origin, LISTED).await;
    let long = format!("PROXY UNKNOWN {}\r\n{GET}", "x".repeat(92));
    let wrong: &[&[u8]] = &[
        GET.as_bytes(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"\0\0\0\0",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 8080\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\nGET / HTTP/1.1\r\n\r\n",
        long.as_bytes(),
        &v2(0x21, 0x11, &[0; 4081])[..600],
        &v2(0x21, 0x11, &[0; 11]),
        &v2(0x31, 0x11, &[0; 12]),
        &v2(0x2f, 0x11, &[0; 12]),
    ];
    for bytes in wrong {
        // Not a byte is said.
        gateway.client().await.send(bytes).await.assert_closed().await;
    }
    // One that ends in the middle, and one that has not begun, which is no mistake.
    gateway.client().await.send(&V1[..20]).await.finish().await.assert_closed().await;
    gateway.client().await.finish().await.assert_closed().await;
    assert!(origin.requests().is_empty());
    let expected = |line: &Value| line["message"] == "a header of the PROXY protocol was expected";
    logged(&gateway, wrong.len() + 1, expected).await;
    let log = gateway.log();
    assert!(log.iter().filter(|line| expected(line)).all(|line| line["level"] == "DEBUG"));
    // And one warning for all of them.
    let loud = log.iter().filter(|line| line["level"] == "WARN" || line["level"] == "ERROR");
    assert_eq!(loud.count(), 1, "{log:?}");
}

#[tokio::test]
async fn a_header_that_does_not_come() {
    let origin = Origin::ok("yes").await;
    let gateway = gateway(&origin, &format!("{LISTED}\nheader_timeout = \"200ms\"")).await;
    for begun in [&b""[..], b"P", &V1[..20], &v2_of_v4()[..16]] {
        gateway.client().await.send(begun).await.assert_closed().await;
    }
    logged(&gateway, 4, |line| line["error"] == "it took too long").await;
    // Behind it a request's head has its own time, and an answer.
    let mut client = gateway.client().await;
    let answer = client.send(V1).await.send("GET /x").await.answer("GET").await;
    assert_fault(&answer, &gateway.catalog, Kind::HeaderTimeout);
}

#[tokio::test]
async fn before_tls() {
    let origin = Origin::ok("yes").await;
    let authority = Authority::default();
    let setup = Gateway::setup().server(LISTED).tls(&authority.server(), "");
    let gateway = setup.all_to(&origin.url(), "").start().await;
    for (header, want) in headers() {
        for (alpn, is_http2) in [("http/1.1", false), ("h2", true)] {
            let mut client = gateway.client().await;
            client.send(&header).await;
            let tls = authority.client(&[alpn]).over(client.wire.stream).await.unwrap();
            let record = gateway.answers.clone();
            let answer = if is_http2 {
                let mut client = Http2::over(tls, "https", gateway.address, record).await;
                client.ask(&Ask::new(Version::Http2, "GET", "/x")).await.unwrap()
            } else {
                Client::over(tls, record).send(GET).await.answer("GET").await
            };
            answer.assert_ok("yes");
            assert_eq!(told(&origin), want);
            let seen = origin.last_request();
            assert_eq!(seen.fields.one("x-forwarded-proto"), Some("https"));
        }
    }
    // TLS alone is no header, and neither is plain HTTP behind one TLS.
    authority.client(&[]).connect(&gateway).await.unwrap_err();
    gateway.client().await.send(V1).await.send(GET).await.assert_closed().await;
}

/// A header as anybody could write it, of whom nothing of the kind is expected.
#[tokio::test]
async fn whoever_is_not_believed() {
    let origin = Origin::ok("yes").await;
    let listed = "proxy_protocol = \"listed\"\nproxy_protocol_from = [\"10.0.0.0/8\", \"::1\"]";
    for server in ["", listed] {
        let gateway = gateway(&origin, server).await;
        gateway.raw(GET).await.assert_ok("yes");
        assert_eq!(told(&origin), "127.0.0.1");
        let before = origin.requests().len();
        for header in [V1, &v2_of_v4()] {
            let answer = gateway.raw([header, GET.as_bytes()].concat()).await;
            assert_eq!(answer.status, 400);
            assert_envelope(&answer, &gateway.catalog);
        }
        assert_eq!(origin.requests().len(), before);
    }
    let gateway = gateway(&origin, &listed.replace("listed", "required")).await;
    let before = origin.requests().len();
    for bytes in [GET.as_bytes(), V1, &v2_of_v4()] {
        let mut client = gateway.client().await;
        client.send(bytes).await;
        assert_cut_off(&mut client).await;
    }
    assert_eq!(origin.requests().len(), before);
}

/// Everywhere.
#[tokio::test]
async fn the_address_counts_as_the_peers() {
    let origin = Origin::ok("yes").await;
    let setup = Gateway::setup()
        .server(&format!("{LISTED}\ntrusted_proxies = [\"127.0.0.0/8\", \"203.0.113.0/24\"]"))
        .tables("[[limit]]\nname = \"per-address\"\nkey = \"address\"\nrate = \"2/h\"")
        .upstream("provider", &origin.url(), "")
        .route("/x", "provider", "limits = [\"per-address\"]");
    let gateway = setup.start().await;
    let from = |address: &str| format!("PROXY TCP4 {address} 10.0.0.1 1 2\r\n");
    let ask = async |address: &str, lines: &str| {
        let request = format!("{}GET /x HTTP/1.1\r\nHost: a\r\n{lines}\r\n", from(address));
        gateway.raw(request).await
    };
    for address in ["192.0.2.1", "192.0.2.2"] {
        for status in [200, 200, 429] {
            // What a client says of others is believed no more than without a load balancer.
            let answer = ask(address, "X-Forwarded-For: 6.6.6.6\r\n").await;
            assert_eq!(answer.status, status, "{address}");
        }
        assert_eq!(told(&origin), address);
    }
    // A proxy behind the load balancer is believed for itself.
    for status in [200, 200, 429] {
        let answer = ask("203.0.113.5", "X-Forwarded-For: 192.0.2.3\r\n").await;
        assert_eq!(answer.status, status);
    }
    assert_eq!(told(&origin), "192.0.2.3, 203.0.113.5");
    ask("203.0.113.6", "X-Forwarded-For: 192.0.2.4\r\n").await.assert_ok("yes");
}

#[tokio::test]
async fn a_drain_does_not_wait_for_headers() {
    let origin = Origin::ok("yes").await;
    let mut gateway = gateway(&origin, &format!("{LISTED}\nheader_timeout = \"1m\"")).await;
    let mut silent = gateway.client().await;
    let mut begun = gateway.client().await;
    begun.send(&V1[..20]).await;
    // Accepted after them.
    gateway.raw([V1, GET.as_bytes()].concat()).await.assert_ok("yes");
    gateway.signal("TERM");
    silent.assert_closed().await;
    assert_cut_off(&mut begun).await;
    assert_eq!(gateway.exited().await.code(), Some(0));
}
