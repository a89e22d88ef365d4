//! `tollgate callbacks`: who is told when a task is over, and what became of it.

mod list;
mod secret;

use super::store::{Context, Failure, StoreArgs};
use crate::{store::Missing, tasks::CallbackId};
use clap::Subcommand;
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List callbacks, the newest last.
    List(list::Args),
    /// Try one again that was given up, or now instead of later.
    Retry {
        /// The callback's id, as `callbacks list` has it.
        callback: CallbackId,
    },
    /// Print what the messages to an account are signed with, for its holder; it follows from the name, whether there is such an account or not.
    Secret(secret::Args),
}

pub(super) fn run(args: &Args) -> u8 {
    match &args.command {
        Command::List(list) => args.store.run(Missing::Refuse, |context| list::run(list, context)),
        Command::Retry { callback } => {
            args.store.run(Missing::Refuse, |context| retry(*callback, context))
        }
        Command::Secret(secret) => secret::run(secret, args.store.json()),
    }
}

fn retry(id: CallbackId, context: &mut Context) -> Result<(), Failure> {
    if !context.store.retry_callback(id, context.now)? {
        return Err(Failure::Failed(format!(
            "{id}: there is no such callback, or it is delivered"
        )));
    }
    if context.json {
        return context.print_json(&serde_json::json!({ "id": id.to_string(), "retried": true }));
    }
    writeln!(context.out, "{id}: a gateway tries it within a second")?;
    Ok(())
}
