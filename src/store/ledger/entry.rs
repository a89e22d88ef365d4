use super::text::{as_text, as_text_if_any, millisecond};
use crate::charge::{Amount, HoldId};
use jiff::Timestamp;
use serde::Serialize;
use std::str::FromStr;

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EntryKind {
    /// Money that was given to the account.
    Credit,
    /// Money that was taken from it by hand.
    Debit,
    /// Money that was reserved.
    Hold,
    /// The end of a hold: the money is taken.
    Settle,
    /// The end of a hold: the money is back.
    Release,
}

impl EntryKind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Credit, Self::Debit, Self::Hold, Self::Settle, Self::Release];

    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Debit => "debit",
            Self::Hold => "hold",
            Self::Settle => "settle",
            Self::Release => "release",
        }
    }
}

impl FromStr for EntryKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or("expected credit, debit, hold, settle or release")
    }
}

/// An entry as it is stored, with what its hold knows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    /// Where it stands in the order of writing.
    pub(crate) id: i64,
    #[serde(serialize_with = "millisecond")]
    pub(crate) at: Timestamp,
    pub(crate) account: String,
    pub(crate) kind: EntryKind,
    #[serde(serialize_with = "as_text")]
    pub(crate) amount: Amount,
    pub(crate) item: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) request: Option<String>,
    #[serde(serialize_with = "as_text_if_any")]
    pub(crate) hold: Option<HoldId>,
    pub(crate) note: Option<String>,
}

/// Which entries are wanted: those for which all of this holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntryFilter {
    pub(crate) account: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) kind: Option<EntryKind>,
    pub(crate) hold: Option<HoldId>,
    pub(crate) request: Option<String>,
    pub(crate) since: Option<Timestamp>,
    /// This moment is not among them.
    pub(crate) until: Option<Timestamp>,
}
