//! A [`Document`](super::Document) as the `jsonschema` crate sees it.

use super::{Items, Kind, Members, Number, Value, unique};
use jsonschema::{
    JsonType,
    json::{self, JsonNumber, Node, NodeIdentity},
};
use serde_json as serde;
use std::borrow::Cow;

/// The representation: values of a document.
#[derive(Debug)]
pub(crate) struct Json;

/// A value, or a name that is looked at like one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum View<'a> {
    Value(Value<'a>),
    Name(&'a str),
}

impl json::Json for Json {
    type Node<'a> = View<'a>;
    type PreparedKey = Box<str>;
    type StringBuffer = ();

    // A lookup passes every member before the one it finds.
    const KEYS_PER_LOOKUP: usize = 8;
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> Box<str> {
        key.into()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(View<'_>) -> T) -> T {
        f(View::Name(string))
    }
}

impl<'a> View<'a> {
    fn string(self) -> Option<&'a str> {
        match self {
            Self::Value(value) => value.as_str(),
            Self::Name(name) => Some(name),
        }
    }

    fn value(self) -> Option<Value<'a>> {
        match self {
            Self::Value(value) => Some(value),
            Self::Name(_) => None,
        }
    }
}

impl<'a> Node<'a, Json> for View<'a> {
    type Object = Object<'a>;
    type Array = Array<'a>;
    type Number = Number;

    fn as_object(&self) -> Option<Object<'a>> {
        self.value()?.members().map(Object)
    }

    fn as_array(&self) -> Option<Array<'a>> {
        self.value()?.items().map(Array)
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        self.string().map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<Number> {
        self.value()?.as_number()
    }

    fn as_boolean(&self) -> Option<bool> {
        self.value()?.as_bool()
    }

    fn is_null(&self) -> bool {
        self.json_type() == JsonType::Null
    }

    fn json_type(&self) -> JsonType {
        match self.value().map_or(Kind::String, Value::kind) {
            Kind::Null => JsonType::Null,
            Kind::Bool => JsonType::Boolean,
            Kind::Number => JsonType::Number,
            Kind::String => JsonType::String,
            Kind::Array => JsonType::Array,
            Kind::Object => JsonType::Object,
        }
    }

    fn string_length_within(&self, min: u64, max: u64) -> Option<bool> {
        let string = self.string()?;
        // A character takes one to four bytes.
        let bytes = string.len() as u64;
        let fewest = bytes.div_ceil(4);
        Some(if bytes < min || fewest > max {
            false
        } else if fewest >= min && bytes <= max {
            true
        } else {
            (min..=max).contains(&(string.chars().count() as u64))
        })
    }

    fn equals_value(&self, expected: &serde::Value) -> bool {
        match self {
            Self::Name(name) => expected.as_str() == Some(name),
            Self::Value(value) => equal(*value, expected),
        }
    }

    fn to_value(&self) -> Cow<'a, serde::Value> {
        Cow::Owned(match self {
            Self::Value(value) => value.to_serde(),
            Self::Name(name) => serde::Value::from(*name),
        })
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(match self {
            Self::Value(value) => {
                let document = std::ptr::from_ref(value.document()) as usize;
                // There are no more nodes than bytes in a text, which 32 bits count.
                NodeIdentity::tagged(document, u32::try_from(value.place()).unwrap_or(u32::MAX))
            }
            Self::Name(name) => NodeIdentity::new(name.as_ptr() as usize),
        })
    }
}

/// Equal as JSON Schema has it: numbers by what they are worth, members in any order.
fn equal(value: Value<'_>, expected: &serde::Value) -> bool {
    match expected {
        serde::Value::Null => value.kind() == Kind::Null,
        serde::Value::Bool(bool) => value.as_bool() == Some(*bool),
        serde::Value::Number(number) => {
            value.as_number().is_some_and(|found| json::cmp::equal_numbers(&found, number))
        }
        serde::Value::String(string) => value.as_str() == Some(string),
        serde::Value::Array(expected) => value.items().is_some_and(|items| {
            items.len() == expected.len() && items.zip(expected).all(|(a, b)| equal(a, b))
        }),
        serde::Value::Object(expected) => value.members().is_some_and(|mut members| {
            members.len() == expected.len()
                && members.all(|(name, a)| expected.get(name).is_some_and(|b| equal(a, b)))
        }),
    }
}

