use sha2::{Digest, Sha256};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Who is calling. Rides in the request's extensions behind [`Auth`](super::Auth).
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Principal {
    inner: Arc<Inner>,
}

/// Who a connection belongs to, such as the holder of a client certificate that was verified. Rides in the extensions of
/// its requests.
///
/// [`Auth`](super::Auth) takes it for who is calling where a request brings no key, and lets it go no further. Only
/// whoever knows the connection may set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionPrincipal(pub Principal);

#[derive(PartialEq, Eq)]
struct Inner {
    account: Arc<Account>,
    key_id: Box<str>,
    key_bucket: u128,
    plan: Option<Arc<str>>,
    scopes: Arc<[Box<str>]>,
}

impl Principal {
    /// The holder of this key of this account, on no plan and without any scope.
    pub fn new(account: Arc<Account>, key_id: impl Into<Box<str>>) -> Self {
        let key_id = key_id.into();
        let key_bucket = bucket("key", &key_id);
        Self {
            inner: Arc::new(Inner { account, key_id, key_bucket, plan: None, scopes: [].into() }),
        }
    }

    /// The plan that its quotas follow.
    #[must_use]
    pub fn with_plan(self, plan: impl Into<Arc<str>>) -> Self {
        self.change(|inner| inner.plan = Some(plan.into()))
    }

    /// What it may do; see [`allows`](Self::allows).
    #[must_use]
    pub fn with_scopes(self, scopes: impl Into<Arc<[Box<str>]>>) -> Self {
        self.change(|inner| inner.scopes = scopes.into())
    }

    /// The account that the key belongs to.
    pub fn account(&self) -> &str {
        &self.inner.account.name
    }

    /// The key's public name: no secret, fit for logs.
    pub fn key_id(&self) -> &str {
        &self.inner.key_id
    }

    /// The plan, if it is on one.
    pub fn plan(&self) -> Option<&str> {
        self.inner.plan.as_deref()
    }

    /// Everything that it may do.
    pub fn scopes(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.inner.scopes.iter().map(|scope| &**scope)
    }

    /// Whether one of its scopes covers this one: the same words, or a scope that ends in `*` and has the same
    /// beginning. `*` alone covers everything; without any scope nothing is covered.
    pub fn allows(&self, scope: &str) -> bool {
        self.scopes().any(|held| match held.strip_suffix('*') {
            Some(beginning) => scope.starts_with(beginning),
            None => held == scope,
        })
    }

    /// Whether its account may call at all.
    pub fn is_suspended(&self) -> bool {
        self.inner.account.is_suspended()
    }

    /// What its key's quotas are counted under: the same in every process.
    #[cfg_attr(not(feature = "limit"), allow(dead_code, reason = "for quotas"))]
    pub(crate) fn key_bucket(&self) -> u128 {
        self.inner.key_bucket
    }

    /// What its account's quotas are counted under: the same in every process.
    #[cfg_attr(not(feature = "limit"), allow(dead_code, reason = "for quotas"))]
    pub(crate) fn account_bucket(&self) -> u128 {
        self.inner.account.bucket
    }

    fn change(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Arc::try_unwrap(self.inner).unwrap_or_else(|shared| Inner {
            account: shared.account.clone(),
            key_id: shared.key_id.clone(),
            key_bucket: shared.key_bucket,
            plan: shared.plan.clone(),
            scopes: shared.scopes.clone(),
        });
        change(&mut inner);
        Self { inner: Arc::new(inner) }
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("account", &self.account())
            .field("key_id", &self.key_id())
            .field("plan", &self.plan())
            .field("scopes", &self.inner.scopes)
            .finish()
    }
}

/// Who pays: the holder of any number of keys.
#[derive(Debug)]
pub struct Account {
    name: Box<str>,
    bucket: u128,
    suspended: AtomicBool,
}

impl Account {
    /// An account in good standing.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        let name = name.into();
        Self { bucket: bucket("account", &name), name, suspended: AtomicBool::new(false) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may call at present.
    pub fn is_suspended(&self) -> bool {
        self.suspended.load(Ordering::Relaxed)
    }

    /// Lets it call or not, with all its keys, from now on.
    pub fn set_suspended(&self, suspended: bool) {
        self.suspended.store(suspended, Ordering::Relaxed);
    }
}

impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Account {}

/// Half a SHA-256: nobody finds two names for one bucket.
fn bucket(kind: &str, name: &str) -> u128 {
    let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(name).finalize();
    digest.iter().take(16).fold(0, |bucket, byte| bucket << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes() {
        let table: &[(&[&str], &str, bool)] = &[
            (&[], "images", false),
            (&["images"], "images", true),
            (&["images"], "images:write", false),
            (&["images"], "Images", false),
            (&["images:*"], "images:write", true),
            (&["images:*"], "images", false),
            (&["*"], "anything", true),
            (&["a", "model:x"], "model:x", true),
            (&["model:*x"], "model:x", false),
            (&[""], "images", false),
        ];
        for (held, asked, want) in table {
            let scopes: Vec<Box<str>> = held.iter().map(|scope| (*scope).into()).collect();
            let principal = Principal::new(Arc::new(Account::new("acme")), "k").with_scopes(scopes);
            assert_eq!(principal.allows(asked), *want, "{held:?} {asked}");
        }
    }

    #[test]
    fn buckets_tell_kinds_and_names_apart() {
        let a = Principal::new(Arc::new(Account::new("a")), "b");
        let b = Principal::new(Arc::new(Account::new("b")), "a");
        let buckets = [a.key_bucket(), a.account_bucket(), b.key_bucket(), b.account_bucket()];
        let distinct: std::collections::HashSet<_> = buckets.iter().collect();
        assert_eq!(distinct.len(), 4);
        assert_eq!(a.clone().with_plan("pro").key_bucket(), a.key_bucket());
    }
}
