use super::*;
use crate::json::{Document, Syntax};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json, value::RawValue};
use std::collections::{BTreeMap, BTreeSet};

/// An edit, as a test writes it.
#[derive(Clone, Debug)]
enum Op {
    Set(String, Value),
    Rename(String, String),
    Remove(String),
    Map(String, Vec<(String, Vec<(String, Value)>)>),
}

fn set(at: &str, value: Value) -> Op {
    Op::Set(at.into(), value)
}

fn rename(from: &str, to: &str) -> Op {
    Op::Rename(from.into(), to.into())
}

fn remove(at: &str) -> Op {
    Op::Remove(at.into())
}

fn map(at: &str, table: &[(&str, &[(&str, Value)])]) -> Op {
    let row = |members: &[(&str, Value)]| {
        members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    Op::Map(
        at.into(),
        table.iter().map(|(value, members)| ((*value).to_owned(), row(members))).collect(),
    )
}

fn edits(ops: &[Op]) -> Edits {
    let at = |pointer: &str| pointer.parse().unwrap();
    ops.iter().cloned().fold(Edits::new(), |edits, op| {
        match op {
            Op::Set(pointer, value) => edits.set(at(&pointer), value),
            Op::Rename(pointer, to) => edits.rename(at(&pointer), to),
            Op::Remove(pointer) => edits.remove(at(&pointer)),
            Op::Map(pointer, table) => edits.map(at(&pointer), table),
        }
        .unwrap()
    })
}

fn applied(text: &str, ops: &[Op]) -> String {
    let pieces = edits(ops).apply(&Bytes::copy_from_slice(text.as_bytes())).unwrap();
    String::from_utf8(pieces.concat()).unwrap()
}

/// Each text, what is done to it, and what it becomes.
fn check(table: &[(&str, &[Op], &str)]) {
    for (text, ops, want) in table {
        assert_eq!(applied(text, ops), *want, "{text} {ops:?}");
        Document::parse((*want).to_owned(), &Syntax::default()).unwrap();
    }
}

#[test]
fn setting() {
    check(&[
        (r#"{}"#, &[set("/a", json!(1))], r#"{"a":1}"#),
        (r#"{ }"#, &[set("/a", json!(1))], r#"{"a":1 }"#),
        ("{\n}\n", &[set("/a", json!(1))], "{\"a\":1\n}\n"),
        (r#"{}"#, &[set("/a", json!(1)), set("/b", json!(2))], r#"{"a":1,"b":2}"#),
        (r#"{"a":1}"#, &[set("/a", json!(2))], r#"{"a":2}"#),
        (r#"{"a":1}"#, &[set("/a", json!(1))], r#"{"a":1}"#),
        (r#"{ "a" : 1 , "b" : 2 }"#, &[set("/a", json!("x"))], r#"{ "a" : "x" , "b" : 2 }"#),
        (r#"{ "a" : 1 , "b" : 2 }"#, &[set("/b", json!([1, {}]))], r#"{ "a" : 1 , "b" : [1,{}] }"#),
        (r#"{ "a" : 1 , "b" : 2 }"#, &[set("/c", json!(3))], r#"{ "a" : 1 , "b" : 2 , "c" : 3 }"#),
        (r#"{"a": 1, "b": 2}"#, &[set("/c", json!(3))], r#"{"a": 1, "b": 2, "c": 3}"#),
        (r#"{"a": 1}"#, &[set("/c", json!(3))], r#"{"a": 1,"c": 3}"#),
        ("{\n\t\"a\": 1\n}", &[set("/c", json!(3))], "{\n\t\"a\": 1,\n\t\"c\": 3\n}"),
        (
            "{\r\n  \"a\": 1,\r\n  \"b\": 2\r\n}",
            &[set("/c", json!(3))],
            "{\r\n  \"a\": 1,\r\n  \"b\": 2,\r\n  \"c\": 3\r\n}",
        ),
        (" \n{\"a\":1}\t ", &[set("/a", json!(null))], " \n{\"a\":null}\t "),
        // A value of `serde_json` is one of JSON.
        (r#"{"a":1}"#, &[set("/a", Value::from(f64::NAN))], r#"{"a":null}"#),
        // Escapes.
        (r#"{"\u006dodel":1}"#, &[set("/model", json!(2))], r#"{"\u006dodel":2}"#),
        (r#"{"a\"b\\":1}"#, &[set("/a\"b\\", json!(2))], r#"{"a\"b\\":2}"#),
        (
            r#"{"a\/b":1,"m~n":2}"#,
            &[set("/a~1b", json!(3)), set("/m~0n", json!(4))],
            r#"{"a\/b":3,"m~n":4}"#,
        ),
        (r#"{"\ud83d\ude00":1}"#, &[set("/😀", json!(2))], r#"{"\ud83d\ude00":2}"#),
        (r#"{"é":1,"日本":2}"#, &[set("/日本", json!("語"))], r#"{"é":1,"日本":"語"}"#),
        (
            r#"{}"#,
            &[set("/q\"\\\n\u{1}", json!("\"\\\n\u{1}é"))],
            r#"{"q\"\\\n\u0001":"\"\\\n\u0001é"}"#,
        ),
        (r#"{"":1}"#, &[set("/", json!(2))], r#"{"":2}"#),
        // What is in strings is no structure.
        (r#"{"a":"},{\"b\":1","b":"]"}"#, &[set("/b", json!(2))], r#"{"a":"},{\"b\":1","b":2}"#),
        (r#"{",\":{": "\\" , "b":1}"#, &[set("/b", json!(2))], r#"{",\":{": "\\" , "b":2}"#),
        // Deeper.
        (r#"{"a":{"b":1 } }"#, &[set("/a/b", json!(2))], r#"{"a":{"b":2 } }"#),
        (r#"{"a":{"b": 1}}"#, &[set("/a/c", json!(2))], r#"{"a":{"b": 1,"c": 2}}"#),
        (r#"{"a": { } }"#, &[set("/a/b/c", json!(2))], r#"{"a": {"b":{"c":2} } }"#),
        (r#"{"x":0}"#, &[set("/a/b/c", json!(2))], r#"{"x":0,"a":{"b":{"c":2}}}"#),
        (r#"{"a":{"0":1}}"#, &[set("/a/0", json!(2))], r#"{"a":{"0":2}}"#),
        // In the place of what is no object.
        (r#"{"a":[1]}"#, &[set("/a/0", json!(2))], r#"{"a":{"0":2}}"#),
        (r#"{"a":[{"b":1}]}"#, &[set("/a/0/b", json!(2))], r#"{"a":{"0":{"b":2}}}"#),
        (r#"{"a":[]}"#, &[set("/a/b", json!(2))], r#"{"a":{"b":2}}"#),
        (r#"{ "a" : null , "c":1}"#, &[set("/a/b", json!(2))], r#"{ "a" : {"b":2} , "c":1}"#),
        (r#"{"a":5}"#, &[set("/a/b", json!(2)), set("/a/c", json!(3))], r#"{"a":{"b":2,"c":3}}"#),
        (r#"{"a":"{}"}"#, &[set("/a/b/c", json!(2))], r#"{"a":{"b":{"c":2}}}"#),
        (r#"{"a":{"b":false}}"#, &[set("/a/b/c", json!(2))], r#"{"a":{"b":{"c":2}}}"#),
    ]);
}

#[test]
fn renaming() {
    check(&[
        (r#"{"a":1}"#, &[rename("/a", "b")], r#"{"b":1}"#),
        (r#"{}"#, &[rename("/a", "b")], r#"{}"#),
        (r#"{ "a" : 1 , "x" : 2 }"#, &[rename("/a", "b")], r#"{ "b" : 1 , "x" : 2 }"#),
        (r#"{"x":1,"a":2}"#, &[rename("/a", "b")], r#"{"x":1,"b":2}"#),
        (r#"{"a":1}"#, &[rename("/a", "/a")], r#"{"/a":1}"#),
        (r#"{"a":1}"#, &[rename("/a", "")], r#"{"":1}"#),
        (r#"{"\u0061":1}"#, &[rename("/a", "a")], r#"{"\u0061":1}"#),
        (r#"{"\u0061":1}"#, &[rename("/a", "b")], r#"{"b":1}"#),
        (r#"{"a":1}"#, &[rename("/a", "\"é\\\t")], r#"{"\"é\\\t":1}"#),
        // Onto one that is there.
        (r#"{"a":1, "b":2, "c":3}"#, &[rename("/a", "b")], r#"{"b":1, "c":3}"#),
        (r#"{"a":1, "b":2, "c":3}"#, &[rename("/c", "b")], r#"{"a":1, "b":3}"#),
        (r#"{ "a":1, "b":2, "c":3 }"#, &[rename("/c", "a")], r#"{ "b":2, "a":3 }"#),
        (r#"{"a":1,"\u0062":2}"#, &[rename("/a", "b")], r#"{"b":1}"#),
        (r#"{"b":2}"#, &[rename("/a", "b")], r#"{"b":2}"#),
        // Deeper.
        (r#"{"a":{"b":1},"b":2}"#, &[rename("/a/b", "c")], r#"{"a":{"c":1},"b":2}"#),
        (r#"{"a":[{"b":1}]}"#, &[rename("/a/0/b", "c")], r#"{"a":[{"b":1}]}"#),
        (r#"{"a":[{"b":1}]}"#, &[rename("/a/0", "c")], r#"{"a":[{"b":1}]}"#),
        (r#"{"a":"b"}"#, &[rename("/a/b", "c")], r#"{"a":"b"}"#),
    ]);
}

#[test]
fn removing() {
    check(&[
        (r#"{"a":1}"#, &[remove("/a")], r#"{}"#),
        (r#"{ "a": 1 }"#, &[remove("/a")], r#"{ }"#),
        (r#"{}"#, &[remove("/a")], r#"{}"#),
        (r#"{ }"#, &[remove("/a")], r#"{ }"#),
        (r#"{"a":1,"b":2,"c":3}"#, &[remove("/a")], r#"{"b":2,"c":3}"#),
        (r#"{"a":1,"b":2,"c":3}"#, &[remove("/b")], r#"{"a":1,"c":3}"#),
        (r#"{"a":1,"b":2,"c":3}"#, &[remove("/c")], r#"{"a":1,"b":2}"#),
        (r#"{"a": 1, "b": 2}"#, &[remove("/a")], r#"{"b": 2}"#),
        (r#"{ "a": 1 , "b": 2 }"#, &[remove("/b")], r#"{ "a": 1 }"#),
        ("{\n  \"a\": 1,\n  \"b\": 2\n}", &[remove("/a")], "{\n  \"b\": 2\n}"),
        ("{\n  \"a\": 1,\n  \"b\": 2\n}", &[remove("/b")], "{\n  \"a\": 1\n}"),
        (
            "{\n  \"a\": 1\n, \"b\": 2\n, \"c\": 3\n}",
            &[remove("/b")],
            "{\n  \"a\": 1\n, \"c\": 3\n}",
        ),
        (r#"{"a":1,"b":2}"#, &[remove("/a"), remove("/b")], r#"{}"#),
        (r#"{"a":1,"b":2}"#, &[remove("/b"), remove("/a")], r#"{}"#),
        (r#"{"\u00e9":1,"b":2}"#, &[remove("/é")], r#"{"b":2}"#),
        (r#"{"a":{"b":1,"c":2}}"#, &[remove("/a/b")], r#"{"a":{"c":2}}"#),
        (r#"{"a":{"b":1}}"#, &[remove("/a/b")], r#"{"a":{}}"#),
        (r#"{"a":{"b":1},"c":2}"#, &[remove("/a")], r#"{"c":2}"#),
        (r#"{"a":[1,2]}"#, &[remove("/a/0")], r#"{"a":[1,2]}"#),
        (r#"{"a":1}"#, &[remove("/a/b")], r#"{"a":1}"#),
    ]);
}

#[test]
fn mapping() {
    let banana = map(
        "/model",
        &[
            ("nanobanano-2-4k", &[("model", json!("nano-banana-2")), ("imageSize", json!("4K"))]),
            ("\"é\"", &[("n", json!(1))]),
            ("nothing", &[]),
        ],
    );
    let inner = map("/a/b", &[("x", &[("c", json!(true))])]);
    check(&[
        (
            r#"{"model":"nanobanano-2-4k","n":1}"#,
            std::slice::from_ref(&banana),
            r#"{"model":"nano-banana-2","n":1,"imageSize":"4K"}"#,
        ),
        (
            r#"{"imageSize": "1K", "model": "nanobanano-2-4k"}"#,
            std::slice::from_ref(&banana),
            r#"{"imageSize": "4K", "model": "nano-banana-2"}"#,
        ),
        (
            r#"{"model":"\u006eanobanano-2-4k"}"#,
            std::slice::from_ref(&banana),
            r#"{"model":"nano-banana-2","imageSize":"4K"}"#,
        ),
        (r#"{"model":"\"é\""}"#, std::slice::from_ref(&banana), r#"{"model":"\"é\"","n":1}"#),
        (r#"{"model":"nothing"}"#, std::slice::from_ref(&banana), r#"{"model":"nothing"}"#),
        (r#"{"model":"other"}"#, std::slice::from_ref(&banana), r#"{"model":"other"}"#),
        (r#"{"model":1}"#, std::slice::from_ref(&banana), r#"{"model":1}"#),
        (r#"{"model":["nothing"]}"#, std::slice::from_ref(&banana), r#"{"model":["nothing"]}"#),
        (r#"{}"#, std::slice::from_ref(&banana), r#"{}"#),
        (r#"{"a":{"b":"x"}}"#, std::slice::from_ref(&inner), r#"{"a":{"b":"x","c":true}}"#),
        (r#"{"a":["x"]}"#, std::slice::from_ref(&inner), r#"{"a":["x"]}"#),
        (r#"{"b":"x"}"#, std::slice::from_ref(&inner), r#"{"b":"x"}"#),
        (
            r#"{"a":"x"}"#,
            &[map(
                "/a",
                &[("x", &[("a", json!("y")), ("b", json!("z"))]), ("y", &[("b", json!("no"))])],
            )],
            r#"{"a":"y","b":"z"}"#,
        ),
        (
            r#"{"m":"nothing"}"#,
            &[rename("/m", "model"), set("/model", json!("nanobanano-2-4k")), banana.clone()],
            r#"{"model":"nano-banana-2","imageSize":"4K"}"#,
        ),
    ]);
}

#[test]
fn one_after_the_other() {
    check(&[
        (
            r#"{"a":1,"b":2}"#,
            &[rename("/a", "c"), rename("/b", "a"), rename("/c", "b")],
            r#"{"b":1,"a":2}"#,
        ),
        (r#"{"a":1}"#, &[rename("/a", "b"), rename("/a", "c")], r#"{"b":1}"#),
        (r#"{"a":1}"#, &[remove("/a"), set("/a", json!(2))], r#"{"a":2}"#),
        (r#"{ "a": 1 }"#, &[remove("/a"), set("/b", json!(2))], r#"{ "b":2 }"#),
        (r#"{"a": 1, "b": 2}"#, &[remove("/a"), set("/a", json!(3))], r#"{"b": 2,"a": 3}"#),
        (r#"{"a": 1, "b": 2}"#, &[set("/c", json!(3)), remove("/b")], r#"{"a": 1, "c": 3}"#),
        (r#"{"a": 1, "b": 2}"#, &[set("/c", json!(3)), remove("/a"), remove("/b")], r#"{"c": 3}"#),
        (r#"{"a":1}"#, &[set("/a", json!({"b": 1})), rename("/a/b", "c")], r#"{"a":{"c":1}}"#),
        (
            r#"{"a":1}"#,
            &[set("/a", json!({"b": {"c": 1}})), set("/a/b/d", json!(2))],
            r#"{"a":{"b":{"c":1,"d":2}}}"#,
        ),
        (
            r#"{"a":{"b":1}}"#,
            &[rename("/a", "x"), set("/a/b", json!(2)), remove("/x/b")],
            r#"{"x":{},"a":{"b":2}}"#,
        ),
        (
            r#"{"a":{"b":1}}"#,
            &[set("/a/c", json!(1)), set("/a", json!(2)), set("/a/c", json!(1))],
            r#"{"a":{"c":1}}"#,
        ),
        (
            r#"{"a":{"b":1},"c":{"d":2}}"#,
            &[set("/a/b", json!(3)), rename("/a", "c"), remove("/c/d")],
            r#"{"c":{"b":3}}"#,
        ),
        (
            r#"{}"#,
            &[set("/a", json!(1)), rename("/a", "b"), set("/a", json!(2)), remove("/b")],
            r#"{"a":2}"#,
        ),
        (
            r#"{"a":"x"}"#,
            &[set("/b", json!("x")), remove("/a"), map("/b", &[("x", &[("a", json!(1))])])],
            r#"{"b":"x","a":1}"#,
        ),
    ]);
}

#[test]
fn what_cannot_be() {
    let at = |pointer: &str| pointer.parse().unwrap();
    let deep = |steps| at(&"/a".repeat(steps));
    let new = Edits::new;
    let row = |value: &str, names: &[&str]| {
        (value.to_owned(), names.iter().map(|name| ((*name).to_owned(), json!(1))).collect())
    };
    let value = || "x".into();
    let table = [
        (new().set(at(""), json!({})), Some(InvalidEdit::Whole)),
        (new().rename(at(""), "a"), Some(InvalidEdit::Whole)),
        (new().remove(at("")), Some(InvalidEdit::Whole)),
        (new().map(at(""), []), Some(InvalidEdit::Whole)),
        (new().set(deep(MAX_STEPS), json!(1)), None),
        (new().set(deep(MAX_STEPS + 1), json!(1)), Some(InvalidEdit::TooDeep)),
        (new().map(at("/a"), [row("x", &["b", "c"]), row("y", &["b"])]), None),
        (
            new().map(at("/a"), [row("x", &[]), row("x", &[])]),
            Some(InvalidEdit::ValueTwice { value: value() }),
        ),
        (
            new().map(at("/a"), [row("x", &["b", "c", "b"])]),
            Some(InvalidEdit::NameTwice { value: value(), name: "b".into() }),
        ),
    ];
    for (i, (edits, want)) in table.into_iter().enumerate() {
        assert_eq!(edits.err(), want, "row {i}");
    }
}

#[test]
fn what_cannot_be_edited() {
    let edits = edits(&[rename("/a", "b")]);
    let texts: &[(&[u8], NotEditable)] = &[
        (b"", NotEditable::NotAnObject),
        (b" ", NotEditable::NotAnObject),
        (b"[]", NotEditable::NotAnObject),
        (b"\"{}\"", NotEditable::NotAnObject),
        (b"null", NotEditable::NotAnObject),
        (b"{} {}", NotEditable::NotAnObject),
        (b"{\"a\":1,}", NotEditable::NotAnObject),
        (b"{\"x\":\"\xff\"}", NotEditable::NotAnObject),
        (b"\xef\xbb\xbf{}", NotEditable::NotAnObject),
        (b"{\"a\":1,\"a\":2}", NotEditable::NameTwice),
        (b"{\"a\":1,\"\\u0061\":2}", NotEditable::NameTwice),
        (b"{\"a\":1,\"b\":2,\"b\":2}", NotEditable::NameTwice),
    ];
    for (text, want) in texts {
        assert_eq!(edits.apply(&Bytes::from_static(text)), Err(*want), "{}", text.escape_ascii());
    }
}

#[test]
fn values_are_not_shown() {
    let shown = format!("{:?}", edits(&[set("/authorization", json!("hunter2"))]));
    assert!(shown.contains("authorization") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn what_has_not_changed_is_not_copied() {
    let large = "A".repeat(1 << 20);
    let text = Bytes::from(format!(
        r#"{{"size": "4K", "image": "{large}", "deep": {{"mask": "{large}", "n": 1}}, "user": "u"}}"#
    ));
    let is_in_text = |piece: &Bytes| text.as_ptr_range().contains(&piece.as_ptr());
    let same = |pieces: &[Bytes]| {
        pieces.len() == 1 && pieces[0].as_ptr() == text.as_ptr() && pieces[0].len() == text.len()
    };

    let ops = [
        rename("/size", "imageSize"),
        set("/deep/n", json!(2)),
        remove("/user"),
        set("/x", json!(0)),
    ];
    let pieces = edits(&ops).apply(&text).unwrap();
    let copied: usize = pieces.iter().filter(|piece| !is_in_text(piece)).map(Bytes::len).sum();
    assert!(copied < 40, "{copied}");
    assert!(pieces.len() <= 8, "{}", pieces.len());
    let images: Vec<_> = pieces.iter().filter(|piece| piece.len() >= large.len()).collect();
    assert!(images.iter().all(|piece| is_in_text(piece)), "{}", images.len());

    assert!(same(&Edits::new().apply(&text).unwrap()));
    let nothing = [
        rename("/nowhere", "b"),
        rename("/size", "size"),
        set("/size", json!("4K")),
        remove("/deep/nowhere"),
        remove("/image/a"),
        map("/deep/mask", &[("x", &[("y", json!(1))])]),
    ];
    assert!(same(&edits(&nothing).apply(&text).unwrap()));
}

/// What the edits mean, without a text.
mod model {
    use super::{Map, Op, Value};

    pub(super) fn steps(pointer: &str) -> Vec<String> {
        pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
    }

    fn parent<'v>(
        root: &'v mut Value,
        steps: &[String],
        make: bool,
    ) -> Option<&'v mut Map<String, Value>> {
        let mut object = root.as_object_mut()?;
        for step in steps {
            if make && !object.get(step).is_some_and(Value::is_object) {
                object.insert(step.clone(), Value::Object(Map::new()));
            }
            object = object.get_mut(step)?.as_object_mut()?;
        }
        Some(object)
    }

    pub(super) fn apply(root: &mut Value, op: &Op) -> Option<()> {
        let (Op::Set(at, _) | Op::Rename(at, _) | Op::Remove(at) | Op::Map(at, _)) = op;
        let mut parents = steps(at);
        let name = parents.pop()?;
        let object = parent(root, &parents, matches!(op, Op::Set(..)))?;
        match op {
            Op::Set(_, value) => {
                object.insert(name, value.clone());
            }
            Op::Rename(_, to) => {
                let value = object.remove(&name)?;
                object.insert(to.clone(), value);
            }
            Op::Remove(_) => {
                object.remove(&name);
            }
            Op::Map(_, table) => {
                let value = object.get(&name)?.as_str()?.to_owned();
                let (_, members) = table.iter().find(|(known, _)| *known == value)?;
                object.extend(members.iter().cloned());
            }
        }
        Some(())
    }
}

/// Writes a value with whitespace and escapes as they come.
struct Writer<'s> {
    style: std::iter::Cycle<std::slice::Iter<'s, u8>>,
    out: String,
}

impl Writer<'_> {
    fn space(&mut self) {
        let space = ["", "", "", " ", "\n  ", "\t", "\r\n", "  "];
        self.out.push_str(space[usize::from(*self.style.next().unwrap()) % space.len()]);
    }

    fn string(&mut self, string: &str) {
        if self.style.next().unwrap().is_multiple_of(4) {
            let escaped: String =
                string.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            self.out.push_str(&format!("\"{escaped}\""));
        } else {
            self.out.push_str(&json!(string).to_string());
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                self.out.push('{');
                self.space();
                // Not always in the order of the alphabet.
                let mut members: Vec<_> = members.iter().collect();
                let turn = usize::from(*self.style.next().unwrap()) % members.len().max(1);
                members.rotate_left(turn);
                for (i, (name, value)) in members.into_iter().enumerate() {
                    if i > 0 {
                        self.out.push(',');
                        self.space();
                    }
                    self.string(name);
                    self.space();
                    self.out.push(':');
                    self.space();
                    self.value(value);
                    self.space();
                }
                self.out.push('}');
            }
            Value::Array(items) => {
                self.out.push('[');
                for (i, item) in items.iter().enumerate() {
                    self.out.push_str(if i > 0 { "," } else { "" });
                    self.space();
                    self.value(item);
                    self.space();
                }
                self.out.push(']');
            }
            Value::String(string) => self.string(string),
            other => self.out.push_str(&other.to_string()),
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "", "é😀", "q\"\\", "0", "m~n/", "{", ",:"])
        .prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        name().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => object_of(inner),
        ]
    })
}

fn object_of(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(name(), inner, 0..7)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn op() -> impl Strategy<Value = Op> {
    let pointer = || {
        prop::collection::vec(name(), 1..4).prop_map(|steps| {
            steps
                .iter()
                .map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")))
                .collect::<String>()
        })
    };
    let row = || {
        prop::collection::btree_map(name(), value(), 0..3).prop_map(|row| row.into_iter().collect())
    };
    prop_oneof![
        (pointer(), value()).prop_map(|(at, value)| Op::Set(at, value)),
        (pointer(), name()).prop_map(|(from, to)| Op::Rename(from, to)),
        pointer().prop_map(Op::Remove),
        (pointer(), prop::collection::btree_map(name(), row(), 0..8))
            .prop_map(|(at, table)| Op::Map(at, table.into_iter().collect())),
    ]
}

/// Which members an edit may change, as steps.
fn touched(op: &Op) -> Vec<Vec<String>> {
    let (Op::Set(at, _) | Op::Rename(at, _) | Op::Remove(at) | Op::Map(at, _)) = op;
    let at = model::steps(at);
    let beside = |name: &String| [&at[..at.len() - 1], std::slice::from_ref(name)].concat();
    match op {
        Op::Set(..) | Op::Remove(_) => vec![at],
        Op::Rename(_, to) => vec![beside(to), at],
        Op::Map(_, table) => {
            table.iter().flat_map(|(_, row)| row).map(|(name, _)| beside(name)).collect()
        }
    }
}

/// Members that no edit leads to are the same, byte for byte.
fn same_where_untouched(old: &str, new: &str, at: &[String], touched: &BTreeSet<Vec<String>>) {
    let old: BTreeMap<String, &RawValue> = serde_json::from_str(old).unwrap();
    let new: BTreeMap<String, &RawValue> = serde_json::from_str(new).unwrap();
    for (name, value) in old {
        let at = [at, std::slice::from_ref(&name)].concat();
        if touched.contains(&at) {
            continue;
        }
        let now = new.get(&name).unwrap_or_else(|| panic!("{at:?} is gone")).get();
        let is_led_through = touched.iter().any(|path| path.starts_with(&at));
        match (value.get().starts_with('{'), now.starts_with('{')) {
            (true, true) if is_led_through => {
                same_where_untouched(value.get(), now, &at, touched);
            }
            // One was made in its place.
            (false, true) if is_led_through => {}
            _ => assert_eq!(value.get(), now, "{at:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_object_and_any_edits(
        object in object_of(value()),
        ops in prop::collection::vec(op(), 0..6),
        style in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let mut writer = Writer { style: style.iter().cycle(), out: String::new() };
        writer.space();
        writer.value(&object);
        writer.space();
        let text = Bytes::from(writer.out);

        let pieces = edits(&ops).apply(&text).unwrap();
        let new = String::from_utf8(pieces.concat()).unwrap();
        // Refuses names that are there twice.
        Document::parse(new.clone(), &Syntax::default()).unwrap();
        let mut want = object;
        for op in &ops {
            model::apply(&mut want, op);
        }
        prop_assert_eq!(serde_json::from_str::<Value>(&new).unwrap(), want);
        let touched = ops.iter().flat_map(touched).collect();
        same_where_untouched(std::str::from_utf8(&text).unwrap(), &new, &[], &touched);

        let mut end = text.as_ptr() as usize;
        for piece in pieces.iter().filter(|piece| text.as_ptr_range().contains(&piece.as_ptr())) {
            prop_assert!(piece.as_ptr() as usize >= end, "a slice comes twice, or out of order");
            end = piece.as_ptr() as usize + piece.len();
        }
        prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
    }

    #[test]
    fn any_text(text in "[{}\\[\\]\",:a\\\\u0 \n1]{0,24}", ops in prop::collection::vec(op(), 1..4)) {
        let _ = edits(&ops).apply(&text.into());
    }
}
