//! Requests that are about tasks.

use super::{Task, TaskBody, TaskStore, body::Watched, future::Answered, service::Shared};
use crate::{
    Fault,
    auth::Principal,
    charge::{Ended, LedgerError},
    envelope::Refuse,
    fault::{Cause, UpstreamFault, UpstreamKind},
    profile::WorkState,
    stream::Framing,
    upstream::Pinned,
    work::{WorkEnd, WorkReport},
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::Body;
use std::sync::Arc;
use tower_service::Service;

/// Where somebody who asks for a task without a caller reads how far it is. In the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Listening(pub(crate) WorkReport);

/// Lets a request on whose caller has the task, to where the task is, and remembers what is said of it before the caller hears it.
pub(super) async fn ask<S, R, B, T>(
    mut inner: S,
    mut request: Request<R>,
    shared: Arc<Shared<T>>,
) -> Answered<B, S::Error, T>
where
    S: Service<Request<R>, Response = Response<B>>,
    B: Body<Data = Bytes>,
    T: TaskStore,
{
    let refuse = Refuse::new(&request, &shared.catalog);
    let Some(principal) = request.extensions().get::<Principal>().cloned() else {
        return Ok(refuse.with(&Fault::MissingCredential).map(TaskBody::ours));
    };
    let id = shared.id.as_ref().and_then(|place| place.of_request(&request)).unwrap_or_default();
    let mut task = match shared.store.find(&shared.scope, &id).await {
        Ok(task) => task,
        Err(error) => {
            error.log("tasks");
            return Ok(refuse.with(&Fault::StoreUnavailable).map(TaskBody::ours));
        }
    };
    // Of somebody else's the caller learns as much as of one that is not there.
    task = task.filter(|task| *task.account == *principal.account());
    let Some(mut task) = task else {
        return Ok(refuse.with(&Fault::TaskNotFound).map(TaskBody::ours));
    };
    // Somebody may have given the money back meanwhile.
    if task.state == WorkState::Succeeded && task.is_paid {
        let ended = shared.store.end(&shared.scope, &id, WorkState::Succeeded).await;
        if let Err(fault) = may_be_shown(&task, ended) {
            return Ok(refuse.with(&fault).map(TaskBody::ours));
        }
    }
    let put = |provider_id: Box<str>| {
        shared.id.as_ref().and_then(|place| place.put(&mut request, &id, &provider_id))
    };
    if task.provider_id.take().map(put) == Some(None) {
        tracing::error!(scope = &*shared.scope, "the id of a task is not where it was asked for");
        return Ok(refuse.with(&Fault::Internal).map(TaskBody::ours));
    }
    // A part of a result is a result of which nobody can see that it is one.
    request.headers_mut().remove(header::RANGE);
    request.headers_mut().remove(header::IF_RANGE);
    let extensions = request.extensions_mut();
    let listening = extensions.remove::<Listening>();
    let report = listening.clone().map(|of| of.0).unwrap_or_default();
    extensions.insert(Pinned(task.endpoint.clone()));
    extensions.insert(report.clone());
    let answered = inner.call(request).await;
    if task.state == WorkState::Succeeded {
        return answered.map(|response| response.map(TaskBody::inner));
    }
    let state = state(&task, &report, answered.as_ref().ok());
    if state != WorkState::Running {
        let ended = shared.store.end(&shared.scope, &id, state).await;
        // Whoever polls hears of a failure again, and whoever is told of it hears of it once: then the money has to be back.
        if ended.is_err() && listening.is_some() {
            return Ok(refuse.with(&Fault::StoreUnavailable).map(TaskBody::ours));
        }
        if let (WorkState::Succeeded, Err(fault)) = (state, may_be_shown(&task, ended)) {
            return Ok(refuse.with(&fault).map(TaskBody::ours));
        }
    } else if task.is_paid && answered.as_ref().is_ok_and(is_stream) {
        let watched = |body| Watched::new(body, report, shared, task, id.into());
        return answered.map(|response| response.map(|body| TaskBody::watched(watched(body))));
    }
    answered.map(|response| response.map(TaskBody::inner))
}

/// How far the task is, by an answer about it. What is paid for and says nothing that can be read, such as one with pictures in it, is a
/// result; what is empty is none, as to a HEAD.
fn state<B: Body>(task: &Task, report: &WorkReport, answer: Option<&Response<B>>) -> WorkState {
    let is_result = |answer: &Response<B>| {
        answer.status().is_success()
            && answer.status() != StatusCode::ACCEPTED
            && !is_stream(answer)
            && !answer.body().is_end_stream()
    };
    match report.end() {
        Some(WorkEnd::Succeeded) => WorkState::Succeeded,
        Some(WorkEnd::Failed(_)) => WorkState::Failed,
        _ if task.is_paid && !report.is_going_on() && answer.is_some_and(is_result) => {
            WorkState::Succeeded
        }
        _ => WorkState::Running,
    }
}

fn is_stream<B>(answer: &Response<B>) -> bool {
    Framing::of_message(answer.headers()).is_some()
}

/// Whether a success is paid for, or costs nothing: no other is shown to anybody.
pub(super) fn may_be_shown(
    task: &Task,
    ended: Result<Option<Ended>, LedgerError>,
) -> Result<(), Fault> {
    match ended {
        Ok(Some(Ended::Settled)) => Ok(()),
        Ok(None) if !task.is_paid => Ok(()),
        // It said that it had failed, and the money is back.
        Ok(_) if task.state == WorkState::Failed => {
            Err(UpstreamFault::new(UpstreamKind::Unexpected, Cause::Other).into())
        }
        // Its time is over, or somebody has given the money back by hand.
        Ok(_) => Err(Fault::TaskNotFound),
        Err(error) => {
            error.log("tasks");
            Err(Fault::StoreUnavailable)
        }
    }
}
