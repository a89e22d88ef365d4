use crate::store::StoreError;
use std::{error::Error, fmt, io, path::PathBuf, time::Duration};
use tokio_postgres::error::{DbError, SqlState};

/// Why PostgreSQL does not do what a store asks of it, and what to do about it.
///
/// What a server says is repeated where it is about the connection. It is never told a key, nor does it repeat a
/// password.
#[derive(Debug)]
pub(crate) enum PostgresError {
    /// The file of certificates cannot be used.
    RootCertificates { file: PathBuf, error: String },
    /// There is no connection to be had.
    Unreachable(io::Error),
    /// It is there, and says nothing for so long.
    Silent(Duration),
    /// It is starting up or shutting down.
    Unavailable,
    /// It has no more connections to give.
    Busy,
    /// No TLS comes about.
    Tls(String),
    /// The wrong user or password.
    Login,
    /// It wants a password.
    NoPassword,
    /// It lets nobody in like that.
    Refused(String),
    /// It has no such database.
    NoDatabase,
    /// The database cannot hold every character.
    Encoding(String),
    /// The user may not do that.
    Denied(String),
    /// It is a standby, or is told to be read-only.
    ReadOnly,
    /// The connection has ended.
    Lost,
    /// The connection has ended while a change was being stored.
    InDoubt,
    /// Others were changing the same.
    Conflict,
    /// Something else.
    Other(tokio_postgres::Error),
}

impl PostgresError {
    /// Why there is no connection.
    pub(super) fn connecting(error: tokio_postgres::Error) -> StoreError {
        if error.as_db_error().is_some() {
            return error.into();
        }
        let source = error.source();
        if let Some(io) = source.and_then(|error| error.downcast_ref::<io::Error>()) {
            return match io.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
                Some(error) => Self::Tls(error.to_string()),
                None => Self::Unreachable(io::Error::new(io.kind(), io.to_string())),
            }
            .into();
        }
        // The client has no other way to tell these apart.
        match source.map(ToString::to_string).as_deref() {
            Some("password missing") => Self::NoPassword,
            Some(reason) if error.to_string().contains("TLS") => Self::Tls(reason.to_owned()),
            _ if error.is_closed() => Self::Unreachable(io::ErrorKind::UnexpectedEof.into()),
            _ => Self::Other(error),
        }
        .into()
    }

    /// Whether the connection is of no use any more, and another one may be.
    pub(super) const fn is_broken(&self) -> bool {
        matches!(self, Self::Lost | Self::InDoubt | Self::Unavailable | Self::Unreachable(_))
    }

    /// Whether the server may be there, and take it, without any other configuration of ours.
    pub(in crate::store) const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::Silent(_)
            | Self::Unavailable
            | Self::Busy
            | Self::ReadOnly
            | Self::Lost
            | Self::InDoubt
            | Self::Conflict => true,
            Self::RootCertificates { .. }
            | Self::Tls(_)
            | Self::Login
            | Self::NoPassword
            | Self::Refused(_)
            | Self::NoDatabase
            | Self::Encoding(_)
            | Self::Denied(_)
            | Self::Other(_) => false,
        }
    }

    /// Whether the same may well be possible a moment later.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict) || self.code() == Some(&SqlState::UNIQUE_VIOLATION)
    }

    /// Whether it is what was asked that cannot be done, and not the server that can do nothing.
    pub(in crate::store) fn is_about_what_was_asked(&self) -> bool {
        // Data that does not fit, a constraint that forbids it, and what a function of ours says of it.
        self.code().is_some_and(|code| ["22", "23", "P0"].contains(&&code.code()[..2]))
    }

    fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Other(error) => error.code(),
            _ => None,
        }
    }

    /// What has become of a change whose end was not confirmed.
    pub(super) fn storing(error: StoreError) -> StoreError {
        match error {
            StoreError::Postgres(Self::Lost | Self::Silent(_) | Self::Unavailable) => {
                Self::InDoubt.into()
            }
            error => error,
        }
    }
}

impl From<PostgresError> for StoreError {
    fn from(error: PostgresError) -> Self {
        Self::Postgres(error)
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(said) => answered(said).unwrap_or(Self::Postgres(PostgresError::Other(error))),
            None if is_lost(&error) => PostgresError::Lost.into(),
            None => PostgresError::Other(error).into(),
        }
    }
}

