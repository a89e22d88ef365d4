//! A stream cut into its events, whatever the pieces in which it arrives; every byte is kept.

use crate::media_type;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use memchr::memchr2;

/// How the events of a stream are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events (WHATWG HTML, section 9.2.5): lines, and an empty one at the end of each event.
    Sse,
    /// A JSON value a line.
    JsonLines,
}

impl Framing {
    /// In which framing a message has its events, by its `Content-Type`.
    pub(crate) fn of_message(headers: &HeaderMap) -> Option<Self> {
        Self::of(&media_type::essence(headers)?)
    }

    /// In which framing a media type, in small letters and without parameters, has its events.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "text/event-stream" => Some(Self::Sse),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/jsonlines"
            | "application/json-lines"
            | "application/stream+json"
            | "application/x-json-stream" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// One event, or a part of one that is too long to be looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// As it came, the end included.
    pub(crate) raw: Bytes,
    /// Whether it is whole. What is not is passed on without a look.
    pub(crate) whole: bool,
    /// Whether the event ends with it.
    pub(crate) ends: bool,
}

/// Cuts a stream into events of at most so many bytes.
#[derive(Debug)]
pub(crate) struct Splitter {
    framing: Framing,
    max_bytes: usize,
    /// What has arrived of the event that is not whole yet.
    held: BytesMut,
    /// How much of it was looked at.
    seen: usize,
    /// The line that begins there has nothing in it so far.
    at_line_start: bool,
    /// The byte before is a CR, so that an LF is the end of the same line.
    after_cr: bool,
    /// The event is too long, and the beginning of it gone.
    oversized: bool,
}

impl Splitter {
    pub(crate) fn new(framing: Framing, max_bytes: usize) -> Self {
        Self {
            framing,
            max_bytes,
            held: BytesMut::new(),
            seen: 0,
            at_line_start: true,
            after_cr: false,
            oversized: false,
        }
    }

    /// The next bytes of the stream. Take what [`next`](Self::next) gives before there are more.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if self.held.is_empty() {
            // Most events arrive whole: then nothing is copied.
            self.held = bytes.into();
        } else {
            self.held.extend_from_slice(&bytes);
        }
    }

    /// The next event that is whole; of empty lines between events, as many as there are.
    pub(crate) fn next(&mut self) -> Option<Piece> {
        if let Some(raw) = self.blank_lines() {
            return Some(Piece { raw, whole: true, ends: true });
        }
        if let Some(end) = self.end() {
            let raw = self.held.split_to(end).freeze();
            self.seen = 0;
            // In however many pieces it has come: too long is too long.
            let whole = !std::mem::take(&mut self.oversized) && end <= self.max_bytes;
            return Some(Piece { raw, whole, ends: true });
        }
        if self.held.len() > self.max_bytes {
            self.oversized = true;
            self.seen = 0;
            return Some(Piece { raw: self.held.split().freeze(), whole: false, ends: false });
        }
        None
    }

    /// What is left when the stream has ended: an event whose end is missing.
    pub(crate) fn rest(&mut self) -> Option<Piece> {
        self.seen = 0;
        let whole = !std::mem::take(&mut self.oversized) && self.held.len() <= self.max_bytes;
        (!self.held.is_empty()).then(|| Piece {
            raw: self.held.split().freeze(),
            whole,
            ends: false,
        })
    }

    /// Line ends where an event would begin, the LF of a CR that has gone on already among them.
    fn blank_lines(&mut self) -> Option<Bytes> {
        if self.seen > 0 || self.oversized || !self.at_line_start || self.framing != Framing::Sse {
            return None;
        }
        let is_end = |byte: &&u8| matches!(**byte, b'\r' | b'\n');
        let end = self.held.iter().take_while(is_end).count();
        let last = *self.held.get(end.checked_sub(1)?)?;
        self.after_cr = last == b'\r';
        Some(self.held.split_to(end).freeze())
    }

    /// Where the event ends, if it does.
    fn end(&mut self) -> Option<usize> {
        while self.seen < self.held.len() {
            let rest = &self.held[self.seen..];
            if self.after_cr {
                self.after_cr = false;
                if rest[0] == b'\n' {
                    self.seen += 1;
                    continue;
                }
            }
            let Some(at) = memchr2(b'\r', b'\n', rest) else {
                self.at_line_start = false;
                self.seen = self.held.len();
                return None;
            };
            let is_empty_line = self.at_line_start && at == 0;
            self.after_cr = rest[at] == b'\r';
            self.at_line_start = true;
            self.seen += at + 1;
            match self.framing {
                // A CR alone is space to JSON, and no end.
                Framing::JsonLines if self.after_cr => self.after_cr = false,
                Framing::JsonLines => return Some(self.seen),
                Framing::Sse if is_empty_line => {
                    // The LF of the last line end belongs to it, if it is there already.
                    if self.after_cr && self.held.get(self.seen) == Some(&b'\n') {
                        self.after_cr = false;
                        self.seen += 1;
                    }
                    return Some(self.seen);
                }
                Framing::Sse => {}
            }
        }
        None
    }
}

