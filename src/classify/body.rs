use super::{Listener, events::EventBody};
use crate::{
    Fault,
    begun::Begun,
    fault::{Cause, UpstreamFault, UpstreamKind},
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    any::Any,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};
use tower::BoxError;

/// The body of an answer that was let on.
pub struct ClassifiedBody<B> {
    kind: Kind<B>,
    /// Hears if what nobody has seen yet breaks off.
    listener: Option<Listener>,
}

#[derive(Debug)]
enum Kind<B> {
    /// Nobody has looked at it.
    Untouched(B),
    /// What was looked at, and then the rest.
    Begun(Begun<B>),
    /// Events, each of which is looked at as it passes.
    Events(Box<EventBody<B>>),
    /// One of ours in its place.
    Ours(Option<Bytes>),
}

impl<B> ClassifiedBody<B> {
    pub(super) const fn untouched(body: B, listener: Option<Listener>) -> Self {
        Self { kind: Kind::Untouched(body), listener }
    }

    pub(super) const fn begun(begun: Begun<B>, listener: Option<Listener>) -> Self {
        Self { kind: Kind::Begun(begun), listener }
    }

    /// Who hears of their failures they know themselves.
    pub(super) const fn events(events: Box<EventBody<B>>) -> Self {
        Self { kind: Kind::Events(events), listener: None }
    }

    pub(crate) fn ours(body: Bytes) -> Self {
        let kind = Kind::Ours(Some(body).filter(|body| !body.is_empty()));
        Self { kind, listener: None }
    }

    /// The provider's answer has broken off.
    #[cold]
    fn tell(&mut self, error: &dyn Any) {
        let cut_off = || UpstreamFault::new(UpstreamKind::Incomplete, Cause::CutOff);
        let fault = match error.downcast_ref() {
            Some(Fault::Upstream(fault)) => fault.clone(),
            _ => cut_off(),
        };
        if let Some(listener) = self.listener.take() {
            listener(&fault);
        }
    }
}

impl<B: fmt::Debug> fmt::Debug for ClassifiedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClassifiedBody").field(&self.kind).finish()
    }
}

impl<B> Body for ClassifiedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError> + 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = match &mut self.kind {
            Kind::Untouched(body) => Pin::new(body).poll_frame(cx),
            Kind::Begun(begun) => begun.poll_frame(cx),
            Kind::Events(events) => {
                events.poll_event(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
            }
            Kind::Ours(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
        };
        if let Poll::Ready(Some(Err(error))) = &polled {
            self.tell(error);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Untouched(body) => body.is_end_stream(),
            Kind::Begun(begun) => begun.is_end_stream(),
            Kind::Events(_) => false,
            Kind::Ours(body) => body.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Untouched(body) => body.size_hint(),
            Kind::Begun(begun) => begun.size_hint(),
            Kind::Events(_) => SizeHint::default(),
            Kind::Ours(body) => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
        }
    }
}
