//! Captured answers: one as it was on the wire, or several as JSON lines.

use crate::profile::Verdict;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use std::collections::BTreeMap;

/// An answer of a provider.
#[derive(Debug)]
pub(super) struct Captured {
    /// Where it begins.
    pub(super) line: usize,
    pub(super) profile: Option<String>,
    /// What it is said to mean.
    pub(super) expect: Option<&'static str>,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) line: usize,
    pub(super) message: String,
}

impl Mistake {
    fn at(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

/// Reads whichever it is.
pub(super) fn parse(text: Bytes) -> Result<Vec<Captured>, Vec<Mistake>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").map_or(text.clone(), |rest| text.slice_ref(rest));
    let begin = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let line = 1 + text[..begin].iter().filter(|byte| **byte == b'\n').count();
    match text.get(begin) {
        Some(b'{') => json_lines(&text),
        Some(b'H' | b'h') => {
            raw(text.slice(begin..), line).map(|answer| vec![answer]).map_err(|m| vec![m])
        }
        Some(_) => Err(vec![Mistake::at(
            line,
            "expected a status line such as HTTP/1.1 429, as `curl -i` prints it, or a JSON object a line",
        )]),
        None => Err(vec![Mistake::at(1, "nothing is in it")]),
    }
}

/// A response of HTTP/1, or what curl makes of one of HTTP/2. Of several heads the last counts: those before are of 100
/// Continue, of a proxy or of redirects.
fn raw(text: Bytes, mut line: usize) -> Result<Captured, Mistake> {
    let first = line;
    let mut rest = &text[..];
    loop {
        let status = status_line(next_line(&mut rest)).ok_or_else(|| {
            Mistake::at(line, "expected a status line such as HTTP/1.1 429 Too Many Requests")
        })?;
        line += 1;
        let mut headers = HeaderMap::new();
        loop {
            let field = next_line(&mut rest);
            if field.is_empty() {
                break;
            }
            let (name, value) = header_field(field).ok_or_else(|| {
                Mistake::at(line, "expected a header field, or an empty line before the body")
            })?;
            headers.append(name, value);
            line += 1;
        }
        line += 1;
        if status_line(next_line(&mut &rest[..])).is_some() {
            continue;
        }
        let is_chunked = headers
            .get_all(header::TRANSFER_ENCODING)
            .iter()
            .any(|coding| coding.as_bytes().to_ascii_lowercase().ends_with(b"chunked"));
        // curl has taken the chunks apart, and leaves the field; other captures have not.
        let body = is_chunked.then(|| without_chunks(rest)).flatten();
        let body = body.map_or_else(|| text.slice_ref(rest), Bytes::from);
        return Ok(Captured { line: first, profile: None, expect: None, status, headers, body });
    }
}

/// What is in these chunks (RFC 9112, section 7.1); `None` when they are none.
fn without_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = next_line(&mut rest);
        let size = line.split(|byte| *byte == b';').next()?.trim_ascii();
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let (chunk, after) = rest.split_at_checked(size)?;
        body.extend_from_slice(chunk);
        rest = after;
        if !next_line(&mut rest).is_empty() {
            return None;
        }
    }
}

/// Takes a line, without its end.
fn next_line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (line, after) = match end {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (*rest, &[][..]),
    };
    *rest = after;
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// `HTTP/1.1 429 Too Many Requests`, `HTTP/2 429`.
fn status_line(line: &[u8]) -> Option<StatusCode> {
    let (version, rest) = line.split_at_checked(5)?;
    let space = rest.iter().position(|byte| *byte == b' ')?;
    let number = rest[..space].iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let is_http = version.eq_ignore_ascii_case(b"HTTP/") && number && space > 0;
    let (status, phrase) = rest[space + 1..].split_at_checked(3)?;
    (is_http && matches!(phrase, [] | [b' ', ..]))
        .then(|| StatusCode::from_bytes(status).ok())
        .flatten()
}

fn header_field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
}

