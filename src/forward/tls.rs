//! TLS to providers.

use super::{
    causes::causes,
    endpoint::{Endpoint, Http2, InvalidEndpoint},
};
use crate::certificate::{Unfit, certify};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ConfigBuilder, RootCertStore,
    client::WantsClientCert,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    sign::{CertifiedKey, SingleCertAndKey},
};
use std::{
    borrow::Cow,
    error::Error,
    fmt,
    sync::{Arc, OnceLock},
};

/// Which certificate authorities are trusted.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    given: Option<Arc<RootCertStore>>,
}

impl Roots {
    /// The operating system's, read once, when they are first needed. This is the default.
    pub fn system() -> Self {
        Self::default()
    }

    /// These, in DER, and no others.
    ///
    /// # Errors
    ///
    /// When one of them is no certificate of an authority, or there is none.
    pub fn given<'a>(
        certificates: impl IntoIterator<Item = CertificateDer<'a>>,
    ) -> Result<Self, InvalidEndpoint> {
        let mut store = RootCertStore::empty();
        for certificate in certificates {
            store
                .add(certificate)
                .map_err(|_| InvalidEndpoint::new("a root certificate is invalid"))?;
        }
        if store.is_empty() {
            return Err(InvalidEndpoint::new("there is no root certificate"));
        }
        Ok(Self { given: Some(Arc::new(store)) })
    }

    /// Whether the same are trusted.
    #[cfg(feature = "standalone")]
    pub(crate) fn are_same(&self, other: &Self) -> bool {
        let given = |roots: &Self| roots.given.as_ref().map(|given| given.roots.clone());
        given(self) == given(other)
    }

    pub(crate) fn store(&self) -> Arc<RootCertStore> {
        static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
        let system = || {
            let found = rustls_native_certs::load_native_certs();
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(found.certs);
            if store.is_empty() {
                tracing::warn!(
                    "the system has no root certificates: nobody can be verified over TLS"
                );
            }
            Arc::new(store)
        };
        self.given.clone().unwrap_or_else(|| SYSTEM.get_or_init(system).clone())
    }

    /// TLS to whoever has a certificate of these authorities, and does not ask for one of ours.
    pub(crate) fn client_config(&self) -> ClientConfig {
        self.builder().with_no_client_auth()
    }

    fn builder(&self) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap_or_else(|_| unreachable!("ring has cipher suites for the default versions"))
            .with_root_certificates(self.store())
    }
}

/// What shows a provider who is calling: a certificate with its key. Cannot print its key.
///
/// ```
/// use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
/// use tollgate::forward::{ClientCertificate, Endpoint};
///
/// # let made = rcgen::generate_simple_self_signed(["gateway".to_owned()])?;
/// # let (certificates, key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// // The contents of two files in PEM format.
/// let chain = CertificateDer::pem_slice_iter(certificates.as_bytes()).collect::<Result<_, _>>()?;
/// let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
/// let endpoint = Endpoint::new(&"https://10.0.0.7:8443".parse()?)?
///     .with_client_certificate(ClientCertificate::new(chain, key)?)?
///     .with_server_name("images.internal")?;
/// # let _ = endpoint;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ClientCertificate {
    resolver: Arc<SingleCertAndKey>,
    /// By which one is told from another: a certificate is about one key.
    chain: Arc<[CertificateDer<'static>]>,
}

impl ClientCertificate {
    /// The certificate, with those between it and an authority behind it, and its key.
    ///
    /// # Errors
    ///
    /// When one of them is damaged or of a kind that cannot be used, when the key is not that of the first certificate,
    /// or when there is none.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, InvalidEndpoint> {
        if chain.is_empty() {
            return Err(InvalidEndpoint::new("there is no client certificate"));
        }
        let certified = certify(chain, key, &ring::default_provider()).map_err(|unfit| {
            InvalidEndpoint::new(match unfit {
                Unfit::Certificate => "the client certificate cannot be used",
                Unfit::Key => "the key of the client certificate cannot be used",
                Unfit::Other => "the key is not that of the client certificate",
            })
        })?;
        Ok(certified.into())
    }
}

impl From<CertifiedKey> for ClientCertificate {
    fn from(certified: CertifiedKey) -> Self {
        let chain = certified.cert.as_slice().into();
        Self { resolver: Arc::new(SingleCertAndKey::from(certified)), chain }
    }
}

impl PartialEq for ClientCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain
    }
}

impl Eq for ClientCertificate {}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// What one endpoint wants of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EndpointTls {
    pub(super) certificate: Option<ClientCertificate>,
    pub(super) server_name: Option<ServerName<'static>>,
}

impl EndpointTls {
    /// The name that is asked for instead of the URL's.
    pub(super) fn server_name(&self) -> Option<Cow<'_, str>> {
        self.server_name.as_ref().map(ServerName::to_str)
    }
}

