//! How a catalog is written down: one TOML document, and changes to it.

use super::settings::{EntryPatch, Mistake};
use crate::{envelope::Field, fault::Kind};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A catalog as it stands in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) name: String,
    #[serde(default)]
    pub(super) docs_url: Option<String>,
    #[serde(default)]
    pub(super) fields: Vec<Field>,
    #[serde(rename = "entry")]
    pub(super) entries: Vec<SourceEntry>,
}

/// One `[[entry]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceEntry {
    pub(super) code: String,
    pub(super) status: u16,
    #[serde(default)]
    pub(super) faults: Vec<String>,
    pub(super) title: String,
    pub(super) message: String,
    #[serde(default)]
    pub(super) problem: String,
    #[serde(default)]
    pub(super) solution: String,
    /// Another message for some of its faults.
    #[serde(default)]
    pub(super) messages: BTreeMap<String, String>,
    /// Keys below `[catalog]` that a mistake in this entry is reported at.
    #[serde(skip)]
    pub(super) at: Vec<String>,
    /// The same for the keys that the configuration has set.
    #[serde(skip)]
    pub(super) set_at: BTreeMap<&'static str, Vec<String>>,
}

impl SourceEntry {
    /// Applies the changes that stand at these keys.
    fn patch(&mut self, patch: &EntryPatch, at: &[String]) {
        let set = |to: &mut String, from: &Option<String>| {
            if let Some(from) = from {
                to.clone_from(from);
            }
            from.is_some()
        };
        let changed = [
            ("code", set(&mut self.code, &patch.code)),
            ("message", set(&mut self.message, &patch.message)),
            ("status", patch.status.is_some()),
        ];
        set(&mut self.title, &patch.title);
        set(&mut self.problem, &patch.problem);
        set(&mut self.solution, &patch.solution);
        self.status = patch.status.unwrap_or(self.status);
        if patch.message.is_some() {
            // Who changes the words of a code means all of its faults.
            self.messages.clear();
        }
        for (key, _) in changed.into_iter().filter(|(_, changed)| *changed) {
            self.set_at.insert(key, at.to_vec());
        }
    }
}

impl Source {
    /// Whether an entry has this code.
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.entries.iter().any(|entry| entry.code == code)
    }

    /// Applies one `[catalog.entries.NAME]`.
    pub(super) fn patch(&mut self, name: &str, patch: &EntryPatch) -> Result<(), Mistake> {
        let at = vec!["entries".to_owned(), name.to_owned()];
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.code == name) {
            entry.patch(patch, &at);
        } else if Kind::from_name(name).is_some() {
            self.patch_fault(name, patch, at)?;
        } else {
            let entry = self.new_entry(name, patch, &at)?;
            self.entries.push(entry);
        }
        Ok(())
    }

    /// Changes the answer to one fault: only its message, or everything, in which case it leaves the entry that
    /// it shares with others.
    fn patch_fault(
        &mut self,
        fault: &str,
        patch: &EntryPatch,
        at: Vec<String>,
    ) -> Result<(), Mistake> {
        let owner = self.entries.iter().position(|e| e.faults.iter().any(|f| f == fault));
        let Some(owner) = owner else {
            let message = format!("the catalog {} has no answer for this fault", self.name);
            return Err(Mistake { path: at, message });
        };
        let shared = self.entries[owner].faults.len() > 1;
        let moves = patch.code.as_deref().is_some_and(|code| code != self.entries[owner].code);
        if shared && !moves {
            let only_message = EntryPatch { message: None, code: None, ..patch.clone() };
            if only_message != EntryPatch::default() {
                let code = &self.entries[owner].code;
                let message = format!(
                    "other faults share the code {code}: give this one a `code` of its own, or change \
                     entries.{code}"
                );
                return Err(Mistake { path: at, message });
            }
            if let Some(message) = &patch.message {
                self.entries[owner].messages.insert(fault.to_owned(), message.clone());
                self.entries[owner].set_at.insert("message", at);
            }
            return Ok(());
        }
        if !shared && !moves {
            self.entries[owner].messages.remove(fault);
            self.entries[owner].patch(patch, &at);
            return Ok(());
        }
        self.move_fault(owner, fault, patch, at);
        Ok(())
    }

    /// Gives a fault another code: that of an existing entry, or a new one.
    fn move_fault(&mut self, owner: usize, fault: &str, patch: &EntryPatch, at: Vec<String>) {
        let own = &mut self.entries[owner];
        own.faults.retain(|f| f != fault);
        let own_message = own.messages.remove(fault);
        let template = own.clone();
        if own.faults.is_empty() {
            // Nothing is answered with the old code any more; the new one takes its place.
            self.entries.remove(owner);
        }
        let code = patch.code.clone().unwrap_or_default();
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.code == code) {
            entry.faults.push(fault.to_owned());
            if let Some(message) = &patch.message {
                entry.messages.insert(fault.to_owned(), message.clone());
            }
            entry.at = at;
        } else {
            let mut entry = SourceEntry { messages: BTreeMap::new(), at: at.clone(), ..template };
            entry.faults = vec![fault.to_owned()];
            entry.message = own_message.unwrap_or(entry.message);
            entry.patch(patch, &at);
            self.entries.push(entry);
        }
    }

    fn new_entry(
        &self,
        name: &str,
        patch: &EntryPatch,
        at: &[String],
    ) -> Result<SourceEntry, Mistake> {
        let (Some(status), Some(message)) = (patch.status, &patch.message) else {
            let mut text =
                format!("the catalog {} has no code and no fault of this name", self.name);
            // Not what the same configuration adds: that may be as wrong.
            let preset = self.entries.iter().filter(|e| !e.at.starts_with(&["entries".to_owned()]));
            let known = preset.map(|e| e.code.as_str());
            if let Some(near) = nearest(name, known.chain(Kind::ALL.iter().map(|k| k.as_str()))) {
                text.push_str(&format!("; did you mean {near}"));
            }
            text.push_str(". A new code needs `status` and `message`");
            return Err(Mistake { path: at.to_vec(), message: text });
        };
        Ok(SourceEntry {
            code: patch.code.clone().unwrap_or_else(|| name.to_owned()),
            status,
            title: patch.title.clone().unwrap_or_else(|| name.to_owned()),
            message: message.clone(),
            problem: patch.problem.clone().unwrap_or_default(),
            solution: patch.solution.clone().unwrap_or_default(),
            at: at.to_vec(),
            ..SourceEntry::default()
        })
    }
}

/// The candidate that somebody who wrote `name` may have meant.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower = name.to_ascii_lowercase();
    candidates
        .map(|c| (strsim::jaro_winkler(&lower, &c.to_ascii_lowercase()), c))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
