//! What a document costs, and documents that are made without a text.
use super::*;
use crate::{
    buffer::{Budget, Reservation},
    json::document::{Builder, Exhausted},
};
use serde_json::json;

fn try_read(text: &str, budget: &Budget) -> Result<Document, ParseError> {
    parse(
        text.to_owned().into(),
        &Syntax::default().duplicates(Duplicates::Last),
        budget.reserve(0).unwrap(),
    )
}

#[test]
fn what_is_taken_is_given_back() {
    // A text, and what it takes: 16 bytes for each place, 32 of them at first, twice as many each time; what is
    // escaped, beside that.
    let table: &[(String, usize)] = &[
        ("1".into(), 512),
        (format!("[{}1]", "1,".repeat(30)), 512),
        (format!("[{}1]", "1,".repeat(31)), 1024),
        (format!("[{}1]", "1,".repeat(63)), 2048),
        (format!("\"{}\"", "x".repeat(5000)), 512),
        (format!("\"{}\"", "\\n".repeat(5000)), 512 + 5000),
        (format!("[\"{}\",\"\\n\"]", "\\n".repeat(5000)), 512 + 10_000),
    ];
    for (text, bytes) in table {
        let budget = Budget::new(*bytes);
        let document = try_read(text, &budget).unwrap();
        assert_eq!(budget.reserved(), *bytes);
        drop(document);
        assert_eq!(budget.reserved(), 0);
        let budget = Budget::new(bytes - 1);
        assert_eq!(try_read(text, &budget).err(), Some(ParseError::Exhausted(Exhausted)));
        assert_eq!(budget.reserved(), 0);
    }
}

#[test]
fn with_any_budget_there_is_a_document_or_there_is_none() {
    let text = format!(
        "[{}{{\"a\\n\":[{}null],\"b\":1,\"b\":\"{}\"}}]",
        "\"\\u0041\",[],".repeat(40),
        "{\"k\":\"\\t\"},".repeat(40),
        "\\\\".repeat(300)
    );
    let serde = serde(text.as_bytes());
    let (mut refused, mut accepted) = (0, 0);
    for bytes in (0..10_000).step_by(7) {
        for budget in [Budget::new(bytes), Budget::new(bytes).worker()] {
            match try_read(&text, &budget) {
                Ok(document) => {
                    assert_eq!(document.root().to_serde(), serde);
                    assert!(budget.reserved() <= bytes);
                    accepted += 1;
                }
                Err(ParseError::Exhausted(Exhausted)) => {
                    assert_eq!(accepted, 0, "with {bytes}, but not with more");
                    refused += 1;
                }
                Err(invalid) => panic!("{invalid:?}"),
            }
            assert_eq!(budget.reserved(), 0);
        }
    }
    assert!(accepted > 100 && refused > 100, "{accepted}, {refused}");
}

#[test]
fn what_was_taken_for_nothing_is_given_back() {
    let budget = Budget::new(1 << 20);
    let twice = Syntax::default();
    for text in
        ["", "\u{feff}", "[1,2", "[\"\\n\",x]", "{\"a\":[1,\"\\t\"],\"a\":1}", &"[".repeat(100)]
    {
        let parsed = parse(text.to_owned().into(), &twice, budget.reserve(0).unwrap());
        assert!(matches!(parsed, Err(ParseError::Invalid(_))), "{text}");
        assert_eq!(budget.reserved(), 0, "{text}");
    }
    let parsed = parse(bytes::Bytes::from_static(b"\"\xff\""), &twice, budget.reserve(0).unwrap());
    assert!(matches!(parsed, Err(ParseError::Invalid(_))));
    let parsed = parse("[1,2,3]".into(), &twice.max_values(3), budget.reserve(0).unwrap());
    assert!(matches!(parsed, Err(ParseError::Invalid(_))));
    assert_eq!(budget.reserved(), 0);
}

#[test]
fn many_share_a_budget() {
    let budget = Budget::new(3 * 512);
    let mut held: Vec<_> = (0..3).map(|_| try_read("[1]", &budget).unwrap()).collect();
    assert_eq!(try_read("[1]", &budget).err(), Some(ParseError::Exhausted(Exhausted)));
    held.pop();
    held.push(try_read("[1]", &budget).unwrap());
    drop(held);
    assert_eq!(budget.reserved(), 0);
}

/// A document like those that parameters become.
fn make(budget: &Budget) -> Result<Document, Exhausted> {
    let mut builder = Builder::new("".into(), budget.reserve(0).unwrap());
    let root = builder.open()?;
    builder.string("page")?;
    builder.unsigned(u64::MAX)?;
    builder.string("offset")?;
    builder.negative(i64::MIN)?;
    builder.string("ratio")?;
    builder.double(0.5)?;
    builder.string("draft")?;
    builder.bool(true)?;
    builder.string("tags")?;
    let tags = builder.open()?;
    for tag in ["", "é", "a\"b\n"] {
        builder.string(tag)?;
    }
    let inner = builder.open()?;
    builder.close_object(inner, 0);
    builder.close_array(tags, 4);
    builder.string("")?;
    builder.string(&"x".repeat(2000))?;
    builder.close_object(root, 6);
    Ok(builder.finish())
}

#[test]
fn made_without_a_text() {
    let budget = Budget::new(1 << 20);
    let document = make(&budget).unwrap();
    let want = json!({
        "page": u64::MAX, "offset": i64::MIN, "ratio": 0.5, "draft": true,
        "tags": ["", "é", "a\"b\n", {}], "": "x".repeat(2000),
    });
    assert_eq!(document.root().to_serde(), want);
    assert_eq!(document.text(), "");
    let names: Vec<_> = document.root().members().unwrap().map(|(name, _)| name).collect();
    assert_eq!(names, ["page", "offset", "ratio", "draft", "tags", ""]);
    let at = |pointer: &str| document.at(&pointer.parse().unwrap());
    assert_eq!(at("/tags/2").and_then(|tag| tag.as_str()), Some("a\"b\n"));
    assert_eq!(at("/tags/3").map(|tag| tag.kind()), Some(Kind::Object));
    assert!(at("/tags/4").is_none());
    // Nothing of it is in a text.
    assert_eq!(at("/tags/1").and_then(|tag| tag.offset()), None);
    assert_eq!(at("/page").and_then(|page| page.name_offset()), None);
    let taken = budget.reserved();
    assert!(taken > 2512, "{taken}");
    drop(document);
    assert_eq!(budget.reserved(), 0);
    for bytes in 0..taken {
        let budget = Budget::new(bytes);
        assert_eq!(make(&budget).err(), Some(Exhausted));
        assert_eq!(budget.reserved(), 0);
    }
}

#[test]
fn one_value_alone() {
    type Make = fn(&mut Builder) -> Result<(), Exhausted>;
    let table: [(Make, serde_json::Value); 7] = [
        (|builder| builder.unsigned(0), json!(0)),
        (|builder| builder.negative(-1), json!(-1)),
        (|builder| builder.double(-0.5), json!(-0.5)),
        (|builder| builder.bool(false), json!(false)),
        (|builder| builder.string(""), json!("")),
        (|builder| builder.open().map(|open| builder.close_array(open, 0)), json!([])),
        (|builder| builder.open().map(|open| builder.close_object(open, 0)), json!({})),
    ];
    for (make, want) in table {
        let mut builder = Builder::new("".into(), Reservation::unlimited());
        make(&mut builder).unwrap();
        assert_eq!(builder.finish().root().to_serde(), want);
    }
}
