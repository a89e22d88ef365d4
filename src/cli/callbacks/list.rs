use crate::{
    callback::CallbackUrl,
    cli::{
        store::{Context, Failure, JsonArray},
        table::{Table, seconds, visible_or_dash},
    },
    store::{
        Name,
        ledger::{CallbackFilter, CallbackState, CallbackStates, StoredCallback},
    },
};
use clap::ValueEnum;

/// How many are read at once.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only those of this account.
    #[arg(long, value_name = "NAME")]
    account: Option<Name>,
    /// Only those in this state. Default: those that are not over, waiting and ready ones.
    #[arg(long, value_enum)]
    state: Option<Wanted>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wanted {
    /// The task is not over.
    Waiting,
    /// The receiver has not heard of it yet.
    Ready,
    Delivered,
    GivenUp,
    All,
}

impl Args {
    fn filter(&self) -> CallbackFilter {
        let states = match self.state {
            None => CallbackStates::Live,
            Some(Wanted::All) => CallbackStates::All,
            Some(Wanted::Waiting) => CallbackStates::Only(CallbackState::Waiting),
            Some(Wanted::Ready) => CallbackStates::Only(CallbackState::Ready),
            Some(Wanted::Delivered) => CallbackStates::Only(CallbackState::Delivered),
            Some(Wanted::GivenUp) => CallbackStates::Only(CallbackState::GivenUp),
        };
        CallbackFilter { account: self.account.as_deref().map(str::to_owned), states }
    }
}

/// Prints them page by page, the oldest first.
pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    const HEAD: [&str; 9] = [
        "CALLBACK", "ACCOUNT", "UPSTREAM", "TASK", "STATE", "ATTEMPTS", "NEXT", "ERROR", "RECEIVER",
    ];
    let (mut array, mut table) = (JsonArray::default(), Table::new(HEAD));
    let filter = args.filter();
    let mut last: Option<StoredCallback> = None;
    loop {
        let page = context.store.callbacks(&filter, last.as_ref(), PAGE)?;
        let Some(end) = page.last() else { break };
        last = Some(end.clone());
        if context.json {
            page.iter().try_for_each(|callback| array.push(&mut context.out, callback))?;
        } else {
            table.write(&mut context.out, &page.iter().map(row).collect::<Vec<_>>())?;
        }
    }
    if context.json { array.end(&mut context.out) } else { Ok(()) }
}

/// Without what may be a secret of the caller.
fn host(url: &str) -> String {
    url.parse::<CallbackUrl>().map_or_else(|_| "-".to_owned(), |url| url.for_log().to_string())
}

fn row(callback: &StoredCallback) -> [String; 9] {
    let next = match callback.ended_at {
        Some(end) => format!("ended {}", seconds(end)),
        None => seconds(callback.due_at),
    };
    [
        callback.id.to_string(),
        callback.account.clone(),
        callback.scope.clone(),
        visible_or_dash(Some(&callback.task)),
        callback.state.as_str().to_owned(),
        callback.attempts.to_string(),
        next,
        visible_or_dash(callback.error.as_deref()),
        host(&callback.url),
    ]
}
