//! Who somebody is, and what he may do.
use super::{
    Invalid, shown_as,
    template::{self, Part},
    text_value,
};
use crate::{
    auth::{self, KeyDigest},
    store,
};
use http::HeaderName;
use jiff::Timestamp;
use std::{fmt, str::FromStr, time::SystemTime};

/// The SHA-256 of an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(KeyDigest);

impl Digest {
    /// The digest.
    pub const fn get(self) -> KeyDigest {
        self.0
    }
}

const DIGEST: &str = "the SHA-256 of a key, 64 hexadecimal digits";

impl FromStr for Digest {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self).map_err(|_| format!("expected {DIGEST}").into())
    }
}

shown_as!(Digest, |digest| digest.0);
text_value!(Digest, "Digest", DIGEST, { "type": "string", "pattern": "^[0-9A-Fa-f]{64}$" });

/// The name of an account, a plan or a key, as the store has them too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label(store::Name);

impl Label {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self).map_err(|error: store::InvalidName| error.to_string().into())
    }
}

shown_as!(Label, |label| label.as_str());
text_value!(Label, "Label", "a string", { "type": "string", "pattern": "^\\S(.*\\S)?$", "maxLength": 128 });

/// The name of a limit: it stands in answers, in header fields and in keys of a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitName(String);

impl LimitName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const LIMIT_NAME: &str = "up to 64 letters, digits, `_`, `-` and `.`";

impl FromStr for LimitName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let in_name = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        match text {
            _ if (1..=64).contains(&text.len()) && text.bytes().all(in_name) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(format!("expected {LIMIT_NAME}").into()),
        }
    }
}

shown_as!(LimitName, |name| name.0);
text_value!(LimitName, "LimitName", LIMIT_NAME, { "type": "string", "pattern": "^[0-9A-Za-z_.-]{1,64}$" });

/// Something that a key may do, as the store has it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(store::Scope);

impl Scope {
    /// The scope.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self).map_err(|error: store::InvalidName| error.to_string().into())
    }
}

const SCOPE: &str = "a word without spaces, quotes and backslashes, such as \"images:write\"";

shown_as!(Scope, |scope| scope.as_str());
text_value!(Scope, "Scope", SCOPE, { "type": "string", "pattern": "^[!#-+.-\\[\\]-~-]{1,128}$", "examples": ["images:write", "model:*"] });

/// A scope that a route asks for, with the values of its path's parameters in it: `model:{model}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeTemplate {
    text: String,
    parts: Vec<Part>,
}

impl ScopeTemplate {
    /// What to put together.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The names of the parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        template::names(&self.parts)
    }
}

impl FromStr for ScopeTemplate {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let scope: Scope = text.parse()?;
        template::parse(text).map(|parts| Self { text: scope.as_str().to_owned(), parts })
    }
}

shown_as!(ScopeTemplate, |scope| scope.text);
text_value!(ScopeTemplate, "ScopeTemplate", SCOPE, { "type": "string", "pattern": "^[!#-+.-\\[\\]-~-]{1,128}$", "examples": ["images:write", "model:{model}"] });

/// The beginning of generated keys: 1 to 16 small letters and digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPrefix(auth::KeyPrefix);

impl KeyPrefix {
    /// The prefix, without the `_` behind it.
    pub const fn get(&self) -> &auth::KeyPrefix {
        &self.0
    }
}

const KEY_PREFIX: &str = "1 to 16 small letters and digits";

impl FromStr for KeyPrefix {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self).map_err(|_| format!("expected {KEY_PREFIX}").into())
    }
}

shown_as!(KeyPrefix, |prefix| prefix.0.as_str());
text_value!(KeyPrefix, "KeyPrefix", KEY_PREFIX, { "type": "string", "pattern": "^[a-z0-9]{1,16}$" });

/// What is protected, as a challenge names it: visible ASCII and spaces, no quotes, no backslashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm(String);

impl Realm {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Realm {
    fn default() -> Self {
        Self("api".to_owned())
    }
}

const REALM: &str = "up to 128 visible ASCII characters and spaces, without quotes and backslashes";

impl FromStr for Realm {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let in_realm = |b: u8| (b' '..=b'~').contains(&b) && !b"\"\\".contains(&b);
        match text {
            _ if (1..=128).contains(&text.len()) && text.bytes().all(in_realm) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(format!("expected {REALM}").into()),
        }
    }
}

