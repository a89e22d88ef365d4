use percent_encoding::percent_decode_str;
use std::{
    error::Error,
    fmt,
    path::PathBuf,
    str::{FromStr, Utf8Error},
    sync::Arc,
    time::Duration,
};
use tokio_postgres::config::{ChannelBinding, TargetSessionAttrs};
use zeroize::Zeroizing;

/// Where a PostgreSQL is, how to log in to it, and what it has to prove.
///
/// `postgres://[user[:password]@]host[:port][,host[:port]…]/database[?parameter=value&…]`
///
/// What is no letter or digit in a user, a password or the name of a database is written in percent-encoding. Without a
/// user it is the one of the process; of several hosts, the first one that will do is used.
///
/// | parameter | |
/// |---|---|
/// | `sslmode` | see [`SslMode`] |
/// | `sslrootcert` | a file of certificates (PEM) that are trusted instead of the system's authorities; `system` for these |
/// | `host`, `port` | the directory of a Unix socket, and its number; where there is no host before the database |
/// | `connect_timeout` | in seconds, for each host; default 5 |
/// | `target_session_attrs` | `any` (default), `read-write` or `read-only`: which of several hosts will do |
/// | `channel_binding` | `disable`, `prefer` (default) or `require` |
/// | `application_name` | what the server calls the connection; default `tollgate` |
/// | `options` | the server's command line options for the connection |
///
/// `Debug` and `Display` show user, hosts and database, never the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PostgresUrl(pub(super) Arc<Parts>);

#[derive(PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) user: Option<String>,
    pub(super) password: Option<Zeroizing<Vec<u8>>>,
    pub(super) hosts: Vec<Host>,
    pub(super) database: String,
    pub(super) ssl_mode: SslMode,
    /// What is trusted instead of the system's authorities.
    pub(super) roots: Option<PathBuf>,
    pub(super) connect_timeout: Duration,
    pub(super) target: TargetSessionAttrs,
    pub(super) channel_binding: ChannelBinding,
    pub(super) application_name: String,
    pub(super) options: Option<String>,
}

/// One place where the server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// A name or an address; a directory if it begins with `/`.
    pub(super) name: String,
    pub(super) port: u16,
}

/// Whether there is TLS, and what the server's certificate has to be good for. As in libpq.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SslMode {
    /// No TLS.
    Disable,
    /// TLS if the server has it. Its certificate is not looked at, so this is no help against somebody in between.
    #[default]
    Prefer,
    /// TLS. The certificate is not looked at, unless there is an `sslrootcert`: then it is [`VerifyCa`](Self::VerifyCa).
    Require,
    /// TLS, and the certificate is one that somebody trusted has signed, for whatever host.
    VerifyCa,
    /// TLS, and the certificate is one that somebody trusted has signed, for this host.
    VerifyFull,
}

/// Why a text is not the URL of a PostgreSQL. It does not quote the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidPostgresUrl {
    Malformed,
    Host,
    Port,
    Database,
    Parameter,
    SslMode,
    RootCertificates,
    Timeout,
    Target,
    ChannelBinding,
}

impl fmt::Display for InvalidPostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => {
                "not the URL of a PostgreSQL, which looks like postgres://user:password@host:5432/database; what is no letter or digit in the password is percent-encoded (@ is %40, / is %2F)"
            }
            Self::Host => {
                "the URL of the PostgreSQL has no host, as in postgres://user:password@host/database, or postgres:///database?host=/run/postgresql for a socket"
            }
            Self::Port => {
                "the port in the URL of the PostgreSQL is no number from 1 to 65535; if that is a part of the password, percent-encode it"
            }
            Self::Database => {
                "the URL of the PostgreSQL names no database, as in postgres://user:password@host/tollgate"
            }
            Self::Parameter => {
                "the URL of the PostgreSQL has a parameter that means nothing here, or one twice; there are application_name, channel_binding, connect_timeout, host, options, port (behind host), sslmode, sslrootcert and target_session_attrs"
            }
            Self::SslMode => {
                "sslmode of a PostgreSQL is disable, prefer, require, verify-ca or verify-full"
            }
            Self::RootCertificates => {
                "sslrootcert of a PostgreSQL is a file of certificates (PEM) and needs sslmode require, verify-ca or verify-full; or it is system, with the latter two"
            }
            Self::Timeout => "connect_timeout of a PostgreSQL is a number of seconds from 1 on",
            Self::Target => {
                "target_session_attrs of a PostgreSQL is any, read-write or read-only"
            }
            Self::ChannelBinding => {
                "channel_binding of a PostgreSQL is disable, prefer or require"
            }
        })
    }
}

