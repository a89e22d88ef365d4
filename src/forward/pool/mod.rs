//! Connections to one endpoint, kept for the next request.
//!
//! [Idle HTTP/1 connections](http1) are a stack: the last one used is the next one taken, so that what is not
//! needed grows old at the bottom and goes. [An HTTP/2 connection](http2) carries many requests; another is made
//! only when it is full. Each connection is driven by a task of its own, on the runtime that made it; with a pool
//! for each worker its locks are never contended.

mod gate;
mod http1;
mod http2;
mod lease;

pub(super) use self::{http2::Stream, lease::Lease};

use self::{gate::Gate, http1::Idle, http2::Multiplexed};
use super::{
    connect::{Connected, Connector},
    endpoint::PoolLimits,
    upload::{Upload, UploadBody},
};
use crate::fault::{Cause, UpstreamFault, UpstreamKind};
use bytes::Bytes;
use http_body::Body;
use hyper::client::conn::http2::SendRequest;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use tower::BoxError;

/// The connections to one endpoint.
pub(super) struct Pool<B> {
    connector: Connector,
    limits: PoolLimits,
    idle: Arc<Idle<B>>,
    multiplexed: Multiplexed<B>,
    gate: Gate,
    /// The endpoint was asked last time and speaks HTTP/1: connections need not be made one by one.
    only_http1: AtomicBool,
}

/// A connection that is taken for one request.
pub(super) enum Checkout<B> {
    Http1 {
        connection: http1::Connection<B>,
        /// It has carried a request before, and may have gone stale.
        reused: bool,
    },
    Http2 {
        sender: SendRequest<UploadBody<B>>,
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
        pool: &Pool<B>,
        upload: Option<Arc<Upload>>,
        keep: Option<Duration>,
        drain: bool,
    ) -> Lease<B> {
        match self {
            Self::Http1 { connection, .. } => {
                Lease::Http1 { connection, idle: pool.idle.clone(), upload, keep, drain }
            }
            Self::Http2 { stream, .. } => Lease::Http2(stream),
        }
    }

    /// The connection has become something else, and is nobody's any more.
    pub(super) fn detach(self) {
        if let Self::Http1 { connection, .. } = self {
            connection.detach();
        }
    }
}

/// A panic while the lock was held cannot have left a connection half moved.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unreachable(cause: Cause) -> UpstreamFault {
    UpstreamFault::new(UpstreamKind::Unreachable, cause)
}

impl<B> Pool<B> {
    pub(super) fn new(connector: Connector, limits: PoolLimits) -> Self {
        Self {
            only_http1: AtomicBool::new(!connector.may_be_http2()),
            connector,
            limits,
            idle: Arc::new(Idle::new(limits)),
            multiplexed: Multiplexed::default(),
            gate: Gate::default(),
        }
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
        if !fresh {
            if let Some(stream) = self.multiplexed.take() {
                return Ok(stream);
            }
            while let Some(mut connection) = self.idle.take() {
                // Ready at once, or as soon as its task has noticed that the last answer is over.
                if connection.ready().await {
                    return Ok(Checkout::Http1 { connection, reused: true });
                }
            }
        }
        // Boxed: it is seldom, and would make the future of every request as large as itself.
        let connecting = Box::pin(self.connect_gated(fresh));
        match tokio::time::timeout_at(deadline, connecting).await {
            Ok(connected) => connected,
            // Nothing was sent, whatever there was no time for.
            Err(_) => Err(UpstreamFault::new(UpstreamKind::Timeout, Cause::ConnectTimeout)),
        }
    }

    /// Makes a connection. While it may turn out to be HTTP/2, and thus be enough for all who wait, one at a time
    /// is made, and a failure is the failure of all who wait for it.
    async fn connect_gated(&self, fresh: bool) -> Result<Checkout<B>, UpstreamFault> {
        if self.only_http1.load(Ordering::Relaxed) {
            return self.connect().await;
        }
        let pass = self.gate.enter().await?;
        if !fresh && let Some(stream) = self.multiplexed.take() {
            return Ok(stream);
        }
        if self.only_http1.load(Ordering::Relaxed) {
            // The one before has found out.
            drop(pass);
            return self.connect().await;
        }
        let connected = self.connect().await;
        pass.leave(connected.as_ref().err());
        connected
    }

    async fn connect(&self) -> Result<Checkout<B>, UpstreamFault> {
        let Connected { io, http2 } = self.connector.connect().await?;
        self.only_http1.store(!http2 && !self.connector.must_be_http2(), Ordering::Relaxed);
        if http2 {
            self.multiplexed.open(io, self.limits.idle_timeout).await
        } else {
            let connection = http1::Connection::open(io).await?;
            Ok(Checkout::Http1 { connection, reused: false })
        }
    }
}
