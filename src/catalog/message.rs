use crate::fault::Param;
use std::fmt::Write;

/// A message of the catalog: text with the details of a fault in braces.
///
/// `{{` and `}}` are literal braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pieces: Vec<Piece>,
    /// The whole message as a JSON string, when there is nothing to fill in.
    json: Option<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Param(Param),
}

impl Message {
    /// Reads the template; the error is a sentence.
    pub(crate) fn parse(template: &str) -> Result<Self, String> {
        let unknown = |name: &str| format!("{{{name}}} is no detail of any fault");
        Self::parse_with(template, Param::ALL, unknown)
    }

    /// The same where only these details are known; `unknown` is what to say of any other.
    pub(crate) fn parse_with(
        template: &str,
        known: &[Param],
        unknown: impl Fn(&str) -> String,
    ) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = template;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..];
            if let Some(after) = brace.strip_prefix("{{").or_else(|| brace.strip_prefix("}}")) {
                literal.push_str(&brace[..1]);
                rest = after;
                continue;
            }
            let name = brace
                .strip_prefix('{')
                .and_then(|b| b.split_once('}'))
                .ok_or("a single brace; write {{ or }} for a literal one")?;
            let param = known
                .iter()
                .copied()
                .find(|p| p.as_str() == name.0)
                .ok_or_else(|| unknown(name.0))?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Param(param));
            rest = name.1;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        if pieces.is_empty() {
            return Err("the message is empty".into());
        }
        let json = match pieces.as_slice() {
            [Piece::Literal(text)] => Some(json_string(text).into_boxed_str()),
            _ => None,
        };
        Ok(Self { pieces, json })
    }

    /// The details that the message names.
    pub(crate) fn params(&self) -> impl Iterator<Item = Param> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Param(param) => Some(*param),
            Piece::Literal(_) => None,
        })
    }

    /// The message as a JSON string, when it needs no details.
    pub(crate) fn as_json(&self) -> Option<&str> {
        self.json.as_deref()
    }

    /// The message with its details; `fill` writes one.
    pub(crate) fn fill(&self, mut fill: impl FnMut(Param, &mut String)) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Param(param) => fill(*param, &mut text),
            }
        }
        text
    }

    /// The template as it was written, for the documentation.
    pub(crate) fn template(&self) -> String {
        self.fill(|param, out| {
            // Writing to a string cannot fail.
            let _ = write!(out, "{{{}}}", param.as_str());
        })
    }
}

/// A JSON string of any text (RFC 8259, section 7).
pub(crate) fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_json_string(&mut out, text);
    out
}

/// The same behind what is there already.
pub(crate) fn push_json_string(out: &mut String, text: &str) {
    let is_plain = |byte: u8| byte >= b' ' && !matches!(byte, b'"' | b'\\' | 0x7f);
    if text.bytes().all(is_plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        let table: &[(&str, Result<&str, &str>)] = &[
            ("Plain.", Ok("Plain.")),
            ("At most {limit} bytes.", Ok("At most <limit> bytes.")),
            ("{detail}", Ok("<detail>")),
            ("{{{detail}}}", Ok("{<detail>}")),
            ("a {{b}} c", Ok("a {b} c")),
            ("", Err("the message is empty")),
            ("{", Err("a single brace; write {{ or }} for a literal one")),
            ("a } b", Err("a single brace; write {{ or }} for a literal one")),
            ("{limits}", Err("{limits} is no detail of any fault")),
        ];
        for (template, want) in table {
            let got = Message::parse(template).map(|m| {
                m.fill(|p, out| {
                    let _ = write!(out, "<{}>", p.as_str());
                })
            });
            assert_eq!(got.as_deref().map_err(String::as_str), *want, "{template}");
        }
    }

    #[test]
    fn only_a_message_without_details_is_written_ahead() {
        assert_eq!(Message::parse("say \"no\"").unwrap().as_json(), Some(r#""say \"no\"""#));
        assert_eq!(Message::parse("{detail}").unwrap().as_json(), None);
    }
}
