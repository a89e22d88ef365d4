//! The lines of requests, as JSON, without the cost of a general log: written by hand into memory, and from there to standard error
//! several times a second.
//!
//! They look like the other lines of the log. People at a terminal get them the other way.

use std::{
    fmt::{self, Display, Write as _},
    io::{self, Write as _},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How often what has come together is written.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);
/// When there is so much, it is written at once.
const MOST: usize = 64 * 1024;

/// Lines that are still to be written.
#[derive(Default)]
pub(crate) struct AccessLog {
    buffer: Mutex<Buffer>,
}

#[derive(Default)]
struct Buffer {
    text: String,
    second: Option<Second>,
}

/// A second of the calendar. The clock that people live by is asked once for it, and not for every line.
struct Second {
    began: Instant,
    /// How a line begins that is written in it: as in `{"timestamp":"2027-01-31T12:00:00.`.
    start: String,
}

/// How a line goes on behind the time.
const MESSAGE: &str = r#"Z","level":"INFO","message":"request""#;

impl AccessLog {
    /// Writes a line: the time, and what `fields` adds.
    pub(super) fn line(&self, time: Instant, fields: impl FnOnce(&mut Line<'_>)) {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have passed a while ago: whoever writes is waited for.
        buffer.begin(time, || {
            let now = SystemTime::now();
            now.checked_sub(time.elapsed()).unwrap_or(now)
        });
        fields(&mut Line(&mut buffer.text));
        buffer.text.push_str("}\n");
        if buffer.text.len() >= MOST {
            write_out(&mut buffer.text);
        }
    }

    /// Writes what has come together.
    pub(crate) fn flush(&self) {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        if !buffer.text.is_empty() {
            write_out(&mut buffer.text);
        }
    }
}

#[cfg(test)]
impl AccessLog {
    /// Takes what has come together away.
    pub(super) fn discard(&self) -> String {
        std::mem::take(&mut self.buffer.lock().unwrap().text)
    }

    /// The same, shortly before it would be written by itself.
    pub(super) fn discard_when_full(&self) {
        let text = &mut self.buffer.lock().unwrap().text;
        if text.len() > MOST - 1024 {
            text.clear();
        }
    }
}

/// Whoever is last does not forget the rest.
impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").finish_non_exhaustive()
    }
}

fn write_out(text: &mut String) {
    // If even that fails there is nobody to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
    text.clear();
}

impl Buffer {
    /// The beginning of a line of this time; `wall` tells what the calendar says of it.
    fn begin(&mut self, time: Instant, wall: impl FnOnce() -> SystemTime) {
        let since = |second: &Second| time.checked_duration_since(second.began);
        let into = match self.second.as_ref().and_then(since) {
            Some(into) if into < Duration::from_secs(1) => into,
            _ => {
                let (second, into) = Second::of(time, wall());
                self.second = Some(second);
                into
            }
        };
        let mut micros = into.subsec_micros();
        let mut digits = *b"000000";
        for digit in digits.iter_mut().rev() {
            *digit += (micros % 10) as u8;
            micros /= 10;
        }
        let text = &mut self.text;
        text.push_str(self.second.as_ref().map_or("", |second| &second.start));
        text.push_str(std::str::from_utf8(&digits).unwrap_or_default());
        text.push_str(MESSAGE);
    }
}

impl Second {
    /// The one that this time is in, and how much of it was over.
    fn of(time: Instant, wall: SystemTime) -> (Self, Duration) {
        let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let into = Duration::from_nanos(wall.subsec_nanos().into());
        let second = i64::try_from(wall.as_secs()).unwrap_or(i64::MAX);
        let date = jiff::Timestamp::from_second(second).unwrap_or_default().to_string();
        let start = format!(r#"{{"timestamp":"{}."#, date.trim_end_matches('Z'));
        (Self { began: time.checked_sub(into).unwrap_or(time), start }, into)
    }
}

/// A line in the making.
pub(super) struct Line<'a>(&'a mut String);

