//! Where a JSON Schema is.
use super::{Invalid, text_value};
use std::{path::PathBuf, str::FromStr};

/// A JSON Schema: the file that holds it, or the schema itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SchemaSource {
    /// A file.
    File(PathBuf),
    /// What begins with a brace is the schema.
    Text(String),
}

impl FromStr for SchemaSource {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Ok(match text.trim_start() {
            "" => return Err("expected the name of a file, or a JSON Schema".into()),
            schema if schema.starts_with('{') => Self::Text(text.to_owned()),
            _ => Self::File(text.into()),
        })
    }
}

text_value!(SchemaSource, "SchemaSource", "the name of a file, or a JSON Schema", {
    "type": "string", "minLength": 1, "examples": ["schemas/generate.json", "{ \"required\": [\"prompt\"] }"]
});
