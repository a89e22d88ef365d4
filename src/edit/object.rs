use super::{
    NotEditable,
    edits::{Edits, Name},
    read,
    rope::Rope,
};
use std::borrow::Cow;

/// An object, cut into the parts of its text.
#[derive(Debug)]
pub(super) struct Object<'a> {
    /// Which names are spoken of.
    edits: &'a [&'a Edits],
    /// The brace, and what is before it.
    open: &'a str,
    /// The whitespace before the first member, if there was one.
    indent: &'a str,
    parts: Vec<Part<'a>>,
    /// The whitespace behind the last member, the brace, and what is behind that.
    close: &'a str,
}

/// A member, or several.
#[derive(Debug)]
struct Part<'a> {
    /// What is between it and the one before it; nothing but [`Gap::COMMA`] for the one that was the first.
    gap: Gap<'a>,
    members: Members<'a>,
}

#[derive(Debug)]
enum Members<'a> {
    /// One that an edit may be about.
    Named(Member<'a>),
    /// Those in a row that are none of an edit's business: a body can have more of them than there is room for.
    Others(Others<'a>),
}

#[derive(Debug)]
struct Member<'a> {
    name: Cow<'a, str>,
    /// The name as it is written.
    quoted: &'a str,
    /// The colon, and the whitespace around it.
    colon: &'a str,
    value: Value<'a>,
}

#[derive(Debug)]
struct Others<'a> {
    text: &'a str,
    /// Before the last of them, if there are several.
    gap: Option<Gap<'a>>,
    /// Of the last of them.
    colon: &'a str,
}

#[derive(Clone, Copy, Debug)]
struct Gap<'a> {
    /// The comma, maybe with the whitespace around it.
    comma: &'a str,
    indent: &'a str,
}

#[derive(Debug)]
enum Value<'a> {
    /// Nobody has looked into it.
    Whole(&'a str),
    Object(Object<'a>),
}

impl Gap<'_> {
    const COMMA: Self = Self { comma: ",", indent: "" };
}

impl<'a> Object<'a> {
    /// Reads a text, one level deep.
    pub(super) fn read(text: &'a str, edits: &'a [&'a Edits]) -> Result<Self, NotEditable> {
        let brace = text.find('{').ok_or(NotEditable::NotAnObject)?;
        let (open, mut rest) = text.split_at(brace + 1);
        let mut object = Self { edits, open, indent: "", parts: Vec::new(), close: "" };
        read::members(text, |name, value| {
            let before = value.as_ptr() as usize - rest.as_ptr() as usize;
            let (head, tail) = rest.split_at(before);
            rest = &tail[value.len()..];
            object.add(text, name, head, value);
        })?;
        object.close = rest;
        Ok(object)
    }

    /// The next member of a text that is being read.
    fn add(&mut self, text: &'a str, name: Cow<'a, str>, head: &'a str, value: &'a str) {
        // The head is: whitespace, comma, whitespace, the name in its quotes, whitespace, colon, whitespace.
        let start = head.find('"').unwrap_or(0);
        let end = head.rfind('"').map_or(start, |quote| quote + 1);
        let (comma, quoted, colon) = (&head[..start], &head[start..end], &head[end..]);
        let gap = if self.parts.is_empty() { Gap::COMMA } else { Gap { comma, indent: "" } };
        if self.parts.is_empty() {
            self.indent = comma;
        }
        if self.edits.iter().any(|edits| edits.speaks_of(&name)) {
            let member = Member { name, quoted, colon, value: Value::Whole(value) };
            self.parts.push(Part { gap, members: Members::Named(member) });
            return;
        }
        let place = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
        let end = place(value) + value.len();
        if let Some(Part { members: Members::Others(others), .. }) = self.parts.last_mut() {
            *others = Others { text: &text[place(others.text)..end], gap: Some(gap), colon };
        } else {
            let others = Others { text: &text[place(quoted)..end], gap: None, colon };
            self.parts.push(Part { gap, members: Members::Others(others) });
        }
    }

    /// Where the member of this name is.
    fn position(&self, name: &str) -> Result<Option<usize>, NotEditable> {
        let mut places =
            self.parts.iter().enumerate().filter_map(|(at, part)| match &part.members {
                Members::Named(member) if *member.name == *name => Some(at),
                _ => None,
            });
        match (places.next(), places.next()) {
            (_, Some(_)) => Err(NotEditable::NameTwice),
            (first, None) => Ok(first),
        }
    }

    fn member(&self, name: &Name) -> Result<Option<&Member<'a>>, NotEditable> {
        let part = self.position(&name.name)?.and_then(|at| self.parts.get(at));
        Ok(part.and_then(|part| match &part.members {
            Members::Named(member) => Some(member),
            Members::Others(_) => None,
        }))
    }

