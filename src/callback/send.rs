//! One call of a receiver.

use super::{error::SendError, guard::Guard, url::CallbackUrl};
use crate::{forward::Roots, profile::retry_after};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION")));

/// The longest head of an answer that is read.
const MAX_HEAD: usize = 64 * 1024;
/// As much of an answer's body is read, so that a receiver that is still writing finds its connection whole.
const MAX_DRAINED: usize = 64 * 1024;
/// How long that may take.
const MAX_DRAIN_TIME: Duration = Duration::from_secs(1);

/// What this side says itself of a connection and of what goes over it.
const OWN: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::USER_AGENT,
];

/// Sends callbacks: each over a connection of its own, to an address that the guard has checked.
#[derive(Clone)]
pub(crate) struct Sender {
    guard: Guard,
    timeout: Duration,
    tls: Arc<ClientConfig>,
}

/// What a receiver says of a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Whatever it is, a redirection too.
    pub(crate) status: StatusCode,
    /// When it wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
}

impl Sender {
    /// Sends where `guard` allows, for `timeout` at most, and trusts the certificates of `roots`.
    pub(crate) fn new(guard: Guard, timeout: Duration, roots: &Roots) -> Self {
        let mut tls = roots.client_config();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { guard, timeout, tls: Arc::new(tls) }
    }

    /// Posts `body` with these header fields, and waits for the head of the answer.
    ///
    /// Fields that concern the connection, `Host` and `User-Agent` are replaced. Dropping the future closes the
    /// connection.
    ///
    /// # Errors
    ///
    /// When there is no answer. An answer of any status is no error.
    pub(crate) async fn send(
        &self,
        url: &CallbackUrl,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, SendError> {
        let began = Instant::now();
        let receiving = match timeout(self.timeout, self.begin(url, headers, body)).await {
            Ok(receiving) => receiving?,
            Err(_) => return Err(SendError::TimedOut),
        };
        Ok(receiving.finish(self.timeout.saturating_sub(began.elapsed())).await)
    }

    async fn begin(
        &self,
        url: &CallbackUrl,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Receiving, SendError> {
        let name = if url.is_https() { Some(server_name(url)?) } else { None };
        let addresses = self.guard.resolve(url).await?;
        // An address that swallows everything leaves time for the next one, and for the request.
        let patience = self.timeout / (addresses.len() as u32 + 1);
        let socket = connect(&addresses, patience).await?;
        let request = request(url, headers, body);
        match name {
            None => post(socket, request).await,
            Some(name) => {
                let connector = TlsConnector::from(self.tls.clone());
                let socket = connector.connect(name, socket).await.map_err(SendError::Tls)?;
                post(socket, request).await
            }
        }
    }
}

/// What the certificate has to be for.
fn server_name(url: &CallbackUrl) -> Result<ServerName<'static>, SendError> {
    ServerName::try_from(url.host().to_owned()).map_err(|_| {
        let error = "the host is no name of a certificate";
        SendError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error))
    })
}

/// Connects to the first address that accepts a connection; each is given `patience`.
async fn connect(addresses: &[SocketAddr], patience: Duration) -> Result<TcpStream, SendError> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                // That it may fail is no reason to do without the connection.
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(SendError::Connect(last))
}

fn request(url: &CallbackUrl, mut given: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
    let host = HeaderValue::from_str(url.authority())
        .unwrap_or_else(|_| unreachable!("an authority is printable ASCII"));
    let mut headers = HeaderMap::with_capacity(given.len() + 4);
    // First, as RFC 9110 wants it (section 7.2).
    headers.insert(header::HOST, host);
    headers.insert(header::USER_AGENT, USER_AGENT);
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    for name in OWN {
        given.remove(name);
    }
    headers.extend(given);
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from(url.request_target().clone());
    *request.headers_mut() = headers;
    request
}

/// An answer whose body is still to come.
struct Receiving {
    answer: Answer,
    body: Incoming,
    /// Closed when this is dropped.
    _connection: JoinSet<hyper::Result<()>>,
}

async fn post<T>(io: T, request: Request<Full<Bytes>>) -> Result<Receiving, SendError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, driver) =
        http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(io)).await?;
    let mut connection = JoinSet::new();
    connection.spawn(driver);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let retry_after = retry_after(&head.headers, SystemTime::now());
    Ok(Receiving {
        answer: Answer { status: head.status, retry_after },
        body,
        _connection: connection,
    })
}

impl Receiving {
    /// Reads the body, if it is a short one and comes soon.
    async fn finish(self, left: Duration) -> Answer {
        let mut body = Limited::new(self.body, MAX_DRAINED);
        let drain = async { while let Some(Ok(_)) = body.frame().await {} };
        // However the body ends, the answer stays what it is.
        let _ = timeout(left.min(MAX_DRAIN_TIME), drain).await;
        self.answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};
    use std::net::Ipv4Addr;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        net::TcpListener,
    };

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test(start_paused = true)]
    async fn bodies_that_do_not_come() {
        let short = Duration::from_millis(400);
        for (body, left, want) in [
            ("hello", LONG, Duration::ZERO),
            ("hell", LONG, MAX_DRAIN_TIME),
            ("hell", short, short),
            ("", Duration::ZERO, Duration::ZERO),
        ] {
            let to = "http://h/".parse().unwrap();
            let (ours, mut theirs) = duplex(4096);
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{body}");
            let respond = async {
                assert_ne!(theirs.read(&mut [0; 1024]).await.unwrap(), 0);
                theirs.write_all(answer.as_bytes()).await.unwrap();
            };
            let request = request(&to, HeaderMap::new(), Bytes::new());
            let (receiving, ()) = tokio::join!(post(ours, request), respond);
            let receiving = receiving.unwrap();
            let began = Instant::now();
            assert_eq!(receiving.finish(left).await.status, 200);
            // The clock is exact to a millisecond.
            let took = began.elapsed();
            assert!(took >= want && took <= want + Duration::from_millis(1), "{body}: {took:?}");
            // Nothing holds the connection any more.
            theirs.read_to_end(&mut Vec::new()).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_up_is_not_sent_to_its_end() {
        let to = "http://h/".parse().unwrap();
        let body = Bytes::from(vec![b'x'; 1024 * 1024]);
        let (ours, mut theirs) = duplex(64);
        let request = request(&to, HeaderMap::new(), body.clone());
        assert!(timeout(LONG, post(ours, request)).await.is_err());
        let mut sent = Vec::new();
        theirs.read_to_end(&mut sent).await.unwrap();
        assert!((1..body.len()).contains(&sent.len()), "{}", sent.len());
    }

    /// One that neither accepts nor refuses.
    #[tokio::test]
    async fn an_address_that_says_nothing_leaves_time_for_the_next() {
        let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        full.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        full.listen(0).unwrap();
        let silent = full.local_addr().unwrap().as_socket().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connect = async |addresses: &[SocketAddr]| {
            let connecting = connect(addresses, Duration::from_millis(200));
            timeout(LONG, connecting).await.unwrap()
        };
        // Those who wait to be accepted, until there is no room for another one.
        let mut waiting = Vec::new();
        let error = loop {
            match connect(&[silent]).await {
                Ok(socket) => waiting.push(socket),
                Err(error) => break error,
            }
            assert!(waiting.len() < 100);
        };
        assert_eq!(error.to_string(), "cannot connect: timed out");
        let socket = connect(&[silent, address]).await.unwrap();
        assert_eq!(socket.peer_addr().unwrap(), address);
    }
}
