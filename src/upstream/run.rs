//! One request through as many attempts as it takes and may take.

use super::{
    AnsweredBy, Attempt, AttemptWatcher, Attempts, Pinned, Repeat, ReplayBody,
    choose::{Candidate, Choice, choose},
    health::{Permit, State},
    repeat::{is_about_work, is_the_answer, may_repeat, tells},
    replay::Bodies,
    service::{MOST, Member, Shared, StreamWatcher, Upstream},
};
use crate::{
    Fault,
    classify::{ClassifiedBody, Examination, Voice},
    deadline::{Deadline, after},
    fault::{Cause, Charge, Outcome, UpstreamFault, UpstreamKind},
    normalize::rescue,
    request_id,
    work::WorkReport,
};
use arrayvec::ArrayVec;
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts,
};
use http_body::Body;
use std::{
    future::poll_fn,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout_at};
use tower::{BoxError, retry::budget::Budget};
use tower_service::Service;

/// What does not change from attempt to attempt.
struct Constant<S> {
    shared: Arc<Shared<S>>,
    repeat: Repeat,
    method: Method,
    deadline: Instant,
    request_id: Option<HeaderValue>,
    watcher: Option<StreamWatcher>,
    attempts: Option<AttemptWatcher>,
    /// Where it is said what became of the work, if somebody wants to know.
    report: Option<WorkReport>,
    /// The idempotency key that was made for the request, once one was wanted.
    key: OnceLock<HeaderValue>,
}

/// A request under way.
pub(super) struct Run<S, B> {
    constant: Constant<S>,
    /// `None` when the last attempt has it.
    parts: Option<Parts>,
    bodies: Bodies<B>,
    /// How often the request may be sent.
    most: u32,
    /// The only endpoint that may be asked, if there is but one; nothing where it is no more.
    pinned: Option<Option<usize>>,
    /// How often each endpoint was tried.
    tries: ArrayVec<u32, MOST>,
    attempts: Attempts,
    /// An attempt may have done the work.
    in_doubt: bool,
    /// The most telling fault so far.
    worst: Option<UpstreamFault>,
    /// When the first of those who said when may be asked again.
    soonest: Option<Duration>,
}

/// Why nobody is asked.
enum Refused {
    /// Before then; it is what a provider wants.
    Paused(Instant),
    /// All that may be asked are left out, the first of them until then.
    LeftOut(Option<Instant>),
}

/// Who is asked next, and the right to ask.
struct Chosen {
    at: usize,
    permit: Permit,
    now: Instant,
}

impl<S, B: Body<Data = Bytes> + Unpin> Run<S, B> {
    pub(super) fn new(
        upstream: Upstream<S>,
        request: Request<B>,
        watcher: Option<StreamWatcher>,
        attempts: Option<AttemptWatcher>,
    ) -> Self {
        let Upstream { shared, repeat, max_replay_bytes, memory } = upstream;
        let (mut parts, body) = request.into_parts();
        let report = parts.extensions.remove();
        let named = |Pinned(name)| shared.members.iter().position(|member| member.name == name);
        let pinned = parts.extensions.remove().map(named);
        // What becomes another protocol cannot become it twice.
        let once = repeat == Repeat::Never || may_become_another_protocol(&parts);
        let most = if once { 1 } else { shared.attempts };
        let bodies = match most {
            1 => Bodies::once(body),
            _ => Bodies::repeatable(body, max_replay_bytes, memory.nothing()),
        };
        let deadline = after(shared.settings.timeout);
        let tries = shared.members.iter().map(|_| 0).collect();
        let method = parts.method.clone();
        let request_id = parts.headers.get(request_id::HEADER).cloned();
        let key = OnceLock::new();
        let constant = Constant {
            shared,
            repeat,
            method,
            deadline,
            request_id,
            watcher,
            attempts,
            report,
            key,
        };
        Self {
            constant,
            parts: Some(parts),
            bodies,
            most,
            pinned,
            tries,
            attempts: Attempts::default(),
            in_doubt: false,
            worst: None,
            soonest: None,
        }
    }
}

/// The status of the answer that tells of the fault.
fn status_of(fault: &UpstreamFault) -> Option<StatusCode> {
    match fault.cause {
        Cause::Status(status) | Cause::WorkFailed(status) => StatusCode::from_u16(status).ok(),
        _ => None,
    }
}

