use super::{Fault, Kind, UpstreamKind};
use std::time::Duration;

/// What follows from a fault.
///
/// A status code is asked three unrelated questions: what does the caller see, is it worth trying elsewhere,
/// is this endpoint ill? The catalog answers the first, this the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disposition {
    /// Whether another endpoint may be tried.
    pub next_endpoint: NextEndpoint,
    /// What it says about this endpoint.
    pub health: EndpointHealth,
    /// Whether the caller may send the same request again.
    pub retry: Retry,
    /// Whether the caller pays.
    pub charge: Charge,
}

/// Whether another endpoint may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextEndpoint {
    /// No: another one would say the same, or the caller has already seen a part.
    Never,
    /// Yes: this one has refused, and done nothing.
    Always,
    /// Only when the request is known not to have been sent, or the route says that the work may be repeated.
    IfUnsent,
}

/// What a fault says about the endpoint that it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointHealth {
    /// Nothing.
    Unaffected,
    /// It wants a pause, for as long as it said.
    CoolDown,
    /// One failure more.
    Failure,
    /// It is of no use until somebody mends it: out at once, and an alert.
    Eject,
}

/// Whether the caller may send the same request again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// No: it will fail again until something is changed.
    Never,
    /// Yes, with backoff.
    Backoff,
    /// Yes, and not before this.
    After(Duration),
}

/// Whether the caller pays for the failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Charge {
    /// No: nothing was done for it.
    Release,
    /// Unknown: the provider may have done the work.
    Pending,
}

impl Retry {
    /// The wire's `retryable`.
    pub const fn is_retryable(self) -> bool {
        !matches!(self, Self::Never)
    }
}

impl Fault {
    /// What follows from this fault.
    pub fn disposition(&self) -> Disposition {
        let mut disposition = self.kind().map_or(GATEWAY, Kind::disposition);
        if let (true, Some(after)) = (disposition.retry.is_retryable(), self.retry_after()) {
            disposition.retry = Retry::After(after);
        }
        disposition
    }
}

/// A fault that has nothing to do with any endpoint.
const GATEWAY: Disposition = Disposition {
    next_endpoint: NextEndpoint::Never,
    health: EndpointHealth::Unaffected,
    retry: Retry::Never,
    charge: Charge::Release,
};

impl Kind {
    /// What follows from a fault of this kind.
    pub const fn disposition(self) -> Disposition {
        match self {
            Self::Upstream(kind) => kind.disposition(),
            Self::RateLimited
            | Self::ConcurrencyLimited
            | Self::HeaderTimeout
            | Self::BodyTimeout
            | Self::BodyIncomplete
            | Self::DeadlineExceeded
            | Self::Overloaded
            | Self::StoreUnavailable
            | Self::ShuttingDown
            | Self::Internal => Disposition { retry: Retry::Backoff, ..GATEWAY },
            _ => GATEWAY,
        }
    }
}

impl UpstreamKind {
    const fn disposition(self) -> Disposition {
        use {EndpointHealth as H, NextEndpoint as N};
        let (next_endpoint, health, retry, charge) = match self {
            Self::AuthFailed => (N::Always, H::Eject, Retry::Never, Charge::Release),
            Self::AccountExhausted => (N::Always, H::Eject, Retry::Backoff, Charge::Release),
            Self::RateLimited => (N::Always, H::CoolDown, Retry::Backoff, Charge::Release),
            Self::InvalidRequest
            | Self::NotFound
            | Self::InputModeration
            | Self::OutputModeration => (N::Never, H::Unaffected, Retry::Never, Charge::Release),
            Self::ProviderError | Self::Overloaded | Self::Unexpected => {
                (N::Always, H::Failure, Retry::Backoff, Charge::Release)
            }
            Self::Timeout | Self::Unreachable => {
                (N::IfUnsent, H::Failure, Retry::Backoff, Charge::Pending)
            }
            Self::Incomplete => (N::Never, H::Failure, Retry::Backoff, Charge::Pending),
        };
        Disposition { next_endpoint, health, retry, charge }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Cause, UpstreamFault};

    #[test]
    fn what_follows_from_a_provider_fault() {
        use {EndpointHealth as H, NextEndpoint as N, UpstreamKind as U};
        let table = [
            (U::AuthFailed, N::Always, H::Eject, false),
            (U::AccountExhausted, N::Always, H::Eject, true),
            (U::RateLimited, N::Always, H::CoolDown, true),
            (U::InvalidRequest, N::Never, H::Unaffected, false),
            (U::NotFound, N::Never, H::Unaffected, false),
            (U::InputModeration, N::Never, H::Unaffected, false),
            (U::OutputModeration, N::Never, H::Unaffected, false),
            (U::ProviderError, N::Always, H::Failure, true),
            (U::Overloaded, N::Always, H::Failure, true),
            (U::Timeout, N::IfUnsent, H::Failure, true),
            (U::Unreachable, N::IfUnsent, H::Failure, true),
            (U::Incomplete, N::Never, H::Failure, true),
            (U::Unexpected, N::Always, H::Failure, true),
        ];
        for (kind, next, health, retryable) in table {
            let d = Fault::from(UpstreamFault::from(kind)).disposition();
            assert_eq!(
                (d.next_endpoint, d.health, d.retry.is_retryable()),
                (next, health, retryable),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_retry_hint_counts_only_where_a_retry_can_help() {
        let hint = Some(Duration::from_secs(7));
        let limited = UpstreamFault::new(UpstreamKind::RateLimited, Cause::Status(429));
        let limited = Fault::from(limited.with_retry_after(hint));
        assert_eq!(limited.disposition().retry, Retry::After(Duration::from_secs(7)));
        let refused = UpstreamFault::new(UpstreamKind::AuthFailed, Cause::Status(401));
        let refused = Fault::from(refused.with_retry_after(hint));
        assert_eq!(refused.disposition().retry, Retry::Never);
    }

    #[test]
    fn no_fault_of_the_gateway_touches_an_endpoint() {
        for kind in Kind::ALL.iter().filter(|k| !matches!(k, Kind::Upstream(_))) {
            let d = kind.disposition();
            assert_eq!(
                (d.next_endpoint, d.health),
                (NextEndpoint::Never, EndpointHealth::Unaffected)
            );
        }
    }
}
