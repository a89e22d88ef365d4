use super::Table;
use crate::Fault;
use http::Request;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower::util::Oneshot;
use tower_service::Service;

/// Sends each request to the stack of its route.
#[derive(Debug)]
pub(crate) struct Router<S> {
    table: Arc<Table>,
    /// By route number.
    stacks: Arc<[S]>,
}

impl<S> Router<S> {
    /// The table's routes, with their stacks in the same order.
    pub(crate) fn new(table: Arc<Table>, stacks: Arc<[S]>) -> Self {
        Self { table, stacks }
    }
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self { table: self.table.clone(), stacks: self.stacks.clone() }
    }
}

impl<S, B> Service<Request<B>> for Router<S>
where
    S: Service<Request<B>, Error = Fault> + Clone,
{
    type Response = S::Response;
    type Error = Fault;
    type Future = RouteFuture<S, Request<B>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        // Which stack has to be ready is known only with the request; the future waits for it.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let found = match self.table.find(request.method(), request.uri()) {
            Ok(found) => found,
            Err(fault) => return RouteFuture::Refused { fault: Some(fault) },
        };
        if let Some(uri) = found.rewritten {
            *request.uri_mut() = uri;
        }
        let stack = self.stacks[found.route].clone();
        RouteFuture::Routed { inner: Oneshot::new(stack, request) }
    }
}

pin_project! {
    /// Future of [`Router`].
    #[project = RouteFutureProjected]
    pub(crate) enum RouteFuture<S, R>
    where
        S: Service<R>,
    {
        Routed { #[pin] inner: Oneshot<S, R> },
        Refused { fault: Option<Fault> },
    }
}

impl<S, R> Future for RouteFuture<S, R>
where
    S: Service<R, Error = Fault>,
{
    type Output = Result<S::Response, Fault>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            RouteFutureProjected::Routed { inner } => inner.poll(cx),
            RouteFutureProjected::Refused { fault } => {
                Poll::Ready(Err(fault.take().unwrap_or(Fault::Internal)))
            }
        }
    }
}
