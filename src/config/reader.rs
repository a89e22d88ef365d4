//! A serde deserializer over the tree. toml's own would do but for its errors, which are text: these are data,
//! know their path, and do not hold the value that was found.
use super::{
    interpolate::{Broken, Text},
    tree::{Entry, KeyPath, Node, Step, Value},
};
use crate::suggest::closest;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
    value::{SeqDeserializer, StrDeserializer, StringDeserializer},
};
use std::{fmt, slice};

/// The name under which [`Setting`](super::Setting) asks for a value that may be missing.
pub(super) const SETTING: &str = "$tollgate::config::Setting";
/// The name under which a value that can be anything asks for itself: from a text with something of the environment in it
/// it gets two, the text to use and the one to show.
pub(super) const FREE: &str = "$tollgate::config::Free";

/// What a reader could not read.
#[derive(Debug)]
pub(super) struct Mistake {
    /// From the value outwards.
    steps: Vec<Step>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// The last step of the path is a key that this table does not have.
    UnknownKey { meant: Option<&'static str>, known: &'static [&'static str] },
    /// The table at this path lacks a key.
    MissingKey(&'static str),
    /// The value is none of those.
    UnknownChoice { meant: Option<&'static str>, known: &'static [&'static str] },
    /// The value needs a variable that is not set.
    Unset(String),
    /// An array of tables that was written as one table.
    OneTable,
    /// Anything else, in words.
    Wrong(String),
}

impl Mistake {
    fn new(kind: Kind) -> Self {
        Self { steps: Vec::new(), kind }
    }

    fn within(mut self, step: impl Into<Step>) -> Self {
        self.steps.push(step.into());
        self
    }

    pub(super) fn path(&self) -> KeyPath {
        KeyPath(self.steps.iter().rev().cloned().collect())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.path(), self.kind)
    }
}

impl std::error::Error for Mistake {}

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Kind::Wrong(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Kind::Wrong(format!(
            "expected {}, found {}",
            expectation(expected),
            kind_of(found)
        )))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Kind::Wrong(format!("expected {}", expectation(expected))))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(Kind::Wrong(format!("expected {}", expectation(expected))))
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownChoice { meant: closest(found, known.iter().copied()), known })
    }

    fn unknown_field(found: &str, known: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownKey { meant: closest(found, known.iter().copied()), known })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Kind::MissingKey(field))
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self::new(Kind::Wrong("this key is there twice".to_owned()))
    }
}

/// serde's words for what it wants, in those of a person.
fn expectation(expected: &dyn Expected) -> String {
    let words = expected.to_string();
    match words.as_str() {
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i64" => "a whole number".to_owned(),
        "a nonzero u8" => format!("a whole number from 1 to {}", u8::MAX),
        "a nonzero u16" => format!("a whole number from 1 to {}", u16::MAX),
        "a nonzero u32" => format!("a whole number from 1 to {}", u32::MAX),
        "a nonzero u64" | "a nonzero usize" => "a whole number, 1 or more".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "an array".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        _ => words,
    }
}

fn kind_of(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a decimal number",
        Unexpected::Str(_) | Unexpected::Char(_) => "a string",
        Unexpected::Seq => "an array",
        Unexpected::Map => "a table",
        // Only `Value::Date` is called that.
        Unexpected::Other(_) => "a date",
        _ => "something else",
    }
}

/// "`auto`, `never` or `always`".
pub(super) fn alternatives(known: &[&str]) -> String {
    let quoted: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Reads one node.
pub(super) struct Reader<'a>(pub(super) &'a Node);

impl<'a> Reader<'a> {
    /// The text, unless its variables are in the way.
    fn usable(text: &'a Text) -> Result<&'a str, Mistake> {
        match &text.broken {
            None => Ok(&text.value),
            Some(Broken::Unset(name)) => Err(Mistake::new(Kind::Unset(name.clone()))),
            Some(Broken::Syntax(why)) => Err(de::Error::custom(why)),
        }
    }

    /// A number or boolean that comes out of a variable can only be written as a string.
    fn parsed_variable<T: std::str::FromStr>(&self) -> Option<T> {
        match &self.0.value {
            Value::Text(text) if !text.variables.is_empty() && text.broken.is_none() => {
                text.value.parse().ok()
            }
            _ => None,
        }
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            match self.parsed_variable() {
                Some(number) => visitor.visit_i64(number),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.0.value {
            Value::Text(text) => visitor.visit_str(Self::usable(text)?),
            Value::Integer(Some(number)) => visitor.visit_i64(*number),
            Value::Integer(None) => Err(de::Error::custom("this number is too large")),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(boolean) => visitor.visit_bool(*boolean),
            Value::Date => Err(de::Error::invalid_type(Unexpected::Other("a date"), &visitor)),
            Value::Array(elements) => visitor.visit_seq(Elements(elements.iter().enumerate())),
            Value::Table(entries) => {
                visitor.visit_map(Entries { iter: entries.iter(), current: None })
            }
        }
    }

    integers! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.parsed_variable() {
            Some(boolean) => visitor.visit_bool(boolean),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.0.value {
            Value::Table(_) => Err(Mistake::new(Kind::OneTable)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match &self.0.value {
            Value::Text(Text { blank: Some(variable), .. }) if name == SETTING => {
                visitor.visit_str(variable)
            }
            Value::Text(text) if name == FREE && text.is_given() => {
                let texts = [Self::usable(text)?, &text.shown];
                visitor.visit_seq(SeqDeserializer::new(texts.into_iter()))
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match &self.0.value {
            Value::Text(text) => visitor.visit_enum(Choice(Self::usable(text)?)),
            _ => Err(Mistake::new(Kind::UnknownChoice { meant: None, known: variants })),
        }
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

struct Elements<'a>(std::iter::Enumerate<slice::Iter<'a, Node>>);

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Mistake> {
        match self.0.find(|(_, element)| !element.pruned) {
            Some((index, element)) => {
                seed.deserialize(Reader(element)).map(Some).map_err(|mistake| mistake.within(index))
            }
            None => Ok(None),
        }
    }
}

struct Entries<'a> {
    iter: slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mistake> {
        self.current = self.iter.find(|entry| !entry.node.pruned);
        match self.current {
            Some(entry) => {
                let key: StringDeserializer<Mistake> = entry.key.clone().into_deserializer();
                seed.deserialize(key)
                    .map(Some)
                    .map_err(|mistake| mistake.within(entry.key.as_str()))
            }
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        match self.current.take() {
            Some(entry) => seed
                .deserialize(Reader(&entry.node))
                .map_err(|mistake| mistake.within(entry.key.as_str())),
            None => Err(de::Error::custom("a value was asked for before its key")),
        }
    }
}

struct Choice<'a>(&'a str);

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = Mistake;
    type Variant = Unit;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Unit), Mistake> {
        let name: StrDeserializer<'_, Mistake> = self.0.into_deserializer();
        seed.deserialize(name).map(|value| (value, Unit))
    }
}

/// A choice without anything in it; the configuration has no others.
struct Unit;

impl<'de> de::VariantAccess<'de> for Unit {
    type Error = Mistake;

    fn unit_variant(self) -> Result<(), Mistake> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Mistake> {
        Err(de::Error::custom("expected a table"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Mistake> {
        Err(de::Error::custom("expected a table"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Mistake> {
        Err(de::Error::custom("expected a table"))
    }
}
