use super::view::View;
use crate::{
    cli::{
        complain,
        store::{Context, Failure, JsonArray},
        table::{Table, or_dash, seconds},
    },
    store::{Name, State, StoredKey},
};
use clap::ValueEnum;
use jiff::Timestamp;
use std::io::Write;

/// How many keys are read at once.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only those of this account.
    #[arg(long, value_name = "NAME")]
    account: Option<Name>,
    /// Only those in this state. Default: active and suspended ones.
    #[arg(long, value_enum)]
    state: Option<Wanted>,
    /// In whatever state.
    #[arg(long, conflicts_with = "state")]
    all: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wanted {
    Active,
    Revoked,
    Expired,
    /// Those of a suspended account.
    Suspended,
}

impl Args {
    fn wants(&self, state: State) -> bool {
        match self.state {
            _ if self.all => true,
            None => matches!(state, State::Active | State::Suspended),
            Some(Wanted::Active) => state == State::Active,
            Some(Wanted::Revoked) => state == State::Revoked,
            Some(Wanted::Expired) => state == State::Expired,
            Some(Wanted::Suspended) => state == State::Suspended,
        }
    }
}

/// Prints them page by page, the oldest first.
pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let account = args.account.as_deref();
    let mut listing = Listing::new(context.json);
    let mut last = None;
    let (mut shown, mut hidden) = (0, 0);
    loop {
        let mut page = context.store.keys(account, last.as_ref(), PAGE)?;
        let Some(end) = page.last().cloned() else { break };
        last = Some(end);
        let read = page.len();
        page.retain(|key| args.wants(key.state(context.now)));
        shown += page.len();
        hidden += read - page.len();
        listing.write(&mut context.out, &page, context.now)?;
    }
    listing.end(&mut context.out)?;
    if !context.json && args.state.is_none() {
        remark(context, shown, hidden)?;
    }
    Ok(())
}

/// Says what is not there.
fn remark(context: &mut Context, shown: usize, hidden: usize) -> Result<(), Failure> {
    context.out.flush()?;
    match (shown, hidden) {
        (0, 0) => complain("no keys"),
        (_, 0) => {}
        _ => complain(&format!("{hidden} more are revoked or expired; --all lists them too")),
    }
    Ok(())
}

enum Listing {
    Json(JsonArray),
    Table(Table<8>),
}

impl Listing {
    fn new(json: bool) -> Self {
        const HEAD: [&str; 8] =
            ["ID", "ACCOUNT", "PLAN", "SCOPES", "STATE", "CREATED", "EXPIRES", "NOTE"];
        if json { Self::Json(JsonArray::default()) } else { Self::Table(Table::new(HEAD)) }
    }

    fn write(
        &mut self,
        out: &mut impl Write,
        keys: &[StoredKey],
        now: Timestamp,
    ) -> Result<(), Failure> {
        match self {
            Self::Json(array) => {
                keys.iter().try_for_each(|key| array.push(out, &View::new(key, now)))
            }
            Self::Table(table) => {
                let rows: Vec<_> = keys.iter().map(|key| row(key, now)).collect();
                Ok(table.write(out, &rows)?)
            }
        }
    }

    fn end(self, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::Json(array) => array.end(out),
            Self::Table(_) => Ok(()),
        }
    }
}

fn row(key: &StoredKey, now: Timestamp) -> [String; 8] {
    [
        key.id.clone(),
        key.account.clone(),
        or_dash(key.plan.as_deref()),
        or_dash(Some(&key.scopes.join(" "))),
        key.state(now).as_str().to_owned(),
        seconds(key.created_at),
        key.expires_at.map_or_else(|| "never".to_owned(), seconds),
        or_dash(key.note.as_deref()),
    ]
}
