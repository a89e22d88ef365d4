use crate::{
    cli::store::{Context, Failure},
    store::ledger::{Totals, Verification},
};
use std::io::{self, Write};

/// Prints what is there and what does not fit; that anything does not is a failure.
pub(super) fn run(context: &mut Context) -> Result<(), Failure> {
    let found = context.store.verify()?;
    match context.json {
        true => context.print_json(&found)?,
        false => describe(&mut context.out, &found)?,
    }
    match found.discrepancies {
        0 => Ok(()),
        count => {
            context.out.flush()?;
            let s = if count == 1 { "y" } else { "ies" };
            Err(Failure::Failed(format!(
                "{count} discrepanc{s}; keep a copy of the store before anything is changed"
            )))
        }
    }
}

fn describe(out: &mut impl Write, found: &Verification) -> io::Result<()> {
    let Totals { accounts, entries, holds, available, held, credited, debited, settled } =
        found.totals;
    writeln!(out, "  accounts   {accounts}")?;
    writeln!(out, "  entries    {entries}")?;
    writeln!(out, "  holds      {holds}")?;
    writeln!(out, "  available  {available}")?;
    writeln!(out, "  held       {held}")?;
    writeln!(out, "  credited   {credited}")?;
    writeln!(out, "  debited    {debited}")?;
    writeln!(out, "  settled    {settled}")?;
    for discrepancy in &found.first {
        writeln!(out, "{discrepancy}")?;
    }
    match found.discrepancies - found.first.len() as u64 {
        0 if found.discrepancies == 0 => writeln!(out, "Everything fits together."),
        0 => Ok(()),
        more => writeln!(out, "and {more} more"),
    }
}
