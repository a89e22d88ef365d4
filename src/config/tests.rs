//! Whole files: what is in them, what is wrong with them, what is not said about them.
use super::*;
use std::{collections::BTreeSet, fs, path::PathBuf};

const FILE: &str = "tollgate.toml";

fn no_env(_: &str) -> Option<String> {
    None
}

fn env(name: &str) -> Option<String> {
    match name {
        "URL" => Some("https://api.example.com/v1".to_owned()),
        "KEY" => Some(MARKER.to_owned()),
        "NUMBER" => Some("3".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

/// A secret. It must not come out of anything here.
const MARKER: &str = "sk-5ecret";

fn accept(text: &str) -> Loaded {
    parse(text, Path::new(FILE), env).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Everything that is wrong, each as it is printed, without what is the same in all of them.
fn reject(text: &str) -> Vec<String> {
    let errors = parse(text, Path::new(FILE), env).expect_err(text);
    let printed = errors.0.iter().map(ToString::to_string);
    printed
        .map(|text| {
            text.replace("error: tollgate.toml", "")
                .replace("\n  help: ", " | ")
        })
        .collect()
}

/// Enough of a configuration to put something into.
const REST: &str = r#"
[upstream.a]
[[upstream.a.endpoint]]
url = "http://h"
[[route]]
path = "/"
upstream = "a"
"#;

const EVERYTHING: &str = r#"
[server]
listen = "0.0.0.0:9000"
admin = "[::1]:9901"
workers = 2
via = "gate-1"
trusted_proxies = ["10.0.0.0/8", "192.0.2.1"]
header_timeout = "1s"
body_timeout = "2s"
idle_timeout = "3s"
drain_timeout = "0s"
max_header_bytes = 16384
max_uri_bytes = "4KiB"
max_connections = 7
access_log = false

[catalog]
preset = "apistor"
docs_url = "https://docs.example.com/errors"
fields = ["docs_url", "request_id"]
[catalog.entries.rate_limited]
code = "slow_down"
status = 429
message = "Too many requests."
title = "Slow down"
problem = "Too many."
solution = "Fewer."

[upstream.grsai]
profile = "generic"
timeout = "${GRSAI_TIMEOUT_MS:-120000}ms"
connect_timeout = "1s"
first_byte_timeout = "1m30s"
idle_timeout = "500ms"
pool_idle_timeout = "1s"
max_idle = 0
http2 = "never"
preserve_host = true
ca_file = "ca.pem"
[[upstream.grsai.endpoint]]
url = "${URL}"
credential = { bearer = "${KEY}" }

[upstream.other]
[[upstream.other.endpoint]]
url = "http://127.0.0.1:9000"
credential = { header = "x-api-key", value = "k" }

[[route]]
name = "poll"
method = ["GET", "POST"]
path = "/tasks/{id}"
upstream = "grsai"
rewrite = "/v1/draw/{id}"
success = "wrap"
"#;

/// A directory with the certificate that `EVERYTHING` names.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("tollgate-config-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(
            path.join("ca.pem"),
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn everything() {
    let directory = Directory::new("everything");
    let file = directory.file(FILE, EVERYTHING);
    let Loaded { config, warnings } = load(&file, env).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(warnings, []);
    let server = &config.server;
    assert_eq!(server.listen.to_string(), "0.0.0.0:9000");
    assert_eq!(server.admin.unwrap().to_string(), "[::1]:9901");
    assert_eq!(server.workers.unwrap().get(), 2);
    assert_eq!(server.via.as_ref().unwrap().as_str(), "gate-1");
    assert_eq!(server.trusted_proxies[1].get().to_string(), "192.0.2.1/32");
    assert_eq!(server.header_timeout.get().as_secs(), 1);
    assert!(server.drain_timeout.get().is_zero());
    assert_eq!(
        (server.max_header_bytes.get(), server.max_uri_bytes.get()),
        (16384, 4096)
    );
    assert!(!server.access_log);
    assert_eq!(config.catalog.preset.as_deref(), Some("apistor"));
    let grsai = &config.upstream["grsai"];
    assert_eq!(grsai.timeout.get().as_secs(), 120);
    assert_eq!(grsai.first_byte_timeout.unwrap().get().as_secs(), 90);
    assert_eq!(
        (grsai.http2, grsai.max_idle, grsai.preserve_host),
        (Http2::Never, 0, true)
    );
    assert_eq!(
        grsai.ca_file.as_deref(),
        Some(directory.0.join("ca.pem").as_path())
    );
    let url = grsai.endpoint[0].url.get().unwrap();
    assert_eq!(
        (url.is_https(), url.host(), url.port(), url.prefix()),
        (true, "api.example.com", 443, "/v1")
    );
    let (name, value) = grsai.endpoint[0]
        .credential
        .as_ref()
        .unwrap()
        .header()
        .unwrap();
    assert_eq!(
        (name.as_str(), value.to_str().unwrap()),
        ("authorization", "Bearer sk-5ecret")
    );
    assert!(value.is_sensitive());
    let (name, value) = config.upstream["other"].endpoint[0]
        .credential
        .as_ref()
        .unwrap()
        .header()
        .unwrap();
    assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-api-key", "k"));
    let route = &config.route[0];
    assert_eq!(
        (route.name.as_str(), route.path.as_str(), route.success),
        ("poll", "/tasks/{id}", Success::Wrap)
    );
    assert_eq!(route.method.as_ref().unwrap().to_string(), "GET,POST");
    assert_eq!(route.rewrite.as_ref().unwrap().parts().len(), 2);
    assert!(!format!("{config:?}").contains(MARKER));
}

#[test]
fn defaults() {
    let Loaded { config, warnings } = accept(REST);
    assert_eq!(warnings, []);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.max_connections.get(), 10_000);
    assert_eq!(config.upstream["a"].timeout.get().as_secs(), 120);
    assert_eq!(config.upstream["a"].profile, Profile::Generic);
    assert_eq!(config.route[0].name.as_str(), "* /");
    assert_eq!(config.route[0].success, Success::AsIs);
    assert!(config.upstream["a"].endpoint[0].credential.is_none());
}

#[test]
fn many_mistakes_at_once() {
    let text = r#"
[server]
lisen = "127.0.0.1:1"
workers = 0
header_timeout = "0s"
idle_timeout = 30
max_header_bytes = "32KB"
trusted_proxies = ["10.0.0.0/8", "localhost", 5]
access_log = "yes"
[upstream.grsai]
profile = "genric"
timeuot = "5s"
http2 = true
[[upstream.grsai.endpoint]]
url = "ftp://h"
credential = { bearer = "a", value = "b" }
[[upstream.grsai.endpoint]]
url = "http://h"
[upstream.empty]
max_idle = -1
[[route]]
method = ["get", "TRACE"]
path = "v1"
upstream = "grsia"
[[route]]
upstream = "grsia"
rewrite = "/x"
[[route]]
path = "/{id}"
upstream = "grsia"
rewrite = "/{ib}/{nothing}"
[other]
x = 1
"#;
    assert_eq!(
        reject(text),
        [
            ":3:1: server.lisen: unknown key | did you mean `listen`?",
            ":4:11: server.workers: expected a whole number, 1 or more",
            ":5:18: server.header_timeout: a timeout of nothing would fail every request",
            ":6:16: server.idle_timeout: expected a duration with its unit, such as \"500ms\", \"30s\", \"1m30s\" or \"2h\", found a whole number",
            ":7:20: server.max_header_bytes: expected a number of bytes, or a size such as \"32KiB\" or \"1MiB\"",
            ":8:34: server.trusted_proxies[1]: expected an address or a network, such as \"10.0.0.0/8\", \"192.0.2.1\" or \"fd00::/8\"",
            ":8:47: server.trusted_proxies[2]: expected an address or a network, such as \"10.0.0.0/8\", \"192.0.2.1\" or \"fd00::/8\", found a whole number",
            ":9:14: server.access_log: expected true or false, found a string",
            ":11:11: upstream.grsai.profile: expected `generic` | did you mean `generic`?",
            ":12:1: upstream.grsai.timeuot: unknown key | did you mean `timeout`?",
            ":13:9: upstream.grsai.http2: expected `auto`, `never` or `always`",
            ":15:7: upstream.grsai.endpoint[0].url: the URL of an endpoint begins with http:// or https://",
            ":16:14: upstream.grsai.endpoint[0].credential: `bearer` cannot go with `header` and `value`",
            ":17:1: upstream.grsai.endpoint[1]: failover between endpoints is not available yet",
            ":19:1: upstream.empty.endpoint: an upstream needs an endpoint | write a table [[upstream.empty.endpoint]] with a `url`",
            ":20:12: upstream.empty.max_idle: expected a whole number, 0 or more",
            ":22:11: route[0].method[0]: methods are written in capitals, such as \"POST\"",
            ":22:18: route[0].method[1]: CONNECT and TRACE are always refused and cannot be routed",
            ":23:8: route[0].path: a path begins with `/`",
            ":24:12: route[0].upstream: there is no upstream of this name | did you mean `grsai`?",
            ":25:1: route[1].path: this key is missing",
            ":26:12: route[1].upstream: there is no upstream of this name | did you mean `grsai`?",
            ":30:12: route[2].upstream: there is no upstream of this name | did you mean `grsai`?",
            ":31:11: route[2].rewrite: a parameter that `path` does not have | did you mean `{id}`?",
            ":31:11: route[2].rewrite: a parameter that `path` does not have",
            ":32:2: other: unknown key | known here: server, catalog, upstream, route",
        ]
    );
}
