//! `${NAME}` and `${NAME:-default}` in values.
use super::values::REDACTED;

/// A string of the file after its variables were put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    /// The text to use.
    pub(super) value: String,
    /// The same as it may be shown where it can be anything, a secret too: without what the environment has given.
    pub(super) shown: String,
    /// The variables that were asked for, in order, each once.
    pub(super) variables: Vec<String>,
    /// The first variable without a default that is not set, or set to nothing;
    /// or the first one of a text that came out empty.
    pub(super) blank: Option<String>,
    /// Why the text cannot be used, unless by somebody who can do without it.
    pub(super) broken: Option<Broken>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// This variable is not set and has no default.
    Unset(String),
    /// This is not how variables are written.
    Syntax(&'static str),
}

/// Puts the variables in: `${NAME}`, and `${NAME:-default}` where `NAME` is not set or empty, as in a shell.
/// `$${` stands for `${`; any other `$` for itself. What comes out of a variable is not looked at again.
pub(super) fn interpolate(raw: &str, env: &dyn Fn(&str) -> Option<String>) -> Text {
    let mut text = Text::default();
    let mut rest = raw;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            text.push(&rest[..at - 1]);
            text.push("${");
            rest = &rest[at + 2..];
            continue;
        }
        text.push(&rest[..at]);
        let inner = &rest[at + 2..];
        let Some(end) = inner.find('}') else {
            return broken(text, "`${` without a closing `}`; write `$${` for the characters `${`");
        };
        let (name, default) = match inner[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inner[..end], None),
        };
        if !is_name(name) {
            return broken(
                text,
                "expected `${NAME}` or `${NAME:-default}`; write `$${` for the characters `${`",
            );
        }
        if default.is_some_and(|default| default.contains("${")) {
            return broken(text, "the default of a variable cannot hold another variable");
        }
        substitute(&mut text, name, default, env(name));
        rest = &inner[end + 1..];
    }
    text.push(rest);
    if text.value.is_empty() && text.blank.is_none() {
        text.blank = text.variables.first().cloned();
    }
    text
}

impl Text {
    /// Adds what stands in the file.
    fn push(&mut self, written: &str) {
        self.value.push_str(written);
        self.shown.push_str(written);
    }

    /// Whether any of it is out of the environment.
    pub(super) fn is_given(&self) -> bool {
        self.value != self.shown
    }
}

fn substitute(text: &mut Text, name: &str, default: Option<&str>, value: Option<String>) {
    if !text.variables.iter().any(|known| known == name) {
        text.variables.push(name.to_owned());
    }
    match (value, default) {
        (Some(value), _) if !value.is_empty() => {
            text.value.push_str(&value);
            text.shown.push_str(REDACTED);
        }
        (_, Some(default)) => text.push(default),
        (value, None) => {
            text.blank.get_or_insert_with(|| name.to_owned());
            if value.is_none() && text.broken.is_none() {
                text.broken = Some(Broken::Unset(name.to_owned()));
            }
        }
    }
}

fn broken(mut text: Text, why: &'static str) -> Text {
    text.value.clear();
    text.shown.clear();
    text.blank = None;
    text.broken = Some(Broken::Syntax(why));
    text
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".to_owned()),
            "B_2" => Some("two".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${A}\"\n[server]".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn values() {
        for (raw, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("${A}", "one"),
            ("x${A}y${B_2}z", "xoneytwoz"),
            ("${A}${A}", "oneone"),
            ("${A:-other}", "one"),
            ("${NONE:-other}", "other"),
            ("${NONE:-}", ""),
            ("${EMPTY:-other}", "other"),
            ("${EMPTY}x", "x"),
            ("${NONE:-a:-b}", "a:-b"),
            ("${NONE:-http://h:80/$x}", "http://h:80/$x"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$A $ $$ {A}", "$A $ $$ {A}"),
            ("cost: 5$", "cost: 5$"),
            ("${NESTED}", "${A}\"\n[server]"),
            ("é${A}é", "éoneé"),
        ] {
            let text = interpolate(raw, &env);
            assert_eq!((text.value.as_str(), &text.broken), (expected, &None), "{raw}");
        }
    }

    #[test]
    fn shown() {
        for (raw, expected) in [
            ("plain $${A}", "plain ${A}"),
            ("${A}", "[redacted]"),
            ("x${A}y${B_2}z", "x[redacted]y[redacted]z"),
            ("${A:-other}", "[redacted]"),
            ("${NONE:-other}", "other"),
            ("${EMPTY:-other} ${EMPTY}", "other "),
            ("${A", ""),
        ] {
            let text = interpolate(raw, &env);
            assert_eq!(text.shown, expected, "{raw}");
            assert_eq!(text.is_given(), expected.contains(REDACTED), "{raw}");
        }
    }

    #[test]
    fn broken() {
        for raw in [
            "${",
            "${A",
            "a ${A ${B",
            "${}",
            "${A B}",
            "${1A}",
            "${A-x}",
            "${A:x}",
            "${A:?x}",
            "${é}",
            "${:-x}",
            "${NONE:-${A}}",
        ] {
            let text = interpolate(raw, &env);
            assert!(matches!(text.broken, Some(Broken::Syntax(_))), "{raw}: {text:?}");
            assert_eq!(text.value, "", "{raw}");
        }
    }

    #[test]
    fn unset_and_blank() {
        for (raw, unset, blank) in [
            ("${A}", None, None),
            ("", None, None),
            ("${NONE}", Some("NONE"), Some("NONE")),
            ("a ${A} ${NONE} ${OTHER}", Some("NONE"), Some("NONE")),
            ("${EMPTY}", None, Some("EMPTY")),
            ("https://${EMPTY}/", None, Some("EMPTY")),
            ("${EMPTY}${NONE}", Some("NONE"), Some("EMPTY")),
            ("${NONE:-}", None, Some("NONE")),
            ("${NONE:-x}", None, None),
        ] {
            let text = interpolate(raw, &env);
            assert_eq!(text.broken, unset.map(|name| Broken::Unset(name.to_owned())), "{raw}");
            assert_eq!(text.blank.as_deref(), blank, "{raw}");
        }
    }
}
