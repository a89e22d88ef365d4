//! The listener: sockets, HTTP/1 and HTTP/2, deadlines, drain.
//!
//! One current-thread runtime for each worker, each with a listener of its own on the same address
//! (`SO_REUSEPORT`): a connection, its requests and the provider connections that they use stay on one thread. What they
//! serve with is a [generation](generation), which another one can follow while they run.
//!
//! ```text
//! listen ── worker ── connection ── (PROXY) ── (TLS) ── scan ── hyper ── Edge ── Normalize ── Ingress ── (the stack)
//! ```

pub(crate) mod access_log;
pub(crate) mod admin;
mod connection;
#[cfg(test)]
mod cost;
mod edge;
mod generation;
mod ingress;
mod listen;
mod progress;
mod proxy_protocol;
mod record;
mod scan;
mod slots;
mod stall;
pub(crate) mod tls;
mod worker;
mod workers;

pub(crate) use self::{
    ingress::ClientBody,
    listen::Listeners,
    proxy_protocol::ProxyProtocol,
    record::Record,
    scan::is_authority,
    worker::{Drain, WorkerStack},
    workers::{StartError, Threads, Workers},
};

use self::tls::Tls;
use crate::{Catalog, Fault, gateway::Certified, signal::Signal, trace::Traces};
use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body::Body;
use ipnet::IpNet;
use std::{error::Error, sync::Arc, time::Duration};
use tower_service::Service;

/// What a worker serves: every service that answers a client's request, or fails with a fault.
pub(crate) trait Stack:
    Service<
        Request<ClientBody>,
        Response = Response<<Self as Stack>::Body>,
        Error = Fault,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of its answers.
    type Body: Body<Data = Bytes, Error: Error + Send + Sync + 'static> + Send + 'static;
}

impl<S, B> Stack for S
where
    S: Service<Request<ClientBody>, Response = Response<B>, Error = Fault, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data = Bytes, Error: Error + Send + Sync + 'static> + Send + 'static,
{
    type Body = B;
}

/// How the listener treats its clients.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Who says first for whom it speaks; `None` if nobody does.
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    /// How a connection begins; `None` without TLS.
    pub(crate) tls: Option<Arc<Tls>>,
    /// Whom clients' certificates are about.
    pub(crate) certified: Certified,
    /// What answers look like.
    pub(crate) catalog: Arc<Catalog>,
    /// Heads and idle connections.
    pub(crate) limits: Arc<scan::Limits>,
    /// How long nothing of a request's body may come.
    pub(crate) body_timeout: Duration,
    /// How long a client may take none of its answer.
    pub(crate) send_timeout: Duration,
    /// Peers whose `X-Forwarded-*` are believed.
    pub(crate) trusted_proxies: Arc<[IpNet]>,
    /// Trailers that no client may send, besides those that never pass: they say who is calling.
    pub(crate) private_trailers: Option<Arc<[HeaderName]>>,
    /// Whether the stack asks for the client's address.
    pub(crate) tells_client: bool,
    /// Connections at a time, for each worker.
    pub(crate) max_connections: usize,
    /// Begins when clients are to send their next request on another connection, so that none of them sends one on a connection that is about to be closed.
    /// New ones are still taken.
    pub(crate) leave: Signal,
    /// How long requests may go on when the process is to end.
    pub(crate) drain_timeout: Duration,
    /// Which trace a request belongs to.
    pub(crate) traces: Traces,
    /// Whether every request leaves a line in the log.
    pub(crate) access_log: bool,
    /// Where, if that is not the log of everything else.
    pub(crate) lines: Option<Arc<access_log::AccessLog>>,
}

impl Options {
    /// For one worker: what requests count references of is its own, so that no two cores write to one place for them. But for the log, which all of
    /// them write to anyway.
    fn worker(&self) -> Self {
        Self {
            catalog: Arc::new((*self.catalog).clone()),
            limits: Arc::new((*self.limits).clone()),
            private_trailers: self.private_trailers.as_deref().map(Arc::from),
            ..self.clone()
        }
    }

    /// Limits of heads and of idle connections.
    pub(crate) fn limits(
        head_bytes: usize,
        target_bytes: usize,
        header_timeout: Duration,
        idle_timeout: Duration,
    ) -> Arc<scan::Limits> {
        let fields = scan::Limits::default().fields;
        Arc::new(scan::Limits { head_bytes, target_bytes, fields, header_timeout, idle_timeout })
    }
}

#[cfg(test)]
impl Options {
    /// That nobody has asked for anything.
    fn of_tests() -> Self {
        let seconds = Duration::from_secs;
        Self {
            proxy_protocol: None,
            tls: None,
            certified: Default::default(),
            catalog: Arc::new(Catalog::preset("default").unwrap()),
            limits: Self::limits(1 << 16, 1 << 13, seconds(10), seconds(60)),
            body_timeout: seconds(30),
            send_timeout: seconds(30),
            trusted_proxies: [].into(),
            private_trailers: None,
            tells_client: false,
            max_connections: 1,
            leave: Default::default(),
            drain_timeout: seconds(1),
            traces: Traces::start(&Default::default()).unwrap(),
            access_log: true,
            lines: None,
        }
    }
}
