//! The outermost service of a connection: everything that is about the connection and not about the request.

use super::{
    Options, Stack,
    connection::Connections,
    generation::{Current, Generation},
    ingress::{Ingress, Peer},
    progress::{Answers, Progress},
    proxy_protocol::Source,
    record::Record,
    scan::ConnState,
    tls::Shown,
};
use crate::{
    envelope::ResponseBody,
    forward::Hold,
    metrics::{Present, WorkerGauges},
    normalize::rescue,
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use std::{
    cell::RefCell,
    convert::Infallible,
    error::Error,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower::Layer;
use tower_service::Service;

/// What the requests of one connection share.
pub(super) struct Edge<S> {
    current: Arc<Current<S>>,
    /// The worker's.
    number: usize,
    latest: RefCell<Latest<S>>,
    client: Client,
    pub(super) state: Arc<ConnState>,
    /// The connection's place among those that may be at a time.
    place: Hold,
    gauges: Arc<WorkerGauges>,
    /// Of HTTP/2 alone: in HTTP/1 the socket tells.
    pub(super) answers: Option<Arc<Answers>>,
}

/// What the last request was served with.
struct Latest<S> {
    generation: Arc<Generation<S>>,
    /// Whether the client would be let in as it was: by what is said of it, and by what it has shown.
    is_believed: bool,
    is_known: bool,
    peer: Arc<Peer>,
}

/// The other end of the connection, whatever is made of it.
pub(super) struct Client {
    pub(super) source: Source,
    /// What it has shown of itself; `None` without TLS.
    pub(super) shown: Option<Shown>,
}

impl Client {
    /// Whether it would be let in as it was: what it need not show then it may have to now, and whose certificates are good may be others.
    fn is_known(&self, options: &Options) -> bool {
        match (&self.shown, &options.tls) {
            (None, None) => true,
            (Some(shown), Some(tls)) => tls.accepts(shown),
            _ => false,
        }
    }
}

impl<S> Latest<S> {
    fn new(generation: Arc<Generation<S>>, client: &Client, is_known: bool) -> Self {
        let (options, Client { source, shown }) = (&generation.options, client);
        let is_believed = source.is_believed(options.proxy_protocol.as_ref());
        let names = shown.as_ref().filter(|_| is_known).map(|shown| &shown.names);
        let principal = names.and_then(|names| options.certified.find(names));
        let address = if is_believed { source.address } else { source.peer };
        let peer = Peer::new(address, shown.is_some(), &options.trusted_proxies);
        Self { peer: Arc::new(peer.known_as(principal)), is_believed, is_known, generation }
    }
}

impl<S: Stack> Edge<S> {
    pub(super) fn new(
        connections: &Connections<S>,
        generation: Arc<Generation<S>>,
        client: Client,
        state: Arc<ConnState>,
        place: Hold,
        answers: Option<Arc<Answers>>,
    ) -> Self {
        Self {
            current: connections.current.clone(),
            number: connections.number,
            latest: RefCell::new(Latest::new(generation, &client, true)),
            client,
            state,
            place,
            gauges: connections.gauges.clone(),
            answers,
        }
    }

    /// What this request is served with: another than the last one, if the configuration has changed in between.
    fn latest(&self) -> (Arc<Generation<S>>, Arc<Peer>) {
        let mut latest = self.latest.borrow_mut();
        let current = self.current.load();
        let generation = &current[self.number];
        // Authorities change without the rest.
        let is_known = self.client.is_known(&generation.options);
        if !Arc::ptr_eq(generation, &latest.generation) || is_known != latest.is_known {
            *latest = Latest::new(generation.clone(), &self.client, is_known);
        }
        if !(latest.is_believed && latest.is_known) {
            self.state.leave();
        }
        (latest.generation.clone(), latest.peer.clone())
    }

    /// Answers one request.
    pub(super) fn call(
        &self,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<EdgeBody<ResponseBody<S::Body>>>, Infallible>> + use<S>
    {
        let refused = self.state.begin();
        let active = Active(self.state.clone());
        // A request that asks for an upgrade is the last one that the scanner has seen.
        let upgradable = self.state.upgradable();
        if upgradable {
            request.extensions_mut().insert(self.place.clone());
        }
        let last = refused.is_some() || upgradable;
        let version = request.version();
        let http1 = version != Version::HTTP_2;
        let state = self.state.clone();
        let answers = self.answers.clone();
        let (generation, peer) = self.latest();
        let options = &generation.options;
        let record = Record::start(&mut request, options, &peer);
        request.extensions_mut().insert(record.clone());
        let present = Present::new(&self.gauges, |worker| &worker.requests);
        let mut service = generation.normalize.layer(Ingress {
            inner: generation.stack.clone(),
            peer,
            limits: options.limits.clone(),
            body_timeout: options.body_timeout,
            private_trailers: options.private_trailers.clone(),
            tells_client: options.tells_client,
            state: self.state.clone(),
            refused,
        });
        // Ready by contract: whoever has to wait does so with the request.
        let answer = service.call(request);
        async move {
            let mut response = answer.await?;
            let close = last || state.must_close() || state.leaves();
            let close = close || generation.options.leave.has_begun();
            if close && http1 && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            record.answered(&mut response, &generation.unrouted);
            if response.body().is_end_stream() {
                record.ended();
            }
            Ok(response.map(|inner| {
                let answers = answers.filter(|_| !inner.is_end_stream());
                let progress = answers.map(|answers| answers.begin());
                EdgeBody { inner, version, progress, active, record, _present: present }
            }))
        }
    }
}

/// A request that has not ended.
#[derive(Debug)]
struct Active(Arc<ConnState>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.end();
    }
}

pin_project! {
    /// The body of an answer on its way out: it notices the end, and says in the log when there is none.
    pub(super) struct EdgeBody<B> {
        #[pin]
        inner: B,
        version: Version,
        progress: Option<Arc<Progress>>,
        active: Active,
        // Before the line in the log that says so.
        _present: Present,
        record: Arc<Record>,
    }
}

impl<B> Body for EdgeBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Error + 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let polled = this.inner.as_mut().poll_frame(cx);
        if let Some(progress) = this.progress {
            progress.asked(polled.is_pending());
        }
        let frame = ready!(polled);
        match &frame {
            Some(Ok(frame)) => this.record.sent(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) => {}
            None => this.record.ended(),
        }
        // Nobody asks for more of what has ended.
        if this.inner.is_end_stream() && !matches!(frame, Some(Err(_))) {
            this.record.ended();
        }
        if let Some(Err(error)) = &frame {
            if *this.version == Version::HTTP_10 {
                // It has no chunks; the end of the connection would be the end of the answer.
                this.active.0.abort();
            }
            // The head is out; all that is left is to break off, so that nobody takes the part for the whole.
            let (request_id, reason) = (this.record.id(), rescue(error));
            tracing::warn!(request_id, %reason, "an answer is cut off");
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
