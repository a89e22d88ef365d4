use super::{ResponseFuture, WrapBody, plan::Exchange};
use crate::{Catalog, request_id};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::Body;
use std::{
    sync::Arc,
    task::{Context, Poll},
};
use tower::BoxError;
use tower_service::Service;

/// Puts successful JSON answers into the envelope; see the [module](super).
#[derive(Clone, Debug)]
pub struct Wrap<S> {
    inner: S,
    catalog: Arc<Catalog>,
    enabled: bool,
}

impl<S> Wrap<S> {
    pub(super) fn new(inner: S, catalog: Arc<Catalog>, enabled: bool) -> Self {
        Self { inner, catalog, enabled }
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

impl<S, R, B> Service<Request<R>> for Wrap<S>
where
    S: Service<Request<R>, Response = Response<B>>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Response = Response<WrapBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<R>) -> Self::Future {
        let exchange = if self.enabled {
            ask_for_the_whole(request.headers_mut());
            Exchange::of(request.method())
        } else {
            Exchange::Untouched
        };
        let request_id = request.headers().get(request_id::HEADER).cloned();
        ResponseFuture::new(self.inner.call(request), exchange, request_id, self.catalog.clone())
    }
}

/// No parts of the inner answer, and no codings that would have to be undone.
fn ask_for_the_whole(headers: &mut HeaderMap) {
    headers.remove(header::RANGE);
    headers.remove(header::IF_RANGE);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}
