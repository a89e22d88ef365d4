use super::retry_after;
use crate::fault::{Cause, UpstreamFault, UpstreamKind};
use http::{HeaderMap, StatusCode};
use std::time::SystemTime;

/// The generic profile: what a failure of a provider that we know nothing about means, by its status.
///
/// 401 and 403 are about the gateway's own credential and 402 about its own account: the caller has nothing to
/// do with either. 529 is not registered and widely used for "overloaded"; 520 to 530 are those of a CDN in
/// front of the provider.
pub fn generic(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> UpstreamFault {
    use UpstreamKind as Kind;
    let kind = match status.as_u16() {
        400 | 405 | 406 | 409 | 411 | 413..=417 | 422 | 431 => Kind::InvalidRequest,
        401 | 403 | 407 => Kind::AuthFailed,
        402 => Kind::AccountExhausted,
        404 | 410 => Kind::NotFound,
        408 | 504 | 522 | 524 => Kind::Timeout,
        429 => Kind::RateLimited,
        500 => Kind::ProviderError,
        502 | 503 | 520 | 521 | 523 | 525..=530 => Kind::Overloaded,
        _ => Kind::Unexpected,
    };
    UpstreamFault::new(kind, Cause::Status(status.as_u16()))
        .with_retry_after(retry_after(headers, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalog, Fault, fault::Charge};

    fn read(status: u16) -> UpstreamFault {
        generic(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn by_status() {
        use UpstreamKind as K;
        let table: &[(&[u16], K)] = &[
            (&[400, 405, 409, 413, 415, 422, 431], K::InvalidRequest),
            (&[401, 403, 407], K::AuthFailed),
            (&[402], K::AccountExhausted),
            (&[404, 410], K::NotFound),
            (&[408, 504, 522, 524], K::Timeout),
            (&[429], K::RateLimited),
            (&[500], K::ProviderError),
            (&[502, 503, 520, 521, 523, 525, 526, 527, 529, 530], K::Overloaded),
            (&[418, 421, 426, 451, 499, 501, 505, 599, 600, 999], K::Unexpected),
        ];
        for (statuses, kind) in table {
            for status in *statuses {
                assert_eq!(read(*status).kind, *kind, "{status}");
                assert_eq!(read(*status).cause, Cause::Status(*status));
            }
        }
    }

    #[test]
    fn our_own_account_is_never_the_callers_fault() {
        for preset in Catalog::presets() {
            let catalog = Catalog::preset(preset).unwrap();
            for status in [401, 402, 403, 407] {
                let fault = Fault::from(read(status));
                assert_eq!(catalog.entry_for(&fault).status(), 502, "{preset} {status}");
                assert_eq!(fault.disposition().charge, Charge::Release);
            }
        }
    }
}
