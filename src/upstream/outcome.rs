//! What became of one attempt, and what may follow from it.

use crate::fault::{Cause, Kind, NextEndpoint, UpstreamFault, UpstreamKind};
use http::Method;

/// What became of an attempt, as far as it matters for whether the work may have been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The provider never saw the request.
    Unsent,
    /// It may or may not have done the work.
    Unknown,
    /// It answered that it did not.
    Refused,
    /// It answered with what was asked for.
    Delivered,
}

impl Outcome {
    /// The word in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsent => "unsent",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
            Self::Delivered => "delivered",
        }
    }

    /// The outcome of an attempt that failed like this.
    pub const fn of(fault: &UpstreamFault) -> Self {
        match fault.cause {
            Cause::Dns
            | Cause::Connect
            | Cause::ConnectTimeout
            | Cause::Tls
            | Cause::NotSent
            | Cause::LeftOut => Self::Unsent,
            Cause::Reset
            | Cause::FirstByteTimeout
            | Cause::IdleTimeout
            | Cause::TotalTimeout
            | Cause::CutOff
            | Cause::Malformed
            | Cause::UnexpectedUpgrade => Self::Unknown,
            Cause::Status(_) | Cause::Encoding | Cause::Other => match fault.kind {
                // Somebody between us and the provider did not wait for it.
                UpstreamKind::Timeout | UpstreamKind::Unreachable | UpstreamKind::Incomplete => {
                    Self::Unknown
                }
                // A success of which nothing is understood: it may have been paid for.
                UpstreamKind::Unexpected if !is_failure(fault.cause) => Self::Unknown,
                _ => Self::Refused,
            },
        }
    }
}

const fn is_failure(cause: Cause) -> bool {
    matches!(cause, Cause::Status(status) if status >= 400)
}

