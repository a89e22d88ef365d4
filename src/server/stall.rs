use super::scan::ConnState;
use socket2::SockRef;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

/// A connection whose peer has to take what it is sent: writing fails when nothing could be written for too long.
///
/// Without it a client that stops reading holds its connection, its answer's buffers and the provider's
/// connection for as long as it likes.
#[derive(Debug)]
pub(super) struct Stall<T: Reset> {
    io: T,
    state: Arc<ConnState>,
    patience: Duration,
    /// Made when the peer first does not keep up.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the timer counts.
    waiting: bool,
}

/// A connection that can be ended in a way that the peer does not take for a good one.
pub(super) trait Reset {
    /// Makes the connection's end a reset.
    fn reset_when_closed(&self);
}

impl Reset for TcpStream {
    fn reset_when_closed(&self) {
        // If even that fails, the connection is gone already.
        let _ = SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl<T: Reset> Drop for Stall<T> {
    fn drop(&mut self) {
        if self.state.is_aborted() {
            self.io.reset_when_closed();
        }
    }
}

impl<T: Reset> Stall<T> {
    /// `patience` is how long nothing may be taken.
    pub(super) fn new(io: T, patience: Duration, state: Arc<ConnState>) -> Self {
        Self { io, state, patience, timer: None, waiting: false }
    }

    /// Passes the outcome of a write on, unless it has been pending for too long.
    fn watch<R>(
        &mut self,
        outcome: Poll<io::Result<R>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<R>> {
        if outcome.is_ready() {
            self.waiting = false;
            return outcome;
        }
        let patience = self.patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        if !std::mem::replace(&mut self.waiting, true) {
            timer.as_mut().reset(Instant::now() + patience);
        }
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Reset + Unpin> AsyncRead for Stall<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Reset + Unpin> AsyncWrite for Stall<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(cx, buf);
        self.watch(outcome, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.watch(outcome, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_flush(cx);
        self.watch(outcome, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_shutdown(cx);
        self.watch(outcome, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    impl Reset for DuplexStream {
        fn reset_when_closed(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing() {
        let (ours, _theirs) = duplex(4);
        let mut stall = Stall::new(ours, Duration::from_secs(5), Arc::default());
        let before = Instant::now();
        let error = stall.write_all(b"123456").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(before.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_is_slow() {
        let (ours, mut theirs) = duplex(4);
        let mut stall = Stall::new(ours, Duration::from_secs(5), Arc::default());
        let reader = async {
            let mut bytes = [0; 4];
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_secs(4)).await;
                theirs.read_exact(&mut bytes).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(stall.write_all(&[0; 16]), reader);
        written.unwrap();
    }
}
