use super::{
    counters::WorkerCounters,
    keys::Keys,
    plan::{Plan, PlannedRoute, PlannedUpstream},
};
use crate::{
    Catalog, Fault,
    admission::Admission,
    auth::AuthLayer,
    config::Success,
    envelope::ResponseBody,
    forward::{Forward, UpstreamBody},
    limit::{InFlightLimitLayer, RateLimitLayer, in_flight::InFlightBody},
    route::Router,
    server::{ClientBody, Record},
    wrap::{WrapBody, WrapLayer},
};
use http::{Request, Response};
use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    task::{Context, Poll},
};
use tower::{ServiceBuilder, service_fn};
use tower_service::Service;

/// A provider's body, as the routes pass it on: each layer that can refuse has a body of its own around it.
pub(crate) type RouteBody =
    Refusable<Refusable<Refusable<InFlightBody<WrapBody<UpstreamBody<ClientBody>>>>>>;
type Refusable<B> = ResponseBody<B>;

impl Plan {
    /// One worker's services, every route's stack behind the router, and what they want done on the worker before the
    /// first request. Connections to providers are made by, and kept for, the clones of this one.
    pub(crate) fn worker(
        &self,
    ) -> (
        impl Service<Request<ClientBody>, Response = Response<RouteBody>, Error = Fault, Future: Send>
        + Clone
        + Send
        + Sync
        + use<>,
        impl Future<Output = ()> + Send + use<>,
    ) {
        let targets: BTreeMap<&str, Target> =
            self.upstreams.iter().map(|(name, planned)| (&**name, Target::new(planned))).collect();
        let worker = Worker {
            catalog: Arc::new((*self.catalog).clone()),
            keys: self.keys.clone(),
            counters: self.counters.counters(),
        };
        let stacks = self.routes.iter().map(|route| {
            // The configuration has been checked; an upstream that is not there would be a defect.
            let target = targets.get(&*route.upstream).cloned();
            route_stack(route, target.unwrap_or(Target::Refuse(Fault::Internal)), &worker)
        });
        let router = Router::new(Arc::new((*self.table).clone()), stacks.collect());
        (router, worker.counters.connect())
    }
}

/// What the stacks of one worker have in common. Whatever a request counts a reference of is a copy of the worker's
/// own: no two cores write to one place for it.
struct Worker {
    catalog: Arc<Catalog>,
    keys: Keys,
    counters: WorkerCounters,
}

impl Worker {
    fn limit(&self, layer: &RateLimitLayer<()>) -> RateLimitLayer<WorkerCounters> {
        layer.clone().catalog(self.catalog.clone()).counters(self.counters.clone())
    }

    fn auth(&self, route: &PlannedRoute) -> AuthLayer<Keys> {
        match &route.auth {
            Some(auth) => auth.layer(self.keys.clone(), &self.catalog),
            None => AuthLayer::new(self.keys.clone()).enabled(false),
        }
    }

    fn in_flight(&self, limit: &InFlightLimitLayer) -> InFlightLimitLayer {
        limit.clone().catalog(self.catalog.clone())
    }
}

/// One route's services, from the outside in.
fn route_stack(
    route: &PlannedRoute,
    target: Target,
    worker: &Worker,
) -> impl Service<Request<ClientBody>, Response = Response<RouteBody>, Error = Fault, Future: Send>
+ Clone
+ Send
+ Sync
+ use<> {
    // A function and not `Forward` itself as the service: its future need not be boxed.
    let forward = service_fn(move |request| target.call(request));
    // Next to the provider: what it wraps is a provider's success and nothing else.
    let wrap = WrapLayer::new(worker.catalog.clone()).enabled(route.success == Success::Wrap);
    let layers = ServiceBuilder::new()
        // Whoever guesses keys is limited too, and costs no lookup.
        .layer(worker.limit(&route.limits.before))
        // Whose the request is; from here on nobody sees the key.
        .layer(worker.auth(route))
        // What the caller has paid for, by whose it is.
        .layer(worker.limit(&route.limits.after))
        // Only what is let in takes a place.
        .layer(worker.in_flight(&route.limits.in_flight))
        .layer(wrap);
    Named { name: route.name.clone(), inner: layers.service(forward) }
}

/// Where a route's requests end.
#[derive(Clone)]
enum Target {
    Forward(Forward<ClientBody>),
    Refuse(Fault),
}

impl Target {
    fn new(planned: &PlannedUpstream) -> Self {
        match planned {
            PlannedUpstream::Configured { endpoint, roots } => {
                Self::Forward(Forward::with_roots((**endpoint).clone(), roots))
            }
            PlannedUpstream::NotConfigured(fault) => Self::Refuse(fault.clone()),
        }
    }

    fn call(
        &self,
        request: Request<ClientBody>,
    ) -> Admission<impl Future<Output = Result<Response<UpstreamBody<ClientBody>>, Fault>> + use<>>
    {
        match self {
            Self::Forward(forward) => Admission::Admitted { inner: forward.clone().send(request) },
            Self::Refuse(fault) => Admission::refused(fault.clone()),
        }
    }
}

/// Tells the access log which route it is.
#[derive(Clone)]
struct Named<S> {
    name: Arc<str>,
    inner: S,
}

impl<S, B> Service<Request<B>> for Named<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        if let Some(record) = request.extensions().get::<Arc<Record>>() {
            record.set_route(&self.name);
        }
        self.inner.call(request)
    }
}
