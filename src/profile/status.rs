use crate::fault::UpstreamKind;
use http::StatusCode;

/// What a status alone says, where nothing else does.
///
/// 401 and 403 are about the gateway's own credential and 402 about its own account: the caller has nothing to do with
/// either. 529 is not registered and widely used for "overloaded"; 520 to 530 are those of a CDN in front of the
/// provider.
pub fn by_status(status: StatusCode) -> UpstreamKind {
    use UpstreamKind as Kind;
    match status.as_u16() {
        400 | 405 | 406 | 409 | 411..=417 | 422 | 431 => Kind::InvalidRequest,
        401 | 403 | 407 => Kind::AuthFailed,
        402 => Kind::AccountExhausted,
        404 | 410 => Kind::NotFound,
        408 | 504 | 522 | 524 => Kind::Timeout,
        429 => Kind::RateLimited,
        500 => Kind::ProviderError,
        502 | 503 | 520 | 521 | 523 | 525..=530 => Kind::Overloaded,
        _ => Kind::Unexpected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Catalog, Fault,
        fault::{Charge, UpstreamFault},
    };

    fn kind(status: u16) -> UpstreamKind {
        by_status(StatusCode::from_u16(status).unwrap())
    }

    #[test]
    fn each_status() {
        use UpstreamKind as K;
        let table: &[(&[u16], K)] = &[
            (&[400, 405, 409, 412, 413, 415, 422, 431], K::InvalidRequest),
            (&[401, 403, 407], K::AuthFailed),
            (&[402], K::AccountExhausted),
            (&[404, 410], K::NotFound),
            (&[408, 504, 522, 524], K::Timeout),
            (&[429], K::RateLimited),
            (&[500], K::ProviderError),
            (&[502, 503, 520, 521, 523, 525, 526, 527, 529, 530], K::Overloaded),
            (&[418, 421, 426, 451, 499, 501, 505, 599, 600, 999], K::Unexpected),
        ];
        for (statuses, want) in table {
            for status in *statuses {
                assert_eq!(kind(*status), *want, "{status}");
            }
        }
    }

    #[test]
    fn our_own_account_is_never_the_callers_fault() {
        for preset in Catalog::presets() {
            let catalog = Catalog::preset(preset).unwrap();
            for status in [401, 402, 403, 407] {
                let fault = Fault::from(UpstreamFault::from(kind(status)));
                assert_eq!(catalog.entry_for(&fault).status(), 502, "{preset} {status}");
                assert_eq!(fault.disposition().charge, Charge::Release);
            }
        }
    }
}
