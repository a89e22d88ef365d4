//! The inner part of a route: how a provider is asked, and what its answers become.

use super::{
    adapt::{Adapt, Editable},
    auth::RouteAuth,
    callbacks::{Called, OurUrl},
    document::Document,
    pages::Served,
    plan::{Plan, PlannedRoute, PlannedUpstream},
    tasks::{RouteTasks, Tasks},
    worker::Worker,
};
use crate::{
    Catalog, Fault,
    admission::Admission,
    auth::{Principal, X_API_KEY},
    buffer::Budget,
    classify::ClassifiedBody,
    config::Success,
    edit::Edits,
    forward::UpstreamBody,
    idempotency,
    server::{ClientBody, Record},
    signal::Signal,
    tasks::{ProviderTaskId, TaskBody},
    trace::Stage,
    upstream::{AttemptWatcher, ReplayBody, StreamWatcher, Upstream, UpstreamEndpoint},
    validate::{ParsedBody, ValidatedBody},
    wrap::{WrapBody, WrapLayer},
};
use bytes::Bytes;
use http::{Request, Response, header};
use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc, time::Instant};
use tower::{ServiceBuilder, service_fn};
use tower_service::Service;

/// What becomes of a provider's body.
pub(super) type Provided = WrapBody<TaskBody<ProviderBody, Tasks>>;
/// A provider's body, as far as it was let on.
type ProviderBody = ClassifiedBody<UpstreamBody<ReplayBody<UploadBody>>>;
/// A client's body, as it goes to the provider.
pub(super) type UploadBody = ValidatedBody<ClientBody>;

