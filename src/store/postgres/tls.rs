use super::{
    PostgresError,
    url::{PostgresUrl, SslMode},
};
use crate::{certificate, forward::Roots};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature,
        verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use std::{fmt::Display, path::Path, sync::Arc};
use tokio_postgres_rustls::MakeRustlsConnect;

impl PostgresUrl {
    /// What makes the TLS of its connections.
    ///
    /// # Errors
    ///
    /// If the file of certificates cannot be used.
    pub(crate) fn tls(&self) -> Result<MakeRustlsConnect, PostgresError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(self.verifier(&provider)?);
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap_or_else(|_| unreachable!("ring has cipher suites for the default versions"))
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    }

    fn verifier(&self, provider: &CryptoProvider) -> Result<Verifier, PostgresError> {
        let (mode, file) = (self.0.ssl_mode, self.0.roots.as_deref());
        let trusted = match (mode, file) {
            (SslMode::Disable | SslMode::Prefer, _) | (SslMode::Require, None) => None,
            (_, Some(file)) => Some(Trusted::read(file)?),
            (SslMode::VerifyCa | SslMode::VerifyFull, None) => Some(Trusted::system()),
        };
        Ok(Verifier {
            trusted,
            for_this_host: mode == SslMode::VerifyFull,
            algorithms: provider.signature_verification_algorithms,
        })
    }
}

/// Looks at the certificate of a server as closely as [`SslMode`] says.
#[derive(Debug)]
struct Verifier {
    /// None: nothing but that the server has the certificate's key.
    trusted: Option<Trusted>,
    for_this_host: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
struct Trusted {
    authorities: Arc<RootCertStore>,
    /// Certificates from a file, which may be that of the server itself: many a server has signed its own.
    itself: Vec<CertificateDer<'static>>,
}

impl Trusted {
    fn system() -> Self {
        Self { authorities: Roots::system().store(), itself: Vec::new() }
    }

    fn read(file: &Path) -> Result<Self, PostgresError> {
        let unusable = |error: &dyn Display| PostgresError::RootCertificates {
            file: file.to_owned(),
            error: error.to_string(),
        };
        let itself = certificate::certificates(file).map_err(|error| unusable(&error))?;
        let mut authorities = RootCertStore::empty();
        for certificate in &itself {
            authorities.add(certificate.clone()).map_err(|error| unusable(&error))?;
        }
        Ok(Self { authorities: Arc::new(authorities), itself })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(Trusted { authorities, itself }) = &self.trusted else {
            return Ok(ServerCertVerified::assertion());
        };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        if !itself.contains(end_entity) {
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                authorities,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        if self.for_this_host {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
