use super::{Accept, Auth, IdentityHeaders, KeyPrefix, Mode, challenge::Realm, policy::Policy};
use crate::Catalog;
use std::{fmt, sync::Arc, time::SystemTime};
use tower_layer::Layer;

/// Applies [`Auth`]; see the [module](super).
pub struct AuthLayer<K> {
    policy: Policy,
    store: Arc<K>,
}

impl<K> AuthLayer<K> {
    /// Asks everybody for a key that this store knows, and refuses in the words of the preset `default`.
    pub fn new(store: K) -> Self {
        let policy = Policy {
            catalog: Catalog::shared_default().clone(),
            accept: Accept::default(),
            enabled: true,
            mode: Mode::default(),
            scopes: [].into(),
            prefix: None,
            realm: Realm::new("api"),
            identity: IdentityHeaders::none(),
            clock: SystemTime::now,
        };
        Self { policy, store: Arc::new(store) }
    }

    /// Refuses in the words of this catalog. Default: the preset `default`.
    #[must_use]
    pub fn catalog(mut self, catalog: Arc<Catalog>) -> Self {
        self.policy.catalog = catalog;
        self
    }

    /// Where a key is looked for. Default: [`Accept::Both`].
    #[must_use]
    pub fn accept(mut self, accept: Accept) -> Self {
        self.policy.accept = accept;
        self
    }

    /// Whether it does anything, for stacks whose types must not depend on it. Default: true. Not the same as
    /// [`Mode::None`], which lets nobody's key through.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.policy.enabled = enabled;
        self
    }

    /// Who has to send one. Default: [`Mode::Required`].
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.policy.mode = mode;
        self
    }

    /// What a key must be [allowed](super::Principal::allows), all of it. Default: nothing.
    #[must_use]
    pub fn scopes<T: Into<Box<str>>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.policy.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Refuses what begins like a generated key and is damaged as unknown, without asking the store. Default: the
    /// store is asked for every key.
    ///
    /// Keys from elsewhere that begin with the same letters and `_` are refused as well.
    #[must_use]
    pub fn key_prefix(mut self, prefix: KeyPrefix) -> Self {
        self.policy.prefix = Some(prefix);
        self
    }

    /// The name of what is protected, for `WWW-Authenticate` (RFC 9110, section 11.5). Default: `api`.
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        self.policy.realm = Realm::new(realm);
        self
    }

    /// Tells the inner service who is calling in these fields, which no client can set: they are taken out of every
    /// request first, whatever the mode. Default: none.
    #[must_use]
    pub fn forward(mut self, headers: IdentityHeaders) -> Self {
        self.policy.identity = headers;
        self
    }

    /// What time it is, to tell which keys have expired. Default: [`SystemTime::now`].
    #[must_use]
    pub fn clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.policy.clock = clock;
        self
    }
}

impl<K> Clone for AuthLayer<K> {
    fn clone(&self) -> Self {
        Self { policy: self.policy.clone(), store: self.store.clone() }
    }
}

/// The policy alone: nobody knows what a store shows of itself.
impl<K> fmt::Debug for AuthLayer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl<S, K> Layer<S> for AuthLayer<K> {
    type Service = Auth<S, K>;

    fn layer(&self, inner: S) -> Auth<S, K> {
        Auth::new(inner, self.policy.clone(), self.store.clone())
    }
}
