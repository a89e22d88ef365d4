use super::{ResponseFuture, ValidatedBody, policy::Policy};
use crate::envelope::ResponseBody;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};
use tower::BoxError;
use tower_service::Service;

/// Lets requests on whose parameters and bodies keep the rules; see the [module](super).
#[derive(Clone, Debug)]
pub struct Validate<S> {
    inner: S,
    policy: Arc<Policy>,
}

impl<S> Validate<S> {
    pub(super) const fn new(inner: S, policy: Arc<Policy>) -> Self {
        Self { inner, policy }
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, B> Service<Request<R>> for Validate<S>
where
    S: Service<Request<ValidatedBody<R>>, Response = Response<B>> + Clone,
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let policy = &self.policy;
        let expected = match policy.receive(&mut parts, body.size_hint()) {
            Ok(None) => {
                let request = Request::from_parts(parts, ValidatedBody::untouched(body));
                return ResponseFuture::running(self.inner.call(request));
            }
            Ok(Some(expected)) => expected,
            Err(fault) => return ResponseFuture::refused(policy.refuse(&fault, &parts)),
        };
        // The one that is ready goes along; its clone has yet to be asked.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        ResponseFuture::arriving(body, parts, expected, inner, policy.clone())
    }
}
