//! What a caller may set.
use super::*;

fn error(text: &str, syntax: &Syntax) -> Option<String> {
    Document::parse(text.to_owned(), syntax).err().map(|error| error.to_string())
}

#[test]
fn depth_up_to_the_number_and_not_beyond() {
    let arrays = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let objects = |depth: usize| "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
    for most in [0, 1, 2, 3, 63, 64, 65, 100, 126, 127, 128, 1000, usize::MAX] {
        let syntax = Syntax::default().max_depth(most);
        let most = most.min(127);
        for (what, nested) in
            [("arrays", &arrays as &dyn Fn(usize) -> String), ("objects", &objects)]
        {
            if most > 0 {
                assert_eq!(error(&nested(most), &syntax), None, "{what}, {most}");
            }
            for more in [most + 1, most + 2, 500] {
                let error = error(&nested(more), &syntax).unwrap_or_default();
                assert!(
                    error.starts_with("it is nested too deeply, at line 1"),
                    "{what}, {most}: {error}"
                );
            }
        }
        assert_eq!(error("\"flat\"", &syntax), None);
    }
    // Beside each other is not within each other.
    let wide = format!("[{}[]]", "[],{},".repeat(1000));
    assert_eq!(error(&wide, &Syntax::default().max_depth(2)), None);
    assert!(error(&wide, &Syntax::default().max_depth(1)).is_some());
}

#[test]
fn values_up_to_the_number_and_not_beyond() {
    // How many there are in each; a name is one, too.
    let table = [
        ("null", 1),
        ("true", 1),
        ("0", 1),
        ("-1", 1),
        ("1.5", 1),
        ("\"a\"", 1),
        ("\"\\n\"", 1),
        ("[]", 1),
        ("{}", 1),
        ("[1]", 2),
        ("[1,2,3]", 4),
        ("[[],[[]]]", 4),
        ("{\"a\":1}", 3),
        ("{\"\\u0061\":1}", 3),
        ("{\"a\":{},\"b\":[1]}", 6),
        ("{\"a\":{\"b\":{\"c\":null}}}", 7),
    ];
    for (text, count) in table {
        for most in 0..10 {
            let error = error(text, &Syntax::default().max_values(most));
            let want = (count > most).then(|| format!("it has more than {most} values, at line 1"));
            match want {
                None => assert_eq!(error, None, "{text}, {most}"),
                Some(want) => {
                    assert!(error.is_some_and(|e| e.starts_with(&want)), "{text}, {most}");
                }
            }
        }
    }
    let many = format!("[{}0]", "0,".repeat(250_000));
    assert_eq!(error(&many, &Syntax::default().max_values(250_002)), None);
    assert!(error(&many, &Syntax::default().max_values(250_001)).is_some());
    assert_eq!(error(&many, &Syntax::default().max_values(usize::MAX)), None);
}

