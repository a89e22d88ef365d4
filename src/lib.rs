//! One error contract for APIs that are built on other people's APIs.

pub mod catalog;
pub mod envelope;
pub mod fault;

#[cfg(feature = "standalone")]
pub mod config;
#[cfg(feature = "standalone")]
mod demo;
#[cfg(feature = "standalone")]
mod server;

pub use catalog::Catalog;
pub use fault::{Disposition, Fault, Kind};
