//! Connections to one endpoint, kept for the next request.
//!
//! Idle HTTP/1 connections are a stack: the last one used is the next one taken, so that what is not needed
//! grows old at the bottom and goes. An HTTP/2 connection carries many requests; another is made only when one
//! has [`STREAMS`] of them. Each connection is driven by a task of its own, on the runtime that made it; one pool
//! a worker, so its lock is never contended there.

use super::{
    connect::{Connected, Connector},
    endpoint::PoolLimits,
    upload::{Upload, UploadBody},
};
use crate::fault::{Cause, UpstreamFault, UpstreamKind};
use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use tower::BoxError;

/// The most requests at once on one HTTP/2 connection.
const STREAMS: usize = 100;
/// How much of an unwanted body is read so that its connection can be used again, in bytes.
const DRAIN_BYTES: u64 = 64 * 1024;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// The connections to one endpoint.
pub(super) struct Pool<B> {
    connector: Connector,
    limits: PoolLimits,
    idle: Mutex<VecDeque<Idle<B>>>,
    multiplexed: Mutex<Vec<Multiplexed<B>>>,
    /// Held while a connection is made that may be HTTP/2, so that many requests at once make one.
    connecting: tokio::sync::Mutex<()>,
    /// The endpoint was asked and speaks HTTP/1: there is nothing to wait for.
    only_http1: AtomicBool,
}

/// An HTTP/1 connection without a request.
struct Idle<B> {
    sender: http1::SendRequest<UploadBody<B>>,
    expires: Instant,
}

/// An HTTP/2 connection.
struct Multiplexed<B> {
    sender: http2::SendRequest<UploadBody<B>>,
    streams: Arc<AtomicUsize>,
}

/// A connection that is taken for one request.
pub(super) enum Checkout<B> {
    Http1 {
        sender: http1::SendRequest<UploadBody<B>>,
        /// It has carried a request before, and may have gone stale.
        reused: bool,
    },
    Http2 {
        sender: http2::SendRequest<UploadBody<B>>,
        stream: Stream,
        reused: bool,
    },
}

impl<B> Checkout<B> {
    /// Whether it has carried a request before.
    pub(super) fn is_reused(&self) -> bool {
        match self {
            Self::Http1 { reused, .. } | Self::Http2 { reused, .. } => *reused,
        }
    }

    /// What is left of it when the head of the answer is there. `keep` is how long the provider keeps the
    /// connection by its own word, `drain` whether the body is worth reading to its end if nobody wants it.
    pub(super) fn into_lease(
        self,
        pool: &Arc<Pool<B>>,
        upload: Option<Arc<Upload>>,
        keep: Option<Duration>,
        drain: bool,
    ) -> Lease<B> {
        match self {
            Self::Http1 { sender, .. } => {
                Lease::Http1 { sender, pool: pool.clone(), upload, keep, drain }
            }
            Self::Http2 { stream, .. } => Lease::Http2(stream),
        }
    }
}

/// One request's place on an HTTP/2 connection.
#[derive(Debug)]
pub(super) struct Stream(Arc<AtomicUsize>);

impl Stream {
    fn open(streams: &Arc<AtomicUsize>) -> Self {
        streams.fetch_add(1, Ordering::Relaxed);
        Self(streams.clone())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What goes back into the pool when an answer has been read.
pub(super) enum Lease<B> {
    Http1 {
        sender: http1::SendRequest<UploadBody<B>>,
        pool: Arc<Pool<B>>,
        /// The request's body; the connection is busy until all of it is sent.
        upload: Option<Arc<Upload>>,
        /// How long the provider keeps it, by its own word.
        keep: Option<Duration>,
        /// Whether the body is worth reading to its end if nobody wants it.
        drain: bool,
    },
    // The place is given up when the lease goes.
    Http2(#[expect(dead_code, reason = "held for its Drop")] Stream),
}

impl<B> fmt::Debug for Lease<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 { .. } => "Lease::Http1",
            Self::Http2(_) => "Lease::Http2",
        })
    }
}

