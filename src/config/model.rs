//! What a configuration holds. The comments of the fields are their descriptions in the JSON Schema.
use super::values::{
    EndpointUrl, Invalid, Methods, Name, Network, PathPattern, PathTemplate, Patience, Secret,
    Setting, Size, SocketAddress, Timeout, Token, credential_header, socket_address,
    some_socket_address,
};
use crate::catalog;
use http::{HeaderName, HeaderValue, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
};

/// The configuration of the standalone proxy.
///
/// Any value can be written as a string with environment variables in it: `${NAME}`, or `${NAME:-default}` for where the
/// variable is not set or empty. `$${` stands for `${`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["route"]))]
pub struct Config {
    /// The listener.
    #[serde(default)]
    pub server: Server,
    /// What errors look like.
    #[serde(default)]
    pub catalog: catalog::Settings,
    /// The providers, by name: letters, digits, `_` and `-`.
    #[serde(default)]
    pub upstream: BTreeMap<String, Upstream>,
    /// What is answered by whom. At least one.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub route: Vec<Route>,
}

/// The listener.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port for requests. `TOLLGATE_LISTEN` goes before it. Default: `127.0.0.1:8080`.
    #[serde(deserialize_with = "socket_address")]
    #[schemars(with = "SocketAddress")]
    pub listen: SocketAddr,
    /// Address and port for `/livez` and `/readyz`. `TOLLGATE_ADMIN` goes before it. Default: none, neither is served.
    #[serde(deserialize_with = "some_socket_address")]
    #[schemars(with = "Option<SocketAddress>")]
    pub admin: Option<SocketAddr>,
    /// Worker threads, each with connections of its own. Default: the number of cores.
    pub workers: Option<NonZeroUsize>,
    /// The name of this proxy in `Via`, by which it notices requests that go in circles. Default: a random one for each process.
    pub via: Option<Token>,
    /// Addresses and networks whose `X-Forwarded-*` headers are believed. Default: none.
    pub trusted_proxies: Vec<Network>,
    /// How long a client may take to send the head of a request. Default: `10s`.
    pub header_timeout: Timeout,
    /// How long a client may send nothing in the middle of a request's body. Default: `30s`.
    pub body_timeout: Timeout,
    /// How long a client may take nothing of an answer that is ready for it. Default: `60s`.
    pub send_timeout: Timeout,
    /// How long a connection may wait for its next request. Default: `75s`.
    pub idle_timeout: Timeout,
    /// How long requests may go on after the signal to stop; `0s` for not at all. Default: `30s`.
    pub drain_timeout: Patience,
    /// The largest head of a request, in bytes. Default: `32KiB`.
    pub max_header_bytes: Size,
    /// The longest path and query of a request, in bytes. Default: `8KiB`.
    pub max_uri_bytes: Size,
    /// Connections from clients at a time, in the whole process. Default: `10000`.
    pub max_connections: NonZeroUsize,
    /// Whether to log a line for each request. Default: `true`.
    pub access_log: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            admin: None,
            workers: None,
            via: None,
            trusted_proxies: Vec::new(),
            header_timeout: Timeout::seconds(10),
            body_timeout: Timeout::seconds(30),
            send_timeout: Timeout::seconds(60),
            idle_timeout: Timeout::seconds(75),
            drain_timeout: Patience::seconds(30),
            max_header_bytes: Size::kib(32),
            max_uri_bytes: Size::kib(8),
            max_connections: const { NonZeroUsize::new(10_000).unwrap() },
            access_log: true,
        }
    }
}

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

/// Which requests go where.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// What the route is called in logs and metrics; no two are called the same. Default: method and path, such as `POST /v1/generate`.
    #[serde(default)]
    #[schemars(with = "Option<Name>")]
    pub name: Name,
    /// One method or several, in capitals. Default: any. `CONNECT` and `TRACE` are refused anyway.
    #[serde(default)]
    pub method: Option<Methods>,
    /// The paths, such as `/v1/tasks/{id}` or `/files/{*rest}`. Another route for the same path needs another method;
    /// one that names the method goes before one that answers to any.
    pub path: PathPattern,
    /// The name of the upstream that answers.
    pub upstream: String,
    /// The path to ask for, behind the endpoint's prefix; parameters of `path` can be used. Default: the request's own path.
    #[serde(default)]
    pub rewrite: Option<PathTemplate>,
    /// What a success looks like. Default: `as-is`.
    #[serde(default)]
    pub success: Success,
}

impl Route {
    /// What a route without a name is called.
    pub(super) fn default_name(&self) -> String {
        match &self.method {
            Some(methods) => format!("{methods} {}", self.path),
            None => format!("* {}", self.path),
        }
    }
}

/// What a success looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Success {
    /// The provider's answer as it is.
    #[default]
    AsIs,
    /// The provider's JSON as `{"data":…,"error":null}`.
    Wrap,
}

impl Config {
    /// Everything to one upstream, for which no file is needed.
    ///
    /// # Errors
    ///
    /// If the URL is not one that an endpoint can have.
    pub fn pass_through(url: &str) -> Result<Self, Invalid> {
        const UPSTREAM: &str = "upstream";
        let endpoint = Endpoint { url: Setting::Set(url.parse()?), credential: None };
        // `/{*path}` does not stand for `/` itself.
        let routes = ["/", "/{*path}"].map(|path| {
            let route = Route {
                name: Name::default(),
                method: None,
                path: path.parse()?,
                upstream: UPSTREAM.to_owned(),
                rewrite: None,
                success: Success::default(),
            };
            Ok(Route { name: Name::made(route.default_name()), ..route })
        });
        Ok(Self {
            server: Server::default(),
            catalog: catalog::Settings::default(),
            upstream: BTreeMap::from([(
                UPSTREAM.to_owned(),
                Upstream { endpoint: vec![endpoint], ..Upstream::default() },
            )]),
            route: routes.into_iter().collect::<Result<_, Invalid>>()?,
        })
    }
}
