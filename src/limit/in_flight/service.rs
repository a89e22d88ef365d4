use super::{
    InFlightBody, InFlightFuture,
    places::{Place, Places},
};
use crate::{Catalog, Fault, auth::Principal, envelope, limit::Key};
use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// Refuses requests of callers who have too many running; see the [module](super).
#[derive(Clone, Debug)]
pub struct InFlightLimit<S> {
    inner: S,
    shared: Arc<Shared>,
}

/// What every request of one layer shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) most: NonZeroU32,
    pub(super) plans: HashMap<Box<str>, NonZeroU32>,
    pub(super) key: Key,
    pub(super) ipv6_prefix: u8,
    pub(super) catalog: Arc<Catalog>,
    pub(super) places: Arc<Places>,
}

impl<S> InFlightLimit<S> {
    pub(super) const fn new(inner: S, shared: Arc<Shared>) -> Self {
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

impl<S, R, B> Service<Request<R>> for InFlightLimit<S>
where
    S: Service<Request<R>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<InFlightBody<B>>;
    type Error = S::Error;
    type Future = InFlightFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let admitted = self.shared.admit(&parts);
        let request = Request::from_parts(parts, body);
        match admitted {
            Ok(place) => InFlightFuture::running(self.inner.call(request), place),
            Err(fault) => {
                let context = envelope::Context::of(&request);
                InFlightFuture::refused(self.shared.catalog.respond(&fault, context))
            }
        }
    }
}

impl Shared {
    /// A place for this request.
    fn admit(&self, request: &Parts) -> Result<Place, Fault> {
        let plan = request.extensions.get::<Principal>().and_then(Principal::plan);
        let most = plan.and_then(|plan| self.plans.get(plan)).unwrap_or(&self.most);
        let caller = self.key.caller(request, self.ipv6_prefix);
        self.places
            .take(caller, *most)
            .ok_or_else(|| Fault::ConcurrencyLimited { quota: self.name.to_string().into() })
    }
}
