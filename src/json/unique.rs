//! Whether the items of an array are all different, without looking at each of them again for each other.

use super::{Items, Kind, Number, Value};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

/// Whether no two items are equal, as JSON Schema has it: numbers by what they are worth, members in any order.
///
/// Every item is hashed once, and only items of one hash are compared. Nobody can write items that share one: the hash
/// is keyed, with a key that is drawn for each array, and what goes into it is different for all that is different:
/// each value begins with its kind, what has a length with that, and a number is what it is worth.
///
/// To sort the items by an order of all values would do without a key. But to compare two objects their members have to
/// be sorted, again in each comparison, and one large object among many small ones would make that quadratic.
pub(super) fn is_unique(items: Items<'_>) -> bool {
    let keys = RandomState::new();
    all_differ(items, |item| hash(item, &keys), is_same)
}

/// The same by any hash and any comparison.
fn all_differ<'a>(
    items: Items<'a>,
    hash: impl Fn(Value<'a>) -> u64,
    mut is_same: impl FnMut(Value<'a>, Value<'a>) -> bool,
) -> bool {
    if items.len() < 2 {
        return true;
    }
    let mut hashed: Vec<_> = items.map(|item| (hash(item), item)).collect();
    hashed.sort_unstable_by_key(|(hash, _)| *hash);
    hashed.chunk_by(|(one, _), (next, _)| one == next).all(|alike| {
        let mut rest = alike;
        while let Some(((_, one), others)) = rest.split_first() {
            if others.iter().any(|(_, other)| is_same(*one, *other)) {
                return false;
            }
            rest = others;
        }
        true
    })
}

fn hash(value: Value<'_>, keys: &RandomState) -> u64 {
    let mut hasher = keys.build_hasher();
    feed(value, &mut hasher);
    hasher.finish()
}

fn feed(value: Value<'_>, hasher: &mut impl Hasher) {
    value.kind().hash(hasher);
    match value.kind() {
        Kind::Null => {}
        Kind::Bool => value.as_bool().hash(hasher),
        Kind::Number => value.as_number().map(worth).hash(hasher),
        Kind::String => feed_string(value.as_str().unwrap_or_default(), hasher),
        Kind::Array => {
            if let Some(items) = value.items() {
                hasher.write_usize(items.len());
                items.for_each(|item| feed(item, hasher));
            }
        }
        Kind::Object => {
            let members = sorted(value);
            hasher.write_usize(members.len());
            for (name, member) in members {
                feed_string(name, hasher);
                feed(member, hasher);
            }
        }
    }
}

fn feed_string(string: &str, hasher: &mut impl Hasher) {
    hasher.write_usize(string.len());
    hasher.write(string.as_bytes());
}

/// The members of an object by name.
fn sorted(value: Value<'_>) -> Vec<(&str, Value<'_>)> {
    let mut members: Vec<_> = value.members().into_iter().flatten().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
}

fn is_same(one: Value<'_>, other: Value<'_>) -> bool {
    match one.kind() {
        kind if kind != other.kind() => false,
        Kind::Null => true,
        Kind::Bool => one.as_bool() == other.as_bool(),
        Kind::Number => one.as_number().map(worth) == other.as_number().map(worth),
        Kind::String => one.as_str() == other.as_str(),
        Kind::Array => match (one.items(), other.items()) {
            (Some(ones), Some(others)) if ones.len() == others.len() => {
                ones.zip(others).all(|(one, other)| is_same(one, other))
            }
            _ => false,
        },
        Kind::Object => {
            let (ones, others) = (sorted(one), sorted(other));
            ones.len() == others.len()
                && ones.into_iter().zip(others).all(|((name, one), (other_name, other))| {
                    name == other_name && is_same(one, other)
                })
        }
    }
}

/// The same for two numbers exactly when they are worth the same, whichever way they are written.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both are in range")]
fn worth(number: Number) -> (u8, u64) {
    /// What is one too large for a `u64`, and what is just large enough for an `i64`; both are doubles exactly.
    const TOO_LARGE: f64 = 18_446_744_073_709_551_616.0;
    const LEAST: f64 = -9_223_372_036_854_775_808.0;
    match number {
        Number::Unsigned(number) => (0, number),
        Number::Negative(number) => (1, number.cast_unsigned()),
        Number::Double(number) if number.fract() != 0.0 => (2, number.to_bits()),
        // -0.0 as well.
        Number::Double(number) if (0.0..TOO_LARGE).contains(&number) => (0, number as u64),
        Number::Double(number) if (LEAST..0.0).contains(&number) => {
            (1, (number as i64).cast_unsigned())
        }
        Number::Double(number) => (2, number.to_bits()),
    }
}

#[cfg(test)]
#[cfg(feature = "validate")]
mod tests {
    use super::*;
    use crate::json::{Document, Syntax};
    use jsonschema::json::cmp;
    use proptest::prelude::*;
    use serde_json::{Value as Serde, json};
    use std::cell::Cell;

    fn read(text: impl Into<bytes::Bytes>) -> Document {
        Document::parse(text, &Syntax::default()).unwrap()
    }

