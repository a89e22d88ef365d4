//! A simulated, flaky image provider.
//!
//! It speaks the Grsai protocol on loopback, and fails in every way that a request asks for: see [`SCENARIOS`], and
//! [`scenario`] for how a request chooses one.
//!
//! | call | answer |
//! |---|---|
//! | `POST /v1/draw/nano-banana` | without `webHook`: a stream of events; with `"-1"` or a URL: a task's id at once |
//! | `POST /v1/draw/result` | a task as it is now |
//! | anything else | 404, nginx's HTML page |
//!
//! Both calls want `Authorization: Bearer` with [`KEY`]. What is not as the real one: nothing is drawn (the images are
//! at `images.invalid`), no callback is sent to a `webHook` URL (poll instead), only the newest thousand tasks are
//! remembered, and HTTP/1.0 is refused.

mod act;
mod draw;
mod http;
mod scenario;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use ::http::Method;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

pub(crate) use self::scenario::{PROMPT, SCENARIOS, Scenario};
use self::{
    act::Pace,
    draw::Tasks,
    http::{Answer, Connection, Ending, ReadError},
};

/// The one key that the provider accepts.
pub(crate) const KEY: &str = "demo-provider-key";

/// How many connections are served at a time; more wait in the listener's queue.
const CONNECTIONS: usize = 1024;
/// How long a reset waits, so that what was sent before it arrives.
const BEFORE_RESET: Duration = Duration::from_millis(50);

/// The provider, bound and not yet serving.
pub(crate) struct Provider {
    listener: TcpListener,
    site: Site,
}

/// What all connections share.
struct Site {
    addr: SocketAddr,
    pace: Pace,
    tasks: Tasks,
    /// Nothing goes wrong, whatever a request asks for, but with inputs that are not allowed.
    reliable: bool,
}

impl Provider {
    /// Binds a free port on loopback.
    ///
    /// # Errors
    ///
    /// There is none, or no loopback.
    pub(crate) async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        Ok(Self {
            listener,
            site: Site { addr, pace: Pace::USUAL, tasks: Tasks::default(), reliable: false },
        })
    }

    /// The same, and nothing goes wrong but with inputs that are not allowed.
    pub(crate) fn reliable(mut self) -> Self {
        self.site.reliable = true;
        self
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.site.addr
    }

    /// Serves until `shutdown` is done, then drops every connection: nobody drains a flaky provider.
    ///
    /// # Errors
    ///
    /// The listener is broken.
    pub(crate) async fn serve(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let site = Arc::new(self.site);
        let mut shutdown = pin!(shutdown);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(converse(stream, Arc::clone(&site)));
                    }
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    // Out of descriptors, most likely: with no connection to wait for, that will not pass.
                    Err(error) if connections.is_empty() => return Err(error),
                    Err(_) => sleep(Duration::from_millis(50)).await,
                },
            }
        }
    }
}

/// One connection, from its first request to its end.
async fn converse(stream: TcpStream, site: Arc<Site>) {
    // Events are to leave when they happen. A failure means the peer is gone, which the first read finds out as well.
    let _ = stream.set_nodelay(true);
    let mut connection = Connection::new(stream);
    let ending = loop {
        match exchange(&mut connection, &site).await {
            Ok(Ending::Keep) => {}
            Ok(ending) => break ending,
            Err(_) => return,
        }
    };
    if ending == Ending::Reset {
        sleep(BEFORE_RESET).await;
    }
    // However it ends, there is nobody left to tell.
    let _ = connection.end(ending).await;
}

/// One request and its answer.
async fn exchange(connection: &mut Connection, site: &Site) -> io::Result<Ending> {
    match connection.request().await {
        Ok(request) => draw::serve(connection, &request, site).await,
        Err(ReadError::Gone) => Ok(Ending::Close),
        Err(ReadError::Refused(status)) => {
            connection.send(&Answer::page(status).to_bytes(&Method::GET, true)).await?;
            Ok(Ending::Close)
        }
    }
}
