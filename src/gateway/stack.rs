use super::{
    adapt::{Adapt, Editable},
    answer::AnswerLayer,
    auth::RouteAuth,
    charge::free,
    counters::{Sides, WorkerCounters},
    document::Document,
    keys::Keys,
    pages::Served,
    plan::{Plan, PlannedRoute, PlannedUpstream},
    reveal::Reveal,
    tasks::{RouteTasks, Tasks},
};
use crate::{
    Catalog, Fault, ValidateLayer,
    admission::Admission,
    alone::{Alone, MOST_ALONE},
    auth::{AuthLayer, Principal, X_API_KEY},
    buffer::Budget,
    charge::{ChargeLayer, ChargedBody},
    classify::ClassifiedBody,
    config::{Page, Success},
    envelope::ResponseBody,
    forward::{Forward, UpstreamBody},
    idempotency::{self, IdempotencyLayer, RecordedBody},
    limit::{InFlightLimitLayer, RateLimitLayer, in_flight::InFlightBody},
    route::Router,
    server::{ClientBody, Record, WorkerStack},
    store::ledger::StoreLedger,
    tasks::{ProviderTaskId, TaskBody, TasksLayer},
    upstream::{ReplayBody, StreamWatcher, Upstream, UpstreamEndpoint},
    validate::{ParsedBody, ValidatedBody},
    wrap::{WrapBody, WrapLayer},
};
use http::{Request, Response, header};
use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};
use tower::{ServiceBuilder, service_fn};
use tower_service::Service;

/// A provider's body, as the routes pass it on: every layer that can refuse has a body of its own around it.
pub(crate) type RouteBody = Placed<Refusable<Refusable<Placed<Refusable<Answered>>>>>;
type Answered = Refusable<Refusable<RecordedBody<Paid, StoreLedger>>>;
type Paid = ChargedBody<WrapBody<TaskBody<ProviderBody, Tasks>>, StoreLedger>;
/// A provider's body, as far as it was let on.
type ProviderBody = ClassifiedBody<UpstreamBody<ReplayBody<UploadBody>>>;
/// A client's body, as it goes to the provider.
pub(super) type UploadBody = ValidatedBody<ClientBody>;
type Refusable<B> = ResponseBody<B>;
type Placed<B> = InFlightBody<B>;

