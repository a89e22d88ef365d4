//! TLS on both sides of the gateway: authorities, certificates, clients, and providers that ask for certificates.

use super::{
    Client, Gateway, Origin, Received, Setup,
    client::Ask,
    http2::{Body, Http2, configured_tls_origin},
    soon,
};
use http::Response;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use std::{
    io,
    sync::{Arc, Mutex},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream, rustls};

/// Who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub struct Identity {
    pub certificate: String,
    pub key: String,
    der: CertificateDer<'static>,
    key_der: PrivateKeyDer<'static>,
}

impl Default for Authority {
    fn default() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }
}

impl Authority {
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// The gateway's certificate.
    pub fn server(&self) -> Identity {
        self.sign(&["localhost"], |_| {})
    }

    pub fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
            key_der: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }

    /// A client that trusts this authority, and offers these protocols.
    pub fn client(&self, alpn: &[&str]) -> TlsClient {
        TlsClient {
            roots: self.roots(),
            alpn: owned(alpn),
            identity: None,
            versions: VERSIONS,
            kept: None,
        }
    }

    pub fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(roots)
    }
}

/// It was good once.
pub fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2019, 1, 1);
    params.not_after = date_time_ymd(2020, 1, 1);
}

/// With this common name.
pub fn common_name(name: &str) -> impl FnOnce(&mut CertificateParams) {
    let name = name.to_owned();
    move |params| params.distinguished_name.push(DnType::CommonName, name)
}

/// With this URI.
pub fn uri(uri: &str) -> impl FnOnce(&mut CertificateParams) {
    let uri = SanType::URI(uri.to_owned().try_into().unwrap());
    move |params| params.subject_alt_names.push(uri)
}

const VERSIONS: &[&rustls::SupportedProtocolVersion] = rustls::ALL_VERSIONS;

fn owned(alpn: &[&str]) -> Vec<Vec<u8>> {
    alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect()
}

/// How a provider makes its connections.
#[derive(Clone)]
pub struct TlsProvider {
    /// The authority of its clients' certificates, without one of which nobody is let in.
    pub clients: Option<Arc<RootCertStore>>,
    pub alpn: &'static [&'static str],
    pub versions: &'static [&'static rustls::SupportedProtocolVersion],
}

/// The names that clients have asked for.
#[derive(Clone, Debug, Default)]
pub struct AskedNames(Arc<Mutex<Vec<Option<String>>>>);

impl AskedNames {
    pub fn take(&self) -> Vec<Option<String>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Notes the name that is asked for, and shows one certificate whatever it is.
#[derive(Debug)]
struct Noting(Arc<CertifiedKey>, AskedNames);

impl ResolvesServerCert for Noting {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.1.0.lock().unwrap().push(hello.server_name().map(str::to_owned));
        Some(self.0.clone())
    }
}

impl TlsProvider {
    pub fn new(alpn: &'static [&'static str]) -> Self {
        Self { clients: None, alpn, versions: VERSIONS }
    }

    /// Starts it, with this certificate.
    pub async fn start(
        self,
        identity: &Identity,
        script: impl Fn(&Received) -> Response<Body> + Send + Sync + 'static,
    ) -> (Origin, AskedNames) {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = provider.key_provider.load_private_key(identity.key_der.clone_key()).unwrap();
        let certified = Arc::new(CertifiedKey::new(vec![identity.der.clone()], key));
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(self.versions)
            .unwrap();
        let builder = match self.clients {
            Some(roots) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(roots, provider).build().unwrap(),
            ),
            None => builder.with_no_client_auth(),
        };
        let asked = AskedNames::default();
        let mut config = builder.with_cert_resolver(Arc::new(Noting(certified, asked.clone())));
        config.alpn_protocols = owned(self.alpn);
        let config = Arc::new(config);
        (configured_tls_origin(move |_| config.clone(), script).await, asked)
    }
}

/// How a client makes a connection.
#[derive(Clone)]
pub struct TlsClient {
    roots: Arc<RootCertStore>,
    alpn: Vec<Vec<u8>>,
    identity: Option<(CertificateDer<'static>, Arc<PrivateKeyDer<'static>>)>,
    versions: &'static [&'static rustls::SupportedProtocolVersion],
    kept: Option<Arc<ClientConfig>>,
}

impl TlsClient {
    pub fn with(mut self, identity: &Identity) -> Self {
        self.identity = Some((identity.der.clone(), Arc::new(identity.key_der.clone_key())));
        self
    }

    pub fn only(mut self, version: &'static [&'static rustls::SupportedProtocolVersion]) -> Self {
        self.versions = version;
        self
    }

    /// One that resumes its sessions: as it is now, whatever is changed after this.
    pub fn resuming(mut self) -> Self {
        self.kept = Some(self.config());
        self
    }

    fn config(&self) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            Some((certificate, key)) => {
                builder.with_client_auth_cert(vec![certificate.clone()], key.clone_key()).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn.clone();
        Arc::new(config)
    }

    pub async fn connect(&self, gateway: &Gateway) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(gateway.address).await?;
        stream.set_nodelay(true)?;
        self.over(stream).await
    }

    /// On a connection that is there.
    pub async fn over(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = self.kept.clone().unwrap_or_else(|| self.config());
        let name = ServerName::try_from("localhost").unwrap();
        let handshake = TlsConnector::from(config).connect(name, stream);
        soon("a TLS handshake", handshake).await
    }

    /// A connection for HTTP/1.
    pub async fn http1(&self, gateway: &Gateway) -> Client<TlsStream<TcpStream>> {
        Client::over(self.connect(gateway).await.unwrap(), gateway.answers.clone())
    }

    /// A connection for HTTP/2.
    pub async fn http2(&self, gateway: &Gateway) -> Http2 {
        let stream = self.connect(gateway).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Http2::over(stream, "https", gateway.address, gateway.answers.clone()).await
    }

    /// Asks over HTTP/1; the status and the body, or why there is none.
    pub async fn try_get(&self, gateway: &Gateway, path: &str) -> io::Result<(u16, String)> {
        let mut client = Client::over(self.connect(gateway).await?, gateway.answers.clone());
        let ask = Ask::new(super::Version::Http1, "GET", path);
        let answer = client.send(ask.http1(gateway.address)).await.try_answer("GET").await?;
        Ok((answer.status, answer.text().to_owned()))
    }
}

impl Setup {
    /// With TLS, and further lines of its table; `tls.crt` and `tls.key` lie beside the configuration.
    pub fn tls(self, identity: &Identity, lines: &str) -> Self {
        self.file("tls.crt", &identity.certificate)
            .file("tls.key", &identity.key)
            .tables(&format!(
                "[server.tls]\ncert_file = \"tls.crt\"\nkey_file = \"tls.key\"\n{lines}\n"
            ))
            .secret(identity.key.lines().nth(1).unwrap())
    }
}
