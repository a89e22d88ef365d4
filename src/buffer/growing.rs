use super::{Budget, Reservation, hold};
use bytes::Bytes;

/// The least that is reserved for bytes whose end is not known.
const FIRST: usize = 8 * 1024;

/// Bytes that come piece by piece: room for them is reserved as they come, and no more is allocated than is reserved.
#[derive(Debug)]
pub(crate) struct Growing {
    bytes: Vec<u8>,
    memory: Reservation,
}

impl Growing {
    pub(crate) fn new(budget: &Budget) -> Self {
        Self { bytes: Vec::new(), memory: budget.nothing() }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Reserves room for so many bytes in all. Beyond that it is in advance no more than there is already, and none
    /// beyond `most`. False: there are not as many left.
    #[must_use]
    pub(crate) fn reserve(&mut self, length: usize, most: usize) -> bool {
        let reserved = self.memory.bytes();
        if length <= reserved {
            return true;
        }
        let wanted = reserved.saturating_mul(2).max(FIRST).min(most).max(length);
        self.memory.grow(wanted - reserved)
    }

    /// Adds bytes for which there is room.
    pub(crate) fn extend(&mut self, piece: &[u8]) {
        if piece.len() > self.bytes.capacity() - self.bytes.len() {
            self.bytes.reserve_exact(self.memory.bytes().saturating_sub(self.bytes.len()));
        }
        self.bytes.extend_from_slice(piece);
    }

    /// All of them. What was reserved for more is given back now, the rest when the last slice is gone.
    pub(crate) fn finish(mut self) -> Bytes {
        self.bytes.shrink_to_fit();
        self.memory.shrink_to(self.bytes.capacity());
        hold(self.bytes.into(), self.memory)
    }

    /// The same for bytes that are somewhere already, for which this has reserved the room.
    pub(crate) fn finish_as(mut self, bytes: Bytes) -> Bytes {
        self.memory.shrink_to(bytes.len());
        hold(bytes, self.memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds a piece as one who uses this does.
    fn push(growing: &mut Growing, piece: &[u8], most: usize) -> bool {
        let reserved = growing.reserve(growing.len() + piece.len(), most);
        if reserved {
            growing.extend(piece);
        }
        reserved
    }

    #[test]
    fn never_more_than_is_reserved() {
        let sizes = [1, 1_000, 8_191, 8_193, 16_385, 50_001, 100_000, 820_000, 1_500_000];
        for (total, piece) in
            sizes.into_iter().flat_map(|total| [7_001, 16_384].map(|p| (total, p)))
        {
            for most in [total, total + 1, 2 * total, usize::MAX] {
                let budget = Budget::new(1 << 24);
                let mut growing = Growing::new(&budget);
                let text: Vec<u8> = (0..=250).cycle().take(total).collect();
                for piece in text.chunks(piece) {
                    assert!(push(&mut growing, piece, most));
                    let (sent, reserved) = (growing.len(), growing.memory.bytes());
                    assert!(growing.bytes.capacity() <= reserved, "{total} {most}");
                    // Whoever holds memory has sent half of it.
                    assert!(reserved <= (2 * sent).max(FIRST).min(most), "{total} {most}: {sent}");
                }
                let bytes = growing.finish();
                assert_eq!(bytes, text);
                assert_eq!(budget.reserved(), total, "{most}");
                drop(bytes);
                assert_eq!(budget.reserved(), 0);
            }
        }
    }

    #[test]
    fn as_much_as_there_is() {
        let budget = Budget::new(20_000);
        let mut growing = Growing::new(&budget);
        assert_eq!(budget.reserved(), 0);
        assert!(push(&mut growing, b"x", 20_000));
        assert_eq!(budget.reserved(), FIRST);
        assert!(push(&mut growing, &[b'x'; 19_999], 20_000));
        assert!(!push(&mut growing, b"x", 30_000));
        assert_eq!((growing.len(), budget.reserved()), (20_000, 20_000));
        drop(growing);
        // Bytes that are not copied.
        let mut growing = Growing::new(&budget);
        assert!(growing.reserve(5, 20));
        assert_eq!(budget.reserved(), 20);
        let held = growing.finish_as(Bytes::from_static(b"bytes"));
        assert_eq!((budget.reserved(), &*held), (5, &b"bytes"[..]));
    }
}
