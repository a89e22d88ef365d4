use serde::{Deserialize, Deserializer, de::Error as _};
use std::{collections::BTreeMap, fmt};

/// A profile as it is written down: a preset's file, or a `[profile.NAME]` table of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The profile whose rules come after these, and whose places count where these say none. Default: none.
    pub extends: Option<String>,
    /// Where the provider's own words for people are: JSON Pointers, of which the first with a text counts. They reach
    /// a caller with `invalid_request`, `not_found` and the two kinds of moderation only, and scrubbed. Default: none.
    pub message: Option<Vec<String>>,
    /// Where the provider's id of the request is, for the log: `header:NAME` or a JSON Pointer.
    pub request_id: Option<Vec<String>>,
    /// Where a wait is, besides the header fields that are always read: JSON Pointers to a number of seconds or a
    /// duration such as `"3.5s"`.
    pub retry_after: Option<Vec<String>>,
    /// The header field in which this provider takes an idempotency key. Default: none.
    pub idempotency_header: Option<String>,
    /// Words that never reach a caller, such as the provider's name. Default: none.
    pub redact: Vec<String>,
    /// Names of rules of the profile that this one extends which are left out. Default: none.
    pub without: Vec<String>,
    /// How this provider says how far the work is, in events of a stream and in the results of tasks. Default: not at all; a stream is
    /// done when it ends.
    pub work: Option<WorkSettings>,
    /// The rules. The first that matches decides.
    pub rule: Vec<RuleSettings>,
}

/// Where the state of the work stands. Work that has any other state is not done yet.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WorkSettings {
    /// A JSON Pointer, or several, of which the first with a word there counts; `*` as in rules.
    pub at: OneOrMany<String>,
    /// What stands there when it is done. Compared as in rules.
    pub succeeded: OneOrMany<Scalar>,
    /// What stands there when it came to nothing. Compared as in rules.
    pub failed: OneOrMany<Scalar>,
}

/// One `[[rule]]`: conditions, all of which must hold, and what they mean.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RuleSettings {
    /// What it is called where it is shown.
    pub name: String,
    /// The status: `402`, `"4xx"`, `"500-599"`, or a list of these.
    pub status: OneOrMany<StatusSettings>,
    /// Header fields, each with the values that it may have, or `true` where it only must be there.
    pub header: BTreeMap<String, HeaderSettings>,
    /// Media types, such as `text/html` or `image/*`.
    pub content_type: OneOrMany<String>,
    /// Names of server-sent events. A rule with any is for events alone.
    pub event: OneOrMany<String>,
    /// Whether it is for whole bodies or for the events of a stream alone. Default: both.
    pub scope: Option<Scope>,
    /// Whether the body is JSON.
    pub json: Option<bool>,
    /// What the JSON must say.
    pub body: Vec<BodySettings>,
    /// A regular expression that is found in the text of a body that is not JSON. The last resort: a text may quote
    /// the caller.
    pub text: Option<String>,
    /// What it means: a fault, or `ok`, which nothing with a status of 400 and above can be.
    pub fault: Option<String>,
    /// Instead of `fault`: where a status stands that says it.
    pub status_at: Option<String>,
    /// Whether the provider has taken the work on, and this is how it ended: such as the state of a task. To ask about it again says the same,
    /// and to send it again may be paid for twice. Default: `false`, it has refused.
    pub ended: bool,
    /// Instead of the profile's: where the provider's words are. Empty: none may pass.
    pub message: Option<Vec<String>>,
}

/// What a place in the JSON must hold: `at`, and at least one of the others.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BodySettings {
    /// A JSON Pointer, or several; `*` stands for any item of an array or member of an object. A condition holds when it
    /// holds for any of the places; one that asks for nothing, when it holds for all.
    pub at: OneOrMany<String>,
    /// It equals one of these. Strings are compared without regard to ASCII case, a number also equals its digits.
    pub is: OneOrMany<Scalar>,
    /// It is there, and equals none of these.
    pub not: OneOrMany<Scalar>,
    /// The whole of the string matches this regular expression, without regard to case.
    pub matches: Option<String>,
    /// Whether there is something other than `null`.
    pub exists: Option<bool>,
    /// Whether it is missing, `null`, `false`, blank, `[]` or `{}`.
    pub empty: Option<bool>,
    /// Whether it is a status of failure: 400 to 599, as a number or as digits.
    pub status: Option<bool>,
}

/// Which answers a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// Whole bodies.
    Body,
    /// Events of a stream.
    Event,
}

/// A status, or several.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(untagged)]
#[non_exhaustive]
pub enum StatusSettings {
    /// One.
    One(u16),
    /// `"4xx"` or `"500-599"`.
    Many(String),
}

/// What a header field must be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(untagged)]
#[non_exhaustive]
pub enum HeaderSettings {
    /// `true`: there.
    There(bool),
    /// One of these, without regard to ASCII case.
    Is(OneOrMany<String>),
}

/// A value to compare with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(untagged)]
#[non_exhaustive]
pub enum Scalar {
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A string.
    Text(String),
}

/// One, or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either<T> {
            Many(Vec<T>),
            One(T),
        }
        match Either::deserialize(deserializer) {
            Ok(Either::Many(many)) if many.is_empty() => Err(D::Error::custom("the list is empty")),
            Ok(Either::Many(many)) => Ok(Self(many)),
            Ok(Either::One(one)) => Ok(Self(vec![one])),
            Err(error) => Err(error),
        }
    }
}

/// One by itself; none, which cannot be written, as nothing.
#[cfg(feature = "standalone")]
impl<T: serde::Serialize> serde::Serialize for OneOrMany<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [] => serializer.serialize_none(),
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }
}

#[cfg(feature = "standalone")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
    }
}

/// One mistake in a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// Keys from the profile's table to the mistake, such as `["rule", "2", "fault"]`.
    pub path: Vec<String>,
    /// What is wrong and what to do.
    pub message: String,
}

/// Why a profile is refused: every mistake in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidProfile {
    /// At least one.
    pub mistakes: Vec<Mistake>,
}

impl InvalidProfile {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { mistakes: vec![Mistake { path: Vec::new(), message: message.into() }] }
    }
}

impl fmt::Display for InvalidProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the profile is invalid: ")?;
        for (i, Mistake { path, message }) in self.mistakes.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            let colon = if path.is_empty() { "" } else { ": " };
            write!(f, "{separator}{}{colon}{message}", path.join("."))?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidProfile {}
