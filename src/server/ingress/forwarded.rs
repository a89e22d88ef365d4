use crate::{
    auth::{ConnectionPrincipal, Principal},
    client_address::{ClientAddress, resolve},
};
use http::{HeaderMap, HeaderName, HeaderValue, Version, header, request::Parts};
use ipnet::IpNet;
use std::{net::IpAddr, sync::Arc};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    address: IpAddr,
    /// Its address, as it stands in `X-Forwarded-For`.
    written: HeaderValue,
    /// What it speaks.
    scheme: HeaderValue,
    /// Whether what it says of others is believed.
    trusted: bool,
    /// Who it is, if its connection tells.
    principal: Option<ConnectionPrincipal>,
    /// Whose word is believed.
    networks: Arc<[IpNet]>,
}

impl Peer {
    /// The peer at this address, over TLS or not; it is trusted if one of the networks has it.
    pub(crate) fn new(address: IpAddr, tls: bool, trusted: &Arc<[IpNet]>) -> Self {
        // An IPv4 client of a socket that takes both is an IPv4 client.
        let address = address.to_canonical();
        Self {
            address,
            written: HeaderValue::try_from(address.to_string())
                .unwrap_or(HeaderValue::from_static("unknown")),
            scheme: HeaderValue::from_static(if tls { "https" } else { "http" }),
            trusted: is_in(trusted, address),
            principal: None,
            networks: trusted.clone(),
        }
    }

    /// The peer, which is known by its certificate.
    #[must_use]
    pub(crate) fn known_as(self, principal: Option<Principal>) -> Self {
        Self { principal: principal.map(ConnectionPrincipal), ..self }
    }

    /// Whether it speaks TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.scheme == "https"
    }

    /// Whether what it says of others is believed.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Who it is, if its connection tells.
    pub(super) fn principal(&self) -> Option<&ConnectionPrincipal> {
        self.principal.as_ref()
    }

    /// Who really asks: the peer, or whom trusted ones name in `X-Forwarded-For`.
    pub(super) fn client(&self, headers: &HeaderMap) -> ClientAddress {
        if !self.trusted {
            return ClientAddress(self.address);
        }
        let lines = headers.get_all(FOR);
        ClientAddress(resolve(self.address, lines, |address| is_in(&self.networks, address)))
    }

    /// Makes `X-Forwarded-For`, `-Host` and `-Proto` say what is true.
    ///
    /// What an untrusted peer has written in these, in any other `X-Forwarded-*`, in `Forwarded` (RFC 7239) or in
    /// `X-Real-IP` is removed; to what a trusted one has written the peer itself is added.
    pub(super) fn forward(&self, parts: &mut Parts) {
        let host = match parts.version {
            Version::HTTP_2 => {
                parts.uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok())
            }
            _ => None,
        };
        let host = host.or_else(|| parts.headers.get(header::HOST).cloned());
        let headers = &mut parts.headers;
        remove_forged(headers, self.trusted);
        // Of an untrusted peer's own nothing is left.
        let keep = |name| self.trusted && headers.contains_key(name);
        let (keep_proto, keep_host) = (keep(PROTO), keep(HOST));
        let forwarded_for =
            if self.trusted { self.forwarded_for(headers) } else { self.written.clone() };
        headers.insert(FOR, forwarded_for);
        if !keep_proto {
            headers.insert(PROTO, self.scheme.clone());
        }
        if let (false, Some(host)) = (keep_host, host) {
            headers.insert(HOST, host);
        }
    }

    /// The addresses so far, if the peer is believed, and the peer's.
    fn forwarded_for(&self, headers: &HeaderMap) -> HeaderValue {
        let mut so_far = headers.get_all(FOR).iter().peekable();
        if so_far.peek().is_none() {
            return self.written.clone();
        }
        let mut all = Vec::new();
        for line in so_far {
            all.extend_from_slice(line.as_bytes());
            all.extend_from_slice(b", ");
        }
        all.extend_from_slice(self.written.as_bytes());
        HeaderValue::from_bytes(&all).unwrap_or_else(|_| self.written.clone())
    }
}

fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// Removes what an untrusted peer says of others and of who is calling, and, whoever wrote them, names with `_` that some servers
/// behind us would take for one of the names that we answer for.
fn remove_forged(headers: &mut HeaderMap, trusted: bool) {
    let forged = |name: &&HeaderName| match name.as_str() {
        name if name.contains('_') => is_ours(&name.replace('_', "-")),
        name => !trusted && (is_about_clients(name) || name.starts_with("x-tollgate-")),
    };
    if headers.keys().any(|name| forged(&name)) {
        let names: Vec<_> = headers.keys().filter(forged).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }
}

