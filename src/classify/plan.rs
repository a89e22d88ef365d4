//! How much of an answer has to be seen before its head may go on.

use crate::{
    media_type::{essence, is_json},
    profile::{Content, Profile},
    stream::Framing,
};
use http::{HeaderMap, StatusCode, header};
use http_body::SizeHint;

/// What has to be seen.
#[derive(Debug)]
pub(super) enum Plan {
    /// The head alone, and what it says of the body.
    Head(Content),
    /// The whole body.
    Body,
    /// The beginning, which says whether it is JSON.
    Beginning,
    /// The first event, and then every event as it passes.
    Events(Framing),
}

pub(super) fn plan(
    profile: &Profile,
    status: StatusCode,
    headers: &HeaderMap,
    size: &SizeHint,
    is_head: bool,
    max_bytes: usize,
) -> Plan {
    let unread = Plan::Head(Content::Unread);
    if is_head || status.is_informational() || status == StatusCode::NOT_MODIFIED {
        return unread;
    }
    if size.exact() == Some(0) {
        return Plan::Head(Content::Empty);
    }
    if size.lower() > max_bytes as u64 {
        // Of a failure the status is left, and a success is no failure at this length.
        return if status.is_success() {
            successes(profile, status, headers, None)
        } else {
            unread
        };
    }
    if status.as_u16() >= 400 {
        return Plan::Body;
    }
    successes(profile, status, headers, Some(Plan::Body))
}

/// What has to be seen of a success, which is short enough to be read whole or not.
fn successes(
    profile: &Profile,
    status: StatusCode,
    headers: &HeaderMap,
    whole: Option<Plan>,
) -> Plan {
    if !status.is_success() || !profile.looks_at_successes() {
        return Plan::Head(Content::Unread);
    }
    let kind = essence(headers);
    let kind = kind.as_deref().unwrap_or_default();
    match (Framing::of(kind), whole) {
        (Some(framing), _) => Plan::Events(framing),
        (None, Some(whole)) if is_json(headers) => whole,
        // How it begins is to be seen only when it is decoded.
        (None, Some(whole))
            if may_be_json(kind) && headers.contains_key(header::CONTENT_ENCODING) =>
        {
            whole
        }
        (None, Some(_)) if may_be_json(kind) => Plan::Beginning,
        _ => Plan::Head(Content::Unread),
    }
}

/// Media types under which some serve JSON.
fn may_be_json(kind: &str) -> bool {
    kind.is_empty()
        || kind.starts_with("text/")
        || kind.ends_with("json")
        || kind == "application/javascript"
}
