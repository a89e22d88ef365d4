//! Values for a JSON document.
use super::free::two_texts;
use crate::config::reader::FREE;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Serialize, Serializer,
    de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use std::{borrow::Cow, fmt};

/// A value that JSON can write: TOML has numbers besides that are none, and would become `null` on the way.
#[derive(Clone, PartialEq)]
pub struct JsonValue {
    value: Value,
    /// The same as it may be shown: without what the environment has put into its texts.
    shown: Value,
}

impl JsonValue {
    /// The value.
    pub fn get(&self) -> &Value {
        &self.value
    }
}

impl fmt::Debug for JsonValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JsonValue").field(&self.shown).finish()
    }
}

impl Serialize for JsonValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.shown.serialize(serializer)
    }
}

impl From<Value> for JsonValue {
    fn from(value: Value) -> Self {
        Self { shown: value.clone(), value }
    }
}

impl<'de> Deserialize<'de> for JsonValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(FREE, FreeVisitor)
    }
}

impl JsonSchema for JsonValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Value::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Value::json_schema(generator)
    }
}

/// Tells a text with something of the environment in it from everything else.
struct FreeVisitor;

impl<'de> Visitor<'de> for FreeVisitor {
    type Value = JsonValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ValueVisitor.expecting(f)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<JsonValue, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, texts: A) -> Result<JsonValue, A::Error> {
        let (value, shown) = two_texts(texts)?;
        Ok(JsonValue { value: value.into(), shown: shown.into() })
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = JsonValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, true or false, an array or a table")
    }

    fn visit_bool<E>(self, bool: bool) -> Result<JsonValue, E> {
        Ok(Value::from(bool).into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<JsonValue, E> {
        Ok(Value::from(number).into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<JsonValue, E> {
        Ok(Value::from(number).into())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<JsonValue, E> {
        let number = serde_json::Number::from_f64(number);
        let number = number.ok_or_else(|| E::custom("JSON has no NaN and no infinity"))?;
        Ok(Value::Number(number).into())
    }

    fn visit_str<E>(self, string: &str) -> Result<JsonValue, E> {
        Ok(Value::from(string).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<JsonValue, A::Error> {
        let (mut items, mut shown_items) = (Vec::new(), Vec::new());
        while let Some(JsonValue { value, shown }) = access.next_element()? {
            items.push(value);
            shown_items.push(shown);
        }
        Ok(JsonValue { value: items.into(), shown: shown_items.into() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<JsonValue, A::Error> {
        let (mut members, mut shown_members) = (Map::new(), Map::new());
        while let Some((name, JsonValue { value, shown })) = access.next_entry::<String, _>()? {
            members.insert(name.clone(), value);
            shown_members.insert(name, shown);
        }
        Ok(JsonValue { value: members.into(), shown: shown_members.into() })
    }
}