#[test]
fn the_last_of_each_name() {
    // Read as, in this order.
    let table = [
        (r#"{"a":1}"#, r#"{"a":1}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{"a":1,"a":2,"a":3}"#, r#"{"a":3}"#),
        (r#"{"a":1,"\u0061":2}"#, r#"{"a":2}"#),
        (r#"{"\u0061":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"b":2,"a":3}"#),
        (r#"{"a":1,"b":2,"b":3,"c":4,"a":5}"#, r#"{"b":3,"c":4,"a":5}"#),
        (r#"{"a":[1,[2]],"a":{"b":[3]},"c":[]}"#, r#"{"a":{"b":[3]},"c":[]}"#),
        (r#"{"a":{"b":1},"a":{}}"#, r#"{"a":{}}"#),
        (r#"{"a":{"b":1,"b":[2]},"c":{"d":{},"d":[{}]},"c":3}"#, r#"{"a":{"b":[2]},"c":3}"#),
        (r#"[{"a":1,"a":2},{"a":[{"z":1,"z":2},3]},4]"#, r#"[{"a":2},{"a":[{"z":2},3]},4]"#),
        (r#"{"":1,"":""}"#, r#"{"":""}"#),
        (r#"{"a":"a","b":"b","a":"\n"}"#, r#"{"b":"b","a":"\n"}"#),
    ];
    let syntax = Syntax::default().duplicates(Duplicates::Last);
    for (text, want) in table {
        let document = Document::parse(text, &syntax).unwrap();
        assert_eq!(write(document.root()), want, "{text}");
        assert_eq!(document.root().to_serde(), serde(text.as_bytes()), "{text}");
        assert_eq!(document.text(), text);
    }
}

#[test]
fn the_last_of_each_name_among_many() {
    let syntax = Syntax::default().duplicates(Duplicates::Last);
    let mut random = fastrand::Rng::with_seed(7);
    for count in [2, 12, 13, 100, 5000] {
        let members: Vec<String> = (0..count)
            .map(|i| format!("\"{}\":[{i},{{\"{i}\":\"\\t\"}}]", random.usize(0..count)))
            .collect();
        let text = format!("[{{{}}},0]", members.join(","));
        let document = Document::parse(text.clone(), &syntax).unwrap();
        assert_eq!(document.root().to_serde(), serde(text.as_bytes()));
        assert_eq!(document.at(&"/1".parse().unwrap()).and_then(|end| end.as_u64()), Some(0));
    }
}

/// As JSON without spaces.
fn write(value: Value<'_>) -> String {
    if let Some(items) = value.items() {
        return format!("[{}]", items.map(write).collect::<Vec<_>>().join(","));
    }
    if let Some(members) = value.members() {
        let members = members.map(|(name, value)| format!("{name:?}:{}", write(value)));
        return format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    }
    value.to_serde().to_string()
}

#[test]
fn whole_numbers_that_every_parser_counts() {
    let safe = [
        "0",
        "-0",
        "9007199254740991",
        "-9007199254740991",
        "9007199254740991.0",
        "9.007199254740991e15",
        "1e15",
        "0.1",
        "-1.5e-300",
        "4503599627370496.5",
        "1e-400",
    ];
    let others = [
        "9007199254740992",
        "-9007199254740992",
        "9007199254740993",
        "-9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "9007199254740992.0",
        "9007199254740993.5",
        "-1e16",
        "1e308",
        "123456789012345678901234567890",
    ];
    let syntax = Syntax::default().numbers(Numbers::Safe);
    for number in safe {
        for text in [number.to_owned(), format!("[1,{number}]"), format!("{{\"a\":{number}}}")] {
            assert_eq!(error(&text, &syntax), None, "{text}");
        }
    }
    for number in others {
        for text in [number.to_owned(), format!("[1,{number}]"), format!("{{\"a\":{number}}}")] {
            let error = error(&text, &syntax).unwrap_or_default();
            assert!(
                error.starts_with("a whole number is beyond 9007199254740991, at"),
                "{text}: {error}"
            );
            assert_eq!(self::error(&text, &Syntax::default()), None, "{text}");
        }
    }
    assert_eq!(error("[\"9007199254740993\"]", &syntax), None);
}

#[test]
fn numbers_are_as_they_were_written() {
    use Number::{Double, Negative, Unsigned};
    let table = [
        ("0", Unsigned(0)),
        ("18446744073709551615", Unsigned(u64::MAX)),
        ("18446744073709551616", Double(18_446_744_073_709_551_616.0)),
        ("-1", Negative(-1)),
        ("-9223372036854775808", Negative(i64::MIN)),
        ("-9223372036854775809", Double(-9_223_372_036_854_775_808.0)),
        ("1.0", Double(1.0)),
        ("1e2", Double(100.0)),
        ("-0", Double(-0.0)),
        ("5e-324", Double(5e-324)),
    ];
    for (text, number) in table {
        let document = read(text);
        assert_eq!(document.root().as_number(), Some(number), "{text}");
        let unsigned = if let Unsigned(number) = number { Some(number) } else { None };
        assert_eq!(document.root().as_u64(), unsigned, "{text}");
    }
}

#[test]
fn values_answer_to_what_they_are() {
    let text = r#"{"null":null,"bool":true,"number":1,"string":"s","escaped":"\n","array":[],"object":{}}"#;
    let document = read(text);
    let root = document.root();
    let table = [
        ("null", Kind::Null),
        ("bool", Kind::Bool),
        ("number", Kind::Number),
        ("string", Kind::String),
        ("escaped", Kind::String),
        ("array", Kind::Array),
        ("object", Kind::Object),
    ];
    assert_eq!(root.members().unwrap().len(), table.len());
    for (name, kind) in table {
        let value = root.get(name).unwrap();
        assert_eq!(value.kind(), kind, "{name}");
        let is = |right: Kind| kind == right;
        assert_eq!(value.as_bool().is_some(), is(Kind::Bool), "{name}");
        assert_eq!(value.as_number().is_some(), is(Kind::Number), "{name}");
        assert_eq!(value.as_u64().is_some(), is(Kind::Number), "{name}");
        assert_eq!(value.as_str().is_some(), is(Kind::String), "{name}");
        assert_eq!(value.items().is_some(), is(Kind::Array), "{name}");
        assert_eq!(value.members().is_some(), is(Kind::Object), "{name}");
        assert!(value.get("x").is_none(), "{name}");
    }
    // Where a string stands in the text, behind its quote; an escaped one stands nowhere.
    let offset = |name: &str| root.get(name).and_then(Value::offset);
    assert_eq!(offset("string").map(|at| &text[at..at + 1]), Some("s"));
    assert_eq!((offset("escaped"), offset("number")), (None, None));
    let name = root.get("number").and_then(Value::name_offset).unwrap();
    assert_eq!(&text[name..name + 6], "number");
    assert_eq!(root.name_offset(), None);
    let escaped = read(r#"{"\u0061":1}"#);
    assert_eq!(escaped.root().get("a").and_then(Value::name_offset), None);
}

/// serde_json's own `Value` takes an object with such a name for a text to read once more. A document does not.
#[test]
fn what_serde_json_reserves_for_itself_is_a_name_like_others() {
    for name in ["$serde_json::private::RawValue", "$serde_json::private::Number"] {
        for (text, inner) in [
            (format!("{{\"{name}\":\"[1]\"}}"), Some("[1]")),
            (format!("{{\"{name}\":\"no JSON\"}}"), Some("no JSON")),
            (format!("{{\"\\u0024{}\":\"1\"}}", &name[1..]), Some("1")),
            (format!("{{\"{name}\":1}}"), None),
        ] {
            let document = read(text);
            let value = document.root().get(name).unwrap();
            assert_eq!(value.as_str(), inner);
            assert_eq!(value.as_u64().is_some(), inner.is_none());
        }
    }
}
