//! Whole files: what is in them, what is wrong with them, what is not said about them.
mod access;
mod bodies;
mod effective;
mod files;
mod mistakes;
mod money;
mod schema;
mod secrets;
mod tls;
mod traces;

use super::*;
use std::{fs, path::PathBuf};

const FILE: &str = "tollgate.toml";

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
        .map(|text| text.replace("error: tollgate.toml", "").replace("\n  help: ", " | "))
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
admin_token = "a secret of 16 characters"
drain_delay = "5s"
workers = 2
via = "gate-1"
trusted_proxies = ["10.0.0.0/8", "192.0.2.1"]
proxy_protocol = "required"
proxy_protocol_from = ["10.0.0.0/8"]
header_timeout = "1s"
body_timeout = "2s"
send_timeout = "2s"
idle_timeout = "3s"
drain_timeout = "0s"
max_header_bytes = 16384
max_uri_bytes = "4KiB"
max_connections = 7
max_buffered_bytes = "64MiB"
access_log = false
watch = false
store = "sqlite://${NOWHERE:-k.db}"
limits = "local"
limits_timeout = "20ms"
limits_max_keys = 1000
rate_limit_headers = "both"
attempts_header = true
proxy_status = true
[server.tls]
cert_file = "tls.crt"
key_file = "tls.key"
client_ca_file = "tls.crt"
client_auth = "optional"

[auth]
accept = ["bearer"]
realm = "image api"
key_prefix = "img"
keys_file = "keys.sha256"
[auth.forward]
account = "x-tollgate-account"
key_id = "x-key"
plan = "x-plan"
scopes = "x-scopes"
[[auth.key]]
digest = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
account = "acme"
id = "k1"
plan = "pro"
scopes = ["images", "model:*"]
expires = "2999-01-01T00:00:00Z"
[[auth.certificate]]
subject = "spiffe://acme/job"
account = "acme"
id = "job"
plan = "pro"
scopes = ["images"]

[[limit]]
name = "per-address"
key = "address"
rate = "100/s"
[[limit]]
name = "per-key"
key = "principal"
rate = "5/m"
burst = 7
on_store_failure = "local"
[limit.plans]
pro = { rate = "100/m" }
big = { burst = 9 }
[[limit]]
name = "at-once"
key = "account"
in_flight = 3
plans = { pro = { in_flight = 8 } }

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

[body]
max_bytes = "2MiB"
timeout = "3s"
content_encoding = "decode"
max_decoded_bytes = "4MiB"
max_depth = 8
max_values = 500
duplicates = "last"
numbers = "safe"
violations = "all"

[charge]
on_disconnect = "cancel"
time_limit = "10m"
at_time_limit = "settle"

[callbacks]
url = "https://api.example.com/callbacks"
secrets = ["0123456789abcdef0123456789abcdef"]
id_field = "x-a"
timestamp_field = "x-b"
signature_field = "x-c"
timeout = "5s"
give_up_after = "1h"
max_bytes = "64KiB"
allow = ["10.0.0.0/8"]

[traces]
propagate = false
from = "trusted"

[tasks]
retention = "2h"
seal_keys = ["${KEY}${KEY}${KEY}${KEY}"]

[idempotency]
retention = "3h"
max_bytes = "1KiB"

[profile.mine]
extends = "grsai"
message = ["/msg"]
request_id = ["header:x-request-id"]
retry_after = ["/wait"]
idempotency_header = "idempotency-key"
redact = ["Mine"]
without = ["failed"]
work = { at = ["/state", "/data/state"], succeeded = "done", failed = ["broken", 3] }
[[profile.mine.rule]]
name = "seats"
status = ["4xx", 503]
header = { x-error = ["seats"] }
content_type = "application/json"
event = "error"
scope = "event"
json = true
text = "seats"
message = []
fault = "overloaded"
ended = true
[[profile.mine.rule.body]]
at = "/code"
is = [4711, "seats"]
not = "ok"
matches = "no .*"
exists = true
empty = false
status = false
[[profile.mine.rule]]
name = "code"
status = 200
status_at = "/code"

