//! The ledger in the store: one thread writes, and whatever is asked of it while it does is written next, all at once.
//!
//! So that a settlement outlives a power failure it has to be flushed to the disk, which takes as long for one as for a thousand.
//! What fails is told to whoever waits, and nothing is half done; a release that could not be written is tried again until it is.
//! Holds whose time limit has come are ended here too.
//!
//! A store that fails is left alone for a moment, and whoever asks meanwhile is refused at once. What it cannot do of a single job is
//! no failure of the store: the others are done, and the log names the job.

mod balance;
mod callback;
mod counts;
mod entry;
mod error;
pub(in crate::store) mod fields;
mod handle;
mod hold;
mod op;
mod period;
mod reader;
mod sum;
mod text;
mod usage;
mod verification;
mod writer;

pub(crate) use self::{
    balance::{Balance, LimitSet, NewEntry, NewLimit, Posted, Spending},
    callback::{
        CallbackFilter, CallbackState, CallbackStates, CallbackStep, Claim, DueCallback, Hinted,
        Message, Progress, StoredCallback,
    },
    counts::{Counts, Operation},
    entry::{Entry, EntryFilter, EntryKind},
    error::BalanceError,
    handle::{LedgerThread, StoreLedger},
    hold::{HoldFilter, HoldState, HoldStates, StoredHold},
    period::Period,
    reader::{Unread, UsageReader},
    sum::Sum,
    usage::{Made, OfModel, Page, Paging, Summary, Total, Used},
    verification::{Discrepancy, Totals, Verification},
};
pub(in crate::store) use self::{
    callback::{FIRST_LOOK, MOST_ACCOUNTS, over_for_long},
    fields::kept,
    hold::{TIME_LIMIT, limit, limit_at},
    op::{Job, Outcome, Overdue, work_state},
    writer::Books,
};
