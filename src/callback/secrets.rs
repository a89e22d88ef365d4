//! What is proved with the secrets of a configuration: that a URL is one of ours, and that a message comes from us.

use crate::tasks::CallbackId;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::{fmt, sync::Arc};

/// Of the 32 bytes of a token's code so many are in it: nobody has time to guess them.
const CODE: usize = 16;
const ID: usize = 16;

/// What the codes of tokens, and the secrets of accounts, are derived for: one is never the other.
const FOR_TOKENS: &str = "tollgate callback tokens";
const FOR_ACCOUNTS: &str = "tollgate callback secret of account ";
const FOR_REQUESTS: &str = "tollgate callback of request ";

/// The secrets of a configuration: the first one is used, the others are still known.
#[derive(Clone)]
pub(crate) struct CallbackSecrets(Arc<[Derived]>);

struct Derived {
    tokens: Hmac<Sha256>,
    accounts: Hmac<Sha256>,
}

impl CallbackSecrets {
    pub(crate) fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let derived = |secret: &str| Derived {
            tokens: keyed(&code(&keyed(secret.as_bytes()), FOR_TOKENS.as_bytes())),
            accounts: keyed(secret.as_bytes()),
        };
        Self(secrets.into_iter().map(derived).collect())
    }

    /// What stands in the URL that a provider is given; `None` where there are no secrets.
    pub(crate) fn token(&self, id: CallbackId) -> Option<String> {
        let code = code(&self.0.first()?.tokens, id.as_bytes());
        Some(URL_SAFE_NO_PAD.encode([id.as_bytes(), &code[..CODE]].concat()))
    }

    /// The same name whenever it is asked for, by what a request is known by.
    pub(crate) fn id_for(&self, request: &[u8]) -> Option<CallbackId> {
        let code = code(&self.0.first()?.accounts, &[FOR_REQUESTS.as_bytes(), request].concat());
        let (id, _) = code.split_first_chunk::<ID>()?;
        // Of a form of our own (RFC 9562, section 5.8).
        Some(CallbackId::from_bytes(*uuid::Builder::from_custom_bytes(*id).as_uuid().as_bytes()))
    }

    /// The callback that a token is for, if it is one of ours.
    pub(crate) fn open(&self, token: &str) -> Option<CallbackId> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (id, code) = bytes.split_first_chunk::<ID>()?;
        if code.len() != CODE {
            return None;
        }
        // In constant time.
        let is_ours = |derived: &Derived| {
            derived.tokens.clone().chain_update(id).verify_truncated_left(code).is_ok()
        };
        self.0.iter().any(is_ours).then(|| CallbackId::from_bytes(*id))
    }

    /// What the messages to an account are signed with; its holder is told it. `None` where there are no secrets.
    pub(crate) fn of_account(&self, account: &str) -> Option<String> {
        let accounts = &self.0.first()?.accounts;
        let code = code(accounts, format!("{FOR_ACCOUNTS}{account}").as_bytes());
        Some(format!("whsec_{}", URL_SAFE_NO_PAD.encode(code)))
    }
}

impl fmt::Debug for CallbackSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallbackSecrets").field(&self.0.len()).finish()
    }
}

/// The signature of a message: `sha256=` and, in hexadecimal digits, the HMAC-SHA256 (RFC 2104) of time, a dot and the body.
pub(crate) fn signature(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let code = keyed(secret.as_bytes()).chain_update(timestamp).chain_update(".");
    let code = code.chain_update(body).finalize().into_bytes();
    let digits = code.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or('0');
    "sha256=".chars().chain(digits.map(digit)).collect()
}

fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    // A key of any length will do (RFC 2104, section 2).
    Hmac::new_from_slice(secret).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"))
}

fn code(keyed: &Hmac<Sha256>, message: &[u8]) -> [u8; 32] {
    keyed.clone().chain_update(message).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_ours_or_nothing() {
        let [one, other] = [["one"], ["other"]].map(CallbackSecrets::new);
        let both = CallbackSecrets::new(["other", "one"]);
        let id = CallbackId::new();
        let token = one.token(id).unwrap();
        assert_eq!((token.len(), one.open(&token), both.open(&token)), (43, Some(id), Some(id)));
        assert_eq!(other.open(&token), None);
        assert_eq!(other.open(&both.token(id).unwrap()), Some(id));
        for (i, _) in token.char_indices() {
            let mut changed = token.clone().into_bytes();
            changed[i] = if changed[i] == b'A' { b'Q' } else { b'A' };
            assert_eq!(one.open(str::from_utf8(&changed).unwrap()), None, "{i}");
        }
        for wrong in
            ["", "A", &token[..42], &token[..40], &format!("{token}AAAA"), "é", &"A".repeat(43)]
        {
            assert_eq!(one.open(wrong), None, "{wrong}");
        }
        assert_eq!(CallbackSecrets::new([]).token(id), None);
    }

    #[test]
    fn one_id_for_each_request() {
        let secrets = CallbackSecrets::new(["one"]);
        let [first, again, other] = ["a", "a", "b"].map(|key| secrets.id_for(key.as_bytes()));
        assert!(first.is_some() && first == again && first != other);
        assert_ne!(first, CallbackSecrets::new(["two"]).id_for(b"a"));
        assert_eq!(secrets.open(&secrets.token(first.unwrap()).unwrap()), first);
    }

    #[test]
    fn a_secret_for_each_account() {
        let secrets = CallbackSecrets::new(["one"]);
        let [acme, other] = ["acme", "other"].map(|account| secrets.of_account(account).unwrap());
        assert_ne!(acme, other);
        assert_eq!(acme.len(), "whsec_".len() + 43);
        assert_eq!(CallbackSecrets::new(["one", "other"]).of_account("acme"), Some(acme));
        assert!(!format!("{secrets:?}").contains("one"));
    }

    /// As `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret` has it.
    #[test]
    fn signatures() {
        assert_eq!(
            signature("secret", "1700000000", br#"{"a":1}"#),
            "sha256=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
        );
    }
}
