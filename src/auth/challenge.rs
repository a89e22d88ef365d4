use super::{Accept, credential::X_API_KEY};
use crate::Fault;
use http::{HeaderValue, StatusCode};

/// The longest scope that a challenge names, in bytes.
const MAX_SCOPE_LEN: usize = 128;

/// The name of what is protected, as challenges begin with it.
#[derive(Clone, Debug)]
pub(super) struct Realm {
    bearer: Box<str>,
    api_key: Box<str>,
}

impl Realm {
    /// Quotes and backslashes are escaped; what a quoted string (RFC 9110, section 5.6.4) cannot hold becomes `?`.
    pub(super) fn new(text: &str) -> Self {
        let mut quoted = String::with_capacity(text.len());
        for char in text.chars() {
            match char {
                '"' | '\\' => quoted.extend(['\\', char]),
                ' '..='~' => quoted.push(char),
                _ => quoted.push('?'),
            }
        }
        Self {
            bearer: format!(r#"Bearer realm="{quoted}""#).into(),
            api_key: format!(r#"ApiKey realm="{quoted}", header="{X_API_KEY}""#).into(),
        }
    }
}

/// The value of `WWW-Authenticate` for a refusal, if it is to have one: what is accepted here, and what was wrong
/// (RFC 6750, section 3; RFC 9110, section 11.6.1).
pub(super) fn challenge<'a>(
    accept: Accept,
    realm: &Realm,
    fault: &Fault,
    status: StatusCode,
    scopes: impl Iterator<Item = &'a str>,
) -> Option<HeaderValue> {
    let mut text = String::with_capacity(128);
    match status {
        // A malformed credential may well be a bad request (RFC 6750, section 3.1).
        StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST
            if status == StatusCode::UNAUTHORIZED || *fault == Fault::MalformedCredential =>
        {
            if accept.bearer() {
                push_bearer(&mut text, realm, fault, scopes);
            }
            if accept.api_key() {
                text.push_str(if text.is_empty() { "" } else { ", " });
                text.push_str(&realm.api_key);
            }
        }
        // To whoever has not enough, only RFC 6750 has something to say.
        StatusCode::FORBIDDEN if accept.bearer() && *fault == Fault::Forbidden => {
            push_bearer(&mut text, realm, fault, scopes);
        }
        _ => return None,
    }
    HeaderValue::try_from(text).ok()
}

fn push_bearer<'a>(
    text: &mut String,
    realm: &Realm,
    fault: &Fault,
    scopes: impl Iterator<Item = &'a str>,
) {
    text.push_str(&realm.bearer);
    if let Some(error) = error_code(fault) {
        text.extend([r#", error=""#, error, "\""]);
    }
    if *fault == Fault::Forbidden {
        push_scopes(text, scopes);
    }
}

/// RFC 6750, section 3.1: no code when nothing was sent.
fn error_code(fault: &Fault) -> Option<&'static str> {
    match fault {
        Fault::MissingCredential => None,
        Fault::MalformedCredential => Some("invalid_request"),
        Fault::Forbidden => Some("insufficient_scope"),
        _ => Some("invalid_token"),
    }
}

fn push_scopes<'a>(text: &mut String, scopes: impl Iterator<Item = &'a str>) {
    let mut scopes = scopes.filter(|scope| is_scope_token(scope));
    let Some(first) = scopes.next() else { return };
    text.extend([r#", scope=""#, first]);
    scopes.for_each(|scope| text.extend([" ", scope]));
    text.push('"');
}

/// RFC 6749, section 3.3. Others may come from a request, and are not repeated.
fn is_scope_token(scope: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    (1..=MAX_SCOPE_LEN).contains(&scope.len()) && scope.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(accept: Accept, realm: &str, fault: Fault, status: u16, scopes: &[&str]) -> String {
        let status = StatusCode::from_u16(status).unwrap();
        let value = challenge(accept, &Realm::new(realm), &fault, status, scopes.iter().copied());
        value.map_or_else(|| "none".into(), |value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn by_fault_and_scheme() {
        use {Accept as A, Fault as F};
        const KEY: &str = r#"ApiKey realm="api", header="x-api-key""#;
        let table = [
            (A::Bearer, F::MissingCredential, 401, r#"Bearer realm="api""#.to_owned()),
            (A::Bearer, F::MalformedCredential, 401, error("invalid_request")),
            (A::Bearer, F::MalformedCredential, 400, error("invalid_request")),
            (A::Bearer, F::UnknownCredential, 400, "none".into()),
            (A::ApiKey, F::MalformedCredential, 400, KEY.into()),
            (A::Bearer, F::UnknownCredential, 401, error("invalid_token")),
            (A::Bearer, F::RevokedCredential, 401, error("invalid_token")),
            (A::Bearer, F::ExpiredCredential, 401, error("invalid_token")),
            (A::Bearer, F::Forbidden, 403, error(r#"insufficient_scope", scope="a model:x"#)),
            (A::Bearer, F::AccountSuspended, 403, "none".into()),
            (A::Bearer, F::StoreUnavailable, 503, "none".into()),
            // A catalog may have its own mind about statuses.
            (A::Bearer, F::UnknownCredential, 403, "none".into()),
            (A::Bearer, F::AccountSuspended, 401, error("invalid_token")),
            (A::ApiKey, F::MissingCredential, 401, KEY.into()),
            (A::ApiKey, F::UnknownCredential, 401, KEY.into()),
            (A::ApiKey, F::Forbidden, 403, "none".into()),
            (A::Both, F::MissingCredential, 401, format!(r#"Bearer realm="api", {KEY}"#)),
            (A::Both, F::UnknownCredential, 401, format!("{}, {KEY}", error("invalid_token"))),
            (A::Both, F::Forbidden, 403, error(r#"insufficient_scope", scope="a model:x"#)),
        ];
        for (accept, fault, status, want) in table {
            let got = text(accept, "api", fault.clone(), status, &["a", "model:x"]);
            assert_eq!(got, want, "{accept:?} {fault} {status}");
        }
    }

    fn error(code: &str) -> String {
        format!(r#"Bearer realm="api", error="{code}""#)
    }

    #[test]
    fn nothing_breaks_out_of_its_quotes() {
        let got = text(Accept::Both, "a\"b\\\r\n\u{0}é", Fault::MissingCredential, 401, &[]);
        assert_eq!(
            got,
            r#"Bearer realm="a\"b\\????", ApiKey realm="a\"b\\????", header="x-api-key""#
        );
        let long = "x".repeat(MAX_SCOPE_LEN + 1);
        let hostile = ["", "a\"b", "a b", "a\\", "a\r\nx: y", "é", "\u{7f}", &long];
        let got = text(Accept::Both, "api", Fault::Forbidden, 403, &hostile);
        assert_eq!(got, error("insufficient_scope"));
        let mixed = ["a\"", "good", "b\"", "better"];
        let got = text(Accept::Both, "api", Fault::Forbidden, 403, &mixed);
        assert_eq!(got, error(r#"insufficient_scope", scope="good better"#));
    }
}
