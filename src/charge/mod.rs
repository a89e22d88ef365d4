//! What requests cost, and who pays for what became of them.
//!
//! [`ChargeLayer`] finds the [`Price`] of a request, reserves it in a [`Ledger`] before the provider is asked, and ends that hold
//! exactly once: it takes the money when the work succeeds, and gives it back when it fails. A caller whose balance is short is
//! refused before any provider is touched. Amounts are whole millionths ([`Amount`]).
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use std::{convert::Infallible, sync::Arc};
//! use tollgate::{
//!     ChargeLayer,
//!     auth::{Account, Principal},
//!     charge::{MemoryLedger, Price},
//! };
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ledger = MemoryLedger::new();
//! ledger.add("acme", "0.015".parse()?);
//! let service = ServiceBuilder::new()
//!     .layer(ChargeLayer::new(ledger.clone(), Price::fixed("0.010".parse()?)))
//!     .service_fn(|_: Request<()>| async {
//!         Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("done")))
//!     });
//!
//! // Who calls is for a layer further out to say, such as `AuthLayer`.
//! let request = || {
//!     let principal = Principal::new(Arc::new(Account::new("acme")), "key_1");
//!     Request::builder().extension(principal).body(())
//! };
//! let answer = service.clone().oneshot(request()?).await?;
//! assert_eq!(answer.into_body().collect().await?.to_bytes(), "done");
//! assert_eq!(ledger.balance("acme").to_string(), "0.005");
//!
//! assert_eq!(service.oneshot(request()?).await?.status(), 402);
//! # Ok(())
//! # }
//! ```
//!
//! By the model that a body names, times the number of images, with another contract and rules of one's own. A
//! [`ValidateLayer`](crate::ValidateLayer) further out has read the body:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use tollgate::{
//!     Catalog, ChargeLayer,
//!     charge::{Amount, AtLimit, Disconnect, MemoryLedger, Price, TimeLimit},
//! };
//!
//! let table = [("small", "0.010".parse::<Amount>()?), ("large", "0.045".parse()?)];
//! let price = Price::table("/model".parse()?, table).times("/num_outputs".parse()?);
//! let limit = TimeLimit { after: Duration::from_secs(3600), then: AtLimit::Settle };
//! let layer = ChargeLayer::new(MemoryLedger::new(), price)
//!     .catalog(Arc::new(Catalog::preset("eggapi")?))
//!     .disconnect(Disconnect::OnAccept)
//!     .time_limit(limit);
//! # let _ = layer;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What becomes of a hold
//!
//! | | |
//! |---|---|
//! | the answer is a success, up to its end | settled, **before** the caller sees its end |
//! | an event of a stream says that the work is done | settled, before the caller sees that event |
//! | the provider refused, or was never reached; a fault of ours | released |
//! | it says that the work has failed | released |
//! | nobody knows: no answer in time, broken off ([`Charge::Pending`](crate::fault::Charge::Pending)) | stays until its [`TimeLimit`], then as that says |
//! | the client leaves | as [`Disconnect`] says |
//! | the money cannot be taken at the end | the caller gets no success; the hold stays until its time limit, unless the store has taken it and could not say so |
//!
//! An answer without a body, or that is all there, is settled before its head is shown, so that a ledger that fails then is an
//! answer of its own (`store_unavailable`). Otherwise the body breaks off with a [`ChargeError`].
//!
//! What an event of a stream means is known to whoever reads it, such as [`Upstream`](crate::Upstream), and told by a
//! [`WorkReport`](crate::work::WorkReport).
//!
//! # What it trusts
//!
//! The [`Principal`](crate::auth::Principal) in the request's extensions, and that a success of the inner service is one. Where a price
//! depends on the body, that is the body as the caller sent it, before any edits. A request that nobody has a price for is
//! refused ([`Fault::NoPrice`](crate::Fault::NoPrice)).

mod amount;
mod body;
mod future;
mod hold;
mod layer;
mod ledger;
mod memory;
pub(crate) mod place;
mod price;
mod service;
#[cfg(test)]
mod tests;

pub use self::{
    amount::{Amount, InvalidAmount},
    body::{ChargeError, ChargedBody},
    future::ResponseFuture,
    hold::Hold,
    layer::ChargeLayer,
    ledger::{
        AtLimit, End, Ended, HoldId, InvalidHoldId, Ledger, LedgerError, NewHold, Reservation,
        TimeLimit, Turn,
    },
    memory::MemoryLedger,
    price::{Price, Quote},
    service::Charge,
};

use serde::Deserialize;

/// What becomes of a request that is paid for when its client leaves before the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "kebab-case")]
pub enum Disconnect {
    /// It goes on: who pays depends on what becomes of the work, and not on who is there to see it.
    #[default]
    Finish,
    /// It is broken off, and the caller has the money back.
    Cancel,
    /// It is broken off, and paid for if the provider had begun to answer with a success.
    OnAccept,
}
