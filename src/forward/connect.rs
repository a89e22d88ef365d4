//! A new connection to a provider: name, TCP, TLS.

use super::{
    causes::causes,
    endpoint::{Endpoint, Http2},
};
use crate::fault::{Cause, UpstreamFault, UpstreamKind};
use http::Uri;
use hyper::rt::{Read, Write};
#[cfg(feature = "tls")]
use hyper_util::client::legacy::connect::Connection;
use hyper_util::client::legacy::connect::HttpConnector;
use std::{error::Error, time::Duration};
use tower_service::Service;

/// Makes connections to one endpoint.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    inner: Inner,
    target: Uri,
    timeout: Duration,
    http2: Http2,
}

#[derive(Clone, Debug)]
enum Inner {
    Http(HttpConnector),
    #[cfg(feature = "tls")]
    Https(hyper_rustls::HttpsConnector<HttpConnector>),
}

/// A connection, and whether HTTP/2 is spoken on it.
pub(super) struct Connected<T> {
    pub(super) io: T,
    pub(super) http2: bool,
}

/// What hyper needs of a connection.
pub(super) trait Io: Read + Write + Send + Unpin {}
impl<T: Read + Write + Send + Unpin> Io for T {}

impl Connector {
    pub(super) fn new(
        endpoint: &Endpoint,
        #[cfg(feature = "tls")] roots: &super::tls::Roots,
    ) -> Self {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_keepalive(Some(Duration::from_secs(30)));
        let inner = if endpoint.is_https() {
            #[cfg(feature = "tls")]
            {
                Inner::Https(super::tls::connector(http, endpoint, roots))
            }
            #[cfg(not(feature = "tls"))]
            Inner::Http(http)
        } else {
            Inner::Http(http)
        };
        let (target, timeout) = (endpoint.connect_uri(), endpoint.timeouts.connect);
        Self { inner, target, timeout, http2: endpoint.http2() }
    }

    /// Whether a new connection may turn out to be HTTP/2, and thus be enough for many requests.
    pub(super) fn may_be_http2(&self) -> bool {
        match (&self.inner, self.http2) {
            (_, Http2::Always) => true,
            (_, Http2::Never) | (Inner::Http(_), Http2::Auto) => false,
            #[cfg(feature = "tls")]
            (Inner::Https(_), Http2::Auto) => true,
        }
    }

    /// Whether a connection cannot be anything else.
    pub(super) fn must_be_http2(&self) -> bool {
        self.http2 == Http2::Always
    }

    /// Connects within the endpoint's time.
    ///
    /// # Errors
    ///
    /// [`UpstreamKind::Unreachable`], with the step that failed.
    pub(super) async fn connect(&self) -> Result<Connected<Box<dyn Io>>, UpstreamFault> {
        let unreachable = |cause| UpstreamFault::new(UpstreamKind::Unreachable, cause);
        match tokio::time::timeout(self.timeout, self.connect_untimed()).await {
            Ok(connected) => connected.map_err(|error| {
                let cause = cause_of(&*error);
                #[cfg(feature = "tls")]
                if cause == Cause::Tls {
                    let why = super::tls::why(&*error);
                    tracing::warn!(why, "the TLS handshake with a provider failed");
                }
                unreachable(cause)
            }),
            Err(_) => Err(unreachable(Cause::ConnectTimeout)),
        }
    }

    async fn connect_untimed(
        &self,
    ) -> Result<Connected<Box<dyn Io>>, Box<dyn Error + Send + Sync>> {
        let always = self.http2 == Http2::Always;
        match self.inner.clone() {
            Inner::Http(mut http) => {
                let io = http.call(self.target.clone()).await?;
                Ok(Connected { io: Box::new(io), http2: always })
            }
            #[cfg(feature = "tls")]
            Inner::Https(mut https) => {
                let io = https.call(self.target.clone()).await?;
                let http2 = always || io.connected().is_negotiated_h2();
                Ok(Connected { io: Box::new(io), http2 })
            }
        }
    }
}

/// The step that failed, from what the connectors tell of it.
fn cause_of(error: &(dyn Error + 'static)) -> Cause {
    let mut cause = Cause::Connect;
    for error in causes(error) {
        #[cfg(feature = "tls")]
        if error.is::<rustls::Error>() {
            return Cause::Tls;
        }
        if error.to_string().starts_with("dns error") {
            // hyper-util's connector has no type for it; the word only goes to the log.
            cause = Cause::Dns;
        }
    }
    cause
}
