//! A provider's own words, made fit for a caller: short, plain, and without what is nobody's business.

use super::private::without_places_and_keys;
use regex::Regex;
use std::{borrow::Cow, fmt, sync::LazyLock};

/// The most characters of a provider's words that reach a caller.
const LONGEST: usize = 300;

/// How many characters of a text are looked at; what comes later would be cut off anyway.
const READ: usize = 400;

/// What stands for what was taken out.
const REMOVED: &str = "[…]";

/// What stands for it until then; no text has it, since what cannot be seen goes first.
const MARK: char = '\u{1}';

/// Words that never reach a caller: secrets of the configuration, names of the provider.
#[derive(Clone, Default)]
pub(super) struct Redaction {
    words: Vec<Box<str>>,
    pattern: Option<Regex>,
}

/// Only how many: they are secrets.
impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redaction({} words)", self.words.len())
    }
}

impl Redaction {
    pub(super) fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut new = Self::default();
        new.add(words);
        new
    }

    pub(super) fn add<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) {
        let words = words.into_iter().map(str::trim).filter(|word| !word.is_empty());
        self.words.extend(words.map(Box::from));
        // Of two that begin alike the longer one goes as a whole.
        self.words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
        let pattern: Vec<String> = self.words.iter().map(|word| regex::escape(word)).collect();
        // A word may be a host, and have a port and a path behind it.
        let behind = r#"(:[0-9]+(/[^ "'<>)\]}]*)?|/[^ "'<>)\]}]*)?"#;
        let pattern = format!("(?i)({}){behind}", pattern.join("|"));
        self.pattern = Regex::new(&pattern).ok().filter(|_| !self.words.is_empty());
    }

    /// A text that was cut off, without the beginning of one of the words at its end.
    fn without_half_a_word<'t>(&self, text: &'t str) -> &'t str {
        let half = |word: &str| {
            let begins = word.char_indices().map(|(at, _)| &word[..at]);
            begins.filter(|begin| begin.len() >= 4 && text.ends_with(begin)).map(str::len).max()
        };
        let longest = self.words.iter().filter_map(|word| half(word)).max().unwrap_or_default();
        &text[..text.len() - longest]
    }

    /// The words as a caller may read them. `None` when nothing is left that says anything.
    pub(super) fn scrub(&self, text: &str) -> Option<String> {
        let cut = match text.char_indices().nth(READ) {
            Some((end, _)) => self.without_half_a_word(&text[..end]),
            None => text,
        };
        let visible = visible(cut);
        let mut text = match visible.contains('<') {
            true => MARKUP.replace_all(&visible, " ").into_owned(),
            false => visible,
        };
        if let Some(pattern) = &self.pattern {
            // Not what stands for it in the end: a URL around it is to go as a whole.
            if let Cow::Owned(without) = pattern.replace_all(&text, "\u{1}") {
                text = without;
            }
        }
        let mut text = without_places_and_keys(&text);
        // Of most texts nothing has been taken out.
        if text.contains([MARK, '…']) {
            text = text.replace(MARK, REMOVED).replace("[[…]]", REMOVED);
            text = REPEATED.replace_all(&text, REMOVED).into_owned();
        }
        let text = shorten(text);
        let says_something = |part: &str| part.chars().any(char::is_alphanumeric);
        text.split(REMOVED).any(says_something).then_some(text)
    }
}

/// Tags and comments of HTML; `<` in front of anything else stays.
static MARKUP: LazyLock<Regex> = LazyLock::new(|| {
    constant(
        r"(?s)<!--.*?(-->|\z)|<(?i:script|style)\b.*?(</(?i:script|style)[^>]*>|\z)|</?[A-Za-z!?][^<>]*(>|\z)",
    )
});

static REPEATED: LazyLock<Regex> = LazyLock::new(|| constant(r"\[…\]( *\[…\])+"));

#[expect(clippy::expect_used, reason = "compiled in, and built by the tests")]
fn constant(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant")
}

/// The characters that can be seen, with one blank where there was any space.
fn visible(text: &str) -> String {
    let is_plain = |two: &[u8]| two != b"  " && two.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if text.as_bytes().windows(2).all(is_plain) && text.len() >= 2 && !text.starts_with(' ') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' && chars.as_str().starts_with('[') {
            // A colour, or another command to a terminal (ECMA-48, section 5.4), as a whole.
            chars.by_ref().skip(1).find(|c| matches!(c, '@'..='~'));
            continue;
        }
        if c.is_whitespace() || c.is_control() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else if !is_invisible(c) {
            out.push(c);
        }
    }
    out
}

