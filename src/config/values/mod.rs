//! What single values may be. Each type says so itself, to serde and to the JSON Schema, and none repeats what it found.
mod amount;
mod free;
mod identity;
mod json_pointer;
mod json_value;
mod network;
mod path;
mod quantity;
mod rate;
mod ratio;
mod schema_source;
mod secret;
mod setting;
mod store;
mod template;
mod text;
mod url;

pub use self::{
    amount::PriceAmount,
    identity::{
        Digest, FieldName, KeyPrefix, Label, LimitName, Moment, Realm, Scope, ScopeTemplate,
    },
    json_pointer::JsonPointer,
    json_value::JsonValue,
    network::Network,
    path::{PathPattern, PathTemplate},
    quantity::{Patience, Size, Timeout},
    rate::{LimitKey, Rate},
    ratio::Ratio,
    schema_source::SchemaSource,
    secret::Secret,
    setting::Setting,
    store::{Limits, StoreAddress},
    template::Part,
    text::{Methods, Name, Token},
    url::{EndpointUrl, ServerName},
};
pub(super) use self::{
    network::{SocketAddress, parse_socket_address, socket_address, some_socket_address},
    secret::REDACTED,
    text::credential_header,
};

use serde::de::{self, Deserializer, Visitor};
use std::{borrow::Cow, fmt, marker::PhantomData, str::FromStr};

/// Why a text is not such a value. It does not hold the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub(super) Cow<'static, str>);

impl From<&'static str> for Invalid {
    fn from(message: &'static str) -> Self {
        Self(Cow::Borrowed(message))
    }
}

impl From<String> for Invalid {
    fn from(message: String) -> Self {
        Self(Cow::Owned(message))
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

/// Reads a string and parses it; `expected` is what to say about anything but a string.
fn from_text<'de, T, D>(deserializer: D, expected: &'static str) -> Result<T, D::Error>
where
    T: FromStr<Err = Invalid>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(TextVisitor { expected, parsed: PhantomData })
}

struct TextVisitor<T> {
    expected: &'static str,
    parsed: PhantomData<T>,
}

impl<T: FromStr<Err = Invalid>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// `Deserialize` by `FromStr`, and a JSON Schema that is a string with a pattern and a description.
macro_rules! text_value {
    ($type:ty, $name:literal, $expected:expr, $schema:tt) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::from_text(deserializer, $expected)
            }
        }

        super::text_schema!($type, $name, $schema);
    };
}

/// A JSON Schema that is a string with a pattern and a description.
macro_rules! text_schema {
    ($type:ty, $name:literal, $schema:tt) => {
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}

/// `Serialize` as the text that it is read from.
macro_rules! shown_as {
    ($type:ty, |$value:ident| $text:expr) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $value = self;
                serializer.collect_str(&$text)
            }
        }
    };
}
use {shown_as, text_schema, text_value};
