//! One request through as many attempts as it takes and may take.

use super::{
    Attempt, Attempts, Outcome, Repeat, ReplayBody, Settings, UpstreamEndpoint,
    choose::{Candidate, Choice, choose},
    health::{Health, Permit},
    outcome::{may_repeat, tells},
    replay::Bodies,
};
use crate::{
    Catalog, Fault,
    classify::{ClassifiedBody, Examination, Inspection, Voice},
    deadline::{Deadline, after},
    fault::{Cause, UpstreamFault, UpstreamKind},
    normalize::rescue,
    request_id,
};
use arrayvec::ArrayVec;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, header, request::Parts};
use http_body::Body;
use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, sleep};
use tower::{
    BoxError,
    retry::budget::{Budget, TpsBudget},
};
use tower_service::Service;

/// The most endpoints of one upstream.
const MOST: usize = 32;

/// Sends a request to one of several endpoints, and to another one when that fails; see the [module](super).
///
/// Clones share what is known of the endpoints.
pub struct Upstream<S> {
    shared: Arc<Shared<S>>,
    repeat: Repeat,
    max_replay_bytes: usize,
}

struct Shared<S> {
    catalog: Arc<Catalog>,
    settings: Settings,
    members: Vec<Member<S>>,
    budget: TpsBudget,
    attempts: u32,
}

struct Member<S> {
    name: Arc<str>,
    service: S,
    inspection: Arc<Inspection>,
    priority: u32,
    weight: u32,
    health: Health,
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
            let health = Health::new(settings.ejection, now);
            (endpoint, health)
        });
        Self::with_health(members.collect::<Vec<_>>(), settings, catalog)
    }

    /// The same with what is known of the endpoints from elsewhere.
    pub(crate) fn with_health(
        endpoints: impl IntoIterator<Item = (UpstreamEndpoint<S>, Health)>,
        settings: Settings,
        catalog: Arc<Catalog>,
    ) -> Result<Self, InvalidUpstream> {
        let member = |(endpoint, health): (UpstreamEndpoint<S>, Health)| Member {
            name: endpoint.name,
            service: endpoint.service,
            inspection: Arc::new(endpoint.inspection),
            priority: endpoint.priority,
            weight: endpoint.weight,
            health,
        };
        let members: Vec<_> = endpoints.into_iter().map(member).collect();
        let attempts = match u32::try_from(members.len()) {
            Ok(0) => return Err(InvalidUpstream("an upstream has at least one endpoint")),
            Ok(number) if members.len() <= MOST => settings.attempts.unwrap_or(number).max(1),
            _ => return Err(InvalidUpstream("an upstream has at most 32 endpoints")),
        };
        let budget =
            TpsBudget::new(Duration::from_secs(10), 10, f32::from(settings.retry_percent) / 100.0);
        let (repeat, max_replay_bytes) = (settings.repeat, settings.max_replay_bytes);
        Ok(Self {
            shared: Arc::new(Shared { catalog, settings, members, budget, attempts }),
            repeat,
            max_replay_bytes,
        })
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

    /// Sends the request.
    ///
    /// The services are told how much time there is by a [`Deadline`] in the request's extensions, which
    /// [`Forward`](crate::Forward) keeps to.
    ///
    /// # Errors
    ///
    /// The most telling [`Fault`] of all attempts; a fault of the client's side as it is.
    pub fn send<B, R>(
        self,
        request: Request<B>,
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
        let mut run = Run::new(self.shared, self.repeat, self.max_replay_bytes, request);
        async move { run.run().await }
    }
}

