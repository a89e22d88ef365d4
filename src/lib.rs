//! One error contract for APIs that are built on other people's APIs.

#[cfg(feature = "axum")]
mod axum;
pub mod catalog;
pub mod envelope;
pub mod fault;
#[cfg(feature = "forward")]
pub mod forward;
pub mod normalize;
pub mod profile;
pub mod request_id;

#[cfg(feature = "standalone")]
mod admission;
#[cfg(feature = "standalone")]
pub mod cli;
#[cfg(feature = "standalone")]
pub mod config;
#[cfg(feature = "standalone")]
mod demo;
#[cfg(feature = "standalone")]
mod gateway;
#[cfg(feature = "standalone")]
mod route;
#[cfg(feature = "standalone")]
mod server;
#[cfg(feature = "standalone")]
mod standalone;

pub use catalog::{Catalog, Entry};
pub use fault::{Disposition, Fault, Kind};
#[cfg(feature = "forward")]
pub use forward::Forward;
pub use normalize::{Normalize, NormalizeLayer};
