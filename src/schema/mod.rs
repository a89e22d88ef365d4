//! Rules for values, as JSON Schema (draft 2020-12), with the catalog's codes in them.
//!
//! A [`Schema`] says yes or no by the `jsonschema` crate, and says what is wrong by itself: one field, the first in the
//! schema's own order, in words for a person, with the code that the schema gives to the field.
//!
//! ```
//! use tollgate::{json::{Document, Syntax}, schema::Schema};
//!
//! let schema: Schema = r#"{
//!     "type": "object",
//!     "required": ["model", "prompt"],
//!     "properties": {
//!         "model": { "enum": ["small", "large"], "x-fault": "invalid_model" },
//!         "prompt": { "type": "string", "minLength": 1, "maxLength": 2000 },
//!         "width": { "type": "integer", "minimum": 256, "maximum": 2048 }
//!     }
//! }"#.parse()?;
//!
//! let body = Document::parse(r#"{"model": "huge", "width": 99}"#, &Syntax::default())?;
//! let violation = schema.first_violation(body.root()).unwrap();
//! assert_eq!(violation.detail, "model must be one of: small, large");
//! assert_eq!(violation.code.as_deref(), Some("invalid_model"));
//!
//! let all = schema.violations(body.root(), 10);
//! assert_eq!(all[1].detail, "prompt is required");
//! assert_eq!(all[2].detail, "width must be between 256 and 2048");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How to write one
//!
//! - **A code for a field**: `"x-fault": "CODE"` beside its rules. It holds for all that is wrong with the field and with
//!   what is in it, unless something further in has a code of its own. Without any, a violation has the code of the
//!   catalog for [`Kind::Violation`]. [`Schema::check`] finds codes that the catalog does not have,
//!   and those of a status or with a message that is not for violations.
//! - **Words of your own**: `"x-message": "…"`, instead of ours, for the same values; `{field}` in it stands for the field,
//!   such as `urls[3]`, and for nothing else can braces; `{{` and `}}` are literal ones.
//! - **Order**: which of several violations is told is decided by the order of `properties`; a required member that is
//!   missing counts at its own place there. Within one field the type goes first, then keyword by keyword as written.
//! - **Numbers of a range** are told together: `minimum` and `maximum` as "must be between 256 and 2048".
//! - **Only what is known**: `"additionalProperties": false` refuses other members, with a guess what was meant.
//! - **One of several forms** (`anyOf`, `oneOf`): if one alternative alone has the value's type, what is wrong with that one is told. Otherwise
//!   an `x-message` says it best.
//! - **Shared parts** stand under `$defs` and are used with `"$ref": "#/$defs/name"`.
//! - **`format` counts**: `date`, `date-time`, `duration`, `email`, `hostname`, `ipv4`, `ipv6`, `iri`, `iri-reference`,
//!   `json-pointer`, `relative-json-pointer`, `time`, `uri`, `uri-reference`, `uri-template` and `uuid`.
//! - **`pattern`** is a regular expression without look-around and back-references, which takes linear time on any input.
//!
//! # What is refused
//!
//! A schema with a keyword or a format that nobody knows (it would be ignored, and a rule that is ignored is a hole),
//! those that check nothing (`contentEncoding`, `contentMediaType`, `contentSchema`), the format `regex` (a caller's text
//! would be compiled), another draft, a `$ref` to another document or to something that is not there, `$anchor` and `$dynamicRef`, and one
//! that refers to itself: [`InvalidSchema`] has every mistake with its line and a JSON Pointer.
//!
//! # What is told of a value
//!
//! Nothing: messages are made of the schema. Names of members that the schema does not know are repeated, up to 64
//! characters in all names on the way to a field together, and with U+FFFD for what would not be seen.
//!
//! # Where all is text
//!
//! A parameter of a path or a query is read as the type that its rules speak of: a text that is written as a number is
//! one if they accept numbers or, without `type`, `enum` and `const`, have a rule for numbers such as `minimum`; the same
//! holds for `true` and `false`. That is found through `$ref`, `allOf`, `anyOf`, `oneOf` and `if`, and for parameters that
//! `patternProperties` or `additionalProperties` is about. A parameter comes several times if its rules speak of an array,
//! or if there are none.

