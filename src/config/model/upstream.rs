use super::Edit;
use crate::{
    config::values::{
        EndpointUrl, FieldName, Invalid, Name, PathPattern, PathTemplate, Secret, ServerName,
        Setting, Size, Timeout, Token, credential_header,
    },
    edit::Edits,
};
use http::{HeaderName, HeaderValue, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
};

/// A provider, or a pool of providers that give the same.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["endpoint"]))]
pub struct Upstream {
    /// How this kind of provider says that something failed: a preset, or a table `[profile.NAME]`. Default: `generic`.
    pub profile: String,
    /// The whole exchange, all attempts together, from when the request is sent (a body that is checked has arrived by then) to the last byte of the answer.
    /// Default: `120s`.
    pub timeout: Timeout,
    /// DNS, TCP and TLS of a new connection. Default: `5s`.
    pub connect_timeout: Timeout,
    /// From the request to the head of its answer, for each attempt: without it a provider that is silent leaves no time to ask another. Default: none,
    /// only `timeout` counts.
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
    /// Which header fields of a success pass besides those that describe its content: names, or their beginnings as in `x-image-*`; `*` for all.
    /// What names the provider or our account there never does. Default: none where the endpoint has a credential, else all.
    pub response_headers: Option<Vec<Token>>,
    /// A PEM file of certificate authorities to trust in place of the system's. Relative to the configuration file.
    /// Default: none, the system's.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with the certificate that is shown to providers that ask for one, and after it those between it and an authority, in this order.
    /// Relative to the configuration file. Default: none.
    pub client_cert_file: Option<PathBuf>,
    /// A PEM file with the private key of `client_cert_file`: PKCS#8, PKCS#1 or SEC1, not encrypted. Relative to the configuration file. Default: none.
    pub client_key_file: Option<PathBuf>,
    /// How often a request is sent at most, at `repeat` of its route. Default: once for each endpoint.
    #[schemars(range(min = 1, max = 100))]
    pub attempts: Option<NonZeroU32>,
    /// How many of a hundred requests may be sent again, on average over 10 s and besides ten a second. Default: `20`.
    #[schemars(range(max = 100))]
    pub retry_percent: u8,
    /// The most to wait before an endpoint is asked a second time; twice as much before each further time. Default: `100ms`.
    pub backoff: Timeout,
    /// The most to wait between two attempts at all. Default: `5s`.
    pub max_backoff: Timeout,
    /// How much of a request's body is kept to send it again; a longer one is sent once. Default: `64KiB`; bodies that were
    /// checked are in memory anyway and are sent again up to `body.max_bytes`.
    pub max_replay_bytes: Option<Size>,
    /// How much of an answer is looked at for a failure, before its head goes on. Default: `64KiB`.
    pub max_inspect_bytes: Size,
    /// How much of one event of a stream is looked at, and held back until it is whole. Default: `1MiB`.
    pub max_event_bytes: Size,
    /// After how much silence a comment is sent into server-sent events. Default: never.
    pub heartbeat: Option<Timeout>,
    /// The header field that tells the provider how many milliseconds are left. Default: none.
    pub deadline_header: Option<FieldName>,
    /// When an endpoint is left out.
    pub ejection: Ejection,
    /// Where the provider is; several are asked in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32))]
    pub endpoint: Vec<Endpoint>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            profile: "generic".to_owned(),
            timeout: Timeout::seconds(120),
            connect_timeout: Timeout::seconds(5),
            first_byte_timeout: None,
            idle_timeout: Timeout::seconds(60),
            pool_idle_timeout: Timeout::seconds(30),
            max_idle: 512,
            http2: Http2::default(),
            preserve_host: false,
            response_headers: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            attempts: None,
            retry_percent: 20,
            backoff: Timeout::millis(100),
            max_backoff: Timeout::seconds(5),
            max_replay_bytes: None,
            max_inspect_bytes: Size::kib(64),
            max_event_bytes: Size::kib(1024),
            heartbeat: None,
            deadline_header: None,
            ejection: Ejection::default(),
            endpoint: Vec::new(),
        }
    }
}

impl Upstream {
    /// The files of the certificate, and of its key, that this endpoint of it is shown.
    pub fn client_pair<'a>(&'a self, endpoint: &'a Endpoint) -> Option<(&'a Path, &'a Path)> {
        let own = endpoint.client_cert_file.as_deref().zip(endpoint.client_key_file.as_deref());
        own.or_else(|| self.client_cert_file.as_deref().zip(self.client_key_file.as_deref()))
    }
}

