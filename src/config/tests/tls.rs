//! TLS towards clients and providers.
use super::*;
use crate::config::ClientAuth;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// With these lines in `[server.tls]`, and these after it.
fn text(tls: &str, rest: &str) -> String {
    format!("[server.tls]\n{tls}\n{rest}{REST}")
}

/// What is wrong with it; the file in this directory.
fn mistakes(directory: &Directory, text: &str) -> Vec<String> {
    let errors = load(&directory.file(FILE, text), env).expect_err(text);
    let printed = errors.0.iter().map(ToString::to_string);
    let name = format!("error: {}", directory.0.join(FILE).display());
    printed.map(|text| text.replace(&name, "").replace("\n  help: ", " | ")).collect()
}

const PAIR: &str = "cert_file = \"tls.crt\"\nkey_file = \"tls.key\"\n";

#[test]
fn files_beside_the_configuration() {
    let directory = Directory::new("tls");
    let config = load(&directory.file(FILE, text(PAIR, "")), env).unwrap().config;
    let tls = config.server.tls.unwrap();
    assert_eq!(tls.cert_file, directory.0.join("tls.crt"));
    assert_eq!(tls.key_file, directory.0.join("tls.key"));
    assert_eq!((tls.client_ca_file, tls.client_auth), (None, ClientAuth::None));
    let asks = format!("{PAIR}client_ca_file = \"tls.crt\"\nclient_auth = \"required\"");
    let config = load(&directory.file(FILE, text(&asks, "")), env).unwrap().config;
    let tls = config.server.tls.unwrap();
    assert_eq!(tls.client_ca_file, Some(directory.0.join("tls.crt")));
}

/// In each of the formats that tools write.
#[test]
fn kinds_of_keys() {
    let directory = Directory::new("kinds");
    let key = KeyPair::generate().unwrap();
    let pkcs8 = key.serialize_pem();
    let certificate = CertificateParams::new([]).unwrap().self_signed(&key).unwrap();
    directory.file("tls.crt", certificate.pem());
    // PKCS#8 holds a SEC1 key as its last but one field; what openssl writes has the curve before it.
    let der = key.serialize_der();
    let at = der.windows(5).position(|bytes| bytes[0] == 0x30 && bytes[2..] == [2, 1, 1]).unwrap();
    let length = usize::from(der[at + 1]) + 2;
    let body = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        sec1_with_curve(&der[at..at + length]),
    );
    let sec1 = format!(
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n\
         -----BEGIN EC PRIVATE KEY-----\n{body}\n-----END EC PRIVATE KEY-----\n"
    );
    for key in [pkcs8, sec1] {
        directory.file("tls.key", &key);
        load(&directory.file(FILE, text(PAIR, "")), env).unwrap();
    }
}

