use super::hop_by_hop::{has_token, is_forbidden_trailer, is_hop_by_hop, remove_hop_by_hop};
use crate::{Fault, forward::endpoint::Endpoint};
use http::{HeaderMap, HeaderName, HeaderValue, Version, header, request::Parts};

/// What was taken out of a request and is still needed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::forward) struct RequestFacts {
    /// The protocol that the client asks to switch to.
    pub(in crate::forward) upgrade: Option<HeaderValue>,
    /// What the provider is asked for, whatever the version of HTTP.
    pub(in crate::forward) host: Option<HeaderValue>,
}

/// Which fields there are to be dealt with: most requests have none of them.
#[derive(Debug, Default)]
struct Found {
    expect: bool,
    upgrade: bool,
    te: bool,
    via: bool,
    baggage: bool,
    /// Any that concerns the connection alone, `TE` among them.
    hop_by_hop: bool,
}

impl Found {
    fn look(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for name in headers.keys() {
            match *name {
                header::EXPECT => found.expect = true,
                header::VIA => found.via = true,
                header::TE => (found.te, found.hop_by_hop) = (true, true),
                header::UPGRADE => (found.upgrade, found.hop_by_hop) = (true, true),
                _ if *name == BAGGAGE => found.baggage = true,
                _ => found.hop_by_hop |= is_hop_by_hop(name),
            }
        }
        found
    }
}

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// What services tell each other along a trace, of their users too: nothing for a third party (W3C Baggage, Privacy Considerations).
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// Makes a client's request one of ours to this endpoint: hop-by-hop fields and `baggage` out, `Host`, `Via` and the
/// endpoint's credential in.
///
/// # Errors
///
/// [`Fault::LoopDetected`] when our own name stands in `Via`, [`Fault::ExpectationFailed`] for an expectation
/// other than `100-continue`.
pub(in crate::forward) fn clean_request(
    parts: &mut Parts,
    endpoint: &Endpoint,
) -> Result<RequestFacts, Fault> {
    let headers = &mut parts.headers;
    let found = Found::look(headers);
    // RFC 9110, section 10.1.1. The server side answers `100 Continue` itself, when the body is first asked
    // for; the provider never hears of it.
    if found.expect {
        let known = |expect: &HeaderValue| expect.as_bytes().eq_ignore_ascii_case(b"100-continue");
        if !headers.get_all(header::EXPECT).iter().all(known) {
            return Err(Fault::ExpectationFailed);
        }
        headers.remove(header::EXPECT);
    }
    let upgrade = if found.upgrade { asked_upgrade(headers, parts.version) } else { None };
    if found.hop_by_hop {
        let trailers = found.te && has_token(headers, &header::TE, "trailers");
        remove_hop_by_hop(headers);
        headers.remove(header::TE);
        if trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
    }
    if found.baggage {
        headers.remove(BAGGAGE);
    }
    if parts.version == Version::HTTP_2 {
        join_cookies(headers);
    }
    add_via(headers, found.via, parts.version, endpoint)?;
    let host = host(parts, endpoint);
    if let Some((name, value)) = endpoint.credential() {
        // The caller's credential is for us; ours is for the provider.
        parts.headers.remove(header::AUTHORIZATION);
        parts.headers.remove(X_API_KEY);
        parts.headers.remove(header::COOKIE);
        parts.headers.insert(name, value.clone());
    }
    Ok(RequestFacts { upgrade, host })
}

/// The protocol to switch to: HTTP/1.1 with `Connection: upgrade` and one `Upgrade` (RFC 9110, section 7.8), which
/// is WebSocket (RFC 6455, section 4.1). Any other would be a way past whatever stands before the provider.
fn asked_upgrade(headers: &HeaderMap, version: Version) -> Option<HeaderValue> {
    if version != Version::HTTP_11 || !has_token(headers, &header::CONNECTION, "upgrade") {
        return None;
    }
    let mut values = headers.get_all(header::UPGRADE).iter();
    match (values.next(), values.next()) {
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"websocket") => Some(one.clone()),
        _ => None,
    }
}

/// HTTP/2 may split a cookie over several lines; HTTP/1 may not (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else {
        return;
    };
    let mut joined = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(crumbs) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(header::COOKIE, joined);
    }
}

