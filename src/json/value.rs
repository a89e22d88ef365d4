use super::{Document, document::Node, pointer::Step};
use std::fmt;

/// A value of a [`Document`].
#[derive(Clone, Copy)]
pub struct Value<'a> {
    document: &'a Document,
    at: usize,
}

/// What sort of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A number, as exactly as it was read.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Number {
    /// A whole number, 0 or more, up to 2⁶⁴ − 1.
    Unsigned(u64),
    /// A whole number below 0, down to −2⁶³.
    Negative(i64),
    /// Any other: one with a fraction or an exponent, or beyond those.
    Double(f64),
}

impl<'a> Value<'a> {
    pub(super) const fn new(document: &'a Document, at: usize) -> Self {
        Self { document, at }
    }

    pub(crate) const fn document(self) -> &'a Document {
        self.document
    }

    /// Its place among the nodes.
    pub(super) const fn place(self) -> usize {
        self.at
    }

    fn node(self) -> Node {
        self.document.node(self.at)
    }

    /// What sort of value.
    pub fn kind(self) -> Kind {
        match self.node() {
            Node::Null => Kind::Null,
            Node::Bool(_) => Kind::Bool,
            Node::Unsigned(_) | Node::Negative(_) | Node::Double(_) => Kind::Number,
            Node::Text(_) | Node::Unescaped(_) => Kind::String,
            Node::Array { .. } => Kind::Array,
            Node::Object { .. } => Kind::Object,
        }
    }

    /// The string, if it is one.
    pub fn as_str(self) -> Option<&'a str> {
        self.document.string(self.at)
    }

    /// The boolean, if it is one.
    pub fn as_bool(self) -> Option<bool> {
        match self.node() {
            Node::Bool(bool) => Some(bool),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_number(self) -> Option<Number> {
        match self.node() {
            Node::Unsigned(number) => Some(Number::Unsigned(number)),
            Node::Negative(number) => Some(Number::Negative(number)),
            Node::Double(number) => Some(Number::Double(number)),
            _ => None,
        }
    }

    /// The number, if it is whole, 0 or more, and was written as such.
    pub fn as_u64(self) -> Option<u64> {
        match self.node() {
            Node::Unsigned(number) => Some(number),
            _ => None,
        }
    }

    /// The items, if it is an array.
    pub fn items(self) -> Option<Items<'a>> {
        match self.node() {
            Node::Array { items, .. } => {
                Some(Items { document: self.document, at: self.at + 1, left: items as usize })
            }
            _ => None,
        }
    }

    /// The members, if it is an object, in the order of the text.
    pub fn members(self) -> Option<Members<'a>> {
        match self.node() {
            Node::Object { members, .. } => {
                Some(Members { document: self.document, at: self.at + 1, left: members as usize })
            }
            _ => None,
        }
    }

    /// The member of this name, if it is an object that has one.
    pub fn get(self, name: &str) -> Option<Self> {
        self.members()?.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// What is one step of a pointer further in.
    pub(crate) fn step(self, step: Step<'_>) -> Option<Self> {
        match self.items() {
            Some(mut items) => items.nth(step.as_index()?),
            None => self.get(step.as_str()),
        }
    }

    /// Where in the text it begins, as far as that is known: for strings without escapes, behind the quote.
    pub(crate) fn offset(self) -> Option<usize> {
        self.document.offset(self.at)
    }

    /// The same for the member's name, if it is a member's value.
    pub(crate) fn name_offset(self) -> Option<usize> {
        self.document.offset(self.at.checked_sub(1)?)
    }
}

/// Only what sort it is: a document is full of other people's secrets.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Value").field(&self.kind()).finish()
    }
}

/// The items of an array.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    document: &'a Document,
    at: usize,
    left: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.left = self.left.checked_sub(1)?;
        let item = Value::new(self.document, self.at);
        self.at += item.node().extent();
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

/// The members of an object: name and value.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    document: &'a Document,
    at: usize,
    left: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = self.document.string(self.at).unwrap_or_default();
        let value = Value::new(self.document, self.at + 1);
        self.at += 1 + value.node().extent();
        Some((name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Members<'_> {}
