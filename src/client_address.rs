//! Where a request comes from.
//!
//! Whoever accepts connections knows the peer's address, and puts it into the request's extensions as
//! [`ClientAddress`]. Behind proxies the peer is a proxy; [`resolve`] then finds the client in `X-Forwarded-For`.
//!
//! # Example
//!
//! In axum, without a proxy in front:
//!
//! ```
//! use axum::{Router, extract::{ConnectInfo, Request}, middleware::{self, Next}, routing::get};
//! use std::net::SocketAddr;
//! use tollgate::client_address::ClientAddress;
//!
//! async fn client_address(
//!     ConnectInfo(peer): ConnectInfo<SocketAddr>,
//!     mut request: Request,
//!     next: Next,
//! ) -> axum::response::Response {
//!     request.extensions_mut().insert(ClientAddress(peer.ip()));
//!     next.run(request).await
//! }
//!
//! let app: Router = Router::new()
//!     .route("/", get(async |address: axum::Extension<ClientAddress>| format!("{address:?}")))
//!     .layer(middleware::from_fn(client_address));
//! // axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
//! # let _ = app;
//! ```
//!
//! Behind proxies in `10.0.0.0/8`:
//!
//! ```
//! use http::HeaderMap;
//! use std::net::IpAddr;
//! use tollgate::client_address::{ClientAddress, resolve};
//!
//! let trusted = |address: IpAddr| matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10);
//! let mut headers = HeaderMap::new();
//! headers.insert("x-forwarded-for", "203.0.113.9, 198.51.100.7, 10.0.0.2".parse()?);
//!
//! let peer: IpAddr = "10.0.0.1".parse()?;
//! let client = resolve(peer, headers.get_all("x-forwarded-for"), trusted);
//! assert_eq!(ClientAddress(client), ClientAddress("198.51.100.7".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it trusts
//!
//! `X-Forwarded-For` is what the peer says. Each proxy adds, on the right, the address that it was called from; what
//! is left of the first one that is not ours was sent by a stranger. Trust exactly the proxies that you run (or rent),
//! and only ones that add to the field, or replace it, and never pass it on as it came.

use http::HeaderValue;
use std::net::{IpAddr, SocketAddr};

/// The address of the client: the peer's, or the one that trusted proxies in between have named. Rides in the
/// request's extensions; whoever accepts connections puts it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

/// The client's address, by the peer's and the lines of `X-Forwarded-For`.
///
/// It is the first one from the right that is not `trusted`, the peer being the rightmost of all. Where the field ends,
/// or has something that is no address (`unknown`, a name), it is the last one before: that proxy is the nearest thing
/// to the client that is known. Ports are left out; empty elements are passed over (RFC 9110, section 5.6.1); an IPv4
/// address in IPv6 clothes is that IPv4 address.
pub fn resolve<'a, I>(peer: IpAddr, x_forwarded_for: I, trusted: impl Fn(IpAddr) -> bool) -> IpAddr
where
    I: IntoIterator<Item = &'a HeaderValue, IntoIter: DoubleEndedIterator>,
{
    let mut client = peer.to_canonical();
    let lines = x_forwarded_for.into_iter().rev();
    let elements = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for element in elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()) {
        if !trusted(client) {
            break;
        }
        match address(element) {
            Some(next) => client = next,
            None => break,
        }
    }
    client
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(inside) => IpAddr::V6(inside.parse().ok()?),
        None => {
            text.parse().or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip())).ok()?
        }
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    /// The resolver trusts 10.0.0.0/8 and fd00::/8.
    fn trusted(address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(address) => address.octets()[0] == 0xfd,
        }
    }

    #[test]
    fn the_first_that_is_not_trusted() {
        let table: &[(&str, &[&str], &str)] = &[
            ("192.0.2.1", &[], "192.0.2.1"),
            // A stranger may say what it likes.
            ("192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("::ffff:192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.7", "10.0.0.2, 10.0.0.3"], "198.51.100.7"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // Forms.
            ("10.0.0.1", &[" \t198.51.100.7 \t"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7:443"], "198.51.100.7"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7, ::ffff:10.0.0.2"], "198.51.100.7"),
            ("fd00::1", &["2001:db8::7, [fd00::2]:80"], "2001:db8::7"),
            // Empty elements and lines.
            ("10.0.0.1", &["", "198.51.100.7,, ,", ""], "198.51.100.7"),
            ("10.0.0.1", &["", ","], "10.0.0.1"),
            // What is no address ends the walk.
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.7, _hidden"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7:"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7:99999"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100"], "10.0.0.1"),
            ("10.0.0.1", &["198.051.100.7"], "10.0.0.1"),
            ("10.0.0.1", &["[198.51.100.7]"], "10.0.0.1"),
            ("10.0.0.1", &["[2001:db8::7"], "10.0.0.1"),
            ("10.0.0.1", &["\"198.51.100.7\""], "10.0.0.1"),
            ("10.0.0.1", &["example.com"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7, \u{e9}, 10.0.0.2"], "10.0.0.2"),
        ];
        for (peer, lines, want) in table {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers
                    .append("x-forwarded-for", HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            let lines = headers.get_all("x-forwarded-for");
            let client = resolve(peer.parse().unwrap(), lines, trusted);
            assert_eq!(client, want.parse::<IpAddr>().unwrap(), "{peer} {headers:?}");
        }
    }
}
