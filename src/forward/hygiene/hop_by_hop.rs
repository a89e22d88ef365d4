use http::{HeaderMap, HeaderName, header};

/// Whether the field concerns one connection alone, nominated or not (RFC 9110, section 7.6.1).
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION
            | header::PROXY_AUTHENTICATE
            | header::PROXY_AUTHORIZATION
            | header::UPGRADE
            | header::TRANSFER_ENCODING
    ) || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
}

/// Whether a `Connection` line may take this field away.
///
/// What frames or routes the message, what the gateway itself has put there, and credentials stay: a client
/// could otherwise make the gateway forget them.
fn may_be_nominated(name: &HeaderName) -> bool {
    !matches!(*name, header::HOST | header::CONTENT_LENGTH | header::AUTHORIZATION | header::VIA)
        && !name.as_str().starts_with("x-forwarded-")
        && !name.as_str().starts_with("x-tollgate-")
        && !matches!(
            name.as_str(),
            "forwarded" | "x-real-ip" | "x-request-id" | "x-api-key" | "traceparent"
        )
}

/// Removes the fields that concern this connection alone, and everything that any `Connection` line names.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let nominated: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|line| line.as_bytes().split(|b| *b == b','))
            .map(<[u8]>::trim_ascii)
            // The usual ones, which name no field.
            .filter(|name| !matches!(*name, b"close" | b"keep-alive"))
            .filter_map(|name| HeaderName::from_bytes(name).ok())
            .filter(may_be_nominated)
            .collect();
        for name in nominated {
            headers.remove(name);
        }
    }
    remove_where(headers, is_hop_by_hop);
}

/// Removes the fields with such names. To look at every name costs less than to ask for each that might be there.
pub(super) fn remove_where(headers: &mut HeaderMap, doomed: impl Fn(&HeaderName) -> bool) {
    let mut found: [Option<HeaderName>; 8] = Default::default();
    loop {
        let mut names = headers.keys().filter(|name| doomed(name));
        for place in &mut found {
            *place = names.next().cloned();
        }
        let is_all = names.next().is_none();
        drop(names);
        found.iter_mut().map_while(Option::take).for_each(|name| {
            headers.remove(name);
        });
        if is_all {
            return;
        }
    }
}

/// Whether one of a list's members is this token, in any of the field's lines.
pub(super) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .any(|member| member.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Fields that have no business in trailers (RFC 9110, section 6.5.1): framing, routing, credentials, and
/// whatever the gateway decides on.
pub(super) fn is_forbidden_trailer(name: &HeaderName) -> bool {
    is_hop_by_hop(name)
        || matches!(
            *name,
            header::HOST
                | header::CONTENT_LENGTH
                | header::CONTENT_TYPE
                | header::CONTENT_ENCODING
                | header::CONTENT_RANGE
                | header::AUTHORIZATION
                | header::COOKIE
                | header::SET_COOKIE
                | header::TE
                | header::TRAILER
                | header::VIA
                | header::CACHE_CONTROL
                | header::EXPECT
                | header::MAX_FORWARDS
                | header::RANGE
        )
        || name.as_str().starts_with("x-forwarded-")
        || name.as_str().starts_with("x-tollgate-")
        || matches!(name.as_str(), "forwarded" | "x-real-ip" | "x-request-id" | "x-api-key")
        || matches!(name.as_str(), "traceparent" | "tracestate" | "baggage")
}
