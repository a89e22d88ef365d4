//! Where a request comes from.

use std::net::IpAddr;

/// The address of the client: the peer's, or the one that trusted proxies in between have named. Rides in the
/// request's extensions; whoever accepts connections puts it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);
