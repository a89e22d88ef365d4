use super::{Demand, Pair, Tls, certificate};
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// The type of a record that begins a handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// A connection whose handshake is over.
#[derive(Debug)]
pub(in crate::server) struct Handshake<T> {
    pub(in crate::server) stream: TlsStream<T>,
    pub(in crate::server) shown: Shown,
}

/// What a client has shown in its handshake.
#[derive(Debug)]
pub(in crate::server) struct Shown {
    /// The names in its certificate, which was verified; none without one.
    pub(in crate::server) names: Vec<String>,
    /// What it was asked for.
    demand: Arc<Demand>,
    /// Whether there was a certificate.
    certificate: bool,
}

impl Tls {
    /// Whether a client that has shown this would still be let in as the same one.
    pub(in crate::server) fn accepts(&self, shown: &Shown) -> bool {
        let pair = self.pair.load();
        Arc::ptr_eq(&pair.demand, &shown.demand)
            || pair.demand.is_met(&shown.demand, shown.certificate)
    }
}

impl Tls {
    /// Makes a connection one with TLS, over what `wrap` makes of the socket. `None`: the client left without a word.
    ///
    /// # Errors
    ///
    /// When the client speaks something else, or the two find no common ground.
    pub(in crate::server) async fn accept<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: TcpStream,
        wrap: impl FnOnce(TcpStream) -> T,
    ) -> io::Result<Option<Handshake<T>>> {
        // Who is silent costs no session, and who does not speak TLS gets none of it: not even an alert, which would
        // be noise to it.
        let mut first = [0; 1];
        if socket.peek(&mut first).await? == 0 {
            return Ok(None);
        }
        if first != [HANDSHAKE] {
            // What is unread when a socket is closed makes a reset of its end.
            let _ = socket.try_read(&mut [0; 4096]);
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the client does not speak TLS",
            ));
        }
        let Pair { config, demand, .. } = (**self.pair.load()).clone();
        let stream = TlsAcceptor::from(config).accept(wrap(socket)).await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let names = certificates.and_then(|chain| chain.first()).map(certificate::names);
        let certificate = names.is_some();
        let shown = Shown { names: names.unwrap_or_default(), demand, certificate };
        Ok(Some(Handshake { stream, shown }))
    }
}