[upstream.grsai]
profile = "generic"
attempts = 3
retry_percent = 10
backoff = "50ms"
max_backoff = "1s"
max_replay_bytes = "32KiB"
max_inspect_bytes = "16KiB"
max_event_bytes = "2MiB"
heartbeat = "15s"
deadline_header = "x-deadline-ms"
ejection = { failures = 3, percent = 40, window = "5s", base = "1s", longest = "1m", all = true }
timeout = "${GRSAI_TIMEOUT_MS:-120000}ms"
connect_timeout = "1s"
first_byte_timeout = "1m30s"
idle_timeout = "500ms"
pool_idle_timeout = "1s"
max_idle = 0
http2 = "never"
preserve_host = true
response_headers = ["x-image-*"]
ca_file = "ca.pem"
client_cert_file = "tls.crt"
client_key_file = "tls.key"
[[upstream.grsai.endpoint]]
name = "first"
server_name = "api.internal"
client_cert_file = "tls.crt"
client_key_file = "tls.key"
priority = 2
weight = 3
profile = "mine"
connect_timeout = "2s"
first_byte_timeout = "3s"
idle_timeout = "4s"
url = "${URL}"
credential = { bearer = "${KEY}" }
[[upstream.grsai.endpoint]]
url = "${URL}"
priority = 2

[upstream.other]
[[upstream.other.endpoint]]
url = "http://127.0.0.1:9000"
credential = { header = "x-api-key", value = "k" }
[[upstream.other.endpoint.adapt]]
path = "/draw/{model}"
rewrite = "/api/{model}"
[[upstream.other.endpoint.adapt.edit]]
set = "/stream"
value = true
[[upstream.other.endpoint.adapt.edit]]
rename = "/a"
to = "b"
[[upstream.other.endpoint.adapt.edit]]
remove = "/user"
[[upstream.other.endpoint.adapt.edit]]
map = "/model"
[upstream.other.endpoint.adapt.edit.values]
small = { model = "x-1" }

[[route]]
repeat = "unsent"
name = "poll"
method = ["GET", "POST"]
path = "/tasks/{id}"
upstream = "grsai"
rewrite = "/v1/draw/{id}"
auth = "optional"
scopes = ["images", "task:{id}"]
limits = ["per-address", { name = "per-key", cost = 2 }, "at-once"]
schema = "body.json"
parameters = "parameters.json"
body = { max_bytes = "1MiB", timeout = "1s", content_encoding = "decode", max_decoded_bytes = "1MiB", max_depth = 9, max_values = 9, duplicates = "refuse", numbers = "double", violations = "first" }
success = "wrap"
[[route.edit]]
set = "/stream"
value = true
[[route.edit]]
rename = "/a"
to = "b"
[[route.edit]]
remove = "/c/d"
[[route.edit]]
map = "/model"
[route.edit.values]
small = { model = "x-1", size = 1 }

[[route]]
method = "POST"
path = "/tasks"
upstream = "other"
schema = "body.json"
idempotency = "required"
price = { by = "/model", table = { small = "0.010", large = "0.045" }, times = "/n" }
charge = { on_disconnect = "on-accept", time_limit = "20m", at_time_limit = "release" }

[[route]]
method = "POST"
path = "/jobs"
upstream = "other"
price = { amount = "0.5" }
[[route]]
method = "PUT"
path = "/jobs"
upstream = "other"
schema = "body.json"
task = { id_in_answer = "/data/id" }
callback = { url_in_body = "/hook", ignore = ["-1"], result = "job" }
body = { duplicates = "refuse" }
[[route]]
name = "job"
path = "/jobs/{id}"
upstream = "other"
task = { id_in_path = "id" }
[[route]]
path = "/usage"
serve = "usage"
[[route]]
path = "/job"
upstream = "other"
task = { id_in_query = "id" }
[[route]]
path = "/job/result"
upstream = "other"
schema = "body.json"
task = { id_in_body = "/id", sealed = false }
[[route]]
path = "/callbacks/{token}"
auth = "none"
serve = "callback"
"#;

