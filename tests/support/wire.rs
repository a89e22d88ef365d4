//! Bytes of HTTP/1, read strictly.

use std::{
    io,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

/// Header fields in the order in which they came, repeated ones included. Names are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.0.iter().filter(|(n, _)| n == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a field that may be there once at most.
    #[track_caller]
    pub fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} comes {} times: {all:?}", all.len());
        all.first().copied()
    }

    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// As `name: value`, sorted, without the fields with these names.
    pub fn without(&self, names: &[&str]) -> Vec<String> {
        let rest = self.0.iter().filter(|(n, _)| !names.contains(&n.as_str()));
        let mut lines: Vec<_> = rest.map(|(n, v)| format!("{n}: {v}")).collect();
        lines.sort();
        lines
    }

    /// The fields of a head or of trailers, without the first line.
    pub fn parse<'l>(lines: impl Iterator<Item = &'l str>) -> Self {
        let field = |line: &str| {
            let (name, value) =
                line.split_once(':').unwrap_or_else(|| panic!("no field: {line:?}"));
            assert!(!name.is_empty() && !name.contains([' ', '\t']), "no field name: {line:?}");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Self(lines.map(field).collect())
    }
}

/// One side of a connection, and everything that was read on it.
#[derive(Debug)]
pub struct Wire<S = TcpStream> {
    pub stream: S,
    buffer: Vec<u8>,
    record: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    pub fn new(stream: TcpStream, record: Arc<Mutex<Vec<u8>>>) -> Self {
        stream.set_nodelay(true).unwrap();
        Self::over(stream, record)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub fn over(stream: S, record: Arc<Mutex<Vec<u8>>>) -> Self {
        Self { stream, buffer: Vec::new(), record }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Reads what comes; 0 at the end.
    pub async fn fill(&mut self) -> io::Result<usize> {
        let start = self.buffer.len();
        self.buffer.reserve(64 * 1024);
        let read = self.stream.read_buf(&mut self.buffer).await?;
        self.record.lock().unwrap().extend_from_slice(&self.buffer[start..]);
        Ok(read)
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.fill().await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// What is read and not taken yet.
    pub fn unread(&self) -> &[u8] {
        &self.buffer
    }

    /// Everything up to and with `end`.
    pub async fn until(&mut self, end: &str) -> io::Result<Vec<u8>> {
        let mut from = 0;
        loop {
            let at = self.buffer[from..].windows(end.len()).position(|w| w == end.as_bytes());
            if let Some(at) = at {
                return Ok(self.buffer.drain(..from + at + end.len()).collect());
            }
            from = self.buffer.len().saturating_sub(end.len());
            self.more().await?;
        }
    }

    pub async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Everything up to a proper end of the connection.
    pub async fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill().await? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// A head: its first line and its fields. `None` when the connection ended before it.
    pub async fn head(&mut self) -> io::Result<Option<(String, Fields)>> {
        if self.buffer.is_empty() && self.fill().await? == 0 {
            return Ok(None);
        }
        let head = String::from_utf8_lossy(&self.until("\r\n\r\n").await?).into_owned();
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        Ok(Some((first, Fields::parse(lines))))
    }

    /// A chunked body and its trailers.
    pub async fn chunked(&mut self) -> io::Result<(Vec<u8>, Fields)> {
        let mut body = Vec::new();
        loop {
            let line = self.until("\r\n").await?;
            let size = str::from_utf8(&line).unwrap().trim_end();
            let size = usize::from_str_radix(size, 16).expect("a chunk's size");
            if size == 0 {
                break;
            }
            body.extend(self.take(size).await?);
            assert_eq!(self.take(2).await?, b"\r\n", "the end of a chunk");
        }
        let mut lines = Vec::new();
        loop {
            let line = String::from_utf8(self.until("\r\n").await?).unwrap();
            match line.trim_end_matches("\r\n") {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        Ok((body, Fields::parse(lines.iter().map(String::as_str))))
    }

    /// The body that the fields announce, if they do, and its trailers.
    pub async fn body(&mut self, fields: &Fields) -> io::Result<Option<(Vec<u8>, Fields)>> {
        let length = fields.one("content-length");
        match fields.one("transfer-encoding") {
            Some(coding) => {
                assert_eq!((coding, length), ("chunked", None), "framing");
                self.chunked().await.map(Some)
            }
            None => match length {
                Some(length) => {
                    let body = self.take(length.parse().expect("a length")).await?;
                    Ok(Some((body, Fields::default())))
                }
                None => Ok(None),
            },
        }
    }
}
