use crate::{auth::Principal, client_address::ClientAddress};
use http::{HeaderName, request::Parts};
use sha2::{Digest, Sha256};
use std::{fmt, net::IpAddr, sync::Arc};

/// What requests are counted by.
///
/// A request without the thing in question does not escape: it is counted with all others like it, as
/// [`Caller::UNKNOWN`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Key {
    /// The client's address, as [`ClientAddress`] says; an IPv6 address by its network.
    Address,
    /// The API key, as [`Principal`] says. Without one, the address.
    Principal,
    /// The account that the API key belongs to, whichever of its keys is used. Without one, the address.
    Account,
    /// A route: all its callers together. See [`Key::route`].
    Route(Caller),
    /// A header field's value, all lines of it.
    ///
    /// Whoever chooses the value chooses the count: this is a limit only where something that can be trusted has set
    /// the field.
    Header(HeaderName),
    /// Anything else. See [`Key::custom`].
    Custom(Extractor),
}

impl Key {
    /// One count for everything that this layer sees, and that other layers with the same quota and name see.
    pub fn route(name: &str) -> Self {
        Self::Route(Caller::named(name))
    }

    /// What this finds.
    pub fn custom(extractor: impl KeyExtractor) -> Self {
        Self::Custom(Extractor(Arc::new(extractor)))
    }

    /// Who this request is counted for.
    pub(super) fn caller(&self, request: &Parts, ipv6_prefix: u8) -> Caller {
        let address = || {
            let address = request.extensions.get::<ClientAddress>();
            address.map(|address| Caller::at(address.0, ipv6_prefix))
        };
        let principal = || request.extensions.get::<Principal>();
        let caller = match self {
            Self::Address => address(),
            Self::Principal => match principal() {
                Some(principal) => Some(Caller(principal.key_bucket())),
                None => address(),
            },
            Self::Account => match principal() {
                Some(principal) => Some(Caller(principal.account_bucket())),
                None => address(),
            },
            Self::Route(route) => Some(*route),
            Self::Header(name) => header(request, name),
            Self::Custom(Extractor(extractor)) => extractor.extract(request),
        };
        caller.unwrap_or(Caller::UNKNOWN)
    }
}

/// The lines together, with their lengths, so that they cannot be shifted from one to the next.
fn header(request: &Parts, name: &HeaderName) -> Option<Caller> {
    let mut lines = request.headers.get_all(name).iter().peekable();
    lines.peek()?;
    let mut digest = Sha256::new();
    for line in lines {
        digest.update((line.len() as u64).to_be_bytes());
        digest.update(line);
    }
    Some(Caller::digested(digest))
}

/// Finds out whom a request is counted for. Closures do, too.
pub trait KeyExtractor: Send + Sync + 'static {
    /// Who sent this request; `None` if it cannot be told.
    fn extract(&self, request: &Parts) -> Option<Caller>;
}

impl<F> KeyExtractor for F
where
    F: Fn(&Parts) -> Option<Caller> + Send + Sync + 'static,
{
    fn extract(&self, request: &Parts) -> Option<Caller> {
        self(request)
    }
}

/// A [`KeyExtractor`], whichever.
#[derive(Clone)]
pub struct Extractor(Arc<dyn KeyExtractor>);

impl fmt::Debug for Extractor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Extractor(…)")
    }
}

/// Who a request is counted for: 128 bits, the same in every process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Caller(u128);

impl Caller {
    /// Everybody of whom nothing is known, together.
    pub const UNKNOWN: Self = Self(u128::MAX);

    /// Whoever has this name: half of its SHA-256.
    pub fn named(name: impl AsRef<[u8]>) -> Self {
        Self::digested(Sha256::new().chain_update(name))
    }

    /// Whoever has this address. IPv6 addresses with the same `ipv6_prefix` first bits are one caller, since whoever
    /// has one of them has all of a network; an IPv4 address mapped to IPv6 is that IPv4 address.
    pub const fn at(address: IpAddr, ipv6_prefix: u8) -> Self {
        Self(match address.to_canonical() {
            // In the form in which IPv6 has it (RFC 4291, section 2.5.5.2).
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => match 128_u32.checked_sub(ipv6_prefix as u32) {
                Some(0) | None => address.to_bits(),
                Some(128) => 0,
                Some(host) => address.to_bits() >> host << host,
            },
        })
    }

