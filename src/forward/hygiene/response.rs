use super::hop_by_hop::{
    has_token, is_forbidden_trailer, is_hop_by_hop, remove_hop_by_hop, remove_where,
};
use crate::{
    fault::{Cause, UpstreamFault, UpstreamKind},
    forward::Endpoint,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header, response::Parts};
use std::time::Duration;

/// Whether the field tells a client who the provider is, or binds the client to the provider's host.
fn is_identifying(name: &HeaderName) -> bool {
    /// Of content delivery networks, proxies, and providers' own; those that begin with `x-` apart.
    const PREFIXES: [&str; 4] = ["cf-", "openai-", "anthropic-", "apim-"];
    const X_PREFIXES: [&str; 7] =
        ["envoy-", "served-by", "amz-", "amzn-", "goog-", "ms-", "azure-"];
    let name_starts = |name: &str| match name.strip_prefix("x-") {
        Some(name) => X_PREFIXES.iter().any(|prefix| name.starts_with(prefix)),
        None => PREFIXES.iter().any(|prefix| name.starts_with(prefix)),
    };
    if is_usual(name) {
        return false;
    }
    matches!(
        *name,
        header::SERVER | header::VIA | header::ALT_SVC | header::STRICT_TRANSPORT_SECURITY
    ) || matches!(
        name.as_str(),
        "x-powered-by"
            | "nel"
            | "report-to"
            | "reporting-endpoints"
            | "proxy-status"
            | "cache-status"
            | "x-tollgate-attempts"
    ) || name_starts(name.as_str())
}

/// What nearly every answer has, and nobody is known by.
fn is_usual(name: &HeaderName) -> bool {
    matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH | header::DATE)
}

/// Whether a client needs the field to read the content, to keep it or to go where it is; none of these says who has made it.
fn describes_the_content(name: &HeaderName) -> bool {
    is_usual(name)
        || matches!(
            *name,
            header::ACCEPT_RANGES
                | header::AGE
                | header::ALLOW
                | header::CACHE_CONTROL
                | header::CONTENT_DISPOSITION
                | header::CONTENT_ENCODING
                | header::CONTENT_LANGUAGE
                | header::CONTENT_LOCATION
                | header::CONTENT_RANGE
                | header::ETAG
                | header::EXPIRES
                | header::LAST_MODIFIED
                | header::LOCATION
                | header::PRAGMA
                | header::RETRY_AFTER
                | header::SEC_WEBSOCKET_ACCEPT
                | header::SEC_WEBSOCKET_EXTENSIONS
                | header::SEC_WEBSOCKET_PROTOCOL
                | header::TRAILER
                | header::VARY
        )
        || matches!(name.as_str(), "content-digest" | "repr-digest" | "digest" | "content-md5")
}

/// Whether this list has the field.
fn is_listed(name: &HeaderName, allowed: &[Box<str>]) -> bool {
    allowed.iter().any(|allowed| match allowed.strip_suffix('*') {
        Some(start) => name.as_str().starts_with(start),
        None => name.as_str() == &**allowed,
    })
}

/// Whether the field tells how much more of a provider may be used, by whoever its credential belongs to.
fn is_about_limits(name: &HeaderName) -> bool {
    let says = |part: &&str| name.as_str().contains(*part);
    !is_usual(name) && ["ratelimit", "rate-limit"].iter().any(says)
}

/// Makes a provider's answer one of ours: hop-by-hop fields out, what identifies the provider, and what is about our
/// account there.
///
/// True for a redirect of the provider to itself: its body, which says again where to go, is not to be shown.
pub(in crate::forward) fn clean_response(parts: &mut Parts, endpoint: &Endpoint) -> bool {
    let is_our_account = endpoint.credential().is_some();
    let headers = &mut parts.headers;
    if headers.contains_key(header::CONNECTION) {
        remove_hop_by_hop(headers);
    }
    let passes = |name: &HeaderName| {
        let listed = |allowed: &[Box<str>]| is_listed(name, allowed);
        describes_the_content(name) || endpoint.response_fields().is_none_or(listed)
    };
    remove_where(headers, |name| {
        is_hop_by_hop(name)
            || is_identifying(name)
            || is_our_account && is_about_limits(name)
            || !passes(name)
    });
    if parts.status == StatusCode::NO_CONTENT {
        // RFC 9110, section 8.6: it has none, whatever the provider says.
        headers.remove(header::CONTENT_LENGTH);
    }
    let mut redirected = false;
    for provider in endpoint.names() {
        redirected |= relative(headers, &header::LOCATION, &provider);
        relative(headers, &header::CONTENT_LOCATION, &provider);
        hide_host(headers, &provider);
    }
    let hidden = redirected && parts.status.is_redirection();
    if hidden {
        for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING] {
            headers.remove(name);
        }
    }
    hidden
}