impl Value<'_> {
    /// A copy of its own.
    pub(crate) fn to_serde(self) -> serde::Value {
        match self.kind() {
            Kind::Null => serde::Value::Null,
            Kind::Bool => serde::Value::from(self.as_bool()),
            Kind::Number => self.as_number().map_or(serde::Value::Null, Number::to_serde),
            Kind::String => serde::Value::from(self.as_str()),
            Kind::Array => self.items().into_iter().flatten().map(Self::to_serde).collect(),
            Kind::Object => {
                let members = self.members().into_iter().flatten();
                members.map(|(name, value)| (name.to_owned(), value.to_serde())).collect()
            }
        }
    }
}

impl Number {
    fn to_serde(self) -> serde::Value {
        match self {
            Self::Unsigned(number) => number.into(),
            Self::Negative(number) => number.into(),
            Self::Double(number) => number.into(),
        }
    }
}

impl JsonNumber for Number {
    fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Unsigned(number) => Some(number),
            _ => None,
        }
    }

    fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Unsigned(number) => number.try_into().ok(),
            Self::Negative(number) => Some(number),
            Self::Double(_) => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
    fn as_f64(&self) -> Option<f64> {
        Some(match *self {
            Self::Unsigned(number) => number as f64,
            Self::Negative(number) => number as f64,
            Self::Double(number) => number,
        })
    }

    fn as_str(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_serde().to_string())
    }

    fn to_number(&self) -> Cow<'_, serde::Number> {
        Cow::Owned(match *self {
            Self::Unsigned(number) => number.into(),
            Self::Negative(number) => number.into(),
            // The parser lets no other than finite ones through.
            Self::Double(number) => serde::Number::from_f64(number).unwrap_or_else(|| 0.into()),
        })
    }

    fn is_integer(&self) -> bool {
        match *self {
            Self::Unsigned(_) | Self::Negative(_) => true,
            Self::Double(number) => number.fract() == 0.0,
        }
    }
}

/// An object and its members.
#[derive(Clone, Debug)]
pub(crate) struct Object<'a>(Members<'a>);

impl<'a> json::Object<'a, Json> for Object<'a> {
    type Node = View<'a>;
    type MemberName = &'a str;
    type MembersIter = Views<Members<'a>>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, key: &Box<str>) -> Option<View<'a>> {
        let found = self.0.clone().find(|(name, _)| **name == **key);
        found.map(|(_, value)| View::Value(value))
    }

    fn members(&self) -> Self::MembersIter {
        Views(self.0.clone())
    }
}

/// An array and its items.
#[derive(Clone, Debug)]
pub(crate) struct Array<'a>(Items<'a>);

impl<'a> json::Array<'a, Json> for Array<'a> {
    type Node = View<'a>;
    type ElementsIter = Views<Items<'a>>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn elements(&self) -> Self::ElementsIter {
        Views(self.0.clone())
    }

    fn is_unique(&self) -> bool {
        unique::is_unique(self.0.clone())
    }
}

/// What is in a container, seen one by one.
#[derive(Clone, Debug)]
pub(crate) struct Views<I>(I);

impl<'a> Iterator for Views<Items<'a>> {
    type Item = View<'a>;

    fn next(&mut self) -> Option<View<'a>> {
        self.0.next().map(View::Value)
    }
}

impl<'a> Iterator for Views<Members<'a>> {
    type Item = (&'a str, View<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (name, View::Value(value)))
    }
}

impl<'a> From<Value<'a>> for View<'a> {
    fn from(value: Value<'a>) -> Self {
        Self::Value(value)
    }
}
