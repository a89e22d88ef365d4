use crate::Fault;
use http::{HeaderMap, HeaderName};
#[cfg(feature = "standalone")]
use {
    crate::{auth::Principal, hex},
    http::HeaderValue,
    sha2::{Digest, Sha256},
};

/// The request header field (draft-ietf-httpapi-idempotency-key-header, section 2.1).
pub(crate) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest key, in bytes.
const LONGEST: usize = 255;

/// The key of a request, if it has one: a string of structured fields (RFC 9651, section 3.3.3), or, as many clients send it, the same
/// without quotes.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let mut lines = headers.get_all(HEADER).iter();
    let line = match (lines.next(), lines.next()) {
        (None, _) => return Ok(None),
        (Some(line), None) => line,
        (Some(_), Some(_)) => return Err(invalid("is there twice")),
    };
    let text = line.to_str().unwrap_or_default().trim();
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted),
        None => Some(text.to_owned()),
    };
    match key.filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')) {
        Some(key) if (1..=LONGEST).contains(&key.len()) => Ok(Some(key)),
        _ => Err(invalid("must be 1 to 255 visible ASCII characters, such as a UUID")),
    }
}

/// What stands up to the closing quote; nothing may follow it but parameters, which mean nothing here.
fn unquoted(text: &str) -> Option<String> {
    let mut key = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            '"' => break,
            '\\' => key.push(rest.next().filter(|next| matches!(next, '"' | '\\'))?),
            letter => key.push(letter),
        }
    }
    let rest = rest.as_str();
    (rest.is_empty() || rest.starts_with(';')).then_some(key)
}

fn invalid(what: &str) -> Fault {
    Fault::violation("Idempotency-Key", format!("the header field Idempotency-Key {what}"))
}

/// The keys of a request, as they may go on to a provider at which all our callers are one account: no two callers have the same.
#[cfg(feature = "standalone")]
pub(crate) fn of_caller(headers: &HeaderMap, principal: &Principal) -> Option<HeaderValue> {
    let mut digest = Sha256::new();
    digest.update(principal.account());
    for line in headers.get_all(HEADER) {
        digest.update([0]);
        digest.update(line.as_bytes());
    }
    let mut digits = [0; 32];
    hex::write(&mut digits, &digest.finalize());
    HeaderValue::from_bytes(&digits).ok().filter(|_| headers.contains_key(HEADER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[cfg(feature = "standalone")]
    #[test]
    fn two_callers_with_the_same_key() {
        use crate::auth::Account;
        let of = |account: &str, keys: &[&'static str]| {
            let principal = Principal::new(std::sync::Arc::new(Account::new(account)), "k");
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append(HEADER, HeaderValue::from_static(key));
            }
            of_caller(&headers, &principal)
        };
        assert_eq!(of("a", &[]), None);
        assert_eq!(of("a", &["k"]), of("a", &["k"]));
        let all = [
            of("a", &["k"]),
            of("b", &["k"]),
            of("a", &["l"]),
            of("ak", &[""]),
            of("a", &["k", "k"]),
        ];
        for (i, one) in all.iter().enumerate() {
            assert_eq!(one.as_ref().unwrap().len(), 32);
            assert!(!all[..i].contains(one), "{i}");
        }
    }

    #[test]
    fn keys() {
        let long = "k".repeat(LONGEST);
        let longer = "k".repeat(LONGEST + 1);
        let table: &[(&[&str], Result<Option<&str>, ()>)] = &[
            (&[], Ok(None)),
            (
                &["\"8e03978e-40d5-43dd-bc93-6894a57f9324\""],
                Ok(Some("8e03978e-40d5-43dd-bc93-6894a57f9324")),
            ),
            (&["8e03978e"], Ok(Some("8e03978e"))),
            (&["\"a b\""], Ok(Some("a b"))),
            (&[r#""a\"b\\c""#], Ok(Some(r#"a"b\c"#))),
            (&["\"a\";q=1"], Ok(Some("a"))),
            (&[&long], Ok(Some(&long))),
            (&[&longer], Err(())),
            (&[""], Err(())),
            (&["\"\""], Err(())),
            (&["\"a"], Err(())),
            (&[r#""a\b""#], Err(())),
            (&["\"a\" \"b\""], Err(())),
            (&["a", "b"], Err(())),
            (&["a", "a"], Err(())),
            (&["\u{e4}"], Err(())),
        ];
        for (lines, want) in table {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append(HEADER, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            let found = key(&headers);
            assert_eq!(found.as_ref().map(Option::as_deref).map_err(|_| ()), *want, "{lines:?}");
        }
    }
}
