//! What is said of a value that breaks a rule, without the value.

use crate::{
    catalog::Message,
    fault::Param,
    json::{Kind, Value},
};

/// The longest list of choices, in bytes.
const LONGEST_LIST: usize = 300;
/// The longest regular expression that is shown.
const LONGEST_PATTERN: usize = 64;

/// Reads what a schema says itself; the error is a sentence.
pub(super) fn message(text: &str) -> Result<Message, String> {
    let unknown = |name: &str| {
        format!(
            "only {{field}} can stand in braces, not {{{name}}}; write {{{{ or }}}} for a literal one"
        )
    };
    Message::parse_with(text, &[Param::Field], unknown)
}

/// The words behind the field's name for a keyword of this schema.
pub(super) fn words(keyword: &str, value: Value<'_>, schema: Value<'_>) -> Option<String> {
    let number = || json(value);
    let count = |few: &str, many: &str| match number().as_str() {
        "1" => format!("1 {few}"),
        number => format!("{number} {many}"),
    };
    let other = |keyword: &str| schema.get(keyword).map(json);
    Some(match keyword {
        "type" => format!("must be {}", types(value)),
        "enum" => choices(value),
        "const" => format!("must be {}", json_or_text(value)),
        "minimum" | "maximum" => match (other("minimum"), other("maximum")) {
            (Some(least), Some(most)) => format!("must be between {least} and {most}"),
            _ if keyword == "minimum" => format!("must be at least {}", number()),
            _ => format!("must be at most {}", number()),
        },
        "exclusiveMinimum" => format!("must be greater than {}", number()),
        "exclusiveMaximum" => format!("must be less than {}", number()),
        "multipleOf" => format!("must be a multiple of {}", number()),
        "minLength" if number() == "1" => "must not be empty".to_owned(),
        "minLength" => format!("must be at least {}", count("character", "characters")),
        "maxLength" => format!("must be at most {}", count("character", "characters")),
        "pattern" => match value.as_str() {
            Some(pattern) if pattern.len() <= LONGEST_PATTERN => format!("must match {pattern}"),
            _ => "has a form that is not accepted".to_owned(),
        },
        "format" => format!("must be {}", format_name(value.as_str()?)?),
        "minItems" if number() == "1" => "must not be empty".to_owned(),
        "minItems" => format!("must have at least {}", count("item", "items")),
        "maxItems" => format!("must have at most {}", count("item", "items")),
        "uniqueItems" => "must not have the same item twice".to_owned(),
        "minProperties" if number() == "1" => "must not be empty".to_owned(),
        "minProperties" => format!("must have at least {}", count("member", "members")),
        "maxProperties" => format!("must have at most {}", count("member", "members")),
        _ => return None,
    })
}

fn types(value: Value<'_>) -> String {
    let names: Vec<&str> = match value.items() {
        Some(items) => items.filter_map(Value::as_str).collect(),
        None => value.as_str().into_iter().collect(),
    };
    let names: Vec<&str> = names.into_iter().map(type_name).collect();
    list(&names)
}

/// A type with its article.
pub(super) fn type_name(name: &str) -> &str {
    match name {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "object" => "an object",
        "array" => "an array",
        other => other,
    }
}

/// "a, b or c".
pub(super) fn list(names: &[&str]) -> String {
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

fn choices(value: Value<'_>) -> String {
    let choices: Vec<String> = value.items().into_iter().flatten().map(json_or_text).collect();
    if let [only] = choices.as_slice() {
        return format!("must be {only}");
    }
    let mut text = "must be one of: ".to_owned();
    for (i, choice) in choices.iter().enumerate() {
        if text.len() + choice.len() > LONGEST_LIST {
            text.push_str(&format!(" and {} others", choices.len() - i));
            break;
        }
        text.push_str(if i == 0 { "" } else { ", " });
        text.push_str(choice);
    }
    text
}

/// A string without its quotes, unless nothing would be left to see.
fn json_or_text(value: Value<'_>) -> String {
    match value.as_str() {
        Some(text) if !text.is_empty() => text.to_owned(),
        _ => json(value),
    }
}

fn json(value: Value<'_>) -> String {
    match value.kind() {
        // As a person would write it.
        Kind::Number => value.to_serde().to_string().trim_end_matches(".0").to_owned(),
        _ => value.to_serde().to_string(),
    }
}

/// The formats that are known, and what a value of each is called.
pub(super) const FORMATS: &[(&str, &str)] = &[
    ("date", "a date, such as 2030-01-31"),
    ("date-time", "a date and time, such as 2030-01-31T12:00:00Z"),
    ("duration", "a duration, such as PT30S"),
    ("email", "a valid email address"),
    ("hostname", "a valid host name"),
    ("ipv4", "an IPv4 address"),
    ("ipv6", "an IPv6 address"),
    ("iri", "a valid URL"),
    ("iri-reference", "a valid URL or a relative one"),
    ("json-pointer", "a JSON Pointer"),
    ("relative-json-pointer", "a JSON Pointer"),
    ("time", "a time, such as 12:00:00Z"),
    ("uri", "a valid URL"),
    ("uri-reference", "a valid URL or a relative one"),
    ("uri-template", "a valid URL template"),
    ("uuid", "a UUID"),
];

fn format_name(format: &str) -> Option<&'static str> {
    FORMATS.iter().find(|(known, _)| *known == format).map(|(_, name)| *name)
}
