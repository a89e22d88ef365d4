use super::ServerTls;
use crate::{
    config::values::{
        Limits, Network, Patience, Secret, Size, SocketAddress, StoreAddress, Timeout, Token,
        socket_address, some_socket_address,
    },
    server,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
};

/// The listener.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port for requests. `TOLLGATE_LISTEN` goes before it. Default: `127.0.0.1:8080`.
    #[serde(deserialize_with = "socket_address")]
    #[schemars(with = "SocketAddress")]
    pub listen: SocketAddr,
    /// Address and port for `/livez`, `/readyz`, `/metrics`, `/endpoints`, `/unmatched` and `/config`. `TOLLGATE_ADMIN` goes before it. Default: none, nothing of it is served.
    /// Anywhere but on the loopback all but the first two want an `admin_token`.
    #[serde(deserialize_with = "some_socket_address")]
    #[schemars(with = "Option<SocketAddress>")]
    pub admin: Option<SocketAddr>,
    /// What `Authorization: Bearer` has to say for all of them but `/livez` and `/readyz`; 16 characters or more. Default: nothing, and where `admin` is not on the loopback they are refused.
    pub admin_token: Option<Secret>,
    /// TLS towards clients. Default: none, whoever connects speaks plain HTTP.
    pub tls: Option<ServerTls>,
    /// Where keys are kept: `sqlite://tollgate.db`, relative to the working directory, `sqlite:///var/lib/tollgate.db`, or
    /// `postgres://user:password@host/database?sslmode=verify-full`. `TOLLGATE_STORE` goes before it.
    /// Default: none.
    pub store: Option<StoreAddress>,
    /// Where requests are counted: `local` for in this process, or the URL of a Redis that several processes share, such as `redis://:${REDIS_PASSWORD}@redis:6379/0`
    /// (`rediss://` over TLS, `redis+unix:///path` for a socket). Default: `local`.
    pub limits: Limits,
    /// How long to wait for that Redis, for each request. Default: `50ms`.
    pub limits_timeout: Timeout,
    /// A PEM file of certificate authorities to trust for `rediss://`. Relative to the configuration file. Default: none, the system's.
    pub limits_ca_file: Option<PathBuf>,
    /// How many callers each process remembers for limits, before the key is looked at and as many behind it; when there are more, those who have used
    /// least are forgotten. A million takes up to 60 MB, and only when there are that many. Default: `1000000`.
    pub limits_max_keys: NonZeroUsize,
    /// Which header fields tell callers about their limits. Default: `standard`.
    pub rate_limit_headers: RateLimitHeaders,
    /// Whether answers say how often the request was sent to providers, as `x-tollgate-attempts`. Default: `false`.
    pub attempts_header: bool,
    /// Whether answers say what went wrong at the provider, as `Proxy-Status` (RFC 9209). Default: `false`.
    pub proxy_status: bool,
    /// Worker threads, each with connections of its own. Default: the number of cores.
    pub workers: Option<NonZeroUsize>,
    /// The name of this proxy in `Via`, by which it notices requests that go in circles. Default: a random one for each process.
    pub via: Option<Token>,
    /// Addresses and networks whose `X-Forwarded-*` headers are believed. Default: none.
    pub trusted_proxies: Vec<Network>,
    /// Whether connections begin with a header of the PROXY protocol (version 1 or 2), in which a load balancer says where they come from; before TLS, if
    /// there is any. Default: `off`.
    pub proxy_protocol: ProxyProtocol,
    /// Addresses and networks whose headers of the PROXY protocol are believed, and whose connections have to begin with one. Default: none.
    pub proxy_protocol_from: Vec<Network>,
    /// How long a client may take to send the head of a request, and as long again for the handshake of TLS before it, and for a header of the PROXY protocol
    /// before that. Default: `10s`.
    pub header_timeout: Timeout,
    /// How long a client may send nothing in the middle of a request's body. Default: `30s`.
    pub body_timeout: Timeout,
    /// How long a client may take nothing of an answer that is ready for it. Default: `60s`.
    pub send_timeout: Timeout,
    /// How long a connection may wait for its next request. Default: `75s`.
    pub idle_timeout: Timeout,
    /// How long requests are still taken after the signal to stop, while `/readyz` says that the gateway is not ready: so that whoever balances learns of it before
    /// connections are refused. Default: `0s`.
    pub drain_delay: Patience,
    /// How long requests may go on after that; `0s` for not at all. Default: `30s`.
    pub drain_timeout: Patience,
    /// The largest head of a request, in bytes. Default: `32KiB`.
    pub max_header_bytes: Size,
    /// The longest path and query of a request, in bytes. Default: `8KiB`.
    pub max_uri_bytes: Size,
    /// How much of request bodies may be in memory at a time, in the whole process; beyond it requests are refused as `overloaded`. Only bodies that are
    /// checked or edited are kept in memory, with their decoded copies and 16 bytes for each value, until they have left for the provider. Room for them is
    /// reserved as they arrive: of what a client holds it has sent half. Not counted are buffers of connections, what the allocator keeps for itself, and what
    /// a worker needs while it is at work on one body: as much again as the body where it is copied to a larger place or has an escape in a
    /// string, and a decoder with its window (32 KiB for gzip and deflate, at most 8 MiB for zstd, 16 MiB for br). Default: `256MiB`.
    pub max_buffered_bytes: Size,
    /// Connections from clients at a time, in the whole process. Default: `10000`.
    pub max_connections: NonZeroUsize,
    /// Whether to log a line for each request. Default: `true`.
    pub access_log: bool,
    /// Whether the configuration is taken up when its file, or one that it names, has changed: two to three seconds after the last of it was written, and as a whole. SIGHUP
    /// has it read again in any case. Default: `true`.
    pub watch: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            admin: None,
            admin_token: None,
            tls: None,
            store: None,
            limits: Limits::Local,
            limits_timeout: Timeout::millis(50),
            limits_ca_file: None,
            limits_max_keys: const { NonZeroUsize::new(1_000_000).unwrap() },
            rate_limit_headers: RateLimitHeaders::default(),
            attempts_header: false,
            proxy_status: false,
            workers: None,
            via: None,
            trusted_proxies: Vec::new(),
            proxy_protocol: ProxyProtocol::default(),
            proxy_protocol_from: Vec::new(),
            header_timeout: Timeout::seconds(10),
            body_timeout: Timeout::seconds(30),
            send_timeout: Timeout::seconds(60),
            idle_timeout: Timeout::seconds(75),
            drain_delay: Patience::seconds(0),
            drain_timeout: Patience::seconds(30),
            max_header_bytes: Size::kib(32),
            max_uri_bytes: Size::kib(8),
            max_buffered_bytes: Size::kib(256 * 1024),
            max_connections: const { NonZeroUsize::new(10_000).unwrap() },
            access_log: true,
            watch: true,
        }
    }
}

/// Which header fields tell callers about their limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RateLimitHeaders {
    /// None, but for `Retry-After` in refusals.
    None,
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).
    #[default]
    Standard,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`.
    Legacy,
    /// All of them.
    Both,
}

/// Whether connections begin with a header of the PROXY protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyProtocol {
    /// None do.
    #[default]
    Off,
    /// Those from `proxy_protocol_from`; all others come as they are.
    Listed,
    /// All do: who is not in `proxy_protocol_from` is not served.
    Required,
}

impl ProxyProtocol {
    /// What the listener makes of it, with these networks.
    pub(crate) fn of(self, from: &[Network]) -> Option<server::ProxyProtocol> {
        let required = match self {
            Self::Off => return None,
            Self::Listed => false,
            Self::Required => true,
        };
        let from = from.iter().map(|network| network.get()).collect();
        Some(server::ProxyProtocol { from, required })
    }
}
