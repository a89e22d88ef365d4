use super::api_key::is_token;
use crate::Fault;
use http::{HeaderMap, HeaderName, header};
use subtle::ConstantTimeEq;

/// The field that carries nothing but a key.
pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// In which fields a key is looked for. What is not accepted is not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accept {
    /// `Authorization: Bearer KEY` (RFC 6750, section 2.1).
    Bearer,
    /// `x-api-key: KEY`.
    ApiKey,
    /// Either, or both with the same key.
    #[default]
    Both,
}

impl Accept {
    pub(super) const fn bearer(self) -> bool {
        matches!(self, Self::Bearer | Self::Both)
    }

    pub(super) const fn api_key(self) -> bool {
        matches!(self, Self::ApiKey | Self::Both)
    }

    /// Takes the accepted fields out, every line of them.
    pub(super) fn remove(self, headers: &mut HeaderMap) {
        if self.bearer() {
            headers.remove(header::AUTHORIZATION);
        }
        if self.api_key() {
            headers.remove(X_API_KEY);
        }
    }
}

/// The one key that was sent, if one was; see the [module](super) for every shape.
///
/// # Errors
///
/// [`Fault::MalformedCredential`] for whatever is there and is not exactly one key.
pub(super) fn credential(headers: &HeaderMap, accept: Accept) -> Result<Option<&str>, Fault> {
    let bearer = match accept.bearer() {
        true => only_line(headers, &header::AUTHORIZATION)?.map(bearer_token).transpose()?,
        false => None,
    };
    let api_key = match accept.api_key() {
        true => only_line(headers, &X_API_KEY)?.map(token).transpose()?,
        false => None,
    };
    match (bearer, api_key) {
        (Some(one), Some(other)) if bool::from(one.as_bytes().ct_eq(other.as_bytes())) => {
            Ok(Some(one))
        }
        (Some(_), Some(_)) => Err(Fault::MalformedCredential),
        (one, other) => Ok(one.or(other)),
    }
}

/// The field's value without the white space around it, which is no part of it (RFC 9110, section 5.5).
fn only_line<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Fault> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => Ok(Some(line.as_bytes().trim_ascii())),
        (Some(_), Some(_)) => Err(Fault::MalformedCredential),
    }
}

/// `"Bearer" 1*SP b64token`, the scheme in any case (RFC 6750, section 2.1; RFC 9110, section 11.1).
fn bearer_token(value: &[u8]) -> Result<&str, Fault> {
    let scheme = value.iter().take_while(|byte| **byte != b' ').count();
    let (scheme, rest) = value.split_at(scheme);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Fault::MalformedCredential);
    }
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    token(&rest[spaces..])
}