    fn member_mut(&mut self, name: &Name) -> Result<Option<&mut Member<'a>>, NotEditable> {
        let part = self.position(&name.name)?.and_then(|at| self.parts.get_mut(at));
        Ok(part.and_then(|part| match &mut part.members {
            Members::Named(member) => Some(member),
            Members::Others(_) => None,
        }))
    }

    /// Whether there is such a member, and an object in it.
    pub(super) fn has_object(&self, name: &Name) -> Result<bool, NotEditable> {
        Ok(self.member(name)?.is_some_and(|member| match &member.value {
            Value::Whole(text) => text.starts_with('{'),
            Value::Object(_) => true,
        }))
    }

    /// The object that is the value of this member, if it is one.
    pub(super) fn enter(&mut self, name: &Name) -> Result<Option<&mut Self>, NotEditable> {
        let edits = self.edits;
        let Some(Member { value, .. }) = self.member_mut(name)? else {
            return Ok(None);
        };
        if let Value::Whole(text) = value
            && text.starts_with('{')
        {
            *value = Value::Object(Self::read(text, edits)?);
        }
        Ok(match value {
            Value::Object(object) => Some(object),
            Value::Whole(_) => None,
        })
    }

    /// The string that is the value of this member, if it is one.
    pub(super) fn string(&self, name: &Name) -> Result<Option<Cow<'a, str>>, NotEditable> {
        Ok(match self.member(name)? {
            Some(Member { value: Value::Whole(text), .. }) => read::string(text),
            _ => None,
        })
    }

    /// Sets a member to this value.
    pub(super) fn set(&mut self, name: &'a Name, value: &'a str) -> Result<(), NotEditable> {
        if let Some(Member { value: old, .. }) = self.member_mut(name)? {
            if !matches!(old, Value::Whole(same) if *same == value) {
                *old = Value::Whole(value);
            }
            return Ok(());
        }
        let (gap, colon) = self.style();
        let (name, quoted) = (Cow::Borrowed(&*name.name), &*name.quoted);
        let member = Member { name, quoted, colon, value: Value::Whole(value) };
        self.parts.push(Part { gap, members: Members::Named(member) });
        Ok(())
    }

    /// The gap and the colon of a member that is added: those of the one before it.
    fn style(&self) -> (Gap<'a>, &'a str) {
        let only = Gap { comma: ",", indent: self.indent };
        let Some(last) = self.parts.last() else { return (only, ":") };
        let gap = if self.parts.len() > 1 { last.gap } else { only };
        match &last.members {
            Members::Named(member) => (gap, member.colon),
            Members::Others(others) => (others.gap.unwrap_or(gap), others.colon),
        }
    }

    /// Gives a member this name, and takes away the one that had it.
    pub(super) fn rename(&mut self, from: &Name, to: &'a Name) -> Result<(), NotEditable> {
        let (at, other) = (self.position(&from.name)?, self.position(&to.name)?);
        if at == other {
            return Ok(());
        }
        let Some(member) = self.member_mut(from)? else { return Ok(()) };
        member.name = Cow::Borrowed(&to.name);
        member.quoted = &to.quoted;
        if let Some(other) = other {
            self.parts.remove(other);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &Name) -> Result<(), NotEditable> {
        if let Some(at) = self.position(&name.name)? {
            self.parts.remove(at);
        }
        Ok(())
    }

    /// No deeper than a pointer has steps.
    pub(super) fn write(&self, rope: &mut Rope<'_>) {
        rope.push(self.open);
        for (i, part) in self.parts.iter().enumerate() {
            if i == 0 {
                rope.push(self.indent);
            } else {
                rope.push(part.gap.comma);
                rope.push(part.gap.indent);
            }
            match &part.members {
                Members::Named(member) => member.write(rope),
                Members::Others(others) => rope.push(others.text),
            }
        }
        rope.push(self.close);
    }
}

impl Member<'_> {
    fn write(&self, rope: &mut Rope<'_>) {
        rope.push(self.quoted);
        rope.push(self.colon);
        match &self.value {
            Value::Whole(text) => rope.push(text),
            Value::Object(object) => object.write(rope),
        }
    }
}
