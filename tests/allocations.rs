//! What a check costs in allocations, which unlike time can be asserted.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tollgate::{
    edit::Edits,
    json::{Document, Syntax},
    schema::Schema,
};

/// A request of apistor with six members.
const BODY: &str = r#"{"model":"nanobanano-2","aspectRatio":"16:9","urls":["https://cdn.example.com/in/4711.png"],"webHook":"-1","shutProgress":false,"prompt":"a lighthouse \u2603"}"#;

#[test]
fn at_most_two_for_each_member() {
    let schema: Schema = include_str!("../examples/schemas/apistor/generate.json").parse().unwrap();
    let body = bytes::Bytes::from_static(BODY.as_bytes());
    let check = || {
        let document = Document::parse(body.clone(), &Syntax::default()).unwrap();
        assert!(schema.accepts(document.root()));
    };
    // What is made once for a thread is no cost of a request.
    check();
    let counted = allocation_counter::measure(check);
    assert!(counted.count_total <= 2 * 6, "{counted:?}");
    assert_eq!(counted.count_current, 0, "{counted:?}");
}

#[test]
fn an_edit_costs_the_same_for_however_many_members() {
    let members: Vec<_> = (0..49_000).map(|i| format!(r#""k{i}":1"#)).collect();
    let text = bytes::Bytes::from(format!("{{{}}}", members.join(",")));
    let edits = Edits::new()
        .set("/k2000/x".parse().unwrap(), 2.into())
        .and_then(|edits| edits.remove("/k30000".parse().unwrap()))
        .and_then(|edits| edits.rename("/k40000".parse().unwrap(), "k5"))
        .unwrap();
    let counted = allocation_counter::measure(|| drop(edits.apply(&text).unwrap()));
    assert!(counted.bytes_max < 8 * 1024, "{counted:?}");
}
