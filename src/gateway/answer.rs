use super::reveal::Reveal;
use crate::{Catalog, Fault, envelope, envelope::ResponseBody, request_id};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower_layer::Layer;
use tower_service::Service;

/// Makes answers of faults, so that the layers further out can say on them how the caller's quotas stand: the request
/// was counted. Tells of the provider's side what may be told.
#[derive(Clone, Debug)]
pub(super) struct AnswerLayer {
    catalog: Arc<Catalog>,
    reveal: Reveal,
}

impl AnswerLayer {
    /// In the words of this catalog.
    pub(super) fn new(catalog: Arc<Catalog>, reveal: Reveal) -> Self {
        Self { catalog, reveal }
    }
}

impl<S> Layer<S> for AnswerLayer {
    type Service = Answer<S>;

    fn layer(&self, inner: S) -> Answer<S> {
        Answer { inner, catalog: self.catalog.clone(), reveal: self.reveal }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Answer<S> {
    inner: S,
    catalog: Arc<Catalog>,
    reveal: Reveal,
}

impl<S, R, B> Service<Request<R>> for Answer<S>
where
    S: Service<Request<R>, Response = Response<B>, Error = Fault>,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = Fault;
    type Future = AnswerFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let head = request.method() == Method::HEAD;
        let request_id = request.headers().get(request_id::HEADER).cloned();
        let catalog = self.catalog.clone();
        AnswerFuture {
            future: self.inner.call(request),
            head,
            request_id,
            catalog,
            reveal: self.reveal,
        }
    }
}

pin_project! {
    /// Future of [`Answer`].
    pub(super) struct AnswerFuture<F> {
        #[pin]
        future: F,
        head: bool,
        request_id: Option<HeaderValue>,
        catalog: Arc<Catalog>,
        reveal: Reveal,
    }
}

impl<F, B> Future for AnswerFuture<F>
where
    F: Future<Output = Result<Response<B>, Fault>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B>>, Fault>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let context = envelope::Context { head: *this.head, request_id: this.request_id.as_ref() };
        let mut response = match ready!(this.future.poll(cx)) {
            Ok(response) => response.map(ResponseBody::inner),
            Err(fault) => this.catalog.respond(&fault, context).map(ResponseBody::full),
        };
        this.reveal.add_to(&mut response);
        Poll::Ready(Ok(response))
    }
}
