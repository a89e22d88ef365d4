//! Where things are kept.
use super::{Invalid, shown_as, text_value};
use crate::store::StoreUrl;
use serde::{Serialize, Serializer};
use std::str::FromStr;

/// Where keys are kept: `sqlite://PATH`, where a relative path starts at the working directory, or
/// `postgres://user:password@host/database`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreAddress(StoreUrl);

impl StoreAddress {
    pub(crate) const fn get(&self) -> &StoreUrl {
        &self.0
    }
}

impl FromStr for StoreAddress {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse()
            .map(Self)
            .map_err(|error: crate::store::InvalidStoreUrl| error.to_string().into())
    }
}

text_value!(StoreAddress, "StoreAddress", "a string, such as \"sqlite://tollgate.db\"", {
    "type": "string", "pattern": "^(sqlite|postgres|postgresql)://.+",
    "examples": ["sqlite://tollgate.db", "sqlite:///var/lib/tollgate/keys.db", "postgres://tollgate:${PGPASSWORD}@db.example.com/tollgate?sslmode=verify-full"]
});

/// Where requests are counted: `"local"` for in this process, or the URL of a Redis that several share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Limits {
    /// In this process.
    #[default]
    Local,
    /// In Redis.
    #[cfg(feature = "redis")]
    Redis(crate::limit::redis::RedisUrl),
}

impl Limits {
    /// What is logged in with there.
    pub(in crate::config) fn password(&self) -> Option<&str> {
        match self {
            Self::Local => None,
            #[cfg(feature = "redis")]
            Self::Redis(url) => url.password(),
        }
    }

    /// Whether they are counted somewhere that is spoken to over TLS.
    pub(crate) const fn is_tls(&self) -> bool {
        match self {
            Self::Local => false,
            #[cfg(feature = "redis")]
            Self::Redis(url) => url.is_tls(),
        }
    }
}

impl FromStr for Limits {
    type Err = Invalid;

    #[cfg(feature = "redis")]
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text == "local" {
            return Ok(Self::Local);
        }
        if !text.contains("://") {
            return Err(
                "expected `local` or the URL of a Redis, such as redis://127.0.0.1:6379/0".into()
            );
        }
        let url = text.parse::<crate::limit::redis::RedisUrl>();
        url.map(Self::Redis).map_err(|error| error.to_string().into())
    }

    #[cfg(not(feature = "redis"))]
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "local" => Ok(Self::Local),
            _ => Err("expected `local`; this build was made without the feature `redis`".into()),
        }
    }
}

shown_as!(StoreAddress, |address| address.0.redacted());

impl Serialize for Limits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Local => serializer.serialize_str("local"),
            #[cfg(feature = "redis")]
            Self::Redis(url) => serializer.collect_str(&url.redacted()),
        }
    }
}

text_value!(Limits, "Limits", "a string, `local` or the URL of a Redis", {
    "type": "string", "pattern": "^(local|(redis|rediss|redis\\+unix|valkey|valkeys|valkey\\+unix)://.+)$",
    "examples": ["local", "redis://127.0.0.1:6379/0"]
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_and_counters() {
        assert!("sqlite://tollgate.db".parse::<StoreAddress>().is_ok());
        #[cfg(feature = "postgres")]
        assert!("postgres://u:s3cret@h/d".parse::<StoreAddress>().is_ok());
        for text in ["", "tollgate.db", "postgres://u:s3cret@h", "mysql://u:s3cret@h"] {
            let error = text.parse::<StoreAddress>().unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
        assert_eq!("local".parse(), Ok(Limits::Local));
        for text in ["", "Local", "redis", "http://:s3cret@h", "redis://:s3cret@h:99999"] {
            let error = text.parse::<Limits>().unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
        #[cfg(feature = "redis")]
        assert!(matches!("redis://:s3cret@h:6379/1".parse(), Ok(Limits::Redis(_))));
    }
}