impl Error for InvalidPostgresUrl {}

impl From<Utf8Error> for InvalidPostgresUrl {
    fn from(_: Utf8Error) -> Self {
        Self::Malformed
    }
}

impl PostgresUrl {
    /// Reads what stands behind `postgres://`.
    pub(in crate::store) fn parse(rest: &str) -> Result<Self, InvalidPostgresUrl> {
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        // The last one: whatever is before it may be a password, and must not pass for a host.
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        // Rather than a name, this is the end of a password with a `/` in it.
        if database.contains(['/', '@']) {
            return Err(InvalidPostgresUrl::Malformed);
        }
        let mut parts = Parts {
            user: None,
            password: None,
            hosts: Vec::new(),
            database: decode(database)?,
            ssl_mode: SslMode::default(),
            roots: None,
            connect_timeout: Duration::from_secs(5),
            target: TargetSessionAttrs::Any,
            channel_binding: ChannelBinding::Prefer,
            application_name: "tollgate".to_owned(),
            options: None,
        };
        if let Some(login) = login {
            parts.log_in(login)?;
        }
        if !hosts.is_empty() {
            parts.hosts = hosts.split(',').map(str::parse).collect::<Result<_, _>>()?;
        }
        parts.parameters(query)?;
        if parts.hosts.is_empty() {
            return Err(InvalidPostgresUrl::Host);
        }
        if parts.database.is_empty() {
            return Err(InvalidPostgresUrl::Database);
        }
        Ok(Self(Arc::new(parts)))
    }
}

impl Parts {
    fn log_in(&mut self, login: &str) -> Result<(), InvalidPostgresUrl> {
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        self.user = Some(decode(user)?).filter(|user| !user.is_empty());
        self.password =
            password.map(|password| percent_decode_str(password).collect::<Vec<_>>().into());
        Ok(())
    }

    fn parameters(&mut self, query: &str) -> Result<(), InvalidPostgresUrl> {
        let mut seen = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(InvalidPostgresUrl::Parameter)?;
            if seen.contains(&name) {
                return Err(InvalidPostgresUrl::Parameter);
            }
            seen.push(name);
            self.parameter(name, decode(value)?)?;
        }
        // Certificates that nothing looks at: somebody believes to be safe.
        let checked = match self.ssl_mode {
            SslMode::Disable | SslMode::Prefer => false,
            SslMode::Require => self.roots.is_some(),
            SslMode::VerifyCa | SslMode::VerifyFull => true,
        };
        match seen.contains(&"sslrootcert") && !checked {
            true => Err(InvalidPostgresUrl::RootCertificates),
            false => Ok(()),
        }
    }

    fn parameter(&mut self, name: &str, value: String) -> Result<(), InvalidPostgresUrl> {
        match name {
            "sslmode" => self.ssl_mode = value.parse()?,
            "sslrootcert" if value.is_empty() => return Err(InvalidPostgresUrl::RootCertificates),
            "sslrootcert" => self.roots = (value != "system").then(|| value.into()),
            "host" if self.hosts.is_empty() && value.starts_with('/') => {
                self.hosts.push(Host { name: value, port: Host::PORT });
            }
            "port" => {
                // Behind its host, which is a socket then: others have their port beside them.
                let socket = self.hosts.first_mut().filter(|host| host.is_socket());
                socket.ok_or(InvalidPostgresUrl::Host)?.port = port(&value)?;
            }
            "host" => return Err(InvalidPostgresUrl::Host),
            "connect_timeout" => {
                let seconds = value.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
                let seconds = seconds.ok_or(InvalidPostgresUrl::Timeout)?;
                self.connect_timeout = Duration::from_secs(seconds);
            }
            "target_session_attrs" => {
                self.target = match value.as_str() {
                    "any" => TargetSessionAttrs::Any,
                    "read-write" => TargetSessionAttrs::ReadWrite,
                    "read-only" => TargetSessionAttrs::ReadOnly,
                    _ => return Err(InvalidPostgresUrl::Target),
                }
            }
            "channel_binding" => {
                self.channel_binding = match value.as_str() {
                    "disable" => ChannelBinding::Disable,
                    "prefer" => ChannelBinding::Prefer,
                    "require" => ChannelBinding::Require,
                    _ => return Err(InvalidPostgresUrl::ChannelBinding),
                }
            }
            "application_name" => self.application_name = value,
            "options" => self.options = Some(value),
            _ => return Err(InvalidPostgresUrl::Parameter),
        }
        Ok(())
    }
}

