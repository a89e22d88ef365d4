use crate::config::values::{
    EndpointUrl, Invalid, Secret, Setting, Timeout, Token, credential_header,
};
use http::{HeaderName, HeaderValue, header};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// A provider, or a pool of providers that give the same.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["endpoint"]))]
pub struct Upstream {
    /// How this kind of provider says that something failed. Default: `generic`.
    pub profile: Profile,
    /// The whole exchange, from the first byte of the request to the last of the answer. Default: `120s`.
    pub timeout: Timeout,
    /// DNS, TCP and TLS of a new connection. Default: `5s`.
    pub connect_timeout: Timeout,
    /// From the request to the head of its answer. Default: none, only `timeout` counts.
    pub first_byte_timeout: Option<Timeout>,
    /// Silence within an answer. Default: `60s`.
    pub idle_timeout: Timeout,
    /// How long a connection is kept without a request. Default: `30s`.
    pub pool_idle_timeout: Timeout,
    /// Connections that are kept without a request, for each endpoint and worker; `0` for none. Default: `512`.
    pub max_idle: usize,
    /// Whether to speak HTTP/2. Default: `auto`.
    pub http2: Http2,
    /// Whether `Host` is the client's rather than the endpoint's. Default: `false`.
    pub preserve_host: bool,
    /// A PEM file of certificate authorities to trust in place of the system's. Relative to the configuration file.
    /// Default: none, the system's.
    pub ca_file: Option<PathBuf>,
    /// Where the provider is. Exactly one at this time.
    #[schemars(length(min = 1, max = 1))]
    pub endpoint: Vec<Endpoint>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            timeout: Timeout::seconds(120),
            connect_timeout: Timeout::seconds(5),
            first_byte_timeout: None,
            idle_timeout: Timeout::seconds(60),
            pool_idle_timeout: Timeout::seconds(30),
            max_idle: 512,
            http2: Http2::default(),
            preserve_host: false,
            ca_file: None,
            endpoint: Vec::new(),
        }
    }
}

/// How a kind of provider says that something failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Profile {
    /// By the status.
    #[default]
    Generic,
}

/// Whether to speak HTTP/2 to a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Http2 {
    /// As agreed in the TLS handshake; HTTP/1.1 without TLS.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Never,
    /// HTTP/2 only, without asking.
    Always,
}

/// One provider.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// `http(s)://host[:port][/prefix]`, without a user, a query or a fragment.
    /// With a variable that is not set, requests are answered with `not_configured`.
    pub url: Setting<EndpointUrl>,
    /// Our credential there; the client's never gets that far. Default: none.
    /// With a variable that is not set, requests are answered with `not_configured`.
    #[serde(default)]
    pub credential: Option<Credential>,
}

impl Endpoint {
    /// The environment variable without which this endpoint cannot be asked.
    pub fn missing_variable(&self) -> Option<&str> {
        let credential =
            self.credential.as_ref().and_then(|credential| credential.secret().missing());
        self.url.missing().or(credential)
    }
}

/// What an endpoint knows us by: `{ bearer = "…" }` or `{ header = "x-api-key", value = "…" }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "CredentialTable")]
#[schemars(with = "CredentialTable")]
pub enum Credential {
    /// `Authorization: Bearer …`
    Bearer(Setting<Secret>),
    /// A header of its own.
    Header {
        /// The header's name.
        name: HeaderName,
        /// What it carries.
        value: Setting<Secret>,
    },
}

impl Credential {
    /// What it is, or which variable is missing for it.
    pub fn secret(&self) -> &Setting<Secret> {
        match self {
            Self::Bearer(secret) | Self::Header { value: secret, .. } => secret,
        }
    }

    /// The header to send, marked as sensitive. None if the secret is missing.
    pub fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let secret = self.secret().get()?.expose();
        let (name, value) = match self {
            Self::Bearer(_) => {
                (header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {secret}")))
            }
            Self::Header { name, .. } => (name.clone(), HeaderValue::from_str(secret)),
        };
        let mut value = value.ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}

/// What an endpoint knows us by: either `bearer`, or `header` and `value`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Credential", transform = either_or)]
struct CredentialTable {
    /// Sent as `Authorization: Bearer …`.
    #[serde(default)]
    bearer: Option<Setting<Secret>>,
    /// The name of another header that carries the credential, with `value`.
    #[serde(default, deserialize_with = "credential_header")]
    #[schemars(with = "Option<Token>")]
    header: Option<HeaderName>,
    /// What that header carries.
    #[serde(default)]
    value: Option<Setting<Secret>>,
}

fn either_or(schema: &mut schemars::Schema) {
    schema.insert(
        "oneOf".to_owned(),
        serde_json::json!([{ "required": ["bearer"] }, { "required": ["header", "value"] }]),
    );
}

impl TryFrom<CredentialTable> for Credential {
    type Error = Invalid;

    fn try_from(table: CredentialTable) -> Result<Self, Invalid> {
        match (table.bearer, table.header, table.value) {
            (Some(Setting::Set(secret)), None, None) if begins_with_bearer(secret.expose()) => {
                Err("`Bearer` is added to the credential; leave it out".into())
            }
            (Some(secret), None, None) => Ok(Self::Bearer(secret)),
            (None, Some(name), Some(value)) => Ok(Self::Header { name, value }),
            (None, Some(_), None) => Err("`header` needs a `value`".into()),
            (None, None, Some(_)) => Err("`value` needs a `header` to carry it".into()),
            (None, None, None) => Err("expected either `bearer`, or `header` and `value`".into()),
            (Some(_), ..) => Err("`bearer` cannot go with `header` and `value`".into()),
        }
    }
}

fn begins_with_bearer(secret: &str) -> bool {
    secret.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer "))
}
