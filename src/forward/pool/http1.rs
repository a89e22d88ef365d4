//! HTTP/1 connections: one request at a time.

use super::{lock, unreachable};
use crate::{
    deadline::after,
    fault::{Cause, UpstreamFault},
    forward::{connect::Io, endpoint::PoolLimits, upload::UploadBody},
};
use bytes::Bytes;
use http_body::Body;
use hyper::client::conn::http1::{Builder, SendRequest};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep},
};
use tower::BoxError;

/// A connection, which ends when it is dropped: a request that is still being sent is of no use to anybody.
pub(in crate::forward) struct Connection<B> {
    sender: SendRequest<UploadBody<B>>,
    /// None when it is nobody's any more.
    task: Option<AbortHandle>,
}

impl<B> Connection<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) async fn open(io: Box<dyn Io>) -> Result<Self, UpstreamFault> {
        let failed = |_| unreachable(Cause::Connect);
        let (sender, connection) = Builder::new().handshake(io).await.map_err(failed)?;
        let task = tokio::spawn(connection.with_upgrades()).abort_handle();
        let mut connection = Self { sender, task: Some(task) };
        if connection.ready().await { Ok(connection) } else { Err(unreachable(Cause::Connect)) }
    }

    /// Waits until it can take a request; false when it never will.
    pub(super) async fn ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Where requests go in.
    pub(in crate::forward) fn sender(&mut self) -> &mut SendRequest<UploadBody<B>> {
        &mut self.sender
    }
}

impl<B> Connection<B> {
    /// Lets it go on by itself.
    pub(super) fn detach(mut self) {
        self.task = None;
    }
}

impl<B> Drop for Connection<B> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Connections without a request, the newest on top.
pub(in crate::forward) struct Idle<B> {
    limits: PoolLimits,
    stack: Mutex<VecDeque<(Connection<B>, Instant)>>,
    /// A task looks after those whose time is over.
    reaped: AtomicBool,
}

impl<B> Idle<B> {
    pub(super) fn new(limits: PoolLimits) -> Self {
        Self { limits, stack: Mutex::default(), reaped: AtomicBool::new(false) }
    }

    /// The newest one that seems to live.
    pub(super) fn take(&self) -> Option<Connection<B>> {
        let mut stack = lock(&self.stack);
        let mut now = None;
        loop {
            let (connection, expires) = stack.pop_back()?;
            if !connection.sender.is_closed() && expires > *now.get_or_insert_with(Instant::now) {
                return Some(connection);
            }
        }
    }
}

impl<B: Send + 'static> Idle<B> {
    /// Keeps a connection, for as long as the limits allow and, by its own word, the provider.
    pub(super) fn put(self: &Arc<Self>, connection: Connection<B>, keep: Option<Duration>) {
        // A second less than the provider says: the race for the last one is not worth it.
        let keep = keep.map_or(self.limits.idle_timeout, |hint| {
            hint.saturating_sub(Duration::from_secs(1)).min(self.limits.idle_timeout)
        });
        if connection.sender.is_closed() || keep.is_zero() || self.limits.max_idle == 0 {
            return;
        }
        let mut stack = lock(&self.stack);
        if stack.len() >= self.limits.max_idle {
            stack.pop_front();
        }
        stack.push_back((connection, after(keep)));
        drop(stack);
        if !self.reaped.swap(true, Ordering::Relaxed) {
            tokio::spawn(reap(Arc::downgrade(self), self.limits.idle_timeout));
        }
    }

    /// Closes those whose time is over; whether any are left.
    fn close_expired(&self) -> bool {
        let now = Instant::now();
        let mut stack = lock(&self.stack);
        stack.retain(|(connection, expires)| *expires > now && !connection.sender.is_closed());
        !stack.is_empty()
    }
}

/// Closes what nobody asks for, for as long as there is anything.
async fn reap<B: Send + 'static>(idle: Weak<Idle<B>>, every: Duration) {
    loop {
        sleep(every).await;
        let Some(idle) = idle.upgrade() else { return };
        if !idle.close_expired() {
            idle.reaped.store(false, Ordering::Relaxed);
            return;
        }
    }
}
