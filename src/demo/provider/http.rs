//! As much HTTP/1.1 as a simulated provider needs, on the bare socket.
//!
//! No HTTP library lets its user send half a body, a chunked stream without its end, or something that is no HTTP at all.
//! So requests are read here (a length or chunks, keep-alive, `Expect: 100-continue`) and answers are bytes.
//! Everything that is read is limited in size and time.

use std::{io, time::Duration, time::SystemTime};

use bytes::{Buf, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING},
};
use serde::Serialize;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::scenario::{HOST, TRACE};

/// The longest request head, and the longest trailer section.
const HEAD_LIMIT: usize = 32 * 1024;
/// The longest request body.
pub(super) const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// The longest line of chunk framing.
const LINE_LIMIT: usize = 1024;
const HEADERS: usize = 100;

/// How long a connection may wait for its next request.
const IDLE: Duration = Duration::from_secs(75);
/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);
/// How long a peer may take no bytes of an answer.
const DEPARTURE: Duration = Duration::from_secs(30);
/// How long a closed connection is still read from, so that unread bytes do not turn the close into a reset.
const LINGER: Duration = Duration::from_secs(1);

/// Why there is no request to answer.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The peer is gone, or has nothing more to say.
    Gone,
    /// The peer sent something that is answered with this status and a close.
    Refused(StatusCode),
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It waits for the next request.
    Keep,
    /// It is closed in an orderly way (FIN).
    Close,
    /// It is torn down (RST).
    Reset,
    /// It stays open and says nothing more until the peer leaves.
    Hold,
}

/// A client's connection: the socket and what has been read ahead.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// The next request, with its whole body.
    pub(super) async fn request(&mut self) -> Result<Request<Bytes>, ReadError> {
        if self.buffer.is_empty() {
            timeout(IDLE, self.fill()).await.map_err(|_| ReadError::Gone)??;
        }
        timeout(ARRIVAL, self.whole_request())
            .await
            .unwrap_or(Err(ReadError::Refused(StatusCode::REQUEST_TIMEOUT)))
    }

    /// Sends bytes as they are.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(DEPARTURE, self.stream.write_all(bytes))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// Ends the connection as told. `Keep` closes it too: by then there is nobody left to keep it for.
    pub(super) async fn end(mut self, ending: Ending) -> io::Result<()> {
        match ending {
            Ending::Keep | Ending::Close => {
                self.stream.shutdown().await?;
                timeout(LINGER, self.discard()).await.unwrap_or(Ok(()))
            }
            // Dropping the socket sends the reset.
            Ending::Reset => SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)),
            Ending::Hold => self.discard().await,
        }
    }

    async fn whole_request(&mut self) -> Result<Request<Bytes>, ReadError> {
        let mut request = self.head().await?;
        let length = body_length(request.headers()).map_err(ReadError::Refused)?;
        if length != Length::None && expects_continue(request.headers()) && self.buffer.is_empty() {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        *request.body_mut() = match length {
            Length::None => Bytes::new(),
            Length::Exactly(length) => self.take(length).await?,
            Length::Chunks => self.chunks().await?,
        };
        Ok(request)
    }

    async fn head(&mut self) -> Result<Request<Bytes>, ReadError> {
        loop {
            if let Some((request, length)) = parse_head(&self.buffer).map_err(ReadError::Refused)? {
                self.buffer.advance(length);
                return Ok(request);
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(ReadError::Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
            }
            self.fill().await?;
        }
    }

    async fn chunks(&mut self) -> Result<Bytes, ReadError> {
        const BAD: ReadError = ReadError::Refused(StatusCode::BAD_REQUEST);
        let mut body = BytesMut::new();
        loop {
            match chunk_size(&self.line().await?).ok_or(BAD)? {
                0 => break,
                size if size > BODY_LIMIT - body.len() => {
                    return Err(ReadError::Refused(StatusCode::PAYLOAD_TOO_LARGE));
                }
                size => body.extend_from_slice(&self.take(size).await?),
            }
            if &*self.take(2).await? != b"\r\n" {
                return Err(BAD);
            }
        }
        let mut trailers = 0;
        loop {
            let line = self.line().await?;
            trailers += line.len();
            if &*line == b"\r\n" {
                return Ok(body.freeze());
            }
            if trailers > HEAD_LIMIT {
                return Err(ReadError::Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
            }
        }
    }

    /// One line with its end.
    async fn line(&mut self) -> Result<Bytes, ReadError> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                return Ok(self.buffer.split_to(end + 1).freeze());
            }
            if self.buffer.len() > LINE_LIMIT {
                return Err(ReadError::Refused(StatusCode::BAD_REQUEST));
            }
            self.fill().await?;
        }
    }

    async fn take(&mut self, length: usize) -> Result<Bytes, ReadError> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    /// Reads more; the peer's end is an error, because it is only called when there must be more.
    async fn fill(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Reads until the peer leaves, keeping nothing.
    async fn discard(&mut self) -> io::Result<()> {
        let mut scrap = [0; 1024];
        while self.stream.read(&mut scrap).await? > 0 {}
        Ok(())
    }
}