/// What an error of the server means, where that is known.
fn answered(said: &DbError) -> Option<StoreError> {
    let message = || said.message().to_owned();
    let error = match *said.code() {
        SqlState::INVALID_PASSWORD => PostgresError::Login,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => PostgresError::Refused(message()),
        SqlState::INVALID_CATALOG_NAME => PostgresError::NoDatabase,
        SqlState::INSUFFICIENT_PRIVILEGE => PostgresError::Denied(message()),
        SqlState::READ_ONLY_SQL_TRANSACTION => PostgresError::ReadOnly,
        SqlState::TOO_MANY_CONNECTIONS => PostgresError::Busy,
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
            PostgresError::Unavailable
        }
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => PostgresError::Lost,
        SqlState::DISK_FULL => return Some(StoreError::Full),
        SqlState::LOCK_NOT_AVAILABLE => return Some(StoreError::Locked),
        SqlState::T_R_DEADLOCK_DETECTED | SqlState::T_R_SERIALIZATION_FAILURE => {
            PostgresError::Conflict
        }
        SqlState::UNDEFINED_TABLE | SqlState::INVALID_SCHEMA_NAME => {
            return Some(StoreError::Missing);
        }
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => {
            return Some(StoreError::Corrupt(message()));
        }
        _ => return None,
    };
    Some(error.into())
}

fn is_lost(error: &tokio_postgres::Error) -> bool {
    error.is_closed() || error.source().is_some_and(|source| source.is::<io::Error>())
}

impl fmt::Display for PostgresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RootCertificates { file, error } => {
                write!(f, "the certificates of {} cannot be used: {error}", file.display())
            }
            Self::Unreachable(error) => write!(
                f,
                "the server cannot be reached ({error}); does it run, and are host and port the right ones?"
            ),
            Self::Silent(time) => write!(
                f,
                "the server has not answered for {} s; is it overloaded, or stopped?",
                time.as_secs()
            ),
            Self::Unavailable => {
                f.write_str("the server is starting up or shutting down; try again in a moment")
            }
            Self::Busy => f.write_str(
                "the server has no connection left; raise its max_connections, or that of the user or the database",
            ),
            Self::Tls(error) => {
                write!(f, "no TLS with the server: {error}; see sslmode and sslrootcert of the URL")
            }
            Self::Login => f.write_str(
                "the server refuses the user or the password; in the URL, what is no letter or digit of them is percent-encoded",
            ),
            Self::NoPassword => {
                f.write_str("the server wants a password, and there is none in the URL")
            }
            Self::Refused(said) => write!(
                f,
                "the server refuses the connection ({said}); its pg_hba.conf says who may connect, from where and how"
            ),
            Self::NoDatabase => {
                f.write_str("the server has no such database; make it first, with CREATE DATABASE")
            }
            Self::Encoding(encoding) => write!(
                f,
                "the encoding of the database is {encoding}; make one with ENCODING 'UTF8'"
            ),
            Self::Denied(said) => write!(
                f,
                "the user may not do that ({said}); whoever makes the store needs CREATE on the database, everybody else USAGE on the schema tollgate and rights on its tables"
            ),
            Self::ReadOnly => f.write_str(
                "the server is read-only, perhaps a standby, nothing was changed; name the one that is written to, or all of them with target_session_attrs=read-write",
            ),
            Self::Lost => {
                f.write_str("the connection to the server was lost, nothing was changed; try again")
            }
            Self::InDoubt => f.write_str(
                "the connection to the server was lost while the change was being stored; look whether it was before you try again",
            ),
            Self::Conflict => f.write_str(
                "others were changing the same at the same time, nothing was changed; try again",
            ),
            Self::Other(error) => match error.as_db_error() {
                Some(said) => {
                    write!(f, "PostgreSQL failed: {} (SQLSTATE {})", said.message(), said.code().code())
                }
                None => match error.source() {
                    Some(source) => write!(f, "PostgreSQL failed: {error}: {source}"),
                    None => write!(f, "PostgreSQL failed: {error}"),
                },
            },
        }
    }
}

impl Error for PostgresError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(error) => Some(error),
            Self::Other(error) => Some(error),
            _ => None,
        }
    }
}
