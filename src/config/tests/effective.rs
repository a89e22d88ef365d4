//! What is in effect, as it is shown.
use super::{
    schema::{keys_of_document, keys_of_schema, keys_of_some_builds},
    *,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const REDACTED: &str = "[redacted]";

/// A secret of ours, long enough for any place.
const PUT_BACK: &str = "redacted-redacted-redacted-redacted";

fn strings(value: &mut Value, change: &impl Fn(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| strings(item, change)),
        Value::Object(members) => members.values_mut().for_each(|member| strings(member, change)),
        _ => {}
    }
}

fn as_toml(mut shown: Value) -> String {
    strings(&mut shown, &|text| *text = text.replace(REDACTED, PUT_BACK));
    toml::to_string(&shown).unwrap()
}

/// What is shown is a configuration; with secrets put back it is accepted, and says the same.
fn assert_is_read_again(config: &Config, file: &Path) {
    let shown = config.effective();
    let text = as_toml(shown.clone());
    let again = parse(&text, file, |_| None).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let mut again = again.config.effective();
    strings(&mut again, &|text| *text = text.replace(PUT_BACK, REDACTED));
    assert_eq!(again, shown);
}

#[test]
fn everything_is_read_again() {
    let directory = Directory::new("effective");
    let file = directory.file(FILE, EVERYTHING);
    let config = load(&file, env).unwrap().config;
    assert_is_read_again(&config, &file);
    // And nothing is left out that the file can say.
    let schema = json_schema();
    let (mut possible, mut shown) = (BTreeSet::new(), BTreeSet::new());
    keys_of_schema(&schema, &schema, "", &mut possible);
    let document: toml::Table = as_toml(config.effective()).parse().unwrap();
    keys_of_document(&toml::Value::Table(document), "", &mut shown);
    shown.extend(keys_of_some_builds());
    // An amount alone needs no table.
    shown.insert(".route[].price.amount".to_owned());
    assert_eq!(shown, possible);
}

#[test]
fn the_smallest_one_is_read_again() {
    let config = accept(REST).config;
    assert_is_read_again(&config, Path::new(FILE));
    assert_is_read_again(&Config::pass_through("http://h/base").unwrap(), Path::new(FILE));
    let route = &config.effective()["route"][0];
    assert_eq!(
        (&route["name"], &route["auth"], &route["body"]),
        (&json!("* /"), &json!("none"), &Value::Null)
    );
}

#[test]
fn the_examples_are_read_again() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for name in ["apistor.toml", "eggapi.toml"] {
        let file = directory.join(name);
        let given = |name: &str| match name {
            _ if name.ends_with("_URL") => Some("https://provider.example/v1".to_owned()),
            _ if name.ends_with("_KEY") => Some(MARKER.to_owned()),
            _ => None,
        };
        // As they are, with all that they want, and without.
        let nothing = |_: &str| None;
        let cases: [&dyn Fn(&str) -> Option<String>; 2] = [&given, &nothing];
        for env in cases {
            let config = load(&file, env).unwrap_or_else(|errors| panic!("{errors}")).config;
            assert_is_read_again(&config, &file);
            assert!(!config.effective().to_string().contains(MARKER));
        }
    }
}

/// Who asks for keys without a table `[auth]` has its defaults, and the other routes ask for none.
#[test]
fn keys_without_a_table() {
    let text = REST.replace("path = \"/\"", "path = \"/\"\nauth = \"required\"")
        + "[[route]]\npath = \"/x\"\nupstream = \"a\"\n[server]\nstore = \"sqlite://k.db\"\n";
    let config = accept(&text).config;
    let shown = config.effective();
    assert_eq!(shown["auth"]["realm"], "api");
    assert_eq!([0, 1].map(|index| &shown["route"][index]["auth"]), ["required", "none"]);
    assert_is_read_again(&config, Path::new(FILE));
}

