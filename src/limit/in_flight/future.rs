use super::{InFlightBody, places::Place};
use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// Future of [`InFlightLimit`](super::InFlightLimit).
    #[derive(Debug)]
    pub struct InFlightFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjected]
    #[derive(Debug)]
    enum State<F> {
        // The inner service works.
        Running { #[pin] future: F, place: Option<Place> },
        // The answer that is to be given.
        Refused { answer: Option<Response<Bytes>> },
    }
}

impl<F> InFlightFuture<F> {
    pub(super) const fn running(future: F, place: Place) -> Self {
        Self { state: State::Running { future, place: Some(place) } }
    }

    pub(super) const fn refused(answer: Response<Bytes>) -> Self {
        Self { state: State::Refused { answer: Some(answer) } }
    }
}

impl<F, B, E> Future for InFlightFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<InFlightBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjected::Running { future, place } => {
                let outcome = ready!(future.poll(cx));
                // An error is nobody's answer: its place is free when this returns.
                let place = place.take();
                Poll::Ready(
                    outcome.map(|answer| answer.map(|body| InFlightBody::inner(body, place))),
                )
            }
            StateProjected::Refused { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer.map(InFlightBody::full))),
                // Polled after completion: there is nothing to answer any more.
                None => Poll::Pending,
            },
        }
    }
}
