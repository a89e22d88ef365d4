use super::{
    answer::AnswerLayer,
    callbacks::{CallbackLayer, Called},
    charge::free,
    document::Document,
    pages::Served,
    plan::{Plan, PlannedRoute},
    provider::{Call, Provided, Target, provider_side},
    worker::Worker,
};
use crate::{
    Fault,
    auth::Principal,
    charge::ChargedBody,
    config::Page,
    envelope::ResponseBody,
    idempotency::RecordedBody,
    limit::in_flight::InFlightBody,
    metrics::RouteMetrics,
    route::Router,
    server::{ClientBody, Record, WorkerStack},
    store::ledger::StoreLedger,
    trace::Stage,
};
use http::{Request, Response};
use std::{future::Future, sync::Arc};
use tower::ServiceBuilder;
#[cfg(not(feature = "otlp"))]
use tower::layer::util::Identity;
#[cfg(feature = "otlp")]
use tower::util::MapRequestLayer;
use tower_service::Service;

/// A provider's body, as the routes pass it on: every layer that can refuse has a body of its own around it.
pub(crate) type RouteBody = Placed<Refusable<Refusable<Placed<Refusable<Answered>>>>>;
type Answered = Refusable<Refusable<RecordedBody<Paid, StoreLedger>>>;
type Paid = ChargedBody<Provided, StoreLedger>;
type Refusable<B> = ResponseBody<B>;
type Placed<B> = InFlightBody<B>;

impl Plan {
    /// What the worker with this number serves with: every route's stack behind the router. Connections to providers are made by, and kept for, the clones of this one.
    pub(crate) fn worker(
        &self,
        number: usize,
    ) -> WorkerStack<
        impl Service<Request<ClientBody>, Response = Response<RouteBody>, Error = Fault, Future: Send>
        + Clone
        + Send
        + Sync
        + use<>,
        impl Future<Output = ()> + Send + use<>,
    > {
        let worker = self.common(Some(number));
        let targets = self.targets(&worker, Some(number));
        let stacks = self.routes.iter().map(|route| {
            let target = match route.serve {
                Some(Page::Callback) => Some(Target::Called(Called {
                    callbacks: self.callbacks.clone(),
                    ledger: self.ledger.clone(),
                })),
                Some(Page::Catalog) => {
                    Some(Target::Document(Arc::new(Document::new(&worker.catalog))))
                }
                Some(page) => Some(Target::Serve(Served { page, reader: self.usage.clone() })),
                None => targets.get(&*route.upstream).cloned(),
            };
            // The configuration has been checked; an upstream that is not there would be a defect.
            route_stack(route, target.unwrap_or(Target::Refuse(Fault::Internal)), &worker)
        });
        WorkerStack {
            stack: Router::new(Arc::new((*self.table).clone()), stacks.collect()),
            warm_up: worker.counters.before.connect(),
            unrouted: Arc::new(RouteMetrics::new(&self.process.metrics, "", [&[], &[]])),
        }
    }
}

/// One route's services, from the outside in.
fn route_stack<S>(
    route: &PlannedRoute,
    target: Target<S>,
    worker: &Worker,
) -> impl Service<Request<ClientBody>, Response = Response<RouteBody>, Error = Fault, Future: Send>
+ Clone
+ Send
+ Sync
+ use<S>
where
    S: Call,
{
    let [before, behind] = &route.limits.names;
    let counts = RouteMetrics::new(&worker.metrics, &route.name, [before, behind]);
    let counts = Arc::new(counts.at(&route.path));
    // What nobody can do costs nothing.
    let charge = match target {
        Target::Refuse(_) => worker.charge(&free()),
        _ => worker.charge(&route.charge),
    };
    ServiceBuilder::new()
        .map_request(move |request| {
            tell(&request, |record| record.set_route(&counts));
            request
        })
        // A place that is given back costs nothing, so that places come before units, here and behind the key.
        .layer(worker.in_flight(&route.limits.before_at_once))
        // Whoever guesses keys is limited too, and costs no lookup.
        .layer(worker.limit(&route.limits.before, &worker.counters.before))
        .map_request(|request: Request<ClientBody>| {
            tell(&request, |record| record.set_passed(1));
            request
        })
        // Whose the request is; from here on nobody sees the key.
        .layer(worker.auth(route))
        .map_request(|request: Request<ClientBody>| {
            tell(&request, |record| {
                record.set_caller(request.extensions().get::<Principal>());
            });
            request
        })
        .layer(worker.in_flight(&route.limits.after_at_once))
        // What the caller has paid for, by whose it is.
        .layer(worker.limit(&route.limits.after, &worker.counters.after))
        .map_request(|request: Request<ClientBody>| {
            tell(&request, |record| record.set_passed(2));
            request
        })
        // What fails from here on was counted, and its answer says so.
        .layer(AnswerLayer::new(worker.catalog.clone(), worker.reveal))
        // What nobody may ask for costs no provider anything.
        .layer(worker.validate(&route.validate))
        // For traces: what is behind it may have waited for a body, and the next one for a store.
        .layer(reaches(Stage::Checked))
        // Whom a caller wants to be told is checked before anything is done for it.
        .layer(CallbackLayer(route.callback.clone()))
        // What was carried out and answered already is not carried out again.
        .layer(worker.idempotency(&route.idempotency))
        .layer(reaches(Stage::New))
        // What it costs is reserved before a provider is asked, and taken before the end of a success is shown.
        .layer(charge)
        .service(provider_side(route, target, worker))
}

/// Notes that requests have come so far.
#[cfg(feature = "otlp")]
fn reaches<B>(
    stage: Stage,
) -> MapRequestLayer<impl Fn(Request<B>) -> Request<B> + Clone + Send + Sync + 'static> {
    MapRequestLayer::new(move |request: Request<B>| {
        tell(&request, |record| record.reach(stage));
        request
    })
}

/// Nobody notes how far requests have come.
#[cfg(not(feature = "otlp"))]
fn reaches(_: Stage) -> Identity {
    Identity::new()
}

/// Tells the access log something, if there is one.
fn tell<B>(request: &Request<B>, say: impl FnOnce(&Record)) {
    if let Some(record) = request.extensions().get::<Arc<Record>>() {
        say(record);
    }
}
