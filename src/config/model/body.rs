use crate::{
    config::values::{JsonPointer, JsonValue, Size, Timeout},
    edit::Edits,
    schema::Schema,
    validate,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    num::{NonZeroU8, NonZeroU32},
    sync::Arc,
};

/// How request bodies are read that have a `schema` or an `edit`. Other bodies pass as they come; of this only `violations`
/// is for them, where there are `parameters`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Body {
    /// The longest body, as it is sent. Memory for it is reserved as it arrives. Default: `1MiB`.
    pub max_bytes: Option<Size>,
    /// How long a body may take to arrive and to be decoded, from when it is first waited for. Default: `30s`.
    pub timeout: Option<Timeout>,
    /// What becomes of compressed bodies. Default: `refuse`.
    pub content_encoding: Option<ContentEncoding>,
    /// The longest body after decoding. Default: as much as `max_bytes`.
    pub max_decoded_bytes: Option<Size>,
    /// How many arrays and objects may be within each other, 127 at most. Default: `64`.
    #[schemars(range(max = 127))]
    pub max_depth: Option<NonZeroU8>,
    /// How many values a body may have, names of members included; each takes 16 bytes of memory. Default: `100000`.
    pub max_values: Option<NonZeroU32>,
    /// What becomes of a name that is there twice in one object. Default: `refuse`.
    pub duplicates: Option<Duplicates>,
    /// Which numbers are accepted. Default: `double`.
    pub numbers: Option<Numbers>,
    /// How many mistakes an answer names. Default: `first`.
    pub violations: Option<Violations>,
}

impl Body {
    /// What is said here, and for what is not, there.
    #[must_use]
    pub fn or(self, default: Self) -> Self {
        Self {
            max_bytes: self.max_bytes.or(default.max_bytes),
            timeout: self.timeout.or(default.timeout),
            content_encoding: self.content_encoding.or(default.content_encoding),
            max_decoded_bytes: self.max_decoded_bytes.or(default.max_decoded_bytes),
            max_depth: self.max_depth.or(default.max_depth),
            max_values: self.max_values.or(default.max_values),
            duplicates: self.duplicates.or(default.duplicates),
            numbers: self.numbers.or(default.numbers),
            violations: self.violations.or(default.violations),
        }
    }

    /// The longest body, in bytes.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes.map_or(validate::MAX_BYTES, Size::get)
    }

    /// What becomes of compressed bodies, and how long they may get.
    pub fn content_encoding(&self) -> validate::ContentEncoding {
        match self.content_encoding {
            Some(ContentEncoding::Decode) => validate::ContentEncoding::Decode {
                max_bytes: self.max_decoded_bytes.map_or(self.max_bytes(), Size::get),
            },
            Some(ContentEncoding::Refuse) | None => validate::ContentEncoding::Refuse,
        }
    }
}

/// What becomes of compressed bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ContentEncoding {
    /// They are refused: not every provider takes them.
    Refuse,
    /// gzip, br, zstd and deflate are decoded to be checked, but not one in the other. What goes on is what came, unless an
    /// `edit` changes it.
    Decode,
}

/// What becomes of a name that is there twice in one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// The body is refused: the provider may take the other one.
    Refuse,
    /// The last one is checked, and all of them go on.
    Last,
}

/// Which numbers are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Numbers {
    /// Those that a double can hold.
    Double,
    /// No whole numbers beyond 9007199254740991 either, which some parsers would round.
    Safe,
}

/// How many mistakes an answer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Violations {
    /// The first one.
    First,
    /// The first one, and up to 20 as `details`.
    All,
    /// All, where the query has the word `all`, which does not go on: `?all`.
    OnRequest,
}

/// One change to a body: `set` and `value`, `rename` and `to`, `remove`, or `map` and `values`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("oneOf" = serde_json::json!([
    { "required": ["set", "value"] }, { "required": ["rename", "to"] }, { "required": ["remove"] }, { "required": ["map", "values"] }
])))]
pub struct Edit {
    /// The member to set, whether it is there or not, as a JSON Pointer such as `/model`. Whatever is on the way to it and is no object is replaced by one.
    pub set: Option<JsonPointer>,
    /// The value for `set`.
    pub value: Option<JsonValue>,
    /// The member to give another name to, if it is there.
    pub rename: Option<JsonPointer>,
    /// The name for `rename`. A member that has it already is removed.
    pub to: Option<String>,
    /// The member to remove, if it is there.
    pub remove: Option<JsonPointer>,
    /// The member whose text is looked up in `values`. One that is not there, no text or not among them stays as it is.
    pub map: Option<JsonPointer>,
    /// For each text of the `map` member, which members are set beside it, or in its place.
    pub values: Option<BTreeMap<String, BTreeMap<String, JsonValue>>>,
}

/// What the files and tables of a route say of its requests, made ready.
#[derive(Clone, Default)]
pub struct Rules {
    /// The rules of the body.
    pub schema: Option<Arc<Schema>>,
    /// The rules of the parameters.
    pub parameters: Option<Arc<Schema>>,
    /// What is changed in the body.
    pub edits: Arc<Edits>,
}

/// Without what is in them: that may come out of the environment.
impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").finish_non_exhaustive()
    }
}
