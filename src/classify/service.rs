use super::{ClassifiedBody, Inspection, ResponseFuture};
use crate::{Catalog, request_id};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use std::{
    sync::Arc,
    task::{Context, Poll},
};
use tower::BoxError;
use tower_service::Service;

/// Answers what a provider's answers mean; see the [module](super).
#[derive(Clone, Debug)]
pub struct Classify<S> {
    inner: S,
    inspection: Arc<Inspection>,
    catalog: Arc<Catalog>,
}

impl<S> Classify<S> {
    pub(super) const fn new(inner: S, inspection: Arc<Inspection>, catalog: Arc<Catalog>) -> Self {
        Self { inner, inspection, catalog }
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

impl<S, R, B> Service<Request<R>> for Classify<S>
where
    S: Service<Request<R>, Response = Response<B>>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Response = Response<ClassifiedBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<R>) -> Self::Future {
        let is_head = request.method() == Method::HEAD;
        let report = request.extensions_mut().remove();
        let request_id = request.headers().get(request_id::HEADER).cloned();
        let (inspection, catalog) = (self.inspection.clone(), self.catalog.clone());
        let future = self.inner.call(request);
        ResponseFuture::new(future, is_head, request_id, report, inspection, catalog)
    }
}
