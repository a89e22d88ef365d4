use super::RedisUrl;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{error::Error, fmt, num::NonZeroUsize, path::Path, sync::Arc, time::Duration};

/// Which Redis, and how long to wait for it.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    pub(super) url: RedisUrl,
    pub(super) timeout: Duration,
    pub(super) max_waiting: NonZeroUsize,
    pub(super) authorities: Option<Arc<RootCertStore>>,
}

impl RedisConfig {
    /// This one, with the defaults.
    pub fn new(url: RedisUrl) -> Self {
        Self {
            url,
            timeout: Duration::from_millis(50),
            max_waiting: const { NonZeroUsize::new(1024).unwrap() },
            authorities: None,
        }
    }

    /// How long a check may take, the way there and back. Default: 50 milliseconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many checks may wait at once on one connection; the next one fails at once. Default: 1024.
    #[must_use]
    pub fn max_waiting(mut self, max: NonZeroUsize) -> Self {
        self.max_waiting = max;
        self
    }

    /// For `rediss://`: trusts the authorities of this PEM file, and no others. Default: the operating system's.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or one of its certificates is none of an authority, or there is none.
    pub fn authorities(mut self, file: impl AsRef<Path>) -> Result<Self, InvalidAuthorities> {
        let certificates = CertificateDer::pem_file_iter(file).map_err(InvalidAuthorities::new)?;
        let mut store = RootCertStore::empty();
        for certificate in certificates {
            let certificate = certificate.map_err(InvalidAuthorities::new)?;
            store.add(certificate).map_err(InvalidAuthorities::new)?;
        }
        if store.is_empty() {
            return Err(InvalidAuthorities::new("there is none in it"));
        }
        self.authorities = Some(Arc::new(store));
        Ok(self)
    }
}

/// A file of certificate authorities that cannot be used.
#[derive(Debug)]
pub struct InvalidAuthorities {
    source: Box<dyn Error + Send + Sync>,
}

impl InvalidAuthorities {
    fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }
}

impl fmt::Display for InvalidAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate authorities cannot be read")
    }
}

impl Error for InvalidAuthorities {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
