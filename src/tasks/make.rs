//! Requests that make tasks.

use super::{
    Callback, NewTask, Recorded, TaskBody, TaskId, TaskStore, future::Answered, service::Shared,
};
use crate::{
    Fault,
    auth::Principal,
    begun::Begun,
    charge::{Amount, Hold},
    digest_fields,
    edit::Edits,
    envelope::Refuse,
    fault::{Cause, UpstreamFault, UpstreamKind},
    normalize::rescue_or,
    profile::{Content, WorkState},
    stream::Framing,
    upstream::AnsweredBy,
    work::{WorkEnd, WorkReport},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header, response::Parts};
use http_body::Body;
use std::sync::Arc;
use tower::BoxError;
use tower_service::Service;

/// Lets a request on that may make a task, and remembers it before the caller hears of it.
pub(super) async fn make<S, R, B, T>(
    mut inner: S,
    mut request: Request<R>,
    shared: Arc<Shared<T>>,
) -> Answered<B, S::Error, T>
where
    S: Service<Request<R>, Response = Response<B>>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    T: TaskStore,
{
    let refuse = Refuse::new(&request, &shared.catalog);
    let extensions = request.extensions_mut();
    let Some(principal) = extensions.get::<Principal>().cloned() else {
        return Ok(refuse.with(&Fault::MissingCredential).map(TaskBody::ours));
    };
    let hold = extensions.get::<Hold>().cloned();
    let callback = extensions.remove::<Callback>();
    // Whoever finds one says which endpoint has answered.
    let report = extensions.get_or_insert_default::<WorkReport>().clone();
    let (mut parts, body) = inner.call(request).await?.into_parts();
    let is_stream = || Framing::of_message(&parts.headers).is_some();
    if !parts.status.is_success()
        || body.size_hint().lower() > shared.max_bytes as u64
        || is_stream()
    {
        return Ok(Response::from_parts(parts, TaskBody::inner(body)));
    }
    let mut read = Begun::new(body);
    if let Err(error) = read.read(shared.max_bytes).await {
        let cut_off = UpstreamFault::new(UpstreamKind::Incomplete, Cause::CutOff);
        let fault = rescue_or(&*error.into(), cut_off);
        return Ok(refuse.with(&fault).map(TaskBody::ours));
    }
    let content =
        read.whole().map(|whole| Content::read(&parts.headers, whole, 4 * shared.max_bytes));
    let id = match (&content, &shared.id) {
        (Some(Content::Json(document)), Some(place)) => place.of_answer(document),
        _ => None,
    };
    // An answer with the work itself, or one that nobody can ask about: it is as any other.
    let Some(id) = id else { return Ok(Response::from_parts(parts, TaskBody::read(read))) };
    // What is over with the answer is paid for with it.
    let over = match report.end() {
        Some(WorkEnd::Succeeded) => Some(WorkState::Succeeded),
        Some(WorkEnd::Failed(_)) => Some(WorkState::Failed),
        _ => None,
    };
    let goes_on = hold.as_ref().filter(|_| over.is_none());
    // Whatever becomes of what follows, the provider works: who pays is known when the task is over, or its time.
    if let Some(hold) = goes_on {
        hold.take_over();
    }
    let endpoint = parts.extensions.get::<AnsweredBy>().map(|AnsweredBy(name)| name.clone());
    let recorded = shared.store.record(NewTask {
        scope: shared.scope.clone(),
        id: id.as_str().into(),
        principal,
        endpoint: endpoint.unwrap_or_default(),
        hold: hold.as_ref().map(Hold::id),
        amount: hold.as_ref().map_or(Amount::ZERO, Hold::amount),
        item: hold.as_ref().and_then(Hold::item).map(Into::into),
        retention: shared.retention,
        callback,
    });
    match recorded.await {
        Ok(Recorded::Known) => {
            // The first request pays for it.
            if let Some(hold) = goes_on {
                hold.give_back();
                report.tell(WorkEnd::Known);
            }
            Ok(Response::from_parts(parts, TaskBody::read(read)))
        }
        Ok(Recorded::Recorded) => {
            if let Some(over) = over {
                // Whoever is paid for the answer says the same of its money, before the caller sees the end of it.
                drop(shared.store.end(&shared.scope, &id, over).await);
            }
            Ok(Response::from_parts(parts, TaskBody::read(read)))
        }
        Ok(Recorded::As(id)) => match renamed(&mut parts, &content, &shared, &id) {
            Some(body) => Ok(Response::from_parts(parts, TaskBody::ours(body))),
            None => Ok(refuse.with(&Fault::Internal).map(TaskBody::ours)),
        },
        Ok(Recorded::Taken) => {
            tracing::error!(
                scope = &*shared.scope,
                "the provider gave a task an id that another one has"
            );
            let fault = UpstreamFault::new(UpstreamKind::Unexpected, Cause::Other);
            Ok(refuse.with(&fault.into()).map(TaskBody::ours))
        }
        // The provider works on it: nobody may think that nothing was done.
        Err(error) => {
            error.log("tasks");
            Ok(refuse.with(&Fault::Internal).map(TaskBody::ours))
        }
    }
}

/// The same answer with another id in it.
fn renamed<T>(
    parts: &mut Parts,
    content: &Option<Content>,
    shared: &Shared<T>,
    id: &str,
) -> Option<Bytes> {
    let (Some(Content::Json(document)), Some(TaskId::InAnswer(at))) = (content, &shared.id) else {
        return None;
    };
    let edits = Edits::new().set(at.clone(), id.into()).ok()?;
    let body = Bytes::from(edits.apply(document.bytes()).ok()?.concat());
    // It was read without its coding.
    parts.headers.remove(header::CONTENT_ENCODING);
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    digest_fields::remove(&mut parts.headers);
    Some(body)
}
