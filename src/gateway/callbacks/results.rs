//! How tasks have ended.

use super::message;
use crate::{
    Fault,
    auth::{Account, Principal},
    callback::{Asked, Results},
    classify::ClassifyLayer,
    config::{Config, Route, Success},
    edit::Edits,
    gateway::{
        answer::AnswerLayer,
        endpoint::PlannedEndpoint,
        plan::{Plan, PlannedUpstream},
        provider::{Target, UploadBody, provider_side},
        tasks::Tasks,
        worker::Worker,
    },
    json::{Document, Syntax},
    normalize::rescue,
    request_id,
    route::Router,
    store::ledger::{DueCallback, Message},
    stream::Framing,
    tasks::{Listening, TaskId, TasksLayer},
    upstream::Pinned,
    validate::{ParsedBody, ValidatedBody},
    work::{WorkEnd, WorkReport},
    wrap::WrapLayer,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request};
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use std::{collections::HashMap, future::ready, sync::Arc};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
use tower_layer::Layer;
use tower_service::Service;

/// How it is found out how the tasks of an upstream have ended.
#[derive(Clone, Debug)]
pub(in crate::gateway) enum Way {
    /// They are asked for, as their owner would.
    Ask(Question),
    /// By what the provider says when it calls, as if it had answered that on the route with this number.
    Told(usize),
}

/// A request for the result of a task, without its id.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Question {
    method: Method,
    path: String,
    place: TaskId,
}

/// Those of all upstreams.
pub(in crate::gateway) fn ways(config: &Config) -> HashMap<String, Way> {
    let way = |(number, route): (usize, &Route)| {
        let way = match &route.callback.as_ref()?.result {
            Some(result) => Way::Ask(Question::of(config, result)?),
            None => Way::Told(number),
        };
        Some((route.upstream.clone(), way))
    };
    config.route.iter().enumerate().filter_map(way).collect()
}

impl Question {
    fn of(config: &Config, result: &str) -> Option<Self> {
        let route = config.route.iter().find(|route| route.name.as_str() == result)?;
        let (_, place) = route.task.as_ref()?.places().next()?;
        let methods = route.method.as_ref().map_or(&[][..], |methods| methods.as_slice());
        let default = if matches!(place, TaskId::InBody(_)) { Method::POST } else { Method::GET };
        let method = methods.first().cloned().unwrap_or(default);
        Some(Self { method, path: route.path.as_str().to_owned(), place })
    }

    /// The request for the task of a callback; `None` where its id cannot stand in one.
    fn about(&self, due: &DueCallback) -> Option<Request<UploadBody>> {
        let target = self.place.target(&self.path, &due.task);
        let request = of_owner(due).method(self.method.clone()).uri(target);
        let (mut parts, ()) = request.body(()).ok()?.into_parts();
        let mut pieces = Vec::new();
        if let TaskId::InBody(at) = &self.place {
            let edits = Edits::new().set(at.clone(), (*due.task).into()).ok()?;
            let text = edits.apply(&Bytes::from_static(b"{}")).ok()?.concat();
            let document = Document::parse(text, &Syntax::default()).ok()?;
            let json = HeaderValue::from_static("application/json");
            parts.headers.insert(header::CONTENT_TYPE, json);
            pieces.push(document.bytes().clone());
            parts.extensions.insert(ParsedBody::new(document));
        }
        let body = ValidatedBody::in_place_of(&mut parts, pieces);
        Some(Request::from_parts(parts, body))
    }
}

/// A request of the one whose task it is.
fn of_owner(due: &DueCallback) -> request::Builder {
    let account = Arc::new(Account::new(&*due.account));
    Request::builder()
        .header(header::ACCEPT, "application/json")
        .header(request_id::HEADER, due.id.to_string())
        .extension(Principal::new(account, &*due.key))
}

/// Finds out how tasks have ended, without keys and limits of callers.
#[derive(Clone, Debug)]
struct ResultRoutes<S> {
    router: S,
    told: HashMap<String, Told>,
    ways: HashMap<String, Way>,
    /// The longest result, in bytes.
    max_bytes: usize,
}

/// What makes an answer of what a provider says when it calls.
#[derive(Clone, Debug)]
struct Told {
    wrap: WrapLayer,
    tasks: TasksLayer<Tasks>,
    /// By endpoint.
    classify: HashMap<Arc<str>, ClassifyLayer>,
}

impl Told {
    /// Where the id stands in requests to it.
    fn place() -> TaskId {
        TaskId::InQuery("id".into())
    }

    async fn ask(
        &self,
        due: &DueCallback,
        message: &Message,
        max_bytes: usize,
    ) -> Result<Asked, Fault> {
        let request = of_owner(due).uri(Self::place().target("/", &due.task)).body(());
        let request = request.map_err(|_| Fault::Internal)?;
        let (classify, message) = (self.classify.clone(), message.clone());
        let call = service_fn(move |request: Request<()>| {
            let endpoint = request.extensions().get::<Pinned>().map(|Pinned(name)| name);
            let layer = endpoint.and_then(|name| classify.get(name)).cloned();
            let answer = Response::builder().header(header::CONTENT_TYPE, &*message.content_type);
            let answer = answer.body(Full::new(Bytes::from(message.body.clone())));
            async move {
                // The endpoint may be gone that has the task.
                let layer = layer.ok_or(Fault::Internal)?;
                let answer = answer.map_err(|_| Fault::Internal)?;
                let say = service_fn(move |_| ready(Ok::<_, Fault>(answer.clone())));
                layer.layer(say).oneshot(request).await
            }
        });
        read(self.wrap.layer(self.tasks.layer(call)), request, max_bytes).await
    }
}

