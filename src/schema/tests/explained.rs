//! What is said of a value that breaks a schema.

use super::*;

#[test]
fn words_for_each_keyword() {
    // What is said of the member `a`.
    let table = [
        (r#"{"type":"string"}"#, "5", "must be a string"),
        (r#"{"type":"integer"}"#, "1.5", "must be an integer"),
        (r#"{"type":"integer"}"#, "1.0", ""),
        (r#"{"type":"number"}"#, r#""1""#, "must be a number"),
        (r#"{"type":"boolean"}"#, "1", "must be true or false"),
        (r#"{"type":"object"}"#, "[]", "must be an object"),
        (r#"{"type":"array"}"#, "{}", "must be an array"),
        (r#"{"type":"null"}"#, "0", "must be null"),
        (r#"{"type":["string","null"]}"#, "0", "must be a string or null"),
        (r#"{"type":["string","array","null"]}"#, "0", "must be a string, an array or null"),
        (r#"{"enum":["x","y z",3,null]}"#, r#""q""#, "must be one of: x, y z, 3, null"),
        (r#"{"enum":["x"]}"#, r#""q""#, "must be x"),
        (r#"{"enum":["x",""]}"#, r#""q""#, r#"must be one of: x, """#),
        (r#"{"enum":[1,{"a":[true]}]}"#, r#"{"a":[true]}"#, ""),
        (r#"{"const":1}"#, "2", "must be 1"),
        (r#"{"const":1}"#, "1.0", ""),
        (r#"{"minimum":256,"maximum":2048}"#, "99", "must be between 256 and 2048"),
        (r#"{"maximum":2048,"minimum":256}"#, "1e9", "must be between 256 and 2048"),
        (r#"{"minimum":0.5}"#, "0", "must be at least 0.5"),
        (r#"{"maximum":10.0}"#, "11", "must be at most 10"),
        (r#"{"exclusiveMinimum":0}"#, "0", "must be greater than 0"),
        (r#"{"exclusiveMaximum":1}"#, "1", "must be less than 1"),
        (r#"{"multipleOf":8}"#, "12", "must be a multiple of 8"),
        (r#"{"minLength":1,"maxLength":3}"#, r#""""#, "must not be empty"),
        (r#"{"minLength":2}"#, r#""é""#, "must be at least 2 characters"),
        (r#"{"maxLength":1}"#, r#""éé""#, "must be at most 1 character"),
        (r#"{"maxLength":2000}"#, r#""\ud83d\ude00""#, ""),
        (r#"{"pattern":"^[a-z]+$"}"#, r#""A""#, "must match ^[a-z]+$"),
        (r#"{"format":"uri"}"#, r#""nope""#, "must be a valid URL"),
        (r#"{"format":"uri"}"#, r#""https://a.test/x?y#z""#, ""),
        (r#"{"format":"uuid"}"#, r#""x""#, "must be a UUID"),
        (r#"{"format":"email"}"#, r#""x""#, "must be a valid email address"),
        (
            r#"{"format":"date-time"}"#,
            r#""x""#,
            "must be a date and time, such as 2030-01-31T12:00:00Z",
        ),
        (r#"{"format":"ipv4"}"#, r#""1.2.3""#, "must be an IPv4 address"),
        (r#"{"minItems":1}"#, "[]", "must not be empty"),
        (r#"{"minItems":2}"#, "[1]", "must have at least 2 items"),
        (r#"{"maxItems":9}"#, "[1,2,3,4,5,6,7,8,9,0]", "must have at most 9 items"),
        (r#"{"uniqueItems":true}"#, "[1,2,1.0]", "must not have the same item twice"),
        (r#"{"uniqueItems":true}"#, r#"["a","b","a"]"#, "must not have the same item twice"),
        (r#"{"uniqueItems":true}"#, r#"["a","b",{"c":1},{"c":2}]"#, ""),
        (r#"{"minProperties":1}"#, "{}", "must not be empty"),
        (r#"{"maxProperties":1}"#, r#"{"x":1,"y":2}"#, "must have at most 1 member"),
        (r#"{"not":{"type":"string"}}"#, r#""x""#, "has a value that is not allowed"),
        (r#"{"contains":{"const":1}}"#, "[2]", "lacks an item of the form that is needed"),
        (r#"{"contains":{"const":1},"maxContains":1}"#, "[1,1]", "has too many items of one form"),
        (r#"{"contains":{"const":1},"minContains":0}"#, "[]", ""),
        (r#"{"anyOf":[{"type":"string"},{"type":"array"}]}"#, "1", "must be a string or an array"),
        (
            r#"{"anyOf":[{"type":"string","minLength":1},{"type":"array"}]}"#,
            r#""""#,
            "must not be empty",
        ),
        (
            r#"{"oneOf":[{"minimum":1},{"maximum":5}]}"#,
            "3",
            "fits more than one of the forms that are allowed",
        ),
        (
            r#"{"oneOf":[{"required":["x"]},{"required":["y"]}]}"#,
            "{}",
            "has none of the forms that are allowed",
        ),
        (
            r#"{"allOf":[{"type":"string"},{"maxLength":1}]}"#,
            r#""xx""#,
            "must be at most 1 character",
        ),
        (
            r#"{"if":{"type":"string"},"then":{"maxLength":1},"else":{"minimum":5}}"#,
            r#""xx""#,
            "must be at most 1 character",
        ),
        (
            r#"{"if":{"type":"string"},"then":{"maxLength":1},"else":{"minimum":5}}"#,
            "4",
            "must be at least 5",
        ),
        (r#"{"if":{"type":"string"},"then":{"maxLength":1}}"#, "4", ""),
        (r##"{"$ref":"#/$defs/short"}"##, r#""xx""#, "must be at most 1 character"),
        ("false", "1", "is not allowed"),
        ("true", "1", ""),
        (r#"{"title":"t","x-other":1,"default":5,"examples":[1]}"#, "1", ""),
    ];
    for (rule, value, want) in table {
        let text =
            format!(r#"{{"$defs":{{"short":{{"maxLength":1}}}},"properties":{{"a":{rule}}}}}"#);
        let got = first(&schema(&text), &format!(r#"{{"a":{value}}}"#));
        let want = if want.is_empty() { String::new() } else { format!("a {want}") };
        assert_eq!(got, want, "{rule} {value}");
    }
}

#[test]
fn fields_as_a_caller_writes_them() {
    let long = "n".repeat(100);
    let table = [
        (r#"{"required":["prompt"]}"#, "{}", "prompt is required"),
        (
            r#"{"properties":{"urls":{"items":{"type":"string"}}}}"#,
            r#"{"urls":["a","b","c",4]}"#,
            "urls[3] must be a string",
        ),
        (
            r#"{"properties":{"a":{"properties":{"b":{"prefixItems":[true,{"type":"null"}]}}}}}"#,
            r#"{"a":{"b":[1,2]}}"#,
            "a.b[1] must be null",
        ),
        (
            r#"{"properties":{"a":{"prefixItems":[true],"items":{"type":"null"}}}}"#,
            r#"{"a":[1,null,2]}"#,
            "a[2] must be null",
        ),
        (r#"{"items":{"items":{"type":"string"}}}"#, r#"[[],["x",1]]"#, "[1][1] must be a string"),
        (r#"{"type":"array"}"#, "{}", "the body must be an array"),
        (r#"{"minProperties":2}"#, r#"{"a":1}"#, "the body must have at least 2 members"),
        (
            r#"{"properties":{"size":true},"additionalProperties":false}"#,
            r#"{"size":1,"sise":2}"#,
            "sise is not known here; did you mean size?",
        ),
        (
            r#"{"properties":{"size":true},"additionalProperties":false}"#,
            r#"{"prompt":2}"#,
            "prompt is not known here",
        ),
        (
            r#"{"patternProperties":{"^x-":true},"additionalProperties":false}"#,
            r#"{"x-a":1,"y":2}"#,
            "y is not known here",
        ),
        (
            r#"{"patternProperties":{"^n":{"type":"number"}}}"#,
            r#"{"m":"","n1":""}"#,
            "n1 must be a number",
        ),
        (r#"{"additionalProperties":{"type":"number"}}"#, r#"{"m":""}"#, "m must be a number"),
        (
            r#"{"propertyNames":{"maxLength":2}}"#,
            r#"{"abc":1}"#,
            "abc has a name that is not accepted",
        ),
        (r#"{"dependentRequired":{"a":["b"]}}"#, r#"{"a":1}"#, "b is required beside a"),
        (r#"{"dependentSchemas":{"a":{"required":["c"]}}}"#, r#"{"a":1}"#, "c is required"),
        (
            r#"{"properties":{"a":true},"unevaluatedProperties":false}"#,
            r#"{"b":1}"#,
            "the body has something that is not expected",
        ),
        (
            r#"{"properties":{"a/b~c d%":{"type":"null"}}}"#,
            r#"{"a/b~c d%":1}"#,
            "a/b~c d% must be null",
        ),
    ];
    for (rules, value, want) in table {
        assert_eq!(first(&schema(rules), value), want, "{rules} {value}");
    }
    let strict = schema(r#"{"additionalProperties":false}"#);
    let shown = first(&strict, &format!(r#"{{"{long}":1}}"#));
    assert_eq!(shown, format!("{}… is not known here", "n".repeat(64)));
    let hidden = first(&strict, r#"{"\u001b[31m<b>\u202e\n":1}"#);
    assert_eq!(hidden, "\u{fffd}[31m\u{fffd}b\u{fffd}\u{fffd}\u{fffd} is not known here");
    assert_eq!(first(&strict, r#"{"":1}"#), "\"\" is not known here");
    // All names of the caller's together are cut, and none of the schema's.
    let deep = schema(
        r#"{"additionalProperties":{"properties":{"known":{"additionalProperties":{"patternProperties":{"":{"type":"null"}}}}}}}"#,
    );
    for (lengths, want) in [
        ([20, 20, 20], [20, 20, 20]),
        ([40, 24, 1], [40, 24, 0]),
        ([40, 40, 40], [40, 24, 0]),
        ([100, 1, 100], [64, 0, 0]),
    ] {
        let [a, b, c] = lengths.map(|length| "n".repeat(length));
        let value = format!(r#"{{"{a}":{{"known":{{"{b}":{{"{c}":1}}}}}}}}"#);
        let cut = |i: usize| if want[i] < lengths[i] { "…" } else { "" };
        let [a, b, c] = [0, 1, 2].map(|i| format!("{}{}", "n".repeat(want[i]), cut(i)));
        assert_eq!(first(&deep, &value), format!("{a}.known.{b}.{c} must be null"));
    }
}

#[test]
fn the_order_is_the_schemas_own() {
    let rules = schema(
        r#"{
            "required": ["b", "z", "a"],
            "properties": {
                "c": { "maxLength": 1, "pattern": "^a", "type": "string" },
                "b": {},
                "a": { "type": "string" }
            },
            "additionalProperties": false
        }"#,
    );
    let document = document_of(r#"{"a": 1, "q": 2, "c": "xxx"}"#);
    let all = rules.violations(document.root(), 10);
    let all: Vec<&str> = all.iter().map(|violation| &*violation.detail).collect();
    let want = [
        "c must be at most 1 character",
        "c must match ^a",
        "b is required",
        "a must be a string",
        "z is required",
        "q is not known here",
    ];
    assert_eq!(all, want);
    for most in 0..want.len() {
        assert_eq!(rules.violations(document.root(), most).len(), most);
    }
    let wrong_type = document_of(r#"{"c": 5, "b": 1, "a": ""}"#);
    let wrong_type = rules.violations(wrong_type.root(), 10);
    let wrong_type: Vec<&str> = wrong_type.iter().map(|violation| &*violation.detail).collect();
    assert_eq!(wrong_type, ["c must be a string", "z is required"]);
}

#[test]
fn codes_and_messages_of_the_nearest_schema() {
    let rules = schema(
        r##"{
            "x-fault": "general",
            "required": ["model"],
            "properties": {
                "model": { "type": "string", "x-fault": "invalid_model" },
                "urls": {
                    "type": "array", "x-fault": "invalid_urls",
                    "items": { "type": "string", "maxLength": 1 }
                },
                "size": { "$ref": "#/$defs/size", "x-message": "{field} is odd" },
                "other": { "type": "string" },
                "deep": {
                    "x-message": "{field}: look into the manual",
                    "properties": { "x": { "type": "string", "x-fault": "invalid_x" } },
                    "additionalProperties": { "not": {}, "x-fault": "no_more" }
                }
            },
            "$defs": { "size": { "enum": [1, 2], "x-fault": "invalid_size" } }
        }"##,
    );
    let table = [
        ("{}", "model", "invalid_model", "model is required"),
        (r#"{"model":1}"#, "model", "invalid_model", "model must be a string"),
        (
            r#"{"model":"","urls":["xx"]}"#,
            "urls[0]",
            "invalid_urls",
            "urls[0] must be at most 1 character",
        ),
        (r#"{"model":"","size":3}"#, "size", "invalid_size", "size is odd"),
        (r#"{"model":"","other":3}"#, "other", "general", "other must be a string"),
        (r#"{"model":"","deep":{"x":3}}"#, "deep.x", "invalid_x", "deep.x: look into the manual"),
        (r#"{"model":"","deep":{"y":3}}"#, "deep.y", "no_more", "deep.y: look into the manual"),
    ];
    for (text, field, code, detail) in table {
        let violation = rules.first_violation(document_of(text).root()).unwrap();
        let got = (&*violation.field, violation.code.as_deref(), &*violation.detail);
        assert_eq!(got, (field, Some(code), detail), "{text}");
    }
    let error = rules.check(Catalog::shared_default()).unwrap_err();
    let unknown: Vec<_> = error.mistakes.iter().map(|m| (m.line.unwrap(), &*m.pointer)).collect();
    let want = [
        (2, "/x-fault"),
        (5, "/properties/model/x-fault"),
        (7, "/properties/urls/x-fault"),
        (14, "/properties/deep/properties/x/x-fault"),
        (15, "/properties/deep/additionalProperties/x-fault"),
        (18, "/$defs/size/x-fault"),
    ];
    let mut unknown = unknown;
    unknown.sort_unstable();
    assert_eq!(unknown, want);
    assert!(schema(r#"{"x-fault":"invalid_json"}"#).check(Catalog::shared_default()).is_ok());
    let near = schema(r#"{"x-fault":"invalid_jsn"}"#).check(Catalog::shared_default()).unwrap_err();
    assert_eq!(
        near.mistakes[0].message,
        "the catalog has no code invalid_jsn; did you mean invalid_json?"
    );
}

#[test]
fn codes_that_no_violation_can_have() {
    let preset = |name| Catalog::preset(name).unwrap();
    let (default, eggapi) = (preset("default"), preset("eggapi"));
    let table = [
        (&default, "invalid_parameter", None),
        (&default, "invalid_json", None),
        (&default, "forbidden", None),
        (&default, "internal_error", Some("internal_error has the status 500: ")),
        (&default, "overloaded", Some("overloaded has the status 503: ")),
        (
            &default,
            "body_too_large",
            Some(
                "the message of body_too_large needs {limit}, and a violation has {detail} and {field} alone",
            ),
        ),
        (&default, "method_not_allowed", Some("the message of method_not_allowed needs {allow}, ")),
        (&default, "unsupported_media_type", Some("needs {expected}, ")),
        (&eggapi, "VALIDATION_ERROR", None),
        (&eggapi, "INTERNAL_ERROR", Some("INTERNAL_ERROR has the status 500: ")),
    ];
    for (catalog, code, want) in table {
        let rules = schema(&format!("{{\"properties\":{{\n\"a\":{{\"x-fault\":\"{code}\"}}}}}}"));
        let error = rules.check(catalog).err();
        let said = error.as_ref().map(|error| &error.mistakes[0]);
        assert_eq!(said.is_some(), want.is_some(), "{code}: {said:?}");
        if let (Some(said), Some(want)) = (said, want) {
            assert!(said.message.contains(want), "{code}: {said}");
            assert_eq!((said.line, &*said.pointer), (Some(2), "/properties/a/x-fault"), "{code}");
        }
    }
}

#[test]
fn braces_in_messages() {
    let table = [
        ("{field} is odd", "a is odd"),
        ("{field}, {field}!", "a, a!"),
        ("odd", "odd"),
        ("{{field}} is {field}", "{field} is a"),
        ("{{{field}}}", "{a}"),
        ("like {{\\\"a\\\":1}}", "like {\"a\":1}"),
    ];
    for (message, want) in table {
        let rules = schema(&format!(
            r#"{{"properties":{{"a":{{"type":"null","x-message":"{message}"}}}}}}"#
        ));
        assert_eq!(first(&rules, r#"{"a":1}"#), want, "{message}");
    }
}

#[test]
fn long_lists_and_long_patterns_are_cut() {
    let choices: Vec<String> = (0..100).map(|i| format!("choice-{i:03}")).collect();
    let rules = serde_json::json!({ "properties": { "a": { "enum": choices }, "b": { "pattern": "a".repeat(65) } } });
    let rules = schema(&rules.to_string());
    let words = first(&rules, r#"{"a":1}"#);
    assert!(words.len() < 350 && words.ends_with("and 76 others"), "{words}");
    assert_eq!(first(&rules, r#"{"b":"x"}"#), "b has a form that is not accepted");
}
