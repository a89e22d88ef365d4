//! What a check costs in allocations, which unlike time can be asserted.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tollgate::{
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
