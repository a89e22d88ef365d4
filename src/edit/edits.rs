use super::{InvalidEdit, NotEditable, apply::apply};
use crate::json::Pointer;
use bytes::Bytes;
use serde_json::Value;
use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fmt,
};

/// Edits of a JSON object's text, made in order: each sees what those before it have done.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    pub(super) edits: Vec<Edit>,
    /// All that one of them speaks of, at whatever depth.
    names: HashSet<Box<str>>,
}

/// How many steps a pointer may have: as many as a [`Document`](crate::json::Document) may be deep.
pub const MAX_STEPS: usize = 127;

#[derive(Clone, Debug)]
pub(super) enum Edit {
    Set { at: Path, value: Text },
    Rename { from: Path, to: Name },
    Remove { at: Path },
    Map { at: Path, table: HashMap<Box<str>, Row> },
}

/// What is set for one value.
type Row = Box<[(Name, Text)]>;

/// Where a member is.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// The objects on the way to its own, from the outside in.
    pub(super) parents: Box<[Name]>,
    pub(super) name: Name,
}

/// The name of a member.
#[derive(Clone)]
pub(super) struct Name {
    pub(super) name: Box<str>,
    /// As it is written.
    pub(super) quoted: Box<str>,
}

/// A value, as it is written.
#[derive(Clone)]
pub(super) struct Text(pub(super) Box<str>);

impl Edits {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Sets a member to this value, whatever the text is: in the place of the old one, or else at the end of its object.
    /// On the way there an object is made where there is none; an array, a string or `null` that is in its place is gone.
    ///
    /// A [`Value`] is something that JSON can write: one that was made of NaN or an infinity is `null`, and is set as that.
    ///
    /// # Errors
    ///
    /// When the pointer is empty or has more than [`MAX_STEPS`].
    pub fn set(self, at: Pointer, value: Value) -> Result<Self, InvalidEdit> {
        let at = Path::new(&at)?;
        Ok(self.and(Edit::Set { at, value: Text::new(&value) }))
    }

    /// Gives a member another name, in its place: `to` is the name, not a pointer. A member that already has that name
    /// is removed. Nothing happens if there is none to rename, or no object where the pointer leads through.
    ///
    /// # Errors
    ///
    /// When the pointer is empty or has more than [`MAX_STEPS`].
    pub fn rename(self, from: Pointer, to: impl Into<Box<str>>) -> Result<Self, InvalidEdit> {
        let from = Path::new(&from)?;
        Ok(self.and(Edit::Rename { from, to: Name::new(to) }))
    }

    /// Removes a member, if it is there. Its object stays, even if nothing is left in it.
    ///
    /// # Errors
    ///
    /// When the pointer is empty or has more than [`MAX_STEPS`].
    pub fn remove(self, at: Pointer) -> Result<Self, InvalidEdit> {
        let at = Path::new(&at)?;
        Ok(self.and(Edit::Remove { at }))
    }

    /// Looks a member's value up in a table of strings, and sets the members that stand there for it in the same
    /// object, as [`set`](Self::set) does; the member itself can be one of them. Nothing happens to a value that is not in
    /// the table or no string, nor where there is no such member.
    ///
    /// # Errors
    ///
    /// When the pointer is empty or has more than [`MAX_STEPS`], or when a value, or a name in its row, is there twice.
    pub fn map(
        self,
        at: Pointer,
        table: impl IntoIterator<Item = (String, Vec<(String, Value)>)>,
    ) -> Result<Self, InvalidEdit> {
        let at = Path::new(&at)?;
        let mut rows = HashMap::new();
        for (value, members) in table {
            for (i, (name, _)) in members.iter().enumerate() {
                if members.iter().take(i).any(|(earlier, _)| earlier == name) {
                    let (value, name) = (value.into(), name.as_str().into());
                    return Err(InvalidEdit::NameTwice { value, name });
                }
            }
            let row = members.into_iter().map(|(name, value)| (Name::new(name), Text::new(&value)));
            match rows.entry(value.into_boxed_str()) {
                Entry::Vacant(entry) => entry.insert(row.collect()),
                Entry::Occupied(entry) => {
                    return Err(InvalidEdit::ValueTwice { value: entry.key().clone() });
                }
            };
        }
        Ok(self.and(Edit::Map { at, table: rows }))
    }

    /// The text with the edits, in pieces: wherever nothing has changed, they are slices of it. Without a change there
    /// is one piece, which is the text.
    ///
    /// The text is read once, and once more each object in it that a pointer leads into.
    ///
    /// # Errors
    ///
    /// When the text is not one JSON object, or when a name that is looked for is there twice: no text that a
    /// [`Document`](crate::json::Document) has accepted as such.
    pub fn apply(&self, text: &Bytes) -> Result<Vec<Bytes>, NotEditable> {
        Self::apply_all([self], text)
    }

    /// The same with several edits, one after the other, and the text read once.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply).
    pub(crate) fn apply_all<const N: usize>(
        edits: [&Self; N],
        text: &Bytes,
    ) -> Result<Vec<Bytes>, NotEditable> {
        if edits.iter().all(|edits| edits.is_empty()) {
            return Ok(vec![text.clone()]);
        }
        apply(&edits, text)
    }

    /// Whether one of them speaks of this name.
    pub(super) fn speaks_of(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn and(mut self, edit: Edit) -> Self {
        self.names.extend(edit.names().map(|name| name.name.clone()));
        self.edits.push(edit);
        self
    }
}

impl Edit {
    /// The names of members that it reads, makes or takes away.
    fn names(&self) -> impl Iterator<Item = &Name> {
        let (Self::Set { at, .. }
        | Self::Rename { from: at, .. }
        | Self::Remove { at }
        | Self::Map { at, .. }) = self;
        let to = match self {
            Self::Rename { to, .. } => Some(to),
            _ => None,
        };
        let rows = match self {
            Self::Map { table, .. } => Some(table.values()),
            _ => None,
        };
        let set = rows.into_iter().flatten().flatten().map(|(name, _)| name);
        at.parents.iter().chain([&at.name]).chain(to).chain(set)
    }
}

impl Path {
    fn new(pointer: &Pointer) -> Result<Self, InvalidEdit> {
        let mut parents: Vec<Name> = pointer.steps().map(|step| Name::new(step.as_str())).collect();
        if parents.len() > MAX_STEPS {
            return Err(InvalidEdit::TooDeep);
        }
        let name = parents.pop().ok_or(InvalidEdit::Whole)?;
        Ok(Self { parents: parents.into(), name })
    }
}

impl Name {
    fn new(name: impl Into<Box<str>>) -> Self {
        let name = name.into();
        let quoted = Value::from(&*name).to_string().into();
        Self { name, quoted }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.quoted)
    }
}

impl Text {
    fn new(value: &Value) -> Self {
        Self(value.to_string().into())
    }
}

/// Without the value: it may be a secret.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
