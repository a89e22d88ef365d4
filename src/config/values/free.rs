//! Values that can be any text: what came out of the environment may be a secret there, and is not shown.
use super::{Invalid, from_text};
use crate::config::reader::FREE;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use std::{fmt, marker::PhantomData, str::FromStr};

/// A value with a text of its own to show.
pub(super) trait Free: FromStr<Err = Invalid> {
    /// What to say about anything but a string.
    const EXPECTED: &'static str;

    /// The same value; it is shown as this text, which has gaps where the environment has given something.
    #[must_use]
    fn to_be_shown_as(self, text: &str) -> Self;
}

/// Reads such a value.
pub(super) fn free<'de, T: Free, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_newtype_struct(FREE, FreeVisitor(PhantomData))
}

struct FreeVisitor<T>(PhantomData<T>);

impl<'de, T: Free> Visitor<'de> for FreeVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        from_text(deserializer, T::EXPECTED)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, texts: A) -> Result<T, A::Error> {
        let (value, shown) = two_texts(texts)?;
        let value: T = value.parse().map_err(de::Error::custom)?;
        Ok(value.to_be_shown_as(&shown))
    }
}

/// What `Reader` gives: the text to use and the one to show.
pub(super) fn two_texts<'de, A: SeqAccess<'de>>(
    mut texts: A,
) -> Result<(String, String), A::Error> {
    let missing = || de::Error::custom("expected a text and how it is shown");
    let value = texts.next_element()?.ok_or_else(missing)?;
    let shown = texts.next_element()?.ok_or_else(missing)?;
    Ok((value, shown))
}
