use super::{
    Options,
    access_log::{AccessLog, name},
    ingress::Peer,
};
use crate::{
    Fault,
    auth::Principal,
    metrics::{Ended, RouteMetrics},
    request_id,
    trace::{Facts, Recording, Stage, Trace, TraceId},
    upstream::{Attempt, AttemptWatcher, Attempts, WatchAttempts, WatchStreams},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What is known of a request, for the access log and for metrics. Rides in the request's extensions where there are such; layers
/// add what they know.
#[derive(Debug)]
pub(crate) struct Record {
    method: Method,
    version: Version,
    is_tls: bool,
    /// The trace that it belongs to.
    trace: Option<Trace>,
    /// What is noted for it, if somebody wants to know.
    recording: Option<Box<Recording>>,
    /// Whether it leaves a line.
    logs: bool,
    /// And where.
    lines: Option<Arc<AccessLog>>,
    route: OnceLock<Arc<RouteMetrics>>,
    caller: OnceLock<Principal>,
    started: Instant,
    /// Which limits it has passed: 1 for those before the key, 2 for those behind it.
    passed: AtomicU8,
    /// How long providers were waited for, in microseconds; 0 if none was asked.
    provider_us: AtomicU64,
    head: OnceLock<Head>,
    /// Of the body of the answer.
    bytes: AtomicU64,
    whole: AtomicBool,
}

/// The head of its answer.
#[derive(Debug)]
struct Head {
    status: StatusCode,
    fault: Option<Fault>,
    attempts: Option<Attempts>,
    id: Option<HeaderValue>,
}

impl Record {
    /// A request from a peer whose word on others is believed or not. What it says of traces is made to be true.
    pub(super) fn start<B>(request: &mut Request<B>, options: &Options, peer: &Peer) -> Arc<Self> {
        let trace = options.traces.of(request.headers_mut(), peer.is_trusted());
        Arc::new(Self {
            method: request.method().clone(),
            version: request.version(),
            is_tls: peer.is_tls(),
            recording: trace.as_ref().and_then(Trace::record),
            trace,
            logs: options.access_log,
            lines: options.lines.clone(),
            route: OnceLock::new(),
            caller: OnceLock::new(),
            started: Instant::now(),
            passed: AtomicU8::new(0),
            provider_us: AtomicU64::new(0),
            head: OnceLock::new(),
            bytes: AtomicU64::new(0),
            whole: AtomicBool::new(false),
        })
    }

    /// The route was found.
    pub(crate) fn set_route(&self, route: &Arc<RouteMetrics>) {
        let _ = self.route.set(route.clone());
        self.reach(Stage::Routed);
    }

    /// It is known who calls, if anybody asks.
    pub(crate) fn set_caller(&self, principal: Option<&Principal>) {
        if let Some(principal) = principal {
            let _ = self.caller.set(principal.clone());
        }
        self.reach(Stage::Known);
    }

    /// It has come so far.
    pub(crate) fn reach(&self, stage: Stage) {
        if let Some(recording) = &self.recording {
            recording.reach(stage);
        }
    }

    /// Tells a provider which trace it belongs to.
    pub(crate) fn tell_trace(&self, headers: &mut HeaderMap) {
        if let Some(trace) = &self.trace {
            trace.tell(headers);
        }
    }

    /// Who has to hear of tries at this upstream, if anybody.
    pub(crate) fn watch_attempts(self: &Arc<Self>, upstream: &Arc<str>) -> Option<AttemptWatcher> {
        self.recording.as_ref()?.ask(upstream);
        Some(AttemptWatcher(self.clone()))
    }

    /// It has passed the limits on this side of the key.
    pub(crate) fn set_passed(&self, side: u8) {
        self.passed.store(side, Ordering::Relaxed);
        self.reach(if side == 1 { Stage::Admitted } else { Stage::Counted });
    }

    /// Providers were waited for so long.
    pub(crate) fn set_provider(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        self.provider_us.store(micros, Ordering::Relaxed);
    }

    /// The head of its answer leaves.
    pub(super) fn answered<B>(&self, answer: &mut Response<B>, unrouted: &Arc<RouteMetrics>) {
        let (status, id) = (answer.status(), answer.headers().get(request_id::HEADER).cloned());
        let fault = answer.extensions_mut().remove::<Fault>();
        let attempts = answer.extensions_mut().remove::<Attempts>();
        self.route.get_or_init(|| unrouted.clone()).answered(&Ended {
            method: &self.method,
            status,
            fault: fault.as_ref(),
            passed: self.passed.load(Ordering::Relaxed),
            took: self.started.elapsed(),
            provider: self.provider(),
        });
        let _ = self.head.set(Head { status, fault, attempts, id });
        if let Some(recording) = &self.recording {
            recording.answer();
        }
    }

    /// The request's id, as its answer has it.
    pub(super) fn id(&self) -> &str {
        text_of(self.head.get().and_then(|head| head.id.as_ref()))
    }

    /// So much more of the body of its answer was sent.
    pub(super) fn sent(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The answer has come to its end.
    pub(super) fn ended(&self) {
        self.whole.store(true, Ordering::Relaxed);
    }

    fn provider(&self) -> Option<Duration> {
        let micros = self.provider_us.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    fn trace_id(&self) -> Option<TraceId> {
        self.trace.as_ref().map(Trace::id)
    }

    fn route_name(&self) -> &str {
        self.route.get().map_or("-", |route| route.name())
    }

    /// What a span says of it.
    fn facts<'a>(&'a self, head: Option<&'a Head>, is_whole: bool) -> Facts<'a> {
        Facts {
            method: &self.method,
            version: self.version,
            is_tls: self.is_tls,
            route: self.route.get().map(|route| &**route),
            request_id: head.and_then(|head| head.id.as_ref()?.to_str().ok()),
            status: head.map(|head| head.status),
            fault: head.and_then(|head| head.fault.as_ref()).map(kind_of),
            bytes: self.bytes.load(Ordering::Relaxed),
            is_whole,
        }
    }

    /// The one line of a request, when its answer is at its end.
    ///
    /// Of the request itself it has the method and the id alone: paths and queries carry other people's secrets.
    fn log(&self, head: &Head, took: Duration, is_whole: bool) {
        match &self.lines {
            Some(lines) => self.write_line(lines, head, took, is_whole),
            None => self.trace_line(head, took, is_whole),
        }
    }

    fn write_line(&self, lines: &AccessLog, head: &Head, took: Duration, is_whole: bool) {
        if !tracing::enabled!(tracing::Level::INFO) {
            return;
        }
        let Head { status, fault, attempts, id } = head;
        lines.line(self.started + took, |line| {
            line.text(name!("request_id"), text_of(id.as_ref()));
            if let Some(id) = self.trace_id() {
                line.word(name!("trace_id"), id.as_str());
            }
            line.word(name!("method"), self.method.as_str());
            line.text(name!("route"), self.route_name());
            line.text_if_any(name!("account"), self.caller.get().map(Principal::account));
            line.text_if_any(name!("key"), self.caller.get().map(Principal::key_id));
            line.number(name!("status"), status.as_u16().into());
            if let Some(fault) = fault {
                line.word(name!("fault"), kind_of(fault));
                line.word(name!("source"), fault.raised_by().as_str());
                line.display(name!("reason"), fault);
                let (tried, provider_request_id) = of_provider(fault);
                line.text_if_any(name!("attempts"), tried);
                line.text_if_any(name!("provider_request_id"), provider_request_id);
            } else if let Some(attempts) = attempts {
                line.display(name!("attempts"), attempts);
            }
            if let Some(provider) = self.provider() {
                line.number(name!("provider_ms"), millis(provider));
            }
            line.number(name!("duration_ms"), millis(took));
            line.number(name!("bytes"), self.bytes.load(Ordering::Relaxed));
            if !is_whole {
                line.yes(name!("broken_off"));
            }
        });
    }

    /// The same among everything else that is logged.
    fn trace_line(&self, head: &Head, took: Duration, is_whole: bool) {
        let Head { status, fault, attempts, id } = head;
        let request_id = text_of(id.as_ref());
        let trace_id = self.trace_id();
        let trace_id = trace_id.as_ref().map(TraceId::as_str);
        let (method, route) = (&self.method, self.route_name());
        let (status, duration_ms) = (status.as_u16(), millis(took));
        let provider_ms = self.provider().map(millis);
        let bytes = self.bytes.load(Ordering::Relaxed);
        // What is not known is not in the line.
        let account = self.caller.get().map(Principal::account);
        let key = self.caller.get().map(Principal::key_id);
        let broken_off = (!is_whole).then_some(true);
        let (kind, source) = match fault {
            Some(fault) => (Some(kind_of(fault)), Some(fault.raised_by().as_str())),
            None => (None, None),
        };
        let (tried, provider_request_id) = fault.as_ref().map_or((None, None), of_provider);
        let attempts = attempts.as_ref().map(ToString::to_string);
        let attempts = tried.or(attempts.as_deref());
        let reason = fault.as_ref().map(tracing::field::display);
        tracing::info!(
            request_id, trace_id, %method, route, account, key, status, fault = kind, source, reason, attempts, provider_request_id, provider_ms,
            duration_ms, bytes, broken_off, "request"
        );
    }
}

/// The line of an answer that failed after its head had left.
impl WatchStreams for Record {
    fn failed(&self, fault: &Fault, id: Option<&HeaderValue>) {
        if let Some(recording) = &self.recording {
            recording.fail(kind_of(fault));
        }
        if !self.logs {
            return;
        }
        let request_id = text_of(id);
        let trace_id = self.trace_id();
        let trace_id = trace_id.as_ref().map(TraceId::as_str);
        let (method, route) = (&self.method, self.route_name());
        let duration_ms = millis(self.started.elapsed());
        let kind = kind_of(fault);
        let source = fault.raised_by().as_str();
        let (attempts, provider_request_id) = of_provider(fault);
        tracing::info!(
            request_id, trace_id, %method, route, fault = kind, source, reason = %fault, attempts, provider_request_id,
            duration_ms, "the answer failed on its way"
        );
    }
}

/// What spans are made of.
impl WatchAttempts for Record {
    fn begins(&self, number: u32, endpoint: &Arc<str>, headers: &mut HeaderMap) {
        if let Some(recording) = &self.recording {
            recording.begin_try(number, endpoint, headers);
        }
    }

    fn ended(&self, attempt: &Attempt) {
        if let Some(recording) = &self.recording {
            recording.end_try(attempt);
        }
    }
}

/// Whoever knew it last is done with it: the answer is at its end, or nobody wants it any more.
impl Drop for Record {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let is_whole = self.whole.load(Ordering::Relaxed);
        let head = self.head.take();
        if let Some(recording) = &self.recording {
            recording.finish(&self.facts(head.as_ref(), is_whole));
        }
        match head {
            Some(head) => {
                if let Some(route) = self.route.get() {
                    route.ended(took, self.bytes.load(Ordering::Relaxed), is_whole);
                }
                if self.logs {
                    self.log(&head, took, is_whole);
                }
            }
            None if self.logs => {
                let (method, route) = (&self.method, self.route_name());
                let duration_ms = millis(took);
                let trace_id = self.trace_id();
                let trace_id = trace_id.as_ref().map(TraceId::as_str);
                tracing::info!(trace_id, %method, route, duration_ms, "no answer: the client left, or the drain was over");
            }
            None => {}
        }
    }
}

/// What kind of fault it is, for a log line.
fn kind_of(fault: &Fault) -> &'static str {
    fault.kind().map_or("custom", |kind| kind.as_str())
}

/// Which endpoints were asked, and what the provider calls the request.
fn of_provider(fault: &Fault) -> (Option<&str>, Option<&str>) {
    match fault {
        Fault::Upstream(fault) => (fault.tried(), fault.request_id()),
        _ => (None, None),
    }
}

/// A request's id for a log line, which escapes what it has to.
fn text_of(id: Option<&HeaderValue>) -> &str {
    id.and_then(|id| std::str::from_utf8(id.as_bytes()).ok()).unwrap_or("-")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::Account,
        fault::{Cause, UpstreamFault, UpstreamKind},
        metrics::Metrics,
    };
    use serde_json::Value;
    use std::{
        io,
        sync::{Mutex, MutexGuard},
    };

    /// The general log, which is read afterwards.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn text(&self) -> MutexGuard<'_, Vec<u8>> {
            self.0.lock().unwrap()
        }
    }

    impl io::Write for Log {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.text().write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn fault() -> Fault {
        let fault = UpstreamFault::new(UpstreamKind::Unreachable, Cause::Reset)
            .with_request_id(Some("theirs \"1\"".to_owned()))
            .with_tried(Some("first: refused, second: unsent".to_owned()));
        fault.into()
    }

    /// A request comes to its end.
    fn request(options: &Options, fault: Option<Fault>, is_whole: bool) {
        let metrics = Metrics::new();
        let route = Arc::new(RouteMetrics::new(&metrics, "POST /\u{e9}\n", [&[], &[]]));
        let peer = Peer::new([127, 0, 0, 1].into(), false, &[].into());
        let mut request = Request::post("/x").body(()).unwrap();
        let record = Record::start(&mut request, options, &peer);
        record.set_route(&route);
        if is_whole {
            record.set_caller(Some(&Principal::new(Arc::new(Account::new("acme")), "0123456789")));
            record.set_provider(Duration::from_millis(2));
        }
        let mut answer = Response::new(());
        answer.headers_mut().insert(request_id::HEADER, HeaderValue::from_static("ours"));
        answer.extensions_mut().insert(Attempts::default());
        if let Some(fault) = fault {
            answer.extensions_mut().insert(fault);
        }
        record.answered(&mut answer, &route);
        record.sent(5);
        if is_whole {
            record.ended();
        }
    }

    /// Whoever reads lines as people do reads what machines do.
    #[test]
    fn both_kinds_of_lines_say_the_same() {
        let log = Log::default();
        let writer = log.clone();
        let format = tracing_subscriber::fmt().json().flatten_event(true).with_target(false);
        let subscriber = format.with_writer(move || writer.clone()).finish();
        let _log = tracing::subscriber::set_default(subscriber);
        for (fault, is_whole) in [(None, true), (None, false), (Some(fault()), true)] {
            let lines = Arc::<AccessLog>::default();
            let mut options = Options { lines: Some(lines.clone()), ..Options::of_tests() };
            request(&options, fault.clone(), is_whole);
            options.lines = None;
            request(&options, fault, is_whole);
            let general = std::mem::take(&mut *log.text());
            let [own, general] = [lines.discard().into_bytes(), general].map(|line| {
                let mut line: Value = serde_json::from_slice(&line).unwrap();
                for differs in ["timestamp", "trace_id", "duration_ms"] {
                    assert!(line.as_object_mut().unwrap().remove(differs).is_some(), "{line}");
                }
                line
            });
            assert_eq!(own, general);
        }
    }
}
