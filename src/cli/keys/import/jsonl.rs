//! JSONL: an object a line.

use super::{
    BOM,
    line::{FIELDS, Field, Fields, Lines},
};
use serde_json::{Map, Value};
use std::io::{self, BufRead};

pub(super) fn read(mut input: impl BufRead, mut lines: Lines) -> io::Result<Lines> {
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        if input.read_until(b'\n', &mut text)? == 0 {
            break;
        }
        let line = text.strip_prefix(BOM).unwrap_or(&text).trim_ascii();
        if line.is_empty() {
            continue;
        }
        match object(line) {
            Ok(object) => lines.push(number, fields(&object)),
            Err(reason) => lines.push(number, Err(reason)),
        }
    }
    Ok(lines)
}

/// The parser's own words would quote the line.
fn object(line: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("not a JSON object".to_owned()),
        Err(error) => Err(format!("not valid JSON, at column {}", error.column())),
    }
}

fn fields(object: &Map<String, Value>) -> Result<Fields<'_>, String> {
    let mut fields = Fields::default();
    for (name, value) in object {
        let field = Field::named(name)
            .ok_or_else(|| format!("a field has none of these names: {FIELDS}"))?;
        match (field, value) {
            (_, Value::Null) => {}
            (Field::Scopes, Value::Array(scopes)) => {
                let words = scopes.iter().map(Value::as_str).collect::<Option<_>>();
                fields.scopes = words.ok_or("`scopes`: expected an array of strings")?;
            }
            (Field::Scopes, _) => return Err("`scopes`: expected an array of strings".to_owned()),
            (_, Value::String(text)) => fields.set(field, text),
            _ => return Err(format!("`{name}`: expected a string")),
        }
    }
    Ok(fields)
}