impl<S, B> Results for ResultRoutes<S>
where
    S: Service<Request<UploadBody>, Response = Response<B>, Error = Fault, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send,
{
    async fn ask(&self, due: &DueCallback) -> Asked {
        let asked = match self.ways.get(&due.scope) {
            Some(Way::Ask(question)) => match question.about(due) {
                Some(request) => read(self.router.clone(), request, self.max_bytes).await,
                None => return Asked::Gone("its id cannot be asked for".to_owned()),
            },
            Some(Way::Told(_)) => match (&due.message, self.told.get(&due.scope)) {
                (Some(message), Some(told)) => told.ask(due, message, self.max_bytes).await,
                // It has not called.
                _ => return Asked::Running,
            },
            None => {
                let scope = &due.scope;
                return Asked::Unknown(format!(
                    "no route tells any more how the tasks of {scope} end"
                ));
            }
        };
        asked.unwrap_or_else(|fault| Asked::Unknown(fault.to_string()))
    }
}

/// How far a task is, by the answer to a request about it.
async fn read<S, R, B>(
    service: S,
    mut request: Request<R>,
    max_bytes: usize,
) -> Result<Asked, Fault>
where
    S: Service<Request<R>, Response = Response<B>, Error = Fault>,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let report = WorkReport::default();
    request.extensions_mut().insert(Listening(report.clone()));
    let (parts, body) = service.oneshot(request).await?.into_parts();
    if Framing::of_message(&parts.headers).is_some() {
        return Ok(Asked::Gone("the result is a stream of events, and no message".to_owned()));
    }
    if parts.headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(Asked::Unknown(
            "the result is compressed, though nobody asked for that".to_owned(),
        ));
    }
    let body = match Limited::new(body, max_bytes).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Ok(Asked::Gone(format!("the result is longer than {max_bytes} bytes")));
        }
        Err(error) => return Err(rescue(&*error)),
    };
    let fault = parts.extensions.get::<Fault>();
    let is_over = match (report.end(), fault) {
        // Nobody is told of a success that could not be charged for.
        (Some(WorkEnd::Succeeded), fault) => fault.is_none(),
        (Some(WorkEnd::Failed(_)), Some(Fault::StoreUnavailable)) => false,
        (Some(WorkEnd::Failed(_)), _) => true,
        (_, Some(Fault::TaskNotFound)) => {
            return Ok(Asked::Gone("the task is not known any more".to_owned()));
        }
        (_, Some(_)) => false,
        // One that says nothing of how far it is, is a result.
        (_, None) => {
            parts.status.is_success()
                && parts.status != StatusCode::ACCEPTED
                && !report.is_going_on()
                && !body.is_empty()
        }
    };
    Ok(match (is_over, fault) {
        (true, _) => Asked::Over(message(&parts.headers, &body)),
        (false, Some(fault)) => Asked::Unknown(fault.to_string()),
        (false, None) => Asked::Running,
    })
}

impl Plan {
    /// Who asks for results without a caller: with connections of its own, as if there were no other worker.
    pub(crate) fn results(&self) -> impl Results + use<> {
        let worker = self.common(None);
        let targets = self.targets(&worker, None);
        let stacks = self.routes.iter().map(|route| {
            let target = targets.get(&*route.upstream).cloned();
            let inner =
                provider_side(route, target.unwrap_or(Target::Refuse(Fault::NoRoute)), &worker);
            let edits = route.edits.clone();
            ServiceBuilder::new()
                .layer(AnswerLayer::new(worker.catalog.clone(), worker.reveal))
                .map_request(move |request: Request<UploadBody>| with_edits(request, &edits))
                .service(inner)
        });
        let (router, max_bytes) =
            (Router::new(self.table.clone(), stacks.collect()), self.callbacks.max_bytes);
        let told = |(scope, way): (&String, &Way)| match way {
            Way::Ask(_) => None,
            Way::Told(number) => Some((scope.clone(), self.told(*number, &worker)?)),
        };
        let told = self.ways.iter().filter_map(told).collect();
        ResultRoutes { router, told, ways: self.ways.clone(), max_bytes }
    }

    /// What makes an answer of this route of what its provider says when it calls.
    fn told(&self, number: usize, worker: &Worker) -> Option<Told> {
        let route = self.routes.get(number)?;
        let PlannedUpstream::Configured { endpoints, .. } = self.upstreams.get(&route.upstream)?
        else {
            return None;
        };
        let classify = |planned: &PlannedEndpoint| {
            let layer = ClassifyLayer::new(planned.profile.clone());
            (
                planned.name.clone(),
                layer.catalog(worker.catalog.clone()).max_bytes(planned.max_bytes),
            )
        };
        let tasks =
            TasksLayer::new(Tasks::Stored(worker.ledger.clone()), &*route.upstream, Told::place());
        Some(Told {
            wrap: WrapLayer::new(worker.catalog.clone()).enabled(route.success == Success::Wrap),
            tasks: tasks.catalog(worker.catalog.clone()),
            classify: endpoints.iter().map(classify).collect(),
        })
    }
}

/// What `validate` does to the body of a request of a caller, in one that was made here.
fn with_edits(request: Request<UploadBody>, edits: &Edits) -> Request<UploadBody> {
    let Some(body) = request.extensions().get::<ParsedBody>().filter(|_| !edits.is_empty()) else {
        return request;
    };
    // It was made to be an object.
    let Ok(pieces) = edits.apply(body.bytes()) else { return request };
    let (mut parts, _) = request.into_parts();
    let body = ValidatedBody::in_place_of(&mut parts, pieces);
    Request::from_parts(parts, body)
}
