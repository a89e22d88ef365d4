use super::{
    BalanceError, Period,
    text::{as_text, millisecond_if_any},
};
use crate::{
    charge::Amount,
    store::{Name, Note},
};
use jiff::Timestamp;
use serde::Serialize;

/// What an account has.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Balance {
    pub(crate) account: String,
    /// What it can spend.
    #[serde(serialize_with = "as_text")]
    pub(crate) available: Amount,
    /// What is reserved by holds that have not ended.
    #[serde(serialize_with = "as_text")]
    pub(crate) held: Amount,
    /// Both together.
    #[serde(serialize_with = "as_text")]
    pub(crate) total: Amount,
    pub(crate) limits: Vec<Spending>,
}

impl Balance {
    pub(in crate::store) fn new(
        account: String,
        available: Amount,
        held: Amount,
        limits: Vec<Spending>,
    ) -> Self {
        // Only in a damaged store is it more than can be counted.
        let total = available.checked_add(held).unwrap_or(Amount::from_micros(i64::MAX));
        Self { account, available, held, total, limits }
    }

    /// Whether it can change by this amount: what is held may come back, and must have room too.
    pub(in crate::store) fn permit(&self, amount: Amount) -> Result<(), BalanceError> {
        let account = self.account.clone();
        let Self { available, held, total, .. } = *self;
        match (available.checked_add(amount), total.checked_add(amount)) {
            (Some(left), _) if left < Amount::ZERO => {
                Err(BalanceError::TooLittle { account, available, held, taken: -amount })
            }
            (Some(_), Some(_)) => Ok(()),
            _ => Err(BalanceError::TooMuch { account, total }),
        }
    }
}

/// What may be spent within a period, and how much of it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Spending {
    /// Of this key; else of the account.
    pub(crate) key: Option<String>,
    pub(crate) period: Period,
    #[serde(serialize_with = "as_text")]
    pub(crate) amount: Amount,
    /// Held or settled in the current period.
    #[serde(serialize_with = "as_text")]
    pub(crate) spent: Amount,
    /// When that one ends.
    #[serde(serialize_with = "millisecond_if_any")]
    pub(crate) ends_at: Option<Timestamp>,
}

/// Money that is given to an account, or taken from it.
#[derive(Clone, Debug)]
pub(crate) struct NewEntry {
    pub(crate) account: Name,
    /// Less than nothing if it is taken.
    pub(crate) amount: Amount,
    pub(crate) note: Option<Note>,
    /// An account that is not there yet is opened.
    pub(crate) open: bool,
}

/// What became of it.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    /// The entry's id.
    pub(crate) entry: i64,
    /// Whether the account was not there before.
    pub(crate) opened: bool,
    pub(crate) balance: Balance,
}

/// A limit on what may be spent within a period.
#[derive(Clone, Debug)]
pub(crate) struct NewLimit {
    pub(crate) account: Name,
    /// The id of one of its keys, or the beginning of one; else it is for the account.
    pub(crate) key: Option<String>,
    pub(crate) period: Period,
    /// None: no limit any more.
    pub(crate) amount: Option<Amount>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub(crate) struct LimitSet {
    /// The whole id.
    pub(crate) key: Option<String>,
    pub(crate) before: Option<Amount>,
    pub(crate) now: Option<Spending>,
}
