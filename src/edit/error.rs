use std::{error::Error, fmt};

/// Why an edit cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidEdit {
    /// Its pointer is empty: it leads to the whole document, which is no member.
    Whole,
    /// Its pointer has more than [`MAX_STEPS`](super::MAX_STEPS).
    TooDeep,
    /// Its table has two rows for one value.
    ValueTwice {
        /// The value.
        value: Box<str>,
    },
    /// A row of its table sets a member twice.
    NameTwice {
        /// The value that the row is for.
        value: Box<str>,
        /// The member's name.
        name: Box<str>,
    },
}

impl fmt::Display for InvalidEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the whole document cannot be edited, only members"),
            Self::TooDeep => write!(f, "a pointer has at most {} steps", super::MAX_STEPS),
            Self::ValueTwice { value } => write!(f, "{value:?} stands twice in the table"),
            Self::NameTwice { value, name } => write!(f, "{value:?} sets {name:?} twice"),
        }
    }
}

impl Error for InvalidEdit {}

/// Why a text cannot be edited. Does not hold a piece of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotEditable {
    /// It is not one JSON object.
    NotAnObject,
    /// A name that an edit looks for is there twice.
    NameTwice,
}

impl fmt::Display for NotEditable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnObject => "it is not a JSON object",
            Self::NameTwice => "a member's name is there twice",
        })
    }
}

impl Error for NotEditable {}
