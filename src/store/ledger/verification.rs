use super::{HoldState, Period, sum::Sum, text::as_text};
use crate::charge::{Amount, HoldId};
use serde::Serialize;
use std::fmt;

/// So many discrepancies are kept; the others are counted.
const MOST: usize = 100;

/// What is in the ledger, and what does not fit together.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Verification {
    #[serde(flatten)]
    pub(crate) totals: Totals,
    /// How many there are.
    pub(crate) discrepancies: u64,
    /// The first of them.
    pub(crate) first: Vec<Discrepancy>,
}

/// What is in the ledger. In one that is right, what is available and held is what was credited, less what was debited and settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    pub(crate) accounts: u64,
    pub(crate) entries: u64,
    pub(crate) holds: u64,
    /// The balances.
    pub(crate) available: Sum,
    /// The holds that have not ended.
    pub(crate) held: Sum,
    pub(crate) credited: Sum,
    pub(crate) debited: Sum,
    pub(crate) settled: Sum,
}

impl Verification {
    pub(in crate::store) fn add(&mut self, discrepancy: Discrepancy) {
        self.discrepancies += 1;
        if self.first.len() < MOST {
            self.first.push(discrepancy);
        }
    }

    /// How many entries begin a hold and how many end it, and how many of them do so as they should.
    pub(in crate::store) fn compare_ends(
        &mut self,
        hold: HoldId,
        state: HoldState,
        (begins, so_begins): (u64, u64),
        (ends, so_ends): (u64, u64),
    ) {
        if (begins, so_begins) != (1, 1) {
            self.add(Discrepancy::Beginning { hold, entries: begins, fitting: so_begins });
        }
        if ends != u64::from(state.is_ended()) || so_ends != ends {
            self.add(Discrepancy::End { hold, state, entries: ends, fitting: so_ends });
        }
    }
}

/// Something that does not fit together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Discrepancy {
    /// The balance is not the sum of the entries.
    Balance {
        account: String,
        #[serde(serialize_with = "as_text")]
        balance: Amount,
        entries: Sum,
    },
    /// The balance is below zero.
    BelowZero {
        account: String,
        #[serde(serialize_with = "as_text")]
        balance: Amount,
    },
    /// No entry has this kind together with this amount or this hold.
    ImpossibleEntry { entry: i64 },
    /// The entry's account is not there.
    EntryOfNoAccount { entry: i64 },
    /// The entry's hold is not there.
    EntryOfNoHold {
        entry: i64,
        #[serde(serialize_with = "as_text")]
        hold: HoldId,
    },
    /// The hold's account is not there.
    HoldOfNoAccount {
        #[serde(serialize_with = "as_text")]
        hold: HoldId,
    },
    /// Not exactly one entry begins the hold, or not with its amount and on its account.
    Beginning {
        #[serde(serialize_with = "as_text")]
        hold: HoldId,
        entries: u64,
        fitting: u64,
    },
    /// Not exactly one entry ends the hold as it has ended, or one ends it though it has not.
    End {
        #[serde(serialize_with = "as_text")]
        hold: HoldId,
        state: HoldState,
        entries: u64,
        fitting: u64,
    },
    /// What is counted of a spend limit is not what the holds of its period are.
    Spent {
        account: String,
        key: Option<String>,
        period: Period,
        #[serde(serialize_with = "as_text")]
        spent: Amount,
        holds: Sum,
    },
}

impl fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balance { account, balance, entries } => {
                write!(f, "{account}: the balance is {balance}, and the entries make {entries}")
            }
            Self::BelowZero { account, balance } => {
                write!(f, "{account}: the balance is below zero: {balance}")
            }
            Self::ImpossibleEntry { entry } => {
                write!(f, "entry {entry}: its kind does not go with its amount or its hold")
            }
            Self::EntryOfNoAccount { entry } => {
                write!(f, "entry {entry}: its account is not there")
            }
            Self::EntryOfNoHold { entry, hold } => {
                write!(f, "entry {entry}: its hold {hold} is not there")
            }
            Self::HoldOfNoAccount { hold } => write!(f, "hold {hold}: its account is not there"),
            Self::Beginning { hold, entries, fitting } => write!(
                f,
                "hold {hold}: {entries} entries begin it, {fitting} of them with its amount and account; exactly one should"
            ),
            Self::End { hold, state, entries, fitting } => write!(
                f,
                "hold {hold}: it is {}, and {entries} entries end it, {fitting} of them so; {} should",
                state.as_str(),
                if state.is_ended() { "exactly one" } else { "none" }
            ),
            Self::Spent { account, key, period, spent, holds } => {
                let of = key.as_ref().map(|key| format!(", key {key}")).unwrap_or_default();
                write!(
                    f,
                    "{account}{of}: {spent} are counted as spent by the limit per {period}, and the holds make {holds}"
                )
            }
        }
    }
}
