use super::{Limits, target};
use crate::Fault;
use httparse::{Header, Request, Status};
use memchr::memchr_iter;
use std::mem::MaybeUninit;

/// No head has more fields than this, whatever [`Limits::fields`] says.
pub(super) const MAX_FIELDS: usize = 256;

/// `http::HeaderName` holds no longer names, and hyper does not expect one.
const MAX_NAME: usize = 1024;

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes of body.
    Length(u64),
    /// A chunked body.
    Chunked,
    /// Another protocol, if the service agrees: `Upgrade` or `CONNECT`.
    Raw,
}

/// What the next bytes of a connection are, where a head is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A head of so many bytes.
    Head(usize),
    /// The beginning of one.
    Partial,
    /// CR LF before a request line.
    Blank,
}

/// A refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) fault: Fault,
    /// The fault was clear after so many bytes, however many more were there already.
    pub(super) seen: usize,
}

/// Finds the end of the head that `bytes` begin with, of which the first `searched` have been looked at.
///
/// The answer does not depend on how many bytes are there beyond the place that decides.
pub(super) fn find(bytes: &[u8], searched: usize, limits: &Limits) -> Result<Found, Bad> {
    let bad = |fault, seen| Err(Bad { fault, seen });
    match bytes {
        [] | [b'\r'] => return Ok(Found::Partial),
        [b'\r', b'\n', ..] => return Ok(Found::Blank),
        [b'\r', ..] => return bad(bare_cr(), 2),
        [b'\n', ..] => return bad(bare_lf(), 1),
        // Without this, a TLS handshake on a plain port would be waited for until the deadline.
        [first, ..] if !is_tchar(*first) => {
            return bad(Fault::bad_request("the request does not begin with a method"), 1);
        }
        _ => {}
    }
    let window = &bytes[..bytes.len().min(limits.head_bytes)];
    let from = searched.min(window.len());
    for lf in memchr_iter(b'\n', &window[from..]) {
        let end = from + lf + 1;
        let so_far = &window[..end];
        if !so_far.ends_with(b"\r\n") {
            return bad(bare_lf(), end);
        }
        if so_far.ends_with(b"\r\n\r\n") {
            return Ok(Found::Head(end));
        }
    }
    if bytes.len() >= limits.head_bytes {
        return bad(too_large(window, limits), window.len());
    }
    Ok(Found::Partial)
}

/// Judges the head that `bytes` begin with, if it is whole and its lines are: [`find`] and [`check`] in one
/// go. `None` says nothing; they do.
pub(super) fn check_at_once(
    bytes: &[u8],
    limits: &Limits,
) -> Option<(usize, Result<Framing, Fault>)> {
    bytes.first().filter(|first| is_tchar(**first))?;
    let mut slots = slots();
    let mut request = Request::new(&mut []);
    let slots = &mut slots[..limits.fields.min(MAX_FIELDS)];
    let Ok(Status::Complete(len)) = request.parse_with_uninit_headers(bytes, slots) else {
        return None;
    };
    // httparse takes a bare LF for a line's end, and CR nowhere else: who counts CR finds LF alone.
    let lines = request.headers.len() + 2;
    let whole = len <= limits.head_bytes && memchr_iter(b'\r', &bytes[..len]).count() == lines;
    whole.then(|| (len, judge(&request, limits)))
}

/// Judges a whole head, as [`find`] found it.
pub(super) fn check(head: &[u8], limits: &Limits) -> Result<Framing, Fault> {
    let mut slots = slots();
    let mut request = Request::new(&mut []);
    let slots = &mut slots[..limits.fields.min(MAX_FIELDS)];
    match request.parse_with_uninit_headers(head, slots) {
        Ok(Status::Complete(len)) if len == head.len() => judge(&request, limits),
        Ok(_) => Err(Fault::bad_request("the head is not one head")),
        Err(error) => Err(explain(head, &request, error)),
    }
}

fn slots<'b>() -> [MaybeUninit<Header<'b>>; MAX_FIELDS] {
    [const { MaybeUninit::uninit() }; MAX_FIELDS]
}

fn judge(request: &Request<'_, '_>, limits: &Limits) -> Result<Framing, Fault> {
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Err(Fault::bad_request("the request line is incomplete"));
    };
    // http::Uri counts in 16 bits, and hyper answers what does not fit.
    if target.len() > limits.target_bytes.min(usize::from(u16::MAX) - 1) {
        return Err(Fault::UriTooLong);
    }
    let fields = Fields::gather(request.headers, version)?;
    target::check(method, target.as_bytes(), fields.host)?;
    fields.framing(method, version, request.headers)
}

/// Method and minor version as far as they can be read, for the stand-in of a refused request.
pub(super) fn request_line(head: &[u8]) -> (Option<&str>, Option<u8>) {
    let mut request = Request::new(&mut []);
    // Whatever it says: that there is no room for fields is no news.
    let _ = request.parse(head);
    (request.method, request.version)
}

/// The fields that decide where a message ends and whose it is.
#[derive(Default)]
struct Fields<'h> {
    host: Option<&'h [u8]>,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

