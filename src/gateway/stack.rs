use super::{
    answer::AnswerLayer,
    auth::RouteAuth,
    counters::{Sides, WorkerCounters},
    keys::Keys,
    plan::{Plan, PlannedRoute, PlannedUpstream},
};
use crate::{
    Catalog, Fault, ValidateLayer,
    admission::Admission,
    auth::{AuthLayer, Principal, X_API_KEY},
    buffer::Budget,
    config::Success,
    envelope::ResponseBody,
    forward::{Forward, UpstreamBody},
    limit::{InFlightLimitLayer, RateLimitLayer, in_flight::InFlightBody},
    route::Router,
    server::{ClientBody, Record},
    validate::{ParsedBody, ValidatedBody},
    wrap::{WrapBody, WrapLayer},
};
use http::{Request, Response, header};
use std::{collections::BTreeMap, future::Future, sync::Arc};
use tower::{ServiceBuilder, service_fn};
use tower_service::Service;

/// A provider's body, as the routes pass it on: every layer that can refuse has a body of its own around it.
pub(crate) type RouteBody = Placed<Refusable<Refusable<Placed<Refusable<Answered>>>>>;
type Answered = Refusable<Refusable<WrapBody<UpstreamBody<UploadBody>>>>;
/// A client's body, as it goes to the provider.
type UploadBody = ValidatedBody<ClientBody>;
type Refusable<B> = ResponseBody<B>;
type Placed<B> = InFlightBody<B>;

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
            budget: self.budget.worker(),
        };
        let stacks = self.routes.iter().map(|route| {
            // The configuration has been checked; an upstream that is not there would be a defect.
            let target = targets.get(&*route.upstream).cloned();
            route_stack(route, target.unwrap_or(Target::Refuse(Fault::Internal)), &worker)
        });
        let router = Router::new(Arc::new((*self.table).clone()), stacks.collect());
        (router, worker.counters.before.connect())
    }
}

/// What the stacks of one worker have in common. Whatever a request counts a reference of is a copy of the worker's
/// own: no two cores write to one place for it.
struct Worker {
    catalog: Arc<Catalog>,
    keys: Keys,
    counters: Sides<WorkerCounters>,
    budget: Budget,
}

impl Worker {
    fn limit(
        &self,
        layer: &RateLimitLayer<()>,
        counters: &WorkerCounters,
    ) -> RateLimitLayer<WorkerCounters> {
        layer.clone().catalog(self.catalog.clone()).counters(counters.clone())
    }

    fn auth(&self, route: &PlannedRoute) -> AuthLayer<Keys> {
        match &route.auth {
            Some(auth) => auth.layer(self.keys.clone(), &self.catalog),
            None => AuthLayer::new(self.keys.clone()).enabled(false),
        }
    }

    fn validate(&self, layer: &ValidateLayer) -> ValidateLayer {
        layer.clone().catalog(self.catalog.clone()).budget(self.budget.clone())
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
    let strips = route.auth.as_ref().is_some_and(RouteAuth::leaves_a_field);
    // A function and not `Forward` itself as the service: its future need not be boxed.
    let forward = service_fn(move |mut request: Request<UploadBody>| {
        // Whoever had to look at it has; what it takes in memory is for the next request.
        request.extensions_mut().remove::<ParsedBody>();
        if strips {
            // Also from the field where this gateway takes no key: whoever puts one there means it for us.
            request.headers_mut().remove(header::AUTHORIZATION);
            request.headers_mut().remove(X_API_KEY);
        }
        target.call(request)
    });
    // Next to the provider: what it wraps is a provider's success and nothing else.
    let wrap = WrapLayer::new(worker.catalog.clone()).enabled(route.success == Success::Wrap);
    let name: Arc<str> = Arc::from(&*route.name);
    ServiceBuilder::new()
        .map_request(move |request| {
            tell(&request, |record| record.set_route(&name));
            request
        })
        // A place that is given back costs nothing, so that places come before units, here and behind the key.
        .layer(worker.in_flight(&route.limits.before_at_once))
        // Whoever guesses keys is limited too, and costs no lookup.
        .layer(worker.limit(&route.limits.before, &worker.counters.before))
        // Whose the request is; from here on nobody sees the key.
        .layer(worker.auth(route))
        .map_request(|request: Request<ClientBody>| {
            tell(&request, |record| {
                if let Some(principal) = request.extensions().get::<Principal>() {
                    record.set_caller(principal);
                }
            });
            request
        })
        .layer(worker.in_flight(&route.limits.after_at_once))
        // What the caller has paid for, by whose it is.
        .layer(worker.limit(&route.limits.after, &worker.counters.after))
        // What fails from here on was counted, and its answer says so.
        .layer(AnswerLayer::new(worker.catalog.clone()))
        // What nobody may ask for costs no provider anything.
        .layer(worker.validate(&route.validate))
        .layer(wrap)
        .service(forward)
}

/// Where a route's requests end.
#[derive(Clone)]
enum Target {
    Forward(Forward<UploadBody>),
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
        request: Request<UploadBody>,
    ) -> Admission<impl Future<Output = Result<Response<UpstreamBody<UploadBody>>, Fault>> + use<>>
    {
        match self {
            Self::Forward(forward) => Admission::Admitted { inner: forward.clone().send(request) },
            Self::Refuse(fault) => Admission::refused(fault.clone()),
        }
    }
}

/// Tells the access log something, if there is one.
fn tell(request: &Request<ClientBody>, say: impl FnOnce(&Record)) {
    if let Some(record) = request.extensions().get::<Arc<Record>>() {
        say(record);
    }
}
