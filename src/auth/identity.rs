use super::Principal;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::fmt::Write;

/// The header fields that tell the inner service who is calling.
///
/// A value is the bytes of the text, with every byte that is not a visible ASCII character, and `%`, as `%` and two
/// hexadecimal digits. Scopes are separated by one space. What a principal does not have has no field.
#[derive(Clone, Debug, Default)]
pub struct IdentityHeaders {
    account: Option<HeaderName>,
    key_id: Option<HeaderName>,
    plan: Option<HeaderName>,
    scopes: Option<HeaderName>,
}

impl IdentityHeaders {
    /// None of them.
    pub const fn none() -> Self {
        Self { account: None, key_id: None, plan: None, scopes: None }
    }

    /// `x-tollgate-account`, `x-tollgate-key-id`, `x-tollgate-plan` and `x-tollgate-scopes`.
    pub const fn tollgate() -> Self {
        Self {
            account: Some(HeaderName::from_static("x-tollgate-account")),
            key_id: Some(HeaderName::from_static("x-tollgate-key-id")),
            plan: Some(HeaderName::from_static("x-tollgate-plan")),
            scopes: Some(HeaderName::from_static("x-tollgate-scopes")),
        }
    }

    /// The account's name, in this field.
    #[must_use]
    pub fn account(self, name: HeaderName) -> Self {
        Self { account: Some(name), ..self }
    }

    /// The key's public name, in this field.
    #[must_use]
    pub fn key_id(self, name: HeaderName) -> Self {
        Self { key_id: Some(name), ..self }
    }

    /// The plan, in this field.
    #[must_use]
    pub fn plan(self, name: HeaderName) -> Self {
        Self { plan: Some(name), ..self }
    }

    /// All scopes, in this field.
    #[must_use]
    pub fn scopes(self, name: HeaderName) -> Self {
        Self { scopes: Some(name), ..self }
    }

    /// Takes out what a client could have forged: the fields in every spelling that something further in may take
    /// for them, and the wish of a `Connection` line to have them taken out later (RFC 9110, section 7.6.1).
    pub(super) fn clear(&self, headers: &mut HeaderMap) {
        if self.names().next().is_none() {
            return;
        }
        while let Some(forged) = headers.keys().find(|name| self.has(name.as_ref())).cloned() {
            headers.remove(forged);
        }
        if headers.get_all(header::CONNECTION).iter().flat_map(options).any(|name| self.has(name)) {
            self.clear_connection(headers);
        }
    }

    /// Says who is calling, in a request that was [cleared](Self::clear).
    pub(super) fn set(&self, principal: &Principal, headers: &mut HeaderMap) {
        let mut set = |name: &Option<HeaderName>, texts: &mut dyn Iterator<Item = &str>| {
            if let Some(name) = name
                && let Some(value) = encode(texts)
            {
                headers.insert(name, value);
            }
        };
        set(&self.account, &mut [principal.account()].into_iter());
        set(&self.key_id, &mut [principal.key_id()].into_iter());
        set(&self.plan, &mut principal.plan().into_iter());
        set(&self.scopes, &mut principal.scopes());
    }

    fn clear_connection(&self, headers: &mut HeaderMap) {
        let lines = headers.get_all(header::CONNECTION).iter();
        let kept = lines.flat_map(options).filter(|name| !self.has(name)).collect::<Vec<_>>();
        let kept = HeaderValue::from_bytes(&kept.join(&b", "[..]));
        headers.remove(header::CONNECTION);
        if let Ok(kept) = kept
            && !kept.is_empty()
        {
            headers.insert(header::CONNECTION, kept);
        }
    }

    fn has(&self, name: &[u8]) -> bool {
        self.names().any(|own| is_spelling(own.as_ref(), name))
    }

    fn names(&self) -> impl Iterator<Item = &HeaderName> {
        [&self.account, &self.key_id, &self.plan, &self.scopes].into_iter().flatten()
    }
}

/// Whether the names become one where `_` stands for `-`, as in CGI (RFC 3875, section 4.1.18) and WSGI.
fn is_spelling(own: &[u8], name: &[u8]) -> bool {
    let folded = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    own.len() == name.len() && own.iter().map(folded).eq(name.iter().map(folded))
}

/// The members of one line of a list.
fn options(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|o| !o.is_empty())
}

