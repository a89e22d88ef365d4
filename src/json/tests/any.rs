//! Any document, any bytes.
use super::*;
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::Value as Serde;
use std::collections::HashSet;

fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{0,2}",
        ".{0,8}",
        "[\\x00-\\x20\"\\\\/\u{7f}-\u{a0}\u{d7ff}\u{e000}\u{feff}\u{ffff}\u{10ffff}~]{0,6}",
    ]
}

fn number() -> impl Strategy<Value = Serde> {
    prop_oneof![
        any::<u64>().prop_map(Serde::from),
        any::<i64>().prop_map(Serde::from),
        (-100_i64..100).prop_map(Serde::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Serde::from),
    ]
}

fn value() -> impl Strategy<Value = Serde> {
    let leaf = prop_oneof![
        Just(Serde::Null),
        any::<bool>().prop_map(Serde::from),
        number(),
        string().prop_map(Serde::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Serde::from),
            vec((string(), inner.clone()), 0..5)
                .prop_map(|members| members.into_iter().collect::<Serde>()),
            vec((string(), inner), 10..16)
                .prop_map(|members| members.into_iter().collect::<Serde>()),
        ]
    })
}

/// Writes a value with white space wherever it may be, and strings as they may be written.
struct Writer {
    text: String,
    random: fastrand::Rng,
}

impl Writer {
    fn space(&mut self) {
        for _ in 0..self.random.usize(0..12).saturating_sub(8) {
            self.text.push([' ', '\t', '\r', '\n'][self.random.usize(0..4)]);
        }
    }

    fn token(&mut self, token: &str) {
        self.space();
        self.text.push_str(token);
        self.space();
    }

    fn string(&mut self, string: &str) {
        self.space();
        self.text.push('"');
        let escape_some = self.random.bool();
        for character in string.chars() {
            let needed = matches!(character, '"' | '\\' | '\0'..='\u{1f}');
            if needed || (escape_some && self.random.bool()) {
                self.escape(character);
            } else {
                self.text.push(character);
            }
        }
        self.text.push('"');
        self.space();
    }

    fn escape(&mut self, character: char) {
        let short = "\"\"\\\\//b\u{8}f\u{c}n\nr\rt\t";
        let short: Vec<char> = short.chars().collect();
        let short = short.chunks(2).find(|pair| pair[1] == character).map(|pair| pair[0]);
        match short.filter(|_| self.random.bool()) {
            Some(short) => self.text.extend(['\\', short]),
            None => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let unit = format!("\\u{unit:04x}");
                    self.text.push_str(&unit);
                }
            }
        }
    }

    fn value(&mut self, value: &Serde) {
        match value {
            Serde::String(string) => self.string(string),
            Serde::Array(items) => {
                self.token("[");
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        self.token(",");
                    }
                    self.value(item);
                }
                self.token("]");
            }
            Serde::Object(members) => {
                self.token("{");
                for (i, (name, value)) in members.iter().enumerate() {
                    if i > 0 {
                        self.token(",");
                    }
                    self.string(name);
                    self.token(":");
                    self.value(value);
                }
                self.token("}");
            }
            plain => self.token(&plain.to_string()),
        }
    }
}

fn written(value: &Serde, seed: u64) -> String {
    let mut writer = Writer { text: String::new(), random: fastrand::Rng::with_seed(seed) };
    writer.value(value);
    writer.text
}

