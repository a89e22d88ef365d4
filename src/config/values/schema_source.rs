//! Where a JSON Schema is.
use super::{
    Invalid,
    free::{Free, free},
    text_schema,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, path::PathBuf, str::FromStr};

/// A JSON Schema: the file that holds it, or the schema itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum SchemaSource {
    /// A file.
    File(PathBuf),
    /// What begins with a brace is the schema.
    Text {
        /// All of it.
        schema: String,
        /// The same without what the environment has put in.
        shown: String,
    },
}

impl FromStr for SchemaSource {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Ok(match text.trim_start() {
            "" => return Err("expected the name of a file, or a JSON Schema".into()),
            schema if schema.starts_with('{') => {
                Self::Text { schema: text.to_owned(), shown: text.to_owned() }
            }
            _ => Self::File(text.into()),
        })
    }
}

impl Free for SchemaSource {
    const EXPECTED: &'static str = "the name of a file, or a JSON Schema";

    fn to_be_shown_as(self, text: &str) -> Self {
        match self {
            Self::File(_) => self,
            Self::Text { schema, .. } => Self::Text { schema, shown: text.to_owned() },
        }
    }
}

impl<'de> Deserialize<'de> for SchemaSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        free(deserializer)
    }
}

impl Serialize for SchemaSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::File(file) => serializer.collect_str(&file.display()),
            Self::Text { shown, .. } => serializer.serialize_str(shown),
        }
    }
}

impl fmt::Debug for SchemaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Text { shown, .. } => f.debug_tuple("Text").field(shown).finish(),
        }
    }
}

text_schema!(SchemaSource, "SchemaSource", {
    "type": "string", "minLength": 1, "examples": ["schemas/generate.json", "{ \"required\": [\"prompt\"] }"]
});