/// Whether the request asks to go on as something else, as far as [`Forward`](crate::Forward) would ask for it.
fn may_become_another_protocol(parts: &Parts) -> bool {
    let is_websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    parts.headers.get_all(header::UPGRADE).iter().any(is_websocket)
}

impl<S, B> Run<S, B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) async fn run<R>(&mut self) -> Result<Response<ClassifiedBody<R>>, Fault>
    where
        S: Service<Request<ReplayBody<B>>, Response = Response<R>, Error: Into<BoxError>> + Clone,
        R: Body<Data = Bytes> + Send + Unpin + 'static,
        R::Error: Into<BoxError>,
    {
        if self.most > 1 {
            self.constant.shared.budget.deposit();
        }
        let mut chosen = match self.choose() {
            Ok(chosen) => chosen,
            Err(refused) => return Err(self.nobody(&refused)),
        };
        for number in 1_u32.. {
            let Chosen { at, permit, now: began } = chosen;
            let Some(mut request) = self.request(number) else {
                return Err(self.give_up("the body is longer than what is kept of it"));
            };
            if let Some(report) = self.constant.report.as_ref().filter(|_| number > 1) {
                report.begin_again();
            }
            if let Some(AttemptWatcher(watcher)) = &self.constant.attempts {
                let name = &self.constant.shared.members[at].name;
                watcher.begins(number, name, request.headers_mut());
            }
            let answered = self.constant.attempt(at, request).await;
            let ended = Instant::now();
            let took = ended - began;
            self.tries[at] += 1;
            let fault = match answered {
                Ok(mut response) => {
                    permit.succeeded(ended);
                    if self.constant.report.is_some() {
                        let name = self.constant.shared.members[at].name.clone();
                        response.extensions_mut().insert(AnsweredBy(name));
                    }
                    self.note(at, Outcome::Delivered, None, Some(response.status()), took);
                    // Of the usual case the caller is told nothing.
                    if number > 1 {
                        response.extensions_mut().insert(std::mem::take(&mut self.attempts));
                    }
                    return Ok(response);
                }
                Err(Fault::Upstream(fault)) => fault,
                // The caller's side, or a defect: nobody else would do better, and what was said before says more.
                Err(_) if self.worst.is_some() => return Err(self.give_up("it cannot be sent")),
                Err(fault) => return Err(fault),
            };
            self.judge(permit, &fault, took, ended);
            self.note(at, fault.outcome(), Some(fault.kind), status_of(&fault), took);
            let again = may_repeat(self.constant.repeat, &self.constant.method, &fault);
            self.remember(fault);
            if !again {
                return Err(self.give_up("it may not be repeated"));
            }
            chosen = match self.once_more(number).await {
                Ok(chosen) => chosen,
                Err(why) => return Err(self.give_up(why)),
            };
        }
        Err(Fault::Internal)
    }

    /// What the failure says of the endpoint.
    fn judge(&self, permit: Permit, fault: &UpstreamFault, took: Duration, now: Instant) {
        // What others have left of the time may be too little for anybody.
        let is_hurried =
            fault.cause == Cause::TotalTimeout && took < self.constant.shared.settings.timeout / 2;
        match is_hurried || is_about_work(&self.constant.method, fault) {
            true => permit.succeeded(now),
            false => permit.failed(fault, now),
        }
    }

    /// Keeps what tells the caller most.
    fn remember(&mut self, fault: UpstreamFault) {
        if let (true, Some(wait)) = (fault.disposition().retry.is_retryable(), fault.retry_after) {
            self.soonest = Some(self.soonest.map_or(wait, |soonest| soonest.min(wait)));
        }
        self.in_doubt |= fault.disposition().charge == Charge::Pending;
        let is_answer = is_about_work(&self.constant.method, &fault);
        let tells_more = |worst: &UpstreamFault| is_answer || tells(&fault) >= tells(worst);
        if self.worst.as_ref().is_none_or(tells_more) {
            self.worst = Some(fault);
        }
    }

    /// Who is asked after this many attempts have failed, when it is time to; or why nobody is.
    async fn once_more(&mut self, number: u32) -> Result<Chosen, &'static str> {
        if number >= self.most {
            return Err(if self.most > 1 { "no attempt is left" } else { "it is sent once" });
        }
        if !self.bodies.has_next() {
            return Err("the body is longer than what is kept of it");
        }
        let longest = self.constant.shared.settings.backoff.longest;
        let mut waited = false;
        loop {
            let (chosen, wait) = match self.choose() {
                // One that was not asked before is asked at once.
                Ok(chosen) => {
                    let wait = match (self.tries[chosen.at], waited) {
                        (0, _) | (_, true) => Duration::ZERO,
                        (tries, false) => self.backoff(tries),
                    };
                    (Some(chosen), wait)
                }
                Err(Refused::Paused(back)) if !waited => {
                    let wait = back.saturating_duration_since(Instant::now());
                    (None, wait.max(self.constant.shared.settings.backoff.base))
                }
                Err(_) => return Err("every other endpoint is left out"),
            };
            if wait > longest {
                return Err("the pause that it wants is too long");
            }
            let left = self.constant.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || wait >= left {
                return Err("no time is left");
            }
            match chosen {
                Some(chosen) if wait.is_zero() => {
                    let may = self.constant.shared.budget.withdraw();
                    return may.then_some(chosen).ok_or("too much is repeated already");
                }
                // Who waits has no right to ask: others come first.
                Some(chosen) => drop(chosen),
                None => {}
            }
            sleep(wait).await;
            waited = true;
        }
    }

    fn backoff(&self, tries: u32) -> Duration {
        self.constant.shared.settings.backoff.wait(tries - 1, fastrand::f64())
    }

    /// An endpoint, and the right to ask it.
    fn choose(&self) -> Result<Chosen, Refused> {
        let (shared, now) = (&*self.constant.shared, Instant::now());
        if let Some(at) = self.pinned {
            return self.choose_pinned(at, now);
        }
        // There is nothing to choose.
        if let ([member], [0]) = (&*shared.members, &*self.tries)
            && let Some(permit) = member.health.permit(now, false)
        {
            return Ok(Chosen { at: 0, permit, now });
        }
        let again = shared.settings.attempts.is_some();
        loop {
            let candidate = |(member, tries): (&Member<S>, &u32)| Candidate {
                priority: member.priority,
                weight: member.weight,
                state: member.health.state(now),
                tries: *tries,
            };
            let candidates: ArrayVec<Candidate, MOST> =
                shared.members.iter().zip(&self.tries).map(candidate).collect();
            let all_out = shared.settings.ejection.all;
            let (at, anyway) = match choose(&candidates, again, all_out, fastrand::f64()) {
                Choice::Ask(at) => (at, false),
                Choice::AskAnyway(at) => (at, true),
                Choice::Wait(back) => return Err(Refused::Paused(back)),
                Choice::Nobody(back) => return Err(self.left_out(back)),
            };
            // Another request may have begun to try whether it is back; then it is out for this one.
            if let Some(permit) = shared.members[at].health.permit(now, anyway) {
                return Ok(Chosen { at, permit, now });
            }
        }
    }

    /// The only one that can answer, unless it wants a pause.
    fn choose_pinned(&self, at: Option<usize>, now: Instant) -> Result<Chosen, Refused> {
        let may =
            |at: &usize| self.tries[*at] == 0 || self.constant.shared.settings.attempts.is_some();
        let Some(at) = at.filter(may) else { return Err(Refused::LeftOut(None)) };
        let health = &self.constant.shared.members[at].health;
        if let State::Paused(back) = health.state(now) {
            return Err(Refused::Paused(back));
        }
        let permit = health.permit(now, true).ok_or(Refused::LeftOut(None))?;
        Ok(Chosen { at, permit, now })
    }

    /// The request of the next attempt.
    fn request(&mut self, number: u32) -> Option<Request<ReplayBody<B>>> {
        let is_last = number >= self.most;
        let body = self.bodies.next(is_last)?;
        let mut parts = match is_last || !self.bodies.has_next() {
            true => self.parts.take()?,
            false => self.parts.clone()?,
        };
        let deadline = self.constant.deadline;
        parts.extensions.insert(Deadline(deadline));
        if let Some(name) = &self.constant.shared.settings.deadline_header {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            parts.headers.insert(name.clone(), HeaderValue::from(left));
        }
        Some(Request::from_parts(parts, body))
    }

    fn note(
        &mut self,
        at: usize,
        outcome: Outcome,
        fault: Option<UpstreamKind>,
        status: Option<StatusCode>,
        took: Duration,
    ) {
        let member = &self.constant.shared.members[at];
        let watcher = self.constant.attempts.as_ref();
        if self.most == 1 && member.on_attempt.is_none() && watcher.is_none() {
            return;
        }
        let attempt = Attempt { endpoint: member.name.clone(), outcome, fault, status, took };
        if let Some(AttemptWatcher(watcher)) = watcher {
            watcher.ended(&attempt);
        }
        if let Some(listener) = &member.on_attempt {
            listener.hears(&attempt);
        }
        // The usual case has nothing to remember.
        if self.most > 1 && !(outcome == Outcome::Delivered && self.attempts.is_empty()) {
            self.attempts.push(attempt);
        }
    }

    fn give_up(&mut self, why: &'static str) -> Fault {
        let attempts = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX).max(1);
        let Some(fault) = self.worst.take() else { return Fault::Internal };
        let is_answer = is_the_answer(&self.constant.method, &fault);
        let soonest = self.soonest.filter(|_| fault.retry_after.is_some());
        let wait = if is_answer { fault.retry_after } else { soonest };
        let tried = (!self.attempts.is_empty()).then(|| self.attempts.to_string());
        fault
            .with_retry_after(wait)
            .with_attempts(attempts, why)
            .with_tried(tried)
            .in_doubt(self.in_doubt)
            .into()
    }

    /// Whether those that are left out are so because all of them want it.
    fn left_out(&self, back: Option<Instant>) -> Refused {
        let now = Instant::now();
        let wants = |member: &Member<S>| matches!(member.health.state(now), State::Paused(_));
        match back {
            // After a first attempt nobody waits who may not ask again.
            Some(back)
                if self.worst.is_none() && self.constant.shared.members.iter().all(wants) =>
            {
                Refused::Paused(back)
            }
            back => Refused::LeftOut(back),
        }
    }

    /// Nobody may be asked.
    fn nobody(&self, refused: &Refused) -> Fault {
        let (kind, back) = match *refused {
            Refused::Paused(back) => (UpstreamKind::RateLimited, Some(back)),
            Refused::LeftOut(back) => (UpstreamKind::Overloaded, back),
        };
        let wait = back.map(|back| back.saturating_duration_since(Instant::now()));
        UpstreamFault::new(kind, Cause::LeftOut)
            .with_retry_after(wait)
            .with_attempts(0, "every endpoint is left out")
            .into()
    }
}

