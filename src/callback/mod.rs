//! Callbacks: what became of a caller's work, sent to a URL that the caller has given.
//!
//! A [`Relay`] takes callbacks on that are due in the store: it has somebody find out how the task has ended, notes what its owner is to be told,
//! and tries to tell them until they answer. Every step is noted, and whoever is killed in between has it done again when its lease is over.
//! [`CallbackSecrets`] prove that a URL is one of ours, and that a message comes from us.
//!
//! # Where messages go
//!
//! Whoever may name a URL may name one that only this machine reaches: its own services, those of the private
//! network, the metadata of the cloud that it runs in. So nothing is sent to an address that was not looked at:
//!
//! ```text
//! text ── CallbackUrl ── Guard (literal, or the name's addresses) ── connect to those ── TLS ── POST ── status
//! ```
//!
//! - A name is looked up once for each call, and what was checked is what is connected to: a name that has another
//!   address a moment later gains nothing.
//! - One address that is not public is enough to refuse a name.
//! - A redirection is an answer like any other. It is not followed.
//! - Certificates are verified for the host of the URL.
//! - The whole of a call has one time limit, and an answer's body is thrown away.
//!
//! # Trust
//!
//! The operator's networks that a [`Guard`] is given are open to every caller. A path and a query may hold the
//! caller's secrets, so logs show a URL [without them](CallbackUrl::for_log).

mod address;
mod error;
mod guard;
mod relay;
mod secrets;
mod send;
#[cfg(test)]
mod tests;
mod url;

pub(crate) use self::{
    guard::{Guard, Refused},
    relay::{Asked, Event, Fields, Relay, Results, Settings},
    secrets::CallbackSecrets,
    send::Sender,
    url::CallbackUrl,
};
