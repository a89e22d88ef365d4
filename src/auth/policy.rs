use super::{
    Accept, ConnectionPrincipal, IdentityHeaders, KeyDigest, KeyPrefix, KeyRecord, Principal,
    Provenance, StoreError,
    challenge::{Realm, challenge},
    credential::credential,
};
use crate::{Catalog, Fault, envelope::Context};
use bytes::Bytes;
use http::{Extensions, Request, Response, header};
use std::{error::Error, fmt, sync::Arc, time::SystemTime};

/// Who has to say who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Everybody: a request without a key is refused.
    #[default]
    Required,
    /// Whoever has a key: a request without one goes on without a [`Principal`], one with a bad key is refused.
    ///
    /// Where scopes are needed nobody gets on without a key.
    Optional,
    /// Nobody: no store is asked, no scope is needed, and every request goes on without a [`Principal`].
    None,
}

/// Scopes that layers further out found this very request to need, such as `model:x`. Rides in the request's
/// extensions; they are needed besides the layer's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeededScopes(pub Vec<Box<str>>);

/// What a request says of who is calling.
enum Received {
    Key(KeyDigest),
    Nothing,
}

/// What is decided, without a service and without a store.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) catalog: Arc<Catalog>,
    pub(super) accept: Accept,
    pub(super) enabled: bool,
    pub(super) mode: Mode,
    pub(super) scopes: Arc<[Box<str>]>,
    pub(super) prefix: Option<KeyPrefix>,
    pub(super) realm: Realm,
    pub(super) identity: IdentityHeaders,
    pub(super) clock: fn() -> SystemTime,
}

impl Policy {
    /// The digest of the key that the request brought, to look up, or nothing to go on without one: with the principal of
    /// the connection, where there is one. After this, unless
    /// the layer does nothing at all, no key and nothing that claims to be a principal is left in the request, whatever the outcome.
    pub(super) fn receive<B>(&self, request: &mut Request<B>) -> Result<Option<KeyDigest>, Fault> {
        if !self.enabled {
            return Ok(None);
        }
        let received = self.examine(request);
        self.accept.remove(request.headers_mut());
        self.identity.clear(request.headers_mut());
        request.extensions_mut().remove::<Principal>();
        let connection = request.extensions_mut().remove::<ConnectionPrincipal>();
        match received? {
            Received::Key(digest) => return Ok(Some(digest)),
            Received::Nothing if self.mode == Mode::None => {}
            Received::Nothing => match connection {
                Some(ConnectionPrincipal(principal)) => {
                    let record = KeyRecord::new(principal);
                    let now = (self.clock)();
                    let principal = judge(Some(record), self.needed(request.extensions()), now)?;
                    self.let_on(principal, request);
                }
                None => self.anonymous(request.extensions())?,
            },
        }
        Ok(None)
    }

    /// Whether whoever says nothing gets on.
    fn anonymous(&self, extensions: &Extensions) -> Result<(), Fault> {
        let anybody = self.mode == Mode::Optional && self.needed(extensions).next().is_none();
        if anybody { Ok(()) } else { Err(Fault::MissingCredential) }
    }

    fn examine<B>(&self, request: &Request<B>) -> Result<Received, Fault> {
        if self.mode == Mode::None {
            return Ok(Received::Nothing);
        }
        let Some(token) = credential(request.headers(), self.accept)? else {
            return Ok(Received::Nothing);
        };
        match &self.prefix {
            Some(prefix) if prefix.examine(token) == Provenance::Damaged => {
                Err(Fault::UnknownCredential)
            }
            _ => Ok(Received::Key(KeyDigest::of_token(token))),
        }
    }

    /// Lets the request on with its principal, by what the store said.
    pub(super) fn admit<B>(
        &self,
        found: Result<Option<KeyRecord>, StoreError>,
        request: &mut Request<B>,
    ) -> Result<(), Fault> {
        let record = found.map_err(|error| unavailable(&error))?;
        let now = (self.clock)();
        let principal = judge(record, self.needed(request.extensions()), now)?;
        self.let_on(principal, request);
        Ok(())
    }

    fn let_on<B>(&self, principal: Principal, request: &mut Request<B>) {
        self.identity.set(&principal, request.headers_mut());
        request.extensions_mut().insert(principal);
    }

    /// The whole answer to a request that does not get on.
    pub(super) fn refuse<B>(&self, fault: &Fault, request: &Request<B>) -> Response<Bytes> {
        let mut response = self.catalog.respond(fault, Context::of(request));
        let scopes = self.needed(request.extensions());
        let challenge = challenge(self.accept, &self.realm, fault, response.status(), scopes);
        if let Some(challenge) = challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    fn needed<'a>(&'a self, extensions: &'a Extensions) -> impl Iterator<Item = &'a str> {
        let more = extensions.get::<NeededScopes>().map_or(&[][..], |scopes| &scopes.0);
        self.scopes.iter().chain(more).map(|scope| &**scope)
    }
}

/// Whether this key may be used now, for all of this.
fn judge<'a>(
    record: Option<KeyRecord>,
    mut scopes: impl Iterator<Item = &'a str>,
    now: SystemTime,
) -> Result<Principal, Fault> {
    let record = record.ok_or(Fault::UnknownCredential)?;
    record.standing(now)?;
    if scopes.all(|scope| record.principal.allows(scope)) {
        Ok(record.principal)
    } else {
        Err(Fault::Forbidden)
    }
}

