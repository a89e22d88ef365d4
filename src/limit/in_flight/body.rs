use super::places::Place;
use crate::envelope::ResponseBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The body of an answer of [`InFlightLimit`](super::InFlightLimit): as long as there is more of it, the request is
    /// running.
    #[derive(Debug)]
    pub struct InFlightBody<B> {
        #[pin]
        body: ResponseBody<B>,
        place: Option<Place>,
    }
}

impl<B: Body<Data = Bytes>> InFlightBody<B> {
    pub(super) fn inner(body: B, place: Option<Place>) -> Self {
        // A body without anything in it may never be polled, and be kept all the same.
        let place = place.filter(|_| !body.is_end_stream());
        Self { body: ResponseBody::inner(body), place }
    }

    pub(super) fn full(bytes: Bytes) -> Self {
        Self { body: ResponseBody::full(bytes), place: None }
    }
}

impl<B: Body<Data = Bytes>> Body for InFlightBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        // After the last frame there may be no further poll.
        if !matches!(frame, Some(Ok(_))) || this.body.is_end_stream() {
            *this.place = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
