//! Where a provider is.
use super::{
    Invalid, REDACTED,
    free::{Free, free},
    path::has_dot_segments,
    shown_as, text_schema, text_value,
};
use http::{
    Uri,
    uri::{Authority, Scheme},
};
use serde::{Deserialize, Deserializer};
use std::{fmt, str::FromStr};

/// The URL that requests to an endpoint begin with: `http(s)://host[:port][/prefix]`.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    scheme: Scheme,
    authority: Authority,
    prefix: String,
    /// The prefix as it may be shown.
    shown: String,
}

impl EndpointUrl {
    /// Whether it is `https`.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The host and, where it was written, the port; what `Host` carries.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The host; an IPv6 address is in brackets.
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// The port, be it the scheme's.
    pub fn port(&self) -> u16 {
        let default = if self.is_https() { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(default)
    }

    /// What the paths of requests are put behind: empty, or `/…` without a slash at its end.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl EndpointUrl {
    /// The whole of it.
    pub fn to_uri(&self) -> Uri {
        // Its parts come from one.
        self.to_string().parse().unwrap_or_default()
    }

    /// The same, which was given by the environment as a whole.
    pub(in crate::config) fn of_environment(self) -> Self {
        self.to_be_shown_as(REDACTED)
    }

    /// The same without the prefix.
    #[cfg(feature = "otlp")]
    pub(crate) fn root(&self) -> Uri {
        Self { prefix: String::new(), ..self.clone() }.to_uri()
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointUrl({}://{}{})", self.scheme, self.authority, self.shown)
    }
}

impl Free for EndpointUrl {
    const EXPECTED: &'static str = URL;

    /// Where it is can be seen, be it out of a variable. What a variable says of the path may be a token.
    fn to_be_shown_as(self, text: &str) -> Self {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = path.trim_end_matches('/');
        let shown = match (path.contains(REDACTED), place.contains(REDACTED)) {
            (true, false) => path.to_owned(),
            // A variable that begins before the path may go on into it.
            (true, true) => format!("/{REDACTED}"),
            (false, _) if path == self.prefix => return self,
            (false, _) => format!("/{REDACTED}{path}"),
        };
        Self { shown, ..self }
    }
}

impl<'de> Deserialize<'de> for EndpointUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        free(deserializer)
    }
}

shown_as!(EndpointUrl, |url| format_args!("{}://{}{}", url.scheme, url.authority, url.shown));

const URL: &str = "a URL such as \"https://api.example.com\" or \"http://127.0.0.1:9000/prefix\"";

impl FromStr for EndpointUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.contains(['?', '#']) {
            return Err("the URL of an endpoint has no query and no fragment".into());
        }
        let parts = text.parse::<Uri>().map(Uri::into_parts).map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(wrong());
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err("the URL of an endpoint begins with http:// or https://".into());
        }
        if authority.as_str().contains('@') {
            return Err("a URL cannot hold a user and password; use `credential`".into());
        }
        let path = parts.path_and_query.as_ref().map_or("", |path| path.path());
        if has_dot_segments(path) {
            return Err("the path of a URL cannot have `.` or `..` segments".into());
        }
        check_port(&authority)?;
        let prefix = path.trim_end_matches('/').to_owned();
        Ok(Self { scheme, authority, shown: prefix.clone(), prefix })
    }
}

fn wrong() -> Invalid {
    format!("expected {URL}").into()
}

/// The parser lets any digits pass as a port, and none.
fn check_port(authority: &Authority) -> Result<(), Invalid> {
    let host = authority.host();
    let port = authority.as_str().get(host.len()..).unwrap_or_default();
    match (port, authority.port_u16()) {
        _ if matches!(host, "" | "[]") => Err(wrong()),
        ("", None) => Ok(()),
        // The parser takes a sign for a part of the number.
        (port, Some(1..)) if port[1..].bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
        _ => Err("the port of the URL is not a number from 1 to 65535".into()),
    }
}

text_schema!(EndpointUrl, "EndpointUrl", {
    "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+(/[^?#]*)?$", "examples": ["https://api.example.com"]
});

/// The name that a provider's certificate is for, where it is not the host of its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName(String);