/// What may be sent again after it failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "standalone",
    derive(serde::Deserialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum Repeat {
    /// Nothing.
    Never,
    /// What the provider has not seen.
    Unsent,
    /// Besides, what it has refused; and everything, for idempotent methods such as GET (RFC 9110, section 9.2.2).
    #[default]
    Refused,
    /// Everything, also where the work may have been done: it may be paid for twice.
    Always,
}

/// Whether a request may be sent once more after it failed like this.
pub(super) fn may_repeat(repeat: Repeat, method: &Method, fault: &UpstreamFault) -> bool {
    let next = Kind::Upstream(fault.kind).disposition().next_endpoint;
    if next == NextEndpoint::Never && !is_cut_off(fault) {
        // Another one would say the same.
        return false;
    }
    let repeat = match repeat {
        Repeat::Refused if method.is_idempotent() => Repeat::Always,
        repeat => repeat,
    };
    match Outcome::of(fault) {
        Outcome::Delivered => false,
        Outcome::Unsent => repeat != Repeat::Never,
        Outcome::Refused => matches!(repeat, Repeat::Refused | Repeat::Always),
        Outcome::Unknown => repeat == Repeat::Always,
    }
}

/// Cut off before the caller saw anything of it, which is why it could be repeated at all.
const fn is_cut_off(fault: &UpstreamFault) -> bool {
    matches!(fault.kind, UpstreamKind::Incomplete)
}

/// How much a fault tells a caller, when several attempts have failed: a definite refusal more than silence, and that more than
/// an endpoint that is not there.
pub(super) fn tells(fault: &UpstreamFault) -> (Outcome, u8) {
    let rank = match fault.kind {
        UpstreamKind::InvalidRequest
        | UpstreamKind::NotFound
        | UpstreamKind::InputModeration
        | UpstreamKind::OutputModeration => 8,
        UpstreamKind::RateLimited => 7,
        UpstreamKind::ProviderError => 6,
        UpstreamKind::Overloaded => 5,
        UpstreamKind::Timeout => 4,
        UpstreamKind::Incomplete => 3,
        UpstreamKind::Unexpected => 2,
        UpstreamKind::AccountExhausted | UpstreamKind::AuthFailed => 1,
        UpstreamKind::Unreachable => 0,
    };
    (Outcome::of(fault), rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_attempt_has_done() {
        use {Cause as C, Outcome as O, UpstreamKind as K};
        let table = [
            (K::Unreachable, C::Dns, O::Unsent),
            (K::Unreachable, C::Connect, O::Unsent),
            (K::Unreachable, C::ConnectTimeout, O::Unsent),
            (K::Unreachable, C::Tls, O::Unsent),
            (K::Unreachable, C::NotSent, O::Unsent),
            (K::Unreachable, C::Reset, O::Unknown),
            (K::Timeout, C::FirstByteTimeout, O::Unknown),
            (K::Timeout, C::TotalTimeout, O::Unknown),
            (K::Timeout, C::Status(504), O::Unknown),
            (K::Incomplete, C::CutOff, O::Unknown),
            (K::Unexpected, C::Malformed, O::Unknown),
            (K::Unexpected, C::Status(200), O::Unknown),
            (K::Unexpected, C::Status(418), O::Refused),
            (K::ProviderError, C::Status(500), O::Refused),
            (K::ProviderError, C::Status(200), O::Refused),
            (K::Overloaded, C::Status(503), O::Refused),
            (K::RateLimited, C::Status(429), O::Refused),
            (K::AuthFailed, C::Status(401), O::Refused),
            (K::InputModeration, C::Status(200), O::Refused),
        ];
        for (kind, cause, want) in table {
            assert_eq!(Outcome::of(&UpstreamFault::new(kind, cause)), want, "{kind:?} {cause:?}");
        }
    }

    #[test]
    fn the_money_rule() {
        use {Cause as C, Repeat as R, UpstreamKind as K};
        let all = [R::Never, R::Unsent, R::Refused, R::Always];
        // For which policies a POST is repeated, and a GET.
        let table: &[(K, C, &[R], &[R])] = &[
            (
                K::Unreachable,
                C::Connect,
                &[R::Unsent, R::Refused, R::Always],
                &[R::Unsent, R::Refused, R::Always],
            ),
            (K::ProviderError, C::Status(500), &[R::Refused, R::Always], &[R::Refused, R::Always]),
            (
                K::AccountExhausted,
                C::Status(402),
                &[R::Refused, R::Always],
                &[R::Refused, R::Always],
            ),
            (K::Unreachable, C::Reset, &[R::Always], &[R::Refused, R::Always]),
            (K::Timeout, C::FirstByteTimeout, &[R::Always], &[R::Refused, R::Always]),
            (K::Incomplete, C::CutOff, &[R::Always], &[R::Refused, R::Always]),
            (K::Unexpected, C::Status(200), &[R::Always], &[R::Refused, R::Always]),
            (K::InvalidRequest, C::Status(400), &[], &[]),
            (K::OutputModeration, C::Status(200), &[], &[]),
            (K::NotFound, C::Status(404), &[], &[]),
        ];
        for (kind, cause, post, get) in table {
            let fault = UpstreamFault::new(*kind, *cause);
            for repeat in all {
                let got = |method| may_repeat(repeat, &method, &fault);
                assert_eq!(
                    got(Method::POST),
                    post.contains(&repeat),
                    "{kind:?} {cause:?} {repeat:?}"
                );
                assert_eq!(
                    got(Method::GET),
                    get.contains(&repeat),
                    "{kind:?} {cause:?} {repeat:?}"
                );
            }
        }
    }

    #[test]
    fn what_tells_more() {
        use {Cause as C, UpstreamKind as K};
        let order = [
            (K::RateLimited, C::Status(429)),
            (K::ProviderError, C::Status(500)),
            (K::Overloaded, C::Status(502)),
            (K::AuthFailed, C::Status(401)),
            (K::Timeout, C::TotalTimeout),
            (K::Incomplete, C::CutOff),
            (K::Unreachable, C::Reset),
            (K::Unreachable, C::Connect),
        ];
        let told: Vec<_> =
            order.map(|(kind, cause)| tells(&UpstreamFault::new(kind, cause))).into();
        assert!(told.windows(2).all(|two| two[0] > two[1]), "{told:?}");
    }
}
