//! The PROXY protocol (haproxy.org, `proxy-protocol.txt`), versions 1 and 2: a load balancer that passes connections on says
//! in a header before their first byte where they come from.
//!
//! Who says so has to be believed, so it is said of which peers the header is expected, and from those it has to come: whether
//! there is one is never guessed, as the specification demands. What else a header of version 2 tells (its TLVs) is passed over; a
//! checksum among it is not looked at, TCP has its own.

mod header;

use self::header::decode;
use ipnet::IpNet;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

/// How often connections without a header are worth a warning.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);
/// How much is looked at in one go.
const PEEK: usize = 512;

/// Whose connections begin with a header.
#[derive(Clone, Debug)]
pub(crate) struct ProxyProtocol {
    /// Theirs.
    pub(crate) from: Arc<[IpNet]>,
    /// Whether nobody else is served.
    pub(crate) required: bool,
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) address: IpAddr,
    /// Who has made the connection: the same, unless a load balancer has said whom it is for.
    pub(super) peer: IpAddr,
    /// Whether it began with what a load balancer says.
    has_header: bool,
}

impl Source {
    /// From the peer itself.
    pub(super) const fn direct(peer: IpAddr) -> Self {
        Self { address: peer, peer, has_header: false }
    }

    /// Whether a connection of this peer would begin like that, where headers are expected like this; `None`: of nobody.
    pub(super) fn is_believed(&self, protocol: Option<&ProxyProtocol>) -> bool {
        match protocol.map_or(Beginning::NoHeader, |protocol| protocol.beginning(self.peer)) {
            Beginning::Header => self.has_header,
            Beginning::NoHeader => !self.has_header,
            Beginning::Refused => false,
        }
    }
}

/// How the connection of a peer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    Header,
    NoHeader,
    /// Not at all.
    Refused,
}

impl ProxyProtocol {
    fn beginning(&self, peer: IpAddr) -> Beginning {
        // An IPv4 peer of a socket that takes both is an IPv4 peer.
        let peer = peer.to_canonical();
        match self.from.iter().any(|network| network.contains(&peer)) {
            true => Beginning::Header,
            false if self.required => Beginning::Refused,
            false => Beginning::NoHeader,
        }
    }

    /// Who is at the other end of this connection: its peer, or whom the peer names. Of what follows the header nothing is read.
    /// `None`: the connection is over.
    pub(super) async fn source(
        &self,
        stream: &mut TcpStream,
        peer: IpAddr,
        within: Duration,
    ) -> Option<Source> {
        match self.beginning(peer) {
            Beginning::NoHeader => return Some(Source::direct(peer)),
            Beginning::Refused => {
                hush(stream);
                tracing::debug!("a peer that is not in `server.proxy_protocol_from` was refused");
                return None;
            }
            Beginning::Header => {}
        }
        let error = match timeout(within, read(stream)).await {
            Ok(Ok(Some(said))) => {
                let address = said.map_or(peer, |said| said.ip());
                return Some(Source { address, peer, has_header: true });
            }
            Ok(Ok(None)) => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        hush(stream);
        tracing::debug!(error, "a header of the PROXY protocol was expected");
        complain();
        None
    }
}

/// Reads a header, to its last byte and no further. `None`: the peer left without a word.
async fn read(stream: &mut TcpStream) -> io::Result<Option<Option<SocketAddr>>> {
    let (mut bytes, mut seen) = (Vec::new(), [0; PEEK]);
    loop {
        let (had, count) = (bytes.len(), stream.peek(&mut seen).await?);
        if count == 0 {
            return if had == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        bytes.extend_from_slice(&seen[..count]);
        let header =
            decode(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        // What was seen is there to be read.
        let taken = header.map_or(count, |header| header.length.saturating_sub(had));
        stream.read_exact(&mut seen[..taken]).await?;
        if let Some(header) = header {
            return Ok(Some(header.source));
        }
    }
}

/// Says it to whoever does not look so closely, now and then: a load balancer that was not told to send headers gets nothing through.
fn complain() {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_none_or(|at| at.elapsed() > COMPLAIN_EVERY) {
        *last = Some(Instant::now());
        tracing::warn!(
            "a peer of `server.proxy_protocol_from` has sent no header of the PROXY protocol, or a wrong one: is it told to send one?"
        );
    }
}

/// What is unread when a socket is closed makes a reset of its end.
fn hush(stream: &TcpStream) {
    let _ = stream.try_read(&mut [0; 4096]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_begins_how() {
        let from: Arc<[IpNet]> = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap()).into();
        let table = [
            ("10.1.2.3", Beginning::Header, Beginning::Header),
            ("::ffff:10.1.2.3", Beginning::Header, Beginning::Header),
            ("fd00::1", Beginning::Header, Beginning::Header),
            ("192.0.2.7", Beginning::NoHeader, Beginning::Refused),
            ("::1", Beginning::NoHeader, Beginning::Refused),
        ];
        for (peer, listed, required) in table {
            let peer = peer.parse().unwrap();
            for (is_required, want) in [(false, listed), (true, required)] {
                let protocol = ProxyProtocol { from: from.clone(), required: is_required };
                assert_eq!(protocol.beginning(peer), want, "{peer} {is_required}");
                for has_header in [true, false] {
                    let source = Source { has_header, ..Source::direct(peer) };
                    let beginning =
                        if has_header { Beginning::Header } else { Beginning::NoHeader };
                    assert_eq!(source.is_believed(Some(&protocol)), beginning == want, "{peer}");
                    assert_eq!(source.is_believed(None), !has_header, "{peer}");
                }
            }
        }
    }
}
