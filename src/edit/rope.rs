use bytes::Bytes;
use std::ops::Range;

/// A new text in the making, from pieces of an old one.
#[derive(Debug)]
pub(super) struct Rope<'t> {
    text: &'t Bytes,
    pieces: Vec<Bytes>,
    /// The last slice of the text, which may yet grow. What comes before its end is not sliced again.
    old: Range<usize>,
    /// What is new behind it.
    new: String,
}

impl<'t> Rope<'t> {
    pub(super) fn new(text: &'t Bytes) -> Self {
        Self { text, pieces: Vec::new(), old: 0..0, new: String::new() }
    }

    /// Adds what comes next. A slice of the text is not copied, if it is farther on than the last one.
    pub(super) fn push(&mut self, piece: &str) {
        if piece.is_empty() {
            return;
        }
        match self.place(piece) {
            Some(place) if place.start == self.old.end && self.new.is_empty() => {
                self.old.end = place.end;
            }
            Some(place) if place.start >= self.old.end => {
                self.cut();
                self.old = place;
            }
            _ => self.new.push_str(piece),
        }
    }

    /// Where in the text it is, if it is a slice of it.
    fn place(&self, piece: &str) -> Option<Range<usize>> {
        let start = (piece.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)?;
        let end = start.checked_add(piece.len())?;
        (end <= self.text.len()).then_some(start..end)
    }

    fn cut(&mut self) {
        let end = self.old.end;
        let old = std::mem::replace(&mut self.old, end..end);
        if !old.is_empty() {
            self.pieces.push(self.text.slice(old));
        }
        if !self.new.is_empty() {
            self.pieces.push(std::mem::take(&mut self.new).into());
        }
    }

    pub(super) fn finish(mut self) -> Vec<Bytes> {
        self.cut();
        self.pieces
    }
}
