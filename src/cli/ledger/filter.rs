//! Which entries are wanted, and reading them page by page.

use crate::{
    charge::HoldId,
    cli::{
        moment::{InvalidMoment, Moment},
        store::{Context, Failure},
    },
    store::{
        KeyError, Name,
        ledger::{Entry, EntryFilter, EntryKind},
    },
};
use jiff::Timestamp;
use std::io::Write;

/// How many entries are read at once.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Only those of this account.
    #[arg(long, value_name = "NAME")]
    account: Option<Name>,
    /// Only those of holds of this key: its id, or as much of its beginning as no other one has.
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Only those of this kind: credit, debit, hold, settle or release.
    #[arg(long)]
    kind: Option<EntryKind>,
    /// Only those of this hold.
    #[arg(long, value_name = "ID")]
    hold: Option<HoldId>,
    /// Only those of holds for the request with this id.
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Only those from then on: a time (2027-01-31T12:00:00Z), a date (2027-01-31, UTC) or how long ago (30d, 12h).
    #[arg(long, value_name = "T")]
    since: Option<Moment>,
    /// Only those before then.
    #[arg(long, value_name = "T")]
    until: Option<Moment>,
    /// Only the last so many of them.
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
}

impl Filter {
    /// Hands every entry over, the oldest first, a page at a time.
    pub(super) fn read(
        &self,
        context: &mut Context,
        mut write: impl FnMut(&mut dyn Write, &[Entry]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let filter = self.resolve(context)?;
        let mut after = match self.limit {
            Some(count) => context.store.before_last(&filter, count)?,
            None => 0,
        };
        let mut left = self.limit;
        while left != Some(0) {
            let page =
                context.store.entries(&filter, after, left.map_or(PAGE, |left| left.min(PAGE)))?;
            let Some(last) = page.last() else { break };
            after = last.id;
            // A page is no longer than a number of entries that was counted in 32 bits.
            let read = u32::try_from(page.len()).unwrap_or(u32::MAX);
            left = left.map(|left| left.saturating_sub(read));
            write(&mut context.out, &page)?;
        }
        Ok(())
    }

    fn resolve(&self, context: &Context) -> Result<EntryFilter, Failure> {
        let moment = |flag: &str, moment: &Option<Moment>| -> Result<Option<Timestamp>, Failure> {
            let usage = |error: InvalidMoment| Failure::Usage(format!("{flag}: {error}"));
            moment.as_ref().map(|moment| moment.before(context.now)).transpose().map_err(usage)
        };
        Ok(EntryFilter {
            account: self.account.as_deref().map(str::to_owned),
            key: self.key.as_deref().map(|id| key(context, id)).transpose()?,
            kind: self.kind,
            hold: self.hold,
            request: self.request.clone(),
            since: moment("--since", &self.since)?,
            until: moment("--until", &self.until)?,
        })
    }
}

/// The whole id of a key. One that is not in the store may be in the configuration, and is taken at its word.
fn key(context: &Context, id: &str) -> Result<String, Failure> {
    match context.store.key(id) {
        Ok(key) => Ok(key.id),
        Err(KeyError::NoSuchKey(id)) => Ok(id),
        Err(error) => Err(error.into()),
    }
}