/// Wraps, remembers tasks, and asks.
pub(super) fn provider_side<S>(
    route: &PlannedRoute,
    target: Target<S>,
    worker: &Worker,
) -> impl Service<Request<UploadBody>, Response = Response<Provided>, Error = Fault, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static
+ use<S>
where
    S: Call,
{
    let target = target.of_route(route, &worker.budget);
    let tasks = match target {
        Target::Refuse(_) => worker.tasks(&RouteTasks::untouched()),
        _ => worker.tasks(&route.tasks),
    };
    let (edits_bodies, edits) = (target.edits_bodies(), route.edits.clone());
    let lets_keys_on = route.lets_keys_on;
    let strips = route.auth.as_ref().is_some_and(RouteAuth::leaves_a_field);
    let forward = service_fn(move |mut request: Request<UploadBody>| {
        let record = request.extensions().get::<Arc<Record>>().cloned();
        if let Some(record) = &record {
            record.reach(Stage::Paid);
        }
        match edited(request, &edits, edits_bodies) {
            Ok(edited) => request = edited,
            Err(fault) => return Admission::refused(fault),
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
        if let Some(record) = &record {
            record.tell_trace(request.headers_mut());
        }
        target.call(request, record)
    });
    // What it wraps is a provider's success and nothing else.
    let wrap = WrapLayer::new(worker.catalog.clone()).enabled(route.success == Success::Wrap);
    // Whose task is whose; ids are as the provider gives them.
    ServiceBuilder::new().layer(wrap).layer(tasks).service(forward)
}

/// The request with what the gateway puts into its body. Whoever had to look at that has, but for endpoints that change it; what it takes in
/// memory is for the next request.
fn edited(
    mut request: Request<UploadBody>,
    edits: &Arc<Edits>,
    edits_bodies: bool,
) -> Result<Request<UploadBody>, Fault> {
    let extensions = request.extensions_mut();
    let body = extensions.remove::<ParsedBody>();
    let task = extensions.remove::<ProviderTaskId>();
    let url = extensions.remove::<OurUrl>();
    let Some(body) = body.filter(|_| edits_bodies || task.is_some() || url.is_some()) else {
        return Ok(request);
    };
    let mut editable =
        Editable { text: body.bytes().clone(), ours: Edits::new(), edits: edits.clone() };
    if let Some(ProviderTaskId { at, id }) = task {
        editable.put(at, &id)?;
    }
    if let Some(OurUrl { at, url }) = url {
        editable.put(at, &url)?;
    }
    if !editable.ours.is_empty() {
        request = editable.in_place_of(request)?;
    }
    if edits_bodies {
        request.extensions_mut().insert(editable);
    }
    Ok(request)
}

/// What calls one endpoint.
pub(super) trait Call:
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
pub(super) enum Target<S> {
    Upstream {
        name: Arc<str>,
        upstream: Upstream<S>,
        edits_bodies: bool,
    },
    Refuse(Fault),
    /// The gateway answers by itself.
    Serve(Served),
    /// A provider says that a task is over.
    Called(Called),
    /// The same for everybody.
    Document(Arc<Document>),
}

/// An upstream with the connections of one of so many workers.
fn target(
    name: &str,
    planned: &PlannedUpstream,
    catalog: &Arc<Catalog>,
    cut_off: &Signal,
    number: Option<usize>,
    workers: u32,
) -> Target<impl Call + use<>> {
    let (endpoints, settings) = match planned {
        PlannedUpstream::Configured { endpoints, settings } => (endpoints, settings),
        PlannedUpstream::NotConfigured(fault) => return Target::Refuse(fault.clone()),
    };
    let edits_bodies =
        endpoints.iter().any(|planned| planned.adapt.as_deref().is_some_and(Adapt::edits_bodies));
    let endpoints = endpoints.iter().map(|planned| {
        let forward = planned.forward(number);
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
            .watch(planned.watch.clone())
            .stop(cut_off.clone())
            .on_attempt(planned.counts.clone());
        (endpoint, planned.health().worker())
    });
    match Upstream::with_health(endpoints, settings.clone(), catalog.clone(), workers) {
        Ok(upstream) => Target::Upstream { name: name.into(), upstream, edits_bodies },
        // The configuration has been checked.
        Err(_) => Target::Refuse(Fault::Internal),
    }
}

impl<S: Call> Target<S> {
    /// As this route wants it.
    pub(super) fn of_route(self, route: &PlannedRoute, budget: &Budget) -> Self {
        let Self::Upstream { name, upstream, edits_bodies } = self else { return self };
        let upstream = upstream.repeat(route.repeat);
        let upstream = match route.max_replay_bytes {
            Some(bytes) => upstream.max_replay_bytes(bytes),
            None => upstream,
        };
        // What was checked is in memory anyway.
        let upstream = if route.reads_bodies { upstream } else { upstream.memory(budget.clone()) };
        Self::Upstream { name, upstream, edits_bodies }
    }

    /// Whether there is an endpoint that wants to see bodies.
    fn edits_bodies(&self) -> bool {
        matches!(self, Self::Upstream { edits_bodies: true, .. })
    }

    fn call(
        &self,
        request: Request<UploadBody>,
        record: Option<Arc<Record>>,
    ) -> Admission<Answering> {
        match self {
            // Boxed: every layer further out has the whole of it in its own future, and moves it.
            Self::Upstream { name, upstream, .. } => {
                let attempts = record.as_ref().and_then(|record| record.watch_attempts(name));
                let asking = timed(upstream.clone(), request, record, attempts);
                Admission::Admitted { inner: Box::pin(asking) }
            }
            Self::Refuse(fault) => Admission::refused(fault.clone()),
            Self::Serve(served) => ours(served.clone().answer(request)),
            Self::Called(called) => ours(called.clone().answer(request)),
            Self::Document(document) => ours(std::future::ready(Ok(document.answer(&request)))),
        }
    }
}

/// Asks, and tells the access log and the metrics how long that took.
async fn timed<S: Call>(
    upstream: Upstream<S>,
    request: Request<UploadBody>,
    record: Option<Arc<Record>>,
    attempts: Option<AttemptWatcher>,
) -> Result<Response<ProviderBody>, Fault> {
    let began = Instant::now();
    let watcher = record.clone().map(|record| StreamWatcher(record as Arc<_>));
    let answer = upstream.send_watched(request, watcher, attempts).await;
    if let Some(record) = record {
        record.set_provider(began.elapsed());
    }
    answer
}

/// An answer of the gateway's own.
fn ours(
    answer: impl Future<Output = Result<Response<Bytes>, Fault>> + Send + 'static,
) -> Admission<Answering> {
    let ours = async { Ok(answer.await?.map(ClassifiedBody::ours)) };
    Admission::Admitted { inner: Box::pin(ours) }
}

/// An answer on its way.
type Answering = Pin<Box<dyn Future<Output = Result<Response<ProviderBody>, Fault>> + Send>>;

impl Plan {
    /// The upstreams, with the connections of the worker with this number, or with others of their own.
    pub(super) fn targets(
        &self,
        worker: &Worker,
        number: Option<usize>,
    ) -> BTreeMap<&str, Target<impl Call + use<>>> {
        let workers = number.map_or(1, |_| self.process.workers.len());
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        let cut_off = &self.process.cut_off;
        self.upstreams
            .iter()
            .map(|(name, planned)| {
                (&**name, target(name, planned, &worker.catalog, cut_off, number, workers))
            })
            .collect()
    }
}
