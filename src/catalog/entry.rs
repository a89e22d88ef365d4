use super::message::Message;
use crate::fault::Kind;
#[cfg(feature = "validate")]
use crate::fault::Param;
use http::StatusCode;

/// Whether sending the same request again helps, for the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    Yes,
    /// For some of the causes.
    ForSome,
    No,
}

impl Advice {
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Yes => {
                "Yes: send the same request again, not before `Retry-After` where the answer has it, otherwise with growing pauses."
            }
            Self::ForSome => {
                "For some causes only, which say so below. For the others the same request fails again until something is changed."
            }
            Self::No => "No: the same request fails again until something is changed.",
        }
    }
}

/// One documented code of a catalog.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(super) code: String,
    pub(super) status: StatusCode,
    pub(super) title: String,
    pub(super) problem: String,
    pub(super) solution: String,
    pub(super) message: Message,
    pub(super) faults: Vec<Kind>,
    pub(super) docs_url: Option<String>,
    /// The beginning of every envelope with this code, up to the message.
    pub(crate) opening: Box<str>,
}

impl Entry {
    /// The public code, unique in its catalog: 1 to 64 letters, digits, `_`, `-` or `.`.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The HTTP status, 400 to 599.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// A few words.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What it means.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// What the caller can do.
    pub fn solution(&self) -> &str {
        &self.solution
    }

    /// The message, with the names of a fault's details in braces.
    pub fn message(&self) -> String {
        self.message.template()
    }

    /// The details that the message names.
    #[cfg(feature = "validate")]
    pub(crate) fn params(&self) -> impl Iterator<Item = Param> + '_ {
        self.message.params()
    }

    /// The faults that are answered with this code. Empty for a code that only an application uses.
    pub fn faults(&self) -> &[Kind] {
        &self.faults
    }

    /// Where the code is documented: the catalog's base, `#` and the code.
    pub fn docs_url(&self) -> Option<&str> {
        self.docs_url.as_deref()
    }

    /// Whether a caller may send the same request again, by its code alone: true when it is for every fault
    /// that is answered with it, or, without any, when the status is 429, 502, 503 or 504.
    pub fn is_retryable(&self) -> bool {
        match self.faults.as_slice() {
            [] => matches!(self.status.as_u16(), 429 | 502..=504),
            faults => faults.iter().all(|kind| kind.disposition().retry.is_retryable()),
        }
    }

    pub(super) fn advice(&self) -> Advice {
        let is_retryable = |kind: &Kind| kind.disposition().retry.is_retryable();
        match self.is_retryable() {
            true => Advice::Yes,
            false if self.faults.iter().any(is_retryable) => Advice::ForSome,
            false => Advice::No,
        }
    }
}
