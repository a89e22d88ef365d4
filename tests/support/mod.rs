//! What the tests over real sockets share: a provider that misbehaves to the byte, the real binary in front of it,
//! and clients that take nothing for granted.
//!
//! Everything listens on a port of the kernel's choice. Nothing sleeps to let something happen; what has to be
//! waited for is waited for, and no longer than [`soon`] allows.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test binary uses a part of it, and a test may panic"
)]

pub mod client;
pub mod envelope;
pub mod events;
pub mod gateway;
pub mod http2;
pub mod metrics;
pub mod origin;
pub mod store;
pub mod tls;
pub mod wire;

pub use self::{
    client::{Answer, Client, Version},
    envelope::{assert_envelope, assert_event, assert_fault},
    events::Events,
    gateway::{Gateway, Setup},
    origin::{Act, Connection, Origin, Received, Refusing},
    wire::{Fields, Wire},
};

use std::{future::Future, io::Write as _, time::Duration};

/// What a provider puts into everything about its failures. It must not come out anywhere.
pub const MARKER: &str = "PROVIDER-INTERNAL-7f3a91";
/// The gateway's own credential at the provider.
pub const CREDENTIAL: &str = "sk-gateway-e1c5d0b2";
/// A caller's credential.
pub const CALLER: &str = "caller-key-93fa77";

/// Waits for something that has to happen; a test that hangs says where.
#[track_caller]
pub fn soon<F: Future>(what: &str, future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(Duration::from_secs(20), future).await {
            Ok(output) => output,
            Err(_) => panic!("{what}: did not happen ({caller})"),
        }
    }
}

/// The same, compressed.
pub fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}