impl<S> Constant<S> {
    /// Asks this endpoint in time, and finds out what its answer means.
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
        if member.keeps_deadline {
            return self.ask(member, request).await;
        }
        match timeout_at(self.deadline, self.ask(member, request)).await {
            Ok(answered) => answered,
            Err(_) => Err(UpstreamFault::new(UpstreamKind::Timeout, Cause::TotalTimeout).into()),
        }
    }

    async fn ask<B, R>(
        &self,
        member: &Member<S>,
        request: Request<ReplayBody<B>>,
    ) -> Result<Response<ClassifiedBody<R>>, Fault>
    where
        S: Service<Request<ReplayBody<B>>, Response = Response<R>, Error: Into<BoxError>> + Clone,
        R: Body<Data = Bytes> + Send + Unpin + 'static,
        R::Error: Into<BoxError>,
    {
        let mut service = member.service.clone();
        poll_fn(|cx| service.poll_ready(cx)).await.map_err(|error| rescue(&*error.into()))?;
        let response = service.call(request).await.map_err(|error| rescue(&*error.into()))?;
        let voice = || {
            let (listener, name) = (member.listener.clone(), member.name.clone());
            let (watcher, request_id) = (self.watcher.clone(), self.request_id.clone());
            Voice {
                catalog: self.shared.catalog.clone(),
                request_id: self.request_id.clone(),
                report: self.report.clone(),
                on_fault: Some(Box::new(move |fault: &Fault| {
                    let mut told = fault.clone();
                    if let Fault::Upstream(fault) = fault {
                        listener(fault);
                        told = fault.clone().with_tried(Some(name.to_string())).into();
                    }
                    if let Some(StreamWatcher(watcher)) = watcher {
                        watcher.failed(&told, request_id.as_ref());
                    }
                })),
            }
        };
        let is_head = self.method == Method::HEAD;
        let mut examination = Examination::new(
            response,
            member.inspection.clone(),
            is_head,
            self.report.clone(),
            voice,
        );
        poll_fn(|cx| examination.poll(cx, Some(&member.listener))).await
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
