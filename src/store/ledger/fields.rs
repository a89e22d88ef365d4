//! Header fields and the answers that they belong to, as they are stored.

use crate::{idempotency::Kept, store::StoreError};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// An answer that was kept.
pub(in crate::store) fn kept(status: u16, lines: &[u8], body: Vec<u8>) -> Result<Kept, StoreError> {
    match (StatusCode::from_u16(status), read(lines)) {
        (Ok(status), Some(headers)) => Ok(Kept { status, headers, body: Bytes::from(body) }),
        _ => Err(StoreError::corrupt("an answer that was kept is none")),
    }
}

/// A line for each field.
pub(in crate::store) fn write(headers: &HeaderMap) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in headers {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.push(b'\n');
    }
    lines
}

/// What [`write()`] has written; `None` of anything else.
fn read(lines: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b": ")?;
        headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", &b"application/json"[..]),
            ("x-a", b""),
            ("x-a", b"a: b\xff"),
            ("x-b", b" "),
        ] {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        assert_eq!(read(&write(&headers)), Some(headers));
        assert_eq!(read(b""), Some(HeaderMap::new()));
        for wrong in [&b"a"[..], b": b", b"a:b", b"a b: c"] {
            assert_eq!(read(wrong), None);
        }
    }
}
