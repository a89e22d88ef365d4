//! Who may call.

mod api_key;
mod challenge;
mod credential;
mod digest;
mod digest_hasher;
mod future;
mod generated;
mod identity;
mod key_table;
mod layer;
mod policy;
mod principal;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use self::{
    api_key::{ApiKey, InvalidKey, MAX_KEY_LEN},
    credential::{Accept, X_API_KEY},
    digest::{InvalidDigest, KeyDigest},
    future::ResponseFuture,
    generated::{GenerateError, InvalidPrefix, KeyPrefix, Provenance},
    identity::IdentityHeaders,
    key_table::KeyTable,
    layer::AuthLayer,
    policy::{Mode, NeededScopes},
    principal::{Account, Principal},
    service::Auth,
    store::{KeyRecord, KeyStore, StoreError},
};
