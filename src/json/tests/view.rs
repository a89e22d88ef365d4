//! Documents as `jsonschema` sees them.
use super::*;
use crate::json::view::View;
use jsonschema::json::{self, Array as _, JsonNumber as _, Node as _, conformance};
use serde_json::json;

fn view(document: &Document) -> View<'_> {
    View::Value(document.root())
}

#[test]
fn keeps_the_promises_of_a_representation() {
    let document = read(conformance::document().to_string());
    conformance::assert_conformance::<Json>(&view(&document));
    // And where no string is in the text as it is.
    let escaped =
        conformance::document().to_string().replace("é", "\\u00e9").replace('s', "\\u0073");
    let document = read(escaped);
    assert!(document.root().offset().is_none());
    conformance::assert_conformance::<Json>(&view(&document));
}

#[test]
fn unique_items() {
    let many = |last: &str| {
        let items: Vec<String> =
            (0..20).map(|i| format!("{i},\"{i}\",[{i}],{{\"k\":{i}}}")).collect();
        format!("[{},{last}]", items.join(","))
    };
    let strings = |last: &str| {
        let items: Vec<String> = (0..50).map(|i| format!("\"s{i}\"")).collect();
        format!("[{},{last}]", items.join(","))
    };
    let table: &[(&str, bool)] = &[
        ("[]", true),
        ("[1]", true),
        ("[\"a\"]", true),
        ("[1,2]", true),
        ("[1,1]", false),
        ("[1,1.0]", false),
        ("[100,1e2]", false),
        ("[0,-0.0]", false),
        ("[0,-0]", false),
        ("[-1,1]", true),
        ("[18446744073709551615,18446744073709551614]", true),
        ("[18446744073709551615,18446744073709551615]", false),
        ("[18446744073709551615,18446744073709551616]", true),
        ("[18446744073709551616,1.8446744073709551616e19]", false),
        ("[9007199254740992,9007199254740993]", true),
        ("[9007199254740992.0,9007199254740993]", true),
        ("[9007199254740992.0,9007199254740992]", false),
        ("[-9223372036854775808,-9223372036854775808.0]", false),
        ("[-9223372036854775808,-9223372036854775809]", false),
        ("[-9223372036854775807,-9223372036854775808.0]", true),
        ("[-1,18446744073709551615]", true),
        ("[0.1,0.2,0.1]", false),
        ("[true,false]", true),
        ("[true,1]", true),
        ("[false,0]", true),
        ("[true,true]", false),
        ("[null,null]", false),
        ("[null,false,0,\"\",[],{}]", true),
        ("[\"1\",1]", true),
        ("[\"a\",\"b\",\"c\"]", true),
        ("[\"b\",\"a\",\"b\"]", false),
        ("[\"a\",\"\\u0061\"]", false),
        ("[\"\",\"\"]", false),
        ("[\"\",\"\\u0000\"]", true),
        ("[\"é\",\"e\\u0301\"]", true),
        ("[\"a\",\"A\",\"a \"]", true),
        ("[\"a\",1,\"a\"]", false),
        ("[[],[]]", false),
        ("[[1,2],[2,1]]", true),
        ("[[1,2],[1,2.0]]", false),
        ("[[[\"a\"]],[[\"\\u0061\"]]]", false),
        ("[{},{}]", false),
        ("[{},[]]", true),
        ("[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]", false),
        ("[{\"a\":1},{\"a\":1,\"b\":2}]", true),
        ("[{\"a\":1},{\"a\":2},{\"a\":1.0}]", false),
        ("[{\"a\":[{\"b\":1}]},{\"a\":[{\"b\":1}]}]", false),
    ];
    let made = [
        (many("20"), true),
        (many("\"x\""), true),
        (many("7"), false),
        (many("7.0"), false),
        (many("\"7\""), false),
        (many("[7e0]"), false),
        (many("{\"\\u006b\":19}"), false),
        (strings("\"s50\""), true),
        (strings("\"s49\""), false),
        (strings("\"\\u0073\\u0030\""), false),
    ];
    let made = made.iter().map(|(text, unique)| (&**text, *unique));
    for (text, unique) in table.iter().copied().chain(made) {
        let document = read(text.to_owned());
        let array = view(&document).as_array().unwrap();
        assert_eq!(array.is_unique(), unique, "{text}");
        let serde = serde(text.as_bytes());
        assert_eq!(json::unique::is_unique(serde.as_array().unwrap()), unique, "{text}");
    }
}