/// Takes the provider's name out of every field: a location of its own stays as a path, whatever else has the name
/// goes.
fn hide_host(headers: &mut HeaderMap, provider: &str) {
    let names_it = |value: &HeaderValue| names_host(value.as_bytes(), provider.as_bytes());
    while let Some(name) = headers.iter().find(|(_, value)| names_it(value)).map(|(n, _)| n.clone())
    {
        let kept: Vec<_> =
            headers.get_all(&name).iter().filter(|value| !names_it(value)).cloned().collect();
        headers.remove(&name);
        for value in kept {
            headers.append(name.clone(), value);
        }
    }
}

/// Whether the host stands in this value as a host: not as a piece of a longer name, and, if it has no dot and could
/// be any word, only behind `//`.
fn names_host(value: &[u8], host: &[u8]) -> bool {
    let [first, ..] = host else { return false };
    let is_word = !host.iter().any(|byte| matches!(byte, b'.' | b':'));
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let mut starts =
        memchr::memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), value);
    starts.any(|at| {
        let (before, rest) = value.split_at(at);
        rest.get(..host.len()).is_some_and(|found| found.eq_ignore_ascii_case(host))
            && !rest.get(host.len()).is_some_and(is_name)
            && !before.last().is_some_and(is_name)
            && (!is_word || before.ends_with(b"//"))
    })
}

/// Makes the provider's own URL in this field a path; whether there was one.
fn relative(headers: &mut HeaderMap, name: &HeaderName, provider: &str) -> bool {
    let path = headers.get(name).and_then(|value| without_authority(value, provider));
    path.is_some_and(|path| {
        headers.insert(name, path);
        true
    })
}

/// A redirect of the provider to itself, without its name.
fn without_authority(location: &HeaderValue, provider: &str) -> Option<HeaderValue> {
    let location = location.to_str().ok()?;
    // RFC 3986, section 4.2: a reference can leave out the scheme alone.
    let uri: Uri = match location.strip_prefix("//") {
        Some(rest) => format!("http://{rest}").parse().ok()?,
        None => location.parse().ok()?,
    };
    if !uri.authority()?.host().eq_ignore_ascii_case(provider) {
        return None;
    }
    HeaderValue::from_str(uri.path_and_query().map_or("/", |path| path.as_str())).ok()
}

/// Refuses an answer whose end could be found in two ways (RFC 9112, section 6.3), or whose length is none.
///
/// hyper looks at a length only where there is a body to measure; the next reader may look always.
///
/// # Errors
///
/// [`UpstreamKind::Unexpected`] for a transfer coding other than one `chunked`, for one beside a length, and for
/// a length that comes twice or is not made of digits.
pub(in crate::forward) fn check_framing(headers: &HeaderMap) -> Result<(), UpstreamFault> {
    let is_chunked = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
    let is_length = |length: &[u8]| !length.is_empty() && length.iter().all(u8::is_ascii_digit);
    let unambiguous = match (
        one_of(headers, &header::TRANSFER_ENCODING),
        one_of(headers, &header::CONTENT_LENGTH),
    ) {
        (Ok(None), Ok(None)) => true,
        (Ok(None), Ok(Some(length))) => is_length(length),
        (Ok(Some(coding)), Ok(None)) => is_chunked(coding),
        _ => false,
    };
    if unambiguous {
        return Ok(());
    }
    Err(UpstreamFault::new(UpstreamKind::Unexpected, Cause::Malformed))
}

/// The value of a field that must not come twice.
fn one_of<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h [u8]>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(HeaderValue::as_bytes);
    if values.next().is_some() { Err(()) } else { Ok(first) }
}

/// Whether a `101` switches to the protocol that was asked for.
pub(in crate::forward) fn is_upgrade_to(headers: &HeaderMap, asked: &HeaderValue) -> bool {
    let mut values = headers.get_all(header::UPGRADE).iter();
    let (Some(got), None) = (values.next(), values.next()) else {
        return false;
    };
    // A client may offer several; the provider takes one of them.
    has_token(headers, &header::CONNECTION, "upgrade")
        && asked
            .as_bytes()
            .split(|b| *b == b',')
            .any(|offered| offered.trim_ascii().eq_ignore_ascii_case(got.as_bytes().trim_ascii()))
}

/// How long the provider keeps an idle connection, if it says so: `Keep-Alive: timeout=5`.
pub(in crate::forward) fn keep_alive_hint(headers: &HeaderMap) -> Option<Duration> {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    let value = headers.get(KEEP_ALIVE)?.to_str().ok()?;
    let timeout = value.split(',').find_map(|p| p.trim().strip_prefix("timeout="))?;
    timeout.trim().parse().ok().map(Duration::from_secs)
}

