//! One connection, from its first byte to its last.

use super::{
    Options, Stack,
    edge::Edge,
    ingress::Peer,
    scan::{ConnState, Protocol, Rewind, ScanIo, detect},
    stall::Stall,
    tls::{Handshake, Tls},
};
use crate::{
    NormalizeLayer,
    forward::Hold,
    metrics::{Present, RouteMetrics, WorkerGauges},
    signal::Signal,
};
use bytes::Bytes;
use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

/// The most requests at once on one HTTP/2 connection.
const STREAMS: u32 = 250;
/// How often an HTTP/2 client is asked whether it is still there.
const PING: Duration = Duration::from_secs(20);
/// The most header fields that hyper has room for without asking for memory, which is its default.
const HTTP1_FIELDS: usize = 100;
/// The largest header list that h2 takes before it refuses by itself, without an envelope: well above our own
/// limit, which answers with one, and small enough for every stream of a connection to have one.
fn http2_header_list(head_bytes: usize) -> u32 {
    u32::try_from(head_bytes.saturating_mul(4)).unwrap_or(u32::MAX).max(64 * 1024)
}

/// What a connection's bytes go through: a socket, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

/// A connection, but for its bytes.
struct Accepted {
    peer: SocketAddr,
    /// Its place among those that may be at a time.
    place: Hold,
    state: Arc<ConnState>,
}

/// What the connections of one worker share.
pub(super) struct Connections<S> {
    stack: S,
    options: Arc<Options>,
    normalize: NormalizeLayer,
    drain: Signal,
    unrouted: Arc<RouteMetrics>,
    gauges: Arc<WorkerGauges>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl<S: Stack> Connections<S> {
    pub(super) fn new(
        stack: S,
        options: Arc<Options>,
        drain: Signal,
        unrouted: Arc<RouteMetrics>,
        gauges: Arc<WorkerGauges>,
    ) -> Self {
        let mut http1 = http1::Builder::new();
        // Above the scanner's own limits, so that hyper never refuses by itself.
        http1.max_buf_size(2 * options.limits.head_bytes.max(16 * 1024)).half_close(false);
        if options.limits.fields > HTTP1_FIELDS {
            http1.max_headers(options.limits.fields);
        }
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(http2_header_list(options.limits.head_bytes))
            .keep_alive_interval(PING);
        let normalize = NormalizeLayer::new(options.catalog.clone());
        Self { stack, options, normalize, drain, unrouted, gauges, http1, http2 }
    }

    /// Serves the connection until it ends. How it ends is nobody's concern: a client may leave as it likes.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, place: Hold) {
        let _present = Present::new(&self.gauges, |worker| &worker.connections);
        let accepted = Accepted { peer, place, state: Arc::default() };
        match &self.options.tls {
            None => self.serve_stream(self.watched(stream, &accepted), accepted, None).await,
            // In a box of its own: a connection without TLS needs no room for one with it.
            Some(tls) => Box::pin(self.serve_tls(tls, stream, accepted)).await,
        }
    }

    /// The socket, whose peer has to take what it is sent. Beneath TLS, whose buffers would hide that it does not.
    fn watched(&self, stream: TcpStream, accepted: &Accepted) -> Stall<TcpStream> {
        Stall::new(stream, self.options.send_timeout, accepted.state.clone())
    }

    async fn serve_tls(&self, tls: &Tls, stream: TcpStream, accepted: Accepted) {
        let handshake = tls.accept(stream, |stream| self.watched(stream, &accepted));
        let handshake = tokio::select! {
            handshake = timeout(self.options.limits.header_timeout, handshake) => handshake,
            () = self.drain.begun() => return,
        };
        match handshake {
            Ok(Ok(Some(Handshake { stream, names }))) => {
                self.serve_stream(stream, accepted, Some(names)).await;
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(error = "it took too long", "a TLS handshake failed"),
        }
    }

    /// `names` are those of the client's certificate; `None` without TLS.
    async fn serve_stream<T: Stream>(
        &self,
        mut stream: T,
        accepted: Accepted,
        names: Option<Vec<String>>,
    ) {
        // Over TLS too: what is spoken counts, whatever ALPN has agreed on.
        let first = detect(&mut stream, self.options.limits.header_timeout);
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
        let Accepted { peer, place, state } = accepted;
        let principal = names.as_ref().and_then(|names| self.options.certified.find(names));
        let peer = Peer::new(peer.ip(), names.is_some(), &self.options.trusted_proxies);
        let edge = Edge {
            stack: self.stack.clone(),
            normalize: self.normalize.clone(),
            options: self.options.clone(),
            peer: Arc::new(peer.known_as(principal)),
            state,
            place,
            unrouted: self.unrouted.clone(),
            gauges: self.gauges.clone(),
            answers: (protocol == Protocol::Http2).then(Arc::default),
        };
        match protocol {
            Protocol::Http1 => self.serve_http1(stream, prefix, edge).await,
            Protocol::Http2 => self.serve_http2(stream, prefix, edge).await,
        }
    }

    async fn serve_http1(&self, stream: impl Stream, prefix: Bytes, edge: Edge<S>) {
        let limits = self.options.limits.clone();
        let io = TokioIo::new(ScanIo::new(stream, prefix, limits, edge.state.clone()));
        let service = service_fn(move |request| edge.call(request));
        let connection = self.http1.serve_connection(io, service).with_upgrades();
        let drained = self.drain.begun();
        let graceful = |c: Pin<&mut _>| http1::UpgradeableConnection::graceful_shutdown(c);
        until(drained, || self.drain.has_begun(), connection, graceful).await;
    }

    async fn serve_http2(&self, stream: impl Stream, prefix: Bytes, edge: Edge<S>) {
        let (state, answers) = (edge.state.clone(), edge.answers.clone().unwrap_or_default());
        let service = service_fn(move |request| edge.call(request));
        let io = TokioIo::new(Rewind::new(stream, prefix));
        let connection = self.http2.serve_connection(io, service);
        let stop = async {
            tokio::select! {
                () = self.drain.begun() => {}
                () = idle(&state, self.options.limits.idle_timeout) => {}
            }
        };
        let graceful = |c: Pin<&mut _>| http2::Connection::graceful_shutdown(c);
        tokio::select! {
            () = until(stop, || true, connection, graceful) => {}
            () = answers.stalled(self.options.send_timeout) => {}
        }
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
