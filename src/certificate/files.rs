use super::{Unfit, certify, expiry::not_after};
use crate::regular_file;
use rustls::{
    crypto::CryptoProvider,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};
use std::{fmt, io, path::Path, time::SystemTime};
use zeroize::Zeroizing;

/// The largest file to read: all authorities of a system are a hundredth of it.
pub(crate) const LARGEST: u64 = 16 << 20;

/// What two files say.
pub(crate) struct Pair {
    pub(crate) certified: CertifiedKey,
    /// Until when the certificate is good, if that is legible.
    pub(crate) not_after: Option<SystemTime>,
}

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum File {
    Certificate,
    Key,
    /// The authorities of the other side's certificates.
    ClientCa,
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
    UnusableAuthority,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable(error) => {
                return write!(f, "the file cannot be read: {}", regular_file::why(error));
            }
            Self::NotPem => "the file is not in PEM format",
            Self::NoCertificate => "the file holds no certificate in PEM format",
            Self::NoKey => {
                "the file holds no private key in PEM format (PKCS#8, PKCS#1 or SEC1, not encrypted)"
            }
            Self::UnusableCertificate => "the certificate is damaged or of a kind that cannot be used",
            Self::UnusableKey => "the private key is damaged or of a kind that cannot be used",
            Self::OtherKey => "the key of another certificate than the first one in the certificate's file",
            Self::UnusableAuthority => "a certificate in the file is not one of an authority",
        })
    }
}

impl From<Unfit> for Mistake {
    fn from(unfit: Unfit) -> Self {
        let (file, reason) = match unfit {
            Unfit::Certificate => (File::Certificate, Reason::UnusableCertificate),
            Unfit::Key => (File::Key, Reason::UnusableKey),
            Unfit::Other => (File::Key, Reason::OtherKey),
        };
        Self { file, reason }
    }
}

/// Reads a certificate with those between it and an authority, in this order, and its key.
///
/// # Errors
///
/// Everything that is wrong with the files.
pub(crate) fn read_pair(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<Pair, Vec<Mistake>> {
    let note = |file| move |reason| Mistake { file, reason };
    let chain = certificates(certificate).map_err(note(File::Certificate));
    let key = private_key(key).map_err(note(File::Key));
    let (chain, key) = match (chain, key) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return Err(chain.err().into_iter().chain(key.err()).collect()),
    };
    let not_after = chain.first().and_then(not_after);
    let certified = certify(chain, key, provider).map_err(|unfit| vec![unfit.into()])?;
    Ok(Pair { certified, not_after })
}

/// The certificates in a file, of which there is one at least.
///
/// # Errors
///
/// When it cannot be read, is no PEM or holds none.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Reason> {
    let bytes = regular_file::read(file, LARGEST).map_err(Reason::Unreadable)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| Reason::NotPem)?;
    if found.is_empty() { Err(Reason::NoCertificate) } else { Ok(found) }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Reason> {
    let bytes = Zeroizing::new(regular_file::read(file, LARGEST).map_err(Reason::Unreadable)?);
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => Reason::NoKey,
        _ => Reason::NotPem,
    })
}
