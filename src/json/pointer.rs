use std::{error::Error, fmt, str::FromStr};

/// A JSON Pointer (RFC 6901): `/urls/3`; the empty one is the whole document. `~0` stands for `~`, `~1` for `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pointer(Box<[Box<str>]>);

/// A text that is no JSON Pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPointer;

impl fmt::Display for InvalidPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a JSON Pointer, such as \"/model\": `/` before each name, `~1` for `/` and `~0` for `~` in it")
    }
}

impl Error for InvalidPointer {}

impl FromStr for Pointer {
    type Err = InvalidPointer;

    fn from_str(text: &str) -> Result<Self, InvalidPointer> {
        let mut steps = text.split('/');
        if steps.next() != Some("") {
            return Err(InvalidPointer);
        }
        steps.map(unescape).collect::<Result<_, _>>().map(Self)
    }
}

/// One step of a pointer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a>(&'a str);

impl<'a> Step<'a> {
    /// As the name of a member.
    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }

    /// As the index of an item: digits without a leading zero (RFC 6901, section 4).
    pub(super) fn as_index(self) -> Option<usize> {
        let is_index = self.0 == "0"
            || (!self.0.starts_with('0') && self.0.bytes().all(|byte| byte.is_ascii_digit()));
        self.0.parse().ok().filter(|_| is_index)
    }
}

impl Pointer {
    pub(crate) fn steps(&self) -> impl DoubleEndedIterator<Item = Step<'_>> + Clone {
        self.0.iter().map(|step| Step(step))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps().try_for_each(|step| write!(f, "/{}", escape(step.as_str())))
    }
}

fn unescape(step: &str) -> Result<Box<str>, InvalidPointer> {
    let mut pieces = step.split('~');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.as_bytes().first() {
            Some(b'0') => out.push('~'),
            Some(b'1') => out.push('/'),
            _ => return Err(InvalidPointer),
        }
        out.push_str(&piece[1..]);
    }
    Ok(out.into())
}

/// A name as it stands in a pointer.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Syntax};

    #[test]
    fn the_examples_of_rfc_6901() {
        let text = r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#;
        let document = Document::parse(text, &Syntax::default()).unwrap();
        let at = |pointer: &str| document.at(&pointer.parse().unwrap());
        let numbers = [
            ("/", 0),
            ("/a~1b", 1),
            ("/c%d", 2),
            ("/e^f", 3),
            ("/g|h", 4),
            ("/i\\j", 5),
            ("/k\"l", 6),
            ("/ ", 7),
            ("/m~0n", 8),
        ];
        for (pointer, number) in numbers {
            assert_eq!(at(pointer).and_then(|value| value.as_u64()), Some(number), "{pointer}");
            assert_eq!(pointer.parse::<Pointer>().unwrap().to_string(), pointer);
        }
        assert_eq!(at("").unwrap().members().unwrap().count(), 10);
        assert_eq!(at("/foo").unwrap().items().unwrap().count(), 2);
        assert_eq!(at("/foo/0").and_then(|value| value.as_str()), Some("bar"));
        for nowhere in
            ["/foo/2", "/foo/00", "/foo/01", "/foo/-", "/foo/+1", "/foo/", "/x", "/foo/0/x"]
        {
            assert!(at(nowhere).is_none(), "{nowhere}");
        }
        for wrong in ["a", "a/b", "/~", "/~2", "/a~", "#/a"] {
            assert_eq!(wrong.parse::<Pointer>(), Err(InvalidPointer), "{wrong}");
        }
    }
}