/// What does not change from attempt to attempt.
struct Constant<S> {
    shared: Arc<Shared<S>>,
    repeat: Repeat,
    method: Method,
    request_id: Option<HeaderValue>,
    watcher: Option<StreamWatcher>,
    /// The idempotency key that was made for the request, once one was wanted.
    key: OnceLock<HeaderValue>,
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

/// A request under way.
struct Run<S, B> {
    constant: Constant<S>,
    /// `None` when the last attempt has it.
    parts: Option<Parts>,
    bodies: Bodies<B>,
    deadline: Instant,
    /// How often the request may be sent.
    most: u32,
    /// How often each endpoint was tried.
    tries: ArrayVec<u32, MOST>,
    attempts: Attempts,
    /// The most telling fault so far.
    worst: Option<UpstreamFault>,
}

impl<S, B: Body<Data = Bytes> + Unpin> Run<S, B> {
    fn new(
        shared: Arc<Shared<S>>,
        repeat: Repeat,
        max_replay_bytes: usize,
        request: Request<B>,
    ) -> Self {
        let (mut parts, body) = request.into_parts();
        let watcher = parts.extensions.remove();
        // What becomes another protocol cannot become it twice.
        let once = parts.headers.contains_key(header::UPGRADE) || repeat == Repeat::Never;
        let most = if once { 1 } else { shared.attempts };
        let bodies = match most {
            1 => Bodies::once(body),
            _ => Bodies::repeatable(body, max_replay_bytes),
        };
        let deadline = after(shared.settings.timeout);
        let tries = shared.members.iter().map(|_| 0).collect();
        let method = parts.method.clone();
        let request_id = parts.headers.get(request_id::HEADER).cloned();
        Self {
            constant: Constant {
                shared,
                repeat,
                method,
                request_id,
                watcher,
                key: OnceLock::new(),
            },
            parts: Some(parts),
            bodies,
            deadline,
            most,
            tries,
            attempts: Attempts::default(),
            worst: None,
        }
    }
}

impl<S, B> Run<S, B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    async fn run<R>(&mut self) -> Result<Response<ClassifiedBody<R>>, Fault>
    where
        S: Service<Request<ReplayBody<B>>, Response = Response<R>, Error: Into<BoxError>> + Clone,
        R: Body<Data = Bytes> + Send + Unpin + 'static,
        R::Error: Into<BoxError>,
    {
        if self.most > 1 {
            self.constant.shared.budget.deposit();
        }
        for number in 1_u32.. {
            let (at, permit) = match self.choose() {
                Ok(chosen) => chosen,
                Err(back) => return Err(self.nobody(back)),
            };
            let Some(request) = self.request(number) else {
                return Err(self.give_up("the body is longer than what is kept of it"));
            };
            let began = Instant::now();
            let answered = self.constant.attempt(at, request).await;
            let ended = Instant::now();
            let took = ended - began;
            self.tries[at] += 1;
            let fault = match answered {
                Ok(mut response) => {
                    permit.succeeded(ended);
                    // Of the usual case there is nothing to tell.
                    if number > 1 {
                        self.note(at, Outcome::Delivered, None, took);
                        response.extensions_mut().insert(std::mem::take(&mut self.attempts));
                    }
                    return Ok(response);
                }
                Err(Fault::Upstream(fault)) => fault,
                // The caller's side, or a defect: nobody else would do better.
                Err(fault) => return Err(fault),
            };
            permit.failed(&fault, ended);
            self.note(at, Outcome::of(&fault), Some(fault.kind), took);
            let again = may_repeat(self.constant.repeat, &self.constant.method, &fault);
            if self.worst.as_ref().is_none_or(|worst| tells(&fault) >= tells(worst)) {
                self.worst = Some(fault);
            }
            if !again {
                return Err(self.give_up("it may not be repeated"));
            }
            if let Some(why) = self.why_not_again(number) {
                return Err(self.give_up(why));
            }
            let wait = self.wait();
            if !wait.is_zero() {
                sleep(wait).await;
            }
        }
        Err(Fault::Internal)
    }

    /// An endpoint, and the right to ask it; or when the first one is back.
    fn choose(&self) -> Result<(usize, Permit), Option<Instant>> {
        let now = Instant::now();
        let all_out = self.constant.shared.settings.ejection.all;
        loop {
            let candidate = |(member, tries): (&Member<S>, &u32)| Candidate {
                priority: member.priority,
                weight: member.weight,
                state: member.health.state(now),
                tries: *tries,
            };
            let candidates: ArrayVec<Candidate, MOST> =
                self.constant.shared.members.iter().zip(&self.tries).map(candidate).collect();
            let (at, anyway) = match choose(&candidates, all_out, fastrand::f64()) {
                Choice::Ask(at) => (at, false),
                Choice::AskAnyway(at) => (at, true),
                Choice::Nobody(back) => return Err(back),
            };
            // Another request may have begun to try whether it is back; then it is out for this one.
            if let Some(permit) = self.constant.shared.members[at].health.permit(now, anyway) {
                return Ok((at, permit));
            }
        }
    }

    /// The request of the next attempt.
    fn request(&mut self, number: u32) -> Option<Request<ReplayBody<B>>> {
        let body = self.bodies.next()?;
        let mut parts = match number < self.most && self.bodies.has_next() {
            true => self.parts.clone()?,
            false => self.parts.take()?,
        };
        parts.extensions.insert(Deadline(self.deadline));
        if let Some(name) = &self.constant.shared.settings.deadline_header {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            parts.headers.insert(name.clone(), HeaderValue::from(left));
        }
        Some(Request::from_parts(parts, body))
    }