/// As it is when it stands alone: with the name of the curve, P-256, before the public key.
fn sec1_with_curve(inner: &[u8]) -> Vec<u8> {
    const CURVE: &[u8] = &[0xa0, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    // SEQUENCE, version, and 32 bytes of the key come first.
    let (head, public) = inner[2..].split_at(3 + 2 + 32);
    let content = [head, CURVE, public].concat();
    [&[0x30, u8::try_from(content.len()).unwrap()], &content[..]].concat()
}

#[test]
fn mistakes_about_tls() {
    let directory = Directory::new("no-tls");
    let certificate = fs::read_to_string(directory.0.join("tls.crt")).unwrap();
    let other = KeyPair::generate().unwrap().serialize_pem();
    directory.file("other.key", &other);
    directory.file("text", MARKER);
    directory.file("cut.crt", &certificate[..certificate.len() / 2]);
    directory.file("junk.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    directory.file("junk.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    directory.file(
        "sealed.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let names = |certificate: &str, key: &str| {
        format!("cert_file = \"{certificate}\"\nkey_file = \"{key}\"")
    };
    let ca = |file: &str| format!("{PAIR}client_ca_file = \"{file}\"\nclient_auth = \"optional\"");
    let caller = "[auth]\n[[auth.certificate]]\nsubject = \"a\"\naccount = \"a\"\n";
    let no_key =
        "the file holds no private key in PEM format (PKCS#8, PKCS#1 or SEC1, not encrypted)";
    let table: &[(String, &str, &[&str])] = &[
        (
            names("none.crt", "none.key"),
            "",
            &[
                ":2:13: server.tls.cert_file: the file cannot be read: there is no such file",
                ":3:12: server.tls.key_file: the file cannot be read: there is no such file",
            ],
        ),
        (
            names("text", "text"),
            "",
            &[
                ":2:13: server.tls.cert_file: the file holds no certificate in PEM format",
                &format!(":3:12: server.tls.key_file: {no_key}"),
            ],
        ),
        (names("tls.crt", "sealed.key"), "", &[&format!(":3:12: server.tls.key_file: {no_key}")]),
        (
            names("cut.crt", "tls.key"),
            "",
            &[":2:13: server.tls.cert_file: the file is not in PEM format"],
        ),
        (
            names("junk.crt", "tls.key"),
            "",
            &[
                ":2:13: server.tls.cert_file: the certificate is damaged or of a kind that cannot be used",
            ],
        ),
        (
            names("tls.crt", "junk.key"),
            "",
            &[
                ":3:12: server.tls.key_file: the private key is damaged or of a kind that cannot be used",
            ],
        ),
        (
            names("tls.crt", "other.key"),
            "",
            &[
                ":3:12: server.tls.key_file: the key of another certificate than the first one in the certificate's file",
            ],
        ),
        (
            ca("text"),
            "",
            &[":4:18: server.tls.client_ca_file: the file holds no certificate in PEM format"],
        ),
        (
            ca("junk.crt"),
            "",
            &[
                ":4:18: server.tls.client_ca_file: a certificate in the file is not one of an authority",
            ],
        ),
        (
            format!("{PAIR}client_ca_file = \"tls.crt\""),
            "",
            &[
                ":4:18: server.tls.client_ca_file: means nothing unless `client_auth` is `optional` or `required`",
            ],
        ),
        (
            format!("{PAIR}client_auth = \"required\""),
            "",
            &[
                ":4:15: server.tls.client_auth: nobody's certificates are trusted | name the authorities of clients' certificates in `client_ca_file`",
            ],
        ),
        (
            format!("{PAIR}client_auth = \"maybe\""),
            "",
            &[":4:15: server.tls.client_auth: expected `none`, `optional` or `required`"],
        ),
        (
            "cert_file = \"tls.crt\"\nkeyfile = \"tls.key\"".to_owned(),
            "",
            &[":3:1: server.tls.keyfile: unknown key | did you mean `key_file`?"],
        ),
        (
            PAIR.to_owned(),
            caller,
            &[
                ":6:1: auth.certificate: no client is asked for a certificate | `client_auth` has to be `optional` or `required`",
            ],
        ),
        (
            ca("tls.crt"),
            &format!("{caller}[[auth.certificate]]\nsubject = \"a\"\naccount = \"b\"\n"),
            &[":11:11: auth.certificate[1].subject: the same subject as auth.certificate[0]"],
        ),
    ];
    for (tls, rest, want) in table {
        assert_eq!(mistakes(&directory, &text(tls, rest)), *want, "{tls}\n{rest}");
    }
    let plain = format!("{caller}{REST}");
    assert_eq!(
        mistakes(&directory, &plain),
        [
            ":2:1: auth.certificate: no client is asked for a certificate | `server.tls.client_auth` has to be `optional` or `required`"
        ]
    );
}

#[test]
fn certificates_that_end() {
    let directory = Directory::new("ended");
    let key = KeyPair::generate().unwrap();
    directory.file("tls.key", key.serialize_pem());
    for (year, want) in [(2020, Some("the certificate has expired")), (2999, None)] {
        let mut params = CertificateParams::new([]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        directory.file("tls.crt", params.self_signed(&key).unwrap().pem());
        let loaded = load(&directory.file(FILE, text(PAIR, "")), env).unwrap();
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), usize::from(want.is_some()), "{warnings:?}");
        for (warning, want) in warnings.iter().zip(want) {
            assert!(
                warning.ends_with(&format!(":2:13: server.tls.cert_file: {want}")),
                "{warning}"
            );
        }
    }
}

/// An upstream with these lines, and an endpoint with those.
fn provider(upstream: &str, endpoint: &str) -> String {
    format!(
        "[[route]]\npath = \"/\"\nupstream = \"a\"\n\
         [upstream.a]\n{upstream}\n[[upstream.a.endpoint]]\n{endpoint}\n"
    )
}

const HTTPS: &str = "url = \"https://h\"";
const CLIENT_PAIR: &str = "client_cert_file = \"tls.crt\"\nclient_key_file = \"tls.key\"";

#[test]
fn what_providers_are_shown() {
    let directory = Directory::new("client-pair");
    let own = "client_cert_file = \"own.crt\"\nclient_key_file = \"own.key\"";
    for (from, to) in [("tls.crt", "own.crt"), ("tls.key", "own.key")] {
        fs::copy(directory.0.join(from), directory.0.join(to)).unwrap();
    }
    let of = |name: &str| Some(["crt", "key"].map(|end| directory.0.join(format!("{name}.{end}"))));
    for (upstream, endpoint, want) in [
        ("", "", None),
        (CLIENT_PAIR, "", of("tls")),
        (CLIENT_PAIR, own, of("own")),
        ("", own, of("own")),
    ] {
        let text = provider(upstream, &format!("{HTTPS}\n{endpoint}"));
        let config = load(&directory.file(FILE, text), env).unwrap().config;
        let upstream = &config.upstream["a"];
        let got = upstream.client_pair(&upstream.endpoint[0]);
        assert_eq!(got.map(|(certificate, key)| [certificate.to_owned(), key.to_owned()]), want);
    }
}

#[test]
fn mistakes_about_providers() {
    let directory = Directory::new("no-client-pair");
    directory.file("other.key", KeyPair::generate().unwrap().serialize_pem());
    directory.file("text", MARKER);
    let key = |file: &str| format!("client_cert_file = \"tls.crt\"\nclient_key_file = \"{file}\"");
    let http = "url = \"http://h\"";
    let table: &[(String, &[&str])] = &[
        (
            provider("client_cert_file = \"tls.crt\"", HTTPS),
            &[":5:20: upstream.a.client_cert_file: means nothing without `client_key_file`"],
        ),
        (
            provider("client_key_file = \"tls.key\"", HTTPS),
            &[":5:19: upstream.a.client_key_file: means nothing without `client_cert_file`"],
        ),
        (
            provider("client_cert_file = \"tls.crt\"\nclient_keyfile = \"tls.key\"", HTTPS),
            &[":6:1: upstream.a.client_keyfile: unknown key | did you mean `client_key_file`?"],
        ),
        (
            provider(&key("other.key"), HTTPS),
            &[
                ":6:19: upstream.a.client_key_file: the key of another certificate than the first one in the certificate's file",
            ],
        ),
        (
            provider("client_cert_file = \"text\"\nclient_key_file = \"none\"", HTTPS),
            &[
                ":5:20: upstream.a.client_cert_file: the file holds no certificate in PEM format",
                ":6:19: upstream.a.client_key_file: the file cannot be read: there is no such file",
            ],
        ),
        (
            provider("", &format!("{HTTPS}\nclient_cert_file = \"tls.crt\"")),
            &[
                ":8:20: upstream.a.endpoint[0].client_cert_file: means nothing without `client_key_file`",
            ],
        ),
        (
            provider("", &format!("{HTTPS}\n{}", key("text"))),
            &[
                ":9:19: upstream.a.endpoint[0].client_key_file: the file holds no private key in PEM format (PKCS#8, PKCS#1 or SEC1, not encrypted)",
            ],
        ),
        (
            provider(CLIENT_PAIR, http),
            &[":5:20: upstream.a.client_cert_file: means nothing: no endpoint has an https:// URL"],
        ),
        (
            provider("", &format!("{http}\nserver_name = \"a.test\"\n{CLIENT_PAIR}")),
            &[
                ":8:15: upstream.a.endpoint[0].server_name: means nothing without an https:// URL",
                ":9:20: upstream.a.endpoint[0].client_cert_file: means nothing without an https:// URL",
            ],
        ),
        (
            provider("", &format!("{HTTPS}\nserver_name = \"a.test:443\"")),
            &[
                ":8:15: upstream.a.endpoint[0].server_name: expected a DNS name or an address without a port, such as \"api.internal\"",
            ],
        ),
    ];
    for (text, want) in table {
        assert_eq!(mistakes(&directory, text), *want, "{text}");
    }
    // What is not known yet is no mistake, and one endpoint with TLS is enough.
    let two = format!("{http}\n[[upstream.a.endpoint]]\n{HTTPS}");
    let unknown = "url = \"${NOWHERE}\"\nserver_name = \"a.test\"";
    for endpoint in [&*two, unknown] {
        load(&directory.file(FILE, provider(CLIENT_PAIR, endpoint)), env).unwrap();
    }
}

#[test]
fn certificates_for_providers_that_end() {
    let directory = Directory::new("client-ended");
    let key = KeyPair::generate().unwrap();
    directory.file("tls.key", key.serialize_pem());
    let mut params = CertificateParams::new([]).unwrap();
    params.not_after = date_time_ymd(2020, 1, 1);
    directory.file("tls.crt", params.self_signed(&key).unwrap().pem());
    let text = provider("", &format!("{HTTPS}\n{CLIENT_PAIR}"));
    let loaded = load(&directory.file(FILE, text), env).unwrap();
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    let want = ":8:20: upstream.a.endpoint[0].client_cert_file: the certificate has expired";
    assert!(warning.ends_with(want), "{warning}");
}
