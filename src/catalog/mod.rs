//! The public contract: which code, status and message a fault is answered with.
mod settings;
pub use self::settings::{EntryPatch, InvalidCatalog, Mistake, Settings};

/// The public contract.
#[derive(Debug)]
pub struct Catalog {}

impl Catalog {
    /// Builds the catalog that the settings describe.
    pub fn from_settings(_settings: &Settings) -> Result<Self, InvalidCatalog> {
        Ok(Self {})
    }
}