/// What is missing is shown as what is missing, what is there not at all.
#[test]
fn whether_a_secret_is_there() {
    let with = |credential: &str| {
        let text =
            REST.replace("\"http://h\"", &format!("\"http://h\"\ncredential = {credential}"));
        accept(&text).config.effective()["upstream"]["a"]["endpoint"][0]["credential"].take()
    };
    assert_eq!(with("{ bearer = \"${KEY}\" }"), json!({ "bearer": "[redacted]" }));
    assert_eq!(with("{ bearer = \"${NOWHERE}\" }"), json!({ "bearer": "${NOWHERE}" }));
    assert_eq!(
        with("{ header = \"x-key\", value = \"k\" }"),
        json!({ "header": "x-key", "value": "[redacted]" })
    );
    assert_eq!(accept(REST).config.effective()["server"].get("admin_token"), None);
}

#[test]
fn values_are_written_as_in_the_file() {
    let directory = Directory::new("effective-values");
    let shown = load(&directory.file(FILE, EVERYTHING), env).unwrap().config.effective();
    let path = |name: &str| json!(directory.0.join(name));
    for (pointer, value) in [
        ("/server/listen", json!("0.0.0.0:9000")),
        ("/server/max_header_bytes", json!("16KiB")),
        ("/server/trusted_proxies/1", json!("192.0.2.1/32")),
        ("/server/store", json!("sqlite://k.db")),
        ("/server/tls/key_file", path("tls.key")),
        ("/auth/key/0/digest", json!("a".repeat(64))),
        ("/auth/key/0/expires", json!("2999-01-01T00:00:00Z")),
        ("/auth/certificate/0/subject", json!("spiffe://acme/job")),
        ("/limit/0/rate", json!("100/s")),
        ("/limit/0/burst", json!(100)),
        ("/limit/1/burst", json!(7)),
        ("/limit/1/plans/pro", json!({ "rate": "100/m", "burst": 100 })),
        ("/limit/1/plans/big", json!({ "rate": "5/m", "burst": 9 })),
        ("/limit/2/on_store_failure", Value::Null),
        ("/profile/mine/rule/0/status/1", json!(503)),
        ("/profile/mine/rule/0/content_type", json!("application/json")),
        ("/upstream/grsai/timeout", json!("120s")),
        ("/upstream/grsai/endpoint/1/profile", json!("generic")),
        ("/upstream/grsai/endpoint/0/url", json!("https://api.example.com/[redacted]")),
        ("/route/0/method", json!(["GET", "POST"])),
        ("/route/0/rewrite", json!("/v1/draw/{id}")),
        ("/route/0/limits/0", json!("per-address")),
        ("/route/0/limits/1", json!({ "name": "per-key", "cost": 2 })),
        ("/route/0/schema", path("body.json")),
        ("/route/0/body/duplicates", json!("refuse")),
        ("/route/0/body/max_values", json!(9)),
        ("/route/1/method", json!("POST")),
        ("/route/1/body/max_values", json!(500)),
        ("/route/1/price/table/small", json!("0.01")),
        ("/route/2/price", json!("0.50")),
        ("/route/2/charge/time_limit", json!("600s")),
        ("/tasks/seal_keys", json!([REDACTED])),
    ] {
        assert_eq!(shown.pointer(pointer).unwrap_or(&Value::Null), &value, "{pointer}");
    }
}

/// What every key says of its default, by path.
fn defaults_of_schema(
    schema: &Value,
    root: &Value,
    path: &str,
    defaults: &mut BTreeMap<String, String>,
) {
    if let Some(reference) = schema["$ref"].as_str() {
        defaults_of_schema(root.pointer(&reference[1..]).unwrap(), root, path, defaults);
    }
    for choice in schema["anyOf"].as_array().into_iter().flatten() {
        defaults_of_schema(choice, root, path, defaults);
    }
    for (part, step) in [("items", "[]"), ("additionalProperties", ".*")] {
        if schema[part].is_object() {
            defaults_of_schema(&schema[part], root, &format!("{path}{step}"), defaults);
        }
    }
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        defaults_of_schema(property, root, &path, defaults);
        let description = property["description"].as_str().unwrap_or_default();
        if let Some((default, _)) =
            description.split_once("Default: `").and_then(|(_, rest)| rest.split_once('`'))
        {
            defaults.insert(path, default.to_owned());
        }
    }
}

