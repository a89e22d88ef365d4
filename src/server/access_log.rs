//! The lines of requests, as JSON, without the cost of a general log: written by hand into memory, and from there to standard error
//! several times a second.
//!
//! They look like the other lines of the log. People at a terminal get them the other way.

use std::{
    fmt::{self, Display, Write as _},
    io::{self, Write as _},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
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
    /// The second for which `date` was made.
    second: u64,
    /// As in `2027-01-31T12:00:00`.
    date: String,
}

impl AccessLog {
    /// Writes a line: the time, and what `fields` adds.
    pub(super) fn line(&self, fields: impl FnOnce(&mut Line<'_>)) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.begin(now);
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
    fn begin(&mut self, now: Duration) {
        if self.date.is_empty() || self.second != now.as_secs() {
            self.second = now.as_secs();
            let second = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
            let time = jiff::Timestamp::from_second(second).unwrap_or_default();
            self.date = time.to_string().trim_end_matches('Z').to_owned();
        }
        let Self { text, date, .. } = self;
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            r#"{{"timestamp":"{date}.{:06}Z","level":"INFO","message":"request""#,
            now.subsec_micros()
        );
    }
}

/// A line in the making.
pub(super) struct Line<'a>(&'a mut String);

impl Line<'_> {
    /// Text that may hold anything.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.push('"');
        self.escaped(value);
        self.0.push('"');
    }

    /// The same, where there may be none.
    pub(super) fn text_if_any(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// What is displayed.
    pub(super) fn display(&mut self, name: &str, value: &impl Display) {
        self.name(name);
        self.0.push('"');
        let _ = write!(Escape(self), "{value}");
        self.0.push('"');
    }

    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        let _ = write!(self.0, "{value}");
    }

    pub(super) fn yes(&mut self, name: &str) {
        self.name(name);
        self.0.push_str("true");
    }

    /// Names are ours.
    fn name(&mut self, name: &str) {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn escaped(&mut self, text: &str) {
        // Nearly always: a look at bytes is a fraction of one at characters.
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
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

    #[test]
    fn lines_are_json() {
        let mut buffer = Buffer::default();
        let hostile = "a\"b\\c\nd\u{7f}e\u{85}é\u{1f600}";
        for (now, want) in [
            (Duration::from_micros(1_700_000_000_000_042), "2023-11-14T22:13:20.000042Z"),
            (Duration::from_millis(1_700_000_000_999), "2023-11-14T22:13:20.999000Z"),
            (Duration::from_secs(1_700_000_001), "2023-11-14T22:13:21.000000Z"),
        ] {
            buffer.text.clear();
            buffer.begin(now);
            let mut line = Line(&mut buffer.text);
            line.text("route", hostile);
            line.text_if_any("account", None);
            line.display("reason", &hostile);
            line.number("status", 200);
            line.yes("broken_off");
            buffer.text.push('}');
            let found: Value = serde_json::from_str(&buffer.text).unwrap();
            let wanted = json!({
                "timestamp": want, "level": "INFO", "message": "request", "route": hostile,
                "reason": hostile, "status": 200, "broken_off": true,
            });
            assert_eq!(found, wanted);
        }
    }
}
