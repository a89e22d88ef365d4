use super::{Tls, certificate};
use std::io;
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
    /// The names in the client's certificate, which was verified; none without one.
    pub(in crate::server) names: Vec<String>,
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
        let acceptor = TlsAcceptor::from(self.config.load_full());
        let stream = acceptor.accept(wrap(socket)).await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let names = certificates.and_then(|chain| chain.first()).map(certificate::names);
        Ok(Some(Handshake { stream, names: names.unwrap_or_default() }))
    }
}
