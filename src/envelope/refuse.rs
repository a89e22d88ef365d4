use super::Context;
use crate::{Catalog, Fault, request_id};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use std::sync::Arc;

/// What an answer in the place of the inner service's needs, kept for when the request has gone on.
#[derive(Clone, Debug)]
pub(crate) struct Refuse {
    pub(crate) head: bool,
    pub(crate) request_id: Option<HeaderValue>,
    catalog: Arc<Catalog>,
}

impl Refuse {
    /// In the words of this catalog.
    pub(crate) fn new<R>(request: &Request<R>, catalog: &Arc<Catalog>) -> Self {
        Self {
            head: request.method() == Method::HEAD,
            request_id: request.headers().get(request_id::HEADER).cloned(),
            catalog: catalog.clone(),
        }
    }

    /// The complete answer to a fault.
    pub(crate) fn with(&self, fault: &Fault) -> Response<Bytes> {
        let context = Context { head: self.head, request_id: self.request_id.as_ref() };
        self.catalog.respond(fault, context)
    }
}
