//! `tollgate keys import`.

mod csv;
mod jsonl;
mod line;
#[cfg(test)]
mod tests;

use self::line::{Lines, Mistakes};
use crate::{
    auth::KeyPrefix,
    cli::{
        complain,
        store::{Context, Failure},
    },
    store::{ImportError, Imported, NewKey},
};
use clap::ValueEnum;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file, or - for standard input.
    ///
    /// Each line has a key or its SHA-256 digest in hexadecimal, and an account; it may have plan, scopes, expires_at
    /// (a time or a date), id and note. CSV has these names in its first line, and spaces between scopes; in JSONL
    /// each line is an object, with an array of scopes.
    file: String,
    /// Default: JSONL if the file begins with {, else CSV.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Give keys that are there already the data of the file. Default: other data is an error.
    #[arg(long)]
    update: bool,
    /// What generated keys begin with: one that does and has a wrong checksum is a bad line.
    #[arg(long, default_value = "tg")]
    prefix: KeyPrefix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

impl Args {
    /// Reads everything before the store is touched: a slow writer at the other end of a pipe holds up nobody, and
    /// a file that cannot be imported makes no store.
    pub(super) fn read(&self) -> Result<Vec<(u64, NewKey)>, Failure> {
        let cannot_read =
            |error| Failure::Failed(format!("cannot read {}: {error}", self.file_name()));
        open(&self.file)
            .and_then(|input| read(input, self.format, self.prefix.clone()))
            .map_err(cannot_read)?
            .finish()
            .map_err(|mistakes| refuse(self.file_name(), &mistakes))
    }

    fn file_name(&self) -> &str {
        if self.file == "-" { "standard input" } else { &self.file }
    }
}

pub(super) fn run(
    args: &Args,
    lines: &[(u64, NewKey)],
    context: &mut Context,
) -> Result<(), Failure> {
    let imported = match context.store.import(lines, args.update, context.now) {
        Ok(imported) => imported,
        Err(ImportError::Store(error)) => return Err(error.into()),
        Err(ImportError::Clashes(clashes)) => {
            let mut mistakes = Mistakes::default();
            clashes.iter().for_each(|(line, clash)| mistakes.push(*line, clash.to_string()));
            return Err(refuse(args.file_name(), &mistakes));
        }
    };
    report(context, imported)
}

fn open(file: &str) -> io::Result<Box<dyn BufRead>> {
    Ok(match file {
        "-" => Box::new(io::stdin().lock()),
        _ => Box::new(BufReader::with_capacity(1 << 16, File::open(file)?)),
    })
}

fn read(mut input: impl BufRead, format: Option<Format>, prefix: KeyPrefix) -> io::Result<Lines> {
    let format = match format {
        Some(format) => format,
        None if looks_like_json(input.fill_buf()?) => Format::Jsonl,
        None => Format::Csv,
    };
    match format {
        Format::Csv => csv::read(input, Lines::new(prefix)),
        Format::Jsonl => jsonl::read(input, Lines::new(prefix)),
    }
}

fn looks_like_json(beginning: &[u8]) -> bool {
    let beginning = beginning.strip_prefix(BOM).unwrap_or(beginning);
    beginning.trim_ascii_start().starts_with(b"{")
}

/// What some editors put before the text.
const BOM: &[u8] = "\u{feff}".as_bytes();

fn refuse(file: &str, mistakes: &Mistakes) -> Failure {
    mistakes.first().for_each(|(line, reason)| complain(&format!("{file}:{line}: {reason}")));
    let (count, more) = (mistakes.count(), mistakes.count() - mistakes.first().count());
    if more > 0 {
        complain(&format!("and {more} more"));
    }
    Failure::Failed(format!("nothing was imported: {count} bad lines in {file}"))
}

fn report(context: &mut Context, imported: Imported) -> Result<(), Failure> {
    if context.json {
        return context.print_json(&imported);
    }
    let Imported { added, updated, unchanged } = imported;
    Ok(writeln!(context.out, "{added} added, {updated} updated, {unchanged} unchanged")?)
}
