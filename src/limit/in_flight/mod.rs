//! How many at once.
//!
//! [`InFlightLimitLayer`] lets each caller have so many requests running at the same time. A request is running until
//! its answer's body has ended, failed or been dropped, or until its future is dropped: a stream that a client reads
//! slowly is still running, and a client that goes away is not.
//!
//! Refused is with [`Fault::ConcurrencyLimited`](crate::Fault::ConcurrencyLimited), in the catalog's words. Nobody
//! waits for a free place.
//!
//! # Example
//!
//! Ten for each API key:
//!
//! ```
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use std::num::NonZeroU32;
//! use tollgate::limit::InFlightLimitLayer;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = ServiceBuilder::new()
//!     .layer(InFlightLimitLayer::new("in-flight", NonZeroU32::MIN)?)
//!     .service_fn(|_: Request<()>| async {
//!         Ok::<_, std::convert::Infallible>(Response::new(Full::from("hello")))
//!     });
//!
//! let running = service.clone().oneshot(Request::new(())).await?;
//! let refused = service.clone().oneshot(Request::new(())).await?;
//! assert_eq!((running.status().as_u16(), refused.status().as_u16()), (200, 429));
//!
//! drop(running);
//! assert_eq!(service.oneshot(Request::new(())).await?.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! More for some, and by account:
//!
//! ```
//! use std::num::NonZeroU32;
//! use tollgate::limit::{InFlightLimitLayer, Key};
//!
//! let few = NonZeroU32::new(2).unwrap();
//! let layer = InFlightLimitLayer::new("in-flight", few)?
//!     .key(Key::Account)
//!     .plan("pro", NonZeroU32::new(50).unwrap());
//! # let _ = layer;
//! # Ok::<(), tollgate::limit::InvalidQuota>(())
//! ```
//!
//! # What it cannot do
//!
//! It counts in this process: so many for each replica. A connection that is upgraded (101) leaves its place when the
//! answer's head is out, since what follows is no body. Whom it trusts is [the same](super#what-it-trusts) as for
//! quotas.

mod body;
mod future;
mod layer;
mod places;
mod service;
#[cfg(test)]
mod tests;

pub use self::{
    body::InFlightBody, future::InFlightFuture, layer::InFlightLimitLayer, service::InFlightLimit,
};