impl Host {
    const PORT: u16 = 5432;

    /// Whether it is the directory of a socket.
    pub(super) fn is_socket(&self) -> bool {
        self.name.starts_with('/')
    }
}

impl FromStr for Host {
    type Err = InvalidPostgresUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPostgresUrl> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (name, port) = rest.split_once(']').ok_or(InvalidPostgresUrl::Malformed)?;
                match port.strip_prefix(':') {
                    None if !port.is_empty() => return Err(InvalidPostgresUrl::Malformed),
                    port => (name, port),
                }
            }
            None => match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            },
        };
        let name = decode(name)?;
        if name.is_empty() || name.contains(' ') {
            return Err(InvalidPostgresUrl::Host);
        }
        let port = match port {
            None | Some("") => Self::PORT,
            Some(number) => self::port(number)?,
        };
        Ok(Self { name, port })
    }
}

impl FromStr for SslMode {
    type Err = InvalidPostgresUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPostgresUrl> {
        Ok(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return Err(InvalidPostgresUrl::SslMode),
        })
    }
}

fn port(text: &str) -> Result<u16, InvalidPostgresUrl> {
    text.parse().ok().filter(|port| *port > 0).ok_or(InvalidPostgresUrl::Port)
}

/// Without percent-encoding. Nothing that goes to a server or a terminal has control characters.
fn decode(text: &str) -> Result<String, InvalidPostgresUrl> {
    let decoded = percent_decode_str(text).decode_utf8()?;
    match decoded.chars().any(char::is_control) {
        true => Err(InvalidPostgresUrl::Malformed),
        false => Ok(decoded.into_owned()),
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { user, hosts, database, .. } = &*self.0;
        f.write_str("postgres://")?;
        if let Some(user) = user {
            write!(f, "{user}@")?;
        }
        for (index, Host { name, port }) in hosts.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match name.contains(':') {
                true => write!(f, "{comma}[{name}]:{port}")?,
                false => write!(f, "{comma}{name}:{port}")?,
            }
        }
        write!(f, "/{database}")
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_shown_without_its_secret() {
        // (behind postgres://, shown, password)
        let table: [(&str, &str, Option<&[u8]>); 10] = [
            ("u:s3cret@h/d", "u@h:5432/d", Some(b"s3cret")),
            ("u:s3c%40%2Fret%FF@h:1/d", "u@h:1/d", Some(b"s3c@/ret\xff")),
            // What is not encoded and can be told apart all the same.
            ("u:s3cret@x:y@h/d", "u@h:5432/d", Some(b"s3cret@x:y")),
            ("u:s3cret#@h/d", "u@h:5432/d", Some(b"s3cret#")),
            ("u@h/d", "u@h:5432/d", None),
            ("h/d", "h:5432/d", None),
            ("u:@[::1]:7/d%20e", "u@[::1]:7/d e", Some(b"")),
            ("u:p@a,b:7,[::2]/d?", "u@a:5432,b:7,[::2]:5432/d", Some(b"p")),
            ("u@%2Frun%2Fpg:7/d", "u@/run/pg:7/d", None),
            ("/d?host=/run/pg&port=7", "/run/pg:7/d", None),
        ];
        for (text, shown, password) in table {
            let url = PostgresUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.to_string(), format!("postgres://{shown}"), "{text}");
            assert_eq!(format!("{url:?}"), format!("PostgresUrl({url})"), "{text}");
            assert_eq!(url.0.password.as_ref().map(|password| password.as_slice()), password);
            assert_eq!(url.configs().next().unwrap().get_password(), password, "{text}");
        }
    }

    #[test]
    fn parameters() {
        let url = PostgresUrl::parse(
            "u@h/d?sslmode=verify-ca&sslrootcert=/etc/a%20b.pem&connect_timeout=7&application_name=x\
             &target_session_attrs=read-write&channel_binding=require&options=-c%20a%3Db",
        );
        let url = url.unwrap();
        assert_eq!(url.0.ssl_mode, SslMode::VerifyCa);
        assert_eq!(url.0.roots, Some("/etc/a b.pem".into()));
        let config = url.configs().next().unwrap();
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(7)));
        assert_eq!(config.get_application_name(), Some("x"));
        assert_eq!(config.get_options(), Some("-c a=b"));
        assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        assert_eq!(config.get_channel_binding(), ChannelBinding::Require);
        assert_eq!(config.get_ssl_mode(), tokio_postgres::config::SslMode::Require);
        let system = PostgresUrl::parse("u@h/d?sslrootcert=system&sslmode=verify-full").unwrap();
        assert_eq!((system.0.ssl_mode, &system.0.roots), (SslMode::VerifyFull, &None));
        let default = PostgresUrl::parse("u@h/d").unwrap();
        assert_eq!(default.0.ssl_mode, SslMode::Prefer);
        // libpq speaks no TLS over a socket either.
        let socket = PostgresUrl::parse("u@/d?host=/run&sslmode=require").unwrap();
        let config = socket.configs().next().unwrap();
        assert_eq!(config.get_ssl_mode(), tokio_postgres::config::SslMode::Disable);
    }

    #[test]
    fn what_is_no_url_of_a_postgres_says_why() {
        use InvalidPostgresUrl::*;
        let table = [
            ("", Host),
            ("/d", Host),
            ("u:s3cret@/d", Host),
            ("u:s3cret@h,/d", Host),
            ("u@h x/d", Host),
            ("u:s3cret@h/d?host=/run", Host),
            ("u:s3cret@/d?host=h", Host),
            ("u:s3cret@h/d?port=7", Host),
            ("u:s3cret@h", Database),
            ("u:s3cret@h/", Database),
            ("u:s3cret@h?sslmode=require", Database),
            ("u:s3cret@h:0/d", Port),
            ("u:s3cret@h:66000/d", Port),
            ("u:s3cret@h:x/d", Port),
            // Passwords that end the URL where they should not.
            ("u:s3/cret@h/d", Malformed),
            ("u:5432/s3cret@h/d", Malformed),
            ("u:s3?cret@h/d", Port),
            ("u:1/s3?cret@h/d", Parameter),
            ("u:s3cret@[::1/d", Malformed),
            ("u:s3cret@[::1]x/d", Malformed),
            ("u%00:s3cret@h/d", Malformed),
            ("u:s3cret@h/d%0a", Malformed),
            ("u%ff:s3cret@h/d", Malformed),
            ("u:s3cret@h/d?s3cret", Parameter),
            ("u:s3cret@h/d?password=s3cret", Parameter),
            ("u:s3cret@h/d?sslmode=require&sslmode=disable", Parameter),
            ("u:s3cret@h/d?sslmode=s3cret", SslMode),
            ("u:s3cret@h/d?sslmode=allow", SslMode),
            // Nobody would look at them.
            ("u:s3cret@h/d?sslrootcert=/ca.pem", RootCertificates),
            ("u:s3cret@h/d?sslrootcert=/ca.pem&sslmode=prefer", RootCertificates),
            ("u:s3cret@h/d?sslrootcert=system&sslmode=require", RootCertificates),
            ("u:s3cret@h/d?sslrootcert=&sslmode=require", RootCertificates),
            ("u:s3cret@h/d?connect_timeout=0", Timeout),
            ("u:s3cret@h/d?connect_timeout=s3cret", Timeout),
            ("u:s3cret@h/d?target_session_attrs=primary", Target),
            ("u:s3cret@h/d?channel_binding=s3cret", ChannelBinding),
        ];
        for (text, want) in table {
            let error = PostgresUrl::parse(text).unwrap_err();
            assert_eq!(error, want, "{text}");
            assert!(!error.to_string().contains("s3cret"), "{text}");
        }
    }
}
