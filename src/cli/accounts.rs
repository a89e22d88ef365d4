//! `tollgate accounts`: whose keys work at all.

use super::{
    store::{Context, Failure, JsonArray, StoreArgs},
    table::{Table, seconds},
};
use crate::store::{Missing, StoredAccount};
use clap::Subcommand;
use serde::Serialize;
use std::io::Write;

/// How many accounts are read at once.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List accounts.
    List,
    /// Refuse all keys of an account, until it is resumed.
    Suspend {
        /// The account.
        name: String,
    },
    /// Let the keys of a suspended account work again.
    Resume {
        /// The account.
        name: String,
    },
}

#[derive(Serialize)]
struct Changed<'a> {
    #[serde(flatten)]
    account: &'a StoredAccount,
    changed: bool,
}

pub(super) fn run(args: &Args) -> u8 {
    args.store.run(Missing::Refuse, |context| match &args.command {
        Command::List => list(context),
        Command::Suspend { name } => set_suspended(context, name, true),
        Command::Resume { name } => set_suspended(context, name, false),
    })
}

fn set_suspended(context: &mut Context, name: &str, suspended: bool) -> Result<(), Failure> {
    let (account, changed) = context.store.set_suspended(name, suspended, context.now)?;
    if context.json {
        return context.print_json(&Changed { account: &account, changed });
    }
    let what = match (suspended, changed) {
        (true, true) => "suspended",
        (true, false) => "was suspended already",
        (false, true) => "resumed",
        (false, false) => "was not suspended",
    };
    Ok(writeln!(context.out, "{name}: {what}")?)
}

fn list(context: &mut Context) -> Result<(), Failure> {
    let mut array = JsonArray::default();
    let mut table = Table::new(["ACCOUNT", "KEYS", "STATE", "CREATED"]);
    let mut last = String::new();
    loop {
        let page = context.store.accounts(&last, PAGE)?;
        let Some(end) = page.last() else { break };
        last.clone_from(&end.name);
        if context.json {
            page.iter().try_for_each(|account| array.push(&mut context.out, account))?;
        } else {
            table.write(&mut context.out, &page.iter().map(row).collect::<Vec<_>>())?;
        }
    }
    if context.json { array.end(&mut context.out) } else { Ok(()) }
}

/// The name of an account that was probably meant.
pub(super) fn closest(context: &Context, name: &str) -> Result<Option<String>, Failure> {
    let (mut near, mut last) = (None::<String>, String::new());
    loop {
        let page = context.store.accounts(&last, PAGE)?;
        let Some(end) = page.last() else { return Ok(near) };
        last.clone_from(&end.name);
        let names = near.as_deref().into_iter().chain(page.iter().map(|account| &*account.name));
        near = crate::suggest::closest(name, names).map(str::to_owned);
    }
}

fn row(account: &StoredAccount) -> [String; 4] {
    let state = if account.suspended_at.is_some() { "suspended" } else { "active" };
    [account.name.clone(), account.keys.to_string(), state.to_owned(), seconds(account.created_at)]
}