    /// What a quota counts it under: different for every quota, the same in every process.
    pub(super) const fn bucket(self, quota: u128) -> u128 {
        self.0 ^ quota
    }

    fn digested(digest: Sha256) -> Self {
        Self(half(digest))
    }
}

/// Half of a SHA-256.
pub(super) fn half(digest: Sha256) -> u128 {
    digest.finalize().iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Account;
    use http::Request;

    fn at(address: &str, ipv6_prefix: u8) -> Caller {
        Caller::at(address.parse().unwrap(), ipv6_prefix)
    }

    #[test]
    fn addresses() {
        let same = [
            ("192.0.2.1", "::ffff:192.0.2.1", 64),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", 64),
            ("2001:db8:0:ff00::", "2001:db8:0:ffff::1", 56),
            ("2001:db8::1", "3001::", 0),
            ("2001:db8::1", "2001:db8::1", 128),
            ("2001:db8::1", "2001:db8::1", 255),
        ];
        for (a, b, prefix) in same {
            assert_eq!(at(a, prefix), at(b, prefix), "{a} {b} /{prefix}");
        }
        let different = [
            ("192.0.2.1", "192.0.2.2", 0),
            ("192.0.2.1", "::ffff:192.0.2.2", 64),
            ("::", "0.0.0.0", 64),
            ("2001:db8::", "2001:db8:0:1::", 64),
            ("2001:db8::1", "2001:db8::2", 128),
        ];
        for (a, b, prefix) in different {
            assert_ne!(at(a, prefix), at(b, prefix), "{a} {b} /{prefix}");
        }
    }

    fn parts(change: impl FnOnce(&mut Parts)) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        change(&mut parts);
        parts
    }

    #[test]
    fn without_what_is_asked_for() {
        let address = ClientAddress("192.0.2.1".parse().unwrap());
        let nothing = parts(|_| {});
        let addressed = parts(|parts| _ = parts.extensions.insert(address));
        let table = [
            (Key::Address, Caller::UNKNOWN, Caller::at(address.0, 64)),
            (Key::Principal, Caller::UNKNOWN, Caller::at(address.0, 64)),
            (Key::Account, Caller::UNKNOWN, Caller::at(address.0, 64)),
            (Key::Header(http::header::FROM), Caller::UNKNOWN, Caller::UNKNOWN),
            (Key::custom(|_: &Parts| None), Caller::UNKNOWN, Caller::UNKNOWN),
            (Key::route("a"), Caller::named("a"), Caller::named("a")),
        ];
        for (key, without, with_address) in table {
            assert_eq!(key.caller(&nothing, 64), without, "{key:?}");
            assert_eq!(key.caller(&addressed, 64), with_address, "{key:?}");
        }
    }

    #[test]
    fn keys_of_one_account() {
        let account = Arc::new(Account::new("acme"));
        let of = |id: &str| parts(|p| _ = p.extensions.insert(Principal::new(account.clone(), id)));
        let (a, b) = (of("a"), of("b"));
        assert_ne!(Key::Principal.caller(&a, 64), Key::Principal.caller(&b, 64));
        assert_eq!(Key::Account.caller(&a, 64), Key::Account.caller(&b, 64));
    }

    #[test]
    fn header_lines() {
        let of = |lines: &[&'static str]| {
            let parts = parts(|parts| {
                for line in lines {
                    parts.headers.append("x-tenant", line.parse().unwrap());
                }
            });
            Key::Header(HeaderName::from_static("x-tenant")).caller(&parts, 64)
        };
        assert_eq!(of(&["a"]), of(&["a"]));
        let all = [of(&[]), of(&[""]), of(&["a"]), of(&["a", "b"]), of(&["ab"]), of(&["b", "a"])];
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), all.len());
    }
}
