//! What a provider's answer means, before the caller sees any of it.
//!
//! [`ClassifyLayer`] stands right in front of a provider's client. It reads answers as a [`Profile`] says, and
//! answers failures in the catalog's words, also those that come with a status of success: a refusal in a 200, a result that is
//! empty, a JSON body that breaks off. What is a success passes byte for byte.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use std::{convert::Infallible, sync::Arc};
//! use tollgate::{ClassifyLayer, profile::Profile};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = |_: Request<()>| async {
//!     let body = r#"{"code":-1,"data":null,"msg":"apikey credits not enough"}"#;
//!     Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(body)))
//! };
//! let service = ServiceBuilder::new()
//!     .layer(ClassifyLayer::new(Arc::new(Profile::preset("grsai")?)))
//!     .service_fn(provider);
//!
//! let answer = service.oneshot(Request::new(())).await?;
//! // Our own account is empty there: nothing that the caller could do about.
//! assert_eq!(answer.status(), 502);
//! # Ok(())
//! # }
//! ```
//!
//! With a profile of one's own, in other words, and with less memory:
//!
//! ```
//! use std::{collections::BTreeMap, sync::Arc, time::Duration};
//! use tollgate::{Catalog, ClassifyLayer, profile::Profile};
//!
//! let mine = r#"
//!     extends = "generic"
//!     rule = [{ name = "blocked", body = [{ at = "/state", is = ["blocked"] }], fault = "output_moderation" }]
//! "#;
//! let profiles = BTreeMap::from([("mine".to_owned(), toml::from_str(mine)?)]);
//! let layer = ClassifyLayer::new(Arc::new(Profile::named("mine", &profiles)?))
//!     .catalog(Arc::new(Catalog::preset("apistor")?))
//!     .max_bytes(16 * 1024)
//!     // A comment after so much silence in a stream of events.
//!     .heartbeat(Duration::from_secs(15));
//! # let _ = layer;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What waits for what
//!
//! | answer | its head waits for |
//! |---|---|
//! | a failure, 400 and above | the body, up to [`max_bytes`](ClassifyLayer::max_bytes) |
//! | a JSON success that is not longer than that | the body |
//! | a text, or without a media type | its first byte; if that begins JSON, the body |
//! | server-sent events, JSON lines | the first event |
//! | anything else, and successes of a profile without rules for them | nothing |
//!
//! # Streams
//!
//! A stream that begins with a failure is an ordinary failure. Later every event passes as soon as it is there; a failure within
//! the stream (the provider's, a connection that breaks, silence) becomes one last event with the envelope, for server-sent events
//! named `error`, and then the stream ends. An event that is longer than [`max_event_bytes`](ClassifyLayer::max_event_bytes) passes without a look.
//! A compressed stream goes on without its coding.

mod body;
mod captured;
mod events;
mod examine;
mod future;
mod judge;
mod layer;
mod plan;
mod service;
#[cfg(test)]
mod tests;
#[cfg(feature = "standalone")]
mod unmatched;

#[cfg(feature = "standalone")]
pub(crate) use self::unmatched::{Unmatched, Watch};
pub use self::{
    body::ClassifiedBody, future::ResponseFuture, layer::ClassifyLayer, service::Classify,
};
pub(crate) use self::{events::Voice, examine::Examination};

use crate::{
    fault::{UpstreamFault, UpstreamKind},
    profile::Profile,
    signal::Signal,
};
use http::{HeaderMap, StatusCode};
use std::{sync::Arc, time::Duration};

/// Who hears of a failure in an answer whose head has gone on already.
pub(crate) type Listener = Arc<dyn Fn(&UpstreamFault) + Send + Sync>;

/// How answers are looked at.
#[derive(Clone, Debug)]
pub(crate) struct Inspection {
    pub(crate) profile: Arc<Profile>,
    pub(crate) max_bytes: usize,
    pub(crate) max_event_bytes: usize,
    pub(crate) heartbeat: Option<Duration>,
    /// When streams have to end.
    pub(crate) stop: Option<Signal>,
    /// Where failures go that no rule knows.
    #[cfg(feature = "standalone")]
    pub(crate) watch: Option<Watch>,
}

impl Inspection {
    pub(crate) fn new(profile: Arc<Profile>) -> Self {
        Self {
            profile,
            max_bytes: 64 * 1024,
            max_event_bytes: 1024 * 1024,
            heartbeat: None,
            stop: None,
            #[cfg(feature = "standalone")]
            watch: None,
        }
    }

    /// Keeps a failure that no rule knows, where somebody collects them.
    #[cfg_attr(
        not(feature = "standalone"),
        expect(unused_variables, reason = "nobody collects them")
    )]
    fn note(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        kind: UpstreamKind,
        text: Option<&str>,
    ) {
        #[cfg(feature = "standalone")]
        if let Some(watch) = &self.watch {
            watch.note(&self.profile, status, headers, kind, text);
        }
    }
}
