use crate::certificate::{self, File, Mistake, Reason, read_pair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::CertificateDer,
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
    pub(super) demand: Arc<Demand>,
    /// Until when the certificate is good, if that is legible.
    pub(crate) not_after: Option<SystemTime>,
}

/// What clients have to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Whose certificates; nobody's, where none is asked for.
    authorities: Vec<CertificateDer<'static>>,
    /// Whether a client without one is refused.
    required: bool,
}

impl Demand {
    /// Whether a client that was let in under `then`, and may have shown a certificate, would be let in as the same one.
    pub(super) fn is_met(&self, then: &Self, showed: bool) -> bool {
        if showed { self.authorities == then.authorities } else { !self.required }
    }
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
        None => Ok((WebPkiClientVerifier::no_client_auth(), Demand::default())),
    };
    let (pair, (verifier, demand)) = match (pair, verifier) {
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
    let (config, demand) = (Arc::new(config), Arc::new(demand));
    Ok(Pair { config, demand, not_after: pair.not_after })
}

fn client_verifier(
    ca: &ClientCa,
    provider: &Arc<CryptoProvider>,
) -> Result<(Arc<dyn ClientCertVerifier>, Demand), Reason> {
    let authorities = certificate::certificates(&ca.file)?;
    let mut roots = RootCertStore::empty();
    for authority in &authorities {
        roots.add(authority.clone()).map_err(|_| Reason::UnusableAuthority)?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = if ca.required { builder } else { builder.allow_unauthenticated() };
    let verifier = builder.build().map_err(|_| Reason::UnusableAuthority)?;
    Ok((verifier, Demand { authorities, required: ca.required }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_would_be_let_in_again() {
        let demand = |authority: u8, required| Demand {
            authorities: vec![vec![authority].into()],
            required,
        };
        let nobody = Demand::default();
        let table = [
            (&nobody, &nobody, false, true),
            (&demand(1, false), &nobody, false, true),
            (&demand(1, true), &nobody, false, false),
            (&demand(1, true), &demand(1, false), false, false),
            (&demand(1, true), &demand(1, false), true, true),
            (&demand(2, false), &demand(1, false), true, false),
            (&demand(2, false), &demand(1, false), false, true),
            (&nobody, &demand(1, true), true, false),
        ];
        for (now, then, showed, is_met) in table {
            assert_eq!(now.is_met(then, showed), is_met, "{then:?} → {now:?}, {showed}");
        }
    }
}
