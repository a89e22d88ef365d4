//! One connection, from its first byte to its last.

use super::{
    Stack,
    edge::{Client, Edge},
    generation::{Current, Generation},
    proxy_protocol::{ProxyProtocol, Source},
    scan::{ConnState, Protocol, Rewind, ScanIo, detect},
    stall::Stall,
    tls::{Handshake, Shown, Tls},
};
use crate::{
    forward::Hold,
    metrics::{Present, WorkerGauges},
    signal::Signal,
};
use bytes::Bytes;
use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    future::{Future, poll_fn},
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

/// What a connection's bytes go through: a socket, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

/// A connection, but for its bytes.
struct Accepted<S> {
    /// What was served with when it was accepted: how its bytes are read, and its deadlines, stay as they were then.
    generation: Arc<Generation<S>>,
    source: Source,
    /// Its place among those that may be at a time.
    place: Hold,
    state: Arc<ConnState>,
}

/// What the connections of one worker share.
pub(super) struct Connections<S> {
    pub(super) current: Arc<Current<S>>,
    /// The worker's.
    pub(super) number: usize,
    pub(super) drain: Signal,
    pub(super) gauges: Arc<WorkerGauges>,
}

impl<S: Stack> Connections<S> {
    /// What is served with at present.
    pub(super) fn generation(&self) -> Arc<Generation<S>> {
        self.current.load()[self.number].clone()
    }

    /// Serves the connection until it ends. How it ends is nobody's concern: a client may leave as it likes.
    pub(super) async fn serve(
        self: Arc<Self>,
        mut stream: TcpStream,
        peer: SocketAddr,
        place: Hold,
    ) {
        let _present = Present::new(&self.gauges, |worker| &worker.connections);
        let generation = self.generation();
        let source = match &generation.options.proxy_protocol {
            None => Some(Source::direct(peer.ip())),
            // In a box of its own, as TLS is.
            Some(protocol) => {
                let patience = generation.options.limits.header_timeout;
                Box::pin(self.source(protocol, &mut stream, peer.ip(), patience)).await
            }
        };
        let Some(source) = source else { return };
        let accepted = Accepted { generation, source, place, state: Arc::default() };
        match accepted.generation.options.tls.clone() {
            None => {
                let stream = accepted.watched(stream);
                self.serve_stream(stream, accepted, None).await;
            }
            // In a box of its own: a connection without TLS needs no room for one with it.
            Some(tls) => Box::pin(self.serve_tls(tls, stream, accepted)).await,
        }
    }

    /// Whom the connection is from; `None` if it is over.
    async fn source(
        &self,
        protocol: &ProxyProtocol,
        stream: &mut TcpStream,
        peer: IpAddr,
        patience: Duration,
    ) -> Option<Source> {
        tokio::select! {
            source = protocol.source(stream, peer, patience) => source,
            () = self.drain.begun() => None,
        }
    }

