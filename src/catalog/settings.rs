use crate::envelope::Field;
use serde::Deserialize;
use std::{collections::BTreeMap, fmt};

/// The `[catalog]` table of a configuration: which preset, and what is different.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The preset to start from: `default`, `apistor` or `eggapi`. Default: `default`.
    #[serde(default)]
    pub preset: Option<String>,
    /// Where the codes are documented; `docs_url` of an answer is this, `#` and the code.
    #[serde(default)]
    pub docs_url: Option<String>,
    /// Which fields an answer carries besides `code` and `message`. Default: the preset's.
    #[serde(default)]
    pub fields: Option<Vec<Field>>,
    /// Entries to change or to add, by code; or by the name of a fault, to change the answer to that fault alone.
    #[serde(default)]
    pub entries: BTreeMap<String, EntryPatch>,
}

/// Changes to one entry of a catalog, or a new entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EntryPatch {
    /// The public code. Default: what it was; for a new entry, its name in the table.
    #[serde(default)]
    pub code: Option<String>,
    /// The HTTP status, 400 to 599.
    #[serde(default)]
    pub status: Option<u16>,
    /// The message that callers get, for every fault with this code. A fault's details are named in braces, such as
    /// `{limit}`.
    #[serde(default)]
    pub message: Option<String>,
    /// A few words, for the documentation.
    #[serde(default)]
    pub title: Option<String>,
    /// What it means, for the documentation.
    #[serde(default)]
    pub problem: Option<String>,
    /// What the caller can do, for the documentation.
    #[serde(default)]
    pub solution: Option<String>,
}

impl Settings {
    /// This preset, as it is.
    pub fn new(preset: impl Into<String>) -> Self {
        Self { preset: Some(preset.into()), ..Self::default() }
    }

    /// Where the codes are documented.
    #[must_use]
    pub fn with_docs_url(mut self, docs_url: impl Into<String>) -> Self {
        self.docs_url = Some(docs_url.into());
        self
    }

    /// Changes an entry, or adds one.
    #[must_use]
    pub fn with_entry(mut self, name: impl Into<String>, patch: EntryPatch) -> Self {
        self.entries.insert(name.into(), patch);
        self
    }
}

impl EntryPatch {
    /// This message; a new entry needs it, and a status.
    pub fn message(message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::default() }
    }

    /// This HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// This public code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }
}

/// One mistake in a catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// Keys from the catalog's table to the mistake, such as `["entries", "rate_limited", "status"]`.
    pub path: Vec<String>,
    /// What is wrong and what to do.
    pub message: String,
}

/// Why a catalog is refused: every mistake in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidCatalog {
    /// At least one.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for InvalidCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the catalog is invalid: ")?;
        for (i, mistake) in self.mistakes.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", mistake.path.join("."), mistake.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidCatalog {}
