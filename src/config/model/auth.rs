use crate::auth::KeyDigest;
use crate::config::values::{Digest, FieldName, KeyPrefix, Label, Moment, Name, Realm, Scope};
use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Who may call. With this table every route wants an API key, unless it says otherwise with `auth`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// Where a caller may put its key: `bearer` for `Authorization: Bearer KEY`, `x-api-key` for that header. Default: both.
    #[schemars(length(min = 1))]
    pub accept: Vec<Scheme>,
    /// The name of what is protected, as it stands in `WWW-Authenticate`. Default: `api`.
    pub realm: Realm,
    /// The beginning of the keys that `tollgate keys create` makes: one that begins so and has a wrong checksum is refused without being looked up. Default: `tg`.
    pub key_prefix: KeyPrefix,
    /// A file of SHA-256 digests of keys, one a line, each an account of its own without plan and scopes. `#` begins a comment. Relative to the configuration file. Default: none.
    pub keys_file: Option<PathBuf>,
    /// What was read from `keys_file`.
    #[serde(skip)]
    pub file_digests: Vec<KeyDigest>,
    /// Keys that stand here.
    pub key: Vec<StaticKey>,
    /// Whose certificates clients have: who has one and sends no key is that account. Goes with `client_auth` of `[server.tls]`.
    pub certificate: Vec<CertificateAccount>,
    /// What the provider is told of the caller, and in which headers. A caller's own headers of these names are removed. Default: nothing.
    pub forward: Forward,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            accept: vec![Scheme::Bearer, Scheme::XApiKey],
            realm: Realm::default(),
            key_prefix: KeyPrefix::default(),
            keys_file: None,
            file_digests: Vec::new(),
            key: Vec::new(),
            certificate: Vec::new(),
            forward: Forward::default(),
        }
    }
}

/// Where a caller puts its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// `x-api-key: KEY`.
    XApiKey,
}

/// An API key, known by its digest.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaticKey {
    /// The SHA-256 of the key, 64 hexadecimal digits: `printf %s "$KEY" | sha256sum`.
    pub digest: Digest,
    /// Whose key it is.
    pub account: Label,
    /// What the key is called in logs. Default: `config-` and the first 12 digits of the digest.
    #[serde(default)]
    pub id: Option<Label>,
    /// The plan whose numbers its limits have. Default: none.
    #[serde(default)]
    pub plan: Option<Label>,
    /// What it may do; one that ends in `*` covers all that begin so. Default: nothing that a route asks a scope for.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// From when on it is good no more: `2027-01-31T00:00:00Z`. Default: never.
    #[serde(default)]
    pub expires: Option<Moment>,
}

impl StaticKey {
    /// What the key is called.
    pub(crate) fn id(&self) -> String {
        let own = self.id.as_ref().map(|id| id.as_str().to_owned());
        own.unwrap_or_else(|| short_id("config", &self.digest.get()))
    }
}

/// Enough of a digest to find its line.
pub(crate) fn short_id(source: &str, digest: &KeyDigest) -> String {
    let digest = digest.to_string();
    format!("{source}-{}", &digest[..12])
}

/// An account that is known by its client certificate.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateAccount {
    /// A name in the certificate, to the letter: a DNS name or a URI among its alternative names, or its common name. Of several that fit the first one counts.
    pub subject: Name,
    /// Whose certificate it is.
    pub account: Label,
    /// What stands for the key's id in logs and limits. Default: the subject.
    #[serde(default)]
    pub id: Option<Label>,
    /// The plan whose numbers its limits have. Default: none.
    #[serde(default)]
    pub plan: Option<Label>,
    /// What it may do; one that ends in `*` covers all that begin so. Default: nothing that a route asks a scope for.
    #[serde(default)]
    pub scopes: Vec<Scope>,
}

/// Which headers tell the provider about the caller.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Forward {
    /// The account, such as in `x-tollgate-account`. Default: not told.
    pub account: Option<FieldName>,
    /// The key's id. Default: not told.
    pub key_id: Option<FieldName>,
    /// The plan. Default: not told.
    pub plan: Option<FieldName>,
    /// The scopes, with spaces in between. Default: not told.
    pub scopes: Option<FieldName>,
}

impl Forward {
    /// The headers that are set.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let fields = [&self.account, &self.key_id, &self.plan, &self.scopes];
        fields.into_iter().flatten().map(FieldName::get)
    }
}

/// Whether a route wants an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthMode {
    /// Without one, requests are refused.
    Required,
    /// Requests without one pass; one that is not good is refused all the same.
    Optional,
    /// Nobody looks; what is sent goes no further.
    None,
}
