//! A client that takes nothing for granted.

use super::{Fields, Wire, http2::Http2, soon};
use http::Method;
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

/// What is spoken to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http1,
    Http2,
}

impl Version {
    pub const BOTH: [Self; 2] = [Self::Http1, Self::Http2];
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub version: Version,
    /// Of the request.
    pub method: Method,
    pub status: u16,
    /// The statuses 1xx before it.
    pub interim: Vec<u16>,
    pub fields: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    /// The connection can be used again.
    pub kept: bool,
}

impl Answer {
    #[track_caller]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("text")
    }

    #[track_caller]
    pub fn assert_ok(&self, body: &str) {
        assert_eq!((self.status, self.text()), (200, body), "{self:?}");
    }
}

/// An HTTP/1 client over a socket of its own.
#[derive(Debug)]
pub struct Client<S = TcpStream> {
    pub wire: Wire<S>,
}

impl Client {
    pub async fn connect(address: SocketAddr, record: Arc<Mutex<Vec<u8>>>) -> Self {
        let stream = soon("connecting", TcpStream::connect(address)).await;
        Self { wire: Wire::new(stream.expect("a connection"), record) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub fn over(stream: S, record: Arc<Mutex<Vec<u8>>>) -> Self {
        Self { wire: Wire::over(stream, record) }
    }

    /// Sends bytes as they are. The gateway may have closed already: the answer tells.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = soon("sending", self.wire.send(bytes)).await;
        self
    }

    /// Ends our side.
    pub async fn finish(&mut self) -> &mut Self {
        let _ = self.wire.stream.shutdown().await;
        self
    }

    /// Reads the answer to a request with this method.
    #[track_caller]
    pub fn answer(&mut self, method: &str) -> impl Future<Output = Answer> {
        let caller = std::panic::Location::caller();
        async move {
            match self.try_answer(method).await {
                Ok(answer) => answer,
                Err(error) => panic!("no whole answer: {error} ({caller})"),
            }
        }
    }

    /// Reads the answer to a request with this method.
    ///
    /// # Errors
    ///
    /// When it breaks off.
    pub async fn try_answer(&mut self, method: &str) -> io::Result<Answer> {
        soon("an answer", self.read(method)).await
    }

    async fn read(&mut self, method: &str) -> io::Result<Answer> {
        let mut interim = Vec::new();
        let (status, fields, minor) = loop {
            let head = self.wire.head().await?;
            let (line, fields) = head.ok_or(io::ErrorKind::UnexpectedEof)?;
            let rest = line.strip_prefix("HTTP/1.").unwrap_or_else(|| panic!("{line}"));
            let status: u16 = rest[2..5].parse().expect("a status");
            assert_eq!(rest.as_bytes()[5], b' ', "{line}");
            if status >= 200 || status == 101 {
                break (status, fields, rest.as_bytes()[0]);
            }
            assert!(fields.0.is_empty(), "{fields:?}");
            interim.push(status);
        };
        let closes = fields.all("connection").iter().any(|c| c.eq_ignore_ascii_case("close"));
        let bodiless = method == "HEAD" || matches!(status, 101 | 204 | 304);
        let mut framed = true;
        let (body, trailers) = if bodiless {
            assert!(!fields.has("transfer-encoding"), "framing of nothing: {fields:?}");
            (Vec::new(), Fields::default())
        } else if let Some(body) = self.wire.body(&fields).await? {
            body
        } else {
            framed = false;
            (self.wire.rest().await?, Fields::default())
        };
        Ok(Answer {
            version: Version::Http1,
            method: method.parse().unwrap_or(Method::GET),
            status,
            interim,
            fields,
            body,
            trailers,
            kept: framed && !closes && minor == b'1',
        })
    }

    /// The connection ends, properly, without another byte.
    pub async fn assert_closed(&mut self) {
        let rest = soon("the end of the connection", self.wire.rest()).await;
        let rest = rest.expect("a proper end");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

/// A request, for either version.
#[derive(Clone, Debug)]
pub struct Ask {
    pub version: Version,
    pub method: Method,
    pub path: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Ask {
    pub fn new(version: Version, method: &str, path: &str) -> Self {
        let body: &[u8] = match method {
            "POST" => br#"{"prompt":"a cat"}"#,
            _ => b"",
        };
        Self {
            version,
            method: method.parse().unwrap(),
            path: path.to_owned(),
            fields: Vec::new(),
            body: body.to_vec(),
        }
    }

    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends it on a connection of its own.
    ///
    /// # Errors
    ///
    /// With what happened, when there is no whole answer.
    pub async fn send(
        self,
        address: SocketAddr,
        record: Arc<Mutex<Vec<u8>>>,
    ) -> Result<Answer, String> {
        match self.version {
            Version::Http1 => {
                let mut client = Client::connect(address, record).await;
                client.send(self.http1(address)).await;
                client.try_answer(self.method.as_str()).await.map_err(|e| e.to_string())
            }
            Version::Http2 => {
                let mut client = Http2::connect(address, record).await;
                client.ask(&self).await.map_err(|e| e.to_string())
            }
        }
    }

    pub fn http1(&self, address: SocketAddr) -> Vec<u8> {
        let (method, path) = (&self.method, &self.path);
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\n");
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }
}
