//! Which types of values a schema is about.

use super::*;

/// `n`umber, `b`oolean, `l`ist, `f`ree.
fn wire(rules: &str, name: &str) -> String {
    let Wire { number, boolean, list, free } = schema(rules).wire(name);
    let all = [(number, 'n'), (boolean, 'b'), (list, 'l'), (free, 'f')];
    all.into_iter().filter(|(is, _)| *is).map(|(_, letter)| letter).collect()
}

#[test]
fn texts_of_a_parameter() {
    let table = [
        // What is said by name.
        (r#"{"type":"integer"}"#, "n"),
        (r#"{"type":"number"}"#, "n"),
        (r#"{"type":"boolean"}"#, "b"),
        (r#"{"type":["boolean","number","null"]}"#, "nb"),
        (r#"{"type":"string"}"#, ""),
        (r#"{"type":"null"}"#, ""),
        (r#"{"type":"array"}"#, "l"),
        (r#"{"type":"array","items":{"type":"integer"}}"#, "nl"),
        (r#"{"type":["null","array"],"items":{"minimum":1}}"#, "nl"),
        (r##"{"type":"array","items":{"$ref":"#/$defs/n"}}"##, "nl"),
        (r#"{"type":"array","prefixItems":[{"type":"integer"},{"type":"boolean"}]}"#, "nbl"),
        (r#"{"type":"array","prefixItems":[{"type":"string"}],"items":{"type":"integer"}}"#, "nl"),
        (r#"{"type":"array","contains":{"const":1}}"#, "nl"),
        (r#"{"type":"array","unevaluatedItems":{"type":"integer"}}"#, "nl"),
        // What only numbers have.
        (r#"{"minimum":1}"#, "n"),
        (r#"{"maximum":1}"#, "n"),
        (r#"{"exclusiveMinimum":1}"#, "n"),
        (r#"{"exclusiveMaximum":1}"#, "n"),
        (r#"{"multipleOf":1}"#, "n"),
        (r#"{"minLength":1}"#, ""),
        (r#"{"minItems":1}"#, "l"),
        (r#"{"items":{"type":"boolean"}}"#, "bl"),
        // But it is a string.
        (r#"{"type":"string","minimum":1}"#, ""),
        (r#"{"anyOf":[{"type":"string","minimum":1},{"minLength":1}]}"#, ""),
        // Values.
        (r#"{"enum":[1,2]}"#, "n"),
        (r#"{"enum":["1","2"]}"#, ""),
        (r#"{"enum":[true,"x"]}"#, "b"),
        (r#"{"enum":[[1],["x"]]}"#, "nl"),
        (r#"{"const":1}"#, "n"),
        (r#"{"type":["string","integer"],"enum":["1","x"]}"#, ""),
        // Other rules for the same value.
        (r##"{"$ref":"#/$defs/n"}"##, "n"),
        (r##"{"$ref":"#/$defs/far"}"##, "n"),
        (r#"{"allOf":[{"type":"integer"},{"minimum":1}]}"#, "n"),
        (r#"{"allOf":[{"type":["string","integer"]},{"type":["string","boolean"]}]}"#, ""),
        (r#"{"anyOf":[{"type":"integer"},{"const":"last"}]}"#, "n"),
        (r#"{"oneOf":[{"type":"integer"},{"type":"boolean"}]}"#, "nb"),
        (r#"{"anyOf":[{"type":"integer"},true]}"#, "n"),
        (r#"{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"integer"}}]}"#, "nl"),
        (r#"{"type":"string","anyOf":[{"minimum":1},{"minLength":1}]}"#, ""),
        (r#"{"if":{"const":"last"},"then":true,"else":{"type":"integer"}}"#, "n"),
        (r#"{"if":{"type":"integer"},"then":{"minimum":1}}"#, "n"),
        (r#"{"if":{"type":"string"},"else":{"type":"boolean"}}"#, "b"),
        (r#"{"not":{"const":0}}"#, "n"),
        (r#"{"type":"string","not":{"const":0}}"#, ""),
        (r#"{"not":{"type":"array"}}"#, ""),
        // Nothing.
        ("true", "f"),
        ("false", ""),
        (r#"{"title":"t","x-fault":"c","default":1}"#, "f"),
        (r#"{"anyOf":[true,{}]}"#, "f"),
    ];
    let defs = r##""$defs":{"n":{"type":"number"},"far":{"allOf":[{"$ref":"#/$defs/n"}]}}"##;
    for (rule, want) in table {
        for rules in [
            format!(r#"{{{defs},"properties":{{"p":{rule}}}}}"#),
            format!(
                r#"{{{defs},"patternProperties":{{"^p$":{rule}}},"additionalProperties":{{"enum":[[1,true]]}}}}"#
            ),
            format!(
                r#"{{{defs},"properties":{{"q":{{"enum":[[1,true]]}}}},"additionalProperties":{rule}}}"#
            ),
            format!(
                r#"{{{defs},"properties":{{"q":{{"enum":[[1,true]]}}}},"unevaluatedProperties":{rule}}}"#
            ),
            format!(
                r##"{{"$ref":"#/$defs/root",{},"root":{{"properties":{{"p":{rule}}}}}}}}}"##,
                &defs[..defs.len() - 1]
            ),
            format!(r#"{{{defs},"allOf":[true,{{"properties":{{"p":{rule}}}}}]}}"#),
        ] {
            assert_eq!(wire(&rules, "p"), want, "{rules}");
        }
    }
}

#[test]
fn texts_of_a_parameter_by_several_rules() {
    let table = [
        ("{}", "f"),
        (r#"{"required":["p"]}"#, "f"),
        (r#"{"additionalProperties":false}"#, ""),
        (r#"{"unevaluatedProperties":false}"#, ""),
        (r#"{"properties":{"q":{"type":"integer"}}}"#, "f"),
        (
            r#"{"properties":{"p":{"type":["integer","string"]}},"patternProperties":{"p":{"type":"string"}}}"#,
            "",
        ),
        (r#"{"properties":{"p":{"minLength":1}},"unevaluatedProperties":{"type":"integer"}}"#, ""),
        (r#"{"properties":{"p":{}},"additionalProperties":{"type":"integer"}}"#, "f"),
        (r#"{"patternProperties":{"^p":{}},"additionalProperties":{"type":"integer"}}"#, "f"),
        (
            r#"{"anyOf":[{"properties":{"p":{"type":"integer"}}},{"properties":{"p":{"type":"boolean"}}}]}"#,
            "nb",
        ),
        (r#"{"dependentSchemas":{"q":{"properties":{"p":{"type":"integer"}}}}}"#, "n"),
        (r#"{"if":{"properties":{"p":{"const":1}}},"then":{"required":["q"]}}"#, "n"),
        (r#"{"not":{"properties":{"p":{"const":1}}}}"#, "n"),
    ];
    for (rules, want) in table {
        assert_eq!(wire(rules, "p"), want, "{rules}");
    }
}

#[test]
fn schemas_that_are_about_objects() {
    let table = [
        ("{}", true),
        ("true", false),
        ("false", false),
        (r#"{"type":"object"}"#, true),
        (r#"{"type":["object"]}"#, true),
        (r#"{"type":"array"}"#, false),
        (r#"{"type":["object","null"]}"#, false),
        (r#"{"properties":{"a":{"type":"array"}}}"#, true),
        (r#"{"additionalProperties":false}"#, true),
        (r#"{"items":{}}"#, false),
        (r##"{"$ref":"#/$defs/l","$defs":{"l":{"type":"array"}}}"##, false),
        (r##"{"$ref":"#/$defs/o","$defs":{"o":{"type":"object"}}}"##, true),
        (r##"{"$ref":"#/$defs/o","$defs":{"o":{"required":["a"]}}}"##, true),
        (r#"{"anyOf":[{"type":"array"},{"type":"object"}]}"#, false),
        (r#"{"oneOf":[{"type":"array"},{"required":["a"]}]}"#, false),
        (r#"{"anyOf":[{"required":["a"]},{"required":["b"]}]}"#, true),
        (r#"{"anyOf":[{"type":"string"},true]}"#, false),
        (r#"{"type":"object","anyOf":[{"type":"array"},{"required":["a"]}]}"#, true),
        (r#"{"allOf":[{"type":["array","object"]},{"type":["object","null"]}]}"#, true),
        (r#"{"enum":[{"a":1},{"a":2}]}"#, true),
        (r#"{"enum":[{"a":1},[]]}"#, false),
        (r#"{"const":[1]}"#, false),
        (r#"{"if":{"type":"array"},"then":{"maxItems":1}}"#, false),
        (r#"{"if":{"required":["a"]},"then":{"required":["b"]}}"#, true),
        (r#"{"not":{"type":"array"}}"#, true),
    ];
    for (rules, want) in table {
        assert_eq!(schema(rules).wants_object(), want, "{rules}");
    }
}