/// A directory with the files that `EVERYTHING` names.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("tollgate-config-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("ca.pem"), "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
            .unwrap();
        fs::write(
            path.join("body.json"),
            r#"{ "required": ["model"], "x-fault": "invalid_model" }"#,
        )
        .unwrap();
        fs::write(path.join("parameters.json"), r#"{ "properties": { "id": {} } }"#).unwrap();
        fs::write(
            path.join("keys.sha256"),
            format!("{} # of a\n{}\n", "1".repeat(64), "2".repeat(64)),
        )
        .unwrap();
        let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(path.join("tls.crt"), identity.cert.pem()).unwrap();
        fs::write(path.join("tls.key"), identity.signing_key.serialize_pem()).unwrap();
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
    let proxies = server.proxy_protocol.of(&server.proxy_protocol_from).unwrap();
    assert!(proxies.required && proxies.from.len() == 1);
    assert_eq!(server.header_timeout.get().as_secs(), 1);
    assert!(server.drain_timeout.get().is_zero());
    assert_eq!((server.max_header_bytes.get(), server.max_uri_bytes.get()), (16384, 4096));
    assert!(!server.access_log);
    assert_eq!(config.catalog.preset.as_deref(), Some("apistor"));
    let grsai = &config.upstream["grsai"];
    assert_eq!(grsai.timeout.get().as_secs(), 120);
    assert_eq!(grsai.first_byte_timeout.unwrap().get().as_secs(), 90);
    assert_eq!((grsai.http2, grsai.max_idle, grsai.preserve_host), (Http2::Never, 0, true));
    assert_eq!(grsai.ca_file.as_deref(), Some(directory.0.join("ca.pem").as_path()));
    assert_eq!(grsai.endpoint[0].server_name.as_ref().unwrap().as_str(), "api.internal");
    let url = grsai.endpoint[0].url.get().unwrap();
    assert_eq!(
        (url.is_https(), url.host(), url.port(), url.prefix()),
        (true, "api.example.com", 443, "/v1")
    );
    let (name, value) = grsai.endpoint[0].credential.as_ref().unwrap().header().unwrap();
    assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", "Bearer sk-5ecret"));
    assert!(value.is_sensitive());
    let (name, value) =
        config.upstream["other"].endpoint[0].credential.as_ref().unwrap().header().unwrap();
    assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-api-key", "k"));
    let route = &config.route[0];
    assert_eq!(
        (route.name.as_str(), route.path.as_str(), route.success),
        ("poll", "/tasks/{id}", Success::Wrap)
    );
    assert_eq!(route.method.as_ref().unwrap().to_string(), "GET,POST");
    assert_eq!(route.rewrite.as_ref().unwrap().parts().len(), 2);
    assert!(route.rules.schema.is_some() && route.rules.parameters.is_some());
    assert!(!route.rules.edits.is_empty());
    let body = route.body.or(config.body);
    assert_eq!((body.max_bytes(), body.duplicates), (1 << 20, Some(Duplicates::Refuse)));
    assert!(!format!("{config:?}").contains(MARKER));
}

#[test]
fn defaults() {
    let Loaded { config, warnings } = accept(REST);
    assert_eq!(warnings, []);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.max_connections.get(), 10_000);
    assert_eq!(config.upstream["a"].timeout.get().as_secs(), 120);
    assert_eq!(config.upstream["a"].profile, "generic");
    assert_eq!(config.route[0].name.as_str(), "* /");
    assert_eq!(config.route[0].success, Success::AsIs);
    assert!(config.upstream["a"].endpoint[0].credential.is_none());
}

