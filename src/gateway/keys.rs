use crate::{
    auth::{Account, KeyDigest, KeyRecord, KeyStore, KeyTable, Principal, StoreError},
    config::{Auth, Label, Scope, StaticKey, short_id},
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
    /// Whose connections are known by a certificate.
    pub(crate) certified: Certified,
}

/// Accounts by the names in their certificates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certified(Arc<[(Box<str>, Principal)]>);

impl Certified {
    /// Whose certificate it is that has these names: the first one of the configuration.
    pub(crate) fn find(&self, names: &[String]) -> Option<Principal> {
        let known = self.0.iter().find(|(subject, _)| names.iter().any(|name| **name == **subject));
        known.map(|(_, principal)| principal.clone())
    }
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
        let certified = auth.certificate.iter().map(|known| {
            let id = known.id.as_ref().map_or(known.subject.as_str(), |id| id.as_str());
            let account = accounts.get(known.account.as_str());
            let principal = principal(account, id.to_owned(), known.plan.as_ref(), &known.scopes);
            (known.subject.as_str().into(), principal)
        });
        Self { stored: KeyTable::default(), fixed, certified: Certified(certified.collect()) }
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
    let account = accounts.get(key.account.as_str());
    let principal = principal(account, key.id(), key.plan.as_ref(), &key.scopes);
    let expires_at = key.expires.map(|end| end.get());
    (digest, KeyRecord { expires_at, ..KeyRecord::new(principal) })
}

fn principal(
    account: Arc<Account>,
    id: String,
    plan: Option<&Label>,
    scopes: &[Scope],
) -> Principal {
    let mut principal = Principal::new(account, id);
    if let Some(plan) = plan {
        principal = principal.with_plan(plan.as_str());
    }
    if !scopes.is_empty() {
        let scopes: Vec<Box<str>> = scopes.iter().map(|scope| scope.as_str().into()).collect();
        principal = principal.with_scopes(scopes);
    }
    principal
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
             expires = \"1970-01-01T00:00:09Z\"\n[[key]]\ndigest = \"{}\"\naccount = \"acme\"\n\
             [[certificate]]\nsubject = \"a.test\"\naccount = \"other\"\nid = \"o\"\nplan = \"pro\"\nscopes = [\"a\"]\n\
             [[certificate]]\nsubject = \"b.test\"\naccount = \"acme\"\n",
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
        let certified = keys.certified.find(&["no".to_owned(), "b.test".to_owned()]).unwrap();
        assert_eq!((certified.account(), certified.key_id()), ("acme", "b.test"));
        assert_eq!(certified.account_bucket(), two.account_bucket());
        // The first of the configuration, whatever comes first in the certificate.
        let names = ["b.test".to_owned(), "a.test".to_owned()];
        let first = keys.certified.find(&names).unwrap();
        assert_eq!((first.account(), first.key_id(), first.plan()), ("other", "o", Some("pro")));
        assert!(first.allows("a") && keys.certified.find(&["B.test".to_owned()]).is_none());
        // What a store says of a key goes first.
        let revoked = KeyRecord { revoked: true, ..KeyRecord::new(two) };
        keys.stored.apply([(digest("two"), revoked)]);
        assert!(find("two").unwrap().revoked);
    }
}
