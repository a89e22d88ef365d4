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
//!   catalog for [`Kind::Violation`](crate::Kind::Violation). [`Schema::check`] finds codes that the catalog does not have.
//! - **Words of your own**: `"x-message": "…"`, instead of ours, for the same values; `{field}` in it stands for the field,
//!   such as `urls[3]`.
//! - **Order**: which of several violations is told is decided by the order of `properties`; a required member that is
//!   missing counts at its own place there. Within one field the type goes first, then keyword by keyword as written.
//! - **Numbers of a range** are told together: `minimum` and `maximum` as "must be between 256 and 2048".
//! - **Only what is known**: `"additionalProperties": false` refuses other members, with a guess what was meant.
//! - **One of several forms** (`anyOf`, `oneOf`): if one alternative alone has the value's type, what is wrong with that one is told. Otherwise
//!   an `x-message` says it best.
//! - **Shared parts** stand under `$defs` and are used with `"$ref": "#/$defs/name"`.
//! - **`format` counts**, `pattern` is a regular expression without look-around and back-references, which takes linear time on any input.
//!
//! # What is refused
//!
//! A schema with a keyword or a format that nobody knows (it would be ignored, and a rule that is ignored is a hole),
//! another draft, a `$ref` to another document or to something that is not there, `$anchor` and `$dynamicRef`, and one
//! that refers to itself: [`InvalidSchema`] has every mistake with its line and a JSON Pointer.
//!
//! # What is told of a value
//!
//! Nothing: messages are made of the schema. Names of members that the schema does not know are repeated, up to 64
//! characters and without what would not be seen.

mod compile;
mod error;
mod explain;
mod keywords;
mod place;
mod rule;
#[cfg(test)]
mod tests;
mod wire;
mod words;

pub use self::error::{InvalidSchema, Mistake};
pub(crate) use self::{explain::printable, wire::Wire};

use self::{
    explain::{Explainer, Voice},
    rule::{Rule, RuleId},
};
use crate::{Catalog, fault::Violation, json::Value};
use std::{collections::HashMap, ops::ControlFlow, str::FromStr};

/// Rules for a value; see the [module](self).
#[derive(Debug)]
pub struct Schema {
    rules: Box<[Rule]>,
    root: RuleId,
    /// Where each code stands.
    codes: Box<[(Mistake, String)]>,
    wants_object: bool,
    /// How each member of an object is written where all is text.
    wires: HashMap<Box<str>, Wire>,
}

impl FromStr for Schema {
    type Err = InvalidSchema;

    fn from_str(text: &str) -> Result<Self, InvalidSchema> {
        compile::compile(text)
    }
}

impl Schema {
    /// Whether every code in it is one of this catalog's.
    ///
    /// # Errors
    ///
    /// With every code that is not.
    pub fn check(&self, catalog: &Catalog) -> Result<(), InvalidSchema> {
        let unknown = self.codes.iter().filter(|(_, code)| catalog.entry(code).is_none());
        let mistakes: Vec<_> = unknown
            .map(|(place, code)| {
                let message = match catalog.nearest(code) {
                    Some(near) => {
                        format!("the catalog has no code {code}; did you mean {}?", near.code())
                    }
                    None => format!("the catalog has no code {code}"),
                };
                Mistake { message, ..place.clone() }
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
        self.wires.get(name).copied().unwrap_or_default()
    }

    /// Whether it is about objects, as it is unless its `type` says otherwise.
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
