//! One error contract for APIs that are built on other people's APIs.
//!
//! Whatever goes wrong, here or at the provider behind it, the caller gets
//! `{"data":null,"error":{"code","message",…}}` with the right HTTP status and a code from one documented
//! catalog.
//!
//! | | |
//! |---|---|
//! | [`Fault`] | why a request failed: a cause, with its details. Internal, never shown as it is |
//! | [`Catalog`] | the public contract: which code, status and message a fault is answered with. Data |
//! | [`envelope`] | the wire shape of an answer |
//! | [`NormalizeLayer`] | the outermost layer: errors, panics and failures become envelopes |
//! | `AuthLayer` | who may call: API keys (feature `auth`) |
//! | `RateLimitLayer` | how often, and how many at once: quotas by address, key, account, route or header (feature `limit`) |
//! | `ValidateLayer` | what may be asked: bodies and parameters by JSON Schema, with a code for each field; small edits (feature `validate`) |
//! | `ChargeLayer` | what it costs: money is held before a provider is asked, and settled or released once (feature `charge`) |
//! | `TasksLayer` | whose task is which, and where it is worked on (feature `tasks`) |
//! | `IdempotencyLayer` | the same request twice, carried out once (feature `idempotency`) |
//! | `WrapLayer` | successes become `{"data":…,"error":null}` (feature `wrap`) |
//! | `Upstream` | several providers that give the same: failover, what may be repeated, who is left out (feature `profile`) |
//! | `ClassifyLayer` | what a provider's answer means, also one with status 200 (feature `profile`) |
//! | `Forward` | one call to a provider (features `forward`, `tls`) |
//!
//! Each module's page has an example to begin with, and one of what can be set.
//!
//! # Features
//!
//! | feature | |
//! |---|---|
//! | none | faults, catalogs, [`NormalizeLayer`]: no server, TLS or command line |
//! | `auth` | `AuthLayer`, keys in memory |
//! | `limit` | `RateLimitLayer` and `InFlightLimitLayer`, counted in memory |
//! | `redis` | quotas that several processes share, in Redis or Valkey |
//! | `axum` | [`Fault`] is an `IntoResponse` |
//! | `validate` | `ValidateLayer`, schemas, edits |
//! | `charge` | `ChargeLayer`, a ledger in memory |
//! | `tasks` | `TasksLayer`, tasks in memory |
//! | `idempotency` | `IdempotencyLayer`, keys in memory |
//! | `wrap` | `WrapLayer` |
//! | `profile` | `Profile`, `ClassifyLayer`, `Upstream` |
//! | `forward` | `Forward`, over HTTP |
//! | `tls` | `Forward`, over HTTPS too |
//! | `standalone` (default) | the binary: listener, routes, key store, configuration, command line |
//! | `postgres` (default) | the binary, with its store in PostgreSQL |
//! | `otlp` | the binary, which exports traces to an OpenTelemetry collector |
//!
//! `redis` is on by default too.
//!
//! # Trust
//!
//! A message of [`Fault::custom_message`] and the details of a [`Violation`](fault::Violation) are sent to the caller
//! as they are; everything else that a caller sees comes from the catalog.

#[cfg(feature = "standalone")]
mod admission;
#[cfg(feature = "charge")]
mod alone;
#[cfg(feature = "auth")]
pub mod auth;
#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "profile")]
mod begun;
#[cfg(any(feature = "profile", feature = "validate"))]
pub mod buffer;
#[cfg(feature = "standalone")]
mod callback;
pub mod catalog;
#[cfg(feature = "tls")]
mod certificate;
#[cfg(feature = "charge")]
pub mod charge;
#[cfg(feature = "profile")]
pub mod classify;
#[cfg(feature = "standalone")]
#[doc(hidden)] // the binary's entry point
pub mod cli;
pub mod client_address;
#[cfg(feature = "standalone")]
#[doc(hidden)] // the binary's configuration: its file is the interface, these types are not
pub mod config;
#[cfg(any(feature = "forward", feature = "profile"))]
pub mod deadline;
#[cfg(any(feature = "profile", feature = "validate", feature = "wrap"))]
mod decode;
#[cfg(feature = "standalone")]
mod demo;
#[cfg(any(feature = "validate", feature = "wrap"))]
mod digest_fields;
#[cfg(feature = "validate")]
pub mod edit;
pub mod envelope;
pub mod fault;
#[cfg(feature = "standalone")]
mod file_stamps;
#[cfg(feature = "auth")]
mod first_look;
#[cfg(feature = "forward")]
pub mod forward;
#[cfg(feature = "standalone")]
mod gateway;
mod hex;
#[cfg(feature = "idempotency")]
pub mod idempotency;
#[cfg(any(feature = "profile", feature = "validate"))]
#[cfg_attr(not(feature = "validate"), allow(dead_code, reason = "answers are only read"))]
pub mod json;
#[cfg(feature = "limit")]
pub mod limit;
#[cfg(any(feature = "profile", feature = "validate", feature = "wrap"))]
mod media_type;
#[cfg(feature = "standalone")]
mod metrics;
pub mod normalize;
pub mod profile;
#[cfg(feature = "standalone")]
mod regular_file;
pub mod request_id;
#[cfg(feature = "standalone")]
mod route;
#[cfg(feature = "validate")]
pub mod schema;
#[cfg(feature = "standalone")]
mod server;
#[cfg(feature = "profile")]
pub mod signal;
#[cfg(feature = "standalone")]
mod standalone;
#[cfg(feature = "standalone")]
mod store;
#[cfg(feature = "profile")]
mod stream;
#[cfg(any(feature = "profile", feature = "standalone", feature = "validate"))]
mod suggest;
#[cfg(feature = "tasks")]
pub mod tasks;
#[cfg(feature = "standalone")]
mod trace;
#[cfg(feature = "profile")]
pub mod upstream;
#[cfg(feature = "validate")]
pub mod validate;
#[cfg(any(feature = "charge", feature = "profile"))]
pub mod work;
#[cfg(feature = "wrap")]
pub mod wrap;

#[cfg(feature = "auth")]
pub use auth::{Auth, AuthLayer};
pub use catalog::{Catalog, Entry};
#[cfg(feature = "charge")]
pub use charge::{Charge, ChargeLayer};
#[cfg(feature = "profile")]
pub use classify::{Classify, ClassifyLayer};
pub use fault::{Disposition, Fault, Kind};
#[cfg(feature = "forward")]
pub use forward::Forward;
#[cfg(feature = "idempotency")]
pub use idempotency::{Idempotency, IdempotencyLayer};
#[cfg(feature = "limit")]
pub use limit::{RateLimit, RateLimitLayer};
pub use normalize::{Normalize, NormalizeLayer};
#[cfg(feature = "tasks")]
pub use tasks::{Tasks, TasksLayer};
#[cfg(feature = "profile")]
pub use upstream::Upstream;
#[cfg(feature = "validate")]
pub use validate::{Validate, ValidateLayer};
#[cfg(feature = "wrap")]
pub use wrap::{Wrap, WrapLayer};

/// The README's examples are tests.
#[cfg(all(doctest, feature = "standalone"))]
#[doc = include_str!("../README.md")]
mod readme {}
