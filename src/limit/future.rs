use super::{Counters, CountersError, Levels, service::Shared, tariff::Tariff};
use crate::{
    Fault,
    envelope::{Context as EnvelopeContext, ResponseBody},
};
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
        // None where there is no quota.
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
        // The counters are asked.
        Checking { #[pin] check: K, held: Option<(S, Request<R>)> },
        // The inner service works.
        Running { #[pin] future: F, levels: Levels },
    }
}

impl<S, R, C> ResponseFuture<S, R, C>
where
    S: Service<Request<R>>,
    C: Counters,
{
    pub(super) const fn new(
        check: C::Check,
        ready: S,
        request: Request<R>,
        tariff: Arc<Tariff>,
        shared: Arc<Shared<C>>,
    ) -> Self {
        let state = State::Checking { check, held: Some((ready, request)) };
        Self { state, asked: Some(Asked { tariff, shared }) }
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
            match this.state.as_mut().project() {
                StateProjected::Checking { check, held } => {
                    let checked = ready!(check.poll(cx));
                    // Polled after completion: there is nothing to answer any more.
                    let (Some((mut service, request)), Some(Asked { tariff, shared })) =
                        (held.take(), &*this.asked)
                    else {
                        return Poll::Pending;
                    };
                    let (levels, verdict) = judge(tariff, checked);
                    if let Err(fault) = verdict {
                        let context = EnvelopeContext::of(&request);
                        return Poll::Ready(Ok(shared.refuse(&fault, context, tariff, &levels)));
                    }
                    let future = service.call(request);
                    this.state.set(State::Running { future, levels });
                }
                StateProjected::Running { future, levels } => {
                    let answer = ready!(future.poll(cx))?;
                    return Poll::Ready(Ok(match &*this.asked {
                        Some(Asked { tariff, shared }) => shared.pass(answer, tariff, levels),
                        None => answer.map(ResponseBody::inner),
                    }));
                }
            }
        }
    }
}

/// What follows from the counters' answer, or from there being none.
fn judge(tariff: &Tariff, levels: Result<Levels, CountersError>) -> (Levels, Result<(), Fault>) {
    match levels {
        Ok(levels) => {
            let verdict = tariff.verdict(&levels);
            (levels, verdict)
        }
        Err(_) => (Levels::new(), Err(Fault::StoreUnavailable)),
    }
}
