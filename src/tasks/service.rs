use super::{ResponseFuture, TaskBody, TaskId, TaskStore};
use crate::Catalog;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower::BoxError;
use tower_service::Service;

/// Remembers whose tasks are whose; see the [module](super).
pub struct Tasks<S, T> {
    inner: S,
    shared: Arc<Shared<T>>,
}

/// What every request of one layer shares.
#[derive(Debug)]
pub(super) struct Shared<T> {
    pub(super) store: T,
    pub(super) scope: Arc<str>,
    pub(super) id: Option<TaskId>,
    pub(super) retention: Duration,
    pub(super) max_bytes: usize,
    pub(super) catalog: Arc<Catalog>,
}

impl<S, T> Tasks<S, T> {
    pub(super) const fn new(inner: S, shared: Arc<Shared<T>>) -> Self {
        Self { inner, shared }
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

impl<S: Clone, T> Clone for Tasks<S, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<S: fmt::Debug, T> fmt::Debug for Tasks<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, T, R, B> Service<Request<R>> for Tasks<S, T>
where
    S: Service<Request<R>, Response = Response<B>, Future: Send, Error: Send>
        + Clone
        + Send
        + 'static,
    T: TaskStore + Send + Sync + 'static,
    R: Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<TaskBody<B, T>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B, S::Error, T>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let Some(id) = &self.shared.id else {
            return ResponseFuture::untouched(self.inner.call(request));
        };
        let makes = matches!(id, TaskId::InAnswer(_));
        // The one that was asked whether it is ready.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        let shared = self.shared.clone();
        match makes {
            true => ResponseFuture::working(super::make::make(ready, request, shared)),
            false => ResponseFuture::working(super::ask::ask(ready, request, shared)),
        }
    }
}
