//! What the draft allows and what is no use here.

use super::{
    Mistake,
    keywords::{self, Holds},
    place::Place,
    words,
};
use crate::json::{Document, Kind, Pointer};
use percent_encoding::percent_decode_str;
use std::collections::HashMap;

pub(super) struct Lint<'d> {
    document: &'d Document,
    /// The schemas that were reached.
    seen: HashMap<String, Look>,
    /// Where each code stands.
    pub(super) codes: Vec<(Place<'d>, &'d str)>,
    pub(super) mistakes: Vec<Mistake>,
}

/// How far the look at a schema has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// What is reached again from within itself is recursive.
    Begun,
    Done,
}

impl<'d> Lint<'d> {
    /// Everything that is found in a schema.
    pub(super) fn of(document: &'d Document) -> Self {
        let root = Place::root(document);
        let mut lint =
            Self { document, seen: HashMap::new(), codes: Vec::new(), mistakes: Vec::new() };
        lint.draft(&root);
        lint.schema(&root);
        lint
    }

    fn mistake(&mut self, place: &Place<'d>, message: impl Into<String>) {
        self.mistakes.push(place.mistake(self.document, message));
    }

    fn draft(&mut self, root: &Place<'d>) {
        if !matches!(root.value.kind(), Kind::Object | Kind::Bool) {
            self.mistake(root, "a schema is an object");
        }
        if let Some(draft) = root.get("$schema")
            && draft.value.as_str().map(|url| url.trim_end_matches('#')) != Some(keywords::DRAFT)
        {
            let message = format!("only the draft 2020-12 is known here: {}", keywords::DRAFT);
            self.mistake(&draft, message);
        }
    }

    fn schema(&mut self, at: &Place<'d>) {
        if self.seen.contains_key(&at.pointer) {
            return;
        }
        self.seen.insert(at.pointer.clone(), Look::Begun);
        for (keyword, place) in at.members() {
            self.keyword(keyword, &place, at);
        }
        self.seen.insert(at.pointer.clone(), Look::Done);
    }

    fn keyword(&mut self, keyword: &str, place: &Place<'d>, at: &Place<'d>) {
        match keyword {
            "$ref" => return self.reference(place),
            "$id" if !at.pointer.is_empty() => {
                return self.mistake(place, "only the schema as a whole has an `$id` here");
            }
            "$schema" if !at.pointer.is_empty() => {
                return self.mistake(place, "only the schema as a whole has a `$schema`");
            }
            keywords::FAULT | keywords::MESSAGE => match place.value.as_str() {
                Some(code) if keyword == keywords::FAULT => self.codes.push((place.clone(), code)),
                Some(message) => {
                    if let Err(mistake) = words::message(message) {
                        self.mistake(place, mistake);
                    }
                }
                None => self.mistake(place, "expected a string"),
            },
            "format" => {
                if let Some(mistake) = place.value.as_str().and_then(format_mistake) {
                    return self.mistake(place, mistake);
                }
            }
            _ => {}
        }
        match keywords::holds(keyword) {
            Some(Holds::Nothing) => {}
            Some(Holds::One) => self.schema(place),
            Some(Holds::List) => place.items().for_each(|item| self.schema(&item)),
            Some(Holds::Map) => place.members().for_each(|(_, member)| self.schema(&member)),
            None => match keywords::refused(keyword) {
                Some(why) => self.mistake(place, why),
                None => self.unknown(keyword, place),
            },
        }
    }

    /// What nobody knows would be ignored, and a rule that is ignored is a hole.
    fn unknown(&mut self, keyword: &str, place: &Place<'d>) {
        match keywords::nearest(keyword) {
            Some(near) => self.mistake(place, format!("unknown keyword; did you mean `{near}`?")),
            None if keyword.starts_with("x-") => {}
            None => self.mistake(
                place,
                "unknown keyword of JSON Schema, draft 2020-12; names of your own begin with `x-`",
            ),
        }
    }

    fn reference(&mut self, place: &Place<'d>) {
        let Some(target) = reference(place) else {
            return self.mistake(place, "expected a place in this schema, such as `#/$defs/name`; other documents are not read");
        };
        let Ok(target) = Place::root(self.document).follow(&target) else {
            return self.mistake(place, "there is nothing at this place of the schema");
        };
        if self.seen.get(&target.pointer) == Some(&Look::Begun) {
            return self.mistake(
                place,
                "the schema refers to itself; recursive schemas are not supported",
            );
        }
        self.schema(&target);
    }
}

/// What is wrong with a format, if it is not one of ours.
fn format_mistake(name: &str) -> Option<String> {
    if name == "regex" {
        // A text of 1 MiB becomes a regular expression of 176 MiB.
        let why = "is not supported: to check a regular expression is to compile it, whatever it costs, and a caller chooses it";
        return Some(why.to_owned());
    }
    let known: Vec<&str> = words::FORMATS.iter().map(|(known, _)| *known).collect();
    if known.contains(&name) {
        return None;
    }
    Some(format!("there is no such format; known are {}", known.join(", ")))
}

/// Where a `$ref` leads, within the same schema: a pointer as a fragment, with percent-escapes (RFC 6901, section 6).
pub(super) fn reference(place: &Place<'_>) -> Option<Pointer> {
    let fragment = place.value.as_str()?.strip_prefix('#')?;
    percent_decode_str(fragment).decode_utf8().ok()?.parse().ok()
}
