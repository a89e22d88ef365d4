use crate::certificate::{self, File, Mistake, Reason, read_pair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::SingleCertAndKey,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

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

/// Reads the files, and makes of them what handshakes need.
///
/// # Errors
///
/// Everything that is wrong with them.
pub(crate) fn read(files: &Files) -> Result<Pair, Vec<Mistake>> {
    let provider = Arc::new(ring::default_provider());
    let pair = read_pair(&files.certificate, &files.key, &provider);
    let verifier = match &files.client_ca {
        Some(ca) => client_verifier(ca, &provider),
        None => Ok(WebPkiClientVerifier::no_client_auth()),
    };
    let (pair, verifier) = match (pair, verifier) {
        (Ok(pair), Ok(verifier)) => (pair, verifier),
        (pair, verifier) => {
            let mut mistakes = pair.err().unwrap_or_default();
            let of_ca = |reason| Mistake { file: File::ClientCa, reason };
            mistakes.extend(verifier.err().map(of_ca));
            return Err(mistakes);
        }
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|_| unreachable!("ring has cipher suites for the default versions"))
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair.certified)));
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(Pair { config: Arc::new(config), not_after: pair.not_after })
}

fn client_verifier(
    ca: &ClientCa,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Reason> {
    let mut roots = RootCertStore::empty();
    for authority in certificate::certificates(&ca.file)? {
        roots.add(authority).map_err(|_| Reason::UnusableAuthority)?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = if ca.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|_| Reason::UnusableAuthority)
}
