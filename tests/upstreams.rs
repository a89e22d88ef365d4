//! What becomes of a request at the providers behind a route, over real sockets: which of them is asked, what their
//! answers mean, and how a stream goes through.
//!
//! That no credential of the gateway, no address of a provider and none of its words about its own failures come out, in an
//! answer, on the admin listener or in the log, is checked by [`Gateway`] when it goes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "upstreams/adapt.rs"]
mod adapt;
#[path = "upstreams/admin.rs"]
mod admin;
#[path = "upstreams/apistor.rs"]
mod apistor;
#[path = "upstreams/eggapi.rs"]
mod eggapi;
#[path = "upstreams/failover.rs"]
mod failover;
#[path = "upstreams/health.rs"]
mod health;
#[path = "upstreams/streams.rs"]
mod streams;
mod support;
#[path = "upstreams/tls.rs"]
mod tls;

use serde_json::Value;
use support::{
    Act, Answer, Gateway, MARKER, Origin, Version, assert_envelope, client::Ask, envelope::entry_of,
};
use tollgate::{Kind, fault::UpstreamKind};

/// The code of a failure, which must be a whole envelope.
#[track_caller]
fn code(answer: &Answer, gateway: &Gateway) -> String {
    assert_envelope(answer, &gateway.catalog).code().to_owned()
}

/// The message of a failure.
#[track_caller]
fn message(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    body["error"]["message"].as_str().unwrap().to_owned()
}

/// The code of the catalog for a fault of this kind.
fn code_of(gateway: &Gateway, kind: UpstreamKind) -> String {
    entry_of(&gateway.catalog, Kind::Upstream(kind)).code().to_owned()
}

/// A page for people with a marker in it.
fn html(status: u16) -> Vec<Act> {
    let page = format!("<html><h1>{status}</h1><hr>{MARKER} nginx</html>");
    vec![Act::send(support::origin::answer(status, "content-type: text/html\r\n", &page))]
}

/// A failure of the provider's, in JSON, with a marker.
fn failure(status: u16) -> Vec<Act> {
    support::origin::json(status, &format!(r#"{{"error":{{"message":"{MARKER}"}}}}"#))
}

/// A refusal of the input, of which the provider's words pass.
fn invalid(status: u16) -> Vec<Act> {
    support::origin::json(status, r#"{"error":{"message":"not that","type":"x"}}"#)
}

/// A POST with a body of JSON.
fn post(path: &str, body: &str) -> Ask {
    let ask = Ask::new(Version::Http1, "POST", path).field("content-type", "application/json");
    Ask { body: body.as_bytes().to_vec(), ..ask }
}

fn get(path: &str) -> Ask {
    Ask::new(Version::Http1, "GET", path)
}

fn with(mut ask: Ask, version: Version) -> Ask {
    ask.version = version;
    ask
}

/// How often each of these was asked.
fn asked(origins: &[&Origin]) -> Vec<usize> {
    origins.iter().map(|origin| origin.requests().len()).collect()
}
