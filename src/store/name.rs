use std::{borrow::Borrow, fmt, ops::Deref, str::FromStr, sync::Arc};

const MAX_NAME: usize = 128;
const MAX_NOTE: usize = 512;
const MAX_SCOPES: usize = 100;

/// The name of an account, a plan or a key: 1 to 128 visible characters, with spaces only between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name(Arc<str>);

/// One scope: a `scope-token` (RFC 6749, section 3.3) without commas, so that a challenge can name it and a list hold it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope(Box<str>);

/// What a key may do: at most 100 scopes, sorted, none of them twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scopes(Arc<[Box<str>]>);

/// What somebody wants to remember of a key or an entry: 1 to 512 characters in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note(Box<str>);

/// Text that cannot be what it is given for. It is not quoted: it may be a key in the wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidName {
    Name,
    Scope,
    Scopes,
    Note,
}

impl Name {
    /// A new key's public name. It is no secret; two of a million are the same in one of 10^12 stores.
    pub(crate) fn random_id() -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let letters = (0..16).map(|_| char::from(ALPHABET[fastrand::usize(..ALPHABET.len())]));
        Self("key_".chars().chain(letters).collect::<String>().into())
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_line(text, MAX_NAME) { Ok(Self(text.into())) } else { Err(InvalidName::Name) }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self
    }
}

impl FromStr for Scope {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let in_scope = |byte: u8| byte.is_ascii_graphic() && !b"\"\\,".contains(&byte);
        match (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(in_scope) {
            true => Ok(Self(text.into())),
            false => Err(InvalidName::Scope),
        }
    }
}

impl Deref for Scope {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Scopes {
    /// All of these.
    pub(crate) fn new(scopes: impl IntoIterator<Item = Scope>) -> Result<Self, InvalidName> {
        let mut scopes: Vec<_> = scopes.into_iter().collect();
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.len() > MAX_SCOPES {
            return Err(InvalidName::Scopes);
        }
        Ok(Self(scopes.into_iter().map(|scope| scope.0).collect()))
    }

    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|scope| &**scope)
    }

    /// As they are stored.
    pub(super) fn to_json(&self) -> String {
        serde_json::Value::from_iter(self.iter()).to_string()
    }
}

impl FromStr for Note {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_line(text, MAX_NOTE) { Ok(Self(text.into())) } else { Err(InvalidName::Note) }
    }
}

impl Deref for Note {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Whether a terminal shows the text as it is: one line, with nothing in it that hides or reorders what is there.
fn is_line(text: &str, longest: usize) -> bool {
    let hidden = |c: char| {
        c.is_control()
            || (c.is_whitespace() && c != ' ')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    !text.is_empty()
        && text == text.trim()
        && text.chars().count() <= longest
        && !text.chars().any(hidden)
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(
                f,
                "a name is 1 to {MAX_NAME} visible characters, with spaces only between them"
            ),
            Self::Scope => {
                write!(
                    f,
                    "a scope is 1 to {MAX_NAME} visible ASCII characters without spaces, commas, quotes and backslashes"
                )
            }
            Self::Scopes => write!(f, "a key has at most {MAX_SCOPES} scopes"),
            Self::Note => write!(f, "a note is one line of 1 to {MAX_NOTE} visible characters"),
        }
    }
}

impl std::error::Error for InvalidName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_scopes() {
        let longest = "ü".repeat(MAX_NAME);
        for text in ["a", "Acme Inc.", "dev@example.com", "日本", &longest] {
            assert!(text.parse::<Name>().is_ok(), "{text}");
        }
        let longer = "a".repeat(MAX_NAME + 1);
        for text in [
            "",
            " ",
            " a",
            "a ",
            "a\n",
            "a\tb",
            "a\0",
            "\u{1b}[2J",
            "a\u{202e}b",
            "\u{200b}",
            &longer,
        ] {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
            assert!(text.parse::<Scope>().is_err(), "{text:?}");
        }
        for text in ["a b", "a,b", ",", "a\"b", "a\\b", "ä"] {
            assert!(text.parse::<Scope>().is_err(), "{text:?}");
        }
        for text in ["images:write", "model:*", "*", "model:{model}"] {
            assert!(text.parse::<Scope>().is_ok(), "{text}");
        }
    }

    #[test]
    fn scopes_are_a_set() {
        let scopes = |words: &[&str]| Scopes::new(words.iter().map(|word| word.parse().unwrap()));
        assert_eq!(scopes(&["b", "a", "b"]), scopes(&["a", "b"]));
        assert_eq!(scopes(&["b", "a"]).unwrap().to_json(), r#"["a","b"]"#);
        assert_eq!(scopes(&[]).unwrap().to_json(), "[]");
        let many: Vec<Scope> = (0..=MAX_SCOPES).map(|n| n.to_string().parse().unwrap()).collect();
        assert_eq!(Scopes::new(many), Err(InvalidName::Scopes));
    }

    #[test]
    fn an_id_is_a_name() {
        let id = Name::random_id();
        assert_eq!(id.parse(), Ok(id.clone()));
        assert_eq!(id.len(), 20);
        assert_ne!(id, Name::random_id());
    }
}