/// Adds our `Via` (RFC 9110, section 7.6.3), unless it is there already: then the request has come round.
fn add_via(
    headers: &mut HeaderMap,
    found: bool,
    version: Version,
    endpoint: &Endpoint,
) -> Result<(), Fault> {
    let Some(via) = endpoint.via() else {
        return Ok(());
    };
    let seen = || {
        let hops = headers
            .get_all(header::VIA)
            .iter()
            .flat_map(|line| line.as_bytes().split(|b| *b == b','));
        let mut names =
            hops.filter_map(|hop| hop.trim_ascii().split(u8::is_ascii_whitespace).nth(1));
        names.any(|by| by == via.pseudonym.as_bytes())
    };
    if found && seen() {
        return Err(Fault::LoopDetected);
    }
    headers.append(header::VIA, via.value(version).clone());
    Ok(())
}

/// The value of `Host` at the endpoint: its own, or the client's, which HTTP/2 has in `:authority`.
fn host(parts: &Parts, endpoint: &Endpoint) -> Option<HeaderValue> {
    if !endpoint.preserves_host() {
        return Some(endpoint.host().clone());
    }
    let authority = parts.uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
    parts.headers.get(header::HOST).cloned().or(authority)
}

/// Drops trailer fields of a request that have no business there.
pub(in crate::forward) fn keep_request_trailers(trailers: HeaderMap) -> HeaderMap {
    super::response::keep_trailers(trailers, is_forbidden_trailer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::Credential;
    use http::Request;

    fn endpoint() -> Endpoint {
        Endpoint::new(&"http://provider.test:81/base".parse().unwrap())
            .unwrap()
            .with_via("gate")
            .unwrap()
    }

    fn clean(
        version: Version,
        fields: &[(&str, &str)],
        endpoint: &Endpoint,
    ) -> (Result<RequestFacts, Fault>, Vec<(String, String)>) {
        let mut request = Request::builder().version(version).uri("/x");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        let facts = clean_request(&mut parts, endpoint);
        let mut left: Vec<_> = parts
            .headers
            .iter()
            .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .filter(|(n, _)| n != "host" && n != "via")
            .collect();
        left.sort();
        (facts, left)
    }

    #[test]
    fn fields_that_are_for_nobody_else_stay_here() {
        let table: &[(&[(&str, &str)], &[(&str, &str)])] = &[
            (&[("connection", "close"), ("a", "1")], &[("a", "1")]),
            (
                &[("connection", "x-a, x-b"), ("x-a", "1"), ("x-b", "2"), ("x-c", "3")],
                &[("x-c", "3")],
            ),
            (&[("connection", "x-a"), ("connection", "X-B"), ("x-a", "1"), ("x-b", "2")], &[]),
            (&[("keep-alive", "timeout=5"), ("proxy-connection", "keep-alive")], &[]),
            (&[("proxy-authorization", "Basic eDp5"), ("proxy-authenticate", "Basic")], &[]),
            (&[("te", "gzip, trailers;q=1")], &[]),
            (&[("te", "gzip"), ("te", "trailers")], &[("te", "trailers")]),
            (&[("connection", "te"), ("te", "trailers")], &[("te", "trailers")]),
            (&[("transfer-encoding", "chunked")], &[]),
            (&[("expect", "100-continue")], &[]),
            (&[("connection", "upgrade, http2-settings"), ("http2-settings", "AAM")], &[]),
            (
                &[("baggage", "user=7"), ("Baggage", "b=2"), ("traceparent", "t")],
                &[("traceparent", "t")],
            ),
            // A nomination must not take away what frames, routes or authenticates.
            (
                &[
                    (
                        "connection",
                        "content-length, authorization, x-forwarded-for, x-request-id, traceparent, ,",
                    ),
                    ("content-length", "3"),
                    ("authorization", "Bearer k"),
                    ("x-forwarded-for", "10.0.0.1"),
                    ("x-request-id", "i"),
                    ("traceparent", "t"),
                ],
                &[
                    ("authorization", "Bearer k"),
                    ("content-length", "3"),
                    ("traceparent", "t"),
                    ("x-forwarded-for", "10.0.0.1"),
                    ("x-request-id", "i"),
                ],
            ),
        ];
        for (sent, want) in table {
            let (facts, left) = clean(Version::HTTP_11, sent, &endpoint());
            let left: Vec<_> = left.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(left, *want, "{sent:?}");
            assert!(facts.is_ok());
        }
    }

    #[test]
    fn upgrades_only_when_asked_properly() {
        let ask: &[(&str, &str)] = &[("connection", "Upgrade"), ("upgrade", "websocket")];
        let table: &[(Version, &[(&str, &str)], bool)] = &[
            (Version::HTTP_11, ask, true),
            (Version::HTTP_10, ask, false),
            (Version::HTTP_2, ask, false),
            (Version::HTTP_11, &[("upgrade", "websocket")], false),
            (Version::HTTP_11, &[("connection", "upgrade"), ("upgrade", "h2c")], false),
            (Version::HTTP_11, &[("connection", "upgrade"), ("upgrade", "h2c/2")], false),
            (Version::HTTP_11, &[("connection", "upgrade")], false),
            (
                Version::HTTP_11,
                &[("connection", "upgrade"), ("upgrade", "a"), ("upgrade", "b")],
                false,
            ),
        ];
        for (version, fields, want) in table {
            let (facts, left) = clean(*version, fields, &endpoint());
            assert_eq!(facts.unwrap().upgrade.is_some(), *want, "{version:?} {fields:?}");
            assert!(left.is_empty());
        }
    }

    #[test]
    fn a_request_that_comes_round_is_refused() {
        let table: &[(&[(&str, &str)], bool)] = &[
            (&[], false),
            (&[("via", "1.1 other")], false),
            (&[("via", "1.1 gate")], true),
            (&[("via", "1.0 a, HTTP/2.0 gate (x)")], true),
            (&[("via", "1.0 a"), ("via", "1.1 gate")], true),
            (&[("via", "1.1 gateway")], false),
            (&[("via", "gate")], false),
        ];
        for (fields, looped) in table {
            let facts = clean(Version::HTTP_11, fields, &endpoint()).0;
            assert_eq!(facts == Err(Fault::LoopDetected), *looped, "{fields:?}");
        }
    }

    #[test]
    fn via_and_host() {
        let mut parts = Request::builder()
            .version(Version::HTTP_2)
            .uri("http://client.test/x")
            .header("via", "1.1 a")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        let mut kept = parts.clone();
        let facts = clean_request(&mut parts, &endpoint()).unwrap();
        assert_eq!(facts.host.unwrap(), "provider.test:81");
        let via: Vec<_> = parts.headers.get_all("via").iter().collect();
        assert_eq!(via, ["1.1 a", "2.0 gate"]);
        let facts = clean_request(&mut kept, &endpoint().with_preserved_host(true)).unwrap();
        assert_eq!(facts.host.unwrap(), "client.test");
    }

    #[test]
    fn our_credential_replaces_the_callers() {
        let sent: &[(&str, &str)] = &[("authorization", "Bearer caller"), ("x-api-key", "caller")];
        let (_, left) = clean(Version::HTTP_11, sent, &endpoint());
        assert_eq!(left.len(), 2, "without one of ours, credentials pass");
        let bearer = endpoint().with_credential(Credential::bearer("ours").unwrap());
        let (_, left) = clean(Version::HTTP_11, sent, &bearer);
        assert_eq!(left, [("authorization".to_owned(), "Bearer ours".to_owned())]);
    }

    #[test]
    fn trailers_say_nothing_of_traces() {
        let mut trailers = HeaderMap::new();
        for name in ["traceparent", "tracestate", "baggage", "x-checksum"] {
            trailers.insert(name, HeaderValue::from_static("1"));
        }
        let left = keep_request_trailers(trailers);
        assert_eq!(left.keys().collect::<Vec<_>>(), ["x-checksum"]);
    }

    #[test]
    fn an_unknown_expectation() {
        let table: &[&[(&str, &str)]] =
            &[&[("expect", "magic")], &[("expect", "100-continue"), ("expect", "magic")]];
        for fields in table {
            let (facts, _) = clean(Version::HTTP_11, fields, &endpoint());
            assert_eq!(facts, Err(Fault::ExpectationFailed), "{fields:?}");
        }
    }

    #[test]
    fn cookie_crumbs_of_http2_are_joined() {
        let crumbs: &[(&str, &str)] = &[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")];
        let (_, left) = clean(Version::HTTP_2, crumbs, &endpoint());
        assert_eq!(left, [("cookie".to_owned(), "a=1; b=2; c=3".to_owned())]);
    }
}