mod compile;
mod error;
mod explain;
mod field;
mod keywords;
mod lint;
mod meaning;
#[cfg(feature = "standalone")]
mod offered;
mod place;
mod rule;
#[cfg(test)]
mod tests;
mod wire;
mod words;

pub use self::error::{InvalidSchema, Mistake};
pub(crate) use self::{field::printable, wire::Wire};

use self::{
    explain::{Explainer, Voice},
    rule::{Rule, RuleId},
};
use crate::{
    Catalog,
    fault::{Kind, Violation},
    json::Value,
};
use std::{ops::ControlFlow, str::FromStr};

/// Rules for a value; see the [module](self).
#[derive(Debug)]
pub struct Schema {
    rules: Box<[Rule]>,
    root: RuleId,
    /// Where each code stands.
    codes: Box<[(Mistake, String)]>,
    /// Texts that it lists.
    #[cfg(feature = "standalone")]
    texts: Box<[Box<str>]>,
    wants_object: bool,
}

impl FromStr for Schema {
    type Err = InvalidSchema;

    fn from_str(text: &str) -> Result<Self, InvalidSchema> {
        compile::compile(text)
    }
}

impl Schema {
    /// Whether every code in it is one of this catalog's that a violation can have: its status is a 4xx, and its message
    /// names no detail but `{detail}` and `{field}`.
    ///
    /// # Errors
    ///
    /// With every code that is not.
    pub fn check(&self, catalog: &Catalog) -> Result<(), InvalidSchema> {
        let mistakes: Vec<_> = self
            .codes
            .iter()
            .filter_map(|(place, code)| {
                let message = misfit(catalog, code)?;
                Some(Mistake { message, ..place.clone() })
            })
            .collect();
        if mistakes.is_empty() { Ok(()) } else { Err(InvalidSchema { mistakes }) }
    }

    /// Whether the value keeps all rules.
    pub fn accepts(&self, value: Value<'_>) -> bool {
        self.rules[self.root.0].accepts(value)
    }

    /// How the member of this name is written where all is text, as in a query.
    pub(crate) fn wire(&self, name: &str) -> Wire {
        Wire::of_member(&self.rules, self.root, name)
    }

    /// Whether it is about objects alone, as it is unless it speaks of other types: JSON Schema lets `properties` say nothing of
    /// an array.
    pub fn wants_object(&self) -> bool {
        self.wants_object
    }

    /// What is wrong with the value, if anything is: the first violation in the schema's own order.
    pub fn first_violation(&self, value: Value<'_>) -> Option<Violation> {
        self.violations(value, 1).pop()
    }

    /// What is wrong with the value, in the schema's own order, and no more than this number.
    pub fn violations(&self, value: Value<'_>, most: usize) -> Vec<Violation> {
        self.violations_of("the body", value, most)
    }

    /// The same for a value that is called so.
    pub(crate) fn violations_of(
        &self,
        whole: &'static str,
        value: Value<'_>,
        most: usize,
    ) -> Vec<Violation> {
        let mut violations = Vec::new();
        if most > 0 && !self.accepts(value) {
            let mut report = |violation| {
                violations.push(violation);
                if violations.len() < most {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            };
            let (rules, report) = (&*self.rules, &mut report);
            let mut explainer = Explainer { rules, whole, path: Vec::new(), report, found: 0 };
            let _ = explainer.explain(self.root, value, Voice::default());
        }
        violations
    }
}

/// Why a violation cannot have this code of the catalog, if it cannot.
fn misfit(catalog: &Catalog, code: &str) -> Option<String> {
    let Some(entry) = catalog.entry(code) else {
        let near = catalog.nearest(code).map(|near| format!("; did you mean {}?", near.code()));
        return Some(format!("the catalog has no code {code}{}", near.unwrap_or_default()));
    };
    if !entry.status().is_client_error() {
        let status = entry.status().as_u16();
        let why = "a violation is the caller's mistake, and its status a 4xx";
        return Some(format!("{code} has the status {status}: {why}"));
    }
    let known = Kind::Violation.params();
    let missing = entry.params().find(|param| !known.contains(param))?.as_str();
    let why = "and a violation has {detail} and {field} alone";
    Some(format!("the message of {code} needs {{{missing}}}, {why}"))
}