/// What an event says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name; `message` where it gives none.
    pub(crate) name: Option<String>,
    /// Its data: the lines of it, with LF between them. `None`: nothing is dispatched, such as for a comment.
    pub(crate) data: Option<Bytes>,
}

impl Event {
    /// Reads an event.
    pub(crate) fn read(framing: Framing, raw: &Bytes) -> Self {
        match framing {
            Framing::Sse => Self::read_sse(raw),
            Framing::JsonLines => {
                let line = raw.trim_ascii();
                Self { name: None, data: (!line.is_empty()).then(|| raw.slice_ref(line)) }
            }
        }
    }

    fn read_sse(raw: &Bytes) -> Self {
        let text = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw).trim_ascii();
        if let [b'{' | b'[', ..] = text {
            // No field begins like that: it is JSON under the wrong type.
            return Self { name: None, data: Some(raw.slice_ref(text)) };
        }
        let mut event = Self::default();
        let mut joined: Option<BytesMut> = None;
        for line in lines(raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw)) {
            let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            let (field, value) = (&line[..colon], line.get(colon + 1..).unwrap_or_default());
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match field {
                b"event" if value.is_empty() => event.name = None,
                b"event" => event.name = Some(String::from_utf8_lossy(value).into_owned()),
                b"data" => match (&event.data, &mut joined) {
                    (None, _) => event.data = Some(raw.slice_ref(value)),
                    (Some(_), Some(joined)) => {
                        joined.extend_from_slice(b"\n");
                        joined.extend_from_slice(value);
                    }
                    (Some(first), None) => {
                        let mut lines = BytesMut::from(&first[..]);
                        lines.extend_from_slice(b"\n");
                        lines.extend_from_slice(value);
                        joined = Some(lines);
                    }
                },
                _ => {}
            }
        }
        if let Some(joined) = joined {
            event.data = Some(joined.freeze());
        }
        event
    }
}

