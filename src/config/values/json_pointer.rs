//! Places in a JSON document.
use super::{Invalid, shown_as, text_value};
use crate::json::Pointer;
use std::str::FromStr;

/// A member of a JSON object, as a JSON Pointer (RFC 6901): `/model`, `/options/size`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPointer(Pointer);

impl JsonPointer {
    /// The pointer.
    pub fn get(&self) -> &Pointer {
        &self.0
    }
}

impl FromStr for JsonPointer {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse()
            .map(Self)
            .map_err(|error: crate::json::InvalidPointer| error.to_string().into())
    }
}

shown_as!(JsonPointer, |pointer| pointer.0);
text_value!(JsonPointer, "JsonPointer", "a JSON Pointer, such as \"/model\"", {
    "type": "string", "pattern": "^(/([^~/]|~[01])*)+$", "examples": ["/model", "/options/size"]
});
