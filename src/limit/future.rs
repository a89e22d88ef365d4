use super::{Counters, Levels, service::Shared, tariff::Tariff};
use crate::envelope::ResponseBody;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower_service::Service;

pin_project! {
    /// Future of [`RateLimit`](super::RateLimit).
    pub struct ResponseFuture<S, R, C>
    where
        S: Service<Request<R>>,
        C: Counters,
    {
        #[pin]
        state: State<S, S::Future, R, C::Check>,
        // None where nothing more is to be said.
        asked: Option<Asked<C>>,
    }
}

/// What is asked of the request, and on whose behalf.
struct Asked<C> {
    tariff: Arc<Tariff>,
    shared: Arc<Shared<C>>,
}

pin_project! {
    #[project = StateProjected]
    enum State<S, F, R, K> {
        // The counters are asked; the request waits, and with it a service that is ready for it.
        Checking { #[pin] check: K, held: Option<(S, Request<R>)> },
        // The inner service works.
        Running { #[pin] future: F, levels: Levels },
        // It never hears of the request. Nothing when that was said already.
        Refused { answer: Option<Response<Bytes>> },
    }
}

impl<S, R, C> ResponseFuture<S, R, C>
where
    S: Service<Request<R>>,
    C: Counters,
{
    pub(super) const fn checking(
        check: C::Check,
        ready: S,
        request: Request<R>,
        tariff: Arc<Tariff>,
        shared: Arc<Shared<C>>,
    ) -> Self {
        let state = State::Checking { check, held: Some((ready, request)) };
        Self { state, asked: Some(Asked { tariff, shared }) }
    }

    pub(super) const fn running(
        future: S::Future,
        levels: Levels,
        tariff: Arc<Tariff>,
        shared: Arc<Shared<C>>,
    ) -> Self {
        Self { state: State::Running { future, levels }, asked: Some(Asked { tariff, shared }) }
    }

    pub(super) const fn refused(answer: Response<Bytes>) -> Self {
        Self { state: State::Refused { answer: Some(answer) }, asked: None }
    }

    /// Without any quota to ask.
    pub(super) const fn untouched(future: S::Future) -> Self {
        Self { state: State::Running { future, levels: Levels::new_const() }, asked: None }
    }
}

impl<S, R, C, B> Future for ResponseFuture<S, R, C>
where
    S: Service<Request<R>, Response = Response<B>>,
    C: Counters,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjected::Checking { check, held } => {
                    let checked = ready!(check.poll(cx));
                    // Polled after completion: there is nothing to answer any more.
                    let (Some((mut service, request)), Some(Asked { tariff, shared })) =
                        (held.take(), &*this.asked)
                    else {
                        return Poll::Pending;
                    };
                    match shared.judge(checked, &request, tariff) {
                        Ok(levels) => State::Running { future: service.call(request), levels },
                        Err(answer) => State::Refused { answer: Some(answer) },
                    }
                }
                StateProjected::Running { future, levels } => {
                    let answer = ready!(future.poll(cx))?;
                    return Poll::Ready(Ok(match &*this.asked {
                        Some(Asked { tariff, shared }) => shared.pass(answer, tariff, levels),
                        None => answer.map(ResponseBody::inner),
                    }));
                }
                StateProjected::Refused { answer } => {
                    return match answer.take() {
                        Some(answer) => Poll::Ready(Ok(answer.map(ResponseBody::full))),
                        // Polled after completion.
                        None => Poll::Pending,
                    };
                }
            };
            this.state.set(next);
        }
    }
}
