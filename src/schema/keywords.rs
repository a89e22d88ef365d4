//! What a schema may say: JSON Schema, draft 2020-12, and two words of ours.

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
/// What stands for the field in that.
pub(super) const FIELD: &str = "{field}";
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
        ("contentEncoding", Nothing),
        ("contentMediaType", Nothing),
        ("contentSchema", One),
        // Ours.
        (FAULT, Nothing),
        (MESSAGE, Nothing),
    ]
};

/// What a keyword holds; `None` for what is no keyword. Those of others (`x-…`) are nobody's concern here.
pub(super) fn holds(keyword: &str) -> Option<Holds> {
    KNOWN.iter().find(|(known, _)| *known == keyword).map(|(_, holds)| *holds)
}

/// The keyword that was probably meant.
pub(super) fn nearest(keyword: &str) -> Option<&'static str> {
    crate::suggest::closest(keyword, KNOWN.iter().map(|(known, _)| *known))
}

/// Keywords of the draft that would make a schema refer to itself, or to something elsewhere.
pub(super) fn is_refused(keyword: &str) -> bool {
    matches!(
        keyword,
        "$anchor" | "$dynamicRef" | "$dynamicAnchor" | "$recursiveRef" | "$vocabulary"
    )
}