/// When an endpoint is left out: at once where it refuses our credential or our account there is empty, after failures otherwise. Then one
/// request at a time tries whether it is back.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ejection {
    /// How many failures within `window` it takes at least, in each worker. Default: `5`.
    pub failures: NonZeroU32,
    /// How many of a hundred requests within `window` must have failed. Default: `50`.
    #[schemars(range(min = 1, max = 100))]
    pub percent: u8,
    /// The time over which failures are counted. Default: `10s`.
    pub window: Timeout,
    /// For how long the first time; twice as long each time that it is not back. Default: `10s`.
    pub base: Timeout,
    /// The longest. Default: `5m`.
    pub longest: Timeout,
    /// Whether all endpoints may be left out at once; else the one that is back first is asked. Default: `false`.
    pub all: bool,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: NonZeroU32::new(5).unwrap_or(NonZeroU32::MIN),
            percent: 50,
            window: Timeout::seconds(10),
            base: Timeout::seconds(10),
            longest: Timeout::seconds(300),
            all: false,
        }
    }
}

/// Whether to speak HTTP/2 to a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
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
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// `http(s)://host[:port][/prefix]`, without a user, a query or a fragment.
    /// With a variable that is not set, requests are answered with `not_configured`.
    pub url: Setting<EndpointUrl>,
    /// Our credential there; the client's never gets that far. Default: none.
    /// With a variable that is not set, requests are answered with `not_configured`.
    #[serde(default)]
    pub credential: Option<Credential>,
    /// What it is called in logs and metrics. Default: its place in the list, from `1`.
    #[serde(default, skip_serializing_if = "Name::is_empty")]
    #[schemars(with = "Option<Name>")]
    pub name: Name,
    /// Lower ones are asked first; those with the same share the requests by `weight`. Default: its place in the list, from 1.
    #[serde(default)]
    pub priority: Option<u32>,
    /// Its share among endpoints of the same priority. Default: `1`.
    #[serde(default)]
    pub weight: Option<u32>,
    /// Instead of the upstream's `profile`.
    #[serde(default)]
    pub profile: Option<String>,
    /// Instead of the upstream's `connect_timeout`.
    #[serde(default)]
    pub connect_timeout: Option<Timeout>,
    /// Instead of the upstream's `first_byte_timeout`.
    #[serde(default)]
    pub first_byte_timeout: Option<Timeout>,
    /// Instead of the upstream's `idle_timeout`.
    #[serde(default)]
    pub idle_timeout: Option<Timeout>,
    /// The name, or address, that is asked for in the TLS handshake (SNI) and that the provider's certificate has to be for; connections and `Host` stay
    /// those of the `url`. Default: the host of the `url`.
    #[serde(default)]
    pub server_name: Option<ServerName>,
    /// Instead of the upstream's `client_cert_file`.
    #[serde(default)]
    pub client_cert_file: Option<PathBuf>,
    /// Instead of the upstream's `client_key_file`.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// What it wants otherwise than the other endpoints. Default: nothing.
    #[serde(default)]
    pub adapt: Vec<Adapt>,
}

/// What one endpoint wants otherwise, of requests for one path: another path, another body, or both.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adapt {
    /// Which requests: their path as the route has rewritten it, such as `/v1/draw/{model}`.
    pub path: PathPattern,
    /// The path to ask for instead, behind the endpoint's prefix; parameters of `path` can be used. Default: the same.
    #[serde(default)]
    pub rewrite: Option<PathTemplate>,
    /// What is changed in bodies, in this order and after the route's own `edit`. For routes that read their bodies: those with a `schema` or an `edit`.
    /// Default: nothing.
    #[serde(default)]
    pub edit: Vec<Edit>,
    /// What `edit` comes to.
    #[serde(skip)]
    pub edits: Edits,
}

impl Endpoint {
    /// An endpoint at this URL, and nothing else said of it.
    pub(crate) fn at(url: EndpointUrl) -> Self {
        Self {
            url: Setting::Set(url),
            credential: None,
            name: Name::default(),
            priority: None,
            weight: None,
            profile: None,
            connect_timeout: None,
            first_byte_timeout: None,
            idle_timeout: None,
            server_name: None,
            client_cert_file: None,
            client_key_file: None,
            adapt: Vec::new(),
        }
    }

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

impl Serialize for Credential {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = serializer.serialize_map(None)?;
        match self {
            Self::Bearer(secret) => table.serialize_entry("bearer", secret)?,
            Self::Header { name, value } => {
                table.serialize_entry("header", name.as_str())?;
                table.serialize_entry("value", value)?;
            }
        }
        table.end()
    }
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
