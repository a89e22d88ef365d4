//! What may follow from an attempt that failed.

use crate::fault::{Cause, NextEndpoint, Outcome, UpstreamFault, UpstreamKind};
use http::Method;

/// What may be sent again after it failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "standalone",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
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
    if is_the_answer(method, fault) {
        // Another one would say the same.
        return false;
    }
    let repeat = match repeat {
        Repeat::Refused if method.is_idempotent() => Repeat::Always,
        repeat => repeat,
    };
    match fault.outcome() {
        Outcome::Delivered => false,
        Outcome::Unsent => repeat != Repeat::Never,
        Outcome::Refused => matches!(repeat, Repeat::Refused | Repeat::Always),
        Outcome::Unknown => repeat == Repeat::Always,
    }
}

/// Whether the fault is what the caller has to hear, whoever else might be asked: it is about the input, or what became of work that was
/// only asked about.
pub(super) fn is_the_answer(method: &Method, fault: &UpstreamFault) -> bool {
    // What is cut off before the caller saw anything of it may be asked for again.
    let is_final = fault.disposition().next_endpoint == NextEndpoint::Never
        && fault.kind != UpstreamKind::Incomplete;
    is_final || is_about_work(method, fault)
}

/// Whether the provider has told, as it was asked, that some work has failed: which says nothing about the provider.
pub(super) fn is_about_work(method: &Method, fault: &UpstreamFault) -> bool {
    matches!(fault.cause, Cause::WorkFailed(_)) && method.is_safe()
}

/// How much a fault tells a caller, when several attempts have failed: a definite refusal more than silence, and that more than
/// an endpoint that is not there or does not know us.
pub(super) fn tells(fault: &UpstreamFault) -> u8 {
    match (fault.kind, fault.outcome()) {
        (
            UpstreamKind::InvalidRequest
            | UpstreamKind::InputModeration
            | UpstreamKind::OutputModeration,
            _,
        ) => 9,
        (_, Outcome::Unsent) => 0,
        (UpstreamKind::RateLimited, _) => 8,
        (UpstreamKind::ProviderError, _) => 7,
        (UpstreamKind::Overloaded, Outcome::Refused) => 6,
        // Not of all who were asked, or it would be the answer: another one may know it.
        (UpstreamKind::NotFound, _) => 5,
        (UpstreamKind::Unexpected, Outcome::Refused) => 4,
        // It is ours to mend; and yet it is an answer.
        (UpstreamKind::AuthFailed | UpstreamKind::AccountExhausted, _) => 3,
        (UpstreamKind::Timeout | UpstreamKind::Overloaded, _) => 2,
        (UpstreamKind::Unexpected | UpstreamKind::Incomplete | UpstreamKind::Unreachable, _) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            // Work that was taken on may be paid for; to ask about it again changes nothing.
            (K::ProviderError, C::WorkFailed(200), &[R::Always], &[]),
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
            (K::NotFound, C::Status(404)),
            (K::Unexpected, C::Status(418)),
            (K::AuthFailed, C::Status(401)),
            (K::Timeout, C::TotalTimeout),
            (K::Unreachable, C::Reset),
            (K::Unreachable, C::Connect),
        ];
        let told: Vec<_> =
            order.map(|(kind, cause)| tells(&UpstreamFault::new(kind, cause))).into();
        assert!(told.windows(2).all(|two| two[0] > two[1]), "{told:?}");
    }
}