/// What holds of any bytes, under any syntax; whether they were accepted.
fn check(bytes: &[u8]) -> bool {
    let loose =
        Syntax::default().max_depth(usize::MAX).max_values(usize::MAX).duplicates(Duplicates::Last);
    let serde: Option<Serde> = serde_json::from_slice(bytes).ok();
    let read_loosely = Document::parse(bytes.to_vec(), &loose);
    // Whatever serde_json reads is accepted then, and nothing else.
    assert_eq!(read_loosely.is_ok(), serde.is_some(), "{}", String::from_utf8_lossy(bytes));
    let (Ok(document), Some(serde)) = (read_loosely, serde) else {
        assert!(Document::parse(bytes.to_vec(), &Syntax::default()).is_err());
        return false;
    };
    assert_eq!(document.text().as_bytes(), bytes);
    assert_eq!(document.root().to_serde(), serde);
    if let Ok(strict) = Document::parse(bytes.to_vec(), &Syntax::default()) {
        assert_eq!(strict.text().as_bytes(), bytes);
        assert_eq!(strict.root().to_serde(), serde);
        assert!(strict.root().members().is_none_or(|members| {
            let mut seen = HashSet::new();
            members.into_iter().all(|(name, _)| seen.insert(name))
        }));
    }
    true
}

/// Whatever is in the value is where its pointer leads.
fn assert_found(document: &Document, value: Value<'_>, path: &str) {
    let pointer: Pointer = path.parse().unwrap();
    assert_eq!(pointer.to_string(), path);
    assert_eq!(document.at(&pointer).unwrap().place(), value.place(), "{path}");
    for (i, item) in value.items().into_iter().flatten().enumerate() {
        assert_found(document, item, &format!("{path}/{i}"));
    }
    for (name, value) in value.members().into_iter().flatten() {
        assert_found(document, value, &format!("{path}/{}", pointer::escape(name)));
    }
}

proptest! {
    #[test]
    fn any_value_is_read_as_it_was_written(value in value(), seed in any::<u64>()) {
        let text = written(&value, seed);
        let document = read(text.clone());
        let expected = serde(text.as_bytes());
        prop_assert_eq!(document.root().to_serde(), expected);
        prop_assert_eq!(document.text(), text);
        prop_assert!(json_equal(&document.root().to_serde(), &value));
        assert_found(&document, document.root(), "");
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..40)) {
        check(&bytes);
    }

    #[test]
    fn any_tokens(tokens in vec(0..TOKENS.len(), 0..14)) {
        check(&tokens.into_iter().flat_map(|i| TOKENS[i].bytes()).collect::<Vec<_>>());
    }

    #[test]
    fn any_mutation(
        value in value(),
        seed in any::<u64>(),
        edits in vec((any::<Index>(), any::<u8>(), 0..5_u8), 1..4),
    ) {
        let mut bytes = written(&value, seed).into_bytes();
        prop_assert!(check(&bytes));
        for (at, byte, edit) in edits {
            let at = at.index(bytes.len() + 1);
            match (edit, bytes.get_mut(at)) {
                (0, Some(old)) => *old = byte,
                (1, Some(old)) => *old ^= 1 << (byte % 8),
                (2, Some(_)) => drop(bytes.remove(at)),
                (3, _) => bytes.truncate(at),
                _ => bytes.insert(at, b"[]{}\",:\\0u-eE. \n"[usize::from(byte) % 16]),
            }
        }
        check(&bytes);
    }
}

const TOKENS: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"a\"",
    "\"a\":",
    "\"\\u0061\":",
    "\"b\":1,",
    "\"\"",
    "0",
    "-1",
    "1.5",
    "1e400",
    "01",
    "true",
    "null",
    " ",
    "\n",
    "\"",
    "\\",
    "[1,2]",
    "{\"a\":[]}",
    "\u{feff}",
    "\\ud800",
];

/// The same, but for what is lost of a double where it is read: serde_json is a unit in the last place off now and then.
fn json_equal(a: &Serde, b: &Serde) -> bool {
    match (a, b) {
        (Serde::Number(a), Serde::Number(b)) => {
            let (Some(x), Some(y)) = (a.as_f64(), b.as_f64()) else { return false };
            a == b || (x - y).abs() <= x.abs() * 1e-15 || (x - y).abs() <= f64::MIN_POSITIVE
        }
        (Serde::Array(a), Serde::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| json_equal(a, b))
        }
        (Serde::Object(a), Serde::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((n, a), (m, b))| n == m && json_equal(a, b))
        }
        _ => a == b,
    }
}