/// A panic while the lock was held cannot have left a connection half moved.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B> Pool<B> {
    pub(super) fn new(connector: Connector, limits: PoolLimits) -> Self {
        Self {
            only_http1: AtomicBool::new(!connector.may_be_http2()),
            connector,
            limits,
            idle: Mutex::default(),
            multiplexed: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// The newest idle HTTP/1 connection that still seems to live.
    fn take_idle(&self) -> Option<http1::SendRequest<UploadBody<B>>> {
        let mut idle = lock(&self.idle);
        let newest = idle.pop_back()?;
        if newest.sender.is_closed() || newest.expires <= Instant::now() {
            // Whatever lies below is older: out with all that is of no use.
            idle.retain(|below| !below.sender.is_closed() && below.expires > newest.expires);
            drop(idle);
            return None;
        }
        Some(newest.sender)
    }

    fn put_idle(&self, sender: http1::SendRequest<UploadBody<B>>, keep: Option<Duration>) {
        if sender.is_closed() {
            return;
        }
        // A second less than the provider says: the race for the last one is not worth it.
        let keep = keep.map_or(self.limits.idle_timeout, |hint| {
            hint.saturating_sub(Duration::from_secs(1)).min(self.limits.idle_timeout)
        });
        let now = Instant::now();
        let mut idle = lock(&self.idle);
        while idle.front().is_some_and(|old| old.expires <= now || old.sender.is_closed()) {
            idle.pop_front();
        }
        if idle.len() >= self.limits.max_idle {
            idle.pop_front();
        }
        if idle.len() < self.limits.max_idle && !keep.is_zero() {
            idle.push_back(Idle { sender, expires: now + keep });
        }
    }

    /// A place on an HTTP/2 connection.
    fn take_stream(&self) -> Option<Checkout<B>> {
        let mut all = lock(&self.multiplexed);
        all.retain(|connection| !connection.sender.is_closed());
        let free = all.iter().find(|c| c.streams.load(Ordering::Relaxed) < STREAMS)?;
        let (sender, stream) = (free.sender.clone(), Stream::open(&free.streams));
        Some(Checkout::Http2 { sender, stream, reused: true })
    }
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// A connection for one request: one that is there, unless `fresh` is asked for, or a new one.
    ///
    /// # Errors
    ///
    /// [`UpstreamKind::Unreachable`] when there is none and none can be made, [`UpstreamKind::Timeout`] when that
    /// takes longer than the deadline.
    pub(super) async fn checkout(
        &self,
        fresh: bool,
        deadline: Instant,
    ) -> Result<Checkout<B>, UpstreamFault> {
        let only_http1 = self.only_http1.load(Ordering::Relaxed);
        if !fresh {
            if !only_http1 && let Some(stream) = self.take_stream() {
                return Ok(stream);
            }
            while let Some(mut sender) = self.take_idle() {
                // Ready at once, or as soon as its task has noticed that the last answer is over.
                if sender.ready().await.is_ok() {
                    return Ok(Checkout::Http1 { sender, reused: true });
                }
            }
        }
        // Boxed: it is seldom, and would make the future of every request as large as itself.
        let connecting = Box::pin(self.connect_once(fresh, only_http1));
        match tokio::time::timeout_at(deadline, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(UpstreamFault::new(UpstreamKind::Timeout, Cause::TotalTimeout)),
        }
    }

    /// Makes a connection, or waits for the one that is being made if it may carry this request too.
    async fn connect_once(
        &self,
        fresh: bool,
        only_http1: bool,
    ) -> Result<Checkout<B>, UpstreamFault> {
        if only_http1 {
            return self.connect().await;
        }
        let _one_at_a_time = self.connecting.lock().await;
        if !fresh && let Some(stream) = self.take_stream() {
            return Ok(stream);
        }
        self.connect().await
    }

    async fn connect(&self) -> Result<Checkout<B>, UpstreamFault> {
        let Connected { io, http2 } = self.connector.connect().await?;
        let unreachable = |_| UpstreamFault::new(UpstreamKind::Unreachable, Cause::Connect);
        if http2 {
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .adaptive_window(true)
                .keep_alive_interval(Duration::from_secs(20))
                .handshake(io)
                .await
                .map_err(unreachable)?;
            tokio::spawn(connection);
            let streams = Arc::default();
            let stream = Stream::open(&streams);
            lock(&self.multiplexed).push(Multiplexed { sender: sender.clone(), streams });
            return Ok(Checkout::Http2 { sender, stream, reused: false });
        }
        self.only_http1.store(true, Ordering::Relaxed);
        let (mut sender, connection) =
            http1::Builder::new().handshake(io).await.map_err(unreachable)?;
        tokio::spawn(connection.with_upgrades());
        sender.ready().await.map_err(unreachable)?;
        Ok(Checkout::Http1 { sender, reused: false })
    }
}

impl<B> Lease<B> {
    /// The answer has been read to its end.
    pub(super) fn release(self) {
        if let Self::Http1 { sender, pool, upload, keep, .. } = self
            && upload.is_none_or(|upload| upload.finished().is_some())
        {
            pool.put_idle(sender, keep);
        }
    }
}

impl<B: Send + 'static> Lease<B> {
    /// Nobody wants the rest of the answer: reads it if it is little, so that the connection can be used again.
    ///
    /// In the background, for what is left to read has no one to wait for it. Without a runtime, as when a
    /// program ends, the connection is simply closed.
    pub(super) fn drain(self, body: Incoming) {
        let Self::Http1 { drain, .. } = &self else {
            return;
        };
        let little = body.size_hint().exact().map_or(*drain, |rest| rest <= DRAIN_BYTES);
        if let (true, Ok(runtime)) = (little, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                if let Ok(true) = tokio::time::timeout(DRAIN_TIME, read_to_end(body)).await {
                    self.release();
                }
            });
        }
    }
}

/// Whether the body ended well, and soon enough.
async fn read_to_end(mut body: Incoming) -> bool {
    let mut left = DRAIN_BYTES;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        let Some(rest) = left.checked_sub(length) else {
            return false;
        };
        left = rest;
    }
    true
}
