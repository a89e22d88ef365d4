//! HTTP/2 connections: many requests at a time.

use super::{Checkout, lock, unreachable};
use crate::{
    fault::{Cause, UpstreamFault},
    forward::{connect::Io, upload::UploadBody},
};
use bytes::Bytes;
use http_body::Body;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;
use tower::BoxError;

/// The most requests at once on one connection.
const STREAMS: u32 = 100;
/// How much of an answer the provider may send before the client takes it, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;
/// How often a provider is asked whether it is still there.
const PING: Duration = Duration::from_secs(20);

/// The connections of one endpoint.
pub(super) struct Multiplexed<B> {
    connections: Mutex<Vec<Connection<B>>>,
}

struct Connection<B> {
    sender: SendRequest<UploadBody<B>>,
    streams: Arc<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    /// Requests under way.
    open: AtomicUsize,
    /// Requests so far.
    opened: AtomicUsize,
}

/// One request's place on a connection.
#[derive(Debug)]
pub(in crate::forward) struct Stream(Arc<Streams>);

impl Stream {
    fn open(streams: &Arc<Streams>) -> Self {
        streams.open.fetch_add(1, Ordering::Relaxed);
        streams.opened.fetch_add(1, Ordering::Relaxed);
        Self(streams.clone())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<B> Default for Multiplexed<B> {
    fn default() -> Self {
        Self { connections: Mutex::default() }
    }
}

impl<B> Multiplexed<B> {
    /// A place on a connection, if there is one.
    pub(super) fn take(&self) -> Option<Checkout<B>> {
        let mut connections = lock(&self.connections);
        if connections.is_empty() {
            return None;
        }
        connections.retain(|connection| !connection.sender.is_closed());
        let is_free =
            |c: &&Connection<B>| c.streams.open.load(Ordering::Relaxed) < STREAMS as usize;
        let free = connections.iter().find(is_free)?;
        let (sender, stream) = (free.sender.clone(), Stream::open(&free.streams));
        Some(Checkout::Http2 { sender, stream, reused: true })
    }
}

impl<B> Multiplexed<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Speaks HTTP/2 on a new connection, and takes the first place on it. Without a request for `idle_timeout`, or
    /// up to twice as long, it is closed.
    pub(super) async fn open(
        &self,
        io: Box<dyn Io>,
        idle_timeout: Duration,
    ) -> Result<Checkout<B>, UpstreamFault> {
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            // Enough for all: a client that does not read must not keep the others waiting.
            .initial_connection_window_size(STREAM_WINDOW * STREAMS)
            .keep_alive_interval(PING)
            .handshake(io)
            .await
            .map_err(|_| unreachable(Cause::Connect))?;
        let streams = Arc::<Streams>::default();
        let stream = Stream::open(&streams);
        tokio::spawn({
            let streams = streams.clone();
            async move {
                tokio::select! {
                    _ = connection => {}
                    () = unused(&streams, idle_timeout) => {}
                }
            }
        });
        lock(&self.connections).push(Connection { sender: sender.clone(), streams });
        Ok(Checkout::Http2 { sender, stream, reused: false })
    }
}

/// Waits until there has been no request for this long, or up to twice as long.
async fn unused(streams: &Streams, timeout: Duration) {
    let mut seen = 0;
    loop {
        sleep(timeout).await;
        let opened = streams.opened.load(Ordering::Relaxed);
        if streams.open.load(Ordering::Relaxed) == 0 && opened == seen {
            return;
        }
        seen = opened;
    }
}
