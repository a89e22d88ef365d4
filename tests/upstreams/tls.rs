//! TLS to providers: what they are shown, and by which name they are known.

use super::support::{
    Gateway, Setup, Version, assert_fault,
    client::Ask,
    gateway::Directory,
    http2::full,
    tls::{Authority, Identity, TlsProvider, expired},
};
use http::Response;
use tokio_rustls::rustls::{self, SupportedProtocolVersion};
use tollgate::{Kind, fault::UpstreamKind};

const HTTP1: &[&str] = &["http/1.1"];
const HTTP2: &[&str] = &["h2"];
static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
static TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

const UNREACHABLE: Kind = Kind::Upstream(UpstreamKind::Unreachable);

/// Lines for the certificate in the files of this name, and the setup with the files.
fn shown(setup: Setup, name: &str, identity: &Identity) -> (Setup, String) {
    let setup = setup
        .file(&format!("{name}.crt"), &identity.certificate)
        .file(&format!("{name}.key"), &identity.key)
        .secret(identity.key.lines().nth(1).unwrap());
    let lines = format!("client_cert_file = \"{name}.crt\"\nclient_key_file = \"{name}.key\"\n");
    (setup, lines)
}

#[tokio::test]
async fn a_provider_that_asks_for_a_certificate() {
    let (servers, ours, theirs) =
        (Authority::default(), Authority::default(), Authority::default());
    let identity = servers.sign(&["127.0.0.1"], |_| {});
    for (alpn, versions) in [(HTTP1, TLS12), (HTTP1, TLS13), (HTTP2, TLS12), (HTTP2, TLS13)] {
        let provider = TlsProvider { clients: Some(ours.roots()), alpn, versions };
        let (origin, _) = provider.start(&identity, |_| Response::new(full("yes"))).await;
        let setup = Gateway::setup().file("ca.pem", &servers.pem());
        let (setup, good) = shown(setup, "good", &ours.sign(&["gateway"], |_| {}));
        let (setup, foreign) = shown(setup, "foreign", &theirs.sign(&["gateway"], |_| {}));
        let (mut setup, old) = shown(setup, "old", &ours.sign(&["gateway"], expired));
        let table = [
            ("none", "", "", false),
            ("good", &*good, "", true),
            ("foreign", &foreign, "", false),
            ("old", &old, "", false),
            ("own", &foreign, &*good, true),
            ("own-foreign", &good, &foreign, false),
        ];
        let url = format!("https://{}", origin.address);
        for (name, upstream, endpoint, _) in table {
            let upstream = format!("ca_file = \"ca.pem\"\n{upstream}");
            let setup_with = setup.upstream_with(name, &url, &upstream, endpoint);
            setup = setup_with.route(&format!("/{name}"), name, "");
        }
        // Nothing is said of the other side's TLS.
        let setup = setup.secret("certificate required").secret("AlertReceived");
        let gateway = setup.start().await;
        for (name, .., is_let_in) in table {
            for version in Version::BOTH {
                let before = origin.requests().len();
                let path = format!("/{name}");
                let answer = gateway.ask(Ask::new(version, "POST", &path)).await;
                if is_let_in {
                    answer.assert_ok("yes");
                } else {
                    assert_fault(&answer, &gateway.catalog, UNREACHABLE);
                    assert_eq!(answer.status, 502);
                    let text = answer.text().to_ascii_lowercase();
                    assert!(!text.contains("tls") && !text.contains("alert"), "{text}");
                }
                let requests = origin.requests().len() - before;
                assert_eq!(requests, usize::from(is_let_in), "{name} {alpn:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_provider_by_another_name() {
    let authority = Authority::default();
    let by_name = authority.sign(&["api.internal"], |_| {});
    let by_address = authority.sign(&["127.0.0.1"], |_| {});
    // The provider's certificate, the host to connect to, the name to ask for, what is asked for, whether it is the one.
    let named = Some("api.internal");
    let table = [
        (&by_name, "127.0.0.1", named, named, true),
        (&by_name, "localhost", named, named, true),
        (&by_name, "127.0.0.1", Some("other.internal"), Some("other.internal"), false),
        (&by_name, "127.0.0.1", None, None, false),
        (&by_name, "localhost", None, Some("localhost"), false),
        (&by_address, "127.0.0.1", None, None, true),
        (&by_address, "localhost", Some("127.0.0.1"), None, true),
        (&by_address, "127.0.0.1", named, named, false),
    ];
    for alpn in [HTTP1, HTTP2] {
        for (identity, host, name, asked, is_the_one) in table {
            let (origin, names) = TlsProvider::new(alpn)
                .start(identity, |_| {
                    let redirect = Response::builder().status(302);
                    redirect
                        .header("location", "https://api.internal/next")
                        .header("x-served-by", "api.internal")
                        .body(full(""))
                        .unwrap()
                })
                .await;
            let authority_of = format!("{host}:{}", origin.address.port());
            let line = name.map(|name| format!("server_name = \"{name}\"")).unwrap_or_default();
            let setup = Gateway::setup().file("ca.pem", &authority.pem());
            let url = format!("https://{authority_of}");
            let setup = setup.upstream_with("provider", &url, "ca_file = \"ca.pem\"", &line);
            let gateway = setup.route("/{*path}", "provider", "").start().await;
            let answer = gateway.get("/x").await;
            let mut got = names.take();
            got.dedup();
            assert_eq!(got, [asked.map(str::to_owned)], "{host} {name:?}");
            if !is_the_one {
                assert_fault(&answer, &gateway.catalog, UNREACHABLE);
                assert!(origin.requests().is_empty(), "{host} {name:?}");
                continue;
            }
            assert_eq!(answer.status, 302, "{host} {name:?} {}", answer.text());
            if name == named {
                assert_eq!(answer.fields.one("location"), Some("/next"));
                assert!(!answer.fields.has("x-served-by"));
            }
            // What is asked for is the URL's as ever.
            let seen = origin.only_request();
            let host = seen.fields.one("host").map(str::to_owned);
            let host = host.unwrap_or_else(|| seen.target.split('/').nth(2).unwrap().to_owned());
            assert_eq!(host, authority_of);
        }
    }
}

/// Without a file of authorities it is those of the system, wherever it keeps them.
#[tokio::test]
async fn whom_the_system_trusts() {
    let (known, unknown) = (Authority::default(), Authority::default());
    let directory = Directory::default();
    directory.file("roots.pem", known.pem());
    let roots = directory.path().join("roots.pem");
    for (authority, is_trusted) in [(&known, true), (&unknown, false)] {
        let provider = TlsProvider { clients: None, alpn: HTTP1, versions: TLS13 };
        let identity = authority.sign(&["127.0.0.1"], |_| {});
        let (origin, _) = provider.start(&identity, |_| Response::new(full("yes"))).await;
        let setup = Gateway::setup().env("SSL_CERT_FILE", roots.to_str().unwrap());
        let setup = setup.upstream("provider", &format!("https://{}", origin.address), "");
        let gateway = setup.route("/x", "provider", "").start().await;
        let answer = gateway.get("/x").await;
        match is_trusted {
            true => answer.assert_ok("yes"),
            false => assert_fault(&answer, &gateway.catalog, UNREACHABLE),
        }
    }
}
