use super::collect::too_large;
#[cfg(feature = "standalone")]
use crate::decode::LARGEST_WINDOW;
use crate::{
    Fault,
    buffer::{Budget, Growing, Reservation},
    decode::{Decoder, PIECE, Pulled},
};
use bytes::Bytes;
use std::task::{Context, Poll};

/// After so many pieces, of what goes in or of what comes out, others have their turn, and the deadline its look.
const PIECES: usize = 16;

/// What a codec takes besides its window.
const WORK: usize = 64 * 1024;

/// The most memory that a body takes once it is decoded, besides its own and that of what is in it: the text, and what a codec
/// keeps of that.
#[cfg(feature = "standalone")]
pub(crate) fn most_memory(limit: usize) -> usize {
    limit.saturating_add(limit.min(LARGEST_WINDOW)).saturating_add(WORK)
}

/// Undoes the coding of a body that has arrived, within its limit and the memory that there is.
///
/// Bytes of which nothing comes (empty members, empty blocks) cost time and no memory; with one coding that is as much time
/// as the body is long.
#[derive(Debug)]
pub(super) struct Decoding {
    decoder: Decoder,
    /// What the decoder has not seen.
    wire: Bytes,
    limit: usize,
    text: Growing,
    /// For the codec, if it is there for longer than one turn: as long as it is not, each worker has one at a time.
    codec: Reservation,
}

impl Decoding {
    pub(super) fn new(decoder: Decoder, limit: usize, budget: &Budget) -> Self {
        Self {
            decoder,
            wire: Bytes::new(),
            limit,
            text: Growing::new(budget),
            codec: budget.nothing(),
        }
    }

    /// The whole body, as it was sent.
    pub(super) fn begin(&mut self, wire: Bytes) {
        self.wire = wire;
    }

    /// Decodes some of it; ready at the end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        for _ in 0..PIECES {
            match self.decoder.pull().map_err(|_| corrupt())? {
                Pulled::Data(piece) => self.push(&piece)?,
                Pulled::NeedsInput if self.wire.is_empty() => self.decoder.finish(),
                Pulled::NeedsInput => {
                    self.decoder.push(self.wire.split_to(PIECE.min(self.wire.len())));
                }
                Pulled::Busy => break,
                Pulled::End => return Poll::Ready(Ok(())),
            }
        }
        // A window is never fuller than what has come out.
        let codec = WORK + self.decoder.window().min(self.limit);
        if self.codec.bytes() == 0 && !self.codec.grow(codec) {
            return Poll::Ready(Err(Fault::Overloaded));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let length = self.text.len() + piece.len();
        if length > self.limit {
            return Err(too_large(self.limit));
        }
        if !self.text.reserve(length, self.limit) {
            return Err(Fault::Overloaded);
        }
        self.text.extend(piece);
        Ok(())
    }

    /// The body without its coding.
    pub(super) fn finish(self) -> Bytes {
        self.text.finish()
    }
}

fn corrupt() -> Fault {
    Fault::bad_request("the body is not what its Content-Encoding says")
}
