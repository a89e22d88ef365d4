//! What every answer from 400 on must be.

use super::{Answer, Version};
use http::Method;
use serde_json::Value;
use tollgate::{Catalog, Entry, Kind};

/// Checks the whole contract of a failure, and returns its entry in the catalog.
#[track_caller]
pub fn assert_envelope<'c>(answer: &Answer, catalog: &'c Catalog) -> &'c Entry {
    let fields = &answer.fields;
    assert!(answer.status >= 400, "{answer:?}");
    assert_eq!(fields.one("content-type"), Some("application/json"), "{answer:?}");
    assert_eq!(fields.one("cache-control"), Some("no-store"), "{answer:?}");
    for name in ["transfer-encoding", "content-encoding", "etag", "set-cookie"] {
        assert!(!fields.has(name), "{name} in {answer:?}");
    }
    if answer.version == Version::Http2 {
        assert!(!fields.has("connection"), "{answer:?}");
    }
    let id = fields.one("x-request-id").expect("x-request-id");
    assert!((1..=128).contains(&id.len()), "{id:?}");
    let length: usize = fields.one("content-length").expect("content-length").parse().unwrap();
    if answer.method == Method::HEAD {
        assert!(answer.body.is_empty() && length > 0, "{answer:?}");
        let known = |entry: &&Entry| entry.status().as_u16() == answer.status;
        return catalog.entries().iter().find(known).expect("a status of the catalog");
    }
    assert_eq!(answer.body.len(), length, "{answer:?}");

    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let entry = assert_error(&body, catalog);
    if let Some(in_body) = body["error"].get("request_id") {
        assert_eq!(in_body, id, "{body}");
    }
    assert_eq!(entry.status().as_u16(), answer.status, "{body}");
    entry
}

/// Checks the last event of a stream that has failed, and returns its entry in the catalog.
#[track_caller]
pub fn assert_event<'c>(event: &str, catalog: &'c Catalog) -> &'c Entry {
    let data = event.strip_prefix("event: error\ndata: ").unwrap_or_else(|| panic!("{event:?}"));
    let data = data.strip_suffix("\n\n").unwrap_or_else(|| panic!("{event:?}"));
    assert_error(&serde_json::from_str(data).expect("JSON"), catalog)
}

/// Checks the JSON of a failure, and returns its entry in the catalog.
#[track_caller]
pub fn assert_error<'c>(body: &Value, catalog: &'c Catalog) -> &'c Entry {
    let top: Vec<_> = body.as_object().expect("an object").keys().collect();
    assert_eq!(top, ["data", "error"], "{body}");
    assert!(body["data"].is_null(), "{body}");
    let error = body["error"].as_object().expect("an error object");
    let optional: Vec<_> = catalog.fields().iter().map(|f| f.as_str()).collect();
    for key in error.keys().map(String::as_str) {
        assert!(
            ["code", "message"].contains(&key) || optional.contains(&key),
            "{key} is not of catalog {}: {body}",
            catalog.name()
        );
    }
    assert!(!error["message"].as_str().expect("a message").is_empty(), "{body}");
    let code = error["code"].as_str().expect("a code");
    catalog.entry(code).unwrap_or_else(|| panic!("{code} is not in the catalog {}", catalog.name()))
}

/// Checks that the answer is the catalog's to this kind of fault.
#[track_caller]
pub fn assert_fault(answer: &Answer, catalog: &Catalog, kind: Kind) {
    let want = entry_of(catalog, kind);
    let got = assert_envelope(answer, catalog);
    if answer.method == Method::HEAD {
        assert_eq!(answer.status, want.status().as_u16(), "{kind} {answer:?}");
    } else {
        assert_eq!(got.code(), want.code(), "{kind}: {}", answer.text());
    }
    assert_eq!(answer.fields.has("allow"), kind == Kind::MethodNotAllowed);
    // RFC 6750, section 3.1: also where the scopes do not suffice.
    let challenged = answer.fields.has("www-authenticate");
    assert_eq!(challenged, answer.status == 401 || challenged && kind == Kind::Forbidden);
}

/// The entry that answers this kind of fault.
pub fn entry_of(catalog: &Catalog, kind: Kind) -> &Entry {
    let entry = catalog.entries().iter().find(|entry| entry.faults().contains(&kind));
    entry.expect("an entry for each kind")
}
