use super::{RedisConfig, Unavailable, url::Address};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use std::{
    io,
    sync::{Arc, OnceLock},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream, lookup_host},
};
use tokio_rustls::TlsConnector;

/// What Redis is spoken over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects a socket, with TLS where the URL says so.
///
/// This is not left to the Redis client, which takes its TLS from whatever the process has installed.
pub(super) async fn dial(config: &RedisConfig) -> Result<Box<dyn Stream>, Unavailable> {
    match &config.url.address {
        Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await.map_err(unreachable)?)),
        Address::Tcp { host, port, tls: false } => Ok(Box::new(tcp(host, *port).await?)),
        Address::Tcp { host, port, tls: true } => {
            let name = ServerName::try_from(host.clone())
                .map_err(|_| Unavailable::Tls("the host is no name of a certificate".into()))?;
            let socket = tcp(host, *port).await?;
            let connector = TlsConnector::from(tls(config));
            Ok(Box::new(connector.connect(name, socket).await.map_err(|error| refused(&error))?))
        }
    }
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, Unavailable> {
    let addresses: Vec<_> =
        lookup_host((host, port)).await.map_err(|_| Unavailable::Unresolved)?.collect();
    let socket = TcpStream::connect(addresses.as_slice()).await.map_err(unreachable)?;
    // Checks are small and each is waited for. That it may fail is no reason to do without a connection.
    let _ = socket.set_nodelay(true);
    Ok(socket)
}

fn tls(config: &RedisConfig) -> Arc<ClientConfig> {
    let authorities = config.authorities.clone().unwrap_or_else(system_authorities);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|_| unreachable!("ring has cipher suites for the default versions"))
        .with_root_certificates(authorities)
        .with_no_client_auth();
    Arc::new(config)
}

/// The operating system's, read once.
fn system_authorities() -> Arc<RootCertStore> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(store)
    };
    SYSTEM.get_or_init(read).clone()
}

fn unreachable(error: io::Error) -> Unavailable {
    Unavailable::Unreachable(error.kind())
}

/// A handshake fails for a reason of TLS, or because the connection does.
fn refused(error: &io::Error) -> Unavailable {
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(error) => Unavailable::Tls(error.to_string().into()),
        None => Unavailable::Unreachable(error.kind()),
    }
}
