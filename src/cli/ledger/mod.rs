//! `tollgate ledger`: what became of the money.

mod end;
mod export;
mod filter;
mod holds;
mod list;
mod verify;

use super::store::{Context, Failure, StoreArgs};
use crate::{charge::End, store::Missing};
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
    /// List entries, the newest last.
    List(list::Args),
    /// List holds, the newest last.
    Holds(holds::Args),
    /// Take the money of a hold that has not ended.
    Settle(end::Args),
    /// Give the money of a hold that has not ended back.
    Release(end::Args),
    /// Check that balances, entries, holds and spend limits fit together.
    Verify,
    /// Write entries for other programs, with all that is known of them.
    Export(export::Args),
}

pub(super) fn run(args: &Args) -> u8 {
    let command = |context: &mut Context| -> Result<(), Failure> {
        match &args.command {
            Command::List(args) => list::run(args, context),
            Command::Holds(args) => holds::run(args, context),
            Command::Settle(args) => end::run(args, End::Settle, context),
            Command::Release(args) => end::run(args, End::Release, context),
            Command::Verify => verify::run(context),
            Command::Export(args) => export::run(args, context),
        }
    };
    args.store.run(Missing::Refuse, command)
}