fn is_about_clients(name: &str) -> bool {
    name.starts_with("x-forwarded-") || matches!(name, "forwarded" | "x-real-ip")
}

fn is_ours(name: &str) -> bool {
    is_about_clients(name)
        || name.starts_with("x-tollgate-")
        || matches!(
            name,
            "content-length"
                | "transfer-encoding"
                | "proxy-authorization"
                | "x-api-key"
                | "x-request-id"
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn forward(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut request = Request::builder().uri("/x").header("host", "api.test");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let trusted = Arc::from(["10.0.0.0/8".parse().unwrap()]);
        let mut out = Vec::new();
        for peer in ["10.1.2.3", "::ffff:192.0.2.7"] {
            let mut parts = request.try_clone_parts();
            Peer::new(peer.parse().unwrap(), false, &trusted).forward(&mut parts);
            let mut left: Vec<_> = parts
                .headers
                .iter()
                .filter(|(name, _)| *name != "host")
                .map(|(n, v)| format!("{n}: {}", v.to_str().unwrap()))
                .collect();
            left.sort();
            out.push(left.join("\n"));
        }
        let untrusted = out.pop().unwrap();
        vec![(out.pop().unwrap(), untrusted)]
    }

    trait TryCloneParts {
        fn try_clone_parts(&self) -> Parts;
    }

    impl TryCloneParts for http::request::Builder {
        fn try_clone_parts(&self) -> Parts {
            let mut parts = Request::new(()).into_parts().0;
            parts.headers = self.headers_ref().unwrap().clone();
            parts
        }
    }

    #[test]
    fn only_a_trusted_peer_speaks_of_others() {
        let plain = |address: &str| {
            format!(
                "x-forwarded-for: {address}\nx-forwarded-host: api.test\nx-forwarded-proto: http"
            )
        };
        let table: &[(&[(&str, &str)], String)] = &[
            (&[], plain("10.1.2.3")),
            (
                &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2")],
                plain("1.1.1.1, 2.2.2.2, 10.1.2.3"),
            ),
            (
                &[
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "shop.test"),
                    ("forwarded", "for=1.1.1.1"),
                    ("x-forwarded-port", "1"),
                    ("x-real-ip", "1.1.1.1"),
                ],
                "forwarded: for=1.1.1.1\nx-forwarded-for: 10.1.2.3\nx-forwarded-host: shop.test\n\
                 x-forwarded-port: 1\nx-forwarded-proto: https\nx-real-ip: 1.1.1.1"
                    .to_owned(),
            ),
        ];
        for (fields, want_trusted) in table {
            let got = forward(fields).remove(0);
            assert_eq!(got.0, *want_trusted, "{fields:?}");
            assert_eq!(got.1, plain("192.0.2.7"), "{fields:?}");
        }
    }

    #[test]
    fn names_that_could_be_taken_for_ours() {
        let fields = [("x_forwarded_for", "6.6.6.6"), ("X-Tollgate_Account", "root"), ("a_b", "1")];
        let got = forward(&fields).remove(0);
        for left in [got.0, got.1] {
            assert!(left.contains("a_b: 1") && !left.contains("6.6.6.6") && !left.contains("root"));
        }
        // Of a gateway in front it is believed, of anybody else not.
        let (trusted, untrusted) = forward(&[("X-Tollgate-Plan", "max")]).remove(0);
        assert!(trusted.contains("max") && !untrusted.contains("max"));
    }

    #[test]
    fn what_the_peer_speaks() {
        let trusted = Arc::from(["10.0.0.0/8".parse().unwrap()]);
        let proto = |address: &str, tls, said: Option<&'static str>| {
            let mut parts = Request::new(()).into_parts().0;
            if let Some(said) = said {
                parts.headers.insert(PROTO, HeaderValue::from_static(said));
            }
            Peer::new(address.parse().unwrap(), tls, &trusted).forward(&mut parts);
            parts.headers[PROTO].to_str().unwrap().to_owned()
        };
        for (tls, ours) in [(false, "http"), (true, "https")] {
            assert_eq!(proto("192.0.2.7", tls, None), ours);
            assert_eq!(proto("192.0.2.7", tls, Some("ftp")), ours);
            assert_eq!(proto("10.1.2.3", tls, None), ours);
            assert_eq!(proto("10.1.2.3", tls, Some("http")), "http");
        }
    }
}