    async fn serve_tls(&self, tls: Arc<Tls>, stream: TcpStream, accepted: Accepted<S>) {
        let handshake = tls.accept(stream, |stream| accepted.watched(stream));
        let patience = accepted.generation.options.limits.header_timeout;
        let handshake = tokio::select! {
            handshake = timeout(patience, handshake) => handshake,
            () = self.drain.begun() => return,
        };
        match handshake {
            Ok(Ok(Some(Handshake { stream, shown }))) => {
                self.serve_stream(stream, accepted, Some(shown)).await;
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(error = "it took too long", "a TLS handshake failed"),
        }
    }

    /// `shown` is what the client has shown of itself; `None` without TLS.
    async fn serve_stream<T: Stream>(
        &self,
        mut stream: T,
        accepted: Accepted<S>,
        shown: Option<Shown>,
    ) {
        let Accepted { generation, source, place, state } = accepted;
        // Over TLS too: what is spoken counts, whatever ALPN has agreed on.
        let first = detect(&mut stream, generation.options.limits.header_timeout);
        let detected = tokio::select! {
            detected = first => detected,
            () = self.drain.begun() => Ok(None),
        };
        let (protocol, prefix) = match detected {
            Ok(Some(detected)) => detected,
            Ok(None) => {
                // To TLS the end of a socket alone is no good end.
                let _ = stream.shutdown().await;
                return;
            }
            Err(_) => return,
        };
        let edge = Edge::new(
            self,
            generation.clone(),
            Client { source, shown },
            state,
            place,
            (protocol == Protocol::Http2).then(Arc::default),
        );
        match protocol {
            Protocol::Http1 => self.serve_http1(stream, prefix, edge, generation).await,
            Protocol::Http2 => self.serve_http2(stream, prefix, edge, generation).await,
        }
    }

    async fn serve_http1(
        &self,
        stream: impl Stream,
        prefix: Bytes,
        edge: Edge<S>,
        generation: Arc<Generation<S>>,
    ) {
        let limits = generation.options.limits.clone();
        let io = TokioIo::new(ScanIo::new(stream, prefix, limits, edge.state.clone()));
        let service = service_fn(move |request| edge.call(request));
        let connection = generation.http1.serve_connection(io, service).with_upgrades();
        // The connection may outlive it by far.
        drop(generation);
        let drained = self.drain.begun();
        let graceful = |c: Pin<&mut _>| http1::UpgradeableConnection::graceful_shutdown(c);
        until(drained, || self.drain.has_begun(), connection, graceful).await;
    }

    async fn serve_http2(
        &self,
        stream: impl Stream,
        prefix: Bytes,
        edge: Edge<S>,
        generation: Arc<Generation<S>>,
    ) {
        let (state, answers) = (edge.state.clone(), edge.answers.clone().unwrap_or_default());
        let service = service_fn(move |request| edge.call(request));
        let io = TokioIo::new(Rewind::new(stream, prefix));
        let connection = generation.http2.serve_connection(io, service);
        let (idle, send) =
            (generation.options.limits.idle_timeout, generation.options.send_timeout);
        let leave = generation.options.leave.clone();
        // The connection may outlive it by far.
        drop(generation);
        let stop = leaves(&leave, &self.drain, &state, idle);
        let graceful = |c: Pin<&mut _>| http2::Connection::graceful_shutdown(c);
        tokio::select! {
            () = until(stop, || true, connection, graceful) => {}
            () = answers.stalled(send) => {}
        }
    }
}

impl<S> Accepted<S> {
    /// The socket, whose peer has to take what it is sent. Beneath TLS, whose buffers would hide that it does not.
    fn watched(&self, stream: TcpStream) -> Stall<TcpStream> {
        Stall::new(stream, self.generation.options.send_timeout, self.state.clone())
    }
}

/// Drives the connection to its end, and tells it to finish when `stop` says so.
///
/// `stop` is polled once, so that it can wake this task, and after that only when `worth_a_look`.
async fn until<C: Future>(
    stop: impl Future<Output = ()>,
    worth_a_look: impl Fn() -> bool,
    connection: C,
    graceful: impl Fn(Pin<&mut C>),
) {
    let (mut stop, mut connection) = (pin!(stop), pin!(connection));
    let (mut polled, mut stopping) = (false, false);
    poll_fn(|cx| {
        if !stopping && (!polled || worth_a_look()) {
            polled = true;
            stopping = stop.as_mut().poll(cx).is_ready();
            if stopping {
                graceful(connection.as_mut());
            }
        }
        connection.as_mut().poll(cx).map(|_| ())
    })
    .await;
}

/// Waits until an HTTP/2 client is to go elsewhere. One that is to leave is let have its first request: the connection was made for it.
async fn leaves(leave: &Signal, drain: &Signal, state: &ConnState, idle_timeout: Duration) {
    let (mut told, mut over) = (pin!(leave.begun()), pin!(drain.begun()));
    let mut idle = pin!(idle(state, idle_timeout));
    let mut is_known = false;
    poll_fn(|cx| {
        if !is_known {
            // Once, so that both wake this task; to ask them each time would take a lock that all connections share.
            is_known = true;
            let _ = (told.as_mut().poll(cx), over.as_mut().poll(cx));
        }
        let is_told = state.leaves() || leave.has_begun() && state.begun() > 0;
        if is_told || drain.has_begun() { Poll::Ready(()) } else { idle.as_mut().poll(cx) }
    })
    .await;
}

/// Waits until the connection has had no request for this long, or up to twice as long.
async fn idle(state: &ConnState, timeout: Duration) {
    let mut seen = 0;
    loop {
        sleep(timeout).await;
        let requests = state.begun();
        if state.active() == 0 && requests == seen {
            return;
        }
        seen = requests;
    }
}
