use super::*;
use crate::json::{Document, Syntax};

mod accepted;
mod explained;
mod properties;
mod types;

fn schema(text: &str) -> Schema {
    text.parse().unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn document_of(text: &str) -> Document {
    Document::parse(text.to_owned(), &Syntax::default())
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The first violation's words; empty where there is none.
fn first(schema: &Schema, text: &str) -> String {
    let document = document_of(text);
    let found = schema.first_violation(document.root());
    assert_eq!(found.is_none(), schema.accepts(document.root()), "{text}");
    found.map(|violation| violation.detail.into_owned()).unwrap_or_default()
}
