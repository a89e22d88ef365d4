use super::Context;
use crate::{
    catalog::Catalog,
    fault::{Fault, Retry},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use std::time::Duration;

/// Marks an answer that is an envelope already, with the id of the catalog that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RenderedBy(pub(crate) u64);

impl Catalog {
    /// The complete answer to a fault.
    ///
    /// The fault itself rides in the response's extensions, for layers further out; it is not written to the
    /// wire.
    pub fn respond(&self, fault: &Fault, context: Context<'_>) -> Response<Bytes> {
        let body = self.write(fault, context);
        let status = self.entry_for(fault).status();
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.reserve(6);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fault_headers(fault, status, headers);
        response.extensions_mut().insert(fault.clone());
        response.extensions_mut().insert(RenderedBy(self.id()));
        if !context.head {
            *response.body_mut() = Bytes::from(body);
        }
        response
    }
}

/// The header fields that a fault or its status asks for.
fn fault_headers(fault: &Fault, status: StatusCode, headers: &mut HeaderMap) {
    if let Retry::After(after) = fault.disposition().retry {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds(after)));
    }
    // Whoever refused without a list, as axum's router, adds it further out.
    if let Fault::MethodNotAllowed { allow } = fault
        && !allow.is_empty()
        && let Ok(allow) = HeaderValue::from_str(allow)
    {
        headers.insert(header::ALLOW, allow);
    }
    if status == StatusCode::UNAUTHORIZED {
        // RFC 9110, section 11.6.1: a 401 has a challenge. RFC 6750, section 3: it has a parameter at least, and no
        // error code when nothing was sent. Whoever knows which credentials are accepted says so instead.
        let challenge = match fault {
            Fault::MissingCredential => r#"Bearer realm="api""#,
            Fault::MalformedCredential => r#"Bearer realm="api", error="invalid_request""#,
            _ => r#"Bearer realm="api", error="invalid_token""#,
        };
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
}

/// Whole seconds, rounded up and at least 1, so that nobody comes too early (RFC 9110, section 10.2.3).
fn retry_after_seconds(after: Duration) -> u64 {
    after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Cause, Kind, UpstreamFault, UpstreamKind};
    use http::HeaderName;

    fn header<'a>(response: &'a Response<Bytes>, name: &HeaderName) -> Option<&'a str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn the_same_header_fields_for_get_and_head() {
        let catalog = Catalog::shared_default();
        let id = HeaderValue::from_static("req-1");
        let get = catalog.respond(&Fault::NoRoute, Context { head: false, request_id: Some(&id) });
        let head = catalog.respond(&Fault::NoRoute, Context { head: true, request_id: Some(&id) });
        assert_eq!(get.headers(), head.headers());
        assert_eq!(header(&get, &header::CONTENT_LENGTH), Some(&*get.body().len().to_string()));
        assert_eq!(header(&get, &header::CONTENT_TYPE), Some("application/json"));
        assert_eq!(header(&get, &header::CACHE_CONTROL), Some("no-store"));
        assert!(head.body().is_empty() && !get.body().is_empty());
    }

    #[test]
    fn retry_after_is_rounded_up_and_agrees_with_the_body() {
        let table = [(1, "1", 1), (1000, "1", 1000), (1001, "2", 1001), (59_999, "60", 59_999)];
        for (millis, seconds, body_millis) in table {
            let retry_after = Some(Duration::from_millis(millis));
            let fault = Fault::RateLimited { quota: "q".into(), retry_after };
            let response = Catalog::shared_default().respond(&fault, Context::default());
            assert_eq!(header(&response, &header::RETRY_AFTER), Some(seconds), "{millis} ms");
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(body["error"]["retry_after_ms"], body_millis, "{millis} ms");
        }
    }

    #[test]
    fn challenges() {
        let table = [
            (Fault::MissingCredential, Some(r#"Bearer realm="api""#)),
            (Fault::MalformedCredential, Some(r#"Bearer realm="api", error="invalid_request""#)),
            (Fault::UnknownCredential, Some(r#"Bearer realm="api", error="invalid_token""#)),
            (Fault::ExpiredCredential, Some(r#"Bearer realm="api", error="invalid_token""#)),
            (Fault::Forbidden, None),
            (UpstreamFault::new(UpstreamKind::AuthFailed, Cause::Status(401)).into(), None),
        ];
        for (fault, want) in table {
            let response = Catalog::shared_default().respond(&fault, Context::default());
            assert_eq!(header(&response, &header::WWW_AUTHENTICATE), want, "{fault}");
        }
    }

    #[test]
    fn hostile_text_stays_inside_its_string() {
        let detail = "\"}}\u{0}\u{1f}\\ </script> \u{2028} {limit}";
        let fault = Fault::violation("a\"b", detail);
        let response = Catalog::shared_default().respond(&fault, Context::default());
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["error"]["message"], detail);
        assert_eq!(body["error"]["field"], "a\"b");
    }

    #[test]
    fn a_code_that_nobody_documented_is_a_defect() {
        let catalog = Catalog::shared_default();
        let fault = Fault::custom_message("made_up", "secret words");
        let response = catalog.respond(&fault, Context::default());
        assert_eq!(response.status(), catalog.rows_status(Kind::Internal));
        assert!(!String::from_utf8_lossy(response.body()).contains("secret words"));
        assert_eq!(response.extensions().get::<Fault>(), Some(&fault));
    }

    impl Catalog {
        fn rows_status(&self, kind: Kind) -> StatusCode {
            self.entries().iter().find(|e| e.faults().contains(&kind)).unwrap().status()
        }
    }
}
