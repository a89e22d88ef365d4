//! What the validator refuses is explained, whatever it is, and what it accepts is not.

use super::*;
use proptest::prelude::*;
use serde_json::{Value as Serde, json};

fn value() -> impl Strategy<Value = Serde> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Serde::from),
        (-3..4_i64).prop_map(Serde::from),
        Just(json!(1.5)),
        "[ab]{0,3}".prop_map(Serde::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Serde::from),
            prop::collection::btree_map("[ab]{1,2}", inner, 0..4)
                .prop_map(|members| Serde::Object(members.into_iter().collect())),
        ]
    })
}

fn rules() -> impl Strategy<Value = Serde> {
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!(false)),
        prop::sample::select(vec!["string", "integer", "object", "array", "null"])
            .prop_map(|name| json!({ "type": name })),
        (0..3_u64).prop_map(|n| json!({ "minLength": n, "maxItems": n, "minimum": n })),
        value().prop_map(|value| json!({ "const": value })),
        Just(json!({ "required": ["a", "b"] })),
        Just(json!({ "uniqueItems": true, "pattern": "^a" })),
    ];
    leaf.prop_recursive(3, 24, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            inner.clone().prop_map(|rule| json!({ "items": rule })),
            inner.clone().prop_map(|rule| json!({ "not": rule })),
            inner.clone().prop_map(|rule| json!({ "contains": rule })),
            inner.clone().prop_map(|rule| json!({ "propertyNames": rule })),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| json!({ "properties": { "a": a }, "additionalProperties": b })),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| json!({ "prefixItems": [a], "unevaluatedItems": b })),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| json!({ "if": a, "then": b, "else": c })),
            inner
                .clone()
                .prop_map(|rule| json!({ "patternProperties": { "b": rule }, "required": ["a"] })),
            inner.prop_map(
                |rule| json!({ "dependentSchemas": { "a": rule }, "unevaluatedProperties": false })
            ),
            list.clone().prop_map(|rules| json!({ "allOf": rules })),
            list.clone().prop_map(|rules| json!({ "anyOf": rules })),
            list.prop_map(|rules| json!({ "oneOf": rules })),
        ]
    })
}

proptest! {
    #[test]
    fn a_verdict_and_its_reasons_agree(rules in rules(), value in value()) {
        let ours = schema(&rules.to_string());
        let document = document_of(&value.to_string());
        let plain = jsonschema::draft202012::is_valid(&rules, &value);
        prop_assert_eq!(ours.accepts(document.root()), plain);
        prop_assert_eq!(ours.violations(document.root(), 50).is_empty(), plain);
        prop_assert_eq!(ours.first_violation(document.root()), ours.violations(document.root(), 50).into_iter().next());
    }
}
