use super::{
    PIECE, Pulled, Undecodable,
    coding::{Codec, Coding},
};
use bytes::{Buf, Bytes, BytesMut};
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use std::fmt;

/// One coding and how far it is undone.
pub(super) struct Stage {
    coding: Coding,
    /// What has arrived and is not decoded.
    input: Bytes,
    /// Nothing more arrives.
    finished: bool,
    /// None before the first byte: many a content is looked at and never read.
    work: Option<Work>,
}

struct Work {
    codec: Codec,
    scratch: Box<[u8]>,
    /// The scratch was full: the codec may hold more.
    pending: bool,
    /// A member is complete.
    complete: bool,
}

impl Stage {
    pub(super) fn new(coding: Coding) -> Self {
        Self { coding, input: Bytes::new(), finished: false, work: None }
    }

    #[cfg(feature = "validate")]
    pub(super) fn window(&self) -> usize {
        self.coding.window()
    }

    pub(super) fn push(&mut self, input: Bytes) {
        if self.input.is_empty() {
            self.input = input;
        } else {
            // Only ever a lone first byte that did not tell which codec it is for.
            let mut both = BytesMut::from(&*self.input);
            both.extend_from_slice(&input);
            self.input = both.freeze();
        }
    }

    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    /// Does a piece of work. Every step that returns [`Pulled::Busy`] has used up input or changed state.
    pub(super) fn step(&mut self) -> Result<Pulled, Undecodable> {
        let Some(work) = &mut self.work else {
            return self.start();
        };
        if work.complete {
            return if !self.input.is_empty() {
                work.next_member(self.coding)
            } else if self.finished {
                Ok(Pulled::End)
            } else {
                Ok(Pulled::NeedsInput)
            };
        }
        let mut output = WriteBuffer::new_initialized(&mut work.scratch);
        let mut input = PartialBuffer::new(&*self.input);
        let complete = if !input.unwritten().is_empty() {
            work.codec.decode(&mut input, &mut output)
        } else if work.pending {
            self.coding.drain(&mut work.codec, &mut output)
        } else if self.finished {
            work.codec.finish(&mut output)
        } else {
            return Ok(Pulled::NeedsInput);
        };
        work.complete = complete.map_err(|_| Undecodable)?;
        let (used, made) = (input.written_len(), output.written_len());
        let drained = std::mem::replace(&mut work.pending, output.has_no_spare_space());
        if used == 0 && made == 0 && !work.complete && !drained {
            // Cut off, or a codec that would never end.
            return Err(Undecodable);
        }
        let piece = Bytes::copy_from_slice(output.written());
        self.input.advance(used);
        Ok(if piece.is_empty() { Pulled::Busy } else { Pulled::Data(piece) })
    }

    /// Chooses the codec, once enough has arrived to tell.
    fn start(&mut self) -> Result<Pulled, Undecodable> {
        if self.input.len() < self.coding.lookahead() && !self.finished {
            return Ok(Pulled::NeedsInput);
        }
        if self.input.is_empty() {
            return Ok(Pulled::End);
        }
        self.work = Some(Work {
            codec: self.coding.codec(&self.input)?,
            scratch: vec![0; PIECE].into_boxed_slice(),
            pending: false,
            complete: false,
        });
        Ok(Pulled::Busy)
    }
}

impl Work {
    fn next_member(&mut self, coding: Coding) -> Result<Pulled, Undecodable> {
        if !coding.has_members() {
            return Err(Undecodable);
        }
        self.codec.reinit().map_err(|_| Undecodable)?;
        self.complete = false;
        self.pending = false;
        Ok(Pulled::Busy)
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("coding", &self.coding).finish_non_exhaustive()
    }
}
