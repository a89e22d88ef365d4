//! The provider's answer on its way to the client.

use super::{hygiene::keep_response_trailers, pool::Lease};
use crate::{
    Fault,
    deadline::after,
    fault::{Cause, UpstreamFault, UpstreamKind},
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};

/// The body of a provider's answer.
///
/// Ends with an error, never early and silently, when the provider's connection breaks, when the provider is
/// silent for too long, or when the whole exchange takes too long. A body that is dropped before its end costs
/// the connection, unless little is left of it: that is read and thrown away in the background.
#[derive(Debug)]
pub struct UpstreamBody<B: Send + 'static> {
    /// None when the rest is not wanted.
    inner: Option<Incoming>,
    /// What goes back into the pool at the end.
    lease: Option<Lease<B>>,
    limits: Limits,
    /// Made when the body first has to wait.
    timer: Option<Pin<Box<Sleep>>>,
}

/// How long a body may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) idle: Duration,
    pub(super) deadline: Instant,
}

impl<B: Send + 'static> UpstreamBody<B> {
    pub(super) fn new(inner: Incoming, lease: Option<Lease<B>>, limits: Limits) -> Self {
        let mut body = Self { inner: Some(inner), lease, limits, timer: None };
        if body.is_end_stream() {
            body.finish();
        }
        body
    }

    /// A body of which nothing is shown.
    pub(super) fn discarded(mut self) -> Self {
        self.discard();
        self
    }

    /// Gives up what is left; its connection can be used again if that is little.
    fn discard(&mut self) {
        if let (Some(lease), Some(rest)) = (self.lease.take(), self.inner.take()) {
            lease.drain(rest);
        }
    }

    /// The body is complete: its connection is free.
    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
        }
    }

    /// The body is broken: its connection is of no use any more.
    fn fail(&mut self, kind: UpstreamKind, cause: Cause) -> Fault {
        self.lease = None;
        UpstreamFault::new(kind, cause).into()
    }

    /// Whether the body has been silent, or under way, for too long.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Cause> {
        let Limits { idle, deadline } = self.limits;
        let timer =
            self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline.min(after(idle)))));
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let total = timer.deadline() >= deadline;
        Poll::Ready(if total { Cause::TotalTimeout } else { Cause::IdleTimeout })
    }

    /// A piece has come: the silence is over.
    fn reset_timer(&mut self) {
        if let Some(timer) = &mut self.timer {
            timer.as_mut().reset(self.limits.deadline.min(after(self.limits.idle)));
        }
    }
}

impl<B: Send + 'static> Body for UpstreamBody<B> {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        if this.lease.is_some() && Instant::now() >= this.limits.deadline {
            // Whether it is the provider that is slow or the client: the exchange has had its time.
            return Poll::Ready(Some(Err(this.fail(UpstreamKind::Timeout, Cause::TotalTimeout))));
        }
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        let frame = match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.reset_timer();
                frame.into_trailers().map_or_else(
                    |data| data,
                    |trailers| Frame::trailers(keep_response_trailers(trailers)),
                )
            }
            Poll::Ready(Some(Err(error))) => {
                let cause = if error.is_parse() { Cause::Malformed } else { Cause::CutOff };
                return Poll::Ready(Some(Err(this.fail(UpstreamKind::Incomplete, cause))));
            }
            Poll::Ready(None) => {
                this.finish();
                return Poll::Ready(None);
            }
            Poll::Pending => {
                let Poll::Ready(cause) = this.poll_timer(cx) else {
                    return Poll::Pending;
                };
                return Poll::Ready(Some(Err(this.fail(UpstreamKind::Timeout, cause))));
            }
        };
        if this.is_end_stream() {
            this.finish();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Send + 'static> Drop for UpstreamBody<B> {
    fn drop(&mut self) {
        self.discard();
    }
}
