//! One request that has a key.

use super::{
    Begun as Known, FirstRequest, IdempotencyStore, KeyName, RecordedBody,
    answer::{Fate, fate, fate_of, give_again, keep},
    body::Recording,
    future::Answered,
    service::Shared,
};
use crate::{
    Fault,
    begun::Begun,
    charge::LedgerError,
    envelope::Refuse,
    fault::{Cause, UpstreamFault, UpstreamKind},
    normalize::{rescue, rescue_or},
    stream::Framing,
    work::WorkReport,
};
use bytes::Bytes;
use http::{Request, Response, response::Parts};
use http_body::Body;
use std::{any::Any, sync::Arc};
use tower::BoxError;
use tower_service::Service;

/// What is remembered of a request.
#[derive(Debug)]
pub(super) struct First {
    pub(super) name: KeyName,
    pub(super) fingerprint: [u8; 32],
}

/// Carries the request out if it is the first one with its key, and keeps its answer.
pub(super) async fn run<S, R, B, T>(
    mut inner: S,
    mut request: Request<R>,
    first: First,
    shared: Arc<Shared<T>>,
) -> Answered<B, S::Error, T>
where
    S: Service<Request<R>, Response = Response<B>, Error: 'static>,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
    T: IdempotencyStore + Clone + Send + Sync + 'static,
{
    let refuse = Refuse::new(&request, &shared.catalog);
    let First { name, fingerprint } = first;
    let (lease, retention) = (shared.lease, shared.retention);
    let known =
        shared.store.begin(FirstRequest { name: name.clone(), fingerprint, lease, retention });
    match known.await {
        Ok(Known::First) => {}
        Ok(Known::InUse) => {
            return Ok(refuse.with(&Fault::IdempotencyKeyInUse).map(RecordedBody::ours));
        }
        Ok(Known::Reused) => {
            return Ok(refuse.with(&Fault::IdempotencyKeyReused).map(RecordedBody::ours));
        }
        Ok(Known::Answered(kept)) => return Ok(give_again(kept, refuse.head, shared.catalog.id())),
        Err(error) => {
            error.log("idempotency keys");
            return Ok(refuse.with(&Fault::StoreUnavailable).map(RecordedBody::ours));
        }
    }
    let extensions = request.extensions_mut();
    let report = extensions.get_or_insert_default::<WorkReport>().clone();
    extensions.insert(name.turn);
    let response = match inner.call(request).await {
        Ok(response) => response,
        Err(error) => match fault_of(&error) {
            // As an answer it can be kept.
            Some(fault) => return Ok(finish(refuse.with(&fault), &name, &shared).await),
            None => return Err(error),
        },
    };
    let (parts, body) = response.into_parts();
    let is_stream = Framing::of_message(&parts.headers).is_some();
    match fate(&parts) {
        Fate::GiveBack => {
            told(shared.store.forget(&name).await);
            Ok(Response::from_parts(parts, RecordedBody::inner(body)))
        }
        Fate::Spend => {
            told(shared.store.keep(&name, None).await);
            Ok(Response::from_parts(parts, RecordedBody::inner(body)))
        }
        Fate::Keep if is_stream => {
            let recording = Recording::new(body, &parts, name, report, shared);
            Ok(Response::from_parts(parts, RecordedBody::recording(recording)))
        }
        Fate::Keep => Ok(read(parts, body, &name, &shared, &refuse).await),
    }
}

/// Reads an answer that is to be kept, and keeps it before anybody sees it.
async fn read<B, T>(
    parts: Parts,
    body: B,
    name: &KeyName,
    shared: &Shared<T>,
    refuse: &Refuse,
) -> Response<RecordedBody<B, T>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    T: IdempotencyStore,
{
    let mut body = Begun::new(body);
    let cut_off = UpstreamFault::new(UpstreamKind::Incomplete, Cause::CutOff);
    let failed =
        body.read(shared.max_bytes).await.map_err(|error| rescue_or(&*error.into(), cut_off));
    if let Err(fault) = failed {
        return finish(refuse.with(&fault), name, shared).await;
    }
    let kept = body.whole().filter(|whole| whole.len() <= shared.max_bytes);
    told(shared.store.keep(name, kept.map(|whole| keep(&parts, whole))).await);
    Response::from_parts(parts, RecordedBody::begun(body))
}

/// Keeps an answer of ours, or gives the key back.
async fn finish<B, T: IdempotencyStore>(
    answer: Response<Bytes>,
    name: &KeyName,
    shared: &Shared<T>,
) -> Response<RecordedBody<B, T>> {
    let (parts, body) = answer.into_parts();
    match fate(&parts) {
        Fate::Keep => told(shared.store.keep(name, Some(keep(&parts, body.clone()))).await),
        Fate::GiveBack => told(shared.store.forget(name).await),
        Fate::Spend => told(shared.store.keep(name, None).await),
    }
    Response::from_parts(parts, RecordedBody::ours(body))
}

/// What becomes of the key of a stream that has ended.
pub(super) fn fate_of_stream(report: &WorkReport) -> Fate {
    match report.end() {
        Some(crate::work::WorkEnd::Failed(fault)) => fate_of(&fault),
        _ => Fate::Keep,
    }
}

/// The fault that an error of any type is, if it is one.
fn fault_of<E: 'static>(error: &E) -> Option<Fault> {
    let error: &dyn Any = error;
    let fault = error.downcast_ref::<Fault>().cloned();
    fault.or_else(|| {
        let fault = rescue(&**error.downcast_ref::<BoxError>()?);
        (fault != Fault::Internal).then_some(fault)
    })
}

/// The answer is the caller's all the same; whoever comes again finds the key in use.
pub(super) fn told(kept: Result<(), LedgerError>) {
    if let Err(error) = kept {
        error.log("idempotency keys");
    }
}
