use crate::{
    Fault,
    buffer::{Budget, Growing, Reservation},
};
use bytes::Bytes;
use http::HeaderMap;

/// What is reserved besides the bytes of a body, for what is found in it: enough for 256 values.
pub(crate) const HEADROOM: usize = 4 * 1024;

/// Puts a body together, within its limit and the memory that there is.
#[derive(Debug)]
pub(super) struct Collector {
    limit: usize,
    /// What the client says, which is no reason to reserve that much, but one to reserve no more.
    declared: Option<usize>,
    bytes: Growing,
    headroom: Reservation,
    /// A body that came in one piece is not copied.
    only: Option<Bytes>,
    pub(super) trailers: Option<HeaderMap>,
}

/// A body that is all there, and memory for what is in it.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) wire: Bytes,
    pub(super) headroom: Reservation,
    pub(super) trailers: Option<HeaderMap>,
}

impl Collector {
    /// For a body that says of itself that it is so long. Nothing is reserved before there is something of it.
    pub(super) fn new(declared: Option<usize>, limit: usize, budget: &Budget) -> Self {
        Self {
            limit,
            declared,
            bytes: Growing::new(budget),
            headroom: budget.nothing(),
            only: None,
            trailers: None,
        }
    }

    /// The next piece.
    pub(super) fn push(&mut self, piece: Bytes) -> Result<(), Fault> {
        if piece.is_empty() {
            return Ok(());
        }
        let before = self.bytes.len() + self.only.as_ref().map_or(0, Bytes::len);
        let length = before + piece.len();
        if length > self.limit {
            return Err(too_large(self.limit));
        }
        // A body can be longer than it said.
        let declared = self.declared.filter(|declared| *declared >= length);
        let most = declared.map_or(self.limit, |declared| declared.min(self.limit));
        if !self.bytes.reserve(length, most) || (before == 0 && !self.headroom.grow(HEADROOM)) {
            return Err(Fault::Overloaded);
        }
        if before == 0 {
            self.only = Some(piece);
            return Ok(());
        }
        if let Some(only) = self.only.take() {
            self.bytes.extend(&only);
        }
        self.bytes.extend(&piece);
        Ok(())
    }

    /// All of it. The memory of the bytes is given back when the last slice of them is gone.
    pub(super) fn finish(self) -> Arrived {
        let Self { bytes, headroom, only, trailers, .. } = self;
        let wire = match only {
            Some(only) => bytes.finish_as(only),
            None => bytes.finish(),
        };
        Arrived { wire, headroom, trailers }
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
        let table: &[(Option<usize>, &[&'static str], Result<&str, Fault>)] = &[
            (None, &[], Ok("")),
            (None, &["", ""], Ok("")),
            (None, &["abc"], Ok("abc")),
            (Some(3), &["abc"], Ok("abc")),
            (Some(6), &["abc", "", "d", "ef"], Ok("abcdef")),
            (None, &["", "abc", "d"], Ok("abcd")),
            (None, &["01234", "56789"], Ok("0123456789")),
            (None, &["01234", "567890"], too_large()),
            (None, &["01234567890"], too_large()),
            // Bodies that are longer or shorter than they said.
            (Some(1), &["abc", "de"], Ok("abcde")),
            (Some(0), &["abc", "de"], Ok("abcde")),
            (Some(usize::MAX), &["abc", "de"], Ok("abcde")),
        ];
        for (declared, pieces, want) in table {
            let budget = Budget::new(12 + HEADROOM);
            let mut collector = Collector::new(*declared, 10, &budget);
            assert_eq!(budget.reserved(), 0, "nothing has come");
            let pushed = pieces
                .iter()
                .try_for_each(|piece| collector.push(Bytes::from_static(piece.as_bytes())));
            let collected = pushed.map(|()| collector.finish().wire);
            let text = collected.as_ref().map(|bytes| std::str::from_utf8(bytes).unwrap());
            assert_eq!(text, want.as_ref().copied(), "{declared:?} {pieces:?}");
            assert_eq!(budget.reserved(), text.map_or(0, str::len), "{declared:?} {pieces:?}");
            drop(collected);
            assert_eq!(budget.reserved(), 0, "{declared:?} {pieces:?}");
        }
    }

    #[test]
    fn memory_as_it_arrives() {
        const MIB: usize = 1 << 20;
        for declared in [None, Some(MIB), Some(900_001)] {
            let budget = Budget::new(2 * MIB);
            let mut collector = Collector::new(declared, MIB, &budget);
            let mut reserved = Vec::new();
            for sent in (1..=900).map(|piece| 1000 * piece) {
                collector.push(Bytes::from(vec![b'x'; 1000])).unwrap();
                let now = budget.reserved() - HEADROOM;
                let most = (2 * sent).max(8 * 1024).min(declared.unwrap_or(MIB));
                assert!((sent..=most).contains(&now), "{declared:?}: {now} for {sent}");
                reserved.push(now);
            }
            reserved.dedup();
            assert!(reserved.len() < 10, "it grows a little at a time: {reserved:?}");
            let arrived = collector.finish();
            assert_eq!(budget.reserved(), 900_000 + HEADROOM);
            drop(arrived);
            assert_eq!(budget.reserved(), 0);
        }
    }

    #[test]
    fn no_memory_left() {
        let budget = Budget::new(10 + HEADROOM);
        let _held = budget.reserve(5).unwrap();
        for declared in [None, Some(6), Some(10)] {
            let mut collector = Collector::new(declared, 10, &budget);
            assert_eq!(collector.push(Bytes::from_static(b"abc")), Err(Fault::Overloaded));
        }
        let mut fits = Collector::new(Some(5), 10, &budget);
        assert_eq!(fits.push(Bytes::from_static(b"abc")), Ok(()));
        // Room for the bytes alone is not enough.
        let budget = Budget::new(9 + HEADROOM);
        let mut collector = Collector::new(None, 10, &budget);
        assert_eq!(collector.push(Bytes::from_static(b"abc")), Err(Fault::Overloaded));
    }

    #[test]
    fn one_piece_is_not_copied() {
        let piece = Bytes::from(vec![b'x'; 100]);
        let mut collector = Collector::new(Some(100), 100, &Budget::unlimited());
        collector.push(piece.clone()).unwrap();
        collector.push(Bytes::new()).unwrap();
        assert_eq!(collector.finish().wire.as_ptr(), piece.as_ptr());
    }
}
