//! The same request twice, carried out once.
//!
//! A client that has not heard the answer sends its request again. With an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) it
//! gets the first answer, and nothing is done or paid for a second time. [`IdempotencyLayer`] stands before everything that does
//! something, such as [`ChargeLayer`](crate::ChargeLayer), and behind what says who is calling and reads bodies.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use std::{convert::Infallible, sync::{Arc, atomic::{AtomicU32, Ordering}}};
//! use tollgate::{
//!     IdempotencyLayer,
//!     auth::{Account, Principal},
//!     idempotency::MemoryKeys,
//! };
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let calls = Arc::new(AtomicU32::new(0));
//! let counted = calls.clone();
//! let service = ServiceBuilder::new()
//!     .layer(IdempotencyLayer::new(MemoryKeys::default()))
//!     .service_fn(move |_: Request<()>| {
//!         let call = counted.fetch_add(1, Ordering::Relaxed) + 1;
//!         async move { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(format!("call {call}")))) }
//!     });
//!
//! for _ in 0..2 {
//!     let request = Request::post("/")
//!         .header("idempotency-key", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"")
//!         .extension(Principal::new(Arc::new(Account::new("acme")), "key_1"))
//!         .body(())?;
//!     let answer = service.clone().oneshot(request).await?;
//!     assert_eq!(answer.into_body().collect().await?.to_bytes(), "call 1");
//! }
//! assert_eq!(calls.load(Ordering::Relaxed), 1);
//! # Ok(())
//! # }
//! ```
//!
//! For every request, with less memory:
//!
//! ```
//! use std::time::Duration;
//! use tollgate::{IdempotencyLayer, idempotency::{MemoryKeys, Policy}};
//!
//! let layer = IdempotencyLayer::new(MemoryKeys::default())
//!     .policy(Policy::Required)
//!     .lease(Duration::from_secs(180))
//!     .retention(Duration::from_secs(3600))
//!     .max_bytes(64 * 1024);
//! # let _ = layer;
//! ```
//!
//! # What is answered
//!
//! | | |
//! |---|---|
//! | the same key, account and request, answered already | the first answer, its `request_id` included, with `idempotency-replayed: true` |
//! | … still at work, or with an answer that was too long to be kept | `idempotency_key_in_use`, 409 |
//! | the same key and account, another method, target or body | `idempotency_key_reused`, 422 |
//! | no key where one is required | `missing_idempotency_key`, 400 |
//! | no key where none is required | as without the layer |
//!
//! Kept are successes, refusals of the provider that would be the same again, and failures after which nobody knows whether the work was done. A
//! failure for which nothing was done and after which it may go better, such as a balance that was too low, gives the key back. Events of a stream are given again all at once. A client that
//! leaves does not end its request: whoever comes back finds the answer.
//!
//! # What it trusts
//!
//! The [`Principal`](crate::auth::Principal) in the request's extensions, and that the [`ParsedBody`](crate::validate::ParsedBody) there is the
//! request's body. Without one, bodies are not compared.

mod answer;
mod body;
mod future;
mod key;
mod layer;
mod memory;
mod run;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use self::{
    body::RecordedBody,
    future::ResponseFuture,
    layer::IdempotencyLayer,
    memory::MemoryKeys,
    service::Idempotency,
    store::{Begun, FirstRequest, IdempotencyStore, Kept, KeyName},
};
#[cfg(feature = "standalone")]
pub(crate) use self::{
    key::{HEADER, of_caller},
    layer::{MAX_BYTES, RETENTION},
};

use serde::Deserialize;

/// Which requests have an `Idempotency-Key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// None: whatever stands there is not looked at.
    #[default]
    Off,
    /// Those whose client wants one.
    Optional,
    /// All.
    Required,
}
