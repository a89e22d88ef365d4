//! From a file to a tree: everything that has to do with bytes and TOML's syntax.
use super::{
    diagnostic::{Diagnostic, Errors, Report, Severity},
    tree::Node,
};
use crate::regular_file;
use std::{collections::BTreeSet, io, path::Path};
use toml::{
    Spanned,
    de::{DeTable, Error},
};

/// The largest file to read.
const LARGEST: u64 = 1 << 20;
/// The most lines to show syntax errors of; what is not TOML at all has one in every line.
const MOST: usize = 20;
/// The most syntax errors to look at.
const MOST_ERRORS: usize = 1000;

/// Whether there is a file to read the configuration from again: a pipe that was read has nothing more to say, and may be silent for ever.
pub(super) fn check_regular(path: &Path) -> Result<(), Errors> {
    regular_file::check(path).map_err(|error| refusal(path, None, unreadable(&error)))
}

fn refusal(path: &Path, line: Option<usize>, message: String) -> Errors {
    Errors(vec![Diagnostic {
        severity: Severity::Error,
        file: path.to_owned(),
        line,
        column: None,
        path: String::new(),
        message,
        help: None,
    }])
}

/// The text of a configuration file.
pub(super) fn read(path: &Path) -> Result<String, Errors> {
    let refuse = |line, message| refusal(path, line, message);
    let bytes = regular_file::read_any(path, LARGEST);
    let bytes = bytes.map_err(|error| refuse(None, unreadable(&error)))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let newlines = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count();
        refuse(Some(newlines + 1), "the file is not UTF-8".to_owned())
    })
}

/// The text of a file that the configuration names; or what is wrong with it.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let bytes = regular_file::read(path, LARGEST).map_err(|error| unreadable(&error))?;
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())
}

/// Parses the text, and says whether parts of it had to be left out. None if it is beyond that.
pub(super) fn document(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) -> Option<(Node, bool)> {
    let (table, errors) = DeTable::parse_recoverable(text);
    // The first error of a line; the others mostly follow from it.
    let mut lines = BTreeSet::new();
    for error in errors.iter().take(MOST_ERRORS) {
        let offset = offset_of(error, text);
        let (line, _) = report.position(offset);
        if lines.len() == MOST {
            return None;
        }
        if lines.insert(line) {
            report.add(
                Severity::Error,
                Some(offset),
                "",
                format!("invalid TOML: {}", error.message()),
                None,
            );
        }
    }
    if errors.is_empty() {
        return Some((Node::document(&table, env), false));
    }
    if errors.len() > MOST_ERRORS {
        return None;
    }
    let remainder = without(text, &lines)?;
    let table = parse(&remainder)?;
    Some((Node::document(&table, env), true))
}

fn offset_of(error: &Error, text: &str) -> usize {
    let mut offset = error.span().map_or(0, |span| span.start.min(text.len()));
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The text with those lines blank, so that everything else stays in its place. None if the lines may be more than
/// the keys in them: a table's header, or part of a value that goes on.
fn without(text: &str, lines: &BTreeSet<usize>) -> Option<String> {
    let mut remainder = String::with_capacity(text.len());
    for (i, line) in text.split_inclusive('\n').enumerate() {
        if !lines.contains(&(i + 1)) {
            remainder.push_str(line);
            continue;
        }
        let start = line.trim_start();
        if !start.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '"')
            || !start.contains('=')
        {
            return None;
        }
        remainder.extend(line.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
    }
    Some(remainder)
}

fn parse(text: &str) -> Option<Spanned<DeTable<'_>>> {
    DeTable::parse(text).ok()
}

/// Why a file cannot be read, in the words of the system's own messages.
pub(super) fn unreadable(error: &io::Error) -> String {
    format!("the file cannot be read: {}", regular_file::why(error))
}