fn at<'v>(value: &'v Value, path: &str) -> Vec<&'v Value> {
    path.split('.').skip(1).fold(vec![value], |values, step| {
        let (key, is_list) = match step.strip_suffix("[]") {
            Some(key) => (key, true),
            None => (step, false),
        };
        let members = values.into_iter().flat_map(|value| match (key, value) {
            ("*", Value::Object(members)) => members.values().collect(),
            _ => Vec::from_iter(value.get(key)),
        });
        match is_list {
            true => members.flat_map(|value| value.as_array().into_iter().flatten()).collect(),
            false => members.collect(),
        }
    })
}

/// Where nothing is said, what is shown is what the key's description says.
#[test]
fn defaults_are_those_of_the_descriptions() {
    let text = r#"
server.store = "sqlite://k.db"
[auth]
[[limit]]
name = "l"
key = "address"
rate = "1/s"
[upstream.a]
profile = "p"
endpoint = [
    { url = "http://h", priority = 1, name = "one" },
    { url = "http://h", priority = 1, name = "other" },
]
[profile.p]
work = { at = "/status", succeeded = "yes", failed = "no" }
rule = [{ name = "r", status = 400, fault = "overloaded" }]
[[route]]
path = "/"
upstream = "a"
price = "1"
schema = "{}"
task = { id_in_answer = "/id" }
parameters = "{}"
limits = ["l"]
"#;
    let shown = accept(text).config.effective();
    let schema = json_schema();
    let mut defaults = BTreeMap::new();
    defaults_of_schema(&schema, &schema, "", &mut defaults);
    // Those that depend on something, or are a preset's.
    let elsewhere = [
        ".auth.key[].id",
        ".upstream.*.max_replay_bytes",
        ".route[].auth",
        ".route[].charge.time_limit",
        ".charge.time_limit",
        ".route[].limits[].cost",
        ".server.tls.client_auth",
        ".traces.sample",
        // Said above.
        ".upstream.*.profile",
    ];
    let mut seen = 0;
    for (path, default) in &defaults {
        if elsewhere.contains(&path.as_str()) {
            continue;
        }
        let found = at(&shown, path);
        assert!(!found.is_empty(), "{path} is not shown, and its default is {default}");
        for value in found {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            // The same duration or size in other units.
            let same = |text: &str| {
                let duration = text.parse::<Patience>().ok().map(|duration| duration.to_string());
                duration.or(text.parse::<Size>().ok().map(|size| size.to_string()))
            };
            let is_it = text == *default || same(&text).is_some() && same(&text) == same(default);
            assert!(is_it, "{path} is {text}, and its default is {default}");
            seen += 1;
        }
    }
    assert!(seen > 70, "{seen}");
    assert_eq!(at(&shown, ".route[].charge.time_limit"), [&json!("900s")]);
}

/// Where a secret can be, by the types of the configuration.
fn places_of_secrets(schema: &Value, root: &Value, path: &str, places: &mut BTreeSet<String>) {
    match schema["$ref"].as_str() {
        Some("#/$defs/Secret") => _ = places.insert(path.to_owned()),
        Some(reference) => {
            places_of_secrets(root.pointer(&reference[1..]).unwrap(), root, path, places);
        }
        None => {}
    }
    for choice in schema["anyOf"].as_array().into_iter().flatten() {
        places_of_secrets(choice, root, path, places);
    }
    for (part, step) in [("items", "[]"), ("additionalProperties", ".*")] {
        if schema[part].is_object() {
            places_of_secrets(&schema[part], root, &format!("{path}{step}"), places);
        }
    }
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        places_of_secrets(property, root, &format!("{path}.{key}"), places);
    }
}

