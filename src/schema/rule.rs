use super::meaning::Meaning;
use crate::{
    catalog::Message,
    fault::Text,
    json::{Json, Value, View},
};
use jsonschema::Validator;

/// One schema within a schema, taken apart: what it says, in the order in which it is asked.
#[derive(Debug)]
pub(super) struct Rule {
    /// All that it says.
    pub(super) whole: Validator<Json>,
    pub(super) says: Says,
    /// Of which types its own keywords speak.
    pub(super) own: Meaning,
    pub(super) steps: Box<[Step]>,
    pub(super) rest: Rest,
}

/// `unevaluatedProperties` and `unevaluatedItems`: for what no other rule speaks of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    pub(super) members: Option<RuleId>,
    pub(super) items: Option<RuleId>,
}

/// How the writer of the schema wants it said that a value breaks it.
#[derive(Clone, Debug, Default)]
pub(super) struct Says {
    pub(super) code: Option<Text>,
    pub(super) message: Option<Message>,
}

/// A rule's place among all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RuleId(pub(super) usize);

/// A part of a schema that can fail by itself.
#[derive(Debug)]
pub(super) enum Step {
    /// About the value itself.
    Assert { is_type: bool, validator: Validator<Json>, words: Box<str> },
    /// Nothing is right.
    Forbidden,
    /// `properties` and `required`.
    Members(Box<[Listed]>),
    /// `patternProperties`
    Matching(Box<[(Validator<Json>, RuleId)]>),
    /// `additionalProperties`
    Others { listed: Box<[Box<str>]>, matching: Box<[Validator<Json>]>, rule: RuleId },
    /// `propertyNames`
    Names(RuleId),
    /// `dependentRequired`
    Beside(Box<[(Box<str>, Listed)]>),
    /// `dependentSchemas`
    BesideRule(Box<[(Box<str>, RuleId)]>),
    /// `prefixItems`
    First(Box<[RuleId]>),
    /// `items`, from this index on.
    Items { from: usize, rule: RuleId },
    /// `contains`, at least and at most so often.
    Contains { rule: RuleId, least: u64, most: Option<u64> },
    /// `$ref`, `allOf`
    All(Box<[RuleId]>),
    /// `anyOf`
    Any { rules: Box<[RuleId]>, words: Box<str> },
    /// `oneOf`
    One { rules: Box<[RuleId]>, words: Box<str> },
    /// `not`
    Not(RuleId),
    /// `if`
    If { condition: RuleId, then: Option<RuleId>, otherwise: Option<RuleId> },
}

/// A member that a schema speaks of.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: Box<str>,
    pub(super) rule: Option<RuleId>,
    pub(super) required: bool,
}

impl Rule {
    pub(super) fn accepts(&self, value: Value<'_>) -> bool {
        self.whole.is_valid(View::Value(value))
    }

    /// Whether a value is of the type that is asked for, if one is.
    pub(super) fn accepts_type(&self, value: Value<'_>) -> bool {
        self.steps.iter().all(|step| match step {
            Step::Assert { is_type: true, validator, .. } => validator.is_valid(View::Value(value)),
            _ => true,
        })
    }
}
