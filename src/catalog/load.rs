//! From what is written down to a catalog that is complete and consistent.

use super::{
    Catalog, Entry, Row,
    message::{Message, json_string},
    settings::{InvalidCatalog, Mistake, Settings},
    source::{Source, SourceEntry, nearest},
};
use crate::fault::{Kind, Param};
use http::StatusCode;
use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

/// The presets that are compiled in, by name.
pub(super) const PRESETS: [(&str, &str); 3] = [
    ("default", include_str!("presets/default.toml")),
    ("apistor", include_str!("presets/apistor.toml")),
    ("eggapi", include_str!("presets/eggapi.toml")),
];

/// What an entry without faults may name: a violation with this code brings both.
const APPLICATION_PARAMS: &[Param] = &[Param::Detail, Param::Field];

fn mistake(path: &[&str], message: impl Into<String>) -> Mistake {
    Mistake { path: path.iter().map(|&key| key.to_owned()).collect(), message: message.into() }
}

/// The source of a preset.
pub(super) fn preset(name: &str) -> Result<Source, InvalidCatalog> {
    let found = PRESETS.iter().find(|(preset, _)| *preset == name);
    let Some((_, text)) = found else {
        let names = PRESETS.map(|(name, _)| name);
        let mut message = format!("there is no preset {name}, only {}", names.join(", "));
        if let Some(near) = nearest(name, names.into_iter()) {
            message.push_str(&format!("; did you mean {near}?"));
        }
        return Err(InvalidCatalog { mistakes: vec![mistake(&["preset"], message)] });
    };
    parse(text)
}

/// A catalog's source from TOML.
pub(super) fn parse(text: &str) -> Result<Source, InvalidCatalog> {
    let mut source: Source = toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
        let message = format!("line {line}: {}", e.message());
        InvalidCatalog { mistakes: vec![mistake(&[], message)] }
    })?;
    for (i, entry) in source.entries.iter_mut().enumerate() {
        entry.at = vec![format!("entry[{i}]")];
    }
    Ok(source)
}

/// Applies the settings of a configuration.
pub(super) fn apply(source: &mut Source, settings: &Settings) -> Vec<Mistake> {
    if let Some(docs_url) = &settings.docs_url {
        source.docs_url = Some(docs_url.clone());
    }
    if let Some(fields) = &settings.fields {
        source.fields.clone_from(fields);
    }
    // Codes first: what is said of one fault goes before what is said of its code.
    let (codes, others): (Vec<_>, Vec<_>) =
        settings.entries.iter().partition(|(name, _)| source.has_code(name));
    let patches = codes.into_iter().chain(others);
    patches.filter_map(|(name, patch)| source.patch(name, patch).err()).collect()
}

/// Checks everything and builds the catalog.
pub(super) fn build(source: Source, mut mistakes: Vec<Mistake>) -> Result<Catalog, InvalidCatalog> {
    let mut fields = source.fields;
    fields.sort_unstable_by_key(|field| *field as u8);
    fields.dedup();
    let docs_base = source.docs_url.as_deref().map(|url| check_docs_url(url, &mut mistakes));

    let mut entries = Vec::new();
    let mut by_code = HashMap::new();
    let mut rows: Vec<Option<Row>> = vec![None; Kind::ALL.len()];
    for written in &source.entries {
        let index = entries.len();
        let Some(entry) = check_entry(written, docs_base.as_deref(), &mut mistakes) else {
            continue;
        };
        if by_code.insert(entry.code.clone(), index).is_some() {
            let text = format!("the code {} is defined twice", entry.code);
            mistakes.push(at(written, "code", text));
            continue;
        }
        for &kind in &entry.faults {
            let message = check_fault_message(written, kind, &entry, &mut mistakes);
            if rows[kind.index()].replace(Row { entry: index, message }).is_some() {
                let text = format!("the fault {kind} is answered by another entry already");
                mistakes.push(at(written, "faults", text));
            }
        }
        entries.push(entry);
    }
    if mistakes.is_empty() {
        // Entries that are wrong leave holes of their own; those would only be noise.
        for (kind, _) in Kind::ALL.iter().zip(&rows).filter(|(_, row)| row.is_none()) {
            mistakes.push(mistake(&[], format!("no entry answers the fault {kind}")));
        }
    }
    if !mistakes.is_empty() {
        return Err(InvalidCatalog { mistakes });
    }
    static NEXT: AtomicU64 = AtomicU64::new(0);
    Ok(Catalog {
        id: NEXT.fetch_add(1, Ordering::Relaxed),
        name: source.name,
        fields,
        entries,
        rows: rows.into_iter().flatten().collect(),
        by_code,
    })
}

