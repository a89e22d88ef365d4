//! What an account has used, as it is shown to its holder.

use super::text::{as_text, as_text_if_any, millisecond, millisecond_if_any};
use crate::{
    charge::{Amount, HoldId},
    profile::WorkState,
};
use jiff::Timestamp;
use serde::Serialize;

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paging {
    /// From 1.
    pub(crate) page: u32,
    pub(crate) per_page: u32,
}

impl Paging {
    /// How many come before it.
    pub(in crate::store) const fn offset(self) -> i64 {
        (self.page as i64 - 1) * self.per_page as i64
    }
}

/// A part of a list, and how long that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) pagination: Pagination,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Pagination {
    pub(crate) page: u32,
    pub(crate) per_page: u32,
    pub(crate) total: u64,
    pub(crate) total_pages: u64,
}

impl<T> Page<T> {
    pub(in crate::store) fn new(items: Vec<T>, paging: Paging, total: u64) -> Self {
        let Paging { page, per_page } = paging;
        let total_pages = total.div_ceil(u64::from(per_page.max(1)));
        Self { items, pagination: Pagination { page, per_page, total, total_pages } }
    }
}

/// A request that was paid for, or is about to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Used {
    #[serde(serialize_with = "as_text")]
    pub(crate) id: HoldId,
    #[serde(serialize_with = "millisecond")]
    pub(crate) created_at: Timestamp,
    /// `charged`, or `held` as long as it is not known whether it will be.
    pub(crate) status: &'static str,
    pub(crate) model: Option<String>,
    #[serde(serialize_with = "as_text")]
    pub(crate) cost: Amount,
    pub(crate) key_id: String,
    pub(crate) request_id: Option<String>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    /// What can be spent.
    #[serde(serialize_with = "as_text")]
    pub(crate) balance: Amount,
    /// What is reserved for requests of which it is not known whether they will be charged.
    #[serde(serialize_with = "as_text")]
    pub(crate) held: Amount,
    pub(crate) today: Total,
    pub(crate) this_month: Total,
    pub(crate) all_time: Total,
    /// Of all time, the dearest first.
    pub(crate) by_model: Vec<OfModel>,
}

/// What was charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Total {
    pub(crate) requests: u64,
    #[serde(serialize_with = "as_text")]
    pub(crate) cost: Amount,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct OfModel {
    pub(crate) model: Option<String>,
    #[serde(flatten)]
    pub(crate) total: Total,
}

/// A task, as far as somebody has asked about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Made {
    pub(crate) id: String,
    /// `pending`, `completed` or `failed`.
    pub(crate) status: &'static str,
    pub(crate) model: Option<String>,
    /// What it costs, where it has a price; nothing once that has gone back.
    #[serde(serialize_with = "as_text_if_any")]
    pub(crate) cost: Option<Amount>,
    #[serde(serialize_with = "millisecond")]
    pub(crate) created_at: Timestamp,
    #[serde(serialize_with = "millisecond_if_any")]
    pub(crate) ended_at: Option<Timestamp>,
}

impl Made {
    /// The word for its state.
    pub(in crate::store) const fn status(state: WorkState) -> &'static str {
        match state {
            WorkState::Running => "pending",
            WorkState::Succeeded => "completed",
            WorkState::Failed => "failed",
        }
    }
}
