//! JSON, read strictly, once, and without copying it.
//!
//! A [`Document`] is a text that was found to be JSON and a flat list of what is in it: strings are ranges of the text,
//! so that a megabyte of base64 costs no second megabyte. What counts as JSON is RFC 8259 as `serde_json` reads it, less
//! what two parsers could read in two ways or what would cost its reader too much; [`Syntax`] says how strict.
//!
//! ```
//! use tollgate::json::{Document, Syntax};
//!
//! let document = Document::parse(r#"{"model": "x", "urls": ["a", "b"]}"#, &Syntax::default())?;
//! let root = document.root();
//! assert_eq!(root.get("model").and_then(|model| model.as_str()), Some("x"));
//! assert_eq!(document.at(&"/urls/1".parse()?).and_then(|url| url.as_str()), Some("b"));
//!
//! let twice = Document::parse(r#"{"n": 1, "n": 2}"#, &Syntax::default()).unwrap_err();
//! assert_eq!(twice.to_string(), "a member's name is there twice, at line 1, column 16");
//!
//! let flat = Syntax::default().max_depth(1);
//! assert!(Document::parse("[[1]]", &flat).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is refused
//!
//! | | |
//! |---|---|
//! | text that is not UTF-8, a byte order mark | always (RFC 8259, section 8.1) |
//! | `NaN`, `Infinity`, comments, trailing commas, single quotes, anything behind the value | always: none of it is JSON |
//! | escapes of lone surrogates (`"\ud800"`) | always: they are no characters (RFC 8259, section 8.2) |
//! | numbers that no double can hold (`1e400`) | always; [`Numbers::Safe`] refuses more |
//! | names that are there twice in one object | unless [`Duplicates::Last`] |
//! | deep nesting, many values | by number, [`Syntax::max_depth`] and [`Syntax::max_values`] |

mod document;
mod error;
mod names;
mod parse;
mod pointer;
mod syntax;
#[cfg(test)]
#[cfg(feature = "validate")]
mod tests;
mod unique;
mod value;
#[cfg(feature = "validate")]
mod view;

#[cfg(feature = "profile")]
pub(crate) use self::pointer::Step;
pub use self::{
    document::Document,
    error::InvalidJson,
    pointer::{InvalidPointer, Pointer},
    syntax::{Duplicates, Numbers, Syntax},
    value::{Items, Kind, Members, Number, Value},
};
#[cfg(feature = "validate")]
pub(crate) use self::{
    document::{Builder, Exhausted},
    parse::{ParseError, parse},
    pointer::escape,
    view::{Json, View},
};