/// The store knows no more of a key than its digest, so its errors hold none.
fn unavailable(error: &StoreError) -> Fault {
    tracing::error!(error = %Chain(error), "a key could not be looked up");
    Fault::StoreUnavailable
}

/// An error and what led to it.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Account;
    use std::time::Duration;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn record(scopes: &[&str]) -> KeyRecord {
        let scopes: Vec<Box<str>> = scopes.iter().map(|scope| Box::from(*scope)).collect();
        KeyRecord::new(Principal::new(Arc::new(Account::new("acme")), "k").with_scopes(scopes))
    }

    #[test]
    fn what_a_key_is_refused_for_in_this_order() {
        let mut bad = record(&[]);
        assert_eq!(judge(None, ["a"].into_iter(), NOW), Err(Fault::UnknownCredential));
        bad.revoked = true;
        bad.expires_at = Some(NOW);
        assert_eq!(judge(Some(bad.clone()), ["a"].into_iter(), NOW), Err(Fault::RevokedCredential));
        bad.revoked = false;
        assert_eq!(judge(Some(bad.clone()), ["a"].into_iter(), NOW), Err(Fault::ExpiredCredential));
        bad.expires_at = Some(NOW + Duration::from_nanos(1));
        assert_eq!(judge(Some(bad), ["a"].into_iter(), NOW), Err(Fault::Forbidden));
    }

    /// Of a connection that belongs to `acme`, who may do `a`.
    fn receive(
        mode: Mode,
        scope: Option<&str>,
        key: Option<&str>,
    ) -> (Result<bool, Fault>, String) {
        let policy = Policy {
            catalog: Catalog::shared_default().clone(),
            accept: Accept::Both,
            enabled: true,
            mode,
            scopes: scope.into_iter().map(Box::from).collect(),
            prefix: None,
            realm: Realm::new("api"),
            identity: IdentityHeaders::tollgate(),
            clock: SystemTime::now,
        };
        let mut request = Request::new(());
        let principal = record(&["a"]).principal;
        request.extensions_mut().insert(ConnectionPrincipal(principal));
        request.headers_mut().insert("x-tollgate-account", "root".try_into().unwrap());
        if let Some(key) = key {
            request.headers_mut().insert("x-api-key", key.try_into().unwrap());
        }
        let received = policy.receive(&mut request).map(|digest| digest.is_some());
        assert_eq!(request.extensions().get::<ConnectionPrincipal>(), None);
        let told = request.headers().get("x-tollgate-account");
        let known = request.extensions().get::<Principal>().map(Principal::account);
        assert_eq!(told.map(|value| value.to_str().unwrap()), known);
        (received, known.unwrap_or_default().to_owned())
    }

    #[test]
    fn a_connection_says_who_is_calling_where_no_key_does() {
        let nobody = String::new;
        let acme = || "acme".to_owned();
        for mode in [Mode::Required, Mode::Optional] {
            assert_eq!(receive(mode, None, None), (Ok(false), acme()), "{mode:?}");
            assert_eq!(receive(mode, Some("a"), None), (Ok(false), acme()), "{mode:?}");
            assert_eq!(receive(mode, Some("b"), None), (Err(Fault::Forbidden), nobody()));
            // A key goes first; what the store says of it is another matter.
            assert_eq!(receive(mode, None, Some("k")), (Ok(true), nobody()), "{mode:?}");
            assert!(receive(mode, None, Some("")).0.is_err(), "{mode:?}");
        }
        assert_eq!(receive(Mode::None, Some("b"), None), (Ok(false), nobody()));
        assert_eq!(receive(Mode::None, None, Some("k")), (Ok(false), nobody()));
    }

    #[test]
    fn every_scope_is_needed() {
        let table: &[(&[&str], &[&str], bool)] = &[
            (&[], &[], true),
            (&["a"], &[], true),
            (&[], &["a"], false),
            (&["a"], &["a"], true),
            (&["a"], &["a", "b"], false),
            (&["b", "a"], &["a", "b"], true),
            (&["model:*"], &["model:x", "model:y"], true),
            (&["model:*"], &["model:x", "images"], false),
        ];
        for (held, needed, good) in table {
            let judged = judge(Some(record(held)), needed.iter().copied(), NOW);
            let want = if *good { Ok(record(held).principal) } else { Err(Fault::Forbidden) };
            assert_eq!(judged, want, "{held:?} {needed:?}");
        }
    }

    #[test]
    fn an_error_shows_its_causes() {
        let error = StoreError::new(std::io::Error::other("no route to host"));
        assert_eq!(Chain(&error).to_string(), "the key store does not answer: no route to host");
    }
}