pub(super) fn connector(
    http: HttpConnector,
    endpoint: &Endpoint,
    roots: &Roots,
) -> HttpsConnector<HttpConnector> {
    let EndpointTls { certificate, server_name } = endpoint.tls();
    let config = match certificate {
        Some(certificate) => {
            roots.builder().with_client_cert_resolver(certificate.resolver.clone())
        }
        None => roots.client_config(),
    };
    let mut builder = HttpsConnectorBuilder::new().with_tls_config(config).https_only();
    if let Some(name) = server_name {
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name.clone()));
    }
    match endpoint.http2() {
        Http2::Auto => builder.enable_all_versions().wrap_connector(http),
        Http2::Never => builder.enable_http1().wrap_connector(http),
        Http2::Always => builder.enable_http2().wrap_connector(http),
    }
}

/// Why a handshake failed, in words of ours: those of the error may name the provider.
pub(super) fn why(error: &(dyn Error + 'static)) -> &'static str {
    use CertificateError as Bad;
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(bad)) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => "its certificate has expired",
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "its certificate is not good yet: is the clock right?"
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "its certificate is for another name: `server_name` says which one is meant"
            }
            Bad::UnknownIssuer => {
                "its certificate is of an authority that is not trusted: `ca_file` says which one is"
            }
            Bad::Revoked => "its certificate is revoked",
            _ => "its certificate cannot be used",
        },
        Some(rustls::Error::AlertReceived(alert)) if is_about_certificate(*alert) => {
            "it does not take our certificate, or wants one"
        }
        Some(rustls::Error::AlertReceived(_)) => "it has broken the handshake off",
        Some(rustls::Error::InvalidMessage(_)) => "it does not speak TLS",
        _ => "there is no common ground",
    }
}

/// The error of TLS inside this one.
fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// Whether a provider has refused our certificate, or that we have none. In TLS 1.3 it does so when the handshake is over for
/// us, and before it has read anything of a request.
pub(super) fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let error = tls_error(error);
    matches!(error, Some(rustls::Error::AlertReceived(alert)) if is_about_certificate(*alert))
}

fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn alert(alert: AlertDescription) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert))
    }

    #[test]
    fn why_it_fails() {
        let invalid = |why| io::Error::other(rustls::Error::InvalidCertificate(why));
        let table = [
            (invalid(CertificateError::Expired), "expired"),
            (invalid(CertificateError::NotValidForName), "another name"),
            (invalid(CertificateError::UnknownIssuer), "not trusted"),
            (invalid(CertificateError::BadEncoding), "cannot be used"),
            (alert(AlertDescription::CertificateRequired), "our certificate"),
            (alert(AlertDescription::HandshakeFailure), "broken"),
            (io::ErrorKind::ConnectionReset.into(), "no common ground"),
        ];
        for (error, said) in table {
            assert!(why(&error).contains(said), "{error:?}: {}", why(&error));
        }
    }

    #[test]
    fn certificates_that_are_refused() {
        let table = [
            (alert(AlertDescription::CertificateRequired), true),
            (alert(AlertDescription::UnknownCA), true),
            (alert(AlertDescription::InternalError), false),
            (io::ErrorKind::ConnectionReset.into(), false),
        ];
        for (error, want) in table {
            let name = format!("{error:?}");
            assert_eq!(is_refused(&error), want, "{name}");
            // As deep inside as hyper has it.
            assert_eq!(is_refused(&io::Error::other(error)), want, "{name}");
        }
    }

    #[test]
    fn pairs() {
        let made = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (one, other) = (made("one"), made("other"));
        let chain = |of: &rcgen::CertifiedKey<rcgen::KeyPair>| vec![of.cert.der().clone()];
        let key = |of: &rcgen::CertifiedKey<rcgen::KeyPair>| {
            PrivateKeyDer::Pkcs8(of.signing_key.serialize_der().into())
        };
        let junk = || PrivateKeyDer::Pkcs8(vec![0x30, 0].into());
        let table = [
            (chain(&one), key(&one), None),
            (chain(&one), key(&other), Some("the key is not that of the client certificate")),
            (chain(&one), junk(), Some("the key of the client certificate cannot be used")),
            (vec![], key(&one), Some("there is no client certificate")),
            (
                vec![CertificateDer::from(vec![0x30, 0])],
                key(&one),
                Some("the client certificate cannot be used"),
            ),
        ];
        for (chain, key, want) in table {
            let got = ClientCertificate::new(chain, key);
            assert_eq!(got.as_ref().err().map(ToString::to_string).as_deref(), want);
            if let Ok(certificate) = got {
                assert_eq!(format!("{certificate:?}"), "ClientCertificate { .. }");
            }
        }
    }
}