shown_as!(Realm, |realm| realm.0);
text_value!(Realm, "Realm", REALM, { "type": "string", "pattern": "^[ !#-\\[\\]-~]{1,128}$" });

/// A header of ours in a request to a provider.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldName(HeaderName);

impl FieldName {
    /// One of ours, in small letters.
    pub(crate) const fn from_static(name: &'static str) -> Self {
        Self(HeaderName::from_static(name))
    }

    /// The header's name.
    pub const fn get(&self) -> &HeaderName {
        &self.0
    }
}

impl fmt::Debug for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

const FIELD_NAME: &str = "a header's name, such as \"x-tollgate-account\"";

impl FromStr for FieldName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match HeaderName::from_str(text) {
            Ok(name) if super::text::has_a_meaning(&name) || is_a_credential(&name) => {
                Err("this header has a meaning of its own and cannot carry anything of ours".into())
            }
            Ok(name) => Ok(Self(name)),
            Err(_) => Err(format!("expected {FIELD_NAME}").into()),
        }
    }
}

fn is_a_credential(name: &HeaderName) -> bool {
    matches!(name.as_str(), "authorization" | "cookie" | "x-api-key")
}

shown_as!(FieldName, |name| name.0.as_str());
text_value!(FieldName, "FieldName", FIELD_NAME, { "type": "string", "pattern": "^[0-9A-Za-z!#$%&'*+.^_`|~-]+$" });

/// A point in time (RFC 3339): `2027-01-31T00:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(SystemTime);

impl Moment {
    /// The time.
    pub const fn get(self) -> SystemTime {
        self.0
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It was one before.
        Timestamp::try_from(self.0).map_err(|_| fmt::Error)?.fmt(f)
    }
}

const MOMENT: &str = "a time with its zone, such as \"2027-01-31T00:00:00Z\"";

impl FromStr for Moment {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let time: Timestamp = text.parse().map_err(|_| format!("expected {MOMENT}"))?;
        Ok(Self(time.into()))
    }
}

shown_as!(Moment, |moment| moment);
text_value!(Moment, "Moment", MOMENT, { "type": "string", "format": "date-time" });

#[cfg(test)]
mod tests {
    use super::*;

    fn taken<T: FromStr>(texts: &[&str]) -> Vec<bool> {
        texts.iter().map(|text| text.parse::<T>().is_ok()).collect()
    }

    #[test]
    fn names() {
        let long = "a".repeat(129);
        assert_eq!(taken::<LimitName>(&["per-key", "a.b_c", "9"]), [true; 3]);
        assert_eq!(taken::<LimitName>(&["", "a b", "a\"b", "ä", &long]), [false; 5]);
        assert_eq!(taken::<KeyPrefix>(&["tg", "9", "abcdefghijklmnop"]), [true; 3]);
        assert_eq!(taken::<KeyPrefix>(&["", "Tg", "t_g", "abcdefghijklmnopq"]), [false; 4]);
        assert_eq!(taken::<Realm>(&["api", "image api"]), [true; 2]);
        assert_eq!(taken::<Realm>(&["", "a\"b", "a\\b", "ä", &long]), [false; 5]);
        assert_eq!(taken::<FieldName>(&["x-tollgate-account", "X-Customer"]), [true; 2]);
        assert_eq!(
            taken::<FieldName>(&["", "a b", "host", "cookie", "x-forwarded-for"]),
            [false; 5]
        );
    }

    #[test]
    fn parameters_of_a_scope() {
        let scope: ScopeTemplate = "a:{b}:{c}".parse().unwrap();
        assert_eq!(scope.parameters().collect::<Vec<_>>(), ["b", "c"]);
        let scope: ScopeTemplate = "a:b".parse().unwrap();
        assert_eq!(scope.parts(), [Part::Literal("a:b".to_owned())]);
        assert_eq!(taken::<ScopeTemplate>(&["a:{b", "a}", "{}", "{a b}"]), [false; 4]);
    }

    #[test]
    fn moments() {
        assert_eq!(
            taken::<Moment>(&["2027-01-31T00:00:00Z", "2027-01-31T01:00:00+01:00"]),
            [true; 2]
        );
        assert_eq!(
            taken::<Moment>(&["", "2027-01-31", "soon", "2027-02-30T00:00:00Z"]),
            [false; 4]
        );
        let a: Moment = "2027-01-31T00:00:00Z".parse().unwrap();
        assert_eq!(Ok(a), "2027-01-31T01:00:00+01:00".parse());
    }
}
