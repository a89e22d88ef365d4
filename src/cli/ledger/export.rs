//! `tollgate ledger export`.
//!
//! A spreadsheet takes a cell for a formula that begins with `=`, `+`, `-`, `@` or a control character, perhaps behind spaces, and
//! some of what is in the ledger was chosen by callers. In CSV such a text has an apostrophe before it, and so has one that begins
//! with an apostrophe: whoever takes one away wherever it is has what was stored. Amounts are left alone: -0.10 is a number, and no
//! caller chose it. Cells that are no numbers are quoted, so that a spreadsheet that splits lines elsewhere than at commas
//! begins no cell of its own in them. JSONL is exact.

use super::filter::Filter;
use crate::{
    cli::store::{Context, Failure},
    store::ledger::Entry,
};
use clap::ValueEnum;
use csv::{QuoteStyle, Writer, WriterBuilder};
use std::{
    borrow::Cow,
    io::{self, Write},
};

/// In the order of [`cells`].
const HEAD: [&str; 10] =
    ["id", "at", "account", "kind", "amount", "item", "key", "request", "hold", "note"];

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The format.
    ///
    /// In CSV a text that a spreadsheet would take for a formula (= + - @ or a control character in front) or that begins with an
    /// apostrophe has an apostrophe before it; amounts have none. JSONL is exact: an object a line.
    #[arg(long, value_enum)]
    format: Format,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    if context.json {
        return Err(Failure::Usage("an export has a --format instead of --json".to_owned()));
    }
    match args.format {
        Format::Csv => {
            write_csv(&mut context.out, |csv| csv.write_record(HEAD))?;
            args.filter.read(context, |out, page| {
                write_csv(out, |csv| {
                    page.iter().try_for_each(|entry| {
                        csv.write_record(cells(entry).iter().map(|cell| cell.as_bytes()))
                    })
                })
            })
        }
        Format::Jsonl => args.filter.read(context, |out, page| {
            for entry in page {
                serde_json::to_writer(&mut *out, entry)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        }),
    }
}

fn write_csv<W: Write>(
    out: W,
    write: impl FnOnce(&mut Writer<W>) -> csv::Result<()>,
) -> Result<(), Failure> {
    let mut csv = WriterBuilder::new().quote_style(QuoteStyle::NonNumeric).from_writer(out);
    write(&mut csv).map_err(|error| match error.into_kind() {
        // As it is: a reader who has left is known by its kind.
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    })?;
    Ok(csv.flush()?)
}

fn cells(entry: &Entry) -> [Cow<'_, str>; 10] {
    fn text(cell: &Option<String>) -> Cow<'_, str> {
        harmless(cell.as_deref().unwrap_or_default())
    }
    [
        entry.id.to_string().into(),
        format!("{:.3}", entry.at).into(),
        harmless(&entry.account),
        entry.kind.as_str().into(),
        entry.amount.to_string().into(),
        text(&entry.item),
        text(&entry.key),
        text(&entry.request),
        entry.hold.map(|hold| hold.to_string()).unwrap_or_default().into(),
        text(&entry.note),
    ]
}

/// A cell that no spreadsheet takes for a formula.
fn harmless(cell: &str) -> Cow<'_, str> {
    // The wide forms are taken for the others where people write in them.
    let begins_a_formula = |c: char| {
        c.is_control() || matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '\'')
    };
    match cell.trim_start_matches(' ').starts_with(begins_a_formula) {
        true => format!("'{cell}").into(),
        false => cell.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", " =1", "'", "'=1"] {
            assert_eq!(harmless(cell), format!("'{cell}"));
        }
        for cell in ["", "a=1", "images/flux", " a", "ü", "0.10"] {
            assert_eq!(harmless(cell), cell);
        }
    }
}
