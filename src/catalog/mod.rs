//! The public contract: which code, status and message a fault is answered with.
//!
//! A catalog is data. Three presets are compiled in (`default`, `apistor`, `eggapi`); [`Settings`] say which one,
//! and what is different; [`Catalog::from_toml`] reads a whole one. A catalog is complete when it exists: one
//! that has no answer for a fault, a status that is none of an error or a code twice is refused with every
//! mistake in it.
//!
//! Its documentation is made from what answers are made from: [`Catalog::to_html`], the page that `docs_url` points to;
//! [`Catalog::to_openapi`], [`Catalog::to_markdown`] and [`Catalog::to_json`].
//!
//! ```
//! use std::sync::Arc;
//! use tollgate::{Catalog, Fault, catalog::{EntryPatch, Settings}, envelope::Context};
//!
//! // The default contract.
//! let catalog = Catalog::preset("default")?;
//! assert_eq!(catalog.entry_for(&Fault::NoRoute).code(), "not_found");
//!
//! // Another preset, with one message changed and one code of the application's own.
//! let settings = Settings::new("eggapi")
//!     .with_entry("RATE_LIMITED", EntryPatch::message("Slow down."))
//!     .with_entry("NAME_TAKEN", EntryPatch::message("This name is taken.").with_status(409));
//! let catalog = Arc::new(Catalog::from_settings(&settings)?);
//!
//! let answer = catalog.respond(&Fault::custom("NAME_TAKEN"), Context::default());
//! assert_eq!(answer.status(), 409);
//! assert_eq!(
//!     answer.body(),
//!     r#"{"data":null,"error":{"code":"NAME_TAKEN","message":"This name is taken."}}"#,
//! );
//! # Ok::<(), tollgate::catalog::InvalidCatalog>(())
//! ```

mod document;
mod entry;
mod load;
mod message;
mod openapi;
mod page;
mod settings;
mod source;

use self::entry::Advice;
use crate::{
    envelope::Field,
    fault::{Fault, Kind},
};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

#[cfg(feature = "standalone")]
pub(crate) use self::page::POLICY;
pub use self::{
    entry::Entry,
    settings::{EntryPatch, InvalidCatalog, Mistake, Settings},
};
pub(crate) use self::{
    message::{Message, json_string, push_json_string},
    source::nearest,
};

/// The public contract: [`Fault`] → [`Entry`].
///
/// Immutable; share it in an [`Arc`].
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Unique in the process: tells whether an answer was written by this catalog.
    id: u64,
    name: String,
    fields: Vec<Field>,
    entries: Vec<Entry>,
    /// By [`Kind::index`].
    rows: Vec<Row>,
    by_code: HashMap<String, usize>,
}

/// The answer to one kind of fault.
#[derive(Clone, Debug)]
struct Row {
    entry: usize,
    message: Message,
}

impl Catalog {
    /// Names of the presets.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        load::PRESETS.iter().map(|(name, _)| *name)
    }

    /// A preset as it is.
    ///
    /// # Errors
    ///
    /// When there is no preset of this name.
    pub fn preset(name: &str) -> Result<Self, InvalidCatalog> {
        load::build(load::preset(name)?, Vec::new())
    }

    /// The preset that the settings name, with their changes.
    ///
    /// # Errors
    ///
    /// With every mistake in them.
    pub fn from_settings(settings: &Settings) -> Result<Self, InvalidCatalog> {
        let mut source = load::preset(settings.preset.as_deref().unwrap_or("default"))?;
        let mistakes = load::apply(&mut source, settings);
        load::build(source, mistakes)
    }

    /// A whole catalog in the presets' format: `name`, `docs_url`, `fields` and `[[entry]]` tables with `code`,
    /// `status`, `faults`, `title`, `message`, `problem`, `solution` and `messages` (by fault).
    ///
    /// # Errors
    ///
    /// With every mistake in it; a mistake of syntax alone.
    pub fn from_toml(text: &str) -> Result<Self, InvalidCatalog> {
        load::build(load::parse(text)?, Vec::new())
    }

    /// The preset `default`, shared by everything that was given no catalog.
    pub fn shared_default() -> &'static Arc<Self> {
        #[expect(clippy::expect_used, reason = "compiled in, and built by a test")]
        static DEFAULT: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
            Arc::new(Catalog::preset("default").expect("the default preset is valid"))
        });
        &DEFAULT
    }

    /// The catalog's name: that of the preset it began as.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The optional fields that its answers carry, in the order in which they are written.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Every entry, in the order of the documentation.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry with this code.
    pub fn entry(&self, code: &str) -> Option<&Entry> {
        self.by_code.get(code).map(|&index| &self.entries[index])
    }

    /// The entry with a code that is near to this one, for "did you mean".
    pub fn nearest(&self, code: &str) -> Option<&Entry> {
        nearest(code, self.entries.iter().map(Entry::code)).and_then(|near| self.entry(near))
    }

    /// The entry that answers this fault.
    ///
    /// A fault with a code that the catalog does not list is answered as [`Kind::Internal`]: what nobody
    /// documented is a defect.
    pub fn entry_for(&self, fault: &Fault) -> &Entry {
        self.answer_to(fault).0
    }

    /// The entry that answers faults of this kind.
    pub fn entry_for_kind(&self, kind: Kind) -> &Entry {
        &self.entries[self.rows[kind.index()].entry]
    }

    /// The entry that answers this fault, and the message's template.
    pub(crate) fn answer_to(&self, fault: &Fault) -> (&Entry, &Message) {
        let code = match fault {
            Fault::Custom { code, .. } => Some(code),
            Fault::Violation(violation) => violation.code.as_ref(),
            _ => None,
        };
        if let Some(entry) = code.and_then(|code| self.entry(code)) {
            return (entry, &entry.message);
        }
        let kind =
            if code.is_some() { Kind::Internal } else { fault.kind().unwrap_or(Kind::Internal) };
        let row = &self.rows[kind.index()];
        (&self.entries[row.entry], &row.message)
    }

    /// Whether this is the catalog with the id.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}