/// Drops trailer fields of an answer that have no business there, or identify the provider.
pub(in crate::forward) fn keep_response_trailers(trailers: HeaderMap) -> HeaderMap {
    keep_trailers(trailers, |name| is_forbidden_trailer(name) || is_identifying(name))
}

pub(super) fn keep_trailers(
    trailers: HeaderMap,
    forbidden: impl Fn(&HeaderName) -> bool,
) -> HeaderMap {
    if !trailers.keys().any(&forbidden) {
        return trailers;
    }
    let mut kept = HeaderMap::with_capacity(trailers.len());
    for name in trailers.keys().filter(|name| !forbidden(name)) {
        for value in trailers.get_all(name) {
            kept.append(name, value.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::Credential;
    use http::Response;

    fn endpoint() -> Endpoint {
        Endpoint::new(&Uri::from_static("http://provider.test")).unwrap()
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    /// The name that its certificate is for is a name of the provider too.
    #[cfg(feature = "tls")]
    #[test]
    fn both_names() {
        let endpoint = Endpoint::new(&Uri::from_static("https://10.0.0.7")).unwrap();
        let endpoint = endpoint.with_server_name("api.internal").unwrap();
        let table: [(&str, &str, Option<&str>); 5] = [
            ("location", "https://api.internal/next", Some("/next")),
            ("location", "https://10.0.0.7/next", Some("/next")),
            ("location", "https://elsewhere.test/next", Some("https://elsewhere.test/next")),
            ("x-backend", "api.internal:443", None),
            ("x-backend", "10.0.0.7", None),
        ];
        for (name, value, want) in table {
            let (mut parts, ()) =
                Response::builder().status(302).header(name, value).body(()).unwrap().into_parts();
            clean_response(&mut parts, &endpoint);
            let got = parts.headers.get(name).map(|value| value.to_str().unwrap());
            assert_eq!(got, want, "{name}: {value}");
        }
    }

    #[test]
    fn only_what_is_listed() {
        let sent = [
            ("content-type", "text/plain"),
            ("set-cookie", "a=1"),
            ("x-kong-upstream-latency", "1"),
            ("x-cost", "1"),
            ("x-image-width", "1"),
            ("server", "acme"),
        ];
        let table: [(Endpoint, &[&str]); 3] = [
            (
                endpoint(),
                &[
                    "content-type",
                    "set-cookie",
                    "x-kong-upstream-latency",
                    "x-cost",
                    "x-image-width",
                ],
            ),
            (
                endpoint().with_response_fields(["x-image-*", "server"]),
                &["content-type", "x-image-width"],
            ),
            (endpoint().with_response_fields::<&str>([]), &["content-type"]),
        ];
        for (endpoint, want) in table {
            let mut parts = Response::new(()).into_parts().0;
            parts.headers = headers(&sent);
            clean_response(&mut parts, &endpoint);
            assert_eq!(parts.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), want);
        }
    }

    #[test]
    fn what_identifies_the_provider_stays_here() {
        let table: &[(&[(&'static str, &'static str)], &[(&str, &str)])] = &[
            (&[("server", "acme"), ("x-powered-by", "php"), ("etag", "1")], &[("etag", "1")]),
            (
                &[("cf-ray", "1"), ("x-envoy-upstream-service-time", "1"), ("age", "1")],
                &[("age", "1")],
            ),
            (&[("connection", "x-a"), ("x-a", "1"), ("keep-alive", "timeout=5")], &[]),
            (&[("location", "https://provider.test/a?b")], &[("location", "/a?b")]),
            (&[("location", "http://PROVIDER.test:9/a")], &[("location", "/a")]),
            (&[("location", "https://cdn.test/a")], &[("location", "https://cdn.test/a")]),
            (&[("location", "//provider.test/a")], &[("location", "/a")]),
            (&[("location", "http://provider.test/a b")], &[]),
            (&[("location", "https://login.test/?next=http://provider.test/")], &[]),
            (
                &[("content-security-policy", "default-src provider.test"), ("etag", "1")],
                &[("etag", "1")],
            ),
            (&[("anthropic-organization-id", "o"), ("x-amz-request-id", "r")], &[]),
            (&[("location", "/a")], &[("location", "/a")]),
            (&[("content-location", "http://provider.test/a")], &[("content-location", "/a")]),
            (
                &[("link", "<https://PROVIDER.test/2>; rel=next"), ("link", "</3>")],
                &[("link", "</3>")],
            ),
            (
                &[("set-cookie", "a=1; Domain=provider.test"), ("refresh", "1; url=/x")],
                &[("refresh", "1; url=/x")],
            ),
            (&[("trailer", "x-sum")], &[("trailer", "x-sum")]),
            (&[("proxy-status", "cdn; next-hop=10.0.0.7"), ("x-tollgate-attempts", "3")], &[]),
        ];
        for (sent, want) in table {
            let mut parts = Response::new(()).into_parts().0;
            parts.headers = headers(sent);
            let shown = !clean_response(&mut parts, &endpoint());
            assert!(shown, "only a redirect has a body that is not shown");
            let left: Vec<_> =
                parts.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
            assert_eq!(left, *want, "{sent:?}");
        }
    }

    #[test]
    fn limits_of_our_account_stay_here() {
        let table = [
            ("ratelimit", true),
            ("ratelimit-policy", true),
            ("x-ratelimit-remaining-tokens", true),
            ("x-rate-limit-reset", true),
            ("retry-after", false),
            ("x-rate", false),
        ];
        let ours = || endpoint().with_credential(Credential::bearer("k").unwrap());
        for (name, stays) in table {
            for (endpoint, want) in [(ours(), !stays), (endpoint(), true)] {
                let mut parts = Response::new(()).into_parts().0;
                parts.headers = headers(&[(name, "1")]);
                clean_response(&mut parts, &endpoint);
                assert_eq!(parts.headers.contains_key(name), want, "{name}");
            }
        }
    }

    #[test]
    fn a_host_and_not_a_piece_of_one() {
        let table = [
            ("https://provider.test/a", "provider.test", true),
            ("see PROVIDER.TEST:81, please", "provider.test", true),
            ("a;domain=provider.test", "provider.test", true),
            ("https://not-provider.test/", "provider.test", false),
            ("https://provider.test.example/", "provider.test", false),
            ("application/vnd.api+json", "api", false),
            ("api", "api", false),
            ("http://api:8080/x", "api", true),
            ("<http://[::1]:1/>", "[::1]", true),
            ("", "provider.test", false),
        ];
        for (value, host, want) in table {
            assert_eq!(names_host(value.as_bytes(), host.as_bytes()), want, "{value}");
        }
    }

    #[test]
    fn a_redirect_of_the_provider_to_itself_has_no_body() {
        let table = [(302, "http://provider.test/a", true), (302, "http://cdn.test/a", false)];
        for (status, location, want) in table {
            let response = Response::builder()
                .status(status)
                .header("location", location)
                .header("content-length", "9");
            let mut parts = response.body(()).unwrap().into_parts().0;
            let hidden = clean_response(&mut parts, &endpoint());
            assert_eq!(hidden, want, "{location}");
            assert_eq!(parts.headers.contains_key("content-length"), !want);
        }
    }

    #[test]
    fn ambiguous_framing() {
        let table: &[(&[(&'static str, &'static str)], bool)] = &[
            (&[], true),
            (&[("content-length", "1")], true),
            (&[("content-length", "1"), ("content-length", "1")], false),
            (&[("content-length", "five")], false),
            (&[("content-length", "+5")], false),
            (&[("content-length", "5, 5")], false),
            (&[("content-length", "")], false),
            (&[("transfer-encoding", "chunked")], true),
            (&[("transfer-encoding", "Chunked")], true),
            (&[("transfer-encoding", "gzip, chunked")], false),
            (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false),
            (&[("transfer-encoding", "identity")], false),
            (&[("transfer-encoding", "chunked"), ("content-length", "1")], false),
        ];
        for (fields, good) in table {
            assert_eq!(check_framing(&headers(fields)).is_ok(), *good, "{fields:?}");
        }
    }

    #[test]
    fn only_the_protocol_that_was_asked_for() {
        let table: &[(&[(&'static str, &'static str)], &'static str, bool)] = &[
            (&[("connection", "Upgrade"), ("upgrade", "WebSocket")], "websocket", true),
            (&[("connection", "upgrade"), ("upgrade", "b")], "a, b", true),
            (&[("connection", "upgrade"), ("upgrade", "h2c")], "websocket", false),
            (&[("upgrade", "websocket")], "websocket", false),
            (&[("connection", "upgrade")], "websocket", false),
        ];
        for (fields, asked, good) in table {
            let asked = HeaderValue::from_static(asked);
            assert_eq!(is_upgrade_to(&headers(fields), &asked), *good, "{fields:?}");
        }
    }

    #[test]
    fn keep_alive_hints() {
        let table: &[(&'static str, Option<u64>)] = &[
            ("timeout=5", Some(5)),
            ("max=100, timeout=7", Some(7)),
            ("timeout=x", None),
            ("max=1", None),
        ];
        for (value, want) in table {
            let got = keep_alive_hint(&headers(&[("keep-alive", value)]));
            assert_eq!(got, want.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn trailers_cannot_smuggle() {
        let sent =
            headers(&[("x-sum", "1"), ("content-length", "5"), ("x-sum", "2"), ("host", "h")]);
        let kept = keep_response_trailers(sent);
        let kept: Vec<_> = kept.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        assert_eq!(kept, [("x-sum", "1"), ("x-sum", "2")]);
    }
}
