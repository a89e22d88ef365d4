use crate::{
    auth::{Account, KeyDigest, KeyRecord, KeyStore, KeyTable, Principal, StoreError},
    config::{Auth, StaticKey},
};
use std::{
    collections::HashMap,
    future::{Ready, ready},
    sync::Arc,
};

/// Every key that may be used: those of the configuration, and those of a store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    /// What the store holds; whoever watches it keeps this up to date.
    pub(crate) stored: KeyTable,
    fixed: KeyTable,
}

impl Keys {
    /// The keys of the configuration.
    pub(super) fn new(auth: &Auth) -> Self {
        let mut accounts = Accounts::default();
        let listed = auth.key.iter().map(|key| fixed_key(key, &mut accounts));
        let in_file = auth.file_digests.iter().map(|digest| {
            let id = short_id("file", digest);
            let account = Arc::new(Account::new(id.clone()));
            (*digest, KeyRecord::new(Principal::new(account, id)))
        });
        let fixed = KeyTable::from_records(in_file.chain(listed.collect::<Vec<_>>()));
        Self { stored: KeyTable::default(), fixed }
    }
}

impl KeyStore for Keys {
    type Lookup = Ready<Result<Option<KeyRecord>, StoreError>>;

    fn lookup(&self, digest: &KeyDigest) -> Self::Lookup {
        // The store goes first: what it says can be changed while the gateway runs.
        ready(Ok(self.stored.get(digest).or_else(|| self.fixed.get(digest))))
    }
}

/// One of each name, so that all keys of an account share it.
#[derive(Default)]
struct Accounts(HashMap<String, Arc<Account>>);

impl Accounts {
    fn get(&mut self, name: &str) -> Arc<Account> {
        self.0.entry(name.to_owned()).or_insert_with(|| Arc::new(Account::new(name))).clone()
    }
}

fn fixed_key(key: &StaticKey, accounts: &mut Accounts) -> (KeyDigest, KeyRecord) {
    let digest = key.digest.get();
    let id =
        key.id.as_ref().map_or_else(|| short_id("config", &digest), |id| id.as_str().to_owned());
    let mut principal = Principal::new(accounts.get(key.account.as_str()), id);
    if let Some(plan) = &key.plan {
        principal = principal.with_plan(plan.as_str());
    }
    if !key.scopes.is_empty() {
        let scopes: Vec<Box<str>> = key.scopes.iter().map(|scope| scope.as_str().into()).collect();
        principal = principal.with_scopes(scopes);
    }
    let expires_at = key.expires.map(|end| end.get());
    (digest, KeyRecord { expires_at, ..KeyRecord::new(principal) })
}

/// Enough of a digest to find its line.
fn short_id(source: &str, digest: &KeyDigest) -> String {
    let digest = digest.to_string();
    format!("{source}-{}", &digest[..12])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::ApiKey;
    use std::time::{Duration, SystemTime};

    #[test]
    fn keys_of_the_configuration() {
        let digest = |key: &str| KeyDigest::of(&ApiKey::parse(key).unwrap());
        let text = format!(
            "[[key]]\ndigest = \"{}\"\naccount = \"acme\"\nid = \"k1\"\nplan = \"pro\"\nscopes = [\"a\"]\n\
             expires = \"1970-01-01T00:00:09Z\"\n[[key]]\ndigest = \"{}\"\naccount = \"acme\"\n",
            digest("one"),
            digest("two")
        );
        let mut auth: Auth = toml::from_str(&text).unwrap();
        auth.file_digests = vec![digest("three")];
        let keys = Keys::new(&auth);
        let find = |key: &str| keys.lookup(&digest(key)).into_inner().unwrap();
        let one = find("one").unwrap();
        let principal = &one.principal;
        assert_eq!((principal.account(), principal.key_id()), ("acme", "k1"));
        assert_eq!((principal.plan(), principal.allows("a")), (Some("pro"), true));
        assert_eq!(one.expires_at, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(9)));
        let two = find("two").unwrap().principal;
        assert_eq!(two.key_id(), format!("config-{}", &digest("two").to_string()[..12]));
        assert_eq!(two.account_bucket(), principal.account_bucket());
        let three = find("three").unwrap().principal;
        assert!(three.key_id().starts_with("file-") && three.account() == three.key_id());
        assert!(find("four").is_none());
        // What a store says of a key goes first.
        let revoked = KeyRecord { revoked: true, ..KeyRecord::new(two) };
        keys.stored.apply([(digest("two"), revoked)]);
        assert!(find("two").unwrap().revoked);
    }
}
