//! `tollgate keys`: who may call.

mod create;
mod import;
mod list;
mod revoke;
mod rotate;
mod show;
mod view;

use super::store::StoreArgs;
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
    /// Create a key and print it: this once, only its digest is stored.
    Create(create::Args),
    /// List keys.
    List(list::Args),
    /// Show what is known of a key.
    Show(show::Args),
    /// Revoke keys, for good.
    Revoke(revoke::Args),
    /// Put a new key in the place of an old one, which goes on for a while.
    Rotate(rotate::Args),
    /// Import keys or digests from elsewhere: all of them, or none.
    Import(import::Args),
}

pub(super) fn run(args: &Args) -> u8 {
    args.store.run(|context| match &args.command {
        Command::Create(args) => create::run(args, context),
        Command::List(args) => list::run(args, context),
        Command::Show(args) => show::run(args, context),
        Command::Revoke(args) => revoke::run(args, context),
        Command::Rotate(args) => rotate::run(args, context),
        Command::Import(args) => import::run(args, context),
    })
}
