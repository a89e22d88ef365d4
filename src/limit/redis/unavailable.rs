use redis::{ErrorKind, RedisError, ServerErrorKind};
use std::{error::Error, fmt, io};

/// Why a Redis could not be asked.
///
/// It holds nothing of what a server said beyond the code of an error, and never a password: servers repeat
/// arguments in their errors.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unavailable {
    /// Its name has no address.
    Unresolved,
    /// Nothing accepts a connection there.
    Unreachable(io::ErrorKind),
    /// TLS could not be agreed on, or the certificate is not trusted.
    Tls(Box<str>),
    /// It closed the connection.
    Closed,
    /// It did not answer in time. What was asked may have been done: units may have been spent.
    Timeout,
    /// What answers there does not speak its protocol.
    NotRedis,
    /// It wants a password (`NOAUTH`).
    PasswordRequired,
    /// It does not accept the user or the password (`WRONGPASS`).
    PasswordRejected,
    /// The user may not run what is needed (`NOPERM`).
    NotPermitted,
    /// It has no database of this number.
    NoDatabase,
    /// It is still loading its data (`LOADING`).
    Loading,
    /// It is a replica (`READONLY`).
    ReadOnly,
    /// It has no memory for another counter (`OOM`).
    OutOfMemory,
    /// It is a node of a cluster that does not own the counters (`MOVED`).
    OtherNode,
    /// It refuses with another error.
    Refused(&'static str),
    /// As many checks as allowed wait already.
    Crowded,
    /// A quota's burst takes more than 146 years to come back, which its clock cannot hold.
    Uncountable,
    /// There is no tokio runtime to connect on.
    NoRuntime,
}

impl Unavailable {
    /// What the error of a command means.
    pub(super) fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => return Self::NotRedis,
            ErrorKind::Io if error.is_timeout() => return Self::Timeout,
            ErrorKind::Io => return Self::Closed,
            ErrorKind::Server(ServerErrorKind::NoPerm) => return Self::NotPermitted,
            _ => {}
        }
        match error.code() {
            Some("NOAUTH") => Self::PasswordRequired,
            Some("WRONGPASS") => Self::PasswordRejected,
            Some("NOPERM") => Self::NotPermitted,
            Some("LOADING") => Self::Loading,
            Some("READONLY") => Self::ReadOnly,
            Some("OOM") => Self::OutOfMemory,
            Some("MOVED" | "ASK") => Self::OtherNode,
            code => {
                let detail = error.detail().unwrap_or_default();
                let inside = INSIDE_A_SCRIPT.iter().find(|(sign, _)| detail.contains(sign));
                inside.map_or_else(|| Self::Refused(known_code(code)), |(_, it)| it.clone())
            }
        }
    }

    /// What a refusal means that has no code of its own, given what was asked.
    pub(super) fn or(self, meaning: Self) -> Self {
        match self {
            Self::Refused(_) => meaning,
            other => other,
        }
    }

    /// Whether this says something about the connection, and not only about one check.
    pub(super) fn is_lasting(&self) -> bool {
        !matches!(self, Self::Crowded | Self::Uncountable | Self::NoRuntime)
    }
}

/// What a command inside the script failed with, which some versions report as `ERR` with a text.
const INSIDE_A_SCRIPT: [(&str, Unavailable); 4] = [
    ("The user executing the script can't", Unavailable::NotPermitted),
    (" -OOM ", Unavailable::OutOfMemory),
    (" -READONLY ", Unavailable::ReadOnly),
    (" -MISCONF ", Unavailable::Refused("MISCONF")),
];

/// Codes in our own words: a server's word may be anything.
fn known_code(code: Option<&str>) -> &'static str {
    const KNOWN: [&str; 9] = [
        "ERR",
        "BUSY",
        "CLUSTERDOWN",
        "EXECABORT",
        "MASTERDOWN",
        "MISCONF",
        "NOREPLICAS",
        "NOSCRIPT",
        "TRYAGAIN",
    ];
    KNOWN.into_iter().find(|known| Some(*known) == code).unwrap_or("an unknown error")
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unresolved => "its host name has no address",
            Self::Unreachable(kind) => return write!(f, "it cannot be reached: {kind}"),
            Self::Tls(error) => return write!(f, "TLS cannot be agreed on: {error}"),
            Self::Closed => "it closed the connection",
            Self::Timeout => "it does not answer in time",
            Self::NotRedis => "what answers there is not Redis",
            Self::PasswordRequired => "it wants a password",
            Self::PasswordRejected => "it does not accept the user or the password",
            Self::NotPermitted => {
                "its user lacks permissions: evalsha, script|load, select, time, and get, set on tollgate:*"
            }
            Self::NoDatabase => "it has no database of this number",
            Self::Loading => "it is still loading its data",
            Self::ReadOnly => "it is a replica, where nothing can be written",
            Self::OutOfMemory => "it has reached its maxmemory and evicts nothing",
            Self::OtherNode => "it is a cluster's node that does not own the slot of {limits}",
            Self::Refused(code) => return write!(f, "it refuses with {code}"),
            Self::Crowded => "too many checks wait for it",
            Self::Uncountable => "a quota takes more than 146 years to come back",
            Self::NoRuntime => "there is no tokio runtime to connect on",
        })
    }
}

impl Error for Unavailable {}
