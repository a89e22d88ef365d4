//! Paths with parameters in them.
use super::{
    Invalid,
    free::{Free, free},
    shown_as,
    template::{self, Part, names},
    text_schema, text_value,
};
use matchit::{InsertError, Router};
use serde::{Deserialize, Deserializer};
use std::{fmt, str::FromStr};

/// The paths that a route answers to: `/v1/tasks/{id}`, `/files/{*rest}`, in the syntax of `matchit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    parts: Vec<Part>,
}

impl PathPattern {
    /// The pattern, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        names(&self.parts)
    }

    /// Whether there is a path that is one of both.
    pub(in crate::config) fn may_meet(&self, other: &Self) -> bool {
        meet(&self.segments(), &other.segments())
    }

    /// The same for paths that are built.
    pub(in crate::config) fn may_meet_template(&self, template: &PathTemplate) -> bool {
        // What stands in the place of a parameter may have slashes in it.
        meet(&self.segments(), &segments(&template.parts, true))
    }

    fn segments(&self) -> Vec<Segment> {
        let mut segments = segments(&self.parts, false);
        if self.text.contains("{*")
            && let Some(last) = segments.last_mut()
        {
            *last = Segment::Rest;
        }
        segments
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for PathPattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parts = parse(text)?;
        if has_twice(&parts) {
            return Err("two parameters of the same name".into());
        }
        Router::new().insert(text, ()).map_err(|error| match error {
            InsertError::InvalidParamSegment => "only one parameter fits between two slashes",
            InsertError::InvalidCatchAll => "`{*name}` has to be the end of the path",
            _ => "expected a path with parameters such as `{id}`; write `{{` and `}}` for the braces themselves",
        })?;
        Ok(Self { text: text.to_owned(), parts })
    }
}

/// A path to build: literal parts and the values of a route's parameters, `/v1/draw/{id}`.
///
/// A value is put in as it came, still percent-encoded. Whether the outcome is a path that may be asked for
/// (a value can be `..`) is only known then.
#[derive(Clone, PartialEq, Eq)]
pub struct PathTemplate {
    shown: String,
    parts: Vec<Part>,
}

impl PathTemplate {
    /// What to put together.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The names of the parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        names(&self.parts)
    }
}

impl FromStr for PathTemplate {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        parse(text).map(|parts| Self { shown: text.to_owned(), parts })
    }
}

/// As it was written, without what the environment has put in: a provider may want a token in the path.
impl fmt::Debug for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathTemplate({})", self.shown)
    }
}

impl Free for PathTemplate {
    const EXPECTED: &'static str = PATH;

    fn to_be_shown_as(self, text: &str) -> Self {
        Self { shown: text.to_owned(), ..self }
    }
}

impl<'de> Deserialize<'de> for PathTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        free(deserializer)
    }
}

const PATH: &str = "a path, such as \"/v1/tasks/{id}\"";

shown_as!(PathPattern, |path| path.text);
shown_as!(PathTemplate, |path| path.shown);
text_value!(PathPattern, "PathPattern", PATH, {
    "type": "string", "pattern": "^/[^?#\\s]*$", "examples": ["/v1/tasks/{id}", "/files/{*rest}"]
});
text_schema!(PathTemplate, "PathTemplate", {
    "type": "string", "pattern": "^/[^?#\\s]*$", "examples": ["/v1/tasks/{id}"]
});

/// What is between two slashes.
#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    /// Something that has a parameter in it.
    Any,
    /// This one and all that follow.
    Rest,
}

/// `long`: a parameter may stand for several of them.
fn segments(parts: &[Part], long: bool) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut segment = Segment::Literal(String::new());
    for part in parts {
        match part {
            Part::Parameter(_) if long => {
                segments.push(Segment::Rest);
                return segments;
            }
            Part::Parameter(_) => segment = Segment::Any,
            Part::Literal(text) => {
                let mut pieces = text.split('/');
                if let (Segment::Literal(begun), Some(piece)) = (&mut segment, pieces.next()) {
                    begun.push_str(piece);
                }
                for piece in pieces {
                    segments.push(segment);
                    segment = Segment::Literal(piece.to_owned());
                }
            }
        }
    }
    segments.push(segment);
    segments
}

fn meet(a: &[Segment], b: &[Segment]) -> bool {
    for (a, b) in a.iter().zip(b) {
        match (a, b) {
            (Segment::Rest, _) | (_, Segment::Rest) => return true,
            (Segment::Literal(a), Segment::Literal(b)) if a != b => return false,
            _ => {}
        }
    }
    a.len() == b.len()
}

