use super::{
    InvalidJson, Pointer, Syntax, Value, names,
    parse::{ParseError, parse},
};
use crate::buffer::Reservation;
use bytes::Bytes;
use bytestring::ByteString;
use std::fmt;

/// A JSON text and what is in it. Does not change.
pub struct Document {
    text: ByteString,
    /// The strings that are not in the text as they are: those with escapes in them.
    unescaped: String,
    /// Depth first: a container stands before what is in it, a member's name before its value.
    nodes: Vec<Node>,
    /// What `unescaped` and `nodes` cost.
    _memory: Reservation,
}

/// One value, or the name of a member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Unsigned(u64),
    /// Always below zero.
    Negative(i64),
    Double(f64),
    /// In the text.
    Text(Span),
    /// In `unescaped`.
    Unescaped(Span),
    /// `inside`: how many nodes are in it, at any depth.
    Array {
        items: u32,
        inside: u32,
    },
    Object {
        members: u32,
        inside: u32,
    },
}

/// A range of bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

const _: () = assert!(size_of::<Node>() == 16, "what a value costs is promised");

/// Texts are addressed by 32 bits.
pub(super) const LARGEST: usize = u32::MAX as usize;

impl Span {
    /// The caller knows that both are within [`LARGEST`].
    #[expect(clippy::cast_possible_truncation, reason = "texts are not longer than that")]
    const fn new(start: usize, len: usize) -> Self {
        Self { start: start as u32, len: len as u32 }
    }

    fn of(self, text: &str) -> &str {
        let start = self.start as usize;
        text.get(start..start + self.len as usize).unwrap_or_default()
    }
}

impl Node {
    /// How many nodes the value takes up, itself included.
    pub(super) const fn extent(self) -> usize {
        match self {
            Self::Array { inside, .. } | Self::Object { inside, .. } => inside as usize + 1,
            _ => 1,
        }
    }
}

impl Document {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// When it is not JSON, or not of the sort that is accepted.
    pub fn parse(text: impl Into<Bytes>, syntax: &Syntax) -> Result<Self, InvalidJson> {
        match parse(text.into(), syntax, Reservation::unlimited()) {
            Ok(document) => Ok(document),
            Err(ParseError::Invalid(invalid)) => Err(invalid),
            Err(ParseError::Exhausted(Exhausted)) => Err(InvalidJson::new("it is too large")),
        }
    }

    /// The whole value.
    pub fn root(&self) -> Value<'_> {
        Value::new(self, 0)
    }

    /// The value that a JSON Pointer (RFC 6901) leads to.
    pub fn at(&self, pointer: &Pointer) -> Option<Value<'_>> {
        pointer.steps().try_fold(self.root(), Value::step)
    }

    /// The text that it was read from, byte for byte.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same, to be kept or cut without a copy.
    pub fn bytes(&self) -> &Bytes {
        self.text.as_bytes()
    }

    pub(super) fn node(&self, at: usize) -> Node {
        self.nodes.get(at).copied().unwrap_or(Node::Null)
    }

    /// The string that stands at this place.
    pub(super) fn string(&self, at: usize) -> Option<&str> {
        match self.node(at) {
            Node::Text(span) => Some(span.of(&self.text)),
            Node::Unescaped(span) => Some(span.of(&self.unescaped)),
            _ => None,
        }
    }

    /// Where in the text the string at this place begins, if it stands there as it is.
    pub(super) fn offset(&self, at: usize) -> Option<usize> {
        match self.node(at) {
            Node::Text(span) => Some(span.start as usize),
            _ => None,
        }
    }
}

/// Only how large it is: what is in it is for nobody's log.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, values) = (self.text.len(), self.nodes.len());
        f.debug_struct("Document").field("bytes", &bytes).field("values", &values).finish()
    }
}

/// There is no memory left for the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

/// A document in the making.
pub(crate) struct Builder {
    text: ByteString,
    unescaped: String,
    nodes: Vec<Node>,
    memory: Reservation,
    /// How much of `memory` is taken.
    used: usize,
}

/// A container whose end has not been seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open(usize);

