use super::view::{View, describe};
use crate::cli::store::{Context, Failure};
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The key's id, or as much of its beginning as no other one has.
    id: String,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let key = context.store.key(&args.id)?;
    match context.json {
        true => context.print_json(&View::new(&key, context.now)),
        false => Ok(write!(context.out, "{}", describe(&key, context.now))?),
    }
}
