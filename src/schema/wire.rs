use super::{compile::reference, place::Place};
use crate::json::{Document, Value};
use std::collections::HashMap;

/// How a value is written where all is text: as which of its types a text may be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) number: bool,
    pub(crate) boolean: bool,
    /// It may be there several times, and this is about each.
    pub(crate) list: bool,
}

/// Of every member that the schema of an object names.
pub(super) fn of_members(document: &Document) -> HashMap<Box<str>, Wire> {
    let properties = Place::root(document).get("properties");
    let members = properties.iter().flat_map(Place::members);
    members.map(|(name, member)| (name.into(), of(&member))).collect()
}

fn of(schema: &Place<'_>) -> Wire {
    let mut wire = Wire::default();
    for name in types(schema) {
        match name {
            "integer" | "number" => wire.number = true,
            "boolean" => wire.boolean = true,
            "array" => {
                let items = schema.get("items").map(|items| of(&items)).unwrap_or_default();
                return Wire { list: true, ..items };
            }
            _ => {}
        }
    }
    // Nobody is referred to by itself: that is checked before.
    let referred = schema
        .get("$ref")
        .and_then(|place| Place::root(schema.value.document()).follow(&reference(&place)?).ok());
    if let Some(referred) = referred {
        let more = of(&referred);
        wire.number |= more.number;
        wire.boolean |= more.boolean;
        wire.list |= more.list;
    }
    wire
}

fn types<'d>(schema: &Place<'d>) -> Vec<&'d str> {
    let Some(types) = schema.value.get("type") else { return Vec::new() };
    match types.items() {
        Some(types) => types.filter_map(Value::as_str).collect(),
        None => types.as_str().into_iter().collect(),
    }
}
