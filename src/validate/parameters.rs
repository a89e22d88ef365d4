//! Parameters of path and query as one object, so that the same rules are for them.

use super::PathParameters;
use crate::{
    Fault,
    buffer::Budget,
    json::{Builder, Document, Exhausted},
    schema::{Schema, Wire},
};
use percent_encoding::percent_decode_str;
use std::{borrow::Cow, collections::HashMap};

/// Parameters by name, in the order in which they came.
type Grouped<'a> = Vec<(Cow<'a, str>, Vec<Cow<'a, str>>)>;

/// The parameters of a request, each read as the type that its schema wants.
pub(super) fn document(
    schema: &Schema,
    path: Option<&PathParameters>,
    query: Option<&str>,
    budget: &Budget,
) -> Result<Document, Fault> {
    let grouped = group(path, query)?;
    for (name, _) in grouped.iter().filter(|(_, values)| values.len() > 1) {
        let wire = schema.wire(name);
        if !(wire.list || wire.free) {
            let name = printable(name);
            return Err(Fault::violation(name.clone(), format!("{name} is there more than once")));
        }
    }
    build(schema, &grouped, budget).map_err(|Exhausted| Fault::Overloaded)
}

fn group<'a>(
    path: Option<&'a PathParameters>,
    query: Option<&'a str>,
) -> Result<Grouped<'a>, Fault> {
    let mut grouped = Grouped::new();
    let mut places: HashMap<Cow<'a, str>, usize> = HashMap::new();
    let mut add = |name: Cow<'a, str>, value| match places.get(&name) {
        Some(place) => {
            let (_, values): &mut (_, Vec<_>) = &mut grouped[*place];
            values.push(value);
        }
        None => {
            places.insert(name.clone(), grouped.len());
            grouped.push((name, vec![value]));
        }
    };
    for (name, value) in path.into_iter().flat_map(PathParameters::iter) {
        add(name.into(), decode(value.into()).ok_or_else(|| undecodable(name))?);
    }
    for pair in query_pairs(query.unwrap_or_default()) {
        let (name, value) = pair?;
        add(name, value);
    }
    Ok(grouped)
}

/// The names and values of a query.
pub(crate) fn query_pairs(
    query: &str,
) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), Fault>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(spaces(name)).ok_or_else(|| undecodable("a parameter's name"))?;
        let value = decode(spaces(value)).ok_or_else(|| undecodable(&name))?;
        Ok((name, value))
    })
}

/// In a query a space may be written as `+`.
fn spaces(text: &str) -> Cow<'_, str> {
    if text.contains('+') { text.replace('+', " ").into() } else { text.into() }
}

fn decode(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text);
    }
    let decoded = percent_decode_str(&text).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

fn undecodable(name: &str) -> Fault {
    let name = printable(name);
    Fault::violation(name.clone(), format!("{name} is not UTF-8"))
}

fn printable(name: &str) -> String {
    crate::schema::printable(name)
}

fn build(schema: &Schema, grouped: &Grouped<'_>, budget: &Budget) -> Result<Document, Exhausted> {
    let mut builder = Builder::new("".into(), budget.nothing());
    let object = builder.open()?;
    for (name, values) in grouped {
        let wire = schema.wire(name);
        builder.string(name)?;
        if wire.list || values.len() > 1 {
            let array = builder.open()?;
            values.iter().try_for_each(|value| push(&mut builder, value, wire))?;
            builder.close_array(array, values.len());
        } else {
            values.iter().try_for_each(|value| push(&mut builder, value, wire))?;
        }
    }
    builder.close_object(object, grouped.len());
    Ok(builder.finish())
}

/// A value as its type, if it is written as one; as a string otherwise, which then is of the wrong type.
fn push(builder: &mut Builder, text: &str, wire: Wire) -> Result<(), Exhausted> {
    match text {
        "true" if wire.boolean => return builder.bool(true),
        "false" if wire.boolean => return builder.bool(false),
        _ => {}
    }
    if let Some(number) = number(text).filter(|_| wire.number) {
        if let Some(number) = number.as_u64() {
            return builder.unsigned(number);
        }
        if let Some(number) = number.as_i64() {
            return builder.negative(number);
        }
        if let Some(number) = number.as_f64() {
            return builder.double(number);
        }
    }
    builder.string(text)
}

/// As JSON writes numbers.
fn number(text: &str) -> Option<serde_json::Number> {
    let begins = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let ends = text.ends_with(|last: char| last.is_ascii_digit());
    if begins && ends { serde_json::from_str(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_types_of_the_schema() {
        let schema: Schema = r##"{
            "properties": {
                "page": { "type": "integer" }, "ratio": { "$ref": "#/$defs/number" },
                "dry": { "type": ["boolean", "null"] }, "q": { "type": "string" },
                "tag": { "type": "array", "items": { "type": "string" } },
                "n": { "type": "array", "items": { "type": "integer" } }, "id": { "type": "string" }
            },
            "$defs": { "number": { "type": "number" } }
        }"##
        .parse()
        .unwrap();
        let path = PathParameters::new([("id", "a%2Fb+c")]);
        let table = [
            ("", Ok(r#"{"id":"a/b+c"}"#)),
            ("page=2&q=2", Ok(r#"{"id":"a/b+c","page":2,"q":"2"}"#)),
            (
                "page=-1&ratio=1.5e3&dry=true",
                Ok(r#"{"id":"a/b+c","page":-1,"ratio":1500.0,"dry":true}"#),
            ),
            ("page=01&ratio=.5&dry=1", Ok(r#"{"id":"a/b+c","page":"01","ratio":".5","dry":"1"}"#)),
            ("page=%2B1&ratio=+1&n=1", Ok(r#"{"id":"a/b+c","page":"+1","ratio":" 1","n":[1]}"#)),
            ("page=&q", Ok(r#"{"id":"a/b+c","page":"","q":""}"#)),
            ("page=1e400", Ok(r#"{"id":"a/b+c","page":"1e400"}"#)),
            ("page=\"1\"", Ok(r#"{"id":"a/b+c","page":"\"1\""}"#)),
            ("tag=a&x=1&tag=b%20c+d", Ok(r#"{"id":"a/b+c","tag":["a","b c d"],"x":"1"}"#)),
            ("&&q=a=b&", Ok(r#"{"id":"a/b+c","q":"a=b"}"#)),
            ("%71=1", Ok(r#"{"id":"a/b+c","q":"1"}"#)),
            ("page=1&page=2", Err("page is there more than once")),
            ("page=1&p%61ge=2", Err("page is there more than once")),
            ("id=other", Err("id is there more than once")),
            ("q=%ff", Err("q is not UTF-8")),
            ("%ff=1", Err("a parameter's name is not UTF-8")),
            ("x=1&x=2", Ok(r#"{"id":"a/b+c","x":["1","2"]}"#)),
        ];
        for (query, want) in table {
            let got = document(&schema, Some(&path), Some(query), &Budget::unlimited());
            let got = got.map(|document| document.root().to_serde());
            match want {
                Ok(want) => {
                    let want: serde_json::Value = serde_json::from_str(want).unwrap();
                    assert_eq!(got, Ok(want), "{query}");
                }
                Err(detail) => assert_eq!(got.unwrap_err().to_string(), detail, "{query}"),
            }
        }
    }
}