/// The lines of a text, which end in CR LF, LF or CR.
fn lines(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let end = memchr2(b'\r', b'\n', text).unwrap_or(text.len());
        let line = &text[..end];
        let skip = match &text[end..] {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => 0,
        };
        text = &text[end + skip..];
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(framing: Framing, max_bytes: usize, pieces: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let mut splitter = Splitter::new(framing, max_bytes);
        let mut events = Vec::new();
        for piece in pieces {
            splitter.push(Bytes::copy_from_slice(piece));
            while let Some(piece) = splitter.next() {
                events.push((piece.raw.to_vec(), piece.whole));
            }
        }
        events.extend(splitter.rest().map(|piece| (piece.raw.to_vec(), piece.whole)));
        events
    }

    #[test]
    fn where_events_end() {
        let table: &[(Framing, &str, &[&str])] = &[
            (Framing::Sse, "data: a\n\ndata: b\n\n", &["data: a\n\n", "data: b\n\n"]),
            (
                Framing::Sse,
                "data: a\r\n\r\ndata: b\r\n\r\n",
                &["data: a\r\n\r\n", "data: b\r\n\r\n"],
            ),
            (Framing::Sse, "data: a\r\rdata: b\r\r", &["data: a\r\r", "data: b\r\r"]),
            (Framing::Sse, "data: a\ndata: b\n\n", &["data: a\ndata: b\n\n"]),
            (Framing::Sse, "data: a\r\n\ndata: b\n\r\n", &["data: a\r\n\n", "data: b\n\r\n"]),
            (Framing::Sse, ": hi\n\n\n\r\ndata: a", &[": hi\n\n", "\n\r\n", "data: a"]),
            (Framing::Sse, "data: a\n", &["data: a\n"]),
            (Framing::Sse, "", &[]),
            (Framing::JsonLines, "{}\n[1]\r\n\n2", &["{}\n", "[1]\r\n", "\n", "2"]),
        ];
        for (framing, text, want) in table {
            let got: Vec<_> = split(*framing, 1000, &[text.as_bytes()]);
            let want: Vec<_> = want.iter().map(|event| (event.as_bytes().to_vec(), true)).collect();
            assert_eq!(got, want, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_passed_on() {
        let long = "x".repeat(50);
        let text = format!("data: {long}\n\ndata: a\n\n");
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(20).collect();
        let events = split(Framing::Sse, 30, &pieces);
        let all: Vec<u8> = events.iter().flat_map(|(raw, _)| raw.clone()).collect();
        assert_eq!(all, text.as_bytes());
        assert_eq!(events.last().unwrap(), &(b"data: a\n\n".to_vec(), true));
        assert!(events[..events.len() - 1].iter().all(|(_, whole)| !whole), "{events:?}");
    }

    #[test]
    fn what_events_say() {
        let table = [
            ("data: a\n\n", None, Some("a")),
            ("data:a\n\n", None, Some("a")),
            ("data:  a\n\n", None, Some(" a")),
            ("data\n\n", None, Some("")),
            ("event: error\ndata: {\r\ndata: }\rdata: x\n\n", Some("error"), Some("{\n}\nx")),
            (": a comment\n\n", None, None),
            ("id: 1\nretry: 5\n\n", None, None),
            ("event: x\nevent: y\n\n", Some("y"), None),
            ("event: x\nevent:\ndata: a\n\n", None, Some("a")),
            ("\u{feff} {\n\"a\": \"data: b\"}", None, Some("{\n\"a\": \"data: b\"}")),
            ("[1]\n\n", None, Some("[1]")),
            ("\u{feff}data: a\n\n", None, Some("a")),
            ("\n", None, None),
        ];
        for (text, name, data) in table {
            let event = Event::read(Framing::Sse, &Bytes::from(text));
            assert_eq!(event.name.as_deref(), name, "{text:?}");
            assert_eq!(event.data.as_deref(), data.map(str::as_bytes), "{text:?}");
        }
        let line = Event::read(Framing::JsonLines, &Bytes::from(" {\"a\":1}\r\n"));
        assert_eq!(line.data.as_deref(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(Event::read(Framing::JsonLines, &Bytes::from("\r\n")).data, None);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            lines in prop::collection::vec(("(data|event|:|id)?:? ?[a-z]{0,5}", 0..3_usize), 0..20),
            cuts in prop::collection::vec(0..200_usize, 0..12),
            max_bytes in 1..60_usize,
        ) {
            let ends = ["\n", "\r\n", "\r"];
            let text: String = lines.iter().map(|(line, end)| format!("{line}{}", ends[*end])).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            for framing in [Framing::Sse, Framing::JsonLines] {
                let events = |pieces: &[&[u8]]| -> Vec<Event> {
                    let events = split(framing, 1000, pieces);
                    events.iter().map(|(raw, _)| Event::read(framing, &Bytes::copy_from_slice(raw)))
                        .filter(|event| event.data.is_some()).collect()
                };
                prop_assert_eq!(events(&[text.as_bytes()]), events(&pieces));
                for max_bytes in [max_bytes, 1000] {
                    let all: Vec<u8> = split(framing, max_bytes, &pieces).into_iter().flat_map(|(raw, _)| raw).collect();
                    prop_assert_eq!(&all[..], text.as_bytes());
                }
            }
        }
    }
}
