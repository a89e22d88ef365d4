#[cfg(feature = "postgres")]
use super::postgres::{InvalidPostgresUrl, PostgresUrl};
use std::{fmt, path::PathBuf, str::FromStr};

/// Where a store is: `sqlite://relative.db`, `sqlite:///absolute/path.db` or `postgres://…`.
///
/// The path of a file is taken as it is written, without percent-decoding; a relative one starts at the working
/// directory. Neither `Debug` nor `Display` shows a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    #[cfg(feature = "postgres")]
    Postgres(PostgresUrl),
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl StoreUrl {
    /// What it logs in with.
    pub(crate) fn password(&self) -> Option<&str> {
        match self {
            Self::Sqlite(_) => None,
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => url.password(),
        }
    }

    /// The whole of it, but for what is secret.
    pub(crate) fn redacted(&self) -> String {
        match self {
            Self::Sqlite(_) => self.to_string(),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => url.redacted(),
        }
    }
}

/// Text that names no store. It is never quoted: a URL can hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidStoreUrl {
    Empty,
    Scheme,
    #[cfg(not(feature = "postgres"))]
    NoPostgres,
    #[cfg(feature = "postgres")]
    Postgres(InvalidPostgresUrl),
    Memory,
    Path,
    Parameters,
}

impl fmt::Display for InvalidStoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the URL of the store is empty; expected sqlite://PATH or postgres://…",
            Self::Scheme => {
                "expected sqlite://PATH, such as sqlite://tollgate.db or sqlite:///var/lib/tollgate/keys.db, or postgres://user:password@host/database"
            }
            #[cfg(not(feature = "postgres"))]
            Self::NoPostgres => "this build has no PostgreSQL; use sqlite://PATH",
            #[cfg(feature = "postgres")]
            Self::Postgres(invalid) => return invalid.fmt(f),
            Self::Memory => {
                "a store in memory ends with its process, and no other process sees it; name a file: sqlite://PATH"
            }
            Self::Path => "sqlite:// needs the path of a file, such as sqlite://tollgate.db",
            Self::Parameters => "the URL of a SQLite store is sqlite://PATH, without ? and #",
        })
    }
}

impl std::error::Error for InvalidStoreUrl {}

impl FromStr for StoreUrl {
    type Err = InvalidStoreUrl;

    fn from_str(text: &str) -> Result<Self, InvalidStoreUrl> {
        if text.trim().is_empty() {
            return Err(InvalidStoreUrl::Empty);
        }
        if text.contains(":memory:") {
            return Err(InvalidStoreUrl::Memory);
        }
        let (scheme, rest) = text.split_once("://").ok_or(InvalidStoreUrl::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => file(rest).map(Self::Sqlite),
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                PostgresUrl::parse(rest).map(Self::Postgres).map_err(InvalidStoreUrl::Postgres)
            }
            #[cfg(not(feature = "postgres"))]
            "postgres" | "postgresql" => Err(InvalidStoreUrl::NoPostgres),
            _ => Err(InvalidStoreUrl::Scheme),
        }
    }
}

fn file(path: &str) -> Result<PathBuf, InvalidStoreUrl> {
    match path {
        _ if path.contains(['?', '#']) => Err(InvalidStoreUrl::Parameters),
        _ if path.is_empty() || path.ends_with('/') || path.chars().any(char::is_control) => {
            Err(InvalidStoreUrl::Path)
        }
        _ => Ok(path.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        use InvalidStoreUrl::*;
        let sqlite = |path: &str| Ok(StoreUrl::Sqlite(path.into()));
        let table = [
            ("sqlite://keys.db", sqlite("keys.db")),
            ("sqlite://a/keys.db", sqlite("a/keys.db")),
            ("sqlite:///a/b c.db", sqlite("/a/b c.db")),
            ("SQLite://keys.db", sqlite("keys.db")),
            ("sqlite://a%20b.db", sqlite("a%20b.db")),
            ("", Err(Empty)),
            (" ", Err(Empty)),
            ("sqlite::memory:", Err(Memory)),
            ("sqlite://:memory:", Err(Memory)),
            ("sqlite://", Err(Path)),
            ("sqlite:///a/", Err(Path)),
            ("sqlite://a\0b", Err(Path)),
            ("sqlite://keys.db?mode=ro", Err(Parameters)),
            #[cfg(not(feature = "postgres"))]
            ("postgres://u:s3cret@h/db", Err(NoPostgres)),
            #[cfg(not(feature = "postgres"))]
            ("postgresql://h", Err(NoPostgres)),
            #[cfg(feature = "postgres")]
            ("PostgreSQL://u:s3cret@h", Err(Postgres(InvalidPostgresUrl::Database))),
            ("mysql://u:s3cret@h/db", Err(Scheme)),
            ("keys.db", Err(Scheme)),
            ("sqlite:keys.db", Err(Scheme)),
        ];
        for (text, want) in table {
            let got = text.parse::<StoreUrl>();
            assert_eq!(got, want, "{text}");
            if let Err(error) = got {
                assert!(!error.to_string().contains("s3cret"), "{text}");
            }
        }
    }
}
