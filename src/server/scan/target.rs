use crate::Fault;
use memchr::{memchr, memchr2};
use std::net::Ipv6Addr;

/// Judges a request target (RFC 9112, section 3.2), which is not empty, against its method and `Host`.
pub(crate) fn check(method: &str, target: &[u8], host: Option<&[u8]>) -> Result<(), Fault> {
    if method == "CONNECT" {
        // Authority-form, section 3.2.3; the port is not optional.
        if !matches!(split_port(target), Some((_, Some(_)))) || !is_authority(target) {
            return Err(Fault::bad_request("CONNECT without a host and a port"));
        }
        return same_host(target, host);
    }
    if target[0] == b'/' {
        return path(target);
    }
    if let Some(rest) = strip(target, b"http://").or_else(|| strip(target, b"https://")) {
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
        let (authority, rest) = rest.split_at(end.unwrap_or(rest.len()));
        if !is_authority(authority) {
            return Err(Fault::bad_request("the target's authority is not a host and a port"));
        }
        path(rest)?;
        // Section 3.2.2: the target wins over Host. Whoever looked at Host before us did not know.
        return same_host(authority, host);
    }
    // Asterisk-form, section 3.2.4.
    if target == b"*" && method == "OPTIONS" {
        return Ok(());
    }
    Err(Fault::bad_request("the request target is not a path"))
}

/// Whether this is a host, with or without a port (RFC 9110, section 7.2): a name, an IPv4 address or an
/// IPv6 address in brackets.
///
/// Narrower than `uri-host` (RFC 3986, section 3.2.2), whose sub-delims and percent-encodings no resolver
/// knows, and never with userinfo (RFC 9110, section 4.2.4).
pub(crate) fn is_authority(value: &[u8]) -> bool {
    let Some((host, port)) = split_port(value) else {
        return false;
    };
    let port_fits = |port: &[u8]| {
        (1..=5).contains(&port.len())
            && port.iter().all(u8::is_ascii_digit)
            && port.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')) <= 65_535
    };
    if !port.is_none_or(port_fits) {
        return false;
    }
    match host {
        [b'[', inner @ .., b']'] => {
            str::from_utf8(inner).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
        }
        _ => !host.is_empty() && host.iter().all(is_name_byte),
    }
}

fn is_name_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Host and port. A colon inside brackets is the address's.
fn split_port(value: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let after_address = match value {
        [b'[', ..] => memchr(b']', value)? + 1,
        _ => 0,
    };
    Some(match memchr(b':', &value[after_address..]) {
        None => (value, None),
        Some(colon) => {
            let (host, port) = value.split_at(after_address + colon);
            (host, Some(&port[1..]))
        }
    })
}

fn same_host(authority: &[u8], host: Option<&[u8]>) -> Result<(), Fault> {
    match host {
        Some(host) if !host.eq_ignore_ascii_case(authority) => {
            Err(Fault::bad_request("Host differs from the request target"))
        }
        _ => Ok(()),
    }
}

/// Path and query.
fn path(bytes: &[u8]) -> Result<(), Fault> {
    let allows = |bit| move |byte: &u8| CHARS[usize::from(*byte)] & bit != 0;
    // A question mark is none of a path's characters, so this is the path.
    let end = bytes.iter().position(|byte| !allows(PATH)(byte)).unwrap_or(bytes.len());
    let (path, query) = bytes.split_at(end);
    if !matches!(query, [] | [b'?', ..]) || !query.iter().all(allows(QUERY)) {
        return Err(Fault::bad_request(if memchr(b'#', bytes).is_some() {
            // RFC 9110, section 7.1: a fragment is not sent.
            "the request target has a fragment"
        } else {
            "the request target has a character that it must not have"
        }));
    }
    if memchr2(b'.', b'%', path).is_some() {
        if has_dot_segment(path) {
            return Err(Fault::bad_request("the request target has a dot segment"));
        }
        if !is_well_encoded(path) {
            return Err(Fault::bad_request("the request target has a bad percent-encoding"));
        }
    }
    Ok(())
}

/// Whether every `%` stands before two hexadecimal digits (RFC 3986, section 2.1), and none for a NUL, where some
/// readers stop.
fn is_well_encoded(path: &[u8]) -> bool {
    memchr::memchr_iter(b'%', path).all(|at| match path.get(at + 1..at + 3) {
        Some(digits) => digits.iter().all(u8::is_ascii_hexdigit) && digits != b"00",
        None => false,
    })
}

/// Whether a segment is `.` or `..` (RFC 3986, section 3.3), for a reader who decodes before he splits as
/// well: `%2e` is a dot, `%2f` and `%5c` end a segment.
fn has_dot_segment(mut path: &[u8]) -> bool {
    // Dots of the segment so far; more than two as soon as there is something else in it.
    let mut dots = 0;
    let mut ends = false;
    while let [byte, rest @ ..] = path {
        let (decoded, rest) = match path {
            [b'%', b'2', b'e' | b'E', rest @ ..] => (b'.', rest),
            [b'%', b'2', b'f' | b'F', rest @ ..] => (b'/', rest),
            [b'%', b'5', b'c' | b'C', rest @ ..] => (b'/', rest),
            // What some take for the end of a segment: `..;/`.
            [b';', rest @ ..] => (b'/', rest),
            _ => (*byte, rest),
        };
        match decoded {
            b'/' if matches!(dots, 1 | 2) => return true,
            b'/' => dots = 0,
            b'.' if dots < 3 => dots += 1,
            _ => dots = 3,
        }
        ends = matches!(dots, 1 | 2);
        path = rest;
    }
    ends
}

fn strip<'b>(target: &'b [u8], scheme: &[u8]) -> Option<&'b [u8]> {
    let (start, rest) = target.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

const PATH: u8 = 1;
const QUERY: u8 = 2;

/// Where a byte may stand: what `http::Uri` takes, since hyper would answer the rest itself, without the
/// backslash, the fragment and whatever is not ASCII.
static CHARS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        table[byte] = match byte as u8 {
            b'\\' | b'#' | b'<' | b'>' => 0,
            b'?' | b'`' => QUERY,
            b'"' => PATH,
            _ => PATH | QUERY,
        };
        byte += 1;
    }
    table
};