fn has_twice(parts: &[Part]) -> bool {
    let names: Vec<_> = names(parts).collect();
    names.iter().enumerate().any(|(i, name)| names[..i].contains(name))
}

/// The syntax that patterns and templates share.
fn parse(text: &str) -> Result<Vec<Part>, Invalid> {
    match text {
        _ if !text.starts_with('/') => return Err("a path begins with `/`".into()),
        _ if text.contains(['?', '#']) => {
            return Err("a path here has no query and no fragment".into());
        }
        _ if !text.bytes().all(|b| b.is_ascii_graphic()) => {
            return Err(
                "a path holds visible ASCII characters only; write others percent-encoded".into()
            );
        }
        _ if has_dot_segments(text) => return Err("a path cannot have `.` or `..` segments".into()),
        _ => {}
    }
    template::parse(text)
}

/// Whether a path has a `.` or `..` between its slashes, percent-encoded or not.
pub(super) fn has_dot_segments(path: &str) -> bool {
    path.split('/').any(|segment| {
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
        matches!(plain.as_str(), "." | "..")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Part {
        Part::Literal(text.to_owned())
    }

    fn parameter(name: &str) -> Part {
        Part::Parameter(name.to_owned())
    }

    #[test]
    fn patterns() {
        for (text, names) in [
            ("/", &[][..]),
            ("/v1/images", &[]),
            ("/v1/{id}", &["id"]),
            ("/{a}/x/{b}/", &["a", "b"]),
            ("/{*rest}", &["rest"]),
            ("/x{*rest}", &["rest"]),
            ("/img-{id}.png", &["id"]),
            ("/{{literal}}", &[]),
            ("/a%20b", &[]),
        ] {
            let pattern: PathPattern =
                text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(pattern.parameters().collect::<Vec<_>>(), names, "{text}");
        }
        for text in [
            "",
            "v1",
            "*",
            "/{",
            "/}",
            "/{}",
            "/{*}",
            "/{a b}",
            "/{a}{b}",
            "/{a}-{b}",
            "/{*rest}/more",
            "/{id}/{id}",
            "/{{id}",
            "/a?b",
            "/a#b",
            "/a b",
            "/é",
            "/a\n",
            "/../a",
            "/a/.",
            "/%2e%2E/a",
        ] {
            assert!(text.parse::<PathPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn paths_of_both() {
        let table = [
            ("/a", "/a", true),
            ("/a", "/b", false),
            ("/a", "/a/", false),
            ("/{x}", "/a", true),
            ("/{x}", "/a/b", false),
            ("/{*x}", "/a/b", true),
            ("/v1/{*x}", "/v1/draw/{model}", true),
            ("/v1/{*x}", "/v2/draw", false),
            ("/v1/{x}", "/v1/fast", true),
            ("/v1/{x}/run", "/v1/fast/stop", false),
            ("/v1/a-{x}", "/v1/fast", true),
        ];
        for (one, other, want) in table {
            let (a, b): (PathPattern, PathPattern) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!((a.may_meet(&b), b.may_meet(&a)), (want, want), "{one} {other}");
        }
        let table = [
            ("/draw/{m}", "/draw/{m}", true),
            ("/draw/{m}/x", "/draw/{rest}", true),
            ("/draw/{m}", "/other/{m}", false),
            ("/draw", "/draw", true),
        ];
        for (pattern, template, want) in table {
            let (pattern, template): (PathPattern, PathTemplate) =
                (pattern.parse().unwrap(), template.parse().unwrap());
            assert_eq!(pattern.may_meet_template(&template), want, "{pattern} {template:?}");
        }
    }

    #[test]
    fn templates() {
        for (text, parts) in [
            ("/", vec![literal("/")]),
            ("/v1/draw/{id}", vec![literal("/v1/draw/"), parameter("id")]),
            (
                "/{a}-{b}/{*rest}",
                vec![
                    literal("/"),
                    parameter("a"),
                    literal("-"),
                    parameter("b"),
                    literal("/"),
                    parameter("rest"),
                ],
            ),
            ("/{a}{b}{a}", vec![literal("/"), parameter("a"), parameter("b"), parameter("a")]),
            ("/{{x}}/{y}", vec![literal("/{x}/"), parameter("y")]),
        ] {
            assert_eq!(
                text.parse::<PathTemplate>().map(|template| template.parts),
                Ok(parts),
                "{text}"
            );
        }
        for text in ["", "{id}", "/{", "/}", "/{}", "/a?b={id}", "/..", "/a/../b"] {
            assert!(text.parse::<PathTemplate>().is_err(), "{text}");
        }
    }
}
