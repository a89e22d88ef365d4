use super::{
    IdempotencyStore, KeyName, Policy, RecordedBody, ResponseFuture,
    key::key,
    run::{First, run},
};
use crate::{
    Catalog, Fault,
    alone::Alone,
    auth::Principal,
    charge::Turn,
    envelope,
    validate::{ParsedBody, PathParameters},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use sha2::{Digest, Sha256};
use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower::BoxError;
use tower_service::Service;

/// Carries out each request once; see the [module](super).
pub struct Idempotency<S, T> {
    inner: S,
    shared: Arc<Shared<T>>,
}

/// What every request of one layer shares.
#[derive(Debug)]
pub(super) struct Shared<T> {
    pub(super) store: T,
    pub(super) policy: Policy,
    pub(super) scope: Arc<str>,
    pub(super) lease: Duration,
    pub(super) retention: Duration,
    pub(super) max_bytes: usize,
    pub(super) alone: Arc<Alone>,
    pub(super) catalog: Arc<Catalog>,
}

impl<S, T> Idempotency<S, T> {
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

impl<S: Clone, T> Clone for Idempotency<S, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<S: fmt::Debug, T> fmt::Debug for Idempotency<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, T, R, B> Service<Request<R>> for Idempotency<S, T>
where
    S: Service<Request<R>, Response = Response<B>, Future: Send, Error: Send + 'static>
        + Clone
        + Send
        + 'static,
    T: IdempotencyStore + Clone + Send + Sync + 'static,
    R: Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<RecordedBody<B, T>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B, S::Error, T>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        if self.shared.policy == Policy::Off || request.method().is_safe() {
            return ResponseFuture::untouched(self.inner.call(request));
        }
        match self.shared.first(&request) {
            Ok(None) => ResponseFuture::untouched(self.inner.call(request)),
            Ok(Some(first)) => {
                // The one that was asked whether it is ready.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                let alone = self.shared.alone.clone();
                ResponseFuture::working(run(ready, request, first, self.shared.clone()), alone)
            }
            Err(fault) => {
                let context = envelope::Context::of(&request);
                ResponseFuture::refused(self.shared.catalog.respond(&fault, context))
            }
        }
    }
}

impl<T> Shared<T> {
    /// What is to be remembered of the request; nothing if it has no key, and need not have one.
    fn first<R>(&self, request: &Request<R>) -> Result<Option<First>, Fault> {
        let key = match (key(request.headers())?, self.policy) {
            (Some(key), _) => key,
            (None, Policy::Required) => return Err(Fault::MissingIdempotencyKey),
            (None, _) => return Ok(None),
        };
        // Whose key it is: a layer that asks who calls is missing further out.
        let principal = request.extensions().get::<Principal>().ok_or(Fault::MissingCredential)?;
        let account = principal.account().into();
        let name = KeyName { account, key: key.into(), turn: Turn::new() };
        Ok(Some(First { name, fingerprint: fingerprint(&self.scope, request) }))
    }
}

/// What the request asks for. Each part with its length before it, so that no two requests are the same text.
fn fingerprint<R>(scope: &str, request: &Request<R>) -> [u8; 32] {
    let extensions = request.extensions();
    let body = extensions.get::<ParsedBody>().map_or(&[][..], |body| body.bytes());
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    // The target may be written anew, without them.
    let parameters = extensions.get::<PathParameters>().into_iter().flat_map(PathParameters::iter);
    let mut digest = Sha256::new();
    let mut add = |part: &[u8]| {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    };
    [scope, request.method().as_str(), target].iter().for_each(|part| add(part.as_bytes()));
    add(body);
    parameters.for_each(|(_, value)| add(value.as_bytes()));
    digest.finalize().into()
}
