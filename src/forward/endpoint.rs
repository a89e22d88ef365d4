#[cfg(feature = "tls")]
use super::tls::{ClientCertificate, EndpointTls};
use crate::Fault;
use http::{
    HeaderName, HeaderValue, Uri, Version, header,
    uri::{Authority, PathAndQuery, Scheme},
};
use std::{borrow::Cow, fmt, iter, sync::Arc, time::Duration};

/// One provider: where it is, what it must be shown, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    authority: Authority,
    /// The authority's host alone.
    name: Box<str>,
    host: HeaderValue,
    /// Path before every request's path, without a slash at its end.
    prefix: String,
    credential: Option<Credential>,
    via: Option<Via>,
    preserve_host: bool,
    response_fields: Option<Arc<[Box<str>]>>,
    http2: Http2,
    #[cfg(feature = "tls")]
    tls: EndpointTls,
    pub(super) timeouts: Timeouts,
    pub(super) pool: PoolLimits,
}

/// How long a provider may take for what. Each runs out with a fault of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Name resolution, TCP and TLS together. Default: 5 s. → unreachable
    pub connect: Duration,
    /// From the end of the request to the head of the answer. Default: none, only the total counts. → timeout
    pub first_byte: Option<Duration>,
    /// Silence within the answer. Default: 60 s. → the answer is cut off
    pub idle: Duration,
    /// From the request to the end of the answer. Default: 120 s. → timeout, or the answer is cut off
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: None,
            idle: Duration::from_secs(60),
            total: Duration::from_secs(120),
        }
    }
}

/// Bounds of an endpoint's connection pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolLimits {
    /// The most HTTP/1 connections that are kept idle. Default: 512.
    pub max_idle: usize,
    /// How long an idle connection is kept; less when the provider says so. Default: 30 s.
    pub idle_timeout: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { max_idle: 512, idle_timeout: Duration::from_secs(30) }
    }
}

/// When to speak HTTP/2 to a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http2 {
    /// Over TLS when the provider offers it (ALPN), never in cleartext.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always; in cleartext with prior knowledge (RFC 9113, section 3.3).
    Always,
}

/// What a provider must be shown: a header field. Cannot print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    name: HeaderName,
    value: HeaderValue,
}