impl Plan {
    /// What one of so many workers serves with: every route's stack behind the router. Connections to providers are made by, and kept for, the clones of this one.
    pub(crate) fn worker(
        &self,
        workers: usize,
    ) -> WorkerStack<
        impl Service<Request<ClientBody>, Response = Response<RouteBody>, Error = Fault, Future: Send>
        + Clone
        + Send
        + Sync
        + use<>,
        impl Future<Output = ()> + Send + use<>,
    > {
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        let worker = Worker {
            catalog: Arc::new((*self.catalog).clone()),
            keys: self.keys.clone(),
            counters: self.counters.counters(),
            budget: self.budget.worker(),
            reveal: self.reveal,
            ledger: self.ledger.clone(),
            alone: Arc::new(Alone::new(MOST_ALONE)),
        };
        let targets: BTreeMap<&str, _> = self
            .upstreams
            .iter()
            .map(|(name, planned)| (&**name, target(planned, &worker.catalog, workers)))
            .collect();
        let stacks = self.routes.iter().map(|route| {
            let target = match route.serve {
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
            alone: worker.alone,
        }
    }
}

/// What the stacks of one worker have in common. Whatever a request counts a reference of is a copy of the worker's
/// own: no two cores write to one place for it.
struct Worker {
    catalog: Arc<Catalog>,
    keys: Keys,
    counters: Sides<WorkerCounters>,
    budget: Budget,
    reveal: Reveal,
    ledger: StoreLedger,
    alone: Arc<Alone>,
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

    fn idempotency(&self, layer: &IdempotencyLayer<()>) -> IdempotencyLayer<StoreLedger> {
        let layer = layer.clone().store(self.ledger.clone()).catalog(self.catalog.clone());
        layer.alone(self.alone.clone())
    }

    fn charge(&self, layer: &ChargeLayer<()>) -> ChargeLayer<StoreLedger> {
        let layer = layer.clone().ledger(self.ledger.clone()).catalog(self.catalog.clone());
        layer.alone(self.alone.clone())
    }

    fn tasks(&self, tasks: &RouteTasks) -> TasksLayer<Tasks> {
        tasks.layer(&self.ledger).catalog(self.catalog.clone())
    }

    fn in_flight(&self, limit: &InFlightLimitLayer) -> InFlightLimitLayer {
        limit.clone().catalog(self.catalog.clone())
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
    let target = target.of_route(route, &worker.budget);
    let refuses = matches!(target, Target::Refuse(_));
    let (edits_bodies, edits) = (target.edits_bodies(), route.edits.clone());
    let lets_keys_on = route.lets_keys_on;
    let strips = route.auth.as_ref().is_some_and(RouteAuth::leaves_a_field);
    let forward = service_fn(move |mut request: Request<UploadBody>| {
        let record = request.extensions().get::<Arc<Record>>().cloned();
        let watcher = record.map(|record| StreamWatcher(record as Arc<_>));
        // Whoever had to look at it has, but for endpoints that change it; what it takes in memory is for the next request.
        let body = request.extensions_mut().remove::<ParsedBody>();
        let told = request.extensions_mut().remove::<ProviderTaskId>();
        if let Some(body) = body.filter(|_| edits_bodies || told.is_some()) {
            let mut editable = Editable { text: body.bytes().clone(), edits: edits.clone() };
            if let Some(ProviderTaskId { at, id }) = told {
                match editable.rename_task(request, at, &id) {
                    Ok(renamed) => request = renamed,
                    Err(fault) => return Admission::refused(fault),
                }
            }
            if edits_bodies {
                request.extensions_mut().insert(editable);
            }
        }
        if request.headers().contains_key(idempotency::HEADER) {
            let principal = request.extensions().get::<Principal>();
            let key = principal.and_then(|of| idempotency::of_caller(request.headers(), of));
            if !lets_keys_on {
                request.headers_mut().remove(idempotency::HEADER);
            } else if let Some(key) = key {
                request.headers_mut().insert(idempotency::HEADER, key);
            }
        }
        if strips {
            // Also from the field where this gateway takes no key: whoever puts one there means it for us.
            request.headers_mut().remove(header::AUTHORIZATION);
            request.headers_mut().remove(X_API_KEY);
        }
        target.call(request, watcher)
    });
    // What it wraps is a provider's success and nothing else.
    let wrap = WrapLayer::new(worker.catalog.clone()).enabled(route.success == Success::Wrap);
    let name: Arc<str> = Arc::from(&*route.name);
    // What nobody can do costs nothing.
    let (charge, tasks) = match refuses {
        true => (worker.charge(&free()), worker.tasks(&RouteTasks::untouched())),
        false => (worker.charge(&route.charge), worker.tasks(&route.tasks)),
    };
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
        .layer(AnswerLayer::new(worker.catalog.clone(), worker.reveal))
        // What nobody may ask for costs no provider anything.
        .layer(worker.validate(&route.validate))
        // What was carried out and answered already is not carried out again.
        .layer(worker.idempotency(&route.idempotency))
        // What it costs is reserved before a provider is asked, and taken before the end of a success is shown.
        .layer(charge)
        .layer(wrap)
        // Whose task is whose; ids are as the provider gives them.
        .layer(tasks)
        .service(forward)
}

/// What calls one endpoint.
trait Call:
    Service<
        Request<ReplayBody<UploadBody>>,
        Response = Response<UpstreamBody<ReplayBody<UploadBody>>>,
        Error = Fault,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Call for S where
    S: Service<
            Request<ReplayBody<UploadBody>>,
            Response = Response<UpstreamBody<ReplayBody<UploadBody>>>,
            Error = Fault,
            Future: Send,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// Where a route's requests end.
#[derive(Clone)]
enum Target<S> {
    Upstream {
        upstream: Upstream<S>,
        edits_bodies: bool,
    },
    Refuse(Fault),
    /// The gateway answers by itself.
    Serve(Served),
    /// The same for everybody.
    Document(Arc<Document>),
}

/// An upstream with connections of its own.
fn target(
    planned: &PlannedUpstream,
    catalog: &Arc<Catalog>,
    workers: u32,
) -> Target<impl Call + use<>> {
    let (endpoints, settings, roots) = match planned {
        PlannedUpstream::Configured { endpoints, settings, roots } => (endpoints, settings, roots),
        PlannedUpstream::NotConfigured(fault) => return Target::Refuse(fault.clone()),
    };
    let edits_bodies =
        endpoints.iter().any(|planned| planned.adapt.as_deref().is_some_and(Adapt::edits_bodies));
    let endpoints = endpoints.iter().map(|planned| {
        let forward = Forward::with_roots(planned.endpoint.clone(), roots);
        let adapt = planned.adapt.clone();
        // A function and not `Forward` itself as the service: its future need not be boxed.
        let service = service_fn(move |request| {
            let adapted = match &adapt {
                Some(adapt) => adapt.apply(request),
                None => Ok(request),
            };
            match adapted {
                Ok(request) => Admission::Admitted { inner: forward.clone().send(request) },
                Err(fault) => Admission::refused(fault),
            }
        });
        let endpoint = UpstreamEndpoint::new(&*planned.name, service)
            .profile(planned.profile.clone())
            .priority(planned.priority)
            .weight(planned.weight)
            .keeps_deadline(true)
            .max_bytes(planned.max_bytes)
            .max_event_bytes(planned.max_event_bytes)
            .heartbeat(planned.heartbeat)
            .watch(planned.watch.clone());
        (endpoint, planned.health.worker())
    });
    match Upstream::with_health(endpoints, settings.clone(), catalog.clone(), workers) {
        Ok(upstream) => Target::Upstream { upstream, edits_bodies },
        // The configuration has been checked.
        Err(_) => Target::Refuse(Fault::Internal),
    }
}

impl<S: Call> Target<S> {
    /// As this route wants it.
    fn of_route(self, route: &PlannedRoute, budget: &Budget) -> Self {
        let Self::Upstream { upstream, edits_bodies } = self else { return self };
        let upstream = upstream.repeat(route.repeat);
        let upstream = match route.max_replay_bytes {
            Some(bytes) => upstream.max_replay_bytes(bytes),
            None => upstream,
        };
        // What was checked is in memory anyway.
        let upstream = if route.reads_bodies { upstream } else { upstream.memory(budget.clone()) };
        Self::Upstream { upstream, edits_bodies }
    }

    /// Whether there is an endpoint that wants to see bodies.
    fn edits_bodies(&self) -> bool {
        matches!(self, Self::Upstream { edits_bodies: true, .. })
    }

    fn call(
        &self,
        request: Request<UploadBody>,
        watcher: Option<StreamWatcher>,
    ) -> Admission<Answering> {
        match self {
            // Boxed: every layer further out has the whole of it in its own future, and moves it.
            Self::Upstream { upstream, .. } => Admission::Admitted {
                inner: Box::pin(upstream.clone().send_watched(request, watcher)),
            },
            Self::Refuse(fault) => Admission::refused(fault.clone()),
            Self::Document(document) => {
                let answer = document.answer(&request).map(ClassifiedBody::ours);
                Admission::Admitted { inner: Box::pin(std::future::ready(Ok(answer))) }
            }
            Self::Serve(served) => {
                let answer = served.clone().answer(request);
                let ours = async { Ok(answer.await?.map(ClassifiedBody::ours)) };
                Admission::Admitted { inner: Box::pin(ours) }
            }
        }
    }
}

/// An answer on its way.
type Answering = Pin<Box<dyn Future<Output = Result<Response<ProviderBody>, Fault>> + Send>>;

/// Tells the access log something, if there is one.
fn tell(request: &Request<ClientBody>, say: impl FnOnce(&Record)) {
    if let Some(record) = request.extensions().get::<Arc<Record>>() {
        say(record);
    }
}
