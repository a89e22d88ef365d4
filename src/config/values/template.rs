//! Text with the parameters of a route in it.
use super::Invalid;

/// One part of a text with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Goes into the text as it is.
    Literal(String),
    /// The value of the parameter of this name.
    Parameter(String),
}

/// The parts of a text with `{parameters}`; `{{` and `}}` are the braces themselves.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, Invalid> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix(brace) {
            literal.push_str(brace);
            rest = tail;
            continue;
        }
        let (name, tail) =
            match rest.split_once('}') {
                Some(split) if brace == "{" => split,
                _ => return Err(
                    "a brace without its other half; write `{{` and `}}` for the braces themselves"
                        .into(),
                ),
            };
        let name = name.strip_prefix('*').unwrap_or(name);
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(
                "the name of a parameter is letters, digits and `_`: `{id}`, `{*rest}`".into()
            );
        }
        parts.push(Part::Literal(std::mem::take(&mut literal)));
        parts.push(Part::Parameter(name.to_owned()));
        rest = tail;
    }
    literal.push_str(rest);
    parts.push(Part::Literal(literal));
    parts.retain(|part| !matches!(part, Part::Literal(literal) if literal.is_empty()));
    Ok(parts)
}

/// The names of the parameters.
pub(super) fn names(parts: &[Part]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(|part| match part {
        Part::Literal(_) => None,
        Part::Parameter(name) => Some(name.as_str()),
    })
}
