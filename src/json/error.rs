use crate::fault::{Fault, Text};
use std::{error::Error, fmt};

/// Why a text is not accepted as JSON. Does not hold a piece of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidJson {
    reason: Text,
    /// Line and column, both from 1, the column in bytes.
    place: Option<(usize, usize)>,
}

impl InvalidJson {
    pub(super) fn new(reason: impl Into<Text>) -> Self {
        Self { reason: reason.into(), place: None }
    }

    pub(super) fn at(reason: impl Into<Text>, line: usize, column: usize) -> Self {
        // The parser has not read anything of a line that ends the text.
        let place = Some((line, column.max(1))).filter(|(line, _)| *line > 0);
        Self { reason: reason.into(), place }
    }

    /// The line, from 1, where there is one to name.
    pub fn line(&self) -> Option<usize> {
        self.place.map(|(line, _)| line)
    }
}

impl fmt::Display for InvalidJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match self.place {
            Some((line, column)) => write!(f, ", at line {line}, column {column}"),
            None => Ok(()),
        }
    }
}

impl Error for InvalidJson {}

impl From<InvalidJson> for Fault {
    fn from(error: InvalidJson) -> Self {
        Self::InvalidJson { detail: error.to_string().into() }
    }
}
