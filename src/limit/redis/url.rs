use redis::{ConnectionAddr, IntoConnectionInfo};
use std::{error::Error, fmt, path::PathBuf, str::FromStr};
use zeroize::Zeroizing;

/// Where a Redis is, and how to log in to it.
///
/// | | |
/// |---|---|
/// | `redis://[user:password@]host[:port][/db]` | TCP; the port is 6379 if there is none, the database 0 |
/// | `rediss://…` | the same over TLS |
/// | `redis+unix:///path[?db=…&user=…&pass=…]` | a socket of this machine |
///
/// `valkey://`, `valkeys://` and `valkey+unix://` mean the same. What is no letter or digit in a password is
/// written in percent-encoding (RFC 3986, section 2.1). `Debug` and `Display` show neither user nor password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    pub(super) address: Address,
    pub(super) login: Option<Login>,
    pub(super) database: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

// No `Debug`: it would have to be written by hand to be safe, and nothing needs it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Zeroizing<String>,
}

/// Why a text is not the URL of a Redis. It does not quote the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisUrlError {
    /// It is not a URL.
    Malformed,
    /// It has another scheme.
    Scheme,
    /// It has no host, or one that stands for any (`0.0.0.0`).
    Host,
    /// The database is not a number.
    Database,
    /// There is a user without a password.
    Password,
    /// The path of the socket is missing.
    Path,
    /// There is a parameter that means nothing here.
    Parameter,
    /// There is a fragment, such as `#insecure`: certificates are always verified.
    Fragment,
}

impl fmt::Display for RedisUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a URL, which looks like redis://[user:password@]host:6379/0",
            Self::Scheme => "the scheme is none of redis, rediss and redis+unix",
            Self::Host => "the host is missing, or is one that nothing can connect to",
            Self::Database => "the database after the host is not a number from 0 on",
            Self::Password => "a user without a password; a password alone is :password@host",
            Self::Path => "the path of the socket is missing, as in redis+unix:///run/redis.sock",
            Self::Parameter => {
                "a parameter that means nothing here (db, user and pass of redis+unix do)"
            }
            Self::Fragment => "a fragment means nothing here; certificates are always verified",
        })
    }
}

impl Error for RedisUrlError {}

impl RedisUrl {
    /// Whether it is spoken to over TLS.
    pub const fn is_tls(&self) -> bool {
        matches!(self.address, Address::Tcp { tls: true, .. })
    }

    /// What it logs in with.
    #[cfg(feature = "standalone")]
    pub(crate) fn password(&self) -> Option<&str> {
        self.login.as_ref().map(|login| login.password.as_str())
    }

    /// The whole of it, but for the password.
    #[cfg(feature = "standalone")]
    pub(crate) fn redacted(&self) -> String {
        let shown = self.to_string();
        let Some(Login { user, .. }) = &self.login else { return shown };
        // As a query and a login have it: whatever is in a name, it ends neither.
        let user: String = user.iter().flat_map(|user| user.bytes()).map(encoded).collect();
        match &self.address {
            Address::Tcp { .. } => shown.replacen("://", &format!("://{user}:[redacted]@"), 1),
            Address::Unix(_) if user.is_empty() => shown + "&pass=[redacted]",
            Address::Unix(_) => format!("{shown}&user={user}&pass=[redacted]"),
        }
    }
}

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(text: &str) -> Result<Self, RedisUrlError> {
        let Some(mut url) = redis::parse_redis_url(text) else {
            // The one thing that can be said about it safely.
            let scheme = text.split_once("://").map(|(scheme, _)| scheme);
            return Err(match scheme {
                Some(scheme) if !SCHEMES.contains(&scheme) => RedisUrlError::Scheme,
                _ => RedisUrlError::Malformed,
            });
        };
        if !SCHEMES.contains(&url.scheme()) {
            return Err(RedisUrlError::Scheme);
        }
        if url.fragment().is_some() {
            return Err(RedisUrlError::Fragment);
        }
        let unix = url.scheme().ends_with("+unix");
        let known = |name: &str| unix && matches!(name, "db" | "user" | "pass");
        if url.query_pairs().any(|(name, _)| !known(&name)) {
            return Err(RedisUrlError::Parameter);
        }
        match (unix, url.host_str()) {
            (true, Some(_)) => return Err(RedisUrlError::Path),
            (true, None) if matches!(url.path(), "" | "/") => return Err(RedisUrlError::Path),
            (false, None | Some("" | "0.0.0.0" | "[::]")) => return Err(RedisUrlError::Host),
            _ => {}
        }
        let database = match unix {
            true => url.query_pairs().find(|(name, _)| name == "db").map(|(_, db)| db.into_owned()),
            false => Some(url.path().trim_matches('/').to_owned()).filter(|db| !db.is_empty()),
        };
        let database = match database {
            Some(db) => db.parse().map_err(|_| RedisUrlError::Database)?,
            None => 0,
        };
        let tls = matches!(url.scheme(), "rediss" | "valkeys");
        if tls {
            // The client, which is built without TLS, reads the rest of it.
            url.set_scheme("redis").map_err(|()| RedisUrlError::Scheme)?;
        }
        let info = url.into_connection_info().map_err(|_| RedisUrlError::Malformed)?;
        let settings = info.redis_settings();
        let login = match (settings.username(), settings.password()) {
            (None, None) => None,
            (Some(_), None) => return Err(RedisUrlError::Password),
            (user, Some(password)) => Some(Login {
                user: user.map(str::to_owned),
                password: Zeroizing::new(password.to_owned()),
            }),
        };
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => {
                Address::Tcp { host: host.clone(), port: *port, tls }
            }
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            _ => return Err(RedisUrlError::Scheme),
        };
        Ok(Self { address, login, database })
    }
}

