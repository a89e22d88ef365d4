//! A stream of events, read as it arrives.

use super::{Answer, Client, Fields, Gateway, Version, client::Ask, http2, http2::Http2, soon};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// An answer of which the head is there.
#[derive(Debug)]
pub struct Events {
    pub status: u16,
    pub fields: Fields,
    source: Source,
    /// What has arrived and was not taken.
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Source {
    /// In chunks.
    Http1(Client),
    Http2(Incoming, Http2),
    Ended,
}

impl Events {
    /// Asks on a connection of its own, and waits for the head of a stream.
    pub async fn open(gateway: &Gateway, ask: Ask) -> Self {
        match ask.version {
            Version::Http1 => {
                let mut client = gateway.client().await;
                client.send(ask.http1(gateway.address)).await;
                let head = soon("a head", client.wire.head()).await.unwrap().expect("a head");
                let (line, fields) = head;
                assert_eq!(fields.one("transfer-encoding"), Some("chunked"), "{line} {fields:?}");
                let status = line[9..12].parse().unwrap();
                Self { status, fields, source: Source::Http1(client), buffer: Vec::new() }
            }
            Version::Http2 => {
                let mut client = gateway.http2().await;
                let request = client.build(&ask);
                let response = soon("a head", client.sender.send_request(request)).await.unwrap();
                let (parts, body) = response.into_parts();
                let (status, fields) = (parts.status.as_u16(), http2::fields(&parts.headers));
                Self { status, fields, source: Source::Http2(body, client), buffer: Vec::new() }
            }
        }
    }

    /// Reads what comes next; false at a proper end.
    ///
    /// # Errors
    ///
    /// When the transfer breaks off.
    async fn fill(&mut self) -> Result<bool, String> {
        match &mut self.source {
            Source::Ended => return Ok(false),
            Source::Http1(client) => {
                let wire = &mut client.wire;
                let line = wire.until("\r\n").await.map_err(|e| e.to_string())?;
                let size = str::from_utf8(&line).unwrap().trim_end();
                let size = usize::from_str_radix(size, 16).expect("a chunk's size");
                let piece = wire.take(size + 2).await.map_err(|e| e.to_string())?;
                self.buffer.extend_from_slice(&piece[..size]);
                if size > 0 {
                    return Ok(true);
                }
            }
            Source::Http2(body, client) => {
                while let Some(frame) = body.frame().await {
                    let frame = frame.map_err(|e| e.to_string())?;
                    let Ok(data) = frame.into_data() else { continue };
                    client.note(&data);
                    self.buffer.extend_from_slice(&data);
                    return Ok(true);
                }
            }
        }
        self.source = Source::Ended;
        Ok(false)
    }

    /// The next event, as it stands on the wire. `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// When the transfer breaks off, or ends within an event.
    pub async fn try_next(&mut self) -> Result<Option<String>, String> {
        self.piece("\n\n").await
    }

    /// The next event, as it stands on the wire. `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<String> {
        soon("an event", self.try_next()).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The next line. `None` at the end of the stream.
    pub async fn line(&mut self) -> Option<String> {
        soon("a line", self.piece("\n")).await.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn piece(&mut self, end: &str) -> Result<Option<String>, String> {
        loop {
            let at = self.buffer.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = at {
                let piece = self.buffer.drain(..at + end.len()).collect();
                return Ok(Some(String::from_utf8(piece).unwrap()));
            }
            if !self.fill().await? {
                let rest = String::from_utf8_lossy(&self.buffer);
                return if rest.is_empty() { Ok(None) } else { Err(format!("half of {rest:?}")) };
            }
        }
    }

    /// Every further event, up to a proper end.
    pub async fn rest(&mut self) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

impl Answer {
    /// The events of a whole answer.
    pub fn events(&self) -> Vec<&str> {
        self.text().split_inclusive("\n\n").collect()
    }
}
