//! Fields, and names that a caller chose, as they are shown.

/// As many characters of a caller's own are repeated, in all names on the way to a field together.
const LONGEST: usize = 64;
/// The longest name of a field, in bytes; what is deeper is cut off.
const LONGEST_FIELD: usize = 256;

/// One step from the whole value to a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Segment<'a> {
    /// A name that is in the schema.
    Known(&'a str),
    /// A name that only the value has.
    Found(&'a str),
    Index(usize),
}

/// As a caller writes it: `a.b[3]`. Names that the caller chose are shown as far as they can be.
pub(super) fn field(path: &[Segment<'_>]) -> String {
    let mut text = String::new();
    let mut left = LONGEST;
    for segment in path {
        if let Segment::Known(_) | Segment::Found(_) = segment {
            text.push_str(if text.is_empty() { "" } else { "." });
        }
        match segment {
            Segment::Known(name) => text.push_str(&printable(name)),
            Segment::Found(name) => text.push_str(&shown(name, &mut left)),
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
        }
        if text.len() > LONGEST_FIELD {
            text.push('…');
            break;
        }
    }
    text
}

/// A name without what would not be seen, and not endless.
pub(crate) fn printable(name: &str) -> String {
    shown(name, &mut { LONGEST })
}

/// The same, with so many characters left.
fn shown(name: &str, left: &mut usize) -> String {
    if name.is_empty() {
        return "\"\"".to_owned();
    }
    let mut chars = name.chars();
    let mut text = String::new();
    for c in chars.by_ref().take(*left) {
        text.push(if is_seen(c) { c } else { '\u{fffd}' });
        *left -= 1;
    }
    if chars.next().is_some() {
        text.push('…');
    }
    text
}

/// Whether a character is seen as what it is, wherever the text is shown.
fn is_seen(c: char) -> bool {
    match c {
        '<' | '>' => false,
        ' '..='~' => true,
        // Letters and marks that show nothing: those of Unicode's Default_Ignorable_Code_Point, and an empty pattern of Braille.
        '\u{34f}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{ffa0}'
        | '\u{e0000}'..='\u{e0fff}' => false,
        // Everything else that is not seen belongs to a category that Rust does not show in a string: controls, formats,
        // separators, private and unassigned. Behind a letter, for a mark by itself is not shown either.
        _ => ['a', c].iter().collect::<String>().escape_debug().count() == 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_not_shown() {
        // Unicode 15: all of the categories Cc, Cf, Zl, Zp, of Zs all but the space, and Default_Ignorable_Code_Point.
        let unseen = [
            ('\u{0}', '\u{1f}'),
            ('\u{7f}', '\u{a0}'),
            ('\u{ad}', '\u{ad}'),
            ('\u{34f}', '\u{34f}'),
            ('\u{600}', '\u{605}'),
            ('\u{61c}', '\u{61c}'),
            ('\u{6dd}', '\u{6dd}'),
            ('\u{70f}', '\u{70f}'),
            ('\u{890}', '\u{891}'),
            ('\u{8e2}', '\u{8e2}'),
            ('\u{115f}', '\u{1160}'),
            ('\u{1680}', '\u{1680}'),
            ('\u{17b4}', '\u{17b5}'),
            ('\u{180b}', '\u{180f}'),
            ('\u{2000}', '\u{200f}'),
            ('\u{2028}', '\u{202f}'),
            ('\u{205f}', '\u{206f}'),
            ('\u{3000}', '\u{3000}'),
            ('\u{3164}', '\u{3164}'),
            ('\u{fe00}', '\u{fe0f}'),
            ('\u{feff}', '\u{feff}'),
            ('\u{ffa0}', '\u{ffa0}'),
            ('\u{fff0}', '\u{fffb}'),
            ('\u{110bd}', '\u{110bd}'),
            ('\u{110cd}', '\u{110cd}'),
            ('\u{13430}', '\u{1343f}'),
            ('\u{1bca0}', '\u{1bca3}'),
            ('\u{1d173}', '\u{1d17a}'),
            ('\u{e0000}', '\u{e0fff}'),
        ];
        for c in unseen.into_iter().flat_map(|(first, last)| first..=last) {
            assert_eq!(printable(&format!("a{c}b")), "a\u{fffd}b", "{c:?}");
            assert_eq!(printable(&c.to_string()), "\u{fffd}", "{c:?}");
        }
        // No character, private, too new, too old.
        for c in ['\u{fffe}', '\u{10ffff}', '\u{e000}', '\u{378}', '<', '>', '\u{2800}'] {
            assert_eq!(printable(&c.to_string()), "\u{fffd}", "{c:?}");
        }
    }

    #[test]
    fn what_is_seen_is_shown() {
        for name in [
            "a b",
            "\"'\\/`{}[]&;",
            "é",
            "e\u{301}",
            "\u{301}",
            "ä-ß_ø",
            "日本語",
            "한국어",
            "हिन्दी",
            "ไทย",
            "עברית",
            "العربية",
            "😀",
            "№ €",
            "·",
        ] {
            assert_eq!(printable(name), name);
        }
    }
}