fn json_lines(text: &Bytes) -> Result<Vec<Captured>, Vec<Mistake>> {
    let (mut answers, mut mistakes) = (Vec::new(), Vec::new());
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    for (i, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        match json_line(i + 1, line) {
            Ok(answer) => answers.push(answer),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(answers) } else { Err(mistakes) }
}

/// A line; what else is in it is for people.
#[derive(Deserialize)]
struct Line {
    profile: Option<String>,
    expect: Option<String>,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, Values>,
    #[serde(default)]
    body: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

fn json_line(number: usize, text: &[u8]) -> Result<Captured, Mistake> {
    let mistake = |message: String| Mistake::at(number, message);
    let line: Line = serde_json::from_slice(text).map_err(|error| {
        let message = error.to_string();
        // It counts lines of its own, of which there is one.
        mistake(message.replace(" at line 1 column ", " at column "))
    })?;
    let status = StatusCode::from_u16(line.status)
        .map_err(|_| mistake(format!("{} is no status", line.status)))?;
    let mut headers = HeaderMap::new();
    for (name, values) in line.headers {
        let values = match values {
            Values::One(value) => vec![value],
            Values::Many(values) => values,
        };
        for value in values {
            let field = HeaderName::try_from(&name).ok().zip(HeaderValue::try_from(value).ok());
            let (name, value) =
                field.ok_or_else(|| mistake(format!("{name:?} is no header field that can be")))?;
            headers.append(name, value);
        }
    }
    let expect = line.expect.map(|word| {
        let known = Verdict::words().find(|known| *known == word);
        known.ok_or_else(|| {
            let known = Verdict::words().collect::<Vec<_>>().join(", ");
            mistake(format!("expect: there is no fault {word}, only {known}"))
        })
    });
    let body = match line.body {
        serde_json::Value::Null => Bytes::new(),
        serde_json::Value::String(text) => text.into(),
        json => json.to_string().into(),
    };
    let expect = expect.transpose()?;
    Ok(Captured { line: number, profile: line.profile, expect, status, headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &[u8]) -> Result<(u16, String, Vec<u8>), String> {
        let read = parse(Bytes::copy_from_slice(text));
        let answer = read.map_err(|m| format!("{}: {}", m[0].line, m[0].message))?.remove(0);
        let fields: Vec<_> = answer
            .headers
            .iter()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        Ok((answer.status.as_u16(), fields.join(" "), answer.body.to_vec()))
    }

    #[test]
    fn raw_answers() {
        let table: &[(&[u8], u16, &str, &[u8])] = &[
            (b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\n{}", 429, "retry-after=7", b"{}"),
            (b"HTTP/2 200 \nx: 1\nX:2\n\na\n\nb\n", 200, "x=1 x=2", b"a\n\nb\n"),
            (b"\n\nHTTP/1.0 500\n\n\xff\xfe\r\n", 500, "", b"\xff\xfe\r\n"),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\na: b\r\n\r\nc", 201, "a=b", b"c"),
            (
                b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/2 302 \r\nlocation: /\r\n\r\nHTTP/2 404 \r\n\r\n",
                404,
                "",
                b"",
            ),
            (b"HTTP/1.1 200 OK\nx: \xfc\n\nHTTP/1.1 is what this body is about", 200, "x=\u{fffd}",
             b"HTTP/1.1 is what this body is about"),
            (b"HTTP/1.1 204 No Content", 204, "", b""),
        ];
        for (text, status, fields, body) in table {
            let want = Ok((*status, (*fields).to_owned(), body.to_vec()));
            assert_eq!(one(text), want, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn what_is_none() {
        let table: &[(&[u8], &str)] = &[
            (b"", "1: nothing"),
            (b"\n \n", "1: nothing"),
            (b"\n<html>", "2: expected a status line"),
            (b"HTTP/1.1 abc\n\n", "1: expected a status line"),
            (b"HTTP/1.1 2000\n\n", "1: expected a status line"),
            (b"HTTP/1.1 200 OK\na: b\nno field\n\n", "3: expected a header field"),
            (b"{\"status\":200}\n\n{\"status\":\"x\"}", "3: invalid type"),
            (b"{\"status\":200", "1: EOF"),
            (b"{\"headers\":{}}", "1: missing field `status`"),
            (b"{\"status\":99}", "1: 99 is no status"),
            (b"{\"status\":200,\"headers\":{\"a b\":\"c\"}}", "1: \"a b\" is no header field"),
            (
                b"{\"status\":200,\"expect\":\"fine\"}",
                "1: expect: there is no fault fine, only ok,",
            ),
        ];
        for (text, want) in table {
            let error = one(text).unwrap_err();
            assert!(error.starts_with(want), "{}: {error}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn lines() {
        let text =
            "{\"status\":200,\"body\":{\"a\":1},\"headers\":{\"x\":[\"1\",\"2\"]},\"note\":null}";
        assert_eq!(one(text.as_bytes()), Ok((200, "x=1 x=2".to_owned(), b"{\"a\":1}".to_vec())));
        let text = "\u{feff}{\"status\":500,\"body\":\"\u{fc}\\u0000\",\"expect\":\"ok\",\"profile\":\"p\"}\r\n";
        assert_eq!(one(text.as_bytes()), Ok((500, String::new(), b"\xc3\xbc\0".to_vec())));
    }
}
