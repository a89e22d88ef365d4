//! TLS to providers.

use super::endpoint::{Http2, InvalidEndpoint};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use std::sync::{Arc, OnceLock};

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

    /// TLS to whoever has a certificate of these authorities.
    pub(crate) fn client_config(&self) -> ClientConfig {
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap_or_else(|_| unreachable!("ring has cipher suites for the default versions"))
            .with_root_certificates(self.store())
            .with_no_client_auth()
    }
}

pub(super) fn connector(
    http: HttpConnector,
    http2: Http2,
    roots: &Roots,
) -> HttpsConnector<HttpConnector> {
    let builder = HttpsConnectorBuilder::new().with_tls_config(roots.client_config()).https_only();
    match http2 {
        Http2::Auto => builder.enable_all_versions().wrap_connector(http),
        Http2::Never => builder.enable_http1().wrap_connector(http),
        Http2::Always => builder.enable_http2().wrap_connector(http),
    }
}