    fn note(&mut self, at: usize, outcome: Outcome, fault: Option<UpstreamKind>, took: Duration) {
        if self.most > 1 {
            let endpoint = self.constant.shared.members[at].name.clone();
            self.attempts.push(Attempt { endpoint, outcome, fault, took });
        }
    }

    /// Why a request that may be repeated is not.
    fn why_not_again(&self, number: u32) -> Option<&'static str> {
        if number >= self.most {
            return (self.most > 1).then_some("no attempt is left").or(Some("it is sent once"));
        }
        if !self.bodies.has_next() {
            return Some("the body is longer than what is kept of it");
        }
        if Instant::now() >= self.deadline {
            return Some("no time is left");
        }
        (!self.constant.shared.budget.withdraw()).then_some("too much is repeated already")
    }

    /// How long to wait: not at all as long as there is an endpoint that was not asked before.
    fn wait(&self) -> Duration {
        let rounds = self.tries.iter().min().copied().unwrap_or_default();
        if rounds == 0 {
            return Duration::ZERO;
        }
        let wait = self.constant.shared.settings.backoff.wait(rounds - 1, fastrand::f64());
        let left = self.deadline.saturating_duration_since(Instant::now());
        wait.min(left)
    }

    fn give_up(&mut self, why: &'static str) -> Fault {
        let attempts = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX).max(1);
        match self.worst.take() {
            Some(fault) => fault.with_attempts(attempts, why).into(),
            None => Fault::Internal,
        }
    }

    /// Nobody may be asked.
    fn nobody(&mut self, back: Option<Instant>) -> Fault {
        if self.worst.is_some() {
            return self.give_up("every other endpoint is left out");
        }
        let wait = back.map(|back| back.saturating_duration_since(Instant::now()));
        UpstreamFault::new(UpstreamKind::Overloaded, Cause::LeftOut)
            .with_retry_after(wait)
            .with_attempts(0, "every endpoint is left out")
            .into()
    }
}

impl<S> Constant<S> {
    /// Asks this endpoint, and finds out what its answer means.
    async fn attempt<B, R>(
        &self,
        at: usize,
        mut request: Request<ReplayBody<B>>,
    ) -> Result<Response<ClassifiedBody<R>>, Fault>
    where
        S: Service<Request<ReplayBody<B>>, Response = Response<R>, Error: Into<BoxError>> + Clone,
        R: Body<Data = Bytes> + Send + Unpin + 'static,
        R::Error: Into<BoxError>,
    {
        let member = &self.shared.members[at];
        if let Some(name) = member.inspection.profile.idempotency_header() {
            self.mark(name, &mut request);
        }
        let mut service = member.service.clone();
        poll_fn(|cx| service.poll_ready(cx)).await.map_err(|error| rescue(&*error.into()))?;
        let response = service.call(request).await.map_err(|error| rescue(&*error.into()))?;
        let voice = || {
            let health = member.health.clone();
            let (watcher, request_id) = (self.watcher.clone(), self.request_id.clone());
            Voice {
                catalog: self.shared.catalog.clone(),
                request_id: self.request_id.clone(),
                on_fault: Some(Box::new(move |fault: &Fault| {
                    if let Some(StreamWatcher(watcher)) = watcher {
                        watcher.failed(fault, request_id.as_ref());
                    }
                    if let Fault::Upstream(fault) = fault {
                        health.failed_later(fault, Instant::now());
                    }
                })),
            }
        };
        let is_head = self.method == Method::HEAD;
        let mut examination = Examination::new(response, member.inspection.clone(), is_head, voice);
        poll_fn(|cx| examination.poll(cx)).await
    }

    /// Gives the request its idempotency key: the caller's, or one of ours, the same for all attempts.
    fn mark<B>(&self, name: &HeaderName, request: &mut Request<ReplayBody<B>>) {
        const CALLERS: HeaderName = HeaderName::from_static("idempotency-key");
        if request.headers().contains_key(name) || self.method.is_safe() {
            return;
        }
        let callers = request.headers().get(CALLERS);
        // Not the request's id: callers choose theirs, and two who choose the same would get one answer.
        let key = callers.unwrap_or_else(|| self.key.get_or_init(request_id::generate)).clone();
        request.headers_mut().insert(name.clone(), key);
    }
}

impl<S> Clone for Upstream<S> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            repeat: self.repeat,
            max_replay_bytes: self.max_replay_bytes,
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
