//! The page about the catalog's codes, answered here.

use crate::{Catalog, catalog::POLICY, hex};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};

/// The page, as it is sent.
#[derive(Debug)]
pub(super) struct Document {
    html: Bytes,
    headers: HeaderMap,
}

impl Document {
    /// The page of this catalog.
    pub(super) fn new(catalog: &Catalog) -> Self {
        let html = catalog.to_html();
        let mut etag = *b"\"00000000000000000000000000000000\"";
        hex::write(&mut etag[1..33], &Sha256::digest(&html));
        let mut headers = HeaderMap::new();
        if let Ok(etag) = HeaderValue::from_bytes(&etag) {
            headers.insert(header::ETAG, etag);
        }
        // What is in a frame can be made to look like somebody else's page; only a header field says that it may not be.
        if let Ok(policy) = HeaderValue::from_str(&format!("{POLICY}; frame-ancestors 'none'")) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        // A code that answers have today has to be on the page today; asking whether it has changed costs next to nothing.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Self { html: html.into(), headers }
    }

    /// The page, or that the client has it.
    pub(super) fn answer<R>(&self, request: &Request<R>) -> Response<Bytes> {
        let mut answer = Response::new(Bytes::new());
        *answer.headers_mut() = self.headers.clone();
        if self.is_known(request.headers()) {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            return answer;
        }
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.html.len()));
        // Over HTTP/2 nobody further out would leave it away.
        if request.method() != Method::HEAD {
            *answer.body_mut() = self.html.clone();
        }
        answer
    }

    /// Whether `If-None-Match` names this very page, or any (RFC 9110, section 13.1.2). A weak tag names it too.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let own = self.headers.get(header::ETAG).map(HeaderValue::as_bytes);
        let lines = headers.get_all(header::IF_NONE_MATCH).iter().map(HeaderValue::as_bytes);
        // Nothing of our own tag has to be told from a comma.
        lines
            .flat_map(|line| line.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .any(|tag| tag == b"*" || Some(tag.strip_prefix(b"W/").unwrap_or(tag)) == own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_page_already() {
        let document = Document::new(Catalog::shared_default());
        let etag = document.headers[header::ETAG].to_str().unwrap();
        assert!(etag.len() == 34 && etag.starts_with('"') && etag.ends_with('"'), "{etag}");
        let bare = etag.trim_matches('"');
        let table: [(&[&str], bool); 10] = [
            (&[], false),
            (&[""], false),
            (&["\"other\""], false),
            (&[bare], false),
            (&[&format!("\"{bare}")], false),
            (&["*"], true),
            (&[etag], true),
            (&[&format!("W/{etag}")], true),
            (&[&format!("\"a\" ,\t{etag}")], true),
            (&["\"a\"", etag], true),
        ];
        for (lines, want) in table {
            let mut request = Request::get("/errors");
            for line in lines {
                request = request.header(header::IF_NONE_MATCH, *line);
            }
            let answer = document.answer(&request.body(()).unwrap());
            assert_eq!(answer.status() == StatusCode::NOT_MODIFIED, want, "{lines:?}");
            assert_eq!(answer.body().is_empty(), want, "{lines:?}");
            assert_eq!(answer.headers()[header::ETAG], etag);
        }
    }

    #[test]
    fn another_catalog_is_another_page() {
        let of =
            |preset| Document::new(&Catalog::preset(preset).unwrap()).headers[header::ETAG].clone();
        assert_ne!(of("default"), of("eggapi"));
        assert_eq!(of("default"), of("default"));
    }
}
