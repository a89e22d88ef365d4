//! What a message says that its content is.

use http::{HeaderMap, header};
#[cfg(feature = "profile")]
use std::borrow::Cow;

/// Types that end in `+json` and are sequences of values, or messages in a framing of their own.
const SEQUENCES: [&[u8]; 4] = [
    b"application/connect+json",
    b"application/grpc+json",
    b"application/grpc-web+json",
    b"application/stream+json",
];

/// `type/subtype` in small letters, without parameters.
#[cfg(feature = "profile")]
pub(crate) fn essence(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let line = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = line.split(';').next()?.trim();
    let small = kind.bytes().all(|byte| !byte.is_ascii_uppercase());
    Some(if small { kind.into() } else { kind.to_ascii_lowercase().into() })
}

/// Whether the content is declared to be one JSON value in UTF-8.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => is_json_type(line.as_bytes()),
        _ => false,
    }
}

/// Whether it is declared to be JSON at least once, in whatever charset.
#[cfg(feature = "validate")]
pub(crate) fn mentions_json(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    lines.any(|line| is_json_essence(Pieces(line.as_bytes()).next().unwrap_or_default()))
}

fn is_json_type(value: &[u8]) -> bool {
    let mut pieces = Pieces(value);
    is_json_essence(pieces.next().unwrap_or_default()) && pieces.all(is_not_another_charset)
}

fn is_json_essence(essence: &[u8]) -> bool {
    essence.eq_ignore_ascii_case(b"application/json")
        || (has_json_suffix(essence) && !SEQUENCES.iter().any(|s| essence.eq_ignore_ascii_case(s)))
}

/// RFC 6839, section 3.1.
fn has_json_suffix(essence: &[u8]) -> bool {
    let Some((name, suffix)) = essence.split_last_chunk::<5>() else {
        return false;
    };
    let mut halves = name.split(|byte| *byte == b'/');
    suffix.eq_ignore_ascii_case(b"+json")
        && halves.next().is_some_and(|kind| !kind.is_empty())
        && halves.next().is_some_and(|name| !name.is_empty())
        && halves.next().is_none()
}

/// JSON is UTF-8 (RFC 8259, section 8.1); whoever says something else means it.
fn is_not_another_charset(parameter: &[u8]) -> bool {
    let mut halves = parameter.splitn(2, |byte| *byte == b'=');
    let name = halves.next().unwrap_or_default().trim_ascii();
    let value = halves.next().unwrap_or_default().trim_ascii();
    let value =
        value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    !name.eq_ignore_ascii_case(b"charset")
        || value.eq_ignore_ascii_case(b"utf-8")
        || value.eq_ignore_ascii_case(b"utf8")
}

/// The pieces between the semicolons that are in no quoted string.
struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let (mut quoted, mut escaped) = (false, false);
        let end = self.0.iter().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b';' if !quoted => return true,
                _ => {}
            }
            false
        });
        let (piece, rest) = match end {
            Some(at) => (&self.0[..at], &self.0[at + 1..]),
            None => (self.0, &[][..]),
        };
        self.0 = rest;
        Some(piece.trim_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn by_content_type() {
        let table: &[(&[&str], bool)] = &[
            (&[], false),
            (&[""], false),
            (&["application/json"], true),
            (&["Application/JSON"], true),
            (&["application/json;"], true),
            (&[" application/json ; charset=utf-8"], true),
            (&["application/json;charset=UTF-8"], true),
            (&[r#"application/json; charset="utf-8""#], true),
            (&["application/json; charset=utf8; x=1"], true),
            (&["application/json; charset=iso-8859-1"], false),
            (&["application/json; x=1; CHARSET=utf-16"], false),
            (&["application/json; charset=utf-8; charset=utf-16"], false),
            (&["application/json; charset="], false),
            (&[r#"application/json; x="; charset=utf-16"; y=1"#], true),
            (&[r#"application/json; x="\"; charset=utf-16"; y=1"#], true),
            (&[r#"application/json; x="\\"; charset=utf-16"#], false),
            (&["application/problem+json"], true),
            (&["application/vnd.api+JSON; charset=utf-8"], true),
            (&["image/x+json"], true),
            (&["/x+json"], false),
            (&["application/+json"], false),
            (&["x+json"], false),
            (&["+json"], false),
            (&["a/b/c+json"], false),
            (&["application/json-seq"], false),
            (&["application/geo+json-seq"], false),
            (&["application/jsonp"], false),
            (&["application/x-ndjson"], false),
            (&["application/stream+json"], false),
            (&["application/GRPC+json"], false),
            (&["application/grpc-web+json"], false),
            (&["application/connect+json"], false),
            (&["text/event-stream"], false),
            (&["text/json"], false),
            (&["text/plain; x=application/json"], false),
            (&["text/plain; application/json"], false),
            (&["application/json, text/html"], false),
            (&["application/json", "application/json"], false),
        ];
        for (lines, want) in table {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append(header::CONTENT_TYPE, HeaderValue::from_str(line).unwrap());
            }
            assert_eq!(is_json(&headers), *want, "{lines:?}");
        }
    }
}
