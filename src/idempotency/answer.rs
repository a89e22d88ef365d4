//! What becomes of a key with each answer, and how an answer is kept and given again.

use super::{Kept, RecordedBody, store::IdempotencyStore};
use crate::{
    Fault,
    envelope::RenderedBy,
    fault::{Charge, Disposition, Source},
    request_id,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header, response::Parts};

/// Says that an answer is not the first time that it is given.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Says of an answer that is kept, and of no other, that it is an envelope of ours.
const ENVELOPE: HeaderName = HeaderName::from_static("tollgate-envelope");

/// What becomes of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The answer is kept for whoever comes with it.
    Keep,
    /// It is given back: nothing was done, and it may go better next time.
    GiveBack,
    /// Nothing can be kept that is of use to anybody.
    Spend,
}

/// With this answer.
pub(super) fn fate(parts: &Parts) -> Fate {
    if let Some(fault) = parts.extensions.get::<Fault>() {
        return fate_of(fault);
    }
    match parts.status {
        // What follows is another protocol.
        StatusCode::SWITCHING_PROTOCOLS => Fate::Spend,
        StatusCode::TOO_MANY_REQUESTS => Fate::GiveBack,
        status if status.is_server_error() => Fate::GiveBack,
        _ => Fate::Keep,
    }
}

/// With this failure.
pub(super) fn fate_of(fault: &Fault) -> Fate {
    let Disposition { retry, charge, .. } = fault.disposition();
    // What the gateway itself refuses, nobody has begun.
    let may_go_better = retry.is_retryable() || fault.raised_by() == Source::Gateway;
    match may_go_better && charge == Charge::Release {
        true => Fate::GiveBack,
        false => Fate::Keep,
    }
}

/// An answer with this body, as it is kept.
pub(super) fn keep(parts: &Parts, body: Bytes) -> Kept {
    let mut headers = parts.headers.clone();
    let own = [header::CONTENT_LENGTH, header::DATE, header::CONNECTION, header::TRANSFER_ENCODING];
    own.iter().chain([&request_id::HEADER]).for_each(|name| drop(headers.remove(name)));
    if parts.extensions.get::<RenderedBy>().is_some() {
        headers.insert(ENVELOPE, HeaderValue::from_static("1"));
    }
    Kept { status: parts.status, headers, body }
}

/// The same answer once more.
pub(super) fn give_again<B, T: IdempotencyStore>(
    kept: Kept,
    is_head: bool,
    catalog: u64,
) -> Response<RecordedBody<B, T>> {
    let Kept { status, mut headers, body } = kept;
    let is_envelope = headers.remove(ENVELOPE).is_some();
    let length = HeaderValue::from(body.len());
    let body = if is_head { Bytes::new() } else { body };
    let mut answer = Response::new(RecordedBody::ours(body));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    // It is as good as one that was written just now.
    if is_envelope {
        answer.extensions_mut().insert(RenderedBy(catalog));
    }
    if status != StatusCode::NO_CONTENT {
        answer.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Cause, UpstreamFault, UpstreamKind as K};

    #[test]
    fn fates() {
        let table = [
            (UpstreamFault::new(K::ProviderError, Cause::Status(500)).into(), Fate::GiveBack),
            (UpstreamFault::new(K::Unreachable, Cause::Connect).into(), Fate::GiveBack),
            (UpstreamFault::new(K::Unreachable, Cause::Reset).into(), Fate::Keep),
            (UpstreamFault::new(K::Timeout, Cause::FirstByteTimeout).into(), Fate::Keep),
            (UpstreamFault::new(K::InvalidRequest, Cause::Status(400)).into(), Fate::Keep),
            (UpstreamFault::new(K::OutputModeration, Cause::Status(200)).into(), Fate::Keep),
            (UpstreamFault::new(K::ProviderError, Cause::WorkFailed(200)).into(), Fate::GiveBack),
            (Fault::InsufficientBalance, Fate::GiveBack),
            (Fault::StoreUnavailable, Fate::GiveBack),
            (Fault::Overloaded, Fate::GiveBack),
        ];
        for (fault, want) in table {
            assert_eq!(fate_of(&fault), want, "{fault}");
        }
        let statuses = [
            (200, Fate::Keep),
            (404, Fate::Keep),
            (429, Fate::GiveBack),
            (503, Fate::GiveBack),
            (101, Fate::Spend),
        ];
        for (status, want) in statuses {
            let mut answer = Response::new(());
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            assert_eq!(fate(&answer.into_parts().0), want, "{status}");
        }
    }
}
