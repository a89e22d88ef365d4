use super::{
    ValidatedBody,
    body::Pieces,
    collect::Collector,
    policy::{Policy, Reading},
};
use crate::{Fault, envelope::ResponseBody, normalize::rescue};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::time::{Sleep, sleep};
use tower::BoxError;
use tower_service::Service;

pin_project! {
    /// Future of [`Validate`](super::Validate).
    pub struct ResponseFuture<S, R>
    where
        S: Service<Request<ValidatedBody<R>>>,
    {
        #[pin]
        state: State<S, R>,
    }
}

pin_project! {
    #[project = StateProjected]
    enum State<S, R>
    where
        S: Service<Request<ValidatedBody<R>>>,
    {
        // The body arrives; the request waits, and with it a service that is ready for it.
        Collecting {
            #[pin]
            body: R,
            #[pin]
            deadline: Option<Sleep>,
            waiting: Option<Waiting<S>>,
        },
        // The inner service works.
        Running { #[pin] future: S::Future },
        // It never hears of the request. Nothing when that was said already.
        Refused { response: Option<Response<Bytes>> },
    }
}

/// What waits for the body.
struct Waiting<S> {
    parts: Parts,
    collector: Collector,
    reading: Reading,
    inner: S,
    policy: Arc<Policy>,
}

impl<S, R> ResponseFuture<S, R>
where
    S: Service<Request<ValidatedBody<R>>>,
{
    pub(super) fn collecting(
        body: R,
        parts: Parts,
        collector: Collector,
        reading: Reading,
        inner: S,
        policy: Arc<Policy>,
    ) -> Self {
        let waiting = Some(Waiting { parts, collector, reading, inner, policy });
        Self { state: State::Collecting { body, deadline: None, waiting } }
    }

    pub(super) fn running(future: S::Future) -> Self {
        Self { state: State::Running { future } }
    }

    pub(super) fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<S, R, B> Future for ResponseFuture<S, R>
where
    S: Service<Request<ValidatedBody<R>>, Response = Response<B>>,
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjected::Collecting { body, mut deadline, waiting } => {
                    let Some(Waiting { collector, policy, .. }) = waiting else {
                        return Poll::Pending;
                    };
                    let collected = match poll_body(body, collector, cx) {
                        Poll::Ready(collected) => collected,
                        Poll::Pending => {
                            if deadline.is_none() {
                                deadline.set(Some(sleep(policy.timeout)));
                            }
                            if let Some(deadline) = deadline.as_pin_mut() {
                                ready!(deadline.poll(cx));
                            }
                            Err(Fault::BodyTimeout)
                        }
                    };
                    let Some(waiting) = waiting.take() else { return Poll::Pending };
                    waiting.go_on(collected)
                }
                StateProjected::Running { future } => {
                    return future.poll(cx).map_ok(|response| response.map(ResponseBody::inner));
                }
                StateProjected::Refused { response } => {
                    // Polled after completion: there is nothing to answer any more.
                    return match response.take() {
                        Some(response) => Poll::Ready(Ok(response.map(ResponseBody::full))),
                        None => Poll::Pending,
                    };
                }
            };
            state.set(next);
        }
    }
}

impl<S> Waiting<S> {
    /// Lets the request on with a body that keeps the rules, or refuses it.
    fn go_on<R>(self, collected: Result<(), Fault>) -> State<S, R>
    where
        S: Service<Request<ValidatedBody<R>>>,
    {
        let Self { mut parts, mut collector, reading, mut inner, policy } = self;
        let mut trailers = collector.trailers.take();
        let examined: Result<(Pieces, Option<HeaderMap>), Fault> = collected
            .and_then(|()| {
                policy.examine(&mut parts, collector.finish(), trailers.as_mut(), reading)
            })
            .map(|pieces| (pieces, trailers));
        match examined {
            Ok((pieces, trailers)) => {
                let body = ValidatedBody::checked(pieces, trailers);
                State::Running { future: inner.call(Request::from_parts(parts, body)) }
            }
            Err(fault) => State::Refused { response: Some(policy.refuse(&fault, &parts)) },
        }
    }
}

/// After so many frames a body that never waits lets others have their turn, and the deadline its look.
const FRAMES: usize = 128;

/// Collects until the end.
fn poll_body<R>(
    mut body: Pin<&mut R>,
    collector: &mut Collector,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Fault>>
where
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    for _ in 0..FRAMES {
        let frame = match ready!(body.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Err(broken(error.into()))),
            None => return Poll::Ready(Ok(())),
        };
        match frame.into_data() {
            Ok(piece) => collector.push(piece)?,
            Err(frame) => collector.trailers = frame.into_trailers().ok(),
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// A fault of the layer that watches the body; anything else is a client that broke off.
fn broken(error: BoxError) -> Fault {
    match rescue(&*error) {
        Fault::Internal => Fault::BodyIncomplete,
        fault => fault,
    }
}

impl<S: Service<Request<ValidatedBody<R>>>, R> fmt::Debug for ResponseFuture<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Collecting { .. } => "collecting",
            State::Running { .. } => "running",
            State::Refused { .. } => "refused",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
