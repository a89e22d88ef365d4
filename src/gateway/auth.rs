use crate::{
    auth::{Accept, AuthLayer, IdentityHeaders, KeyPrefix, Mode},
    config::{self, Auth, AuthMode, Part, Route},
};
use std::sync::Arc;

/// How one route asks its callers who they are.
#[derive(Clone, Debug)]
pub(super) struct RouteAuth {
    accept: Accept,
    mode: Mode,
    /// Without parameters.
    scopes: Vec<Box<str>>,
    prefix: KeyPrefix,
    realm: String,
    headers: IdentityHeaders,
}

impl RouteAuth {
    pub(super) fn new(auth: &Auth, mode: AuthMode, route: &Route) -> Self {
        Self {
            accept: accept(&auth.accept),
            mode: match mode {
                AuthMode::Required => Mode::Required,
                AuthMode::Optional => Mode::Optional,
                AuthMode::None => Mode::None,
            },
            scopes: route.scopes.iter().filter_map(fixed_scope).collect(),
            prefix: auth.key_prefix.get().clone(),
            realm: auth.realm.as_str().to_owned(),
            headers: headers(&auth.forward),
        }
    }

    /// Whether the layer lets a field pass that may hold a key: one that is not accepted.
    pub(super) fn leaves_a_field(&self) -> bool {
        self.accept != Accept::Both
    }

    /// The layer for one worker.
    pub(super) fn layer<K>(&self, keys: K, catalog: &Arc<crate::Catalog>) -> AuthLayer<K> {
        AuthLayer::new(keys)
            .catalog(catalog.clone())
            .accept(self.accept)
            .mode(self.mode)
            .scopes(self.scopes.iter().cloned())
            .key_prefix(self.prefix.clone())
            .realm(&self.realm)
            .forward(self.headers.clone())
    }
}

fn accept(schemes: &[config::Scheme]) -> Accept {
    let bearer = schemes.contains(&config::Scheme::Bearer);
    match (bearer, schemes.contains(&config::Scheme::XApiKey)) {
        (true, false) => Accept::Bearer,
        (false, true) => Accept::ApiKey,
        _ => Accept::Both,
    }
}

/// A scope that is the same for every request.
fn fixed_scope(scope: &config::ScopeTemplate) -> Option<Box<str>> {
    match scope.parts() {
        [Part::Literal(scope)] => Some(scope.as_str().into()),
        _ => None,
    }
}

fn headers(forward: &config::Forward) -> IdentityHeaders {
    let mut headers = IdentityHeaders::none();
    if let Some(name) = &forward.account {
        headers = headers.account(name.get().clone());
    }
    if let Some(name) = &forward.key_id {
        headers = headers.key_id(name.get().clone());
    }
    if let Some(name) = &forward.plan {
        headers = headers.plan(name.get().clone());
    }
    if let Some(name) = &forward.scopes {
        headers = headers.scopes(name.get().clone());
    }
    headers
}
