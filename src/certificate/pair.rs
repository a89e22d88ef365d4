use rustls::{
    Error, InconsistentKeys,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};

/// Why a certificate and a key are no pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    Certificate,
    Key,
    /// Each is good, and they do not belong together.
    Other,
}

/// The certificate, with those between it and an authority behind it, and its key.
///
/// # Errors
///
/// When one of them cannot be used, or the key is not that of the first certificate.
pub(crate) fn certify(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Unfit> {
    let key = provider.key_provider.load_private_key(key).map_err(|_| Unfit::Key)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => Err(Unfit::Other),
        Err(_) => Err(Unfit::Certificate),
    }
}
