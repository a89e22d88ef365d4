use super::{ClientBody, Peer, check::check_http2};
use crate::{
    Fault,
    admission::Admission,
    server::scan::{self, ConnState},
};
use http::{HeaderName, Request, Version};
use hyper::body::Incoming;
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower_service::Service;

/// Admits the requests of one connection; see the [module](super).
#[derive(Clone, Debug)]
pub(crate) struct Ingress<S> {
    pub(crate) inner: S,
    pub(crate) peer: Arc<Peer>,
    pub(crate) limits: Arc<scan::Limits>,
    /// How long nothing of a request's body may come.
    pub(crate) body_timeout: Duration,
    /// Trailers that nobody but the gateway may send.
    pub(crate) private_trailers: Option<Arc<[HeaderName]>>,
    /// Whether somebody further in asks who the client is.
    pub(crate) tells_client: bool,
    /// What the scanner and the connection's service tell each other.
    pub(crate) state: Arc<ConnState>,
    /// What the scanner has against this request.
    pub(crate) refused: Option<Fault>,
}

impl<S> Ingress<S> {
    fn admit(&mut self, request: Request<Incoming>) -> Result<Request<ClientBody>, Fault> {
        let (mut parts, body) = request.into_parts();
        let body = ClientBody::new(
            body,
            self.body_timeout,
            self.private_trailers.clone(),
            self.state.clone(),
        );
        if let Some(fault) = self.refused.take() {
            return Err(fault);
        }
        if parts.version == Version::HTTP_2 {
            check_http2(&parts, &self.limits)?;
        }
        if self.tells_client {
            let client = self.peer.client(&parts.headers);
            parts.extensions.insert(client);
        }
        if let Some(principal) = self.peer.principal() {
            parts.extensions.insert(principal.clone());
        }
        self.peer.forward(&mut parts);
        Ok(Request::from_parts(parts, body))
    }
}

impl<S> Service<Request<Incoming>> for Ingress<S>
where
    S: Service<Request<ClientBody>, Error = Fault>,
{
    type Response = S::Response;
    type Error = Fault;
    type Future = Admission<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        match self.admit(request) {
            Ok(request) => Admission::Admitted { inner: self.inner.call(request) },
            Err(fault) => Admission::refused(fault),
        }
    }
}
