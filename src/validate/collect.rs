use crate::{
    Fault,
    buffer::{Budget, Reservation, hold},
};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;

/// What is reserved besides the bytes of a body, for what is found in it: enough for 256 values.
pub(crate) const HEADROOM: usize = 4 * 1024;

/// The least that is reserved for a body of unknown length.
const FIRST: usize = 8 * 1024;

/// Puts a body together, within its limit and the memory that there is.
#[derive(Debug)]
pub(super) struct Collector {
    limit: usize,
    reservation: Reservation,
    headroom: Reservation,
    /// A body that came in one piece is not copied.
    only: Option<Bytes>,
    buffer: BytesMut,
    pub(super) trailers: Option<HeaderMap>,
}

impl Collector {
    /// For a body of this length, if it is known: that much is reserved at once, so that whoever begins can end.
    pub(super) fn new(declared: Option<u64>, limit: usize, budget: &Budget) -> Result<Self, Fault> {
        let declared = usize::try_from(declared.unwrap_or(0)).map_err(|_| too_large(limit))?;
        if declared > limit {
            return Err(too_large(limit));
        }
        let mut reservation = budget.reserve(declared + HEADROOM).ok_or(Fault::Overloaded)?;
        let headroom = reservation.split(HEADROOM);
        Ok(Self {
            limit,
            reservation,
            headroom,
            only: None,
            buffer: BytesMut::new(),
            trailers: None,
        })
    }

    /// The next piece.
    pub(super) fn push(&mut self, piece: Bytes) -> Result<(), Fault> {
        let before = self.buffer.len() + self.only.as_ref().map_or(0, Bytes::len);
        let length = before + piece.len();
        if length > self.limit {
            return Err(too_large(self.limit));
        }
        if length > self.reservation.bytes() {
            let wanted = (2 * self.reservation.bytes()).max(length).max(FIRST).min(self.limit);
            if !self.reservation.grow(wanted - self.reservation.bytes()) {
                return Err(Fault::Overloaded);
            }
        }
        if before == 0 {
            self.only = Some(piece);
            return Ok(());
        }
        if let Some(only) = self.only.take() {
            self.buffer = BytesMut::with_capacity(self.reservation.bytes());
            self.buffer.extend_from_slice(&only);
        }
        // Nothing but what is reserved.
        let missing = self.reservation.bytes().saturating_sub(self.buffer.capacity());
        if missing > 0 {
            self.buffer.reserve(self.reservation.bytes() - self.buffer.len());
        }
        self.buffer.extend_from_slice(&piece);
        Ok(())
    }

    /// All of it, and memory for what is in it. That of the bytes is given back when the last slice of them is gone.
    pub(super) fn finish(self) -> (Bytes, Reservation) {
        let Self { mut reservation, headroom, only, buffer, .. } = self;
        // A buffer keeps the room that it was given.
        let kept = only.as_ref().map_or(buffer.capacity(), Bytes::len);
        let bytes = only.unwrap_or_else(|| buffer.freeze());
        reservation.shrink_to(kept);
        (hold(bytes, reservation), headroom)
    }
}

pub(super) fn too_large(limit: usize) -> Fault {
    Fault::BodyTooLarge { limit: Some(limit as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_limits_and_memory() {
        let too_large = || Err(too_large(10));
        let table: &[(Option<u64>, &[&'static str], Result<&str, Fault>)] = &[
            (None, &[], Ok("")),
            (None, &["abc"], Ok("abc")),
            (Some(3), &["abc"], Ok("abc")),
            (Some(6), &["abc", "", "d", "ef"], Ok("abcdef")),
            (None, &["", "abc", "d"], Ok("abcd")),
            (None, &["01234", "56789"], Ok("0123456789")),
            (None, &["01234", "567890"], too_large()),
            (None, &["01234567890"], too_large()),
            (Some(11), &[], too_large()),
            (Some(u64::MAX), &[], too_large()),
            // A body that is longer than it said.
            (Some(1), &["abc", "de"], Ok("abcde")),
        ];
        for (declared, pieces, want) in table {
            let budget = Budget::new(12 + HEADROOM);
            let collected = Collector::new(*declared, 10, &budget).and_then(|mut collector| {
                pieces
                    .iter()
                    .try_for_each(|piece| collector.push(Bytes::from_static(piece.as_bytes())))?;
                Ok(collector.finish().0)
            });
            if let Ok(bytes) = &collected {
                assert!((bytes.len()..=10).contains(&budget.reserved()), "{declared:?} {pieces:?}");
            }
            let text = collected.as_ref().map(|bytes| std::str::from_utf8(bytes).unwrap());
            assert_eq!(text, want.as_ref().copied(), "{declared:?} {pieces:?}");
            drop(collected);
            assert_eq!(budget.reserved(), 0, "{declared:?} {pieces:?}");
        }
    }

    #[test]
    fn no_memory_left() {
        let budget = Budget::new(10 + HEADROOM);
        let _held = budget.reserve(5).unwrap();
        assert_eq!(Collector::new(Some(6), 10, &budget).map(|_| ()), Err(Fault::Overloaded));
        let mut unknown = Collector::new(None, 10, &budget).unwrap();
        assert_eq!(unknown.push(Bytes::from_static(b"abc")), Err(Fault::Overloaded));
    }

    #[test]
    fn one_piece_is_not_copied() {
        let piece = Bytes::from(vec![b'x'; 100]);
        let mut collector = Collector::new(Some(100), 100, &Budget::unlimited()).unwrap();
        collector.push(piece.clone()).unwrap();
        assert_eq!(collector.finish().0.as_ptr(), piece.as_ptr());
    }
}
