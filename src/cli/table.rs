//! Tables for people.

use jiff::Timestamp;
use std::io::{self, Write};

/// A table that is written piece by piece. Columns grow with what comes; what was written stays as it is.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    head: [&'static str; N],
    widths: [usize; N],
    begun: bool,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(head: [&'static str; N]) -> Self {
        Self { head, widths: head.map(str::len), begun: false }
    }

    /// Writes these rows, below the head if they are the first ones.
    pub(super) fn write(&mut self, out: &mut impl Write, rows: &[[String; N]]) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        if !self.begun {
            self.begun = true;
            self.line(out, &self.head.map(str::to_owned))?;
        }
        rows.iter().try_for_each(|row| self.line(out, row))
    }

    fn line(&self, out: &mut impl Write, row: &[String; N]) -> io::Result<()> {
        let cells = row.iter().zip(self.widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        writeln!(out, "{}", line.trim_end())
    }
}

/// A cell, or a dash.
pub(super) fn or_dash(cell: Option<&str>) -> String {
    cell.filter(|cell| !cell.is_empty()).unwrap_or("-").to_owned()
}

/// The same, of text that comes from elsewhere: nothing in it moves the cursor.
pub(super) fn visible_or_dash(cell: Option<&str>) -> String {
    let visible = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    or_dash(cell).chars().map(visible).collect()
}

/// A time, to the second.
pub(super) fn seconds(time: Timestamp) -> String {
    format!("{time:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_grow() {
        let mut table = Table::new(["ID", "PLAN"]);
        let mut out = Vec::new();
        let row = |id: &str, plan: &str| [id.to_owned(), plan.to_owned()];
        table.write(&mut out, &[]).unwrap();
        table.write(&mut out, &[row("ü1", "-"), row("abc", "pro")]).unwrap();
        table.write(&mut out, &[row("abcde", "x"), row("a", "")]).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "ID   PLAN\nü1   -\nabc  pro\nabcde  x\na\n");
    }

    #[test]
    fn cells() {
        assert_eq!(or_dash(Some("")), "-");
        assert_eq!(visible_or_dash(Some("a\u{1b}[2J\tü")), "a\u{fffd}[2J\u{fffd}ü");
    }

    #[test]
    fn times() {
        let time: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        assert_eq!(seconds(time), "2026-01-02T03:04:05Z");
    }
}