impl Credential {
    /// `Authorization: Bearer TOKEN`.
    ///
    /// # Errors
    ///
    /// When the token has characters that no header field can have.
    pub fn bearer(token: &str) -> Result<Self, InvalidEndpoint> {
        Self::header(header::AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// Any header field.
    ///
    /// # Errors
    ///
    /// When the value has characters that no header field can have.
    pub fn header(name: HeaderName, value: &str) -> Result<Self, InvalidEndpoint> {
        let value = HeaderValue::from_str(value).map_err(|_| {
            InvalidEndpoint("the credential has characters that no header field can have")
        })?;
        Ok(Self::field(name, value))
    }

    /// Any header field, with a value that is known to be one.
    pub fn field(name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        Self { name, value }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Our name in `Via`, ready for each version of HTTP that a request can come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Via {
    pub(super) pseudonym: String,
    http10: HeaderValue,
    http11: HeaderValue,
    http2: HeaderValue,
}

impl Via {
    pub(super) fn value(&self, version: Version) -> &HeaderValue {
        match version {
            Version::HTTP_10 => &self.http10,
            Version::HTTP_2 => &self.http2,
            _ => &self.http11,
        }
    }
}

/// Why something cannot be an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEndpoint(&'static str);

impl InvalidEndpoint {
    #[cfg(feature = "tls")]
    pub(super) const fn new(reason: &'static str) -> Self {
        Self(reason)
    }
}

impl fmt::Display for InvalidEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidEndpoint {}

impl Endpoint {
    /// The provider at this base URL: `http` or `https`, host, port, and a path that goes before every request's.
    ///
    /// # Errors
    ///
    /// When the URL has another scheme, no host, user information or a query, or when it is `https` and the
    /// feature `tls` is off.
    pub fn new(base: &Uri) -> Result<Self, InvalidEndpoint> {
        let scheme = base.scheme().cloned().ok_or(InvalidEndpoint("the URL has no scheme"))?;
        if scheme == Scheme::HTTPS && cfg!(not(feature = "tls")) {
            return Err(InvalidEndpoint("https needs the feature `tls`"));
        }
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(InvalidEndpoint("the URL's scheme must be http or https"));
        }
        let authority = base.authority().cloned().ok_or(InvalidEndpoint("the URL has no host"))?;
        if authority.as_str().contains('@') {
            return Err(InvalidEndpoint("a credential does not belong into the URL"));
        }
        if base.query().is_some() {
            return Err(InvalidEndpoint("a base URL has no query"));
        }
        let host = HeaderValue::from_str(authority.as_str())
            .map_err(|_| InvalidEndpoint("the URL has no valid host"))?;
        Ok(Self {
            scheme,
            name: authority.host().into(),
            authority,
            host,
            prefix: base.path().trim_end_matches('/').to_owned(),
            credential: None,
            via: None,
            preserve_host: false,
            response_fields: None,
            http2: Http2::default(),
            #[cfg(feature = "tls")]
            tls: EndpointTls::default(),
            timeouts: Timeouts::default(),
            pool: PoolLimits::default(),
        })
    }

    /// Shows this credential, in the place of any that the caller sent: `Authorization`, `X-Api-Key` and cookies.
    /// Default: none; the caller's pass.
    #[must_use]
    pub fn with_credential(mut self, credential: Credential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Adds `Via` with this pseudonym, and refuses a request that has it already. Default: neither.
    ///
    /// # Errors
    ///
    /// When the pseudonym is not a token (RFC 9110, section 5.6.2).
    pub fn with_via(mut self, pseudonym: &str) -> Result<Self, InvalidEndpoint> {
        // A header name is a token too; it only forgets the case.
        HeaderName::from_bytes(pseudonym.as_bytes())
            .map_err(|_| InvalidEndpoint("a pseudonym in Via is a token"))?;
        let value = |version: &str| {
            HeaderValue::from_str(&format!("{version} {pseudonym}"))
                .map_err(|_| InvalidEndpoint("a pseudonym in Via is a token"))
        };
        let (http10, http11, http2) = (value("1.0")?, value("1.1")?, value("2.0")?);
        self.via = Some(Via { pseudonym: pseudonym.to_owned(), http10, http11, http2 });
        Ok(self)
    }

    /// Whether the provider sees the client's `Host` instead of its own. Default: its own.
    #[must_use]
    pub fn with_preserved_host(mut self, preserve: bool) -> Self {
        self.preserve_host = preserve;
        self
    }

    /// Which fields of an answer pass besides those that describe its content: names in small letters, or their beginnings with `*` behind.
    /// Default: all that name neither the provider nor our account there.
    #[must_use]
    pub fn with_response_fields<N>(mut self, names: impl IntoIterator<Item = N>) -> Self
    where
        N: Into<Box<str>>,
    {
        self.response_fields = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// When to speak HTTP/2. Default: [`Http2::Auto`].
    #[must_use]
    pub fn with_http2(mut self, http2: Http2) -> Self {
        self.http2 = http2;
        self
    }

    /// Shows this certificate when the provider asks for one in the TLS handshake. Default: none.
    ///
    /// # Errors
    ///
    /// When the URL is not `https`.
    #[cfg(feature = "tls")]
    pub fn with_client_certificate(
        mut self,
        certificate: ClientCertificate,
    ) -> Result<Self, InvalidEndpoint> {
        if !self.is_https() {
            return Err(InvalidEndpoint("a client certificate needs an https URL"));
        }
        self.tls.certificate = Some(certificate);
        Ok(self)
    }

    /// The name, or address, that is asked for in the TLS handshake (SNI, which addresses have not) and that the provider's
    /// certificate must be for. Where connections go, and `Host`, stay the URL's. Default: the URL's host.
    ///
    /// # Errors
    ///
    /// When it is neither a DNS name nor an address, or the URL is not `https`.
    #[cfg(feature = "tls")]
    pub fn with_server_name(mut self, name: &str) -> Result<Self, InvalidEndpoint> {
        if !self.is_https() {
            return Err(InvalidEndpoint("a server name needs an https URL"));
        }
        let name = name.to_owned().try_into();
        let name = name.map_err(|_| InvalidEndpoint("the server name is no DNS name or address"));
        self.tls.server_name = Some(name?);
        Ok(self)
    }

    /// How long it may take.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Bounds of its connection pool.
    #[must_use]
    pub fn with_pool(mut self, pool: PoolLimits) -> Self {
        self.pool = pool;
        self
    }

    /// The fields that alone pass, if not all do.
    pub(super) fn response_fields(&self) -> Option<&[Box<str>]> {
        self.response_fields.as_deref()
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The host, without its port, and the name of its certificate, if that is another one.
    pub(super) fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        #[cfg(feature = "tls")]
        let of_tls = self.tls.server_name();
        #[cfg(not(feature = "tls"))]
        let of_tls = None;
        iter::once(Cow::Borrowed(&*self.name)).chain(of_tls)
    }

    #[cfg(feature = "tls")]
    pub(super) fn tls(&self) -> &EndpointTls {
        &self.tls
    }

    /// What stands in `Host`.
    pub(super) fn host(&self) -> &HeaderValue {
        &self.host
    }

    pub(super) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    pub(super) fn http2(&self) -> Http2 {
        self.http2
    }

    pub(super) fn credential(&self) -> Option<(&HeaderName, &HeaderValue)> {
        self.credential.as_ref().map(|c| (&c.name, &c.value))
    }

    pub(super) fn via(&self) -> Option<&Via> {
        self.via.as_ref()
    }

    pub(super) fn preserves_host(&self) -> bool {
        self.preserve_host
    }

    /// Where connections go.
    pub(super) fn connect_uri(&self) -> Uri {
        self.absolute(PathAndQuery::from_static("/"), &self.authority)
    }

    /// The target of a request to this endpoint, in origin form: its path behind ours.
    ///
    /// # Errors
    ///
    /// [`Fault::UriTooLong`] when both together are longer than any target may be.
    pub(super) fn target(&self, uri: &Uri) -> Result<PathAndQuery, Fault> {
        let own = uri.path_and_query();
        if self.prefix.is_empty() {
            return Ok(own.cloned().unwrap_or(PathAndQuery::from_static("/")));
        }
        let joined = format!("{}{}", self.prefix, own.map_or("/", |path| path.as_str()));
        // Both parts are valid, so nothing but its length can be wrong with the whole.
        PathAndQuery::try_from(joined).map_err(|_| Fault::UriTooLong)
    }

    /// The same in absolute form, as HTTP/2 has it.
    pub(super) fn absolute(&self, path: PathAndQuery, authority: &Authority) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_an_endpoint() {
        let table = [
            ("http://a", None),
            ("http://a:1/b/", None),
            ("http://[::1]:1", None),
            ("ftp://a", Some("the URL's scheme must be http or https")),
            ("/a", Some("the URL has no scheme")),
            ("http://u:p@a", Some("a credential does not belong into the URL")),
            ("http://a/?q", Some("a base URL has no query")),
        ];
        for (url, want) in table {
            let got = Endpoint::new(&url.parse().unwrap()).err().map(|e| e.to_string());
            assert_eq!(got.as_deref(), want, "{url}");
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn names_for_tls() {
        let named = |url: &str, name| Endpoint::new(&url.parse().unwrap())?.with_server_name(name);
        let table = [
            ("https://a", "api.internal", None),
            ("https://a", "10.0.0.1", None),
            ("https://a", "::1", None),
            ("https://a", "api.internal:443", Some("the server name is no DNS name or address")),
            ("https://a", "", Some("the server name is no DNS name or address")),
            ("http://a", "api.internal", Some("a server name needs an https URL")),
        ];
        for (url, name, want) in table {
            let got = named(url, name);
            assert_eq!(got.as_ref().err().map(ToString::to_string).as_deref(), want, "{name}");
            if let Ok(endpoint) = got {
                assert_eq!(endpoint.names().collect::<Vec<_>>(), ["a", name]);
            }
        }
    }

    #[test]
    fn targets() {
        let table = [
            ("http://a", "/x?y", "/x?y"),
            ("http://a/", "/x", "/x"),
            ("http://a/b/", "/x", "/b/x"),
            ("http://a/b", "http://client/x?y", "/b/x?y"),
            ("http://a", "*", "*"),
        ];
        for (base, uri, want) in table {
            let endpoint = Endpoint::new(&base.parse().unwrap()).unwrap();
            assert_eq!(
                endpoint.target(&uri.parse().unwrap()).unwrap().as_str(),
                want,
                "{base} {uri}"
            );
        }
    }

    #[test]
    fn a_credential_cannot_print_itself() {
        let credential = Credential::bearer("hunter2").unwrap();
        let endpoint =
            Endpoint::new(&"http://a".parse().unwrap()).unwrap().with_credential(credential);
        assert!(!format!("{endpoint:?}").contains("hunter2"));
        assert!(Credential::bearer("a\nb").is_err());
    }
}