/// How a field begins: as in `,"status":`.
#[derive(Clone, Copy)]
pub(super) struct Name(pub(super) &'static str);

/// The field's name. A piece whose length is known is copied without a call.
macro_rules! name {
    ($name:literal) => {
        $crate::server::access_log::Name(concat!(",\"", $name, "\":"))
    };
}
pub(super) use name;

impl Line<'_> {
    /// A word in which nothing has to be escaped: one of ours, or a token of HTTP.
    #[inline]
    pub(super) fn word(&mut self, name: Name, word: &str) {
        self.open(name);
        self.0.push_str(word);
        self.0.push('"');
    }

    /// Text that may hold anything.
    #[inline]
    pub(super) fn text(&mut self, name: Name, value: &str) {
        self.open(name);
        self.escaped(value);
        self.0.push('"');
    }

    /// The same, where there may be none.
    #[inline]
    pub(super) fn text_if_any(&mut self, name: Name, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// What is displayed.
    pub(super) fn display(&mut self, name: Name, value: &impl Display) {
        self.open(name);
        // Writing to a string cannot fail.
        let _ = write!(Escape(self), "{value}");
        self.0.push('"');
    }

    #[inline]
    pub(super) fn number(&mut self, name: Name, value: u64) {
        self.0.push_str(name.0);
        self.0.push_str(itoa::Buffer::new().format(value));
    }

    pub(super) fn yes(&mut self, name: Name) {
        self.0.push_str(name.0);
        self.0.push_str("true");
    }

    #[inline]
    fn open(&mut self, name: Name) {
        self.0.push_str(name.0);
        self.0.push('"');
    }

    fn escaped(&mut self, text: &str) {
        // Nearly always. All bytes are looked at, many at a time: cheaper than to stop at the first.
        let is_special = |byte: u8| !matches!(byte, b' '..=b'~') | (byte == b'"') | (byte == b'\\');
        if !text.bytes().fold(false, |special, byte| special | is_special(byte)) {
            self.0.push_str(text);
            return;
        }
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c.is_control()) {
            let (plain, special) = rest.split_at(at);
            self.0.push_str(plain);
            let mut chars = special.chars();
            match chars.next() {
                Some(c @ ('"' | '\\')) => self.0.extend(['\\', c]),
                Some(c) => {
                    let _ = write!(self.0, "\\u{:04x}", u32::from(c));
                }
                None => {}
            }
            rest = chars.as_str();
        }
        self.0.push_str(rest);
    }
}

struct Escape<'a, 'b>(&'a mut Line<'b>);

impl fmt::Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.escaped(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The line of a request at such a time, when so much has passed since the first.
    fn line(buffer: &mut Buffer, now: Instant, wall: Duration, text: &str) -> Value {
        buffer.text.clear();
        buffer.begin(now, || UNIX_EPOCH + wall);
        let mut line = Line(&mut buffer.text);
        line.word(name!("method"), "GET");
        line.text(name!("route"), text);
        line.text_if_any(name!("account"), None);
        line.display(name!("reason"), &text);
        line.number(name!("status"), 200);
        line.yes(name!("broken_off"));
        buffer.text.push('}');
        serde_json::from_str(&buffer.text).unwrap()
    }

    #[test]
    fn lines_are_json() {
        let mut buffer = Buffer::default();
        let mut texts = vec!["a\"b\\c\nd\u{7f}e\u{85}é\u{1f600}".to_owned()];
        // Each byte there is, before and behind any number of those that are looked at together.
        texts.extend((0..=0x7f).map(|byte: u8| {
            let around = |bytes: u8| "a".repeat(bytes.into());
            format!("{}{}{}", around(byte), char::from(byte), around(byte.reverse_bits()))
        }));
        for text in texts {
            let found = line(&mut buffer, Instant::now(), Duration::from_secs(1), &text);
            let wanted = json!({
                "timestamp": found["timestamp"], "level": "INFO", "message": "request", "method": "GET",
                "route": text, "reason": text, "status": 200, "broken_off": true,
            });
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        let mut buffer = Buffer::default();
        let began = Instant::now();
        let micros = Duration::from_micros;
        // How much has passed, what the calendar says if it is asked, and what is written.
        for (passed, wall, want) in [
            (0, 1_700_000_000_000_042, "2023-11-14T22:13:20.000042Z"),
            (999_900, 0, "2023-11-14T22:13:20.999942Z"),
            // Asked again with a new second…
            (999_958, 1_700_000_001_000_000, "2023-11-14T22:13:21.000000Z"),
            (1_000_000, 0, "2023-11-14T22:13:21.000042Z"),
            // …or after a long silence, also when it was set back meanwhile…
            (9_000_000, 1_700_000_000_500_000, "2023-11-14T22:13:20.500000Z"),
            // …and by whoever has looked at the clock before that second began.
            (7_000_000, 1_699_999_999_999_999, "2023-11-14T22:13:19.999999Z"),
        ] {
            let found = line(&mut buffer, began + micros(passed), micros(wall), "");
            assert_eq!(found["timestamp"], want, "{passed}");
        }
    }
}
