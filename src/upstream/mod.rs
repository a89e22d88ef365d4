//! A provider, or several that give the same: which is asked, what is tried again, and what the caller hears.
//!
//! [`Upstream`] stands in front of one service for each endpoint, each with a [`Profile`](crate::profile::Profile)
//! that says what its answers mean. A request goes to one of them; when that fails it goes to another one, as far as the work
//! cannot be done twice.
//!
//! # What may be repeated
//!
//! An attempt is [`unsent`](Outcome::Unsent), [`refused`](Outcome::Refused), [`unknown`](Outcome::Unknown) or
//! [`delivered`](Outcome::Delivered). By default ([`Repeat::Refused`]) a request is repeated when the attempt was unsent or
//! refused; one with an idempotent method (RFC 9110, section 9.2.2) also when its outcome is unknown. Never when the fault is the
//! caller's (an invalid request, moderation), when a safe method has asked about work that has failed (`ended` in a profile), after the
//! first byte of a success, or when something was sent of a body that is longer than what is [kept](Settings::max_replay_bytes) of it.
//!
//! # Which endpoint
//!
//! The available one with the lowest priority, by weight among equals; for a repetition, one that was not tried yet. An
//! endpoint that refuses our credential or whose account is empty is left out at once, one that wants a pause for as long as it says, and
//! one that fails too often for a while ([`Ejection`]). Then one request tries whether it is back. With more
//! [attempts](Settings::attempts) than endpoints the same one is asked again, after a growing random pause or the one that it wants, if that
//! is short enough.
//!
//! # What the caller hears
//!
//! When all have failed: the most telling fault. A definite refusal says more than silence, and that more than an endpoint that
//! is not there.
//!
//! # Examples
//!
//! A second provider for when the first one is busy:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use std::{convert::Infallible, future::ready};
//! use tollgate::{Catalog, upstream::{ReplayBody, Settings, Upstream, UpstreamEndpoint}};
//! use tower::{ServiceExt, service_fn};
//!
//! type Body = ReplayBody<Full<Bytes>>;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In the place of clients such as `Forward`.
//! let provider = |status: StatusCode, says: &'static str| {
//!     service_fn(move |_: Request<Body>| {
//!         let mut answer = Response::new(Full::<Bytes>::from(says));
//!         *answer.status_mut() = status;
//!         ready(Ok::<_, Infallible>(answer))
//!     })
//! };
//! let upstream = Upstream::new(
//!     [
//!         UpstreamEndpoint::new("primary", provider(StatusCode::TOO_MANY_REQUESTS, "")),
//!         UpstreamEndpoint::new("backup", provider(StatusCode::OK, "a picture")),
//!     ],
//!     Settings::default(),
//!     Catalog::shared_default().clone(),
//! )?;
//!
//! let answer = upstream.oneshot(Request::new(Full::<Bytes>::from("{}"))).await?;
//! assert_eq!(answer.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! Work that may be done twice, each try with a listener, and endpoints that are left out sooner:
//!
//! ```
//! use std::time::Duration;
//! use tollgate::upstream::{AttemptListener, Repeat, Settings, UpstreamEndpoint};
//!
//! let mut settings = Settings::default();
//! settings.timeout = Duration::from_secs(30);
//! settings.attempts = Some(3);
//! settings.repeat = Repeat::Always;
//! settings.ejection.failures = 2;
//!
//! let endpoint = UpstreamEndpoint::new("primary", ())
//!     .weight(3)
//!     .on_attempt(AttemptListener::new(|attempt| println!("{:?}", attempt.outcome)));
//! # let _ = (settings, endpoint);
//! ```

mod attempts;
mod backoff;
mod choose;
mod endpoint;
mod health;
mod pin;
mod repeat;
mod replay;
mod run;
mod service;
#[cfg(test)]
mod tests;

#[cfg(feature = "standalone")]
pub(crate) use self::health::{Health, State};
pub use self::{
    attempts::{Attempt, AttemptWatcher, Attempts, WatchAttempts},
    backoff::Backoff,
    endpoint::{AttemptListener, UpstreamEndpoint},
    health::Ejection,
    pin::{AnsweredBy, Pinned},
    repeat::Repeat,
    replay::ReplayBody,
    service::{InvalidUpstream, StreamWatcher, Upstream, WatchStreams},
};
pub use crate::fault::Outcome;

use http::HeaderName;
use std::time::Duration;

/// What holds for all endpoints of an upstream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// All attempts together, until the head of the answer. Default: 120 s.
    pub timeout: Duration,
    /// How often a request is sent at most. Default: once for each endpoint.
    pub attempts: Option<u32>,
    /// What may be repeated. Default: [`Repeat::Refused`].
    pub repeat: Repeat,
    /// How many of a hundred requests may be repeated on average over 10 s, besides 10 a second, so that an outage is not doubled.
    /// Default: 20.
    pub retry_percent: u8,
    /// How long to wait before an endpoint is asked again.
    pub backoff: Backoff,
    /// When an endpoint is left out.
    pub ejection: Ejection,
    /// How many bytes of a body are kept to send them again. Default: 64 KiB.
    pub max_replay_bytes: usize,
    /// The header field that tells a provider how many milliseconds are left. Default: none.
    pub deadline_header: Option<HeaderName>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            attempts: None,
            repeat: Repeat::default(),
            retry_percent: 20,
            backoff: Backoff::default(),
            ejection: Ejection::default(),
            max_replay_bytes: 64 * 1024,
            deadline_header: None,
        }
    }
}