fn token(bytes: &[u8]) -> Result<&str, Fault> {
    match str::from_utf8(bytes) {
        Ok(token) if is_token(bytes) => Ok(token),
        _ => Err(Fault::MalformedCredential),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::MAX_KEY_LEN;
    use http::HeaderValue;

    const BAD: Result<Option<&str>, Fault> = Err(Fault::MalformedCredential);

    /// `Authorization` lines, `x-api-key` lines, and what they are when both fields, bearer alone and the key field
    /// alone are accepted.
    type Row<'a> = (&'a [&'a [u8]], &'a [&'a [u8]], [Result<Option<&'a str>, Fault>; 3]);

    fn check(rows: &[Row<'_>]) {
        for (authorization, api_key, want) in rows {
            let mut headers = HeaderMap::new();
            for line in *authorization {
                headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
            }
            for line in *api_key {
                headers.append(X_API_KEY, HeaderValue::from_bytes(line).unwrap());
            }
            let got = [Accept::Both, Accept::Bearer, Accept::ApiKey]
                .map(|accept| credential(&headers, accept));
            let shown = |lines: &[&[u8]]| -> Vec<String> {
                lines
                    .iter()
                    .map(|line| line.escape_ascii().take(80).map(char::from).collect())
                    .collect()
            };
            assert_eq!(got, *want, "{:?} {:?}", shown(authorization), shown(api_key));
        }
    }

    #[test]
    fn one_field() {
        const NONE: Result<Option<&str>, Fault> = Ok(None);
        const K: Result<Option<&str>, Fault> = Ok(Some("k"));
        check(&[
            (&[], &[], [NONE, NONE, NONE]),
            (&[b"Bearer k"], &[], [K, K, NONE]),
            (&[], &[b"k"], [K, NONE, K]),
            // The scheme in any case, several spaces, white space around the value.
            (&[b"bearer k"], &[], [K, K, NONE]),
            (&[b"BEARER k"], &[], [K, K, NONE]),
            (&[b"Bearer    k"], &[], [K, K, NONE]),
            (&[b" Bearer k \t "], &[], [K, K, NONE]),
            (&[], &[b"\t k "], [K, NONE, K]),
            // Padding is part of the token.
            (&[b"Bearer k=="], &[], [Ok(Some("k==")), Ok(Some("k==")), NONE]),
            (&[b"Bearer k=l"], &[], [BAD, BAD, NONE]),
            (&[b"Bearer ="], &[], [BAD, BAD, NONE]),
            // Empty is not missing.
            (&[b""], &[], [BAD, BAD, NONE]),
            (&[b" "], &[], [BAD, BAD, NONE]),
            (&[], &[b""], [BAD, NONE, BAD]),
            (&[], &[b" \t"], [BAD, NONE, BAD]),
            (&[b"Bearer"], &[], [BAD, BAD, NONE]),
            (&[b"Bearer "], &[], [BAD, BAD, NONE]),
            (&[b"Bearer  \t"], &[], [BAD, BAD, NONE]),
            // What separates scheme and token is spaces, and something.
            (&[b"Bearer\tk"], &[], [BAD, BAD, NONE]),
            (&[b"Bearer \tk"], &[], [BAD, BAD, NONE]),
            (&[b"BearerTOKEN"], &[], [BAD, BAD, NONE]),
            (&[b"Bearer:k"], &[], [BAD, BAD, NONE]),
            (&[b"Bearer=k"], &[], [BAD, BAD, NONE]),
            // Other schemes, and none.
            (&[b"Basic dXNlcjpwYXNz"], &[], [BAD, BAD, NONE]),
            (&[b"Digest username=\"a\", realm=\"b\""], &[], [BAD, BAD, NONE]),
            (&[b"Bearers k"], &[], [BAD, BAD, NONE]),
            (&[b"k"], &[], [BAD, BAD, NONE]),
            (&[b"Token k"], &[], [BAD, BAD, NONE]),
            (&[], &[b"Bearer k"], [BAD, NONE, BAD]),
        ]);
    }

    #[test]
    fn several_tokens_in_one_line() {
        const NONE: Result<Option<&str>, Fault> = Ok(None);
        check(&[
            (&[b"Bearer k l"], &[], [BAD, BAD, NONE]),
            (&[b"Bearer k k"], &[], [BAD, BAD, NONE]),
            (&[b"Bearer k,l"], &[], [BAD, BAD, NONE]),
            (&[b"Bearer k, Bearer k"], &[], [BAD, BAD, NONE]),
            (&[b"Bearer Bearer k"], &[], [BAD, BAD, NONE]),
            (&[b"Bearer k, Basic eDp5"], &[], [BAD, BAD, NONE]),
            (&[b"Basic eDp5, Bearer k"], &[], [BAD, BAD, NONE]),
            (&[b"Bearer k,"], &[], [BAD, BAD, NONE]),
            (&[b"Bearer ,k"], &[], [BAD, BAD, NONE]),
            (&[b"Bearer realm=\"x\""], &[], [BAD, BAD, NONE]),
            (&[], &[b"k,l"], [BAD, NONE, BAD]),
            (&[], &[b"k, k"], [BAD, NONE, BAD]),
            (&[], &[b"k l"], [BAD, NONE, BAD]),
        ]);
    }

    #[test]
    fn several_lines_and_both_fields() {
        const K: Result<Option<&str>, Fault> = Ok(Some("k"));
        check(&[
            // A second line is a second credential, whatever it says.
            (&[b"Bearer k", b"Bearer k"], &[], [BAD, BAD, Ok(None)]),
            (&[b"Bearer k", b""], &[], [BAD, BAD, Ok(None)]),
            (&[b"", b"Bearer k"], &[], [BAD, BAD, Ok(None)]),
            (&[b"Bearer k", b"Basic eDp5"], &[], [BAD, BAD, Ok(None)]),
            (&[], &[b"k", b"k"], [BAD, Ok(None), BAD]),
            (&[], &[b"k", b"l"], [BAD, Ok(None), BAD]),
            // The same key in both fields is one credential.
            (&[b"Bearer k"], &[b"k"], [K, K, K]),
            (&[b"Bearer k"], &[b"l"], [BAD, K, Ok(Some("l"))]),
            (&[b"Bearer k"], &[b"kk"], [BAD, K, Ok(Some("kk"))]),
            (&[b"Bearer k"], &[b"K"], [BAD, K, Ok(Some("K"))]),
            // One good and one bad.
            (&[b"Bearer k"], &[b""], [BAD, K, BAD]),
            (&[b"Bearer k"], &[b"k", b"k"], [BAD, K, BAD]),
            (&[b""], &[b"k"], [BAD, BAD, K]),
            (&[b"Basic eDp5"], &[b"k"], [BAD, BAD, K]),
        ]);
    }

    #[test]
    fn bytes_that_no_key_has() {
        for bytes in [
            &b"\"k\""[..],
            b"'k'",
            b"<k>",
            b"k%20",
            b"k\\",
            b"k;l",
            b"k:l",
            "schlüssel".as_bytes(),
            "ключ".as_bytes(),
            b"k\x80",
            b"k\xff\xfe",
            b"\xa0k",
            // A no-break space is not white space here.
            b"k\xc2\xa0",
            b"k\tl",
        ] {
            let bearer = [b"Bearer ", bytes].concat();
            check(&[
                (&[&bearer], &[], [BAD, BAD, Ok(None)]),
                (&[], &[bytes], [BAD, Ok(None), BAD]),
            ]);
        }
        // These never get so far: a field value cannot hold them (RFC 9110, section 5.5).
        for byte in (0..b' ').filter(|byte| *byte != b'\t').chain([0x7f]) {
            HeaderValue::from_bytes(&[b'k', byte]).unwrap_err();
        }
    }

    #[test]
    fn lengths() {
        let table = [(1, true), (MAX_KEY_LEN, true), (MAX_KEY_LEN + 1, false), (64 << 10, false)];
        for (len, good) in table {
            for text in ["k".repeat(len), format!("k{}", "=".repeat(len - 1))] {
                let want = if good { Ok(Some(&*text)) } else { BAD };
                let bearer = format!("Bearer {text}");
                check(&[
                    (&[bearer.as_bytes()], &[], [want.clone(), want.clone(), Ok(None)]),
                    (&[], &[text.as_bytes()], [want.clone(), Ok(None), want]),
                ]);
            }
        }
        let spaces = format!("Bearer {}k", " ".repeat(64 << 10));
        check(&[(&[spaces.as_bytes()], &[], [Ok(Some("k")), Ok(Some("k")), Ok(None)])]);
    }
}