impl ServerName {
    /// A DNS name, or an address without brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const SERVER_NAME: &str = "a DNS name or an address without a port, such as \"api.internal\"";

impl FromStr for ServerName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match rustls::pki_types::ServerName::try_from(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(format!("expected {SERVER_NAME}").into()),
        }
    }
}

shown_as!(ServerName, |name| name.0);
text_value!(ServerName, "ServerName", SERVER_NAME, {
    "type": "string", "pattern": "^[0-9A-Za-z_.:-]+$", "examples": ["api.internal"]
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_names() {
        for text in ["api.internal", "localhost", "a_b.test", "10.0.0.1", "fd00::1"] {
            assert_eq!(text.parse::<ServerName>().unwrap().as_str(), text);
        }
        for text in ["", "api.internal:443", "[::1]", "https://a", "a b", "*.a", "ä.test", "sk-1/"]
        {
            let error = text.parse::<ServerName>().unwrap_err().to_string();
            assert!(error.starts_with("expected a DNS name"), "{text}: {error}");
        }
    }

    #[test]
    fn shown() {
        for (text, interpolated, expected) in [
            ("[redacted]", "https://h", "https://h"),
            ("[redacted]", "https://h/tok", "https://h/[redacted]"),
            ("[redacted]/v1", "https://h/v1", "https://h/v1"),
            ("[redacted]://h/v1", "https://h/v1", "https://h/v1"),
            ("https://[redacted]", "https://h/bot1:tok", "https://h/[redacted]"),
            ("[redacted]/v1/", "https://h/tok/v1/", "https://h/[redacted]/v1"),
            ("https://[redacted]:[redacted]/v1", "https://h:1/v1", "https://h:1/v1"),
            ("https://h/[redacted]/", "https://h/tok/", "https://h/[redacted]"),
            ("https://h/bot[redacted]/x", "https://h/bottok/x", "https://h/bot[redacted]/x"),
            ("https://[redacted]/[redacted]", "https://h/tok", "https://h/[redacted]"),
            ("[redacted]/bot[redacted]", "https://h/a/bottok", "https://h/[redacted]"),
            ("[redacted][redacted]", "https://h/tok", "https://h/[redacted]"),
        ] {
            let url: EndpointUrl = interpolated.parse().unwrap();
            let url = url.to_be_shown_as(text);
            assert_eq!(serde_json::to_value(&url).unwrap(), expected, "{text}");
            assert_eq!(format!("{url:?}"), format!("EndpointUrl({expected})"));
            assert_eq!(url.to_string(), interpolated.trim_end_matches('/'));
        }
    }

    #[test]
    fn urls() {
        for (text, host, port, prefix) in [
            ("http://127.0.0.1:9000", "127.0.0.1", 9000, ""),
            ("https://api.example.com", "api.example.com", 443, ""),
            ("https://api.example.com/", "api.example.com", 443, ""),
            ("http://api.example.com/v1/", "api.example.com", 80, "/v1"),
            ("http://[::1]:8080/a/b", "[::1]", 8080, "/a/b"),
            ("HTTP://h:1", "h", 1, ""),
        ] {
            let url: EndpointUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((url.host(), url.port(), url.prefix()), (host, port, prefix), "{text}");
        }
        for text in [
            "",
            "/",
            "*",
            "api.example.com",
            "api.example.com:80",
            "//api.example.com",
            "http://",
            "http:///v1",
            "http://:80",
            "http://[]:80",
            "http://h:",
            "http://h:0",
            "http://h:65536",
            "http://h:x",
            "http://h:+80",
            "ftp://h",
            "unix:///run/x",
            "http://user@h",
            "http://user:sk-123@h",
            "http://h?",
            "http://h/?q=1",
            "http://h/#f",
            "http://h/a/../b",
            "http://h/%2E%2e",
            "http://h/a b",
            "http://h\n",
            " http://h",
            "http://h\\x",
        ] {
            let error =
                text.parse::<EndpointUrl>().map(|url| panic!("{text}: {url:?}")).unwrap_err();
            assert!(!error.to_string().contains("sk-123"), "{text}");
        }
    }
}