/// A marker of its own in every place that has the type of a secret, in every URL that has a password, and in every
/// place that takes any text: as it is where it is a secret by type, out of a variable where it need not be one.
const SECRETS: &str = r#"
[server]
admin_token = "mark-admin-token-0123456789"
store = "STORE"
limits = "LIMITS"
[callbacks]
url = "https://h/${MARK}/callbacks"
secrets = ["mark-callbacks-0123456789-0123456789", "${MARK}${MARK}${MARK}"]
[tasks]
seal_keys = ["mark-seal-0123456789-0123456789-0123456789"]
[traces]
credential = { header = "x-key", value = "mark-traces" }
[upstream.a]
[[upstream.a.endpoint]]
url = "https://h/bot${MARK}/x"
credential = { bearer = "mark-bearer" }
[[upstream.a.endpoint]]
url = "${URL}/${MARK}"
credential = { header = "x-key", value = "mark-header" }
[[upstream.a.endpoint.adapt]]
path = "/"
rewrite = "/of/${MARK}"
edit = [{ set = "/key", value = "${MARK}" }]
[[route]]
path = "/"
upstream = "a"
rewrite = "/bot${MARK}/draw"
schema = '{ "const": "${MARK}" }'
parameters = '{ "properties": { "key": { "const": "${MARK}" } } }'
edit = [
    { set = "/key", value = "Bearer ${MARK}" },
    { set = "/keys", value = { list = ["${MARK}", 1, { "key" = "${MARK}" }] } },
    { map = "/model", values = { small = { key = "${MARK}" } } },
]
"#;

#[test]
fn no_secret_is_shown() {
    let schema = json_schema();
    let mut places = BTreeSet::new();
    places_of_secrets(&schema, &schema, "", &mut places);
    let known = [
        ".callbacks.secrets[]",
        ".server.admin_token",
        ".tasks.seal_keys[]",
        ".traces.credential.bearer",
        ".traces.credential.value",
        ".upstream.*.endpoint[].credential.bearer",
        ".upstream.*.endpoint[].credential.value",
    ];
    assert_eq!(places, known.map(str::to_owned).into(), "put a marker into the new place");
    let env = |name: &str| match name {
        "URL" => Some("https://other.example/v1".to_owned()),
        "MARK" => Some("mark-variable".to_owned()),
        _ => None,
    };
    #[cfg(feature = "postgres")]
    let stores = [
        "postgres://u:mark-store@h/d",
        "postgres://u:${MARK}@h/d?options=mark-options",
        "sqlite://k.db",
    ];
    #[cfg(not(feature = "postgres"))]
    let stores = ["sqlite://k.db"];
    #[cfg(feature = "redis")]
    let limits = [
        "redis://:mark-limits@h",
        "rediss://u:${MARK}@h/1",
        "redis+unix:///r?user=u&pass=mark-limits",
    ];
    #[cfg(not(feature = "redis"))]
    let limits = ["local"];
    for store in stores {
        for limits in limits {
            let text = SECRETS.replace("STORE", store).replace("LIMITS", limits);
            let Loaded { config, .. } =
                parse(&text, Path::new(FILE), env).unwrap_or_else(|errors| panic!("{errors}"));
            let shown = format!("{:#}", config.effective());
            assert!(!shown.contains("mark-"), "{shown}");
            let debug = format!("{config:#?}");
            assert!(!debug.contains("mark-"), "{debug}");
            assert_is_read_again(&config, Path::new(FILE));
        }
    }
}

/// A variable that is a secret somewhere is one everywhere.
#[test]
fn a_known_secret_is_looked_for_elsewhere() {
    let text = r#"
catalog.docs_url = "https://h/?key=${KEY}"
profile.p.redact = ["${KEY}", "x${KEY}y"]
upstream.a.endpoint = [{ url = "http://h/x", credential = { bearer = "${KEY}" }, name = "at ${KEY}" }]
route = [{ path = "/", upstream = "a" }]
"#;
    let shown = accept(text).config.effective();
    assert!(!shown.to_string().contains(MARKER), "{shown:#}");
    assert_eq!(shown["profile"]["p"]["redact"], json!(["[redacted]", "x[redacted]y"]));
}
