//! The service: endpoints, and what is known of them.

use super::{
    AttemptListener, AttemptWatcher, Repeat, ReplayBody, Settings, UpstreamEndpoint,
    health::Health, run::Run,
};
use crate::{
    Catalog, Fault,
    buffer::Budget as Memory,
    classify::{ClassifiedBody, Inspection, Listener},
    fault::UpstreamFault,
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tower::{BoxError, retry::budget::TpsBudget};
use tower_service::Service;

/// The most endpoints of one upstream.
pub(super) const MOST: usize = 32;

/// How many requests a second may be repeated whatever happens.
const REPETITIONS: u32 = 10;

/// Sends a request to one of several endpoints, and to another one when that fails; see the [module](super).
///
/// Clones share what is known of the endpoints.
pub struct Upstream<S> {
    pub(super) shared: Arc<Shared<S>>,
    pub(super) repeat: Repeat,
    pub(super) max_replay_bytes: usize,
    /// Where bodies are kept.
    pub(super) memory: Memory,
}

pub(super) struct Shared<S> {
    pub(super) catalog: Arc<Catalog>,
    pub(super) settings: Settings,
    pub(super) members: Vec<Member<S>>,
    pub(super) budget: TpsBudget,
    /// How often a request may be sent.
    pub(super) attempts: u32,
}

/// An endpoint.
pub(super) struct Member<S> {
    pub(super) name: Arc<str>,
    pub(super) service: S,
    pub(super) inspection: Arc<Inspection>,
    pub(super) priority: u32,
    pub(super) weight: u32,
    pub(super) keeps_deadline: bool,
    pub(super) on_attempt: Option<AttemptListener>,
    pub(super) health: Health,
    /// Tells `health` of answers that break off.
    pub(super) listener: Listener,
}

/// Why there is no upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUpstream(&'static str);

impl fmt::Display for InvalidUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidUpstream {}

impl<S> Upstream<S> {
    /// Over these endpoints, in the words of this catalog where a stream fails on its way.
    ///
    /// # Errors
    ///
    /// When there is no endpoint, or more than 32.
    pub fn new(
        endpoints: impl IntoIterator<Item = UpstreamEndpoint<S>>,
        settings: Settings,
        catalog: Arc<Catalog>,
    ) -> Result<Self, InvalidUpstream> {
        let now = Instant::now();
        let members = endpoints.into_iter().map(|endpoint| {
            let health = Health::new(endpoint.name.clone(), settings.ejection, now);
            (endpoint, health)
        });
        Self::with_health(members.collect::<Vec<_>>(), settings, catalog, 1)
    }

    /// The same with what is known of the endpoints from elsewhere, for one of so many workers: none of them repeats for all.
    pub(crate) fn with_health(
        endpoints: impl IntoIterator<Item = (UpstreamEndpoint<S>, Health)>,
        settings: Settings,
        catalog: Arc<Catalog>,
        workers: u32,
    ) -> Result<Self, InvalidUpstream> {
        let member = |(endpoint, health): (UpstreamEndpoint<S>, Health)| Member {
            name: endpoint.name,
            service: endpoint.service,
            inspection: Arc::new(endpoint.inspection),
            priority: endpoint.priority,
            weight: endpoint.weight,
            keeps_deadline: endpoint.keeps_deadline,
            on_attempt: endpoint.on_attempt,
            listener: listener(&health),
            health,
        };
        let members: Vec<_> = endpoints.into_iter().map(member).collect();
        let attempts = match u32::try_from(members.len()) {
            Ok(0) => return Err(InvalidUpstream("an upstream has at least one endpoint")),
            Ok(number) if members.len() <= MOST => settings.attempts.unwrap_or(number).max(1),
            _ => return Err(InvalidUpstream("an upstream has at most 32 endpoints")),
        };
        let budget = TpsBudget::new(
            Duration::from_secs(10),
            REPETITIONS.div_ceil(workers.max(1)),
            f32::from(settings.retry_percent) / 100.0,
        );
        let (repeat, max_replay_bytes) = (settings.repeat, settings.max_replay_bytes);
        let shared = Arc::new(Shared { catalog, settings, members, budget, attempts });
        Ok(Self { shared, repeat, max_replay_bytes, memory: Memory::unlimited() })
    }

    /// The same with another rule of what may be repeated.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// The same, which keeps more or less of a body to send it again.
    #[must_use]
    pub fn max_replay_bytes(mut self, bytes: usize) -> Self {
        self.max_replay_bytes = bytes;
        self
    }

    /// The same, which keeps bodies in this memory, and sends one once for which there is none. Default: without end, within
    /// [`max_replay_bytes`](Self::max_replay_bytes) for each request.
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = memory;
        self
    }

    /// Sends the request.
    ///
    /// The services are told how much time there is by a [`Deadline`](crate::deadline::Deadline) in the request's extensions.
    ///
    /// # Errors
    ///
    /// The most telling [`Fault`] of all attempts; a fault of the client's side as it is.
    ///
    /// # Panics
    ///
    /// The future, outside a tokio runtime with time.
    pub fn send<B, R>(
        self,
        mut request: Request<B>,
    ) -> impl Future<Output = Result<Response<ClassifiedBody<R>>, Fault>> + Send + use<S, B, R>
    where
        S: Service<
                Request<ReplayBody<B>>,
                Response = Response<R>,
                Error: Into<BoxError>,
                Future: Send,
            > + Clone
            + Send
            + Sync
            + 'static,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
        R: Body<Data = Bytes> + Send + Unpin + 'static,
        R::Error: Into<BoxError>,
    {
        let watcher = request.extensions_mut().remove();
        let attempts = request.extensions_mut().remove();
        self.send_watched(request, watcher, attempts)
    }

    /// The same; `watcher` hears of failures within a stream, and `attempts` of tries.
    pub(crate) fn send_watched<B, R>(
        self,
        request: Request<B>,
        watcher: Option<StreamWatcher>,
        attempts: Option<AttemptWatcher>,
    ) -> impl Future<Output = Result<Response<ClassifiedBody<R>>, Fault>> + Send + use<S, B, R>
    where
        S: Service<
                Request<ReplayBody<B>>,
                Response = Response<R>,
                Error: Into<BoxError>,
                Future: Send,
            > + Clone
            + Send
            + Sync
            + 'static,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
        R: Body<Data = Bytes> + Send + Unpin + 'static,
        R::Error: Into<BoxError>,
    {
        let mut run = Run::new(self, request, watcher, attempts);
        async move { run.run().await }
    }
}

/// Hears of failures within streams whose head the caller has already.
pub trait WatchStreams: Send + Sync {
    /// The stream that answers the request of this id has failed.
    fn failed(&self, fault: &Fault, request_id: Option<&HeaderValue>);
}

/// Who hears of it, in the extensions of a request.
#[derive(Clone)]
pub struct StreamWatcher(pub Arc<dyn WatchStreams>);

impl fmt::Debug for StreamWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWatcher").finish_non_exhaustive()
    }
}

fn listener(health: &Health) -> Listener {
    let health = health.clone();
    Arc::new(move |fault: &UpstreamFault| health.failed_later(fault, Instant::now()))
}

impl<S> Clone for Upstream<S> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            repeat: self.repeat,
            max_replay_bytes: self.max_replay_bytes,
            memory: self.memory.clone(),
        }
    }
}

impl<S> fmt::Debug for Upstream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.shared.members.iter().map(|member| &member.name).collect();
        f.debug_struct("Upstream").field("endpoints", &names).finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for Upstream<S>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Send + Unpin + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<ClassifiedBody<R>>;
    type Error = Fault;
    // Whoever wants to save the box calls `send`.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}
