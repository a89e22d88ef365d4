//! One error contract for APIs that are built on other people's APIs.

#[cfg(feature = "axum")]
mod axum;
pub mod catalog;
#[cfg(feature = "wrap")]
mod decode;
pub mod envelope;
pub mod fault;
#[cfg(feature = "forward")]
pub mod forward;
pub mod normalize;
pub mod profile;
pub mod request_id;
#[cfg(feature = "wrap")]
pub mod wrap;

#[cfg(feature = "standalone")]
pub mod config;
#[cfg(feature = "standalone")]
mod demo;
#[cfg(feature = "standalone")]
mod server;

pub use catalog::{Catalog, Entry};
pub use fault::{Disposition, Fault, Kind};
#[cfg(feature = "forward")]
pub use forward::Forward;
pub use normalize::{Normalize, NormalizeLayer};
#[cfg(feature = "wrap")]
pub use wrap::{Wrap, WrapLayer};
