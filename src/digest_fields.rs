//! Fields that are about the very bytes of a content, and wrong once there are others.

use http::{HeaderMap, HeaderName};

/// RFC 9530; RFC 3230 and RFC 1864 before it.
const NAMES: [HeaderName; 4] = [
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Takes them out of a head, or of trailers.
pub(crate) fn remove(headers: &mut HeaderMap) {
    for name in NAMES {
        headers.remove(name);
    }
}
