use super::{
    Document, InvalidJson,
    document::{Builder, Exhausted, LARGEST, Node},
    syntax::{Duplicates, Numbers, Syntax},
};
use crate::buffer::Reservation;
use bytes::Bytes;
use bytestring::ByteString;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Why there is no document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ParseError {
    Invalid(InvalidJson),
    Exhausted(Exhausted),
}

/// What a `double` counts exactly (RFC 7493, section 2.2): 2⁵³ − 1.
const SAFE: u64 = (1 << 53) - 1;

/// Reads a text; what is found in it takes up this memory, and then more.
pub(crate) fn parse(
    text: Bytes,
    syntax: &Syntax,
    memory: Reservation,
) -> Result<Document, ParseError> {
    let invalid = |reason: &'static str| Err(ParseError::Invalid(InvalidJson::new(reason)));
    if text.len() > LARGEST {
        return invalid("it is longer than 4 GiB");
    }
    let text = match ByteString::try_from(text) {
        Ok(text) => text,
        Err(_) => return invalid("it is not UTF-8"),
    };
    if text.starts_with('\u{feff}') {
        return invalid("it begins with a byte order mark");
    }
    if text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
        return invalid("it is empty");
    }
    let builder = Builder::new(text.clone(), memory);
    let mut reading = Reading { builder, syntax, exhausted: false };
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let read = ValueSeed { reading: &mut reading, depth: 0 }.deserialize(&mut deserializer);
    match read.and_then(|()| deserializer.end()) {
        Ok(()) => Ok(reading.builder.finish()),
        Err(_) if reading.exhausted => Err(ParseError::Exhausted(Exhausted)),
        Err(error) => Err(ParseError::Invalid(describe(&error))),
    }
}

/// The parser's own words, without the place that it puts behind them.
fn describe(error: &serde_json::Error) -> InvalidJson {
    let text = error.to_string();
    let reason = match text.rfind(" at line ") {
        Some(end) => &text[..end],
        None => &text,
    };
    // Its words for where our own limit is.
    let reason = reason.replace("recursion limit exceeded", TOO_DEEP);
    InvalidJson::at(reason, error.line(), error.column())
}

const TOO_DEEP: &str = "it is nested too deeply";

struct Reading<'s> {
    builder: Builder,
    syntax: &'s Syntax,
    exhausted: bool,
}

impl Reading<'_> {
    /// Notes a value: a place for it, if there may be one more.
    fn note<E: serde::de::Error, T>(
        &mut self,
        push: impl FnOnce(&mut Builder) -> Result<T, Exhausted>,
    ) -> Result<T, E> {
        if self.builder.len() >= self.syntax.max_values {
            return Err(E::custom(format_args!(
                "it has more than {} values",
                self.syntax.max_values
            )));
        }
        push(&mut self.builder).map_err(|Exhausted| {
            self.exhausted = true;
            E::custom("no memory is left")
        })
    }

    fn check_whole<E: serde::de::Error>(&self, magnitude: f64) -> Result<(), E> {
        #[expect(clippy::cast_precision_loss, reason = "it is exact by definition")]
        let unsafe_whole = magnitude.fract() == 0.0 && magnitude > SAFE as f64;
        if self.syntax.numbers == Numbers::Safe && unsafe_whole {
            return Err(E::custom("a whole number is beyond 9007199254740991"));
        }
        Ok(())
    }
}

/// Reads one value.
struct ValueSeed<'r, 's> {
    reading: &'r mut Reading<'s>,
    /// How many containers it is in.
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl ValueSeed<'_, '_> {
    fn check_depth<E: serde::de::Error>(&self) -> Result<(), E> {
        if self.depth >= self.reading.syntax.max_depth {
            return Err(E::custom(TOO_DEEP));
        }
        Ok(())
    }

    /// A number that comes as its text.
    fn number<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        match (text.parse(), text.parse(), text.parse::<f64>()) {
            (Ok(unsigned), ..) => self.visit_u64(unsigned),
            (_, Ok(negative @ ..0), _) => self.visit_i64(negative),
            (.., Ok(double)) if double.is_finite() => self.visit_f64(double),
            _ => Err(E::custom("number out of range")),
        }
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.reading.note(|builder| builder.push(Node::Null))
    }

    fn visit_bool<E: serde::de::Error>(self, bool: bool) -> Result<(), E> {
        self.reading.note(|builder| builder.bool(bool))
    }

