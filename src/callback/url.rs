//! Where a callback goes.

use crate::server::is_authority;
use http::{
    Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use std::{error::Error, fmt, str::FromStr};

/// The longest URL that is taken, in bytes.
const MAX_LEN: usize = 2048;

/// The URL that a caller wants a callback sent to: `http(s)://host[:port][/path][?query]`.
///
/// Path and query stay as they were written, dot segments and percent-encodings too. A fragment is left out.
///
/// `Display` is the whole of it, to be kept and read again; what goes to a log is [`CallbackUrl::for_log`], and so is
/// `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CallbackUrl {
    scheme: Scheme,
    authority: Authority,
    target: PathAndQuery,
}

impl CallbackUrl {
    /// Whether it is `https`.
    pub(crate) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The host; an IPv6 address is without its brackets.
    pub(crate) fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port, be it the scheme's.
    pub(crate) fn port(&self) -> u16 {
        let default = if self.is_https() { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(default)
    }

    /// The host and, where it was written, the port; what `Host` carries.
    pub(crate) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The path, `/` if there was none, and the query.
    pub(crate) fn request_target(&self) -> &PathAndQuery {
        &self.target
    }

    /// Scheme, host and port. A path and a query may hold the caller's secrets.
    pub(crate) fn for_log(&self) -> impl fmt::Display {
        fmt::from_fn(|f| write!(f, "{}://{}", self.scheme, self.authority))
    }
}

impl fmt::Display for CallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.target)
    }
}

impl fmt::Debug for CallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallbackUrl({})", self.for_log())
    }
}

/// Why a text is not such a URL. It fits behind the name of the field that held it, and does not quote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidCallbackUrl {
    /// It is too long.
    TooLong,
    /// It has spaces, control characters, or characters that are not ASCII.
    NotPrintable,
    /// It has another scheme, or none.
    Scheme,
    /// It has a user, perhaps with a password.
    UserInfo,
    /// It has no host, one that is neither a name nor an address, or a port that is none.
    Authority,
    /// It is not a URL.
    Malformed,
}

impl fmt::Display for InvalidCallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "must not be longer than {MAX_LEN} bytes"),
            Self::NotPrintable => f.write_str("must be printable ASCII without spaces"),
            Self::Scheme => f.write_str("must begin with http:// or https://"),
            Self::UserInfo => f.write_str("must not hold a user or a password"),
            Self::Authority => {
                f.write_str("must have a valid host, and a port from 1 to 65535 or none")
            }
            Self::Malformed => f.write_str("must be a URL such as https://example.com/hook"),
        }
    }
}

impl Error for InvalidCallbackUrl {}

impl FromStr for CallbackUrl {
    type Err = InvalidCallbackUrl;

    fn from_str(text: &str) -> Result<Self, InvalidCallbackUrl> {
        if text.len() > MAX_LEN {
            return Err(InvalidCallbackUrl::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidCallbackUrl::NotPrintable);
        }
        let rest = after_scheme(text).ok_or(InvalidCallbackUrl::Scheme)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(InvalidCallbackUrl::UserInfo);
        }
        if !is_authority(authority.as_bytes()) {
            return Err(InvalidCallbackUrl::Authority);
        }
        let parts = text.parse::<Uri>().map(Uri::into_parts);
        let parts = parts.map_err(|_| InvalidCallbackUrl::Malformed)?;
        let (Some(scheme), Some(authority), Some(target)) =
            (parts.scheme, parts.authority, parts.path_and_query)
        else {
            return Err(InvalidCallbackUrl::Malformed);
        };
        if authority.port_u16() == Some(0) {
            return Err(InvalidCallbackUrl::Authority);
        }
        // A query right behind the host: on the wire it has a path.
        let target = target.to_string().parse().map_err(|_| InvalidCallbackUrl::Malformed)?;
        Ok(Self { scheme, authority, target })
    }
}

