use super::{Shared, rescue};
use crate::{Fault, envelope::ResponseBody};
use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower::BoxError;

pin_project! {
    /// Future of [`Normalize`](super::Normalize).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
        head: bool,
        request_id: Option<HeaderValue>,
        shared: Arc<Shared>,
    }
}

pin_project! {
    #[project = StateProjected]
    #[derive(Debug)]
    enum State<F> {
        /// The inner service works.
        Running { #[pin] future: F },
        /// It did not even start.
        Refused { fault: Fault },
        /// Answered; the inner future is gone.
        Done,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(
        started: Result<F, Fault>,
        head: bool,
        request_id: HeaderValue,
        shared: Arc<Shared>,
    ) -> Self {
        let state = match started {
            Ok(future) => State::Running { future },
            Err(fault) => State::Refused { fault },
        };
        Self { state, head, request_id: Some(request_id), shared }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let outcome = match this.state.as_mut().project() {
            StateProjected::Running { future } => {
                match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
                    Ok(poll) => ready!(poll).map_err(|error| rescue(&*error.into())),
                    Err(_) => Err(Fault::Internal),
                }
            }
            StateProjected::Refused { fault } => Err(fault.clone()),
            // Polled after completion; there is nothing to answer any more.
            StateProjected::Done => return Poll::Pending,
        };
        // What panicked once may panic again when it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| this.state.set(State::Done)));
        let Some(request_id) = this.request_id.take() else {
            return Poll::Pending;
        };
        Poll::Ready(Ok(match outcome {
            Ok(response) => this.shared.normalize(response, *this.head, request_id),
            Err(fault) => this.shared.refuse_with_id(&fault, *this.head, request_id),
        }))
    }
}