fn encode(texts: &mut dyn Iterator<Item = &str>) -> Option<HeaderValue> {
    let mut value = String::new();
    push_encoded(&mut value, texts.next()?);
    for text in texts {
        value.push(' ');
        push_encoded(&mut value, text);
    }
    HeaderValue::try_from(value).ok()
}

fn push_encoded(value: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            // `%` too: what is read back is what was meant, whatever it was.
            b'!'..=b'~' if byte != b'%' => value.push(char::from(byte)),
            _ => {
                let _ = write!(value, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Account;
    use std::sync::Arc;

    fn fields(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn forged_fields_in_every_spelling() {
        let mut headers = fields(&[
            ("x-tollgate-account", "root"),
            ("x-tollgate-account", "root"),
            ("X-Tollgate-Account", "root"),
            ("x_tollgate_account", "root"),
            ("x-tollgate_account", "root"),
            ("X_Tollgate-Key-Id", "1"),
            ("x-tollgate-plan", ""),
            ("x-tollgate-scopes", "*"),
            ("x-tollgate-scopes-", "stays"),
            ("x-tollgate", "stays"),
            ("accept_", "stays"),
        ]);
        IdentityHeaders::tollgate().clear(&mut headers);
        let stays = fields(&[
            ("x-tollgate-scopes-", "stays"),
            ("x-tollgate", "stays"),
            ("accept_", "stays"),
        ]);
        assert_eq!(headers, stays);

        // Chosen names, whichever way they are written.
        let own = HeaderName::from_static("x_user-id");
        let chosen = IdentityHeaders::none().account(own);
        let mut headers =
            fields(&[("x-user-id", "a"), ("X_USER_ID", "b"), ("x-tollgate-plan", "c")]);
        chosen.clear(&mut headers);
        assert_eq!(headers, fields(&[("x-tollgate-plan", "c")]));
    }

    #[test]
    fn a_connection_line_takes_no_identity_away() {
        let table: &[(&[&str], Option<&str>)] = &[
            (&["close"], Some("close")),
            (&["x-tollgate-account"], None),
            (&["close, X-Tollgate-Account ,keep-alive"], Some("close, keep-alive")),
            (&["close", "x_tollgate_plan,,", "te"], Some("close, te")),
        ];
        for (lines, want) in table {
            let lines: Vec<_> = lines.iter().map(|line| ("connection", *line)).collect();
            let mut headers = fields(&lines);
            IdentityHeaders::tollgate().clear(&mut headers);
            let want: Vec<_> = want.iter().map(|want| ("connection", *want)).collect();
            assert_eq!(headers, fields(&want), "{lines:?}");
        }
        // Lines that say nothing of ours stay as they are.
        let mut headers = fields(&[("connection", "close"), ("connection", "te")]);
        IdentityHeaders::tollgate().clear(&mut headers);
        assert_eq!(headers, fields(&[("connection", "close"), ("connection", "te")]));
    }

    #[test]
    fn who_is_calling() {
        let account = |name: &str| Arc::new(Account::new(name));
        let scopes = |scopes: &[&str]| -> Arc<[Box<str>]> {
            scopes.iter().map(|scope| Box::from(*scope)).collect()
        };
        let plain = Principal::new(account("acme"), "key-1");
        let full = Principal::new(account("Müller & Co"), "100%\r\nx: y")
            .with_plan("pro")
            .with_scopes(scopes(&["images:*", "a b", "é"]));
        let table: &[(&Principal, &[(&str, &str)])] = &[
            (&plain, &[("x-tollgate-account", "acme"), ("x-tollgate-key-id", "key-1")]),
            (
                &full,
                &[
                    ("x-tollgate-account", "M%C3%BCller%20&%20Co"),
                    ("x-tollgate-key-id", "100%25%0D%0Ax:%20y"),
                    ("x-tollgate-plan", "pro"),
                    ("x-tollgate-scopes", "images:* a%20b %C3%A9"),
                ],
            ),
        ];
        for (principal, want) in table {
            let mut headers = HeaderMap::new();
            IdentityHeaders::tollgate().set(principal, &mut headers);
            assert_eq!(headers, fields(want));
        }
        let mut headers = HeaderMap::new();
        IdentityHeaders::none().plan(HeaderName::from_static("x-plan")).set(&full, &mut headers);
        assert_eq!(headers, fields(&[("x-plan", "pro")]));
    }
}
