use super::{
    ConnState, Limits,
    clock::Clock,
    head::{self, Bad},
    scanner::{Scanner, Stop},
};
use crate::Fault;
use bytes::{Buf, Bytes, BytesMut};
use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A peer that still sends when we close gets to read our answer if it stops within these bounds
/// (RFC 9112, section 9.6).
const LINGER_BYTES: usize = 256 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// The connection beneath hyper's HTTP/1: see the [module](super).
#[derive(Debug)]
pub(crate) struct ScanIo<T> {
    io: T,
    limits: Arc<Limits>,
    state: Arc<ConnState>,
    scanner: Scanner,
    /// Not checked yet, usually the beginning of a head.
    held: BytesMut,
    /// `held` has not been looked at as it is.
    rescan: bool,
    /// Checked, and to be read before anything else.
    out: BytesMut,
    end: End,
    clock: Clock,
    closing: Closing,
}

/// What is read after `out`.
#[derive(Debug)]
enum End {
    /// More from the peer.
    Open,
    /// Nothing, not even the end: to hyper, that would mean that nobody waits for the answer.
    Refused,
    /// An error, in the middle of a body.
    Broken(Box<Fault>),
    /// The end.
    Closed,
}

#[derive(Debug)]
enum Closing {
    Open,
    /// Our side is closed; so many bytes are still taken from the peer.
    Linger(usize),
    Done,
}

impl<T> ScanIo<T> {
    /// Puts a connection beneath hyper, of which `prefix` has been read already.
    pub(crate) fn new(io: T, prefix: Bytes, limits: Arc<Limits>, state: Arc<ConnState>) -> Self {
        let clock = Clock::new(&limits);
        Self {
            io,
            limits,
            state,
            scanner: Scanner::default(),
            rescan: !prefix.is_empty(),
            held: BytesMut::from(prefix),
            out: BytesMut::new(),
            end: End::Open,
            clock,
            closing: Closing::Open,
        }
    }

    /// Looks at what is held, and moves what may pass.
    fn scan_held(&mut self) {
        let (pass, stop) = self.scanner.scan(&self.held, &self.limits);
        self.out = self.held.split_to(pass);
        self.settle(pass, stop);
    }

    /// After a scan, of which what did not pass is held.
    fn settle(&mut self, pass: usize, stop: Stop) {
        if self.scanner.is_raw() {
            self.state.raw_after(self.scanner.heads());
        }
        self.state.set_in_body(self.scanner.in_body());
        self.rescan = false;
        match stop {
            Stop::End | Stop::Partial => {}
            Stop::Blank => {
                self.held.advance(2);
                self.rescan = true;
            }
            Stop::Refuse(Bad { fault, seen }) => self.refuse(fault, seen),
            Stop::Break(fault) => {
                self.held.clear();
                self.end = End::Broken(Box::new(fault));
            }
        }
        if pass > 0 || (self.held.is_empty() && self.scanner.heads() > 0) {
            self.clock.head_ended();
        }
        if self.held.is_empty() {
            // Gives the memory back: most connections never hold anything again.
            self.held = BytesMut::new();
        } else {
            self.clock.head_begun(&self.limits);
        }
    }

    /// Puts a stand-in in the place of the request whose head is held, and tells the service.
    fn refuse(&mut self, fault: Fault, seen: usize) {
        let (method, version) = head::request_line(&self.held[..seen]);
        // The method decides whether the answer may have a body. A CONNECT would be an upgrade to hyper.
        let method = method.filter(|method| *method != "CONNECT" && method.len() <= 32);
        self.out.extend_from_slice(method.unwrap_or("GET").as_bytes());
        self.out.extend_from_slice(match version {
            Some(0) => b" / HTTP/1.0\r\n",
            _ => b" / HTTP/1.1\r\n",
        });
        self.out.extend_from_slice(b"host: invalid\r\nconnection: close\r\n\r\n");
        self.held.clear();
        self.state.refuse_from(self.scanner.heads(), fault);
        self.end = End::Refused;
    }

    /// Gives hyper what has been checked.
    fn drain(&mut self, buf: &mut ReadBuf<'_>) {
        let len = self.out.len().min(buf.remaining());
        buf.put_slice(&self.out[..len]);
        self.out.advance(len);
        if self.out.is_empty() {
            self.out = BytesMut::new();
        }
    }

    /// Ready when a deadline has passed, with its consequence drawn.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.scanner.is_raw() {
            return Poll::Pending;
        }
        let idle = !self.scanner.in_body()
            && self.state.active() == 0
            && self.state.begun() == self.scanner.heads();
        ready!(self.clock.poll(cx, &self.limits, self.state.ended(), idle));
        if self.held.is_empty() {
            self.end = End::Closed;
        } else {
            self.refuse(Fault::HeaderTimeout, self.held.len());
        }
        Poll::Ready(())
    }

    /// Whether the peer may be sending what nobody will read.
    fn has_unread(&self) -> bool {
        match self.end {
            End::Refused | End::Broken(_) => true,
            End::Closed => false,
            End::Open => self.scanner.in_body() || !self.held.is_empty(),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ScanIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if !this.out.is_empty() {
                this.drain(buf);
                return Poll::Ready(Ok(()));
            }
            match &this.end {
                End::Open => {}
                // No waker: the stand-in has been read, so hyper is at work on an answer.
                End::Refused => return Poll::Pending,
                End::Broken(fault) => {
                    let fault = Fault::clone(fault);
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
                }
                End::Closed => return Poll::Ready(Ok(())),
            }
            if this.rescan {
                this.scan_held();
                continue;
            }

            let start = buf.filled().len();
            if Pin::new(&mut this.io).poll_read(cx, buf)?.is_pending() {
                ready!(this.poll_deadline(cx));
                continue;
            }
            let read = &buf.filled()[start..];
            if read.is_empty() {
                this.end = End::Closed;
                continue;
            }
            this.clock.read();
            if !this.held.is_empty() {
                this.held.extend_from_slice(read);
                this.rescan = true;
                buf.set_filled(start);
                continue;
            }
            // The common case: what was read stays where it is.
            let (pass, stop) = this.scanner.scan(read, &this.limits);
            this.held.extend_from_slice(&read[pass..]);
            buf.set_filled(start + pass);
            this.settle(pass, stop);
            if pass > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ScanIo<T> {
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

    /// Closes our side. If the peer is in the middle of something, it is read to its end, within bounds: a
    /// socket that is closed with unread bytes resets the connection, and the answer is lost with it.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match this.closing {
                Closing::Open => {
                    ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
                    this.closing = if this.has_unread() {
                        this.clock.set(LINGER_TIME);
                        Closing::Linger(LINGER_BYTES)
                    } else {
                        Closing::Done
                    };
                }
                Closing::Linger(left) => {
                    let mut bytes = [const { MaybeUninit::uninit() }; 4096];
                    let mut buf = ReadBuf::uninit(&mut bytes);
                    this.closing = match Pin::new(&mut this.io).poll_read(cx, &mut buf) {
                        Poll::Pending => {
                            ready!(this.clock.poll_set(cx));
                            Closing::Done
                        }
                        Poll::Ready(Err(_)) => Closing::Done,
                        Poll::Ready(Ok(())) => match left.checked_sub(buf.filled().len()) {
                            Some(left) if !buf.filled().is_empty() => Closing::Linger(left),
                            _ => Closing::Done,
                        },
                    };
                }
                Closing::Done => return Poll::Ready(Ok(())),
            }
        }
    }
}
