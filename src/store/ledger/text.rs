//! Amounts, holds and times in JSON: as text, in one form each.

use jiff::Timestamp;
use serde::Serializer;
use std::fmt::Display;

/// As it is displayed.
pub(super) fn as_text<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

pub(super) fn as_text_if_any<S: Serializer>(
    value: &Option<impl Display>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

/// With all its milliseconds, so that the text sorts as the time does.
pub(super) fn millisecond<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{time:.3}"))
}

pub(super) fn millisecond_if_any<S: Serializer>(
    time: &Option<Timestamp>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => millisecond(time, to),
        None => to.serialize_none(),
    }
}
