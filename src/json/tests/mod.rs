use super::*;

mod any;
mod documents;
mod memory;
mod syntax;
mod view;

fn read(text: impl Into<bytes::Bytes>) -> Document {
    Document::parse(text, &Syntax::default()).unwrap()
}

/// How serde_json reads it.
fn serde(text: &[u8]) -> serde_json::Value {
    serde_json::from_slice(text).unwrap()
}
