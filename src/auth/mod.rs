//! Who may call: [`AuthLayer`] and the keys that it knows.
//!
//! A request brings an API key, as `Authorization: Bearer KEY` or as `x-api-key: KEY`. The layer looks its SHA-256 up
//! in a [`KeyStore`], refuses the request or lets it on with a [`Principal`] in its extensions, and takes the key
//! out: nothing further in sees it. A request without a key is of whoever its connection belongs to, if whoever
//! accepted it has said so with a [`ConnectionPrincipal`].
//!
//! # Example
//!
//! With keys that are known from the start:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use std::{convert::Infallible, sync::Arc};
//! use tollgate::auth::{Account, AuthLayer, KeyDigest, KeyRecord, KeyTable, Principal};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // `printf %s "$KEY" | sha256sum`: the key itself is nowhere.
//! let digest: KeyDigest = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683".parse()?;
//! let acme = Arc::new(Account::new("acme"));
//! let keys = KeyTable::from_records([(digest, KeyRecord::new(Principal::new(acme, "acme-1")))]);
//!
//! let service = ServiceBuilder::new()
//!     .layer(AuthLayer::new(keys))
//!     .service_fn(|request: Request<()>| async move {
//!         let caller = request.extensions().get::<Principal>().map(|p| p.account().to_owned());
//!         Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(caller.unwrap_or_default())))
//!     });
//!
//! let answer = service.clone().oneshot(Request::new(())).await?;
//! assert_eq!(answer.status(), 401);
//! let request = Request::builder().header("authorization", "Bearer key").body(())?;
//! assert_eq!(service.oneshot(request).await?.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! With a store of one's own that is asked over the network, generated keys, a scope, and header fields for an
//! inner service that knows nothing of extensions:
//!
//! ```
//! use std::{future::Future, pin::Pin};
//! use tollgate::auth::{
//!     Accept, ApiKey, AuthLayer, IdentityHeaders, KeyDigest, KeyPrefix, KeyRecord, KeyStore, StoreError,
//! };
//!
//! # struct Database;
//! # impl Database {
//! #     fn find(&self, _: [u8; 32]) -> impl Future<Output = Result<Option<KeyRecord>, std::io::Error>> + use<> {
//! #         std::future::ready(Ok(None))
//! #     }
//! # }
//! struct Keys(Database);
//!
//! impl KeyStore for Keys {
//!     type Lookup = Pin<Box<dyn Future<Output = Result<Option<KeyRecord>, StoreError>> + Send>>;
//!
//!     fn lookup(&self, digest: &KeyDigest) -> Self::Lookup {
//!         let found = self.0.find(*digest.as_bytes());
//!         Box::pin(async move { found.await.map_err(StoreError::new) })
//!     }
//! }
//!
//! let prefix: KeyPrefix = "acme".parse()?;
//! let key = ApiKey::generate(&prefix)?;
//! assert!(key.expose().starts_with("acme_"));
//!
//! let layer = AuthLayer::new(Keys(Database))
//!     .accept(Accept::Bearer)
//!     .key_prefix(prefix)
//!     .scopes(["images:write"])
//!     .forward(IdentityHeaders::tollgate());
//! # let _ = layer;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is a key, and what is refused
//!
//! | sent | outcome |
//! |---|---|
//! | no accepted field | [`MissingCredential`]; with [`Mode::Optional`] the request goes on without a principal |
//! | `Authorization: Bearer KEY`, the scheme in any case, one space or several | the key |
//! | `x-api-key: KEY` | the key |
//! | both, with the same key | the key |
//! | both, with different keys, or one of them no key | [`MalformedCredential`] |
//! | a second line of one field, whatever it says | [`MalformedCredential`] |
//! | an empty value, a scheme alone, a tab behind the scheme | [`MalformedCredential`] |
//! | `Authorization` with another scheme, even beside a good `x-api-key` | [`MalformedCredential`] |
//! | two tokens, a list, quotes, a byte that is no letter, digit or `-._~+/`, a `=` that is not at the end | [`MalformedCredential`] |
//! | more than [`MAX_KEY_LEN`] bytes | [`MalformedCredential`] |
//! | a key with the [prefix](AuthLayer::key_prefix) and a wrong checksum | [`UnknownCredential`], and no store is asked |
//! | a key that nobody has | [`UnknownCredential`] |
//! | a key that was revoked, is past its end, or is of a suspended account | [`RevokedCredential`], [`ExpiredCredential`], [`AccountSuspended`], the first that is true |
//! | a key without a scope that is needed | [`Forbidden`] |
//! | a good key, and the store fails | [`StoreUnavailable`]; what failed is logged |
//!
//! White space around a field's value is no part of it (RFC 9110, section 5.5). A field that is
//! [not accepted](Accept) is not looked at and goes on. Keys in the query or the body are not looked for.
//!
//! A 401 has a `WWW-Authenticate` that names what is accepted, with `error="invalid_request"` for a malformed
//! credential, `error="invalid_token"` for the others and no error if nothing was sent; a [`Forbidden`] has
//! `error="insufficient_scope"` and the scopes (RFC 6750, section 3). A scope that such a challenge cannot name
//! (RFC 6749, section 3.3), or of more than 128 bytes, is left out of it. For `x-api-key` the challenge is
//! `ApiKey realm="…", header="x-api-key"`, which is no registered scheme.
//!
//! # What it costs, and what it tells
//!
//! One SHA-256, one lookup, and the allocation of the request's extension. The principal is not in the extensions
//! of the *answer*: that would be an allocation for every request, for the few layers outside that want to know.
//!
//! A store is asked by digest. Whoever times the answers learns how far a lookup got at most, and so something of
//! a digest; to go from there to a key takes a preimage of SHA-256. Digests are compared in constant time all the
//! same, and so are the keys of a request that brings two. A key that is unknown, one that is revoked and one that is
//! good have the same way up to the decision: form, digest, lookup; what comes after is told by the answer itself. What
//! is refused before, by its form or its checksum, is refused by what its sender knows. `cargo bench --bench layers -- auth`
//! compares the times of unknown, revoked and good keys.
//!
//! # What it trusts
//!
//! - **TLS**: who reads a request has its key.
//! - **Its place**: whatever is outside of it sees the key, and should not log it; a field that is not accepted goes
//!   on with whatever is in it.
//! - **Its extensions**: a [`Principal`] that is there already is taken out, whoever put it there, but
//!   [`NeededScopes`] are believed. No client can set either.
//! - **Who is inside**: the fields of [`AuthLayer::forward`] say who is calling only to a service that nobody else
//!   can reach. A cache inside sees no `Authorization`, and must be told by other means that answers differ by
//!   caller (RFC 9111, section 3.5).
//!
//! [`MissingCredential`]: crate::Fault::MissingCredential
//! [`MalformedCredential`]: crate::Fault::MalformedCredential
//! [`UnknownCredential`]: crate::Fault::UnknownCredential
//! [`RevokedCredential`]: crate::Fault::RevokedCredential
//! [`ExpiredCredential`]: crate::Fault::ExpiredCredential
//! [`AccountSuspended`]: crate::Fault::AccountSuspended
//! [`Forbidden`]: crate::Fault::Forbidden
//! [`StoreUnavailable`]: crate::Fault::StoreUnavailable

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
    principal::{Account, ConnectionPrincipal, Principal},
    service::Auth,
    store::{KeyRecord, KeyStore, StoreError},
};
