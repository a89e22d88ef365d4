//! Names, tokens and methods.
use super::{Invalid, shown_as, text_value};
use http::{HeaderName, Method};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};
use std::{borrow::Cow, fmt, str::FromStr};

/// A name that people give: not empty, at most 128 characters, none of them a control character.
/// Where it can be left out, it is empty until something else names the thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    pub(in crate::config) fn made(name: String) -> Self {
        Self(name)
    }

    /// Whether there is none.
    pub(in crate::config) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "" => Err("a name cannot be empty".into()),
            _ if text.chars().any(char::is_control) => {
                Err("a name cannot hold control characters".into())
            }
            _ if text.chars().count() > 128 => Err("a name has at most 128 characters".into()),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

shown_as!(Name, |name| name);
text_value!(Name, "Name", "a string", { "type": "string", "minLength": 1, "maxLength": 128 });

/// A word as RFC 9110 has it: letters, digits and ``!#$%&'*+-.^_`|~``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let in_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        match text {
            _ if !text.is_empty() && text.bytes().all(in_token) => Ok(Self(text.to_owned())),
            _ => Err("expected one word of letters, digits and !#$%&'*+-.^_`|~".into()),
        }
    }
}

shown_as!(Token, |token| token.0);
text_value!(Token, "Token", "a string", { "type": "string", "pattern": "^[0-9A-Za-z!#$%&'*+.^_`|~-]+$" });

/// A header that can carry a credential.
#[derive(Clone)]
pub(in crate::config) struct CredentialHeader(HeaderName);

pub(in crate::config) fn credential_header<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<HeaderName>, D::Error> {
    super::from_text(deserializer, "a header's name").map(|CredentialHeader(name)| Some(name))
}

impl FromStr for CredentialHeader {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match HeaderName::from_str(text) {
            Ok(name) if has_a_meaning(&name) => {
                Err("this header has a meaning of its own and cannot carry a credential".into())
            }
            Ok(name) => Ok(Self(name)),
            Err(_) => Err("expected a header's name, such as \"x-api-key\"".into()),
        }
    }
}

/// Whether a field is the connection's or the proxy's: anything else there would be lost or would break the message.
pub(super) fn has_a_meaning(name: &HeaderName) -> bool {
    const OURS: [&str; 16] = [
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-request-id",
    ];
    OURS.contains(&name.as_str()) || name.as_str().starts_with("x-forwarded-")
}

/// The methods that a route answers to, as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Methods(Vec<Method>);

impl Methods {
    /// This one alone.
    pub(in crate::config) fn only(method: Method) -> Self {
        Self(vec![method])
    }

    /// At least one, none of them twice.
    pub fn as_slice(&self) -> &[Method] {
        &self.0
    }
}

/// "GET,POST"
impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, method) in self.0.iter().enumerate() {
            write!(f, "{}{method}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

struct MethodName(Method);

impl FromStr for MethodName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match Method::from_bytes(text.as_bytes()) {
            _ if text.len() > 32 => Err("a method has at most 32 characters".into()),
            _ if text.bytes().any(|b| b.is_ascii_lowercase()) => {
                Err("methods are written in capitals, such as \"POST\"".into())
            }
            Ok(Method::CONNECT | Method::TRACE) => {
                Err("CONNECT and TRACE are always refused and cannot be routed".into())
            }
            Ok(method) => Ok(Self(method)),
            Err(_) => Err("expected a method, such as \"POST\"".into()),
        }
    }
}

text_value!(MethodName, "Method", "a method, such as \"POST\"", {
    "type": "string", "pattern": "^[0-9A-Z!#$%&'*+.^_`|~-]+$", "not": { "enum": ["CONNECT", "TRACE"] }, "maxLength": 32
});

/// One by itself, several as an array.
impl Serialize for Methods {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [only] => serializer.serialize_str(only.as_str()),
            several => serializer.collect_seq(several.iter().map(Method::as_str)),
        }
    }
}

impl<'de> Deserialize<'de> for Methods {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MethodsVisitor;

        impl<'de> Visitor<'de> for MethodsVisitor {
            type Value = Methods;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a method or an array of methods")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Methods, E> {
                text.parse().map(|MethodName(method)| Methods(vec![method])).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Methods, A::Error> {
                let mut methods = Vec::new();
                while let Some(MethodName(method)) = elements.next_element()? {
                    if methods.contains(&method) {
                        return Err(de::Error::custom("a method is there twice"));
                    }
                    methods.push(method);
                }
                match methods.is_empty() {
                    true => Err(de::Error::custom(
                        "no method; leave the key out for a route that answers to any",
                    )),
                    false => Ok(Methods(methods)),
                }
            }
        }

        deserializer.deserialize_any(MethodsVisitor)
    }
}

impl schemars::JsonSchema for Methods {
    fn schema_name() -> Cow<'static, str> {
        "Methods".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let method = generator.subschema_for::<MethodName>();
        schemars::json_schema!({
            "anyOf": [method, { "type": "array", "items": method, "minItems": 1, "uniqueItems": true }]
        })
    }
}
