//! `tollgate balance`: what accounts have, and what they may spend of it.

mod add;
mod limit;
mod show;

use super::{
    accounts::closest,
    store::{Context, Failure, StoreArgs},
};
use crate::store::{Missing, ledger::BalanceError};
use clap::Subcommand;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what accounts have: available, held, and spent of their limits.
    Show(show::Args),
    /// Give money to an account; or, with an amount below zero, take it.
    Add(add::Args),
    /// Limit what an account or one of its keys may spend within a day, a month or altogether.
    SetLimit(limit::Args),
}

pub(super) fn run(args: &Args) -> u8 {
    use Missing::{Create, Refuse};
    let store = &args.store;
    match &args.command {
        Command::Show(args) => store.run(Refuse, |context| show::run(args, context)),
        Command::Add(args) => {
            let missing = if args.opens() { Create } else { Refuse };
            store.run(missing, |context| add::run(args, context))
        }
        Command::SetLimit(args) => store.run(Refuse, |context| limit::run(args, context)),
    }
}

/// Says which account was probably meant, if that was it; and what else can be done.
fn explain(context: &Context, error: BalanceError, else_to_do: &str) -> Failure {
    let BalanceError::NoSuchAccount(name) = &error else { return error.into() };
    let mut message = error.to_string();
    match closest(context, name) {
        Ok(Some(near)) => message.push_str(&format!("; did you mean {near}?")),
        Ok(None) => message.push('.'),
        Err(failure) => return failure,
    }
    message.push_str(else_to_do);
    Failure::Failed(message)
}
