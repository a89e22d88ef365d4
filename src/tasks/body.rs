use super::{Task, TaskStore, ask::may_be_shown, service::Shared};
use crate::{
    begun::Begun,
    profile::WorkState,
    work::{WorkEnd, WorkReport},
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// The body of an answer of [`Tasks`](super::Tasks): the inner one as it is, one of which the beginning was read, or one of ours.
pub struct TaskBody<B, T: TaskStore> {
    kind: Kind<B, T>,
}

enum Kind<B, T: TaskStore> {
    Inner(B),
    Read(Box<Begun<B>>),
    Watched(Box<Watched<B, T>>),
    Ours(Option<Bytes>),
}

/// A stream of events about a task. The one that says how it has ended is shown when that is remembered; of a success, when it is
/// paid for.
pub(super) struct Watched<B, T: TaskStore> {
    inner: B,
    report: WorkReport,
    shared: Arc<Shared<T>>,
    task: Task,
    id: Box<str>,
    said: bool,
    ending: Option<(WorkState, T::Ending)>,
    held: Option<Frame<Bytes>>,
    over: bool,
}

impl<B, T: TaskStore> Watched<B, T> {
    pub(super) const fn new(
        inner: B,
        report: WorkReport,
        shared: Arc<Shared<T>>,
        task: Task,
        id: Box<str>,
    ) -> Self {
        let (said, over, ending, held) = (false, false, None, None);
        Self { inner, report, shared, task, id, said, ending, held, over }
    }
}

impl<B: Body<Data = Bytes> + Unpin, T: TaskStore> Watched<B, T> {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        loop {
            if let Some((state, ending)) = &mut self.ending {
                let ended = ready!(Pin::new(ending).poll(cx));
                if *state == WorkState::Succeeded && may_be_shown(&self.task, ended).is_err() {
                    // It ends before it says so.
                    (self.held, self.over) = (None, true);
                }
                self.ending = None;
            }
            if let Some(frame) = self.held.take() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if self.over {
                return Poll::Ready(None);
            }
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                // All that could be read of it is the result.
                None if !self.said && !self.report.is_going_on() => {
                    (self.said, self.over) = (true, true);
                    let state = WorkState::Succeeded;
                    let ending = self.shared.store.end(&self.shared.scope, &self.id, state);
                    self.ending = Some((state, ending));
                    continue;
                }
                other => return Poll::Ready(other),
            };
            let state = match self.report.end().filter(|_| !self.said) {
                Some(WorkEnd::Succeeded) => WorkState::Succeeded,
                Some(WorkEnd::Failed(_)) => WorkState::Failed,
                _ => return Poll::Ready(Some(Ok(frame))),
            };
            self.said = true;
            let ending = self.shared.store.end(&self.shared.scope, &self.id, state);
            (self.ending, self.held) = (Some((state, ending)), Some(frame));
        }
    }
}

impl<B: fmt::Debug, T: TaskStore> fmt::Debug for TaskBody<B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Inner(body) => f.debug_tuple("Inner").field(body).finish(),
            Kind::Read(read) => f.debug_tuple("Read").field(read).finish(),
            Kind::Watched(_) => f.write_str("Watched"),
            Kind::Ours(bytes) => f.debug_tuple("Ours").field(bytes).finish(),
        }
    }
}

impl<B, T: TaskStore> TaskBody<B, T> {
    pub(super) const fn inner(body: B) -> Self {
        Self { kind: Kind::Inner(body) }
    }

    pub(super) fn read(read: Begun<B>) -> Self {
        Self { kind: Kind::Read(Box::new(read)) }
    }

    pub(super) fn watched(watched: Watched<B, T>) -> Self {
        Self { kind: Kind::Watched(Box::new(watched)) }
    }

    pub(super) fn ours(bytes: Bytes) -> Self {
        Self { kind: Kind::Ours(Some(bytes).filter(|bytes| !bytes.is_empty())) }
    }
}

impl<B: Body<Data = Bytes> + Unpin, T: TaskStore> Body for TaskBody<B, T> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.get_mut().kind {
            Kind::Inner(body) => Pin::new(body).poll_frame(cx),
            Kind::Read(read) => read.poll_frame(cx),
            Kind::Watched(watched) => watched.poll_frame(cx),
            Kind::Ours(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner(body) => body.is_end_stream(),
            Kind::Read(read) => read.is_end_stream(),
            Kind::Watched(watched) => {
                // Its end may have to be remembered.
                watched.held.is_none() && watched.ending.is_none() && watched.over
            }
            Kind::Ours(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner(body) => body.size_hint(),
            Kind::Read(read) => read.size_hint(),
            // It may end before its time.
            Kind::Watched(_) => SizeHint::default(),
            Kind::Ours(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}
