use super::{NULL, PREFIX, SUFFIX};
use crate::digest_fields;
use http::{HeaderMap, HeaderValue, StatusCode, header, response::Parts};

/// The head of an answer without data.
pub(super) fn become_null(parts: &mut Parts) {
    if matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
        parts.status = StatusCode::OK;
    }
    forget_inner_bytes(&mut parts.headers);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(NULL.len()));
}

/// The head of an answer with data, of this length where it is known.
pub(super) fn become_spliced(parts: &mut Parts, length: Option<u64>) {
    forget_inner_bytes(&mut parts.headers);
    let around = PREFIX.len() as u64 + SUFFIX.len() as u64;
    match length.and_then(|length| length.checked_add(around)) {
        Some(length) => {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        None => {
            parts.headers.remove(header::CONTENT_LENGTH);
        }
    }
}

/// Trailers, without what is about the inner bytes. None: nothing is left of them.
pub(super) fn outer_trailers(mut trailers: HeaderMap) -> Option<HeaderMap> {
    digest_fields::remove(&mut trailers);
    Some(trailers).filter(|trailers| !trailers.is_empty())
}

fn forget_inner_bytes(headers: &mut HeaderMap) {
    digest_fields::remove(headers);
    headers.remove(header::ACCEPT_RANGES);
    headers.remove(header::CONTENT_RANGE);
    headers.remove(header::CONTENT_ENCODING);
    weaken_etag(headers);
}

/// RFC 9110, section 8.8.1: a strong validator stands for the very bytes, a weak one for what they mean.
fn weaken_etag(headers: &mut HeaderMap) {
    let Some(etag) = headers.remove(header::ETAG) else {
        return;
    };
    let weak = if etag.as_bytes().starts_with(b"W/\"") {
        etag
    } else if etag.as_bytes().starts_with(b"\"") {
        match HeaderValue::from_bytes(&[b"W/", etag.as_bytes()].concat()) {
            Ok(weak) => weak,
            Err(_) => return,
        }
    } else {
        // Not an entity tag at all.
        return;
    };
    headers.insert(header::ETAG, weak);
}
