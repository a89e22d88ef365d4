//! HTTP/2: a client, and providers that speak it, with and without TLS.

use super::{Answer, Fields, Origin, Received, Version, client::Ask, origin::Seen, soon};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{
    body::Incoming,
    client::conn::http2::SendRequest,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, rustls};

pub type Body = BoxBody<Bytes, std::io::Error>;

pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A client that knows that HTTP/2 is spoken.
#[derive(Debug)]
pub struct Http2 {
    pub sender: SendRequest<Body>,
    scheme: &'static str,
    address: SocketAddr,
    record: Arc<Mutex<Vec<u8>>>,
}

impl Http2 {
    pub async fn connect(address: SocketAddr, record: Arc<Mutex<Vec<u8>>>) -> Self {
        let stream = soon("connecting", TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream, "http", address, record).await
    }

    /// Over a connection that is there.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        scheme: &'static str,
        address: SocketAddr,
        record: Arc<Mutex<Vec<u8>>>,
    ) -> Self {
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = soon("a handshake", handshake).await.unwrap();
        tokio::spawn(connection);
        Self { sender, scheme, address, record }
    }

    /// Whether the other side takes another request on it.
    pub async fn is_usable(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    pub async fn ask(&mut self, ask: &Ask) -> hyper::Result<Answer> {
        let request = self.build(ask);
        self.request(request).await
    }

    pub fn build(&self, ask: &Ask) -> Request<Body> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(format!("{}://{}{}", self.scheme, self.address, ask.path));
        for (name, value) in &ask.fields {
            request = request.header(name, value);
        }
        request.body(full(ask.body.clone())).unwrap()
    }

    /// Sends a request and reads the whole answer.
    pub async fn request(&mut self, request: Request<Body>) -> hyper::Result<Answer> {
        let method = request.method().clone();
        let response = soon("an answer", self.sender.send_request(request)).await?;
        let (parts, body) = response.into_parts();
        let fields = fields(&parts.headers);
        self.note(format!("{fields:?}").as_bytes());
        let collected = soon("a body", body.collect()).await?;
        let trailers = collected.trailers().map_or_else(Fields::default, self::fields);
        let body = collected.to_bytes().to_vec();
        self.note(&body);
        Ok(Answer {
            version: Version::Http2,
            method,
            status: parts.status.as_u16(),
            interim: Vec::new(),
            fields,
            body,
            trailers,
            kept: true,
        })
    }

    pub fn note(&self, bytes: &[u8]) {
        self.record.lock().unwrap().extend_from_slice(bytes);
    }
}

pub fn fields(headers: &HeaderMap) -> Fields {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Fields(headers.iter().map(|(n, v)| (n.to_string(), text(v))).collect())
}

type Script = Arc<dyn Fn(&Received) -> Response<Body> + Send + Sync>;

/// A provider that speaks HTTP/2 in cleartext, to whoever knows.
pub async fn h2c_origin(
    script: impl Fn(&Received) -> Response<Body> + Send + Sync + 'static,
) -> Origin {
    let script: Script = Arc::new(script);
    Origin::accepting(move |stream, number, seen| serve(stream, true, number, seen, script.clone()))
        .await
}

/// A provider with TLS, and the PEM of its certificate, which it signed itself.
pub async fn tls_origin(
    alpn: &[&str],
    script: impl Fn(&Received) -> Response<Body> + Send + Sync + 'static,
) -> (Origin, String) {
    let alpn: Vec<_> = alpn.iter().map(|&protocol| protocol.to_owned()).collect();
    changing_tls_origin(move |_| alpn.clone(), script).await
}

/// The same, which offers other protocols on each connection, by its number.
pub async fn changing_tls_origin(
    alpn: impl Fn(usize) -> Vec<String> + Send + 'static,
    script: impl Fn(&Received) -> Response<Body> + Send + Sync + 'static,
) -> (Origin, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = move |number| {
        let mut config = config.clone();
        config.alpn_protocols = alpn(number).into_iter().map(String::into_bytes).collect();
        Arc::new(config)
    };
    (configured_tls_origin(config, script).await, made.cert.pem())
}

/// A provider with this TLS on each connection, by its number.
pub async fn configured_tls_origin(
    config: impl Fn(usize) -> Arc<rustls::ServerConfig> + Send + 'static,
    script: impl Fn(&Received) -> Response<Body> + Send + Sync + 'static,
) -> Origin {
    let script: Script = Arc::new(script);
    Origin::accepting(move |stream, number, seen| {
        let (acceptor, script) = (TlsAcceptor::from(config(number)), script.clone());
        async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            serve(stream, http2, number, seen, script).await;
        }
    })
    .await
}

async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    http2: bool,
    connection: usize,
    seen: Arc<Seen>,
    script: Script,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (seen, script) = (seen.clone(), script.clone());
        async move {
            let (parts, body) = request.into_parts();
            let Ok(collected) = body.collect().await else {
                return Ok(Response::new(full("")));
            };
            let received = Received {
                connection,
                method: parts.method.to_string(),
                target: parts.uri.to_string(),
                version: format!("{:?}", parts.version),
                fields: fields(&parts.headers),
                trailers: collected.trailers().map_or_else(Fields::default, fields),
                body: collected.to_bytes().to_vec(),
            };
            let mut response = script(&received);
            if parts.method == Method::HEAD {
                *response.body_mut() = full("");
            }
            seen.add(received);
            Ok::<_, Infallible>(response)
        }
    });
    let io = TokioIo::new(io);
    // The other side may go at any time.
    let _ = if http2 {
        http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
    } else {
        http1::Builder::new().serve_connection(io, service).await
    };
}
