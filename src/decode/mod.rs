//! Undoing `Content-Encoding`, a piece at a time and in bounded memory.
//!
//! A [`Decoder`] is pushed what arrives and pulled for what comes out, at most [`PIECE`] bytes a pull, so that a
//! few bytes that expand to gigabytes cost their reader's patience and no memory. What each codec keeps for
//! itself is its window: 32 KiB for gzip and deflate, at most 16 MiB for brotli (RFC 7932, section 9.1; the
//! larger windows of "large window brotli" are no part of `br` and refused) and 8 MiB for zstd (RFC 9659,
//! section 3).
//!
//! Several gzip members (RFC 1952, section 2.2) or zstd frames (RFC 8878, section 3) in a row are one content.
//! Anything else after the end, and an end before the codec's own, is an error.

mod coding;
mod stage;
#[cfg(test)]
pub(crate) mod tests;

use self::{coding::Coding, stage::Stage};
use crate::{
    Fault,
    fault::{Cause, UpstreamFault, UpstreamKind},
};
use bytes::Bytes;
use http::{HeaderMap, header};

/// No more than this comes out at once.
pub(crate) const PIECE: usize = 16 * 1024;

/// No codec keeps more than this of what it has decoded: a window of brotli (RFC 7932, section 9.1).
#[cfg(feature = "validate")]
pub(crate) const LARGEST_WINDOW: usize = 16 << 20;

/// A content with more codings than this has nothing to do with saving bytes.
const MAX_CODINGS: usize = 3;

/// How many steps of at most [`PIECE`] bytes a pull takes before it lets others work: the middle one of three
/// codings can expand to gigabytes of which nothing comes out at the end.
const STEPS: u32 = 32;

/// Undoes the codings of one content.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// In the order in which they are undone; never empty.
    stages: Vec<Stage>,
}

/// What a pull brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pulled {
    /// The next piece; never empty.
    Data(Bytes),
    /// There is nothing to say before the next [`push`](Decoder::push) or [`finish`](Decoder::finish).
    NeedsInput,
    /// Much was done and nothing came of it: pull again, after others have had their turn.
    Busy,
    /// All is decoded.
    End,
}

/// The content has a coding that we do not know, or is not what its coding says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undecodable;

impl From<Undecodable> for Fault {
    fn from(_: Undecodable) -> Self {
        UpstreamFault::new(UpstreamKind::Unexpected, Cause::Encoding).into()
    }
}

impl Decoder {
    /// What undoes the `Content-Encoding` of these fields; `None` where there is nothing to undo.
    ///
    /// # Errors
    ///
    /// A coding is unknown, or there are more than three.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Undecodable> {
        let mut stages = Vec::new();
        for line in headers.get_all(header::CONTENT_ENCODING) {
            for name in line.as_bytes().split(|byte| *byte == b',') {
                let name = name.trim_ascii();
                if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
                    continue;
                }
                if stages.len() == MAX_CODINGS {
                    return Err(Undecodable);
                }
                stages.push(Stage::new(Coding::named(name).ok_or(Undecodable)?));
            }
        }
        // They are listed in the order in which they were applied.
        stages.reverse();
        Ok(Some(Self { stages }).filter(|decoder| !decoder.stages.is_empty()))
    }

    /// How many codings there are to be undone.
    #[cfg(feature = "validate")]
    pub(crate) fn codings(&self) -> usize {
        self.stages.len()
    }

    /// The most that its codecs keep of what they have decoded.
    #[cfg(feature = "validate")]
    pub(crate) fn window(&self) -> usize {
        self.stages.iter().map(Stage::window).sum()
    }

    /// The next piece of what arrives, once [`pull`](Self::pull) has asked for it.
    pub(crate) fn push(&mut self, input: Bytes) {
        if let Some(first) = self.stages.first_mut() {
            first.push(input);
        }
    }

    /// Nothing more arrives.
    pub(crate) fn finish(&mut self) {
        if let Some(first) = self.stages.first_mut() {
            first.finish();
        }
    }

    /// The next piece of what comes out. A content of no bytes at all is empty, whatever its coding.
    ///
    /// # Errors
    ///
    /// The content is corrupt, cut off, or goes on after its end. Do not pull again.
    pub(crate) fn pull(&mut self) -> Result<Pulled, Undecodable> {
        let mut steps = STEPS;
        pull_last(&mut self.stages, &mut steps)
    }
}

/// How much of a content could be decoded.
#[cfg(feature = "profile")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// As much as is looked at.
    Limit,
    /// As far as it is what its coding says.
    Corrupt,
}

/// Decodes a content that is there as a whole, up to this many bytes.
#[cfg(feature = "profile")]
pub(crate) fn decode_whole(
    mut decoder: Decoder,
    content: Bytes,
    max_bytes: usize,
) -> (Bytes, Extent) {
    let mut text = Vec::new();
    // What grows in one coding and is nothing again in the next costs no memory, but time.
    let mut patience = 64;
    decoder.push(content);
    decoder.finish();
    let extent = loop {
        match decoder.pull() {
            Ok(Pulled::Data(piece)) if text.len() + piece.len() <= max_bytes => {
                text.extend_from_slice(&piece);
            }
            Ok(Pulled::Busy) if patience > 0 => patience -= 1,
            Ok(Pulled::Data(_) | Pulled::Busy) => break Extent::Limit,
            Ok(Pulled::NeedsInput | Pulled::End) => break Extent::Whole,
            Err(_) => break Extent::Corrupt,
        }
    };
    (text.into(), extent)
}

/// Pulls the last of these stages, and those before it as it needs them.
fn pull_last(stages: &mut [Stage], steps: &mut u32) -> Result<Pulled, Undecodable> {
    let Some((last, before)) = stages.split_last_mut() else {
        return Ok(Pulled::NeedsInput);
    };
    while *steps > 0 {
        *steps -= 1;
        match last.step()? {
            Pulled::Busy => {}
            Pulled::NeedsInput => match pull_last(before, steps)? {
                Pulled::Data(bytes) => last.push(bytes),
                Pulled::End => last.finish(),
                wait => return Ok(wait),
            },
            done => return Ok(done),
        }
    }
    Ok(Pulled::Busy)
}
