//! What outlives the process: keys and accounts, in a SQLite file that needs no server.
//!
//! The command line changes them; a gateway reads them whole when it starts, and follows the changes from then on
//! ([`KeyWatch`]). A request never waits for the file.
//!
//! Errors do not name the store: who opened it knows its [`StoreUrl`], and says so.

mod error;
mod follow;
mod key;
mod name;
mod sqlite;
#[cfg(test)]
mod tests;
mod url;
mod watch;

pub(crate) use self::{
    error::{KeyError, StoreError},
    key::{Life, NewKey, Rotation, State, StoredAccount, StoredKey, until_millisecond},
    name::{InvalidName, Name, Note, Scope, Scopes},
    sqlite::{ImportError, Imported, Store},
    url::{InvalidStoreUrl, StoreUrl},
    watch::KeyWatch,
};