    #[expect(clippy::cast_precision_loss, reason = "what is beyond 2⁵³ stays beyond it")]
    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.reading.check_whole(number as f64)?;
        self.reading.note(|builder| builder.unsigned(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "what is beyond 2⁵³ stays beyond it")]
    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => {
                self.reading.check_whole(number.unsigned_abs() as f64)?;
                self.reading.note(|builder| builder.negative(number))
            }
        }
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.reading.check_whole(number.abs())?;
        self.reading.note(|builder| builder.double(number))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, string: &'de str) -> Result<(), E> {
        self.reading.note(|builder| builder.borrowed(string))
    }

    fn visit_str<E: serde::de::Error>(self, string: &str) -> Result<(), E> {
        self.reading.note(|builder| builder.string(string))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.check_depth()?;
        let Self { reading, depth } = self;
        let open = reading.note(Builder::open)?;
        let mut count = 0;
        while items.next_element_seed(ValueSeed { reading, depth: depth + 1 })?.is_some() {
            count += 1;
        }
        reading.builder.close_array(open, count);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let open = self.reading.note(Builder::open)?;
        let mut name = members.next_key_seed(NameSeed { reading: self.reading })?;
        if name == Some(Name::Number) {
            self.reading.builder.undo(open);
            return self.number(&members.next_value::<String>()?);
        }
        self.check_depth()?;
        let Self { reading, depth } = self;
        let mut count = 0;
        while name.is_some() {
            members.next_value_seed(ValueSeed { reading, depth: depth + 1 })?;
            count += 1;
            name = members.next_key_seed(NameSeed { reading })?;
        }
        if reading.builder.has_duplicates(open, count) {
            match reading.syntax.duplicates {
                Duplicates::Refuse => {
                    return Err(A::Error::custom("a member's name is there twice"));
                }
                Duplicates::Last => count = reading.builder.keep_last(open),
            }
        }
        reading.builder.close_object(open, count);
        Ok(())
    }
}

/// What stands where a member's name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Member,
    /// It is no object: `serde_json` shows a number as one with this only member, its text, where any crate of the build
    /// switches `arbitrary_precision` on.
    Number,
}

/// The name by which it does so.
const NUMBER: &str = "$serde_json::private::Number";

/// Reads the name of a member.
struct NameSeed<'r, 's> {
    reading: &'r mut Reading<'s>,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_, '_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed<'_, '_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, name: &'de str) -> Result<Name, E> {
        // The same name in the text is a name like others.
        if !self.reading.builder.has_in_text(name) {
            return if name == NUMBER { Ok(Name::Number) } else { self.visit_str(name) };
        }
        self.reading.note(|builder| builder.borrowed(name))?;
        Ok(Name::Member)
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Name, E> {
        self.reading.note(|builder| builder.string(name))?;
        Ok(Name::Member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::{
        IntoDeserializer,
        value::{BorrowedStrDeserializer, Error, MapDeserializer},
    };

    /// A number as `serde_json` shows it with `arbitrary_precision`.
    struct Shown(&'static str);

    impl IntoDeserializer<'static> for Shown {
        type Deserializer = MapDeserializer<'static, std::iter::Once<(Key, &'static str)>, Error>;

        fn into_deserializer(self) -> Self::Deserializer {
            MapDeserializer::new(std::iter::once((Key, self.0)))
        }
    }

    struct Key;

    impl IntoDeserializer<'static> for Key {
        type Deserializer = BorrowedStrDeserializer<'static, Error>;

        fn into_deserializer(self) -> Self::Deserializer {
            BorrowedStrDeserializer::new(NUMBER)
        }
    }

    fn read(text: &'static str, syntax: &Syntax) -> Result<Document, Error> {
        let builder = Builder::new("[1]".into(), Reservation::unlimited());
        let mut reading = Reading { builder, syntax, exhausted: false };
        ValueSeed { reading: &mut reading, depth: 0 }
            .deserialize(Shown(text).into_deserializer())?;
        Ok(reading.builder.finish())
    }

    #[test]
    fn a_number_that_comes_as_its_text_is_the_same_number() {
        // No object is allowed, and no second value.
        let syntax = Syntax::default().max_depth(0).max_values(1);
        for text in [
            "0",
            "-0",
            "1",
            "1.0",
            "-1",
            "1e2",
            "0.1",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "-9223372036854775809",
            "1e308",
            "5e-324",
        ] {
            let plain = Document::parse(text, &syntax).unwrap();
            let shown = read(text, &syntax).unwrap();
            assert_eq!(shown.root().as_number(), plain.root().as_number(), "{text}");
            assert!(shown.root().as_number().is_some(), "{text}");
        }
        for text in ["1e400", "-1e400"] {
            assert_eq!(read(text, &syntax).unwrap_err().to_string(), "number out of range");
        }
        let safe = syntax.numbers(Numbers::Safe);
        assert!(read("9007199254740992", &safe).is_err());
    }
}
