//! The body of an answer as evidence: decoded, and read as JSON where it is JSON.

use crate::{
    decode::{Decoder, Extent, decode_whole},
    json::{Document, Duplicates, Syntax},
};
use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8};
use http::{HeaderMap, header};
use serde::de::IgnoredAny;

/// What was read of a body.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Content {
    /// Nothing: it was not looked at, or is longer than what is looked at.
    #[default]
    Unread,
    /// There is none, or only blanks.
    Empty,
    /// JSON.
    Json(Document),
    /// Well-formed JSON that cannot be represented, such as nested beyond measure.
    Opaque,
    /// Something else.
    Text(String),
    /// It is not in the coding that its header fields name, or longer than allowed when decoded.
    Undecodable,
}

/// What a provider may do with JSON; it was asked, and is not an attacker of parsers further on.
fn syntax() -> Syntax {
    Syntax::default().max_depth(usize::MAX).max_values(usize::MAX).duplicates(Duplicates::Last)
}

impl Content {
    /// Reads a whole body, of which at most this many bytes count after decoding.
    ///
    /// `Content-Encoding` is undone (gzip, br, zstd, deflate), then the charset of `Content-Type`; JSON is recognised under any media type.
    pub fn read(headers: &HeaderMap, body: Bytes, max_bytes: usize) -> Self {
        let body = match Decoder::of(headers) {
            Ok(None) => body,
            // A content of no bytes at all is empty, whatever its coding.
            Ok(Some(_)) if body.is_empty() => body,
            Ok(Some(decoder)) => match decode_whole(decoder, body, max_bytes) {
                (decoded, Extent::Whole) => decoded,
                _ => return Self::Undecodable,
            },
            Err(_) => return Self::Undecodable,
        };
        Self::of_text(transcode(headers, body))
    }

    /// Reads a text in UTF-8.
    pub(crate) fn of_text(text: Bytes) -> Self {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let Some(first) = text.iter().find(|byte| !blank(byte)) else { return Self::Empty };
        let may_be_json =
            matches!(first, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n');
        if may_be_json {
            let parse = |text| Document::parse(text, &syntax());
            // The provider has cut a text of somebody's in two, or has an encoding of its own: that it is a failure is said beside it.
            if let Ok(document) = parse(text.clone()).or_else(|_| parse(mended(&text))) {
                return Self::Json(document);
            }
            if serde_json::from_slice::<IgnoredAny>(&text).is_ok() {
                return Self::Opaque;
            }
        }
        Self::Text(String::from_utf8_lossy(&text).into_owned())
    }

    /// The whole of what was read, JSON or not.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Json(document) => Some(document.text()),
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether nothing is known of it.
    pub(super) const fn is_unread(&self) -> bool {
        matches!(self, Self::Unread | Self::Undecodable)
    }

    /// Whether it was read, and is JSON.
    pub(crate) const fn is_json(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Opaque)
    }
}

/// The text with U+FFFD in the place of what is not UTF-8, and of escapes that are half a surrogate pair.
fn mended(text: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let unit =
            |escape: &str| u32::from_str_radix(escape.strip_prefix("\\u")?.get(..4)?, 16).ok();
        let second = escape.get(6..).and_then(unit);
        let taken = match (unit(escape), second) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => {
                out.push('\u{fffd}');
                rest = &escape[6..];
                continue;
            }
            // A backslash and what it escapes, which may be another one.
            _ => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&escape[..taken]);
        rest = &escape[taken..];
    }
    out.push_str(rest);
    out.into()
}

/// The body in UTF-8, without a byte order mark.
fn transcode(headers: &HeaderMap, body: Bytes) -> Bytes {
    let marked = Encoding::for_bom(&body).map(|(encoding, _)| encoding);
    let encoding = marked.or_else(|| charset(headers)).unwrap_or(UTF_8);
    if encoding == UTF_8 {
        return match body.strip_prefix(b"\xef\xbb\xbf") {
            Some(_) => body.slice(3..),
            None => body,
        };
    }
    Bytes::from(encoding.decode(&body).0.into_owned())
}

fn charset(headers: &HeaderMap) -> Option<&'static Encoding> {
    let line = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    line.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| Encoding::for_label(value.trim().trim_matches('"').as_bytes())).flatten()
    })
}
