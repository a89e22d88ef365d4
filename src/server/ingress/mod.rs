//! What a request has to pass before anything else looks at it, and what it is given on the way.
//!
//! The innermost part of a connection's service that knows the connection: it refuses what the
//! [scanner](super::scan) has marked, checks for HTTP/2 what the scanner checks for HTTP/1, puts `X-Forwarded-*`
//! right, and watches over the request's body. Its refusals are plain [`Fault`](crate::Fault)s; Normalize
//! outside makes answers of them.

mod body;
mod check;
mod forwarded;
mod service;

pub(crate) use self::{body::ClientBody, forwarded::Peer, service::Ingress};
