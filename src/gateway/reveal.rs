//! What answers tell of the provider's side, where the operator wants that.

use crate::{
    Fault,
    fault::{Cause, UpstreamFault},
    upstream::Attempts,
};
use http::{HeaderName, HeaderValue, Response};

const ATTEMPTS: HeaderName = HeaderName::from_static("x-tollgate-attempts");
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Which fields are added.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reveal {
    /// How often the request was sent.
    pub(super) attempts: bool,
    /// What went wrong (RFC 9209).
    pub(super) proxy_status: bool,
}

impl Reveal {
    pub(super) fn add_to<B>(self, response: &mut Response<B>) {
        if !self.attempts && !self.proxy_status {
            return;
        }
        let fault = response.extensions().get::<Fault>();
        let (attempts, status) = match fault {
            // Refused before any provider was asked.
            Some(fault) if !matches!(fault, Fault::Upstream(_)) => return,
            Some(Fault::Upstream(fault)) => {
                (fault.attempts().unwrap_or(1), Some(proxy_status(fault)))
            }
            _ => {
                let attempts = response.extensions().get::<Attempts>().map_or(1, Attempts::len);
                (u32::try_from(attempts).unwrap_or(u32::MAX), None)
            }
        };
        if self.attempts {
            response.headers_mut().insert(ATTEMPTS, HeaderValue::from(attempts));
        }
        if let Some(status) = status.filter(|_| self.proxy_status)
            && let Ok(status) = HeaderValue::try_from(status)
        {
            response.headers_mut().insert(PROXY_STATUS, status);
        }
    }
}

/// The member of `Proxy-Status` for a failure: our name, and the type of error (RFC 9209, section 2.3) or the status that came.
fn proxy_status(fault: &UpstreamFault) -> String {
    let error = match fault.cause {
        Cause::Status(status) | Cause::WorkFailed(status) => {
            return format!("tollgate; received-status={status}");
        }
        Cause::Dns => "dns_error",
        Cause::Connect | Cause::LeftOut => "destination_unavailable",
        Cause::ConnectTimeout => "connection_timeout",
        Cause::Tls => "tls_protocol_error",
        Cause::NotSent | Cause::Reset => "connection_terminated",
        Cause::FirstByteTimeout | Cause::TotalTimeout => "http_response_timeout",
        Cause::IdleTimeout => "connection_read_timeout",
        Cause::CutOff => "http_response_incomplete",
        Cause::Malformed => "http_protocol_error",
        Cause::UnexpectedUpgrade => "http_upgrade_failed",
        Cause::Encoding => "http_response_content_coding",
        Cause::Other => "proxy_internal_response",
    };
    format!("tollgate; error={error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalog, envelope::Context, fault::UpstreamKind};

    #[test]
    fn only_what_is_wanted() {
        let timeout = UpstreamFault::new(UpstreamKind::Timeout, Cause::FirstByteTimeout);
        let limited = UpstreamFault::new(UpstreamKind::RateLimited, Cause::Status(429));
        let table = [
            (
                Fault::from(timeout.with_attempts(2, "no time is left")),
                Some("2"),
                Some("tollgate; error=http_response_timeout"),
            ),
            (limited.into(), Some("1"), Some("tollgate; received-status=429")),
            (Fault::Forbidden, None, None),
        ];
        for (fault, attempts, status) in table {
            for reveal in [(false, false), (true, false), (false, true), (true, true)] {
                let (with_attempts, with_status) = reveal;
                let mut response = Catalog::shared_default().respond(&fault, Context::default());
                Reveal { attempts: with_attempts, proxy_status: with_status }.add_to(&mut response);
                let got = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
                assert_eq!(got(ATTEMPTS), attempts.filter(|_| with_attempts), "{fault:?}");
                assert_eq!(got(PROXY_STATUS), status.filter(|_| with_status), "{fault:?}");
            }
        }
        let mut success = Response::new(());
        Reveal { attempts: true, proxy_status: true }.add_to(&mut success);
        assert_eq!(success.headers()[ATTEMPTS], "1");
        assert!(!success.headers().contains_key(PROXY_STATUS));
    }
}