    fn items(document: &Document) -> Items<'_> {
        document.root().items().unwrap()
    }

    /// Whether all are different, and how many comparisons that took.
    fn count(document: &Document) -> (bool, usize) {
        let (keys, count) = (RandomState::new(), Cell::new(0));
        let is_same = |one, other| {
            count.set(count.get() + 1);
            is_same(one, other)
        };
        let differ = all_differ(items(document), |item| hash(item, &keys), is_same);
        assert_eq!(is_unique(items(document)), differ);
        (differ, count.get())
    }

    /// Arrays of arrays in all shapes that can be made of so many pairs of brackets.
    fn nested(most: usize) -> Vec<String> {
        let mut rows: Vec<Vec<String>> = vec![vec![String::new()]];
        for pairs in 1..=most {
            let mut row = Vec::new();
            for inside in 0..pairs {
                for first in &rows[inside] {
                    for rest in &rows[pairs - 1 - inside] {
                        let comma = if rest.is_empty() { "" } else { "," };
                        row.push(format!("[{first}]{comma}{rest}"));
                    }
                }
            }
            rows.push(row);
        }
        rows.into_iter().flatten().map(|inside| format!("[{inside}]")).collect()
    }

    /// Texts that share a hash where numbers are hashed as doubles, or lengths are not hashed, or members are mixed by
    /// an operation that undoes itself: each item would be compared with each.
    #[test]
    fn what_is_written_to_collide_is_not_compared() {
        let near = |i: u64| u64::MAX - i;
        let in_any_order = |i: u64| format!(r#"{{"a":{i},"b":{},"c":0}}"#, 20_000 - i);
        let table: [(&str, Vec<String>); 6] = [
            ("large integers", (0..99_000).map(|i| near(i).to_string()).collect()),
            (
                "pairs of large integers",
                (0..33_000).map(|i| format!("[{},{}]", near(i % 1000), near(i / 1000))).collect(),
            ),
            ("nested arrays", nested(9)),
            (
                // What the kind of the second string looks like, on either side of it.
                "strings that look like a border",
                (0..100)
                    .map(|i| [i, 100 - i].map(|times| r"\u0003\0\0\0\0\0\0\0".repeat(times)))
                    .map(|[one, other]| format!(r#"["{one}","{other}"]"#).replace(r"\0", r"\u0000"))
                    .collect(),
            ),
            ("members that change places", (0..10_000).map(in_any_order).collect()),
            (
                "a large object among small ones",
                (0..1000)
                    .map(|i| {
                        format!(r#"{{"{}":{i}}}"#, "n".repeat(if i == 500 { 500_000 } else { 1 }))
                    })
                    .collect(),
            ),
        ];
        for (what, mut items) in table {
            assert_eq!(count(&read(format!("[{}]", items.join(",")))), (true, 0), "{what}");
            items.push(items[items.len() / 2].clone());
            assert_eq!(count(&read(format!("[{}]", items.join(",")))), (false, 1), "{what}");
        }
    }

    /// Each with each, by the crate whose rules these are.
    fn naive(items: &[Serde]) -> bool {
        (0..items.len()).all(|i| !items[..i].iter().any(|other| cmp::equal(other, &items[i])))
    }

    /// Few of each sort, so that there are equal ones.
    fn value() -> impl Strategy<Value = Serde> {
        let edges = [u64::MAX as f64, i64::MIN as f64, (1_u64 << 53) as f64].map(Serde::from);
        let whole = [u64::MAX, u64::MAX - 1, 1 << 63, 1 << 53, (1 << 53) + 1].map(Serde::from);
        let negative = [i64::MIN, i64::MIN + 1, -1].map(Serde::from);
        let plain = [json!(0), json!(-0.0), json!(1), json!(1.0), json!(-1.0), json!(0.5)];
        let numbers = [&edges[..], &whole, &negative, &plain].concat();
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Serde::from),
            prop::sample::select(plain.to_vec()),
            prop::sample::select(numbers),
            any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Serde::from),
            "[a1]?".prop_map(Serde::from),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Serde::from),
                prop::collection::vec(("[ab]", inner), 0..3)
                    .prop_map(|members| members.into_iter().collect::<Serde>()),
            ]
        })
    }

    /// Writes a value, or writes it in another way.
    fn write(value: &Serde, otherwise: bool) -> String {
        match value {
            Serde::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| write(item, otherwise)).collect();
                format!("[{}]", items.join(","))
            }
            Serde::Object(members) => {
                let member = |(name, value)| format!("{name:?}:{}", write(value, otherwise));
                let mut members: Vec<_> = members.iter().map(member).collect();
                if otherwise {
                    members.reverse();
                }
                format!("{{{}}}", members.join(","))
            }
            Serde::Number(number) if otherwise && number.as_i64() == Some(0) => "-0.0".to_owned(),
            Serde::Number(number) if otherwise && !number.is_f64() => format!("{number}.0"),
            other => other.to_string(),
        }
    }

    proptest! {
        #[test]
        fn as_each_compared_with_each(
            items in prop::collection::vec((value(), any::<bool>(), any::<bool>()), 0..6),
        ) {
            let items = items.iter().flat_map(|(item, plain, otherwise)| {
                let plain = plain.then(|| write(item, false));
                plain.into_iter().chain(otherwise.then(|| write(item, true)))
            });
            let items: Vec<_> = items.collect();
            let document = read(format!("[{}]", items.join(",")));
            let items_of = || self::items(&document);
            // What was written may be read as a neighbour of it.
            let items: Vec<Serde> = items_of().map(Value::to_serde).collect();
            let differ = naive(&items);
            prop_assert_eq!(is_unique(items_of()), differ);
            prop_assert_eq!(all_differ(items_of(), |_| 0, is_same), differ);
            for (one, serde) in items_of().zip(&items) {
                for (other, other_serde) in items_of().zip(&items) {
                    let equal = cmp::equal(serde, other_serde);
                    prop_assert_eq!(is_same(one, other), equal);
                    let keys = RandomState::new();
                    prop_assert_eq!(hash(one, &keys) == hash(other, &keys), equal);
                }
            }
        }
    }
}
