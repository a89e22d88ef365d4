use super::{ResponseFuture, Shared, rescue};
use crate::{
    Fault,
    envelope::{Context as EnvelopeContext, ResponseBody},
    request_id,
};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll},
};
use tower::BoxError;
use tower_service::Service;

/// Answers whatever goes wrong inside with an envelope; see the [module](super).
#[derive(Debug)]
pub struct Normalize<S> {
    inner: S,
    shared: Arc<Shared>,
    /// Why the inner service is not ready and never will be; the next request is answered with it.
    failed: Option<Fault>,
}

impl<S> Normalize<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared, failed: None }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone> Clone for Normalize<S> {
    fn clone(&self) -> Self {
        // A clone asks for its own readiness.
        Self { inner: self.inner.clone(), shared: self.shared.clone(), failed: None }
    }
}

impl<S, R, B> Service<Request<R>> for Normalize<S>
where
    S: Service<Request<R>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.failed.is_some() {
            return Poll::Ready(Ok(()));
        }
        match catch_unwind(AssertUnwindSafe(|| self.inner.poll_ready(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => {}
            Ok(Poll::Ready(Err(error))) => self.failed = Some(rescue(&*error.into())),
            Err(_) => self.failed = Some(Fault::Internal),
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<R>) -> Self::Future {
        let head = request.method() == Method::HEAD;
        let request_id = request_id::establish(request.headers_mut());
        let started = match self.failed.take() {
            Some(fault) => Err(fault),
            None => catch_unwind(AssertUnwindSafe(|| self.inner.call(request)))
                .map_err(|_| Fault::Internal),
        };
        ResponseFuture::new(started, head, request_id, self.shared.clone())
    }
}

impl Shared {
    /// The answer to an error of the inner service, or to none at all.
    pub(super) fn refuse_with_id<B>(
        &self,
        fault: &Fault,
        head: bool,
        request_id: http::HeaderValue,
    ) -> Response<ResponseBody<B>> {
        let context = EnvelopeContext { head, request_id: Some(&request_id) };
        let mut response = self.refuse(fault, context);
        response.headers_mut().insert(request_id::HEADER, request_id);
        response
    }
}
