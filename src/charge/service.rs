use super::{ChargedBody, Disconnect, Hold, Ledger, NewHold, Price, ResponseFuture, TimeLimit};
use crate::{Catalog, Fault, alone::Alone, auth::Principal, envelope, validate::ParsedBody};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};
use tower::BoxError;
use tower_service::Service;

/// Lets requests on that are paid for; see the [module](super).
pub struct Charge<S, L> {
    inner: S,
    shared: Arc<Shared<L>>,
}

/// What every request of one layer shares.
#[derive(Debug)]
pub(super) struct Shared<L> {
    pub(super) ledger: L,
    pub(super) price: Price,
    pub(super) disconnect: Disconnect,
    pub(super) limit: TimeLimit,
    pub(super) catalog: Arc<Catalog>,
    /// Requests that go on without their clients.
    pub(super) alone: Arc<Alone>,
}

impl<S, L> Charge<S, L> {
    pub(super) const fn new(inner: S, shared: Arc<Shared<L>>) -> Self {
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

impl<S: Clone, L> Clone for Charge<S, L> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<S: fmt::Debug, L> fmt::Debug for Charge<S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Charge").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, L, R, B> Service<Request<R>> for Charge<S, L>
where
    S: Service<Request<R>, Response = Response<B>, Future: Send, Error: Send + 'static>
        + Clone
        + Send
        + 'static,
    L: Ledger + Clone + Send + Sync + 'static,
    R: Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ChargedBody<B, L>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B, S::Error, L>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        if self.shared.price.is_free() {
            return ResponseFuture::free(self.inner.call(request));
        }
        match self.shared.quote(&request) {
            Ok(None) => ResponseFuture::free(self.inner.call(request)),
            Ok(Some((hold, new))) => {
                // The one that was asked whether it is ready.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                ResponseFuture::paid(ready, request, hold, new, self.shared.clone())
            }
            Err(fault) => {
                let context = envelope::Context::of(&request);
                ResponseFuture::refused(self.shared.catalog.respond(&fault, context))
            }
        }
    }
}

impl<L> Shared<L> {
    /// What is to be reserved for the request; nothing if it is free.
    fn quote<R>(&self, request: &Request<R>) -> Result<Option<(Hold, NewHold)>, Fault> {
        let extensions = request.extensions();
        let quote = self.price.of(extensions.get::<ParsedBody>().map(|body| &**body))?;
        if !quote.amount.is_positive() {
            return Ok(None);
        }
        // Nobody who could pay: a layer that asks who calls is missing further out.
        let principal = extensions.get::<Principal>().ok_or(Fault::MissingCredential)?.clone();
        let id = request.headers().get(crate::request_id::HEADER).and_then(|id| id.to_str().ok());
        let hold = Hold::new(quote.amount, quote.item);
        let new = NewHold {
            id: hold.id(),
            principal,
            amount: quote.amount,
            limit: self.limit,
            request_id: id.map(Into::into),
            item: quote.item.map(Into::into),
            turn: extensions.get().copied(),
        };
        Ok(Some((hold, new)))
    }
}
