//! CSV, with the names of its columns in the first line.

use super::line::{FIELDS, Field, Fields, Lines};
use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord, Terminator, Trim};
use std::io::{self, BufRead, Read};

pub(super) fn read(input: impl BufRead, mut lines: Lines) -> io::Result<Lines> {
    // Every line ends, and trimming takes a carriage return with it.
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(Terminator::Any(b'\n'))
        .trim(Trim::All)
        .from_reader(input.chain(&b"\n"[..]));
    let mut record = StringRecord::new();
    let Some((line, text)) = next(&mut reader, &mut record)? else {
        lines.push(1, Err(format!("no line with the names of the columns: {FIELDS}")));
        return Ok(lines);
    };
    let columns = match text.and_then(|()| head(&record)) {
        Ok(columns) => columns,
        Err(reason) => {
            lines.push(line, Err(reason));
            return Ok(lines);
        }
    };
    while let Some((line, text)) = next(&mut reader, &mut record)? {
        lines.push(line, text.and_then(|()| fields(&columns, &record)));
    }
    Ok(lines)
}

/// Reads a record; says in which line it ends, and whether it is text. Empty lines do not count.
fn next(
    reader: &mut Reader<impl Read>,
    record: &mut StringRecord,
) -> io::Result<Option<(u64, Result<(), String>)>> {
    loop {
        let read = reader.read_record(record);
        // The record's own position is before the empty lines that it skips.
        let line = reader.position().line().saturating_sub(1);
        match read {
            Ok(false) => return Ok(None),
            Ok(true) if record.len() == 1 && record.get(0) == Some("") => {}
            Ok(true) => return Ok(Some((line, Ok(())))),
            Err(error) if matches!(error.kind(), ErrorKind::Utf8 { .. }) => {
                return Ok(Some((line, Err("not UTF-8".to_owned()))));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The columns. What stands there instead is not said: without a head, it is a key.
fn head(record: &StringRecord) -> Result<Vec<Field>, String> {
    let mut columns = Vec::with_capacity(record.len());
    for (number, name) in (1..).zip(record) {
        let field = Field::named(&name.to_ascii_lowercase()).ok_or_else(|| {
            format!("column {number} has none of these names: {FIELDS}; the first line names the columns")
        })?;
        if columns.contains(&field) {
            return Err(format!("column {number} is there twice"));
        }
        columns.push(field);
    }
    Ok(columns)
}

fn fields<'a>(columns: &[Field], record: &'a StringRecord) -> Result<Fields<'a>, String> {
    if record.len() != columns.len() {
        return Err(format!("{} cells, and there are {} columns", record.len(), columns.len()));
    }
    let mut fields = Fields::default();
    for (column, cell) in columns.iter().zip(record) {
        fields.set(*column, cell);
    }
    Ok(fields)
}
