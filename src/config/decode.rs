//! From the tree to the typed configuration, every mistake on the way.
//!
//! serde stops at the first mistake. So what is wrong is reported and cut off, and the rest is read again, until it can
//! be read. The types stay the only place that says what a configuration may hold.
use super::{
    diagnostic::{Report, Severity},
    reader::{Kind, Mistake, Reader, alternatives},
    tree::{KeyPath, Node, Step, Value},
};
use serde::de::DeserializeOwned;

/// A file with more mistakes than that is something else than a configuration.
const MOST: usize = 100;

/// Reads a `T`; what cannot be read is reported, marked as pruned and left out.
///
/// `damaged` says that parts of the text are not in the tree: then nothing is called missing.
pub(super) fn decode<T: DeserializeOwned>(
    root: &mut Node,
    report: &mut Report<'_>,
    damaged: bool,
) -> Option<T> {
    for _ in 0..MOST {
        let mistake = match T::deserialize(Reader(root)) {
            Ok(value) => return Some(value),
            Err(mistake) => mistake,
        };
        let path = mistake.path();
        let is_missing = matches!(mistake.kind, Kind::MissingKey(_));
        if !(follows(root, &path, &mistake) || is_missing && damaged) {
            describe(root, &path, &mistake, report);
        }
        if let (Kind::UnknownKey { meant: Some(meant), .. }, Some(entry)) =
            (&mistake.kind, root.entry_at_mut(&path))
        {
            entry.meant = Some((*meant).to_owned());
        }
        match root.at_mut(&path) {
            // The root itself, or something that is not in the tree: there is nothing to cut off.
            Some(node) if !path.0.is_empty() && !node.pruned => node.pruned = true,
            _ => return None,
        }
    }
    report.add(
        Severity::Error,
        None,
        "",
        format!("more than {MOST} mistakes; the others are not shown"),
        None,
    );
    None
}

/// Whether it is only a mistake because of something that is reported already: a key is missing because what was written
/// there is wrong, an array or table does not fit together because parts of it are.
fn follows(root: &Node, path: &KeyPath, mistake: &Mistake) -> bool {
    let Some(node) = root.at(path) else {
        return false;
    };
    match (&mistake.kind, &node.value) {
        (Kind::MissingKey(key), _) => node.mentions(key),
        (Kind::Wrong(_), Value::Array(elements)) => elements.iter().any(|element| element.pruned),
        (Kind::Wrong(_), Value::Table(entries)) => entries.iter().any(|entry| entry.node.pruned),
        _ => false,
    }
}

fn describe(root: &Node, path: &KeyPath, mistake: &Mistake, report: &mut Report<'_>) {
    let node = root.nearest(path);
    let mut offset = node.span.start;
    let mut path = path.clone();
    let (message, help) = match &mistake.kind {
        Kind::UnknownKey { meant, known } => {
            offset = key_offset(root, &path).unwrap_or(offset);
            ("unknown key".to_owned(), Some(suggestion(*meant, known)))
        }
        Kind::MissingKey(key) => {
            path = path.key(key);
            ("this key is missing".to_owned(), None)
        }
        Kind::UnknownChoice { meant, known } => (
            format!("expected {}", alternatives(known)),
            meant.map(|meant| format!("did you mean `{meant}`?")),
        ),
        Kind::Unset(name) => (
            format!("the environment variable {name} is not set"),
            Some(format!("set it, or give it a default: `${{{name}:-…}}`")),
        ),
        Kind::OneTable => (
            "expected an array of tables, found one table".to_owned(),
            Some("write the table's name in double brackets, as in `[[route]]`".to_owned()),
        ),
        Kind::Wrong(message) => (message.clone(), None),
    };
    let message = match (&mistake.kind, node.variables()) {
        (Kind::Wrong(_) | Kind::UnknownChoice { .. }, variables) => message + &origin(variables),
        _ => message,
    };
    report.add(Severity::Error, Some(offset), &path.to_string(), message, help);
}

/// Where a value came from, said in place of the value.
pub(super) fn origin(variables: &[String]) -> String {
    match variables {
        [] => String::new(),
        names => format!(" (the value comes from {})", names.join(", ")),
    }
}

fn suggestion(meant: Option<&str>, known: &[&str]) -> String {
    match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

fn key_offset(root: &Node, path: &KeyPath) -> Option<usize> {
    let (Step::Key(key), parents) = path.0.split_last()? else {
        return None;
    };
    let parent = root.at(&KeyPath(parents.to_vec()))?;
    parent.entry(key).map(|entry| entry.key_span.start)
}
