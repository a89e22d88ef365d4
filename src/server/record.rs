use crate::{
    Fault,
    auth::Principal,
    upstream::{Attempts, WatchStreams},
};
use http::{HeaderValue, Method, StatusCode};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// What the access log says of a request. Rides in the request's extensions when there is an access log; layers
/// add what they know.
#[derive(Debug)]
pub(crate) struct Record {
    method: Method,
    route: OnceLock<Arc<str>>,
    caller: OnceLock<Principal>,
    started: Instant,
    logged: AtomicBool,
}

impl Record {
    pub(super) fn start(method: &Method) -> Arc<Self> {
        Arc::new(Self {
            method: method.clone(),
            route: OnceLock::new(),
            caller: OnceLock::new(),
            started: Instant::now(),
            logged: AtomicBool::new(false),
        })
    }

    /// The route was found.
    pub(crate) fn set_route(&self, name: &Arc<str>) {
        let _ = self.route.set(name.clone());
    }

    /// It is known who calls.
    pub(crate) fn set_caller(&self, principal: &Principal) {
        let _ = self.caller.set(principal.clone());
    }

    /// The one line of a request, when the head of its answer leaves.
    ///
    /// Of the request itself it has the method and the id alone: paths and queries carry other people's secrets.
    pub(super) fn log(
        &self,
        status: StatusCode,
        fault: Option<&Fault>,
        attempts: Option<&Attempts>,
        id: Option<&HeaderValue>,
    ) {
        self.logged.store(true, Ordering::Relaxed);
        let request_id = printable(id);
        let (method, route) = (&self.method, self.route.get().map_or("-", |name| name));
        let (status, duration_ms) = (status.as_u16(), millis(self.started.elapsed()));
        // What is not known is not in the line.
        let account = self.caller.get().map(Principal::account);
        let key = self.caller.get().map(Principal::key_id);
        match fault {
            None => {
                let attempts = attempts.map(tracing::field::display);
                tracing::info!(
                    request_id, %method, route, account, key, status, attempts, duration_ms, "request"
                );
            }
            Some(fault) => {
                let kind = fault.kind().map_or("custom", |kind| kind.as_str());
                let source = fault.raised_by().as_str();
                let (attempts, provider_request_id) = of_provider(fault);
                tracing::info!(
                    request_id, %method, route, account, key, status, fault = kind, source, reason = %fault, attempts,
                    provider_request_id, duration_ms, "request"
                );
            }
        }
    }
}

/// The line of an answer that failed after its head had left.
impl WatchStreams for Record {
    fn failed(&self, fault: &Fault, id: Option<&HeaderValue>) {
        let request_id = printable(id);
        let (method, route) = (&self.method, self.route.get().map_or("-", |name| name));
        let duration_ms = millis(self.started.elapsed());
        let kind = fault.kind().map_or("custom", |kind| kind.as_str());
        let source = fault.raised_by().as_str();
        let (attempts, provider_request_id) = of_provider(fault);
        tracing::info!(
            request_id, %method, route, fault = kind, source, reason = %fault, attempts, provider_request_id,
            duration_ms, "the answer failed on its way"
        );
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.logged.load(Ordering::Relaxed) {
            let (method, route) = (&self.method, self.route.get().map_or("-", |name| name));
            let duration_ms = millis(self.started.elapsed());
            tracing::info!(%method, route, duration_ms, "no answer: the client left, or the drain was over");
        }
    }
}

/// Which endpoints were asked, and what the provider calls the request.
fn of_provider(fault: &Fault) -> (Option<&str>, Option<&str>) {
    match fault {
        Fault::Upstream(fault) => (fault.tried(), fault.request_id()),
        _ => (None, None),
    }
}

/// A request's id for a log line; ours are always printable.
pub(super) fn printable(id: Option<&HeaderValue>) -> &str {
    id.and_then(|id| id.to_str().ok()).unwrap_or("-")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
