//! What is only visible before hyper parses.
//!
//! hyper reads HTTP/1 leniently where two parsers could disagree (RFC 9112, section 11.2), and what it
//! does refuse it answers itself, without a body. [`ScanIo`] sits between the socket and hyper, so that
//! hyper sees whole and valid heads only:
//!
//! ```text
//! socket ── ScanIo ── TokioIo ── hyper ── service
//!             └────── ConnState ─────────────┘
//! ```
//!
//! A head that arrives in one piece is read straight into hyper's buffer and checked there; one that does
//! not is held back until it is whole. Bodies are followed, so that the next head is found.
//!
//! # What becomes of a bad message
//!
//! | where | hyper gets | the service gets |
//! |---|---|---|
//! | in a head, or a head too late | a stand-in request with `connection: close` | the [`Fault`](crate::Fault) from [`ConnState::begin`] |
//! | in chunked framing | an `InvalidData` error, in the middle of the body | a body error, see below |
//!
//! Everything before the bad message is served as usual; nothing after it is read.
//!
//! The fault of a broken body is the inner error of the `io::Error` that is the source of hyper's body
//! error. `io::Error::source` passes over it: ask `io::Error::get_ref`.
//!
//! # What is left to the service
//!
//! - Call [`ConnState::begin`] once for each request and before anything else, and [`ConnState::end`] when
//!   its response has ended or was dropped.
//! - Refuse with `connection: close`, after a broken body as well.
//! - Upgrade only if [`ConnState::upgradable`], else answer with `connection: close` where it is. Bytes
//!   after such a request belong to the other protocol and are not checked; should hyper take them for a
//!   request all the same, `begin` refuses it.
//! - Deadlines of bodies and of writing; the ones of heads and of idle connections are kept here.
//!
//! hyper's own limits must not be tighter: `max_headers` at least [`Limits::fields`], `max_buf_size` above
//! [`Limits::head_bytes`], `half_close(false)`, no `header_read_timeout`.

mod body;
mod clock;
mod detect;
mod head;
mod io;
mod scanner;
mod state;
mod target;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    detect::{Protocol, Rewind, detect},
    io::ScanIo,
    state::ConnState,
    target::{check as check_target, is_authority},
};

use std::time::Duration;

/// How much of a head is accepted, and how long it may take.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Bytes of a head, from the method to the empty line.
    pub(crate) head_bytes: usize,
    /// Bytes of a request target.
    pub(crate) target_bytes: usize,
    /// Header fields of a head (no more than [`head::MAX_FIELDS`] whatever is set), and of trailers.
    pub(crate) fields: usize,
    /// From a connection's start, later from a head's first byte, to the head's end.
    pub(crate) header_timeout: Duration,
    /// How long a connection may be without a request. It is cut after one to two times as long.
    pub(crate) idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            target_bytes: 8 * 1024,
            fields: 100,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
        }
    }
}
