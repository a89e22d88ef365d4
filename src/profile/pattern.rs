use regex::{Regex, RegexBuilder};
use std::sync::OnceLock;

/// The most memory that one regular expression may take when it is compiled.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// A regular expression that is compiled when it is first asked: profiles have many, and most are never needed.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    source: Box<str>,
    /// `None` when it is none, which [`check`](Self::check) would have said.
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(super) fn new(source: &str) -> Self {
        Self { source: source.into(), compiled: OnceLock::new() }
    }

    /// The same for the whole of a text: a part of it may be the caller's.
    pub(super) fn whole(source: &str) -> Self {
        Self::new(&format!("^(?:{source})$"))
    }

    /// Compiles it, to see whether that can be done.
    pub(super) fn check(&self) -> Result<(), regex::Error> {
        let compiled = self.compile()?;
        let _ = self.compiled.set(Some(compiled));
        Ok(())
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| self.compile().ok());
        compiled.as_ref().is_some_and(|regex| regex.is_match(text))
    }

    fn compile(&self) -> Result<Regex, regex::Error> {
        RegexBuilder::new(&self.source)
            .case_insensitive(true)
            .dot_matches_new_line(true)
            .size_limit(MAX_BYTES)
            .build()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}
