use crate::{
    cli::{
        store::{Context, Failure, JsonArray},
        table::{Table, seconds, visible_or_dash},
    },
    store::{
        Name,
        ledger::{HoldFilter, HoldState, HoldStates, StoredHold},
    },
};
use clap::ValueEnum;

/// How many holds are read at once.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only those of this account.
    #[arg(long, value_name = "NAME")]
    account: Option<Name>,
    /// Only those in this state. Default: those that have not ended, open and pending ones.
    #[arg(long, value_enum)]
    state: Option<Wanted>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wanted {
    Open,
    /// How the work ended is not known.
    Pending,
    Settled,
    Released,
    All,
}

impl Args {
    fn filter(&self) -> HoldFilter {
        let states = match self.state {
            None => HoldStates::Live,
            Some(Wanted::All) => HoldStates::All,
            Some(Wanted::Open) => HoldStates::Only(HoldState::Open),
            Some(Wanted::Pending) => HoldStates::Only(HoldState::Pending),
            Some(Wanted::Settled) => HoldStates::Only(HoldState::Settled),
            Some(Wanted::Released) => HoldStates::Only(HoldState::Released),
        };
        HoldFilter { account: self.account.as_deref().map(str::to_owned), states }
    }
}

/// Prints them page by page, the oldest first.
pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    const HEAD: [&str; 9] =
        ["HOLD", "ACCOUNT", "AMOUNT", "STATE", "CREATED", "END", "ITEM", "KEY", "REQUEST"];
    let (mut array, mut table) = (JsonArray::default(), Table::new(HEAD));
    let filter = args.filter();
    let mut last = None;
    loop {
        let page = context.store.holds(&filter, last, PAGE)?;
        let Some(end) = page.last() else { break };
        last = Some(end.id);
        if context.json {
            page.iter().try_for_each(|hold| array.push(&mut context.out, hold))?;
        } else {
            table.write(&mut context.out, &page.iter().map(row).collect::<Vec<_>>())?;
        }
    }
    if context.json { array.end(&mut context.out) } else { Ok(()) }
}

fn row(hold: &StoredHold) -> [String; 9] {
    let end = match hold.ended_at {
        Some(end) => seconds(end),
        None => format!("{} at {}", hold.at_limit, seconds(hold.limit_at)),
    };
    [
        hold.id.to_string(),
        hold.account.clone(),
        hold.amount.to_string(),
        hold.state.as_str().to_owned(),
        seconds(hold.created_at),
        end,
        visible_or_dash(hold.item.as_deref()),
        visible_or_dash(Some(&hold.key)),
        visible_or_dash(hold.request.as_deref()),
    ]
}
