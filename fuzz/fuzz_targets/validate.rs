//! A body through everything: syntax, schema, edits. The first byte chooses how strict.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use std::sync::LazyLock;
use tollgate::{
    edit::Edits,
    json::{Document, Kind, Syntax},
    schema::Schema,
};

static SCHEMAS: LazyLock<[Schema; 3]> = LazyLock::new(|| {
    [
        include_str!("../../examples/schemas/apistor/generate.json"),
        include_str!("../../examples/schemas/eggapi/generate.json"),
        // Every sort of step.
        r##"{
            "$defs": { "n": { "type": ["integer", "null"], "multipleOf": 3, "exclusiveMaximum": 9 } },
            "properties": {
                "a": { "anyOf": [{ "$ref": "#/$defs/n" }, { "type": "array", "uniqueItems": true, "contains": { "const": 1 } }] },
                "b": { "oneOf": [{ "minLength": 2 }, { "maxLength": 3, "format": "uri" }], "not": { "const": "x" } },
                "c": { "prefixItems": [{ "type": "string" }], "items": { "enum": [1, 2.0, [true], { "k": null }] } },
                "d": { "if": { "required": ["x"] }, "then": { "minProperties": 2 }, "else": { "propertyNames": { "pattern": "^[a-z]" } } }
            },
            "patternProperties": { "^x-": { "$ref": "#/$defs/n" } },
            "dependentRequired": { "a": ["b"] },
            "dependentSchemas": { "c": { "required": ["d"] } },
            "additionalProperties": false
        }"##,
    ]
    .map(|text| text.parse().unwrap())
});

static EDITS: LazyLock<Edits> = LazyLock::new(|| {
    let at = |pointer: &str| pointer.parse().unwrap();
    let table = [(
        "nanobanano-2".to_owned(),
        vec![("model".to_owned(), "x".into()), ("size".to_owned(), 1.into())],
    )];
    Edits::new()
        .map(at("/model"), table)
        .and_then(|edits| edits.rename(at("/prompt"), "text"))
        .and_then(|edits| edits.remove(at("/a")))
        .and_then(|edits| edits.set(at("/d/x"), true.into()))
        .unwrap()
});

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((first, text)) = data.split_first() else { return Corpus::Reject };
    let syntax =
        Syntax::default().max_depth(usize::from(first >> 4) * 8 + 1).max_values(1 << (first & 15));
    let Ok(document) = Document::parse(text.to_vec(), &syntax) else { return Corpus::Keep };
    for schema in &*SCHEMAS {
        let violations = schema.violations(document.root(), 20);
        // A verdict has reasons, and a good document has none.
        assert_eq!(schema.accepts(document.root()), violations.is_empty());
        assert_eq!(schema.first_violation(document.root()).as_ref(), violations.first());
        for violation in violations {
            assert!(violation.field.len() < 700 && violation.detail.len() < 1100, "{violation:?}");
        }
    }
    if document.root().kind() != Kind::Object {
        return Corpus::Keep;
    }
    let pieces =
        EDITS.apply(&text.to_vec().into()).expect("an object without names that are there twice");
    let edited =
        Document::parse(pieces.concat(), &Syntax::default().max_depth(127).max_values(usize::MAX))
            .expect("edits leave JSON");
    assert!(edited.root().get("a").is_none() && edited.root().get("prompt").is_none());
    // Whatever was in its place.
    let set = edited.at(&"/d/x".parse().unwrap()).and_then(|value| value.as_bool());
    assert_eq!(set, Some(true));
    // A second time there is nothing left to do, but for what the first has set.
    let again = EDITS.apply(&edited.text().to_owned().into()).expect("still an object");
    assert_eq!(again.concat(), edited.text().as_bytes());
    Corpus::Keep
});
