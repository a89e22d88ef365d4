use super::{KeyDigest, Principal};
use crate::Fault;
use std::{error::Error, fmt, future::Future, sync::Arc, time::SystemTime};

/// Where keys are known: a table in memory, a database, another service.
///
/// Whoever is called with a digest that is nobody's says `None`; whether a key that is known may be used is for
/// [`KeyRecord::standing`] to say.
pub trait KeyStore {
    /// The answer, when it is there. A store in memory uses [`std::future::Ready`]; others may box theirs.
    ///
    /// It is polled a first time in `call`, without a task to wake: an answer that is there at once costs least.
    type Lookup: Future<Output = Result<Option<KeyRecord>, StoreError>> + Unpin;

    /// Looks a key up by its digest.
    fn lookup(&self, digest: &KeyDigest) -> Self::Lookup;
}

impl<K: KeyStore + ?Sized> KeyStore for Arc<K> {
    type Lookup = K::Lookup;

    fn lookup(&self, digest: &KeyDigest) -> Self::Lookup {
        (**self).lookup(digest)
    }
}

/// What a store knows of one key.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Whose key it is, and for what.
    pub principal: Principal,
    /// Whether it was revoked.
    pub revoked: bool,
    /// From when on it is good no more.
    pub expires_at: Option<SystemTime>,
}

impl KeyRecord {
    /// A key that is good for as long as nobody revokes it.
    pub const fn new(principal: Principal) -> Self {
        Self { principal, revoked: false, expires_at: None }
    }

    /// Whether the key may be used at this time, and if not, why.
    ///
    /// # Errors
    ///
    /// [`Fault::RevokedCredential`] before [`Fault::ExpiredCredential`] before [`Fault::AccountSuspended`].
    pub fn standing(&self, now: SystemTime) -> Result<(), Fault> {
        match self.expires_at {
            _ if self.revoked => Err(Fault::RevokedCredential),
            Some(end) if end <= now => Err(Fault::ExpiredCredential),
            _ if self.principal.is_suspended() => Err(Fault::AccountSuspended),
            _ => Ok(()),
        }
    }
}

/// A store that could not answer.
#[derive(Debug)]
pub struct StoreError {
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// Because of this.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key store does not answer")
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Account;
    use std::time::Duration;

    #[test]
    fn what_a_key_may_not_be_used_for() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let table = [
            (false, None, false, Ok(())),
            (false, at(1_001), false, Ok(())),
            (false, at(1_000), false, Err(Fault::ExpiredCredential)),
            (true, at(1), true, Err(Fault::RevokedCredential)),
            (false, at(1), true, Err(Fault::ExpiredCredential)),
            (false, None, true, Err(Fault::AccountSuspended)),
        ];
        for (revoked, expires_at, suspended, want) in table {
            let account = Arc::new(Account::new("acme"));
            account.set_suspended(suspended);
            let record = KeyRecord { principal: Principal::new(account, "k"), revoked, expires_at };
            assert_eq!(record.standing(now), want, "{record:?}");
        }
    }
}
