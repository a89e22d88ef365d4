use super::{
    ValidatedBody,
    collect::{Arrived, Collector},
    decoding::Decoding,
    policy::{Expected, Policy},
};
use crate::{Fault, envelope::ResponseBody, normalize::rescue_or};
use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Sleep, sleep};
use tower::BoxError;
use tower_service::Service;

pin_project! {
    /// Future of [`Validate`](super::Validate).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time, when a body has to be waited for; see
    /// [`ValidateLayer::timeout`](super::ValidateLayer::timeout).
    pub struct ResponseFuture<S, R>
    where
        S: Service<Request<ValidatedBody<R>>>,
    {
        #[pin]
        state: State<S, R>,
        // For the body; none before it was waited for, and none behind it.
        #[pin]
        deadline: Option<Sleep>,
    }
}

pin_project! {
    #[project = StateProjected]
    enum State<S, R>
    where
        S: Service<Request<ValidatedBody<R>>>,
    {
        // The body arrives.
        Arriving {
            #[pin]
            body: R,
            request: Option<(Waiting<S>, Collector)>,
        },
        // It has arrived and is being decoded.
        Decoding { request: Option<(Waiting<S>, Arrived, Decoding)> },
        // The inner service works.
        Running { #[pin] future: S::Future },
        // It never hears of the request. Nothing when that was said already.
        Refused { response: Option<Response<Bytes>> },
    }
}

/// What waits for the body: the request, and with it a service that is ready for it.
struct Waiting<S> {
    parts: Parts,
    /// How to decode the body, until that begins.
    decoding: Option<Decoding>,
    most: usize,
    inner: S,
    policy: Arc<Policy>,
}

impl<S, R> ResponseFuture<S, R>
where
    S: Service<Request<ValidatedBody<R>>>,
{
    pub(super) fn arriving(
        body: R,
        parts: Parts,
        expected: Expected,
        inner: S,
        policy: Arc<Policy>,
    ) -> Self {
        let Expected { declared, decoding, most } = expected;
        let collector = Collector::new(declared, policy.max_bytes, &policy.budget);
        let waiting = Waiting { parts, decoding, most, inner, policy };
        Self::new(State::Arriving { body, request: Some((waiting, collector)) })
    }

    pub(super) fn running(future: S::Future) -> Self {
        Self::new(State::Running { future })
    }

    pub(super) fn refused(response: Response<Bytes>) -> Self {
        Self::new(State::Refused { response: Some(response) })
    }

    fn new(state: State<S, R>) -> Self {
        Self { state, deadline: None }
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
        let mut this = self.project();
        loop {
            let deadline = this.deadline.as_mut();
            let next = match this.state.as_mut().project() {
                StateProjected::Arriving { body, request } => {
                    let Some((waiting, collector)) = request else { return Poll::Pending };
                    let polled = poll_body(body, collector, cx);
                    let arrived = ready!(in_time(polled, deadline, waiting.policy.timeout, cx));
                    let Some((waiting, collector)) = request.take() else { return Poll::Pending };
                    waiting.arrived(arrived.map(|()| collector.finish()))
                }
                StateProjected::Decoding { request } => {
                    let Some((waiting, _, decoding)) = request else { return Poll::Pending };
                    let polled = decoding.poll(cx);
                    let decoded = ready!(in_time(polled, deadline, waiting.policy.timeout, cx));
                    let Some((waiting, arrived, decoding)) = request.take() else {
                        return Poll::Pending;
                    };
                    waiting.go_on(decoded.map(|()| (arrived, decoding.finish())))
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
            if !matches!(next, State::Decoding { .. }) {
                this.deadline.set(None);
            }
            this.state.set(next);
        }
    }
}

impl<S> Waiting<S> {
    /// The next thing to do with a body that is all there.
    fn arrived<R>(mut self, arrived: Result<Arrived, Fault>) -> State<S, R>
    where
        S: Service<Request<ValidatedBody<R>>>,
    {
        match (arrived, self.decoding.take()) {
            (Ok(arrived), Some(mut decoding)) => {
                decoding.begin(arrived.wire.clone());
                State::Decoding { request: Some((self, arrived, decoding)) }
            }
            (Ok(arrived), None) => {
                let text = arrived.wire.clone();
                self.go_on(Ok((arrived, text)))
            }
            (Err(fault), _) => self.go_on(Err(fault)),
        }
    }

    /// Lets the request on with a body that keeps the rules, or refuses it.
    fn go_on<R>(self, read: Result<(Arrived, Bytes), Fault>) -> State<S, R>
    where
        S: Service<Request<ValidatedBody<R>>>,
    {
        let Self { mut parts, most, mut inner, policy, .. } = self;
        let examined =
            read.and_then(|(arrived, text)| policy.examine(&mut parts, arrived, &text, most));
        match examined {
            Ok(body) => State::Running { future: inner.call(Request::from_parts(parts, body)) },
            Err(fault) => State::Refused { response: Some(policy.refuse(&fault, &parts)) },
        }
    }
}

/// What was waited for, or that it takes too long. The time begins with the first wait.
fn in_time(
    polled: Poll<Result<(), Fault>>,
    mut deadline: Pin<&mut Option<Sleep>>,
    timeout: Duration,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Fault>> {
    if polled.is_ready() {
        return polled;
    }
    if deadline.is_none() {
        deadline.set(Some(sleep(timeout)));
    }
    if let Some(deadline) = deadline.as_pin_mut() {
        ready!(deadline.poll(cx));
    }
    Poll::Ready(Err(Fault::BodyTimeout))
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
    rescue_or(&*error, Fault::BodyIncomplete)
}

impl<S: Service<Request<ValidatedBody<R>>>, R> fmt::Debug for ResponseFuture<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Arriving { .. } => "arriving",
            State::Decoding { .. } => "decoding",
            State::Running { .. } => "running",
            State::Refused { .. } => "refused",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
