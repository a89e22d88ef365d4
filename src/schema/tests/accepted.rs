//! Which schemas are accepted.

use super::*;

#[test]
fn schemas_that_are_refused() {
    let table = [
        ("{", 1, "", "the text is not JSON"),
        ("[]", 1, "", "a schema is an object"),
        ("{\n\"type\": \"strin\"}", 2, "/type", "expected string, number"),
        (
            "{\n\n\"properties\": {\"a\": {\"maxLenght\": 1}}}",
            3,
            "/properties/a/maxLenght",
            "did you mean `maxLength`",
        ),
        ("{\"nullable\": true}", 1, "/nullable", "unknown keyword of JSON Schema"),
        ("{\"x-fualt\": \"a\"}", 1, "/x-fualt", "did you mean `x-fault`"),
        ("{\"x-fault\": 5}", 1, "/x-fault", "expected a string"),
        ("{\"x-message\": 5}", 1, "/x-message", "expected a string"),
        ("{\"x-message\": \"\"}", 1, "/x-message", "the message is empty"),
        (
            "{\"x-message\": \"{foo}\"}",
            1,
            "/x-message",
            "only {field} can stand in braces, not {foo}",
        ),
        ("{\"x-message\": \"{detail}\"}", 1, "/x-message", "only {field}"),
        ("{\"x-message\": \"{}\"}", 1, "/x-message", "only {field} can stand in braces, not {}"),
        ("{\"x-message\": \"{ field }\"}", 1, "/x-message", "only {field}"),
        ("{\"x-message\": \"{field\"}", 1, "/x-message", "a single brace; write {{ or }}"),
        ("{\"x-message\": \"{field}}\"}", 1, "/x-message", "a single brace; write {{ or }}"),
        (
            "{\"properties\":{\n\"a/b\":{\"x-message\":\"}\"}}}",
            2,
            "/properties/a~1b/x-message",
            "a single brace",
        ),
        (
            "{\"format\": \"urll\"}",
            1,
            "/format",
            "there is no such format; known are date, date-time, duration,",
        ),
        ("{\"format\": \"idn-email\"}", 1, "/format", "there is no such format"),
        ("{\"format\": \"regex\"}", 1, "/format", "to check a regular expression is to compile it"),
        ("{\"contentEncoding\": \"base64\"}", 1, "/contentEncoding", "would check nothing"),
        ("{\"contentMediaType\": \"a/b\"}", 1, "/contentMediaType", "would check nothing"),
        ("{\"contentSchema\": {}}", 1, "/contentSchema", "would check nothing"),
        ("{\"x-massage\": \"a\"}", 1, "/x-massage", "did you mean `x-message`"),
        ("{\"xfault\": \"a\"}", 1, "/xfault", "did you mean `x-fault`"),
        ("{\"pattern\": \"(?<=a)b\"}", 1, "/pattern", "no look-around"),
        ("{\"pattern\": \"(\"}", 1, "/pattern", "not a regular expression"),
        (
            "{\"$schema\": \"http://json-schema.org/draft-07/schema#\"}",
            1,
            "/$schema",
            "only the draft 2020-12",
        ),
        ("{\"$ref\": \"other.json\"}", 1, "/$ref", "other documents are not read"),
        ("{\"$ref\": \"https://example.com/a\"}", 1, "/$ref", "other documents are not read"),
        ("{\"$ref\": \"#/$defs/none\"}", 1, "/$ref", "nothing at this place"),
        (r##"{"$ref":"#/$defs/a%20b","$defs":{"a%20b":{}}}"##, 1, "/$ref", "nothing at this place"),
        (
            r##"{"$ref":"#/$defs/%ff","$defs":{"%ff":{}}}"##,
            1,
            "/$ref",
            "expected a place in this schema",
        ),
        ("{\"$ref\": \"#\"}", 1, "/$ref", "refers to itself"),
        (
            "{\"$ref\": \"#/%24defs/a\", \"$defs\": {\"a\": {\"$ref\": \"#\"}}}",
            1,
            "/$defs/a/$ref",
            "refers to itself",
        ),
        (
            "{\"properties\":{\n\"a\":{\"items\":{\"$ref\":\"#/properties/a\"}}}}",
            2,
            "/properties/a/items/$ref",
            "refers to itself",
        ),
        (
            r##"{"$defs":{"a":{"not":{"$ref":"#/$defs/b"}},"b":{"not":{"$ref":"#/$defs/a"}}}}"##,
            1,
            "/$defs/b/not/$ref",
            "refers to itself",
        ),
        ("{\"$dynamicRef\": \"#a\"}", 1, "/$dynamicRef", "is not supported"),
        (
            "{\"properties\":{\"a\":{\"$id\":\"x\"}}}",
            1,
            "/properties/a/$id",
            "only the schema as a whole",
        ),
        ("{\"required\": \"a\"}", 1, "/required", ""),
        ("{\"minLength\": -1}", 1, "/minLength", ""),
        ("{\"type\": \"object\", \"type\": \"array\"}", 1, "", "there twice"),
    ];
    for (text, line, pointer, message) in table {
        let error = text.parse::<Schema>().map(|_| ()).unwrap_err();
        let first = &error.mistakes[0];
        assert_eq!((first.line, &*first.pointer), (Some(line), pointer), "{text}: {error}");
        assert!(first.message.contains(message) && !first.message.is_empty(), "{text}: {error}");
    }
    let many = r#"{"a1":1,"properties":{"b":{"c1":1,"$ref":"x"}}}"#.parse::<Schema>().unwrap_err();
    assert_eq!(many.mistakes.len(), 3, "{many}");
}

#[test]
fn a_shared_part_is_used_as_often_as_one_likes() {
    let shared = r##""$defs":{"s":{"type":"string","minLength":1},"t":{"$ref":"#/$defs/s"}}"##;
    for uses in 1..=5 {
        for name in ["s", "t"] {
            let used = |i| format!(r##""p{i}":{{"$ref":"#/$defs/{name}"}}"##);
            let used = (0..uses).map(used).collect::<Vec<_>>().join(",");
            let used = format!(r#""properties":{{{used}}}"#);
            for text in [format!("{{{shared},{used}}}"), format!("{{{used},{shared}}}")] {
                let rules = schema(&text);
                for i in 0..uses {
                    let value = format!(r#"{{"p{i}":""}}"#);
                    assert_eq!(first(&rules, &value), format!("p{i} must not be empty"), "{text}");
                }
            }
        }
    }
    // What has been looked at may still be part of what has not.
    let nested = r##"{
        "allOf": [{ "$ref": "#/$defs/a" }, { "$ref": "#/$defs/b" }, { "$ref": "#/$defs/a" }],
        "$defs": { "a": { "items": { "$ref": "#/$defs/b" } }, "b": { "not": { "$ref": "#/$defs/c" } }, "c": { "type": "null" } }
    }"##;
    schema(nested);
}

/// RFC 6901, section 6: a pointer in a fragment is percent-decoded first.
#[test]
fn references_with_escapes() {
    let table = [
        ("a%20b", "a b"),
        ("a%25b", "a%b"),
        ("a%2520b", "a%20b"),
        ("%C3%BC", "ü"),
        ("a~1b", "a/b"),
        ("a%7E1b", "a/b"),
        ("m~0n", "m~n"),
        ("%22", "\""),
    ];
    for (reference, name) in table {
        let text = serde_json::json!({
            "properties": { "p": { "$ref": format!("#/$defs/{reference}") } },
            "$defs": { name: { "type": "null" } },
        });
        assert_eq!(first(&schema(&text.to_string()), r#"{"p":1}"#), "p must be null", "{text}");
    }
    // None of these is the fragment of a URI.
    for (reference, name) in [("a b", "a b"), ("ü", "ü"), ("100%", "100%"), ("a%zz", "a%zz")] {
        let text =
            serde_json::json!({ "$ref": format!("#/$defs/{reference}"), "$defs": { name: {} } });
        let error = text.to_string().parse::<Schema>().unwrap_err();
        assert!(error.to_string().contains("Invalid URI reference"), "{error}");
    }
    // Both are there: the one that is meant is the one that is asked.
    let both = schema(
        r##"{"properties":{"p":{"$ref":"#/$defs/a%25b"}},"$defs":{"a%25b":{"type":"null"},"a%b":{"type":"string"}}}"##,
    );
    assert_eq!(first(&both, r#"{"p":1}"#), "p must be a string");
    assert_eq!(first(&both, r#"{"p":""}"#), "");
    // A slash is a slash however it is written.
    let deep = r##"{"$ref":"#/$defs/a%2Fnot","$defs":{"a":{"not":{"required":["x"]}}}}"##;
    assert_eq!(first(&schema(deep), "{}"), "x is required");
}

#[test]
fn names_of_ones_own() {
    for name in
        ["x-examples", "x-deprecated", "x-description", "x-default", "x-format", "x-", "x-a"]
    {
        schema(&format!(r#"{{"properties":{{"a":{{"{name}":1}}}}}}"#));
    }
}

/// Those of the standard that are not are refused.
#[test]
fn formats_that_are_known() {
    for (name, _) in words::FORMATS {
        let rules = schema(&format!(r#"{{"properties":{{"a":{{"format":"{name}"}}}}}}"#));
        let value = r#"{"a":"\u0000"}"#;
        assert!(first(&rules, value).starts_with("a must be a"), "{name}");
    }
}
