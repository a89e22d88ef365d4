use super::Table;
use crate::{Fault, admission::Admission, auth::NeededScopes};
use http::Request;
use std::{
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
    type Future = Admission<Oneshot<S, Request<B>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        // Which stack has to be ready is known only with the request; the future waits for it.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let found = match self.table.find(request.method(), request.uri()) {
            Ok(found) => found,
            Err(fault) => return Admission::refused(fault),
        };
        if let Some(uri) = found.rewritten {
            *request.uri_mut() = uri;
        }
        if !found.scopes.is_empty() {
            request.extensions_mut().insert(NeededScopes(found.scopes));
        }
        if let Some(parameters) = found.parameters {
            request.extensions_mut().insert(parameters);
        }
        let stack = self.stacks[found.route].clone();
        Admission::Admitted { inner: Oneshot::new(stack, request) }
    }
}
