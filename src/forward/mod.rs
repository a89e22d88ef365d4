//! One call to a provider: connection pool, RFC 9110 hygiene, streaming both ways.
//!
//! [`Forward`] is a [`Service`] from a request to the provider's answer. What it adds to hyper's client is what a
//! proxy owes to both sides: fields of one connection stay on it, `Via` and loop detection, the endpoint's own
//! credential, upgrades only as asked for, a timeout for each step, a stale connection replaced only when
//! nothing was sent, and an answer that breaks off never turned into a short success. Its error is a
//! [`Fault`]; failures *in* the provider's answer (status 400 and above) are answers, marked with
//! [`UpstreamAnswer`](crate::profile::UpstreamAnswer) for a [`NormalizeLayer`](crate::NormalizeLayer) outside.
//!
//! ```
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use tollgate::{NormalizeLayer, forward::{Credential, Endpoint, Forward}};
//! use tower::ServiceBuilder;
//!
//! let endpoint = Endpoint::new(&"http://127.0.0.1:9/v1".parse()?)?
//!     .with_credential(Credential::bearer("provider-key")?)
//!     .with_via("my-gateway")?;
//! let service = ServiceBuilder::new()
//!     .layer(NormalizeLayer::default())
//!     .service(Forward::<Full<Bytes>>::new(endpoint));
//! # let _ = service;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A slow provider that speaks HTTP/2 and may be kept waiting for:
//!
//! ```
//! use std::time::Duration;
//! use tollgate::forward::{Credential, Endpoint, Http2, PoolLimits, Timeouts};
//!
//! let mut timeouts = Timeouts::default();
//! timeouts.first_byte = Some(Duration::from_secs(90));
//! timeouts.total = Duration::from_secs(600);
//! let mut pool = PoolLimits::default();
//! pool.max_idle = 32;
//!
//! let endpoint = Endpoint::new(&"http://127.0.0.1:9/v1".parse()?)?
//!     .with_credential(Credential::header("x-key".parse()?, "provider-key")?)
//!     .with_http2(Http2::Always)
//!     .with_timeouts(timeouts)
//!     .with_pool(pool)
//!     // What else a provider says in header fields stays with us.
//!     .with_response_fields(["x-image-*"]);
//! # let _ = endpoint;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Trust
//!
//! `Forward` believes the request that it is given: it does not check `Host`, and passes `X-Forwarded-*` on.
//! That is the server's work, which knows the peer.

mod body;
mod causes;
mod connect;
mod endpoint;
mod exchange;
mod hygiene;
mod pool;
#[cfg(feature = "tls")]
mod tls;
mod upgrade;
mod upload;

#[cfg(feature = "tls")]
pub use self::tls::{ClientCertificate, Roots};
pub use self::{
    body::UpstreamBody,
    endpoint::{Credential, Endpoint, Http2, InvalidEndpoint, PoolLimits, Timeouts},
    upgrade::Hold,
};

use self::{connect::Connector, exchange::Exchange, pool::Pool};
use crate::Fault;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower::BoxError;
use tower_service::Service;

/// Calls one provider; see the [module](self).
///
/// Clones share the connections. Must be called within a tokio runtime with time and I/O, which then drives the
/// connections.
pub struct Forward<B> {
    exchange: Arc<Exchange<B>>,
}

impl<B> Forward<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Calls this endpoint. The system's certificate authorities are trusted.
    pub fn new(endpoint: Endpoint) -> Self {
        let connector = Connector::new(
            &endpoint,
            #[cfg(feature = "tls")]
            &Roots::system(),
        );
        Self::with_connector(endpoint, connector)
    }

    /// Calls this endpoint, and trusts these certificate authorities.
    #[cfg(feature = "tls")]
    pub fn with_roots(endpoint: Endpoint, roots: &Roots) -> Self {
        let connector = Connector::new(&endpoint, roots);
        Self::with_connector(endpoint, connector)
    }

    fn with_connector(endpoint: Endpoint, connector: Connector) -> Self {
        let pool = Arc::new(Pool::new(connector, endpoint.pool));
        Self { exchange: Arc::new(Exchange { endpoint, pool }) }
    }

    /// Sends the request and waits for the head of the answer.
    ///
    /// Dropping the future takes the request back: its connection is closed.
    ///
    /// # Errors
    ///
    /// A [`Fault::Upstream`] when there is no answer; a fault of the client's side when its body breaks off, when
    /// the request has been here before, or when it expects what cannot be met.
    pub fn send(
        self,
        request: Request<B>,
    ) -> impl Future<Output = Result<Response<UpstreamBody<B>>, Fault>> + Send + use<B> {
        self.exchange.run(request)
    }
}

impl<B> Clone for Forward<B> {
    fn clone(&self) -> Self {
        Self { exchange: self.exchange.clone() }
    }
}

impl<B> fmt::Debug for Forward<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward").field("endpoint", &self.exchange.endpoint).finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Forward<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<UpstreamBody<B>>;
    type Error = Fault;
    // hyper's own future has no name; whoever wants to save the box calls `send`.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}
