//! Any bytes: `Document` accepts exactly what serde_json accepts, less what the syntax forbids, and reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::{collections::HashSet, fmt};
use tollgate::json::{Document, Duplicates, Kind, Number, Numbers, Syntax, Value};

/// What serde_json reads, nothing dropped. (Its own `Value` keeps one of two members, and takes an object with a
/// certain name for something else.)
enum Tree {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// A syntax, and what a document must be for it.
struct Setting {
    depth: usize,
    values: usize,
    duplicates: Duplicates,
    numbers: Numbers,
}

const SETTINGS: [Setting; 5] = [
    Setting {
        depth: 64,
        values: 100_000,
        duplicates: Duplicates::Refuse,
        numbers: Numbers::Double,
    },
    Setting {
        depth: 127,
        values: usize::MAX,
        duplicates: Duplicates::Last,
        numbers: Numbers::Double,
    },
    Setting {
        depth: 127,
        values: usize::MAX,
        duplicates: Duplicates::Last,
        numbers: Numbers::Safe,
    },
    Setting { depth: 2, values: 1_000, duplicates: Duplicates::Refuse, numbers: Numbers::Safe },
    Setting { depth: 5, values: 6, duplicates: Duplicates::Refuse, numbers: Numbers::Double },
];

fuzz_target!(|text: &[u8]| {
    let tree: Option<Tree> = serde_json::from_slice(text).ok();
    for setting in &SETTINGS {
        let syntax = Syntax::default()
            .max_depth(setting.depth)
            .max_values(setting.values)
            .duplicates(setting.duplicates)
            .numbers(setting.numbers);
        let read = Document::parse(text.to_vec(), &syntax);
        let allowed = tree.as_ref().filter(|tree| setting.allows(tree));
        match (&read, allowed) {
            (Ok(document), Some(tree)) => {
                assert_eq!(document.text().as_bytes(), text);
                assert_same(document.root(), tree);
                assert_found(document, document.root(), &mut String::new());
            }
            (Err(error), None) => assert!(!error.to_string().is_empty()),
            (Ok(_), None) => panic!("accepted"),
            (Err(error), Some(_)) => panic!("refused: {error}"),
        }
    }
});

impl Setting {
    fn allows(&self, tree: &Tree) -> bool {
        tree.depth() <= self.depth
            && tree.values() <= self.values
            && (self.duplicates == Duplicates::Last || !tree.any(&Tree::has_duplicates))
            && (self.numbers == Numbers::Double || !tree.any(&Tree::is_unsafe))
    }
}

impl Tree {
    fn children(&self) -> Vec<&Self> {
        match self {
            Self::Array(items) => items.iter().collect(),
            Self::Object(members) => members.iter().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::Array(_) | Self::Object(_) => {
                1 + self.children().into_iter().map(Self::depth).max().unwrap_or(0)
            }
            _ => 0,
        }
    }

    fn values(&self) -> usize {
        let names = if let Self::Object(members) = self { members.len() } else { 0 };
        1 + names + self.children().into_iter().map(Self::values).sum::<usize>()
    }

    fn any(&self, what: &dyn Fn(&Self) -> bool) -> bool {
        what(self) || self.children().into_iter().any(|child| child.any(what))
    }

    fn has_duplicates(&self) -> bool {
        let mut seen = HashSet::new();
        matches!(self, Self::Object(members) if !members.iter().all(|(name, _)| seen.insert(name)))
    }

    /// A whole number that a double does not count exactly.
    fn is_unsafe(&self) -> bool {
        const SAFE: u64 = 9_007_199_254_740_991;
        match self {
            Self::Number(Number::Unsigned(number)) => *number > SAFE,
            Self::Number(Number::Negative(number)) => number.unsigned_abs() > SAFE,
            Self::Number(Number::Double(number)) => {
                number.fract() == 0.0 && number.abs() > SAFE as f64
            }
            _ => false,
        }
    }
}

fn assert_same(value: Value<'_>, tree: &Tree) {
    match tree {
        Tree::Null => assert_eq!(value.kind(), Kind::Null),
        Tree::Bool(bool) => assert_eq!(value.as_bool(), Some(*bool)),
        Tree::Number(number) => assert_eq!(value.as_number(), Some(*number)),
        Tree::String(string) => assert_eq!(value.as_str(), Some(&**string)),
        Tree::Array(trees) => {
            let items = value.items().unwrap();
            assert_eq!(items.len(), trees.len());
            items.zip(trees).for_each(|(item, tree)| assert_same(item, tree));
        }
        Tree::Object(trees) => {
            // The last of each name, where the last one stands.
            let mut seen = HashSet::new();
            let mut kept: Vec<_> =
                trees.iter().rev().filter(|(name, _)| seen.insert(name)).collect();
            kept.reverse();
            let members = value.members().unwrap();
            assert_eq!(members.len(), kept.len());
            for ((name, value), (expected, tree)) in members.zip(kept) {
                assert_eq!(name, expected);
                assert_same(value, tree);
            }
        }
    }
}

/// Whatever is in the value is where its pointer leads.
fn assert_found(document: &Document, value: Value<'_>, path: &mut String) {
    let found = document.at(&path.parse().unwrap()).unwrap();
    assert_eq!(found.kind(), value.kind());
    assert_eq!(found.as_str(), value.as_str());
    assert_eq!(found.as_number(), value.as_number());
    let mut inside = |step: String, value| {
        let before = path.len();
        path.push('/');
        path.push_str(&step);
        assert_found(document, value, path);
        path.truncate(before);
    };
    for (i, item) in value.items().into_iter().flatten().enumerate() {
        inside(i.to_string(), item);
    }
    for (name, value) in value.members().into_iter().flatten() {
        inside(name.replace('~', "~0").replace('/', "~1"), value);
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(bool))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(Number::Unsigned(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Number(Number::Negative(number)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Number(Number::Double(number)))
    }

    fn visit_str<E>(self, string: &str) -> Result<Tree, E> {
        Ok(Tree::String(string.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Tree::Object(members))
    }
}
