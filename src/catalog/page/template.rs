//! Templates of HTML, and text inside them.

use std::fmt::{self, Display, Formatter, Write};

/// Writes a template. What stands in `{{` and `}}` is a name, for which `fill` writes something; that is not read again.
pub(super) fn render(
    template: &str,
    out: &mut String,
    mut fill: impl FnMut(&str, &mut String) -> fmt::Result,
) -> fmt::Result {
    let mut rest = template;
    while let Some((before, name, after)) = next_name(rest) {
        out.push_str(before);
        fill(name, out)?;
        rest = after;
    }
    out.push_str(rest);
    Ok(())
}

fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    Some((before, name, after))
}

/// Text that stays text, between tags and in quoted attributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A text of the catalog, in which backticks mark what is code, as in Markdown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prose<'a>(pub(super) &'a str);

impl Display for Prose<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((before, code, after)) = next_code(rest) {
            write!(f, "{}<code>{}</code>", Escaped(before), Escaped(code))?;
            rest = after;
        }
        write!(f, "{}", Escaped(rest))
    }
}

fn next_code(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('`')?;
    let (code, after) = rest.split_once('`')?;
    (!code.is_empty()).then_some((before, code, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        let filled = |template: &str| {
            let mut out = String::new();
            render(template, &mut out, |name, out| write!(out, "<{name} {{{{b}}}}>")).unwrap();
            out
        };
        for (template, want) in [
            ("", ""),
            ("a { b } c", "a { b } c"),
            ("a {{b}} c", "a <b {{b}}> c"),
            ("{{a}}{{b}}", "<a {{b}}><b {{b}}>"),
            ("a {{b", "a {{b"),
        ] {
            assert_eq!(filled(template), want, "{template}");
        }
    }

    #[test]
    fn text_stays_text() {
        for (text, want) in [
            ("plain", "plain"),
            ("a `b` c", "a <code>b</code> c"),
            ("`a``b`", "<code>a</code><code>b</code>"),
            ("a ` b", "a ` b"),
            ("`` a ` b", "`` a ` b"),
            ("`<b>` & \"'", "<code>&lt;b&gt;</code> &amp; &quot;&#39;"),
            ("</style><script>`</code>`", "&lt;/style&gt;&lt;script&gt;<code>&lt;/code&gt;</code>"),
        ] {
            assert_eq!(Prose(text).to_string(), want, "{text}");
        }
    }
}