fn at(entry: &SourceEntry, key: &str, message: String) -> Mistake {
    let mut path = entry.set_at.get(key).unwrap_or(&entry.at).clone();
    path.push(key.to_owned());
    Mistake { path, message }
}

fn check_docs_url(url: &str, mistakes: &mut Vec<Mistake>) -> String {
    if url.is_empty() || url.contains('#') || !url.bytes().all(|b| b.is_ascii_graphic()) {
        let text = "must be a URL without a fragment: the code is appended as `#code`";
        mistakes.push(mistake(&["docs_url"], text));
    }
    url.to_owned()
}

fn check_entry(
    written: &SourceEntry,
    docs_base: Option<&str>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Entry> {
    let before = mistakes.len();
    let code = &written.code;
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if code.is_empty() || code.len() > 64 || !code.bytes().all(legal) {
        let text = "a code is 1 to 64 letters, digits, `_`, `-` or `.`";
        mistakes.push(at(written, "code", text.to_owned()));
    }
    let status = StatusCode::from_u16(written.status).unwrap_or_default();
    if !(400..=599).contains(&status.as_u16()) {
        let text = format!("{} is no status of an error: 400 to 599", written.status);
        mistakes.push(at(written, "status", text));
    }
    let mut faults = Vec::new();
    for name in &written.faults {
        match Kind::from_name(name) {
            Some(kind) => faults.push(kind),
            None => mistakes.push(at(written, "faults", format!("there is no fault {name}"))),
        }
    }
    for name in written.messages.keys().filter(|name| !written.faults.contains(*name)) {
        let text = format!("the fault {name} is not answered by this entry");
        mistakes.push(at(written, "messages", text));
    }
    // Faults with a message of their own do not use the entry's.
    let users = faults.iter().filter(|kind| !written.messages.contains_key(kind.as_str()));
    let mut allowed: Vec<&[Param]> = users.map(|kind| kind.params()).collect();
    if faults.is_empty() {
        allowed.push(APPLICATION_PARAMS);
    }
    let message = check_message(written, "message", &written.message, &allowed, mistakes)?;
    if mistakes.len() > before {
        return None;
    }
    let opening = format!(r#"{{"data":null,"error":{{"code":{},"message":"#, json_string(code));
    Some(Entry {
        code: code.clone(),
        status,
        title: written.title.clone(),
        problem: written.problem.clone(),
        solution: written.solution.clone(),
        message,
        faults,
        docs_url: docs_base.map(|base| format!("{base}#{code}")),
        opening: opening.into_boxed_str(),
    })
}

/// The message for one fault: its own where the entry has one for it.
fn check_fault_message(
    written: &SourceEntry,
    kind: Kind,
    entry: &Entry,
    mistakes: &mut Vec<Mistake>,
) -> Message {
    let own = written.messages.get(kind.as_str());
    own.and_then(|text| check_message(written, "message", text, &[kind.params()], mistakes))
        .unwrap_or_else(|| entry.message.clone())
}

fn check_message(
    written: &SourceEntry,
    key: &str,
    text: &str,
    allowed: &[&[Param]],
    mistakes: &mut Vec<Mistake>,
) -> Option<Message> {
    let message = match Message::parse(text) {
        Ok(message) => message,
        Err(text) => {
            mistakes.push(at(written, key, text));
            return None;
        }
    };
    for param in message.params() {
        if !allowed.iter().all(|params| params.contains(&param)) {
            let text = format!("{{{}}} is not known for every fault of this entry", param.as_str());
            mistakes.push(at(written, key, text));
        }
    }
    Some(message)
}
