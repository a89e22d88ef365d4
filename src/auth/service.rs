use super::{KeyRecord, KeyStore, ResponseFuture, StoreError, policy::Policy};
use crate::{envelope::ResponseBody, first_look::first_look};
use http::{Request, Response};
use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// Lets in who has a key; see the [module](super).
pub struct Auth<S, K> {
    inner: S,
    shared: Arc<Shared<K>>,
}

/// What all requests share.
pub(super) struct Shared<K> {
    pub(super) policy: Policy,
    store: Arc<K>,
}

impl<S, K> Auth<S, K> {
    pub(super) fn new(inner: S, policy: Policy, store: Arc<K>) -> Self {
        Self { inner, shared: Arc::new(Shared { policy, store }) }
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

impl<S, K> Auth<S, K> {
    /// Lets the request on, or refuses it, by what the store has said at once.
    fn go_on<R, B>(&mut self, found: Found, mut request: Request<R>) -> ResponseFuture<S, K, R>
    where
        S: Service<Request<R>, Response = Response<B>>,
        K: KeyStore,
    {
        match self.shared.policy.admit(found, &mut request) {
            Ok(()) => ResponseFuture::admitted(self.inner.call(request)),
            Err(fault) => ResponseFuture::refused(self.shared.policy.refuse(&fault, &request)),
        }
    }
}

/// What a store says of a digest.
type Found = Result<Option<KeyRecord>, StoreError>;

impl<S: Clone, K> Clone for Auth<S, K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<S: fmt::Debug, K> fmt::Debug for Auth<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("inner", &self.inner)
            .field("policy", &self.shared.policy)
            .finish_non_exhaustive()
    }
}

impl<S, K, R, B> Service<Request<R>> for Auth<S, K>
where
    S: Service<Request<R>, Response = Response<B>> + Clone,
    K: KeyStore,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, K, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<R>) -> Self::Future {
        match self.shared.policy.receive(&mut request) {
            Ok(Some(digest)) => {
                let mut lookup = self.shared.store.lookup(&digest);
                if let Poll::Ready(found) = first_look(&mut lookup) {
                    return self.go_on(found, request);
                }
                // The one that is ready goes along; its clone has yet to be asked.
                let clone = self.inner.clone();
                let inner = mem::replace(&mut self.inner, clone);
                ResponseFuture::looking_up(lookup, request, inner, self.shared.clone())
            }
            Ok(None) => ResponseFuture::admitted(self.inner.call(request)),
            Err(fault) => ResponseFuture::refused(self.shared.policy.refuse(&fault, &request)),
        }
    }
}
