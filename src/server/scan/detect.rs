use bytes::{Buf, Bytes, BytesMut};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    time::{Instant, timeout_at},
};

/// What a client that knows it sends first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Enough for most heads, so that the first read is the only one.
const FIRST_READ: usize = 1024;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1, or nothing known.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// Reads until it is clear whether the client speaks HTTP/2 with prior knowledge, and no longer than `timeout`.
///
/// The bytes read so far come along. `None`: the client went, or was silent for all that time.
///
/// # Errors
///
/// If reading fails.
pub(crate) async fn detect<T: AsyncRead + Unpin>(
    io: &mut T,
    timeout: Duration,
) -> io::Result<Option<(Protocol, Bytes)>> {
    let deadline = Instant::now() + timeout;
    let mut bytes = BytesMut::with_capacity(FIRST_READ);
    loop {
        let read = match timeout_at(deadline, io.read_buf(&mut bytes)).await {
            Ok(read) => read?,
            Err(_) => 0,
        };
        let protocol = if bytes.starts_with(PREFACE) {
            Protocol::Http2
        } else if !PREFACE.starts_with(&bytes) {
            Protocol::Http1
        } else if read > 0 {
            continue;
        } else if bytes.is_empty() {
            return Ok(None);
        } else {
            // A preface that was not finished is a head that was not finished: ScanIo knows what to do.
            Protocol::Http1
        };
        return Ok(Some((protocol, bytes.freeze())));
    }
}

/// A connection of which some bytes have been read: they are read again first.
#[derive(Debug)]
pub(crate) struct Rewind<T> {
    prefix: Bytes,
    io: T,
}

impl<T> Rewind<T> {
    /// `prefix` is what was read of `io`.
    pub(crate) fn new(io: T, prefix: Bytes) -> Self {
        Self { prefix, io }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewind<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.prefix.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let len = this.prefix.len().min(buf.remaining());
        buf.put_slice(&this.prefix[..len]);
        this.prefix.advance(len);
        if this.prefix.is_empty() {
            this.prefix = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewind<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
