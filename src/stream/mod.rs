//! Streams of events: server-sent events and JSON lines.

mod split;

pub(crate) use self::split::{Event, Framing, Piece, Splitter};