#[test]
fn missing_variables_of_endpoints_are_warnings() {
    let text = r#"
[upstream.a]
[[upstream.a.endpoint]]
url = "${GRSAI_BASE_URL}/x"
credential = { bearer = "${GRSAI_API_KEY}" }
[upstream.b]
[[upstream.b.endpoint]]
url = "${EMPTY}"
credential = { header = "x-key", value = "${NOWHERE:-}" }
[[route]]
path = "/"
upstream = "a"
"#;
    let Loaded { config, warnings } = accept(text);
    let printed: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        printed,
        [
            "warning: tollgate.toml:4:7: upstream.a.endpoint[0].url: GRSAI_BASE_URL is not set: requests to upstream a are answered with not_configured until it is",
            "warning: tollgate.toml:5:25: upstream.a.endpoint[0].credential.bearer: GRSAI_API_KEY is not set: requests to upstream a are answered with not_configured until it is",
            "warning: tollgate.toml:8:7: upstream.b.endpoint[0].url: EMPTY is empty: requests to upstream b are answered with not_configured until it is set",
            "warning: tollgate.toml:9:42: upstream.b.endpoint[0].credential.value: NOWHERE is empty: requests to upstream b are answered with not_configured until it is set",
        ]
    );
    let endpoint = &config.upstream["a"].endpoint[0];
    assert_eq!(endpoint.missing_variable(), Some("GRSAI_BASE_URL"));
    assert!(endpoint.credential.as_ref().unwrap().header().is_none());
    // Errors do not hide the warnings.
    let found = reject(&format!("x = 1\n{text}"));
    assert_eq!(found.len(), 5, "{found:?}");
}

#[test]
fn variables_can_be_numbers_and_booleans() {
    let text = r#"
server.workers = "${NUMBER}"
server.access_log = "${NOWHERE:-false}"
server.max_uri_bytes = "${NUMBER}KiB"
catalog.entries.internal_error.status = "50${NUMBER}"
"#;
    let config = accept(&format!("{text}{REST}")).config;
    assert_eq!(config.server.workers.unwrap().get(), 3);
    assert!(!config.server.access_log);
    assert_eq!(config.server.max_uri_bytes.get(), 3072);
    assert_eq!(config.catalog.entries["internal_error"].status, Some(503));
}

#[test]
fn addresses_from_the_environment() {
    let with = |listen: &'static str, admin: &'static str| {
        let text =
            format!("server = {{ listen = \"127.0.0.1:1\", admin = \"127.0.0.1:2\" }}\n{REST}");
        parse(&text, Path::new(FILE), move |name| match name {
            "TOLLGATE_LISTEN" => Some(listen.to_owned()),
            "TOLLGATE_ADMIN" => Some(admin.to_owned()),
            _ => None,
        })
    };
    let ports = |loaded: Loaded| {
        let server = loaded.config.server;
        (server.listen.port(), server.admin.map(|admin| admin.port()))
    };
    assert_eq!(ports(with("", "").unwrap()), (1, Some(2)));
    assert_eq!(ports(with("0.0.0.0:3", "").unwrap()), (3, Some(2)));
    assert_eq!(ports(with("", "[::1]:4").unwrap()), (1, Some(4)));
    let expected = ["TOLLGATE_LISTEN", "TOLLGATE_ADMIN"].map(|name| {
        format!(
            "error: {FILE}: {name}: expected an address with a port, such as \"127.0.0.1:8080\" or \"[::]:8080\" in this environment variable"
        )
    });
    assert_eq!(with(MARKER, "x").unwrap_err().to_string(), expected.join("\n"));
    assert!(with("127.0.0.1:5", "127.0.0.1:5").is_err());
}

#[test]
fn pass_through() {
    let config = Config::pass_through("http://127.0.0.1:9000/base/").unwrap();
    let endpoint = &config.upstream["upstream"].endpoint[0];
    assert_eq!(endpoint.url.get().unwrap().prefix(), "/base");
    let mut router = matchit::Router::new();
    for route in &config.route {
        assert!(route.method.is_none() && config.upstream.contains_key(&route.upstream));
        router.insert(route.path.as_str(), route.name.as_str()).unwrap();
    }
    let found = ["/", "/a", "/a/b/"].map(|path| *router.at(path).unwrap().value);
    assert_eq!(found, ["* /", "* /{*path}", "* /{*path}"]);
    for url in ["", "h", "ftp://h", "http://user:pw@h"] {
        assert!(Config::pass_through(url).is_err(), "{url}");
    }
}
