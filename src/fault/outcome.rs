use super::{Cause, UpstreamFault, UpstreamKind};

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
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unsent, Self::Unknown, Self::Refused, Self::Delivered];

    /// The word in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsent => "unsent",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
            Self::Delivered => "delivered",
        }
    }
}

impl UpstreamFault {
    /// What became of the attempt that failed like this.
    pub fn outcome(&self) -> Outcome {
        match self.cause {
            Cause::Dns
            | Cause::Connect
            | Cause::ConnectTimeout
            | Cause::Tls
            | Cause::NotSent
            | Cause::LeftOut => Outcome::Unsent,
            Cause::Reset
            | Cause::FirstByteTimeout
            | Cause::IdleTimeout
            | Cause::TotalTimeout
            | Cause::CutOff
            | Cause::Malformed
            | Cause::UnexpectedUpgrade
            | Cause::WorkFailed(_) => Outcome::Unknown,
            // Whoever is in front of the provider had no answer from it, or gave up on it: nobody says what it did.
            Cause::Status(499 | 520 | 598..) if self.rule().is_none() => Outcome::Unknown,
            Cause::Status(_) | Cause::Encoding | Cause::Other => match self.kind {
                UpstreamKind::Timeout | UpstreamKind::Unreachable | UpstreamKind::Incomplete => {
                    Outcome::Unknown
                }
                // A success of which nothing is understood: it may have been paid for.
                UpstreamKind::Unexpected if !is_failure(self.cause) => Outcome::Unknown,
                _ => Outcome::Refused,
            },
        }
    }
}

const fn is_failure(cause: Cause) -> bool {
    matches!(cause, Cause::Status(status) if status >= 400)
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
            (K::Unexpected, C::Status(499), O::Unknown),
            (K::Overloaded, C::Status(520), O::Unknown),
            (K::Overloaded, C::Status(521), O::Refused),
            (K::ProviderError, C::Status(500), O::Refused),
            (K::ProviderError, C::Status(200), O::Refused),
            (K::ProviderError, C::WorkFailed(200), O::Unknown),
            (K::Overloaded, C::Status(503), O::Refused),
            (K::RateLimited, C::Status(429), O::Refused),
            (K::AuthFailed, C::Status(401), O::Refused),
            (K::InputModeration, C::Status(200), O::Refused),
        ];
        for (kind, cause, want) in table {
            assert_eq!(UpstreamFault::new(kind, cause).outcome(), want, "{kind:?} {cause:?}");
        }
        // Of a status that a rule knows it is known what it means.
        let known = UpstreamFault::new(K::Overloaded, C::Status(520));
        assert_eq!(known.with_rule(Some("mine/busy".to_owned())).outcome(), O::Refused);
    }
}