/// What follows `http://` or `https://`; the letters of a scheme may be of either case.
fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> CallbackUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn urls() {
        for (text, https, host, port, authority, target) in [
            ("http://a.example", false, "a.example", 80, "a.example", "/"),
            ("https://a.example/", true, "a.example", 443, "a.example", "/"),
            ("https://a.example:8443/x", true, "a.example", 8443, "a.example:8443", "/x"),
            ("https://a.example:443/x", true, "a.example", 443, "a.example:443", "/x"),
            ("HTTPS://A.example./x", true, "A.example.", 443, "A.example.", "/x"),
            ("http://h:65535", false, "h", 65535, "h:65535", "/"),
            ("http://127.0.0.1:9", false, "127.0.0.1", 9, "127.0.0.1:9", "/"),
            ("http://2130706433", false, "2130706433", 80, "2130706433", "/"),
            ("http://0x7f.1/", false, "0x7f.1", 80, "0x7f.1", "/"),
            ("http://[::1]/a", false, "::1", 80, "[::1]", "/a"),
            ("http://[::ffff:1.2.3.4]:1", false, "::ffff:1.2.3.4", 1, "[::ffff:1.2.3.4]:1", "/"),
            // Paths and queries as they are.
            ("http://h/a/../b/./c//", false, "h", 80, "h", "/a/../b/./c//"),
            ("http://h//other/%2e%2E", false, "h", 80, "h", "//other/%2e%2E"),
            ("http://h/a?b=%20c&d=?/@:", false, "h", 80, "h", "/a?b=%20c&d=?/@:"),
            ("http://h/?", false, "h", 80, "h", "/?"),
            ("http://h?q=http://x", false, "h", 80, "h", "/?q=http://x"),
            // What is behind a fragment's mark is not sent.
            ("http://h/a?b#c", false, "h", 80, "h", "/a?b"),
            ("http://h#c", false, "h", 80, "h", "/"),
            ("http://h#@x", false, "h", 80, "h", "/"),
        ] {
            let url = parse(text);
            let got = (url.is_https(), url.host(), url.port(), url.authority());
            assert_eq!(got, (https, host, port, authority), "{text}");
            assert_eq!(url.request_target().to_string(), target, "{text}");
            let scheme = if https { "https" } else { "http" };
            assert_eq!(url.to_string(), format!("{scheme}://{authority}{target}"), "{text}");
            assert_eq!(parse(&url.to_string()), url, "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        use InvalidCallbackUrl::*;
        for (error, texts) in [
            (NotPrintable, &["http://h/ä", "http://h/a b", " http://h", "http://h\r\nx: y"][..]),
            (NotPrintable, &["http://h/\u{7f}", "http://h\0", "http://h\t", "http://ｈ"]),
            (Scheme, &["", "h", "/", "//h", "h:80", "ftp://h", "file:///etc/passwd", "http:/h"]),
            (Scheme, &["httpx://h", "unix://h", "javascript://h", "gopher://h", "://h"]),
            (UserInfo, &["http://user@h", "http://user:pw@h", "http://@h", "http://a@b@h"]),
            (UserInfo, &["https://public.example:443@127.0.0.1/", "http://a\\@h"]),
            (
                Authority,
                &["http://", "http:///x", "http://:80", "http://?q", "http://[]", "http://#"],
            ),
            (
                Authority,
                &["http://h:", "http://h:0", "http://h:00", "http://h:65536", "http://h:+80"],
            ),
            (Authority, &["http://h:x", "http://h:80:80", "http://h:-1", "http://h:000080"]),
            (Authority, &["http://::1", "http://[::1", "http://[v1.x]", "http://[fe80::1%25eth0]"]),
            (
                Authority,
                &["http://[127.0.0.1]", "http://a,b", "http://a;b", "http://%31", "http://*"],
            ),
            (Authority, &["http://public.example\\.private.example", "http://[::1]x", "http://a!"]),
            (Malformed, &["http://h/<x>", "http://h/`"]),
        ] {
            for text in texts {
                assert_eq!(text.parse::<CallbackUrl>(), Err(error), "{text}");
            }
        }
        let longest = format!("http://h/{}", "a".repeat(MAX_LEN - 9));
        assert_eq!(parse(&longest).to_string(), longest);
        assert_eq!(format!("{longest}a").parse::<CallbackUrl>(), Err(TooLong));
    }

    #[test]
    fn errors_fit_behind_the_name_of_a_field() {
        use InvalidCallbackUrl::*;
        for error in [TooLong, NotPrintable, Scheme, UserInfo, Authority, Malformed] {
            assert!(error.to_string().starts_with("must "), "{error}");
        }
    }

    #[test]
    fn logs_show_no_secrets() {
        let url = parse("https://h:8443/s3cret?token=s3cret");
        assert_eq!(url.for_log().to_string(), "https://h:8443");
        assert_eq!(format!("{url:?}"), "CallbackUrl(https://h:8443)");
    }
}
