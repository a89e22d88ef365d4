//! How often: quotas by address, key, account, route or header.
//!
//! [`RateLimitLayer`] counts requests by named [`Quota`]s and refuses those that are beyond one with
//! [`Fault::RateLimited`](crate::Fault::RateLimited), in the catalog's words. [`InFlightLimitLayer`] bounds how many
//! requests of a caller are running at once.
//!
//! # What the algorithm promises
//!
//! A [`Rate`] has a burst, and an interval in which one unit of it comes back (the generic cell rate algorithm, by
//! [governor]). A caller who has paused long enough can spend the burst at once, and then one unit an
//! interval:
//!
//! - in any stretch of time, however it is chosen, no more than the burst and one unit for each interval in it;
//! - a caller who keeps to the rate is never refused;
//! - all quotas of a layer are checked before one is charged: a refused request costs nothing.
//!
//! Two layers are two decisions: what the outer one has counted stays counted when the inner one refuses.
//!
//! # Example
//!
//! A hundred a second for each address:
//!
//! ```
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use std::{convert::Infallible, num::NonZeroU32, time::Duration};
//! use tollgate::{client_address::ClientAddress, limit::{Local, Quota, Rate, RateLimitLayer}};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rate = Rate::per(NonZeroU32::new(100).unwrap(), Duration::from_secs(1)).unwrap();
//! let service = ServiceBuilder::new()
//!     .layer(RateLimitLayer::new(Local::default()).quota(Quota::new("per-address", rate))?)
//!     .service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Full::from("hello"))) });
//!
//! let mut request = Request::new(());
//! // Whoever accepts connections does this.
//! request.extensions_mut().insert(ClientAddress("192.0.2.1".parse()?));
//! let answer = service.oneshot(request).await?;
//! assert_eq!(answer.headers()["ratelimit-policy"], r#""per-address";q=100;w=1"#);
//! assert_eq!(answer.headers()["ratelimit"], r#""per-address";r=99;t=1"#);
//! # Ok(())
//! # }
//! ```
//!
//! Behind the layer that finds out who is calling: two quotas, more for a plan, in the words of another catalog, with
//! a clock that a test can move.
//!
//! ```
//! use governor::clock::FakeRelativeClock;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use std::{convert::Infallible, num::NonZeroU32, sync::Arc, time::Duration};
//! use tollgate::{Catalog, limit::{Headers, Key, Local, Quota, Rate, RateLimitLayer}};
//! use tower::{Service, ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rate = |units, seconds| {
//!     Rate::per(NonZeroU32::new(units).unwrap(), Duration::from_secs(seconds)).unwrap()
//! };
//! let clock = FakeRelativeClock::default();
//! let layer = RateLimitLayer::new(Local::with_clock(100_000, clock.clone()))
//!     .quota(Quota::new("per-key", rate(1, 1)).key(Key::Principal).plan("pro", rate(50, 1)))?
//!     .quota(Quota::new("daily", rate(10_000, 86_400)).key(Key::Account))?
//!     .catalog(Arc::new(Catalog::preset("eggapi")?))
//!     .headers(Headers::Both);
//! let mut service = ServiceBuilder::new()
//!     .layer(layer)
//!     .service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Full::from("hello"))) });
//!
//! let mut ask = async || service.ready().await?.call(Request::new(())).await;
//! assert_eq!(ask().await?.status(), 200);
//! let refused = ask().await?;
//! assert_eq!(refused.status(), 429);
//! assert_eq!(refused.headers()["retry-after"], "1");
//! clock.advance(Duration::from_secs(1));
//! assert_eq!(ask().await?.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! # What callers are told
//!
//! Successes, failures and refusals have `RateLimit-Policy` and `RateLimit`, as in
//! draft-ietf-httpapi-ratelimit-headers-11, with a member for each quota, which counts requests; [`Headers`] is the switch for them and for the
//! older `X-RateLimit-*`.
//!
//! | | |
//! |---|---|
//! | `q`, `w` | the rate, over the shortest whole number of seconds in which the burst comes back: `100/s` with a burst of 200 is `q=200;w=2`. Never less than the burst |
//! | `r` | what can be spent at once |
//! | `t` | for how long no more than that can be done: until one more request like this one is possible, rounded up. In a refusal, for the quota that takes longest, it is `Retry-After`. Left out where there is nothing to wait for, and where it would outlast `Retry-After` |
//!
//! A refusal has `Retry-After` besides: seconds, rounded up, at least 1. Where a catalog sends `retry_after_ms`, it is
//! exact. What a provider says about its own limits is removed; what another layer of this kind has said further in is
//! kept, behind ours. An inner service that fails with an error, and not with an answer, gives nothing to write on.
//!
//! # What it trusts
//!
//! - **Addresses**: [`ClientAddress`](crate::client_address::ClientAddress) is believed. Behind a proxy that is not
//!   resolved, all callers are the proxy; with a proxy that is trusted wrongly, everybody is whoever they say.
//!   Requests without the extension share one count.
//! - **Headers**: a field that clients may choose is no limit for those who mean harm, since every new value is a new
//!   caller. Use [`Key::Header`] only for what a proxy of yours has set. Leaving the field out does not help: those
//!   requests share one count.
//! - **Names**: callers see the names of quotas and their rates.
//!
//! A flood of new callers cannot fill the memory: [`Local`] forgets first those that are as good as new, then those
//! nearest to it, and last whoever is limited.

mod counters;
mod fields;
mod future;
pub mod in_flight;
mod key;
mod layer;
mod local;
mod quota;
#[cfg(feature = "redis")]
pub mod redis;
mod service;
mod tariff;
#[cfg(test)]
mod tests;

pub(crate) use self::fields::carry_over;
pub use self::{
    counters::{
        Counters, CountersError, Demand, Demands, Level, Levels, MAX_QUOTAS, OnStoreFailure, Rate,
    },
    fields::Headers,
    future::ResponseFuture,
    in_flight::{InFlightLimit, InFlightLimitLayer},
    key::{Caller, Extractor, Key, KeyExtractor},
    layer::RateLimitLayer,
    local::Local,
    quota::{InvalidQuota, MAX_NAME_LEN, Quota},
    service::RateLimit,
};
