//! Small edits of a JSON object's text, for a provider that wants other names.
//!
//! Only the members that are named change: everything else keeps its bytes, its whitespace and its place, and is not
//! copied. What an edit needs in memory depends on the edits, not on how many members a text has.
//!
//! ```
//! use bytes::Bytes;
//! use serde_json::json;
//! use tollgate::edit::Edits;
//!
//! let edits = Edits::new()
//!     .rename("/size".parse()?, "imageSize")?
//!     .set("/stream".parse()?, json!(false))?
//!     .remove("/user".parse()?)?;
//! let text = Bytes::from(r#"{"size": "4K", "user": "u1", "prompt": "a cat"}"#);
//! let pieces = edits.apply(&text)?;
//! assert_eq!(pieces.concat(), br#"{"imageSize": "4K", "prompt": "a cat", "stream": false}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! One name here can be several members there:
//!
//! ```
//! # use bytes::Bytes;
//! # use serde_json::json;
//! # use tollgate::edit::Edits;
//! let model = |ours: &str, theirs: &str, size: &str| {
//!     (ours.to_owned(), vec![("model".to_owned(), json!(theirs)), ("imageSize".to_owned(), json!(size))])
//! };
//! let edits = Edits::new().map(
//!     "/model".parse()?,
//!     [
//!         model("nanobanano-2-2k", "nano-banana-2", "2K"),
//!         model("nanobanano-2-4k", "nano-banana-2", "4K"),
//!     ],
//! )?;
//! let text = Bytes::from(r#"{"model":"nanobanano-2-4k","prompt":"a cat"}"#);
//! let pieces = edits.apply(&text)?;
//! assert_eq!(pieces.concat(), br#"{"model":"nano-banana-2","prompt":"a cat","imageSize":"4K"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a pointer leads to
//!
//! Members of objects only: `/0` is the member `"0"`, not an item. However a name is written in the text
//! (`"\u006dodel"`), it is found. Afterwards no name is there twice.
//!
//! | | no object on the way | no such member | the member that it makes is there |
//! |---|---|---|---|
//! | [`set`](Edits::set) | one is made, in the place of whatever is there | is added | has the new value |
//! | [`rename`](Edits::rename) | nothing | nothing | is removed |
//! | [`remove`](Edits::remove) | nothing | nothing | |
//! | [`map`](Edits::map) | nothing | nothing, nor for a value that is not in the table | has the new value |
//!
//! So no text can keep a member from being set: not with an array on the way, nor with `null`.
//!
//! # Whitespace
//!
//! A member that is added stands last, with the whitespace of the one before it. One that is removed takes with it the
//! comma that it no longer needs, and the whitespace around that. New values have none in them.
//!
//! # Trust
//!
//! Edits belong behind a check: [`apply`](Edits::apply) wants a text that a [`Document`](crate::json::Document) has
//! accepted without duplicate names, and does not look at what it need not change. What comes out can be nested as deep
//! as what went in or as the edits say, and no deeper.

mod apply;
mod edits;
mod error;
mod object;
mod read;
mod rope;
#[cfg(test)]
mod tests;

pub use self::{
    edits::{Edits, MAX_STEPS},
    error::{InvalidEdit, NotEditable},
};
