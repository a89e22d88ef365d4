//! The schema says what the reader does.
use super::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Every key that a document can have, by the schema: `.server.listen`, `.route[].path`.
pub(super) fn keys_of_schema(
    schema: &Value,
    root: &Value,
    path: &str,
    keys: &mut BTreeSet<String>,
) {
    if let Some(reference) = schema["$ref"].as_str() {
        keys_of_schema(root.pointer(&reference[1..]).unwrap(), root, path, keys);
    }
    for choice in schema["anyOf"].as_array().into_iter().flatten() {
        keys_of_schema(choice, root, path, keys);
    }
    if schema["items"].is_object() {
        keys_of_schema(&schema["items"], root, &format!("{path}[]"), keys);
    }
    if schema["additionalProperties"].is_object() {
        keys_of_schema(&schema["additionalProperties"], root, &format!("{path}.*"), keys);
    }
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        keys_of_schema(property, root, &path, keys);
        keys.insert(path);
    }
}

pub(super) fn keys_of_document(value: &toml::Value, path: &str, keys: &mut BTreeSet<String>) {
    match value {
        toml::Value::Array(elements) => {
            elements.iter().for_each(|value| keys_of_document(value, &format!("{path}[]"), keys));
        }
        toml::Value::Table(table) => {
            for (key, value) in table {
                // The names that a configuration chooses are not in the schema.
                let chosen = [
                    ".upstream",
                    ".profile",
                    ".profile.*.rule[].header",
                    ".catalog.entries",
                    ".limit[].plans",
                    ".route[].price.table",
                ]
                .contains(&path)
                    || path.ends_with(".edit[].values")
                    || path.ends_with(".edit[].values.*");
                let path = format!("{path}.{}", if chosen { "*" } else { key });
                keys_of_document(value, &path, keys);
                if !chosen {
                    keys.insert(path);
                }
            }
        }
        _ => {}
    }
}

/// Keys that not every build takes: those that go with the URL of a Redis, or with somebody to send spans to.
pub(super) fn keys_of_some_builds() -> impl Iterator<Item = String> {
    let traces = ["endpoint", "sample", "service_name", "credential"].map(str::to_owned);
    let credential = ["bearer", "header", "value"].map(|key| format!("credential.{key}"));
    let traces = traces.into_iter().chain(credential).map(|key| format!(".traces.{key}"));
    traces.chain([".server.limits_ca_file".to_owned()])
}

#[test]
fn has_every_key() {
    let schema = json_schema();
    let (mut possible, mut used) = (BTreeSet::new(), BTreeSet::new());
    keys_of_schema(&schema, &schema, "", &mut possible);
    keys_of_document(&toml::Value::Table(EVERYTHING.parse().unwrap()), "", &mut used);
    used.extend(keys_of_some_builds());
    assert_eq!(possible, used);
    assert!(possible.contains(".upstream.*.endpoint[].credential.bearer"));
}

#[test]
fn is_closed_and_described() {
    let schema = json_schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["title"], "tollgate configuration");
    assert_eq!(schema["required"], json!(["route"]));
    let text = schema.to_string();
    assert!(!text.contains("\"null\"") && !text.contains("\"default\":null"), "{text}");
    let tables = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    for table in tables.filter(|table| table["properties"].is_object()) {
        assert_eq!(table["additionalProperties"], false, "{table}");
        for (key, property) in table["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{key}: {property}");
        }
    }
}

#[test]
fn has_the_defaults() {
    let schema = json_schema();
    let server = &schema["$defs"]["Server"]["properties"];
    for (key, default) in [
        ("listen", json!("127.0.0.1:8080")),
        ("header_timeout", json!("10s")),
        ("max_header_bytes", json!("32KiB")),
        ("max_connections", json!(10_000)),
        ("access_log", json!(true)),
    ] {
        assert_eq!(server[key]["default"], default, "{key}");
    }
    assert_eq!(server["admin"]["default"], Value::Null);
}

/// What may hold a variable: every value that is neither a table nor an array.
#[test]
fn allows_variables() {
    let schema = json_schema();
    let variable = json!({ "type": "string", "pattern": "\\$\\{" });
    let server = &schema["$defs"]["Server"]["properties"];
    for schema in [
        &schema["$defs"]["Timeout"],
        &schema["$defs"]["EndpointUrl"],
        &schema["$defs"]["Secret"],
        &server["max_connections"],
        &server["access_log"],
        &schema["$defs"]["Http2"],
        &schema["$defs"]["Method"],
    ] {
        assert_eq!(schema["anyOf"][1], variable, "{schema}");
        // Once: where exactly one alternative may match, a second one would refuse it.
        assert_eq!(schema.to_string().matches("\\\\$").count(), 1, "{schema}");
    }
}