/// A byte in percent-encoding, unless it needs none.
#[cfg(feature = "standalone")]
fn encoded(byte: u8) -> String {
    match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    }
}

const SCHEMES: [&str; 6] = ["redis", "rediss", "redis+unix", "valkey", "valkeys", "valkey+unix"];

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.database;
        match &self.address {
            Address::Tcp { host, port, tls } => {
                let scheme = if *tls { "rediss" } else { "redis" };
                match host.contains(':') {
                    true => write!(f, "{scheme}://[{host}]:{port}/{database}"),
                    false => write!(f, "{scheme}://{host}:{port}/{database}"),
                }
            }
            Address::Unix(path) => write!(f, "redis+unix://{}?db={database}", path.display()),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_shown_without_its_secret() {
        let table = [
            ("redis://localhost", "redis://localhost:6379/0", None, None),
            ("redis://h:1/15", "redis://h:1/15", None, None),
            ("valkey://h:1", "redis://h:1/0", None, None),
            ("redis://:s3cret@h/", "redis://h:6379/0", None, Some("s3cret")),
            ("rediss://me:s3c%40et@h:7/2", "rediss://h:7/2", Some("me"), Some("s3c@et")),
            ("redis://:s3cret@[::1]:7/2", "redis://[::1]:7/2", None, Some("s3cret")),
            ("redis+unix:///run/r.sock", "redis+unix:///run/r.sock?db=0", None, None),
            (
                "redis+unix:///r.sock?db=3&user=me&pass=s3cret",
                "redis+unix:///r.sock?db=3",
                Some("me"),
                Some("s3cret"),
            ),
        ];
        for (text, shown, user, password) in table {
            let url: RedisUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.to_string(), shown, "{text}");
            assert_eq!(format!("{url:?}"), format!("RedisUrl({shown})"), "{text}");
            assert_eq!(url.is_tls(), text.starts_with("rediss:"), "{text}");
            let login = url.login.as_ref();
            assert_eq!(login.and_then(|login| login.user.as_deref()), user, "{text}");
            assert_eq!(login.map(|login| login.password.as_str()), password, "{text}");
        }
    }

    #[cfg(feature = "standalone")]
    #[test]
    fn a_url_is_shown_and_read_again() {
        let table = [
            ("redis://localhost", "redis://localhost:6379/0"),
            ("valkeys://:s3cret@[::1]:7/2", "rediss://:[redacted]@[::1]:7/2"),
            ("redis://me%40x:s3cret@h", "redis://me%40x:[redacted]@h:6379/0"),
            ("redis+unix:///r.sock?pass=s3cret", "redis+unix:///r.sock?db=0&pass=[redacted]"),
            (
                "redis+unix:///r.sock?db=3&user=a%26b&pass=s3cret",
                "redis+unix:///r.sock?db=3&user=a%26b&pass=[redacted]",
            ),
        ];
        for (text, want) in table {
            let url: RedisUrl = text.parse().unwrap();
            assert_eq!(url.redacted(), want, "{text}");
            let again: RedisUrl = want.parse().unwrap();
            assert_eq!(again.redacted(), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_redis_says_why() {
        let table = [
            ("", RedisUrlError::Malformed),
            ("localhost:6379", RedisUrlError::Malformed),
            ("http://localhost", RedisUrlError::Scheme),
            ("unix:///run/r.sock", RedisUrlError::Scheme),
            ("redis://h:66000", RedisUrlError::Malformed),
            ("redis://", RedisUrlError::Host),
            ("redis://0.0.0.0", RedisUrlError::Host),
            ("redis://[::]:1", RedisUrlError::Host),
            ("redis://h/x", RedisUrlError::Database),
            ("redis://h/-1", RedisUrlError::Database),
            ("redis://h/0/1", RedisUrlError::Database),
            ("redis+unix:///r?db=x", RedisUrlError::Database),
            ("redis://s3cret@h", RedisUrlError::Password),
            ("redis+unix://", RedisUrlError::Path),
            ("redis+unix://host/path", RedisUrlError::Path),
            ("redis://h?db=1", RedisUrlError::Parameter),
            ("redis+unix:///r?protocol=3", RedisUrlError::Parameter),
            ("rediss://h#insecure", RedisUrlError::Fragment),
        ];
        for (text, error) in table {
            assert_eq!(text.parse::<RedisUrl>(), Err(error), "{text}");
        }
    }
}