impl<'h> Fields<'h> {
    fn gather(headers: &[Header<'h>], version: u8) -> Result<Self, Fault> {
        let mut this = Self::default();
        for Header { name, value } in headers {
            match name.len() {
                4 if name.eq_ignore_ascii_case("host") => {
                    // RFC 9112, section 3.2: more than one is a 400, and so is an invalid one.
                    if this.host.replace(value).is_some() {
                        return Err(Fault::bad_request("more than one Host"));
                    }
                    if !target::is_authority(value) {
                        return Err(Fault::bad_request("Host is not a host and a port"));
                    }
                }
                7 if name.eq_ignore_ascii_case("upgrade") => {
                    // A tunnel goes past everything that is checked here: only one that is asked for in earnest.
                    // Java's client offers `h2c`, which is obsolete (RFC 9113, section 3.1), all the time.
                    this.upgrade |= trim(value).eq_ignore_ascii_case(b"websocket");
                }
                14 if name.eq_ignore_ascii_case("content-length") => {
                    let length = content_length(trim(value))?;
                    // RFC 9112, section 6.3: equal values may be merged or refused; a list as well.
                    if this.length.replace(length).is_some() {
                        return Err(Fault::bad_request("more than one Content-Length"));
                    }
                }
                17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                    // RFC 9112, section 6.1: chunked once, at the end, and we know no other coding.
                    if this.chunked {
                        return Err(Fault::bad_request("more than one Transfer-Encoding"));
                    }
                    if !trim(value).eq_ignore_ascii_case(b"chunked") {
                        return Err(Fault::bad_request("a Transfer-Encoding other than chunked"));
                    }
                    this.chunked = true;
                }
                len if len > MAX_NAME => return Err(Fault::HeaderTooLarge),
                _ => {}
            }
        }
        // RFC 9112, section 3.2: required since HTTP/1.1.
        if this.host.is_none() && version == 1 {
            return Err(Fault::bad_request("no Host"));
        }
        Ok(this)
    }

    fn framing(&self, method: &str, version: u8, all: &[Header<'_>]) -> Result<Framing, Fault> {
        if self.chunked && version == 0 {
            // RFC 9112, section 6.1: the framing of such a message is to be taken as faulty.
            return Err(Fault::bad_request("Transfer-Encoding in HTTP/1.0"));
        }
        if self.chunked && self.length.is_some() {
            // RFC 9112, section 6.3: "ought to be handled as an error".
            return Err(Fault::bad_request("Content-Length together with Transfer-Encoding"));
        }
        let empty = !self.chunked && self.length.unwrap_or(0) == 0;
        if method == "CONNECT" {
            // RFC 9110, section 9.3.6: no content, so that what follows is the tunnel's.
            return if empty {
                Ok(Framing::Raw)
            } else {
                Err(Fault::bad_request("CONNECT with a body"))
            };
        }
        // RFC 9110, section 7.8: ignored in HTTP/1.0, and without the connection option. With a body it
        // would take effect after the body: such a message is an ordinary one here, and not upgradable.
        if self.upgrade && empty && version == 1 && connection_lists_upgrade(all) {
            return Ok(Framing::Raw);
        }
        Ok(if self.chunked { Framing::Chunked } else { Framing::Length(self.length.unwrap_or(0)) })
    }
}

fn connection_lists_upgrade(headers: &[Header<'_>]) -> bool {
    headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("connection"))
        .flat_map(|header| header.value.split(|byte| *byte == b','))
        .any(|option| trim(option).eq_ignore_ascii_case(b"upgrade"))
}

/// RFC 9110, section 8.6: `1*DIGIT`, so no sign, no list, no hexadecimal; and it fits 63 bits.
fn content_length(value: &[u8]) -> Result<u64, Fault> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Fault::bad_request("Content-Length is not a number"));
    }
    value
        .iter()
        .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .filter(|length| *length < 1 << 63)
        .ok_or_else(|| Fault::bad_request("Content-Length is out of range"))
}

/// Without optional white space around it: space and tab, nothing else (RFC 9110, section 5.6.3).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// `tchar` (RFC 9110, section 5.6.2).
pub(super) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn bare_lf() -> Fault {
    // RFC 9112, section 2.2 lets a recipient take it for a line's end: the ones before us may not.
    Fault::bad_request("a line ends in LF without CR")
}

fn bare_cr() -> Fault {
    // RFC 9112, section 2.2.
    Fault::bad_request("CR without LF")
}

/// Of a head that exceeds the limit: is it the target's fault?
fn too_large(window: &[u8], limits: &Limits) -> Fault {
    let line = window.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    if target.len() > limits.target_bytes { Fault::UriTooLong } else { Fault::HeaderTooLarge }
}

/// What httparse did not like.
fn explain(head: &[u8], request: &Request<'_, '_>, error: httparse::Error) -> Fault {
    let mut lines = head.split(|byte| *byte == b'\n');
    if lines.clone().any(|line| line.strip_suffix(b"\r").unwrap_or(line).contains(&b'\r')) {
        return bare_cr();
    }
    Fault::bad_request(match error {
        httparse::Error::TooManyHeaders => return Fault::HeaderTooLarge,
        httparse::Error::Version => "the version is not HTTP/1.0 or HTTP/1.1",
        httparse::Error::Token if request.method.is_none() => "the method is not a token",
        httparse::Error::Token => "the request target has a character that it must not have",
        // RFC 9112, section 5.2.
        httparse::Error::HeaderName if lines.any(|line| line.starts_with(b" ")) => FOLDED,
        httparse::Error::HeaderName if head.windows(2).any(|two| two == b"\n\t") => FOLDED,
        // RFC 9112, section 5.1: a server must refuse white space before the colon.
        httparse::Error::HeaderName => "a field name is not a token followed by a colon",
        httparse::Error::HeaderValue => "a field value has a character that it must not have",
        _ => "the head is malformed",
    })
}

const FOLDED: &str = "a field line is folded";
