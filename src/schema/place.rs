use super::Mistake;
use crate::json::{Document, Pointer, Value};

/// A value of a schema, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Place<'d> {
    pub(super) value: Value<'d>,
    /// From the root, with `/` and escapes.
    pub(super) pointer: String,
    /// Where in the text it begins, or the nearest thing around it of which that is known.
    offset: usize,
}

impl<'d> Place<'d> {
    pub(super) fn root(document: &'d Document) -> Self {
        Self { value: document.root(), pointer: String::new(), offset: 0 }
    }

    /// A member's value.
    pub(super) fn member(&self, name: &str, value: Value<'d>) -> Self {
        let offset = value.name_offset().unwrap_or(self.offset);
        let pointer = format!("{}/{}", self.pointer, crate::json::escape(name));
        Self { value, pointer, offset }
    }

    /// The member of this name, if there is one.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        self.value.get(name).map(|value| self.member(name, value))
    }

    /// All members, in the order of the text; none of anything but an object.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'d str, Self)> {
        let members = self.value.members().into_iter().flatten();
        members.map(|(name, value)| (name, self.member(name, value)))
    }

    /// All items; none of anything but an array.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> {
        self.value.items().into_iter().flatten().enumerate().map(|(i, value)| Self {
            value,
            pointer: format!("{}/{i}", self.pointer),
            offset: value.offset().unwrap_or(self.offset),
        })
    }

    /// The place that a pointer leads to, or as far as there is something.
    pub(super) fn follow(&self, pointer: &Pointer) -> Result<Self, Self> {
        pointer.steps().try_fold(self.clone(), |at, step| {
            let next = match at.value.items() {
                Some(_) => {
                    at.items().find(|item| item.pointer.rsplit('/').next() == Some(step.as_str()))
                }
                None => at.get(step.as_str()),
            };
            next.ok_or(at)
        })
    }

    /// Something to say about it.
    pub(super) fn mistake(&self, document: &Document, message: impl Into<String>) -> Mistake {
        let before = document.text().get(..self.offset).unwrap_or_default();
        Mistake {
            line: Some(before.matches('\n').count() + 1),
            pointer: self.pointer.clone(),
            message: message.into(),
        }
    }
}
