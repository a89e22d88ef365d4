//! hyper as a proxy, and nothing else: what tollgate is measured against.

use super::process::announce;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri, Version, header, uri::Scheme};
use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming, client::conn::http1 as client, server::conn::http1 as server,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use std::{
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    str::FromStr,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
};

/// Who keeps the connections to the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// hyper-util's client; on the multi-thread runtime, as most have it.
    Legacy,
    /// A stack of hyper's own connections; on a current-thread runtime.
    Pool,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy => "legacy",
            Self::Pool => "pool",
        })
    }
}

impl FromStr for Client {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found =
            [Self::Legacy, Self::Pool].into_iter().find(|client| client.to_string() == name);
        found.ok_or_else(|| format!("there is no client {name}"))
    }
}

/// The most connections that are kept without a request, as in tollgate.
const MAX_IDLE: usize = 512;

/// Serves until it is killed.
pub(super) fn run(client: Client, origin: SocketAddr) {
    match client {
        Client::Legacy => {
            let runtime = runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            // On the worker, and not on the thread that waits for it.
            let served = runtime.spawn(serve_with_legacy(origin));
            runtime.block_on(served).unwrap();
        }
        Client::Pool => {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve_with_pool(origin));
        }
    }
}

async fn serve_with_legacy(origin: SocketAddr) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = legacy::Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(MAX_IDLE)
        .set_host(false)
        .build(connector);
    let authority: http::uri::Authority = origin.to_string().parse().unwrap();
    serve(move |mut request: Request<Incoming>| {
        let (client, authority) = (client.clone(), authority.clone());
        async move {
            let mut uri = std::mem::take(request.uri_mut()).into_parts();
            uri.scheme = Some(Scheme::HTTP);
            uri.authority = Some(authority);
            *request.uri_mut() = Uri::from_parts(uri).map_err(io::Error::other)?;
            client.request(request).await.map_err(io::Error::other)
        }
    })
    .await;
}

async fn serve_with_pool(origin: SocketAddr) {
    let pool = Arc::new(Pool { origin, idle: Mutex::default() });
    serve(move |request| {
        let pool = pool.clone();
        async move { pool.send(request).await }
    })
    .await;
}

/// Accepts connections, and sends each request on with `forward`. A failure ends the connection.
async fn serve<F, R, B>(forward: F)
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = io::Result<Response<B>>> + Send,
    B: Body<Data = Bytes, Error = hyper::Error> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    announce(listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let forward = forward.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            remove_hop_by_hop(request.headers_mut());
            *request.version_mut() = Version::HTTP_11;
            let forwarded = forward(request);
            async move {
                forwarded.await.map(|mut response| {
                    remove_hop_by_hop(response.headers_mut());
                    response
                })
            }
        });
        let connection = server::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let _ = connection.await;
        });
    }
}

/// The least that a proxy has to do; the load nominates nothing.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TE, header::TRANSFER_ENCODING, header::UPGRADE] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}

/// Connections to the origin; the last one used is the next one taken.
struct Pool {
    origin: SocketAddr,
    idle: Mutex<Vec<client::SendRequest<Incoming>>>,
}

impl Pool {
    async fn send(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Held>> {
        let mut connection = self.take().await?;
        let sent = connection.send_request(request).await;
        let response = sent.map_err(io::Error::other)?;
        Ok(response.map(|inner| {
            let mut held = Held { inner, connection: Some(connection), pool: self };
            held.release_at_end();
            held
        }))
    }

    async fn take(&self) -> io::Result<client::SendRequest<Incoming>> {
        loop {
            let newest = self.idle.lock().unwrap().pop();
            let Some(mut connection) = newest else { break };
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        let stream = TcpStream::connect(self.origin).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) =
            client::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        sender.ready().await.map_err(io::Error::other)?;
        Ok(sender)
    }
}

/// An answer's body, and the connection that it comes on.
struct Held {
    inner: Incoming,
    connection: Option<client::SendRequest<Incoming>>,
    pool: Arc<Pool>,
}

impl Held {
    fn release_at_end(&mut self) {
        if !self.inner.is_end_stream() {
            return;
        }
        if let Some(connection) = self.connection.take().filter(|open| !open.is_closed()) {
            let mut idle = self.pool.idle.lock().unwrap();
            if idle.len() < MAX_IDLE {
                idle.push(connection);
            }
        }
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        self.release_at_end();
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