impl Builder {
    /// An empty one, which first uses up this memory and then asks for more; `text` is what [`borrowed`](Self::borrowed)
    /// strings are ranges of, [`LARGEST`] at most.
    pub(crate) fn new(text: ByteString, memory: Reservation) -> Self {
        Self { text, unescaped: String::new(), nodes: Vec::new(), memory, used: 0 }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let used = self.used + bytes;
        let missing = used.saturating_sub(self.memory.bytes());
        if missing > 0 && !self.memory.grow(missing) {
            return Err(Exhausted);
        }
        self.used = used;
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn push(&mut self, node: Node) -> Result<(), Exhausted> {
        /// Enough for most requests.
        const FIRST: usize = 32;
        if self.nodes.len() == self.nodes.capacity() {
            let more = self.nodes.len().max(FIRST);
            self.take(more * size_of::<Node>())?;
            self.nodes.reserve_exact(more);
        }
        self.nodes.push(node);
        Ok(())
    }

    /// Whether this very string, not one like it, is a part of the text.
    pub(super) fn has_in_text(&self, string: &str) -> bool {
        self.text.as_bytes().as_ptr_range().contains(&string.as_ptr())
    }

    /// A string that is a part of the text.
    pub(super) fn borrowed(&mut self, string: &str) -> Result<(), Exhausted> {
        let start = string.as_ptr() as usize - self.text.as_ptr() as usize;
        self.push(Node::Text(Span::new(start, string.len())))
    }

    /// A string that is not.
    pub(crate) fn string(&mut self, string: &str) -> Result<(), Exhausted> {
        let missing =
            (self.unescaped.len() + string.len()).saturating_sub(self.unescaped.capacity());
        if missing > 0 {
            let more = missing.max(self.unescaped.len());
            self.take(more)?;
            self.unescaped.reserve_exact(self.unescaped.capacity() - self.unescaped.len() + more);
        }
        let start = self.unescaped.len();
        self.unescaped.push_str(string);
        self.push(Node::Unescaped(Span::new(start, string.len())))
    }

    pub(crate) fn unsigned(&mut self, number: u64) -> Result<(), Exhausted> {
        self.push(Node::Unsigned(number))
    }

    pub(crate) fn negative(&mut self, number: i64) -> Result<(), Exhausted> {
        self.push(Node::Negative(number))
    }

    pub(crate) fn double(&mut self, number: f64) -> Result<(), Exhausted> {
        self.push(Node::Double(number))
    }

    pub(crate) fn bool(&mut self, bool: bool) -> Result<(), Exhausted> {
        self.push(Node::Bool(bool))
    }

    /// Begins an array, or an object, whose items or members come next.
    pub(crate) fn open(&mut self) -> Result<Open, Exhausted> {
        let open = Open(self.nodes.len());
        self.push(Node::Null)?;
        Ok(open)
    }

    /// Takes the beginning back.
    pub(super) fn undo(&mut self, Open(at): Open) {
        self.nodes.truncate(at);
    }

    #[expect(clippy::cast_possible_truncation, reason = "a text has more bytes than values")]
    pub(crate) fn close_array(&mut self, Open(at): Open, items: usize) {
        let inside = (self.nodes.len() - at - 1) as u32;
        self.nodes[at] = Node::Array { items: items as u32, inside };
    }

    #[expect(clippy::cast_possible_truncation, reason = "a text has more bytes than values")]
    pub(crate) fn close_object(&mut self, Open(at): Open, members: usize) {
        let inside = (self.nodes.len() - at - 1) as u32;
        self.nodes[at] = Node::Object { members: members as u32, inside };
    }

    /// Whether a name is there twice among the members from this place on.
    pub(super) fn has_duplicates(&self, Open(at): Open, members: usize) -> bool {
        members > 1 && names::has_duplicates(self.names(at + 1), members)
    }

    /// Leaves only the last of the members of each name; how many that are.
    pub(super) fn keep_last(&mut self, Open(at): Open) -> usize {
        let kept = names::last_of_each(self.names(at + 1));
        let members = kept.len();
        let mut inside = Vec::new();
        for name in kept {
            let value = name + 1;
            inside.extend_from_slice(&self.nodes[name..value + self.nodes[value].extent()]);
        }
        self.nodes.truncate(at + 1);
        self.nodes.append(&mut inside);
        members
    }

    /// The names of the members that begin at this place, and where they stand.
    fn names(&self, first: usize) -> impl Iterator<Item = (usize, &str)> {
        let mut at = first;
        std::iter::from_fn(move || {
            let name = match self.nodes.get(at)? {
                Node::Text(span) => span.of(&self.text),
                Node::Unescaped(span) => span.of(&self.unescaped),
                _ => return None,
            };
            let found = (at, name);
            at += 1 + self.nodes.get(at + 1)?.extent();
            Some(found)
        })
    }

    pub(crate) fn finish(self) -> Document {
        let Self { text, unescaped, nodes, mut memory, used } = self;
        memory.shrink_to(used);
        Document { text, unescaped, nodes, _memory: memory }
    }
}
