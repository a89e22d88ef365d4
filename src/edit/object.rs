use super::{NotEditable, edits::Name, rope::Rope};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// An object, cut into the parts of its text.
#[derive(Debug)]
pub(super) struct Object<'a> {
    /// The brace, and what is before it.
    open: &'a str,
    /// The whitespace before the first member, if there was one.
    indent: &'a str,
    members: Vec<Member<'a>>,
    /// The whitespace behind the last member, the brace, and what is behind that.
    close: &'a str,
}

#[derive(Debug)]
struct Member<'a> {
    /// What is between it and the one before it; nothing but [`Gap::COMMA`] for the one that was the first.
    gap: Gap<'a>,
    name: Cow<'a, str>,
    /// The name as it is written.
    quoted: &'a str,
    /// The colon, and the whitespace around it.
    colon: &'a str,
    value: Value<'a>,
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
    pub(super) fn read(text: &'a str) -> Result<Self, NotEditable> {
        let Members(found) = serde_json::from_str(text).map_err(|_| NotEditable::NotAnObject)?;
        let brace = text.find('{').ok_or(NotEditable::NotAnObject)?;
        let (open, mut rest) = text.split_at(brace + 1);
        let mut object =
            Self { open, indent: "", members: Vec::with_capacity(found.len()), close: "" };
        for (i, (name, value)) in found.into_iter().enumerate() {
            let value = value.get();
            let before = value.as_ptr() as usize - rest.as_ptr() as usize;
            let (head, tail) = rest.split_at(before);
            rest = &tail[value.len()..];
            // The head is: whitespace, comma, whitespace, the name in its quotes, whitespace, colon, whitespace.
            let start = head.find('"').unwrap_or(0);
            let end = head.rfind('"').map_or(start, |quote| quote + 1);
            let comma = &head[..start];
            let gap = if i == 0 { Gap::COMMA } else { Gap { comma, indent: "" } };
            if i == 0 {
                object.indent = comma;
            }
            let (quoted, colon) = (&head[start..end], &head[end..]);
            object.members.push(Member { gap, name, quoted, colon, value: Value::Whole(value) });
        }
        object.close = rest;
        Ok(object)
    }

    /// Where the member of this name is.
    fn position(&self, name: &str) -> Result<Option<usize>, NotEditable> {
        let same = |member: &Member<'_>| *member.name == *name;
        let first = self.members.iter().position(same);
        match first.is_some_and(|first| self.members.iter().skip(first + 1).any(same)) {
            true => Err(NotEditable::NameTwice),
            false => Ok(first),
        }
    }

    pub(super) fn has(&self, name: &Name) -> Result<bool, NotEditable> {
        Ok(self.position(&name.name)?.is_some())
    }

    /// The object that is the value of this member, if it is one.
    pub(super) fn enter(&mut self, name: &Name) -> Result<Option<&mut Self>, NotEditable> {
        let Some(at) = self.position(&name.name)? else {
            return Ok(None);
        };
        let value = &mut self.members[at].value;
        if let Value::Whole(text) = value
            && text.starts_with('{')
        {
            *value = Value::Object(Self::read(text)?);
        }
        Ok(match value {
            Value::Object(object) => Some(object),
            Value::Whole(_) => None,
        })
    }

    /// The string that is the value of this member, if it is one.
    pub(super) fn string(&self, name: &Name) -> Result<Option<Cow<'a, str>>, NotEditable> {
        let Some(at) = self.position(&name.name)? else {
            return Ok(None);
        };
        Ok(match self.members[at].value {
            Value::Whole(text) => serde_json::from_str(text).ok().map(|Borrowed(string)| string),
            Value::Object(_) => None,
        })
    }

    /// Sets a member to this value.
    pub(super) fn set(&mut self, name: &'a Name, value: &'a str) -> Result<(), NotEditable> {
        if let Some(at) = self.position(&name.name)? {
            let old = &mut self.members[at].value;
            if !matches!(old, Value::Whole(same) if *same == value) {
                *old = Value::Whole(value);
            }
            return Ok(());
        }
        let gap = match &*self.members {
            [_, .., last] => last.gap,
            _ => Gap { comma: ",", indent: self.indent },
        };
        let colon = self.members.last().map_or(":", |last| last.colon);
        let (name, quoted) = (Cow::Borrowed(&*name.name), &*name.quoted);
        self.members.push(Member { gap, name, quoted, colon, value: Value::Whole(value) });
        Ok(())
    }

    /// Gives a member this name, and takes away the one that had it.
    pub(super) fn rename(&mut self, from: &Name, to: &'a Name) -> Result<(), NotEditable> {
        let (Some(at), other) = (self.position(&from.name)?, self.position(&to.name)?) else {
            return Ok(());
        };
        if other == Some(at) {
            return Ok(());
        }
        let member = &mut self.members[at];
        member.name = Cow::Borrowed(&to.name);
        member.quoted = &to.quoted;
        if let Some(other) = other {
            self.members.remove(other);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &Name) -> Result<(), NotEditable> {
        if let Some(at) = self.position(&name.name)? {
            self.members.remove(at);
        }
        Ok(())
    }

    /// No deeper than a pointer has steps.
    pub(super) fn write(&self, rope: &mut Rope<'_>) {
        rope.push(self.open);
        for (i, member) in self.members.iter().enumerate() {
            if i == 0 {
                rope.push(self.indent);
            } else {
                rope.push(member.gap.comma);
                rope.push(member.gap.indent);
            }
            rope.push(member.quoted);
            rope.push(member.colon);
            match &member.value {
                Value::Whole(text) => rope.push(text),
                Value::Object(object) => object.write(rope),
            }
        }
        rope.push(self.close);
    }
}

/// The members of an object: names, and texts of values.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Borrowed(name), value)) = access.next_entry()? {
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

/// A string that is copied only if there are escapes in it.
struct Borrowed<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Borrowed<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(StringVisitor)
    }
}

struct StringVisitor;

impl<'de> Visitor<'de> for StringVisitor {
    type Value = Borrowed<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, string: &'de str) -> Result<Self::Value, E> {
        Ok(Borrowed(Cow::Borrowed(string)))
    }

    fn visit_str<E: serde::de::Error>(self, string: &str) -> Result<Self::Value, E> {
        Ok(Borrowed(Cow::Owned(string.to_owned())))
    }
}