/// Characters of format: marks of direction, joiners, tags, and others that show nothing.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// No longer than is allowed, cut between words where there are any.
fn shorten(mut text: String) -> String {
    if text.contains("  ") || text.starts_with(' ') || text.ends_with(' ') {
        text = text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    }
    let Some((end, _)) = text.char_indices().nth(LONGEST) else { return text };
    let head = &text[..end];
    let head = head.rfind(' ').filter(|at| *at > end / 2).map_or(head, |at| &head[..at]);
    format!("{}…", head.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub(text: &str) -> Option<String> {
        Redaction::new(["s3cret-of-ours", "Grsai", " "]).scrub(text)
    }

    #[test]
    fn what_is_left() {
        let table = [
            ("prompt is required", Some("prompt is required")),
            ("  width:\tmust be\r\n 1 < 2  ", Some("width: must be 1 < 2")),
            (
                "Invalid value: '512x512'. Use '1024x1024'.",
                Some("Invalid value: '512x512'. Use '1024x1024'."),
            ),
            ("<p>Too <b>large</b></p><!-- host-17 -->", Some("Too large")),
            ("<script>alert(1)</script>no", Some("no")),
            ("unclosed <img src=x onerror=alert(1)", Some("unclosed")),
            ("see https://api.provider.example/v1?key=1 for more", Some("see […] for more")),
            ("see help.provider.com/errors.", Some("see […].")),
            ("ask support@provider.com now", Some("ask […] now")),
            ("node img-17.svc.cluster.local:8080 failed", Some("node […] failed")),
            ("from 10.0.0.7:80 and [2001:db8::1:2:3]:80 it", Some("from […] and […]:80 it")),
            (
                "Incorrect API key provided: sk-proj-abc123def456",
                Some("Incorrect API key provided: […]"),
            ),
            ("Bearer abcdefgh12345 is wrong", Some("Bearer […] is wrong")),
            ("key sk-***********abcd", Some("key […]")),
            (
                "Limit reached for gpt-image-1 in organization org-abc on images",
                Some("Limit reached for gpt-image-1 in organization […] on images"),
            ),
            ("id 0c0ffee0-c0ff-4e0c-8ffe-e0c0ffee0c0f failed", Some("id […] failed")),
            ("s3cret-of-ours leaked by GRSAI", Some("[…] leaked by […]")),
            ("see https://api.grsai:8080/v1?key=s3cret-of-ours&x=1 now", Some("see […] now")),
            ("see grsai:8080/v1/draw, or grsai/v1 there", Some("see […] or […] there")),
            ("see grsai. It says grsai: no", Some("see […]. It says […]: no")),
            ("a\u{202e}b\u{200b}c\u{0}d\u{e0041}", Some("abc d")),
            ("模型不存在", Some("模型不存在")),
            ("image 3.png is 10.5 MB", Some("image 3.png is 10.5 MB")),
            ("https://a.example/ 10.0.0.1", None),
            ("   ", None),
            ("", None),
            ("<br>", None),
        ];
        for (text, want) in table {
            assert_eq!(scrub(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn no_more_than_a_few_lines() {
        let text = "word ".repeat(10_000);
        let short = scrub(&text).unwrap();
        assert!(short.chars().count() <= LONGEST + 1 && short.ends_with("word…"), "{short}");
        let one = scrub(&"é".repeat(10_000)).unwrap();
        assert_eq!(one.chars().count(), LONGEST + 1);
        // A key across the end of what is looked at is not half shown.
        let text = format!("{}sk-{}", "x ".repeat(145), "a1".repeat(3000));
        assert!(!scrub(&text).unwrap().contains("a1a1"));
        // Nor one of ours, whatever is taken out before it.
        let redaction = Redaction::new(["s3cretkey"]);
        for before in 380..400 {
            let text = format!("<{}>word s3cretkey and more words", "x".repeat(before - 7));
            let shown = redaction.scrub(&text).unwrap_or_default();
            assert!(!shown.contains("s3cr"), "{shown}");
        }
    }
}
