/// What of JSON is accepted.
///
/// The default refuses what two parsers could read in two ways, and documents that cost more than any request should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syntax {
    pub(super) max_depth: usize,
    pub(super) max_values: usize,
    pub(super) duplicates: Duplicates,
    pub(super) numbers: Numbers,
}

/// What becomes of a name that is there twice in one object (RFC 8259, section 4: "the behavior of software that
/// receives such an object is unpredictable").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Duplicates {
    /// The document is refused: what is checked here and what is read further on could be two things.
    #[default]
    Refuse,
    /// The last one counts, as for most parsers. The text keeps all of them.
    Last,
}

/// Which numbers are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Numbers {
    /// Those that a double can hold, if not always exactly (RFC 8259, section 6).
    #[default]
    Double,
    /// Besides, no whole number beyond 2⁵³ − 1, which some parsers would round (RFC 7493, section 2.2).
    Safe,
}

/// How deep the parser below us goes before it refuses by itself.
pub(super) const DEEPEST: usize = 127;

impl Default for Syntax {
    fn default() -> Self {
        Self {
            max_depth: 64,
            max_values: 100_000,
            duplicates: Duplicates::default(),
            numbers: Numbers::default(),
        }
    }
}

impl Syntax {
    /// How many arrays and objects may be within each other, 127 at most. Default: 64.
    #[must_use]
    pub fn max_depth(mut self, depth: usize) -> Self {
        self.max_depth = depth.min(DEEPEST);
        self
    }

    /// How many values a document may have; the name of a member counts as one. Each costs 16 bytes of memory.
    /// Default: 100,000.
    #[must_use]
    pub fn max_values(mut self, values: usize) -> Self {
        self.max_values = values;
        self
    }

    /// What becomes of names that are there twice. Default: [`Duplicates::Refuse`].
    #[must_use]
    pub fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    /// Which numbers are accepted. Default: [`Numbers::Double`].
    #[must_use]
    pub fn numbers(mut self, numbers: Numbers) -> Self {
        self.numbers = numbers;
        self
    }
}
