use super::{Cause, Fault, Kind, Outcome, UpstreamFault, UpstreamKind};
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
        let mut disposition = match self {
            Self::Upstream(fault) => fault.disposition(),
            _ => self.kind().map_or(GATEWAY, Kind::disposition),
        };
        if let (true, Some(after)) = (disposition.retry.is_retryable(), self.retry_after()) {
            disposition.retry = Retry::After(after);
        }
        disposition
    }
}

impl UpstreamFault {
    /// What follows from this very fault: of its kind, and of what became of the attempt.
    pub(crate) fn disposition(&self) -> Disposition {
        let mut disposition = self.kind.disposition();
        let told = disposition.next_endpoint != NextEndpoint::Never;
        match self.outcome() {
            Outcome::Unsent => {
                disposition.next_endpoint = NextEndpoint::Always;
                disposition.charge = Charge::Release;
            }
            Outcome::Unknown => {
                if told {
                    disposition.next_endpoint = NextEndpoint::IfUnsent;
                }
                disposition.charge = match self.cause {
                    // Who says that the work has failed gives nothing for it.
                    Cause::WorkFailed(_) => Charge::Release,
                    _ => Charge::Pending,
                };
            }
            Outcome::Refused | Outcome::Delivered => {}
        }
        if self.is_in_doubt() {
            disposition.charge = Charge::Pending;
        }
        // Somebody's word for one request, such as a firewall's for its text; it is ours only if it happens to all.
        if self.cause == Cause::Status(403) && self.rule().is_none() {
            disposition.health = EndpointHealth::Failure;
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
            | Self::IdempotencyKeyInUse
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
            let d = kind.disposition();
            assert_eq!(
                (d.next_endpoint, d.health, d.retry.is_retryable()),
                (next, health, retryable),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn what_follows_from_what_became_of_the_attempt() {
        use {Cause as C, Charge as M, EndpointHealth as H, NextEndpoint as N, UpstreamKind as U};
        let table = [
            (U::Unreachable, C::Connect, N::Always, H::Failure, M::Release),
            (U::Unreachable, C::Reset, N::IfUnsent, H::Failure, M::Pending),
            (U::Unexpected, C::Status(200), N::IfUnsent, H::Failure, M::Pending),
            (U::Unexpected, C::Status(418), N::Always, H::Failure, M::Release),
            (U::ProviderError, C::Status(500), N::Always, H::Failure, M::Release),
            (U::ProviderError, C::WorkFailed(200), N::IfUnsent, H::Failure, M::Release),
            (U::Incomplete, C::CutOff, N::Never, H::Failure, M::Pending),
            (U::AuthFailed, C::Status(401), N::Always, H::Eject, M::Release),
            (U::AuthFailed, C::Status(403), N::Always, H::Failure, M::Release),
            (U::InvalidRequest, C::Status(400), N::Never, H::Unaffected, M::Release),
        ];
        for (kind, cause, next, health, charge) in table {
            let d = Fault::from(UpstreamFault::new(kind, cause)).disposition();
            let got = (d.next_endpoint, d.health, d.charge);
            assert_eq!(got, (next, health, charge), "{kind:?} {cause:?}");
            let doubtful = UpstreamFault::new(kind, cause).in_doubt(true).disposition();
            assert_eq!(doubtful.charge, M::Pending, "{kind:?} {cause:?}");
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
