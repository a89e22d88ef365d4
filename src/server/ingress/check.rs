use crate::{Fault, server::scan};
use http::{HeaderMap, Method, header, request::Parts};

/// Checks the head of an HTTP/2 request as the scanner checks one of HTTP/1 (RFC 9113, section 8.3.1).
pub(super) fn check_http2(parts: &Parts, limits: &scan::Limits) -> Result<(), Fault> {
    // 32 bytes a field, as SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113, section 6.5.2).
    let size: usize = parts.headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 32).sum();
    if size > limits.head_bytes || parts.headers.len() > limits.fields {
        return Err(Fault::HeaderTooLarge);
    }
    if parts.method == Method::CONNECT {
        // Refused by every route.
        return Ok(());
    }
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > limits.target_bytes {
        return Err(Fault::UriTooLong);
    }
    if target.is_empty() {
        return Err(Fault::bad_request("the request has no path"));
    }
    scan::check_target(parts.method.as_str(), target.as_bytes(), None)?;
    check_authority(parts)
}

/// `:authority` or one `Host`, valid, and the same if there are both.
fn check_authority(parts: &Parts) -> Result<(), Fault> {
    let host = one_host(&parts.headers)?;
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let named = authority.or(host).ok_or(Fault::bad_request("the request has no authority"))?;
    if !scan::is_authority(named) {
        return Err(Fault::bad_request("the authority is not a host and a port"));
    }
    match host {
        Some(host) if !host.eq_ignore_ascii_case(named) => {
            Err(Fault::bad_request("Host differs from the authority"))
        }
        _ => Ok(()),
    }
}

fn one_host(headers: &HeaderMap) -> Result<Option<&[u8]>, Fault> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().map(|host| host.as_bytes());
    match hosts.next() {
        Some(_) => Err(Fault::bad_request("there is more than one Host")),
        None => Ok(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn check(uri: &str, fields: &[(&str, &str)]) -> Result<(), Fault> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let limits = scan::Limits { target_bytes: 30, fields: 3, ..scan::Limits::default() };
        check_http2(&request.body(()).unwrap().into_parts().0, &limits)
    }

    #[test]
    fn heads_of_http2() {
        let bad = |detail: &'static str| Err(Fault::bad_request(detail));
        let long = "x".repeat(32 * 1024);
        let table: &[(&str, &[(&str, &str)], Result<(), Fault>)] = &[
            ("http://a/x?y", &[], Ok(())),
            ("http://a:1/", &[("host", "A:1")], Ok(())),
            ("/x", &[("host", "a")], Ok(())),
            ("/x", &[], bad("the request has no authority")),
            ("http://a/", &[("host", "b")], bad("Host differs from the authority")),
            ("http://a/", &[("host", "a"), ("host", "a")], bad("there is more than one Host")),
            ("http://u@a/", &[], bad("the authority is not a host and a port")),
            ("http://a/../b", &[], bad("the request target has a dot segment")),
            ("http://a/%2e%2E/b", &[], bad("the request target has a dot segment")),
            ("http://a/0123456789012345678901234567890", &[], Err(Fault::UriTooLong)),
            ("http://a/", &[("x", &long)], Err(Fault::HeaderTooLarge)),
            (
                "http://a/",
                &[("a", ""), ("b", ""), ("c", ""), ("d", "")],
                Err(Fault::HeaderTooLarge),
            ),
        ];
        for (uri, fields, want) in table {
            assert_eq!(check(uri, fields), *want, "{uri}");
        }
    }
}
