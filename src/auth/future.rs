use super::{KeyStore, service::Shared};
use crate::envelope::ResponseBody;
use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower_service::Service;

pin_project! {
    /// Future of [`Auth`](super::Auth).
    pub struct ResponseFuture<S, K, R>
    where
        S: Service<Request<R>>,
        K: KeyStore,
    {
        #[pin]
        state: State<S, K, R>,
    }
}

pin_project! {
    #[project = StateProjected]
    enum State<S, K, R>
    where
        S: Service<Request<R>>,
        K: KeyStore,
    {
        // The store is asked; the request waits, and with it a service that is ready for it.
        LookingUp {
            #[pin]
            lookup: K::Lookup,
            request: Option<Request<R>>,
            inner: S,
            shared: Arc<Shared<K>>,
        },
        // The inner service works.
        Admitted { #[pin] future: S::Future },
        // It never hears of the request. Nothing when that was said already.
        Refused { response: Option<Response<Bytes>> },
    }
}

impl<S: Service<Request<R>>, K: KeyStore, R> ResponseFuture<S, K, R> {
    pub(super) fn looking_up(
        lookup: K::Lookup,
        request: Request<R>,
        inner: S,
        shared: Arc<Shared<K>>,
    ) -> Self {
        Self { state: State::LookingUp { lookup, request: Some(request), inner, shared } }
    }

    pub(super) fn admitted(future: S::Future) -> Self {
        Self { state: State::Admitted { future } }
    }

    pub(super) fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<S, K, R, B> Future for ResponseFuture<S, K, R>
where
    S: Service<Request<R>, Response = Response<B>>,
    K: KeyStore,
{
    type Output = Result<Response<ResponseBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjected::LookingUp { lookup, request, inner, shared } => {
                    let found = ready!(lookup.poll(cx));
                    let Some(mut request) = request.take() else { return Poll::Pending };
                    match shared.policy.admit(found, &mut request) {
                        Ok(()) => State::Admitted { future: inner.call(request) },
                        Err(fault) => {
                            let response = shared.policy.refuse(&fault, &request);
                            State::Refused { response: Some(response) }
                        }
                    }
                }
                StateProjected::Admitted { future } => {
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

impl<S: Service<Request<R>>, K: KeyStore, R> fmt::Debug for ResponseFuture<S, K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::LookingUp { .. } => "looking up",
            State::Admitted { .. } => "admitted",
            State::Refused { .. } => "refused",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
