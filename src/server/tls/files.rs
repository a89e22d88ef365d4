use super::certificate;
use rustls::{
    Error, InconsistentKeys, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use zeroize::Zeroizing;

/// What is offered by ALPN, the better one first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where everything is, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    /// The certificate, and those between it and an authority, in this order.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// None: clients are not asked for certificates.
    pub(crate) client_ca: Option<ClientCa>,
}

/// Whose certificates clients have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientCa {
    pub(crate) file: PathBuf,
    /// Whether a client without one is refused.
    pub(crate) required: bool,
}

impl Files {
    /// All of them.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let ca = self.client_ca.as_ref().map(|ca| &*ca.file);
        [&*self.certificate, &*self.key].into_iter().chain(ca)
    }
}

/// What the files say.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(super) config: Arc<ServerConfig>,
    /// Until when the certificate is good, if that is legible.
    pub(crate) not_after: Option<SystemTime>,
}

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum File {
    Certificate,
    Key,
    ClientCa,
}

impl File {
    /// Its key in `[server.tls]`.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Certificate => "cert_file",
            Self::Key => "key_file",
            Self::ClientCa => "client_ca_file",
        }
    }
}

/// What is wrong with a file.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) file: File,
    pub(crate) reason: Reason,
}

/// Never with anything that stands in the file: it may be a key.
#[derive(Debug)]
pub(crate) enum Reason {
    Unreadable(io::Error),
    NotPem,
    NoCertificate,
    NoKey,
    UnusableCertificate,
    UnusableKey,
    OtherKey,
    NoAuthority,
    UnusableAuthority,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.reason {
            Reason::Unreadable(error) if error.kind() == io::ErrorKind::NotFound => {
                "the file cannot be read: there is no such file"
            }
            Reason::Unreadable(error) => {
                return write!(f, "the file cannot be read: {}", error.kind());
            }
            Reason::NotPem => "the file is not in PEM format",
            Reason::NoCertificate | Reason::NoAuthority => {
                "the file holds no certificate in PEM format"
            }
            Reason::NoKey => {
                "the file holds no private key in PEM format (PKCS#8, PKCS#1 or SEC1, not encrypted)"
            }
            Reason::UnusableCertificate => "the certificate is damaged or of a kind that cannot be used",
            Reason::UnusableKey => "the private key is damaged or of a kind that cannot be used",
            Reason::OtherKey => "the key of another certificate than the first one of `cert_file`",
            Reason::UnusableAuthority => "a certificate in the file is not one of an authority",
        })
    }
}

/// Reads the files, and makes of them what handshakes need.
///
/// # Errors
///
/// Everything that is wrong with them.
pub(crate) fn read(files: &Files) -> Result<Pair, Vec<Mistake>> {
    let provider = Arc::new(ring::default_provider());
    let mut mistakes = Vec::new();
    let note = |file| move |reason| Mistake { file, reason };
    let chain = certificates(&files.certificate, Reason::NoCertificate);
    let chain = keep(chain.map_err(note(File::Certificate)), &mut mistakes);
    let key = keep(private_key(&files.key).map_err(note(File::Key)), &mut mistakes);
    let verifier = match &files.client_ca {
        Some(ca) => {
            let verifier = client_verifier(ca, &provider).map_err(note(File::ClientCa));
            keep(verifier, &mut mistakes)
        }
        None => Some(WebPkiClientVerifier::no_client_auth()),
    };
    let not_after = chain.as_ref().and_then(|chain| chain.first()).and_then(certificate::not_after);
    let certified = match (chain, key) {
        (Some(chain), Some(key)) => keep(certify(chain, key, &provider), &mut mistakes),
        _ => None,
    };
    let (Some(certified), Some(verifier)) = (certified, verifier) else {
        return Err(mistakes);
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|_| unreachable!("ring has cipher suites for the default versions"))
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(Pair { config: Arc::new(config), not_after })
}

/// What came of it, or another mistake on the list.
fn keep<T>(outcome: Result<T, Mistake>, mistakes: &mut Vec<Mistake>) -> Option<T> {
    outcome.map_err(|mistake| mistakes.push(mistake)).ok()
}

fn certificates(file: &Path, none: Reason) -> Result<Vec<CertificateDer<'static>>, Reason> {
    let bytes = std::fs::read(file).map_err(Reason::Unreadable)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| Reason::NotPem)?;
    if found.is_empty() { Err(none) } else { Ok(found) }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Reason> {
    let bytes = Zeroizing::new(std::fs::read(file).map_err(Reason::Unreadable)?);
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => Reason::NoKey,
        _ => Reason::NotPem,
    })
}

/// The certificate with its key.
fn certify(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Mistake> {
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|_| Mistake { file: File::Key, reason: Reason::UnusableKey })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => {
            Err(Mistake { file: File::Key, reason: Reason::OtherKey })
        }
        Err(_) => Err(Mistake { file: File::Certificate, reason: Reason::UnusableCertificate }),
    }
}

fn client_verifier(
    ca: &ClientCa,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Reason> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(&ca.file, Reason::NoAuthority)? {
        roots.add(authority).map_err(|_| Reason::UnusableAuthority)?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = if ca.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|_| Reason::UnusableAuthority)
}
