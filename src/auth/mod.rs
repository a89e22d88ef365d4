//! Who may call.

mod api_key;
mod digest;
mod principal;
mod store;

pub use self::{
    api_key::{ApiKey, InvalidKey, MAX_KEY_LEN},
    digest::{InvalidDigest, KeyDigest},
    principal::{Account, Principal},
    store::{KeyRecord, KeyStore, StoreError},
};
