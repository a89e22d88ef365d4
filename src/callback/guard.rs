//! Which addresses a callback may go to.

use super::{address::is_public, url::CallbackUrl};
use ipnet::IpNet;
use std::{
    error::Error,
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};
use tokio::net::lookup_host;

/// As many addresses of one name are tried.
const MAX_ADDRESSES: usize = 4;

/// Lets callbacks go to public addresses, and to the networks that the operator allows.
#[derive(Clone)]
pub(crate) struct Guard {
    allowed: Arc<[IpNet]>,
    lookup: Arc<Lookup>,
}

/// How a name and a port become addresses.
type Lookup = dyn Fn(&str, u16) -> LookupFuture + Send + Sync;
pub(super) type LookupFuture = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Why nothing may be sent to a URL.
#[derive(Debug)]
pub(crate) enum Refused {
    /// An address of its host is neither public nor allowed.
    Private,
    /// Its host has no address, or nobody can say now.
    Unknown(io::Error),
}

impl Guard {
    /// Allows these networks beside the public ones.
    pub(crate) fn new(allowed: impl IntoIterator<Item = IpNet>) -> Self {
        Self { allowed: allowed.into_iter().collect(), lookup: Arc::new(system) }
    }

    /// Looks names up in another way.
    #[cfg(test)]
    pub(crate) fn with_lookup(
        self,
        lookup: impl Fn(&str, u16) -> LookupFuture + Send + Sync + 'static,
    ) -> Self {
        Self { lookup: Arc::new(lookup), ..self }
    }

    /// Checks what can be checked without a lookup: a host that is an address.
    ///
    /// # Errors
    ///
    /// [`Refused::Private`].
    pub(crate) fn check_literal(&self, url: &CallbackUrl) -> Result<(), Refused> {
        literal(url).map_or(Ok(()), |ip| self.check(ip))
    }

    /// The addresses of the host, all of them checked; at least one and at most a few. To connect anywhere else is
    /// to do without the check.
    ///
    /// # Errors
    ///
    /// [`Refused::Private`] as soon as one of the addresses is: a name that has a public and a private one is made
    /// to get past checks. [`Refused::Unknown`] when there is none.
    pub(crate) async fn resolve(&self, url: &CallbackUrl) -> Result<Vec<SocketAddr>, Refused> {
        let mut addresses = match literal(url) {
            Some(ip) => vec![SocketAddr::new(ip, url.port())],
            None => (self.lookup)(url.host(), url.port()).await.map_err(Refused::Unknown)?,
        };
        for address in &mut addresses {
            address.set_ip(address.ip().to_canonical());
            self.check(address.ip())?;
        }
        if addresses.is_empty() {
            let nothing = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            return Err(Refused::Unknown(nothing));
        }
        addresses.truncate(MAX_ADDRESSES);
        Ok(addresses)
    }

    /// `ip` is canonical: an address of IPv4 that is written as one of IPv6 is in the networks of IPv4.
    fn check(&self, ip: IpAddr) -> Result<(), Refused> {
        if is_public(ip) || self.allowed.iter().any(|network| network.contains(&ip)) {
            Ok(())
        } else {
            Err(Refused::Private)
        }
    }
}

/// The host's address, if it is one. Other ways to write one, such as `127.1` and `0x7f000001`, are left to the
/// system's resolver, and what it makes of them is checked.
fn literal(url: &CallbackUrl) -> Option<IpAddr> {
    url.host().parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

/// Asks the system's resolver.
fn system(host: &str, port: u16) -> LookupFuture {
    let host = host.to_owned();
    Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) })
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Private => "the address is not a public one",
            Self::Unknown(_) => "the host was not found",
        })
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Private => None,
            Self::Unknown(error) => Some(error),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}
