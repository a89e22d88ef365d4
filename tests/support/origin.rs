//! A provider that does what a test tells it, down to the byte.

use super::{Fields, Wire, soon};
use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::AbortHandle,
};

/// A provider on a port of its own.
#[derive(Debug)]
pub struct Origin {
    pub address: SocketAddr,
    seen: Arc<Seen>,
    accepting: AbortHandle,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// On which connection, from 0.
    pub connection: usize,
    pub method: String,
    pub target: String,
    pub version: String,
    pub fields: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
}

/// What to do about a request.
#[derive(Clone, Debug)]
pub enum Act {
    Send(Vec<u8>),
    /// The end of our side, and of the connection.
    Fin,
    Reset,
    /// Nothing more, until the other side closes.
    Hold,
    /// Nothing for a while, as somebody who works.
    Wait(Duration),
}

impl Act {
    pub fn send(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Send(bytes.into())
    }
}

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) connections: AtomicUsize,
    pub(super) requests: Mutex<Vec<Received>>,
    raw: Arc<Mutex<Vec<u8>>>,
    pub(super) changed: Notify,
}

impl Seen {
    pub(super) fn add(&self, request: Received) {
        self.requests.lock().unwrap().push(request);
        self.changed.notify_waiters();
    }
}

/// One connection at the provider.
#[derive(Debug)]
pub struct Connection {
    pub wire: Wire,
    pub number: usize,
    seen: Arc<Seen>,
}

impl Origin {
    /// Answers each complete request with what the script says; after that, the next one on the connection.
    pub async fn start(script: impl Fn(&Received) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let script = Arc::new(script);
        Self::connections(move |mut connection| {
            let script = script.clone();
            async move {
                while let Some(request) = connection.request().await? {
                    for act in script(&request) {
                        match act {
                            Act::Send(bytes) => connection.wire.send(bytes).await?,
                            Act::Fin => return Ok(()),
                            Act::Reset => {
                                connection.reset();
                                return Ok(());
                            }
                            Act::Wait(pause) => tokio::time::sleep(pause).await,
                            Act::Hold => {
                                connection.wire.rest().await?;
                                return Ok(());
                            }
                        }
                    }
                }
                Ok(())
            }
        })
        .await
    }

    /// Answers every request with 200 and these bytes.
    pub async fn ok(body: &'static str) -> Self {
        Self::start(move |_| vec![Act::send(ok(body))]).await
    }

    /// Each connection is the script's.
    pub async fn connections<F>(script: impl Fn(Connection) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let script = Arc::new(script);
        Self::accepting(move |stream, number, seen| {
            let raw = seen.raw.clone();
            let connection = Connection { wire: Wire::new(stream, raw), number, seen };
            let script = script.clone();
            async move {
                // The other side may go at any time; what it should have done, the test asks for.
                let _ = script(connection).await;
            }
        })
        .await
    }

    pub(super) async fn accepting<F>(
        serve: impl Fn(TcpStream, usize, Arc<Seen>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Seen>::default();
        let counted = seen.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = counted.connections.fetch_add(1, Ordering::SeqCst);
                counted.changed.notify_waiters();
                tokio::spawn(serve(stream, number, counted.clone()));
            }
        })
        .abort_handle();
        Self { address, seen, accepting }
    }

    /// One that answers each request when it is told to.
    pub async fn waiting() -> (Self, Arc<Notify>) {
        let go = Arc::new(Notify::new());
        let told = go.clone();
        let origin = Self::connections(move |mut connection| {
            let go = told.clone();
            async move {
                while connection.request().await?.is_some() {
                    go.notified().await;
                    connection.wire.send(ok("at last")).await?;
                }
                Ok(())
            }
        })
        .await;
        (origin, go)
    }

    /// One that agrees to speak another protocol, in which it says the first byte again and then listens.
    pub async fn websocket() -> Self {
        Self::connections(|mut connection| async move {
            connection.request().await?;
            let agreed =
                "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
            connection.wire.send(agreed).await?;
            let byte = connection.wire.take(1).await?;
            connection.wire.send(byte).await?;
            connection.wire.rest().await?;
            Ok(())
        })
        .await
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn connection_count(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> Vec<Received> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// The only request so far.
    #[track_caller]
    pub fn only_request(&self) -> Received {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    /// The latest request.
    pub fn last_request(&self) -> Received {
        self.requests().pop().expect("a request")
    }

    /// Every byte that ever arrived, on all connections.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.seen.raw.lock().unwrap()).into_owned()
    }

    /// Waits until what has been seen is as the test wants it.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Self) -> bool) {
        soon(what, async {
            loop {
                let changed = self.seen.changed.notified();
                if wanted(self) {
                    return;
                }
                let _ = tokio::time::timeout(Duration::from_millis(50), changed).await;
            }
        })
        .await;
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Connection {
    /// The head of the next request; its body is not read.
    pub async fn head(&mut self) -> io::Result<Option<Received>> {
        let Some((line, fields)) = self.wire.head().await? else {
            return Ok(None);
        };
        let mut words = line.split(' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        Ok(Some(Received {
            connection: self.number,
            method: word(),
            target: word(),
            version: word(),
            fields,
            body: Vec::new(),
            trailers: Fields::default(),
        }))
    }

    /// The next request, whole.
    pub async fn request(&mut self) -> io::Result<Option<Received>> {
        let Some(mut request) = self.head().await? else {
            return Ok(None);
        };
        if let Some((body, trailers)) = self.wire.body(&request.fields).await? {
            (request.body, request.trailers) = (body, trailers);
        }
        self.seen.add(request.clone());
        Ok(Some(request))
    }

    /// Ends the connection with RST.
    pub fn reset(self) {
        let _ = socket2::SockRef::from(&self.wire.stream).set_linger(Some(Duration::ZERO));
    }
}

/// A port on which nobody listens: connections to it are refused for as long as this lives.
#[derive(Debug)]
pub struct Refusing(socket2::Socket);

impl Default for Refusing {
    fn default() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        Self(socket)
    }
}

impl Refusing {
    pub fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap().as_socket().unwrap())
    }
}

/// A plain answer.
pub fn ok(body: &str) -> String {
    answer(200, "content-type: text/plain\r\n", body)
}

/// An answer with a content-length.
pub fn answer(status: u16, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Whatever\r\n{fields}content-length: {length}\r\n\r\n{body}")
}

/// An answer of JSON.
pub fn json(status: u16, body: &str) -> Vec<Act> {
    vec![Act::send(answer(status, "content-type: application/json\r\n", body))]
}

/// The head of a stream of events.
pub const EVENTS: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// A piece of a body, in a chunk of its own.
pub fn chunk(piece: impl AsRef<[u8]>) -> Vec<u8> {
    let piece = piece.as_ref();
    [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
}

/// The end of a body in chunks.
pub const LAST_CHUNK: &str = "0\r\n\r\n";

/// A whole stream of these events, each with this data.
pub fn events(data: &[&str]) -> Vec<u8> {
    let chunks = data.iter().flat_map(|data| chunk(format!("data: {data}\n\n")));
    EVENTS.bytes().chain(chunks).chain(LAST_CHUNK.bytes()).collect()
}
