//! What may be missing.
use crate::config::reader::SETTING;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};
use std::{borrow::Cow, fmt, marker::PhantomData};

/// A value that the environment is to give, and may not have given.
#[derive(Clone, Debug)]
pub enum Setting<T> {
    /// It is there.
    Set(T),
    /// It needs an environment variable that is not set, or empty.
    Missing {
        /// The variable's name.
        variable: String,
    },
}

impl<T> Setting<T> {
    /// The value, if it is there.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Missing { .. } => None,
        }
    }

    /// The variable that is missing.
    pub fn missing(&self) -> Option<&str> {
        match self {
            Self::Set(_) => None,
            Self::Missing { variable } => Some(variable),
        }
    }
}

/// What is missing as the variable that it waits for.
impl<T: Serialize> Serialize for Setting<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(value) => value.serialize(serializer),
            Self::Missing { variable } => serializer.collect_str(&format_args!("${{{variable}}}")),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Setting<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SettingVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for SettingVisitor<T> {
            type Value = Setting<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Setting<T>, D::Error> {
                T::deserialize(deserializer).map(Setting::Set)
            }

            // Only `Reader` calls this, and only for a value that is missing.
            fn visit_str<E: de::Error>(self, variable: &str) -> Result<Setting<T>, E> {
                Ok(Setting::Missing { variable: variable.to_owned() })
            }
        }

        deserializer.deserialize_newtype_struct(SETTING, SettingVisitor(PhantomData))
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Setting<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<T>()
    }
}