/// A request head and its length, or nothing yet.
fn parse_head(bytes: &[u8]) -> Result<Option<(Request<Bytes>, usize)>, StatusCode> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        Err(_) => return Err(StatusCode::BAD_REQUEST),
    };
    // Older clients know no chunks, and none is expected here.
    if head.version != Some(1) {
        return Err(StatusCode::HTTP_VERSION_NOT_SUPPORTED);
    }
    let mut request = Request::builder()
        .method(head.method.unwrap_or_default())
        .uri(head.path.unwrap_or_default())
        .version(Version::HTTP_11);
    for header in &*head.headers {
        request = request.header(header.name, header.value);
    }
    let request = request.body(Bytes::new()).map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(Some((request, length)))
}

/// How the end of a request's body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    None,
    Exactly(usize),
    Chunks,
}

fn body_length(headers: &HeaderMap) -> Result<Length, StatusCode> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(Length::None),
        (None, Some(coding))
            if codings.next().is_none() && coding.as_bytes().eq_ignore_ascii_case(b"chunked") =>
        {
            Ok(Length::Chunks)
        }
        (Some(length), None) if lengths.next().is_none() => {
            match decimal(length).ok_or(StatusCode::BAD_REQUEST)? {
                length if length > BODY_LIMIT => Err(StatusCode::PAYLOAD_TOO_LARGE),
                length => Ok(Length::Exactly(length)),
            }
        }
        // Both, several, or a coding that is not known: nobody can say where this body ends.
        _ => Err(StatusCode::BAD_REQUEST),
    }
}

/// Digits only: `str::parse` would take a sign as well.
fn decimal(value: &HeaderValue) -> Option<usize> {
    let text = value.to_str().ok()?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn chunk_size(line: &[u8]) -> Option<usize> {
    if !line.first()?.is_ascii_hexdigit() {
        return None;
    }
    match httparse::parse_chunk_size(line) {
        Ok(httparse::Status::Complete((_, size))) => usize::try_from(size).ok(),
        _ => None,
    }
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Whether the client wants the connection closed after this answer.
pub(super) fn wants_close(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// A whole answer: what a healthy server sends in one piece.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    pub(super) fn new(
        status: StatusCode,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        Self { status, headers: HeaderMap::new(), body: body.into() }
            .header(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        Self::new(status, "application/json; charset=utf-8", to_json(body))
    }

    /// nginx's error page.
    pub(super) fn page(status: StatusCode) -> Self {
        Self::new(
            status,
            "text/html",
            format!(
                "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n\
                 <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n<!-- {TRACE} -->\r\n"
            ),
        )
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// The answer on the wire.
    pub(super) fn to_bytes(&self, method: &Method, close: bool) -> Vec<u8> {
        let mut bytes = self.head(Framing::Length(self.body.len()), close);
        if method != Method::HEAD {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }

    /// The head, and half of the body that it announces.
    pub(super) fn first_half(&self) -> Vec<u8> {
        let mut bytes = self.head(Framing::Length(self.body.len()), false);
        bytes.extend(self.body.iter().take(self.body.len() / 2));
        bytes
    }

    /// The head of an answer whose body follows in chunks (see [`chunk`] and [`LAST_CHUNK`]).
    pub(super) fn chunked_head(&self, close: bool) -> Vec<u8> {
        self.head(Framing::Chunks, close)
    }

    fn head(&self, framing: Framing, close: bool) -> Vec<u8> {
        let date = httpdate::fmt_http_date(SystemTime::now());
        let mut head = format!(
            "HTTP/1.1 {}\r\nServer: nginx\r\nDate: {date}\r\nX-Served-By: {HOST}\r\n",
            self.status
        )
        .into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        let framing = match framing {
            Framing::Length(length) => format!("Content-Length: {length}\r\n"),
            Framing::Chunks => String::from("Transfer-Encoding: chunked\r\n"),
        };
        head.extend_from_slice(framing.as_bytes());
        head.extend_from_slice(if close { b"Connection: close\r\n\r\n" } else { b"\r\n" });
        head
    }
}

enum Framing {
    Length(usize),
    Chunks,
}

/// The end of a chunked body.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// One chunk of a chunked body.
pub(super) fn chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

/// JSON of something that always has one: structures of strings and numbers.
pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| String::from("null"))
}
