use crate::{
    charge::{End, HoldId},
    cli::{
        store::{Context, Failure},
        table::{or_dash, seconds},
    },
    store::{
        Note,
        ledger::{HoldState, StoredHold},
    },
};
use serde::Serialize;
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The hold's id, as `ledger holds` lists it.
    hold: HoldId,
    /// Why, for whoever reads the ledger.
    #[arg(long, value_name = "TEXT")]
    note: Option<Note>,
}

#[derive(Serialize)]
struct Done<'a> {
    #[serde(flatten)]
    hold: &'a StoredHold,
    changed: bool,
}

/// Ends a hold. One that has ended like this already is no failure; one that has ended the other way is.
pub(super) fn run(args: &Args, end: End, context: &mut Context) -> Result<(), Failure> {
    let (hold, changed) =
        context.store.end_hold(args.hold, end, args.note.as_ref(), context.now)?;
    let wanted = if end == End::Settle { HoldState::Settled } else { HoldState::Released };
    let StoredHold { id, account, amount, state, .. } = &hold;
    let (how, at) = (state.as_str(), or_dash(hold.ended_at.map(seconds).as_deref()));
    if hold.state != wanted {
        return Err(Failure::Failed(format!(
            "{id}: was {how} already, at {at}; nothing was changed, a balance is corrected with `balance add {account}`"
        )));
    }
    if context.json {
        return context.print_json(&Done { hold: &hold, changed });
    }
    match changed {
        true => writeln!(context.out, "{id}: {how}, {amount} of {account}")?,
        false => writeln!(context.out, "{id}: was {how} already, at {at}")?,
    }
    Ok(())
}
