use super::{
    IdempotencyStore, KeyName,
    answer::{Fate, keep},
    run::{fate_of_stream, told},
    service::Shared,
};
use crate::{begun::Begun, work::WorkReport};
use bytes::{Bytes, BytesMut};
use http::{Response, response::Parts};
use http_body::{Body, Frame, SizeHint};
use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower::BoxError;

/// The body of an answer of [`Idempotency`](super::Idempotency). The end of a stream is shown when what was seen of it is kept.
pub struct RecordedBody<B, T: IdempotencyStore> {
    kind: Kind<B, T>,
}

enum Kind<B, T: IdempotencyStore> {
    /// Nobody will see it twice.
    Inner(B),
    /// It was read, as far as it is kept.
    Begun(Box<Begun<B>>),
    /// It is kept as it passes.
    Recording(Recording<B, T>),
    /// One of ours.
    Ours(Option<Bytes>),
}

/// A stream that is kept as it passes. In a box, so that it can go on without its client.
pub(super) struct Recording<B, T: IdempotencyStore> {
    rest: Option<Box<Rest<B, T>>>,
    left: fn(Box<Rest<B, T>>),
}

pub(super) struct Rest<B, T: IdempotencyStore> {
    inner: B,
    ended: bool,
    /// What has passed; nothing when it was too much.
    seen: Option<BytesMut>,
    /// The head.
    parts: Parts,
    name: KeyName,
    report: WorkReport,
    shared: Arc<Shared<T>>,
    ending: Option<T::Ending>,
}

impl<B, T: IdempotencyStore> RecordedBody<B, T> {
    pub(super) const fn inner(body: B) -> Self {
        Self { kind: Kind::Inner(body) }
    }

    pub(super) fn begun(body: Begun<B>) -> Self {
        Self { kind: Kind::Begun(Box::new(body)) }
    }

    pub(super) const fn recording(recording: Recording<B, T>) -> Self {
        Self { kind: Kind::Recording(recording) }
    }

    pub(super) fn ours(bytes: Bytes) -> Self {
        Self { kind: Kind::Ours(Some(bytes).filter(|bytes| !bytes.is_empty())) }
    }

    /// The rest of a stream that is not kept yet.
    pub(super) fn into_recording(self) -> Option<Box<Rest<B, T>>> {
        match self.kind {
            Kind::Recording(mut recording) => recording.rest.take(),
            _ => None,
        }
    }
}

impl<B, T> Recording<B, T>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
    T: IdempotencyStore + Clone + Send + Sync + 'static,
{
    pub(super) fn new(
        inner: B,
        parts: &Parts,
        name: KeyName,
        report: WorkReport,
        shared: Arc<Shared<T>>,
    ) -> Self {
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = parts.status;
        head.headers = parts.headers.clone();
        let seen = Some(BytesMut::new());
        let rest =
            Rest { inner, ended: false, seen, parts: head, name, report, shared, ending: None };
        Self { rest: Some(Box::new(rest)), left: go_on }
    }
}

fn go_on<B, T>(rest: Box<Rest<B, T>>)
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
    T: IdempotencyStore + Send + Sync + 'static,
{
    let alone = rest.shared.alone.clone();
    alone.go_on(rest.finish());
}

impl<B, T: IdempotencyStore> Drop for Recording<B, T> {
    fn drop(&mut self) {
        if let Some(rest) = self.rest.take().filter(|rest| !rest.ended) {
            (self.left)(rest);
        }
    }
}

impl<B, T> Rest<B, T>
where
    B: Body<Data = Bytes> + Unpin,
    T: IdempotencyStore,
{
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if !self.ended {
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Some(piece) = frame.data_ref() {
                        self.note(piece);
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Err(error)) => {
                    // It broke off: what there is cannot be given again.
                    self.ended = true;
                    self.ending = Some(match fate_of_stream(&self.report) {
                        Fate::GiveBack => self.shared.store.forget(&self.name),
                        Fate::Keep | Fate::Spend => self.shared.store.keep(&self.name, None),
                    });
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.ended = true;
                    self.ending = Some(self.end());
                }
            }
        }
        if let Some(ending) = &mut self.ending {
            told(ready!(Pin::new(ending).poll(cx)));
            self.ending = None;
        }
        Poll::Ready(None)
    }

    fn note(&mut self, piece: &Bytes) {
        let most = self.shared.max_bytes;
        match &mut self.seen {
            Some(seen) if seen.len() + piece.len() <= most => seen.extend_from_slice(piece),
            seen => *seen = None,
        }
    }

    fn end(&mut self) -> T::Ending {
        let store = &self.shared.store;
        match fate_of_stream(&self.report) {
            Fate::GiveBack => store.forget(&self.name),
            Fate::Keep | Fate::Spend => {
                let seen = self.seen.take().map(BytesMut::freeze);
                store.keep(&self.name, seen.map(|seen| keep(&self.parts, seen)))
            }
        }
    }

    /// Reads the rest for whoever comes back.
    pub(super) async fn finish(mut self: Box<Self>) {
        while let Some(Ok(_)) = poll_fn(|cx| self.poll_frame(cx)).await {}
    }
}

impl<B, T> Body for RecordedBody<B, T>
where
    B: Body<Data = Bytes> + Unpin,
    T: IdempotencyStore,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.get_mut().kind {
            Kind::Inner(body) => Pin::new(body).poll_frame(cx),
            Kind::Begun(begun) => begun.poll_frame(cx),
            Kind::Recording(Recording { rest: Some(rest), .. }) => rest.poll_frame(cx),
            Kind::Recording(Recording { rest: None, .. }) => Poll::Ready(None),
            Kind::Ours(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner(body) => body.is_end_stream(),
            Kind::Begun(begun) => begun.is_end_stream(),
            // It has to be asked, so that it is kept.
            Kind::Recording(recording) => recording.rest.is_none(),
            Kind::Ours(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner(body) => body.size_hint(),
            Kind::Begun(begun) => begun.size_hint(),
            Kind::Recording(_) => SizeHint::default(),
            Kind::Ours(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}

impl<B: fmt::Debug, T: IdempotencyStore> fmt::Debug for RecordedBody<B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Inner(body) => f.debug_tuple("Inner").field(body).finish(),
            Kind::Begun(begun) => f.debug_tuple("Begun").field(begun).finish(),
            Kind::Recording(_) => f.write_str("Recording"),
            Kind::Ours(bytes) => f.debug_tuple("Ours").field(bytes).finish(),
        }
    }
}
