//! `tollgate keys`: who may call.

mod create;
mod import;
mod list;
mod revoke;
mod rotate;
mod show;
mod view;

use super::store::StoreArgs;
use crate::store::Missing;
use clap::Subcommand;

/// Part of `keys --help`.
const BACKUP: &str = "\
Back up, while gateways run (of a file, cp is not enough):
  sqlite3 keys.db \"VACUUM INTO 'backup.db'\"
  pg_dump --schema=tollgate --format=custom --file=backup.dump DATABASE
Restore; gateways read it within a second:
  rm -f keys.db keys.db-wal keys.db-shm && mv backup.db keys.db
  pg_restore --clean --if-exists --single-transaction --dbname=DATABASE backup.dump

Never copy over a file that is open: gateways do not notice, and what its -wal holds is mixed into the copy.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = BACKUP)]
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
    use Missing::{Create, Refuse};
    let store = &args.store;
    match &args.command {
        Command::Create(args) => store.run(Create, |context| create::run(args, context)),
        Command::List(args) => store.run(Refuse, |context| list::run(args, context)),
        Command::Show(args) => store.run(Refuse, |context| show::run(args, context)),
        Command::Revoke(args) => store.run(Refuse, |context| revoke::run(args, context)),
        Command::Rotate(args) => store.run(Refuse, |context| rotate::run(args, context)),
        Command::Import(args) => store.prepare_and_run(
            Create,
            || args.read(),
            |context, lines| import::run(args, &lines, context),
        ),
    }
}
