//! What a schema may say: JSON Schema, draft 2020-12, and two words of ours.

use crate::json::Kind;

/// How the value of a keyword is made of schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Not at all.
    Nothing,
    /// It is one.
    One,
    /// It is an array of them.
    List,
    /// It is an object of them.
    Map,
}

/// The code of the catalog for whatever is wrong with this value.
pub(super) const FAULT: &str = "x-fault";
/// What is said instead of our own words.
pub(super) const MESSAGE: &str = "x-message";
/// The only draft.
pub(super) const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

const KNOWN: &[(&str, Holds)] = {
    use Holds::{List, Map, Nothing, One};
    &[
        // Core.
        ("$schema", Nothing),
        ("$id", Nothing),
        ("$ref", Nothing),
        ("$defs", Map),
        ("definitions", Map),
        ("$comment", Nothing),
        // Applicators.
        ("prefixItems", List),
        ("items", One),
        ("contains", One),
        ("additionalProperties", One),
        ("properties", Map),
        ("patternProperties", Map),
        ("dependentSchemas", Map),
        ("propertyNames", One),
        ("if", One),
        ("then", One),
        ("else", One),
        ("allOf", List),
        ("anyOf", List),
        ("oneOf", List),
        ("not", One),
        ("unevaluatedItems", One),
        ("unevaluatedProperties", One),
        // Assertions.
        ("type", Nothing),
        ("const", Nothing),
        ("enum", Nothing),
        ("multipleOf", Nothing),
        ("maximum", Nothing),
        ("exclusiveMaximum", Nothing),
        ("minimum", Nothing),
        ("exclusiveMinimum", Nothing),
        ("maxLength", Nothing),
        ("minLength", Nothing),
        ("pattern", Nothing),
        ("maxItems", Nothing),
        ("minItems", Nothing),
        ("uniqueItems", Nothing),
        ("maxContains", Nothing),
        ("minContains", Nothing),
        ("maxProperties", Nothing),
        ("minProperties", Nothing),
        ("required", Nothing),
        ("dependentRequired", Nothing),
        ("format", Nothing),
        // Annotations.
        ("title", Nothing),
        ("description", Nothing),
        ("default", Nothing),
        ("deprecated", Nothing),
        ("readOnly", Nothing),
        ("writeOnly", Nothing),
        ("examples", Nothing),
        // Ours.
        (FAULT, Nothing),
        (MESSAGE, Nothing),
    ]
};

/// What a keyword holds; `None` for what is no keyword. Those of others (`x-…`) are nobody's concern here.
pub(super) fn holds(keyword: &str) -> Option<Holds> {
    KNOWN.iter().find(|(known, _)| *known == keyword).map(|(_, holds)| *holds)
}

/// The keyword that was probably meant. Names that begin with `x-` are their writer's own, unless one of ours was mistyped.
pub(super) fn nearest(keyword: &str) -> Option<&'static str> {
    if keyword.starts_with("x-") {
        // More than one letter, or two that changed places, and it is another word: `x-default`.
        let is_near = |ours: &&str| strsim::damerau_levenshtein(keyword, ours) == 1;
        return [FAULT, MESSAGE].into_iter().find(is_near);
    }
    crate::suggest::closest(keyword, KNOWN.iter().map(|(known, _)| *known))
}

/// Why a keyword of the draft is not accepted, if it is not.
pub(super) fn refused(keyword: &str) -> Option<&'static str> {
    Some(match keyword {
        // They would make a schema refer to itself, or to something elsewhere.
        "$anchor" | "$dynamicRef" | "$dynamicAnchor" | "$recursiveRef" | "$vocabulary" => {
            "is not supported; use `$ref` and `$defs`"
        }
        "contentEncoding" | "contentMediaType" | "contentSchema" => {
            "would check nothing: what a string encodes is not looked at; say it in `description`, or check its form with `pattern`"
        }
        _ => return None,
    })
}

/// The type of values that a keyword has something to say of; it lets all others be.
pub(super) fn speaks_of(keyword: &str) -> Option<Kind> {
    Some(match keyword {
        "multipleOf" | "maximum" | "exclusiveMaximum" | "minimum" | "exclusiveMinimum" => {
            Kind::Number
        }
        "maxLength" | "minLength" | "pattern" | "format" => Kind::String,
        "prefixItems" | "items" | "contains" | "unevaluatedItems" | "maxItems" | "minItems"
        | "uniqueItems" | "maxContains" | "minContains" => Kind::Array,
        "additionalProperties"
        | "properties"
        | "patternProperties"
        | "dependentSchemas"
        | "propertyNames"
        | "unevaluatedProperties"
        | "maxProperties"
        | "minProperties"
        | "required"
        | "dependentRequired" => Kind::Object,
        _ => return None,
    })
}