#[test]
fn equal_to_a_value() {
    let table = [
        ("null", json!(null), true),
        ("null", json!(false), false),
        ("null", json!(0), false),
        ("true", json!(true), true),
        ("true", json!(false), false),
        ("true", json!(1), false),
        ("false", json!(null), false),
        ("1", json!(1), true),
        ("1", json!(1.0), true),
        ("1.0", json!(1), true),
        ("1e2", json!(100), true),
        ("1", json!("1"), false),
        ("1", json!(true), false),
        ("1", json!(-1), false),
        ("-1", json!(-1.0), true),
        ("0", json!(-0.0), true),
        ("-0", json!(0), true),
        ("1.5", json!(1.5), true),
        ("1.5", json!(1), false),
        ("18446744073709551615", json!(u64::MAX), true),
        ("18446744073709551615", json!(18_446_744_073_709_551_616.0), false),
        ("9007199254740993", json!(9_007_199_254_740_992.0), false),
        ("9007199254740992", json!(9_007_199_254_740_992.0), true),
        ("-9223372036854775808", json!(i64::MIN), true),
        ("\"a\"", json!("a"), true),
        ("\"\\u0061\"", json!("a"), true),
        ("\"a\"", json!("A"), false),
        ("\"\"", json!(""), true),
        ("\"\"", json!(null), false),
        ("\"a\"", json!(["a"]), false),
        ("[]", json!([]), true),
        ("[]", json!({}), false),
        ("[]", json!(null), false),
        ("[1,2]", json!([1, 2.0]), true),
        ("[1,2]", json!([2, 1]), false),
        ("[1]", json!([1, 2]), false),
        ("[1,2]", json!([1]), false),
        ("[[1],[]]", json!([[1], []]), true),
        ("[[1],[]]", json!([[], [1]]), false),
        ("{}", json!({}), true),
        ("{}", json!([]), false),
        ("{\"a\":1}", json!({"a": 1.0}), true),
        ("{\"\\u0061\":1}", json!({"a": 1}), true),
        ("{\"a\":1}", json!({"a": 2}), false),
        ("{\"a\":1}", json!({"b": 1}), false),
        ("{\"a\":1}", json!({}), false),
        ("{}", json!({"a": null}), false),
        ("{\"a\":null}", json!({}), false),
        ("{\"b\":[{}],\"a\":1}", json!({"a": 1, "b": [{}]}), true),
        ("{\"b\":[{}],\"a\":1}", json!({"a": 1, "b": [[]]}), false),
        ("{\"a\":1,\"b\":2}", json!({"a": 1, "c": 2}), false),
    ];
    for (text, expected, equal) in table {
        let document = read(text);
        assert_eq!(view(&document).equals_value(&expected), equal, "{text}, {expected}");
        assert_eq!(
            json::cmp::equal(&serde(text.as_bytes()), &expected),
            equal,
            "{text}, {expected}"
        );
        // A name is a string.
        let name = document.root().as_str().map(View::Name);
        let expects = name.is_none_or(|name| name.equals_value(&expected) == equal);
        assert!(expects, "{text}, {expected}");
    }
}

#[test]
fn lengths_of_strings() {
    for string in ["", "a", "abcd", "é", "éé", "😀", "😀😀😀", "a😀é", "日本語日本語"]
    {
        let text = serde_json::to_string(string).unwrap();
        let document = read(text);
        let length = string.chars().count() as u64;
        for view in [view(&document), View::Name(string)] {
            assert_eq!(view.string_length(), Some(length));
            for min in 0..14 {
                for max in (0..14).chain([u64::MAX]) {
                    let within = view.string_length_within(min, max);
                    assert_eq!(
                        within,
                        Some((min..=max).contains(&length)),
                        "{string}: {min}, {max}"
                    );
                }
            }
        }
    }
    assert_eq!(view(&read("[1]")).string_length_within(0, 9), None);
}

#[test]
fn whole_numbers() {
    // Worth a whole number; written as one (draft 4).
    let table = [
        ("1", true, true),
        ("-1", true, true),
        ("0", true, true),
        ("1.0", true, false),
        ("1e2", true, false),
        ("-0.0", true, false),
        ("1e300", true, false),
        ("18446744073709551615", true, true),
        ("1.5", false, false),
        ("1e-7", false, false),
        ("5e-324", false, false),
    ];
    for (text, whole, written) in table {
        let document = read(text);
        let number = view(&document).as_number().unwrap();
        assert_eq!(
            (number.is_integer(), number.is_written_as_integer()),
            (whole, written),
            "{text}"
        );
        let serde = serde(text.as_bytes());
        let serde = serde.as_number().unwrap();
        assert_eq!(number.to_number().as_ref(), serde, "{text}");
        assert_eq!(number.as_str(), serde.to_string(), "{text}");
        assert_eq!((number.as_u64(), number.as_i64()), (serde.as_u64(), serde.as_i64()), "{text}");
        assert_eq!(number.as_f64(), serde.as_f64(), "{text}");
    }
}

/// No two that are there at once are taken for one.
#[test]
fn each_node_is_itself() {
    fn collect(node: View<'_>, into: &mut Vec<json::NodeIdentity>) {
        use jsonschema::json::Object as _;
        into.push(node.identity().unwrap());
        for item in node.as_array().iter().flat_map(|array| array.elements()) {
            collect(item, into);
        }
        for (_, value) in node.as_object().iter().flat_map(|object| object.members()) {
            collect(value, into);
        }
    }
    let text = r#"[1,"",[],{"a":{},"b":[[],"x"]},"\n",{"":""}]"#;
    let documents = [read(text), read(text)];
    let mut all = Vec::new();
    documents.iter().for_each(|document| collect(view(document), &mut all));
    assert_eq!(all.len(), 24);
    for (i, one) in all.iter().enumerate() {
        assert!(!all[..i].contains(one), "{i}");
    }
    assert_eq!(view(&documents[0]).identity(), Some(all[0]));
}
