use super::{
    Metrics, names,
    tally::{Count, RouteDurations},
};
use crate::{
    Fault,
    fault::{Kind, Source},
};
use http::{Method, StatusCode};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Where one worker counts the requests of one route.
pub(crate) struct RouteMetrics {
    name: Arc<str>,
    /// The pattern of its path.
    path: Arc<str>,
    metrics: Metrics,
    /// Those that have come up so far: there are few.
    requests: Mutex<Vec<(Outcome, Arc<Count>)>>,
    durations: Arc<RouteDurations>,
    bytes: Arc<Count>,
    broken: Arc<Count>,
    /// Those that are looked at before the key, and those behind it.
    limits: [Vec<Limit>; 2],
}

/// What tells requests of one route apart.
#[derive(Clone, PartialEq, Eq)]
struct Outcome {
    method: Method,
    status: StatusCode,
    /// `None` of it for a success; no kind for a code of the configuration's own.
    fault: Option<(Option<Kind>, Source)>,
}

struct Limit {
    name: Box<str>,
    admitted: Arc<Count>,
    refused: Arc<Count>,
}

/// A request that has its answer.
pub(crate) struct Ended<'a> {
    pub(crate) method: &'a Method,
    pub(crate) status: StatusCode,
    pub(crate) fault: Option<&'a Fault>,
    /// How far it has come: past the limits before the key, and past those behind it.
    pub(crate) passed: u8,
    /// Until the head.
    pub(crate) took: Duration,
    /// Of that, at providers; `None` where none was asked.
    pub(crate) provider: Option<Duration>,
}

impl RouteMetrics {
    /// Of the route with this name, with the limits of these names before the key and behind it.
    pub(crate) fn new(metrics: &Metrics, name: &str, limits: [&[String]; 2]) -> Self {
        let route = [("http_route", name)];
        let limit = |limit: &String| {
            let decision = |decision| {
                metrics.count(&names::LIMITS, &[("limit", limit), ("decision", decision)])
            };
            Limit {
                name: (**limit).into(),
                admitted: decision("admitted"),
                refused: decision("refused"),
            }
        };
        Self {
            name: name.into(),
            path: "".into(),
            metrics: metrics.clone(),
            requests: Mutex::default(),
            durations: metrics.durations(name),
            bytes: metrics.count(&names::BYTES, &route),
            broken: metrics.count(&names::BROKEN, &route),
            limits: limits.map(|names| names.iter().map(limit).collect()),
        }
    }

    /// The same, of a route with this pattern of paths.
    #[must_use]
    pub(crate) fn at(self, path: &Arc<str>) -> Self {
        Self { path: path.clone(), ..self }
    }

    /// The pattern of its path; empty where there is no route.
    #[cfg_attr(not(feature = "otlp"), allow(dead_code, reason = "only spans have it"))]
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The route's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The head of an answer leaves.
    pub(crate) fn answered(&self, ended: &Ended<'_>) {
        let Ended { method, status, fault, passed, took, provider } = *ended;
        let fault_kind = fault.map(|fault| (fault.kind(), fault.raised_by()));
        let outcome = Outcome { method: known(method), status, fault: fault_kind };
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        match requests.iter().find(|(known, _)| *known == outcome) {
            Some((_, count)) => count.add(1),
            None => {
                let count = self.count_of(&outcome);
                count.add(1);
                requests.push((outcome, count));
            }
        }
        drop(requests);
        self.durations.own.record(took.saturating_sub(provider.unwrap_or_default()));
        if let Some(provider) = provider {
            self.durations.provider.record(provider);
        }
        let refused_by = match fault {
            Some(Fault::RateLimited { quota, .. } | Fault::ConcurrencyLimited { quota }) => {
                Some(quota)
            }
            _ => None,
        };
        for (side, limits) in (1..).zip(&self.limits) {
            for limit in limits {
                if refused_by.is_some_and(|quota| **quota == *limit.name) {
                    limit.refused.add(1);
                } else if passed >= side {
                    limit.admitted.add(1);
                }
            }
        }
    }

    /// The answer is at its end, after so much of its body.
    pub(crate) fn ended(&self, took: Duration, bytes: u64, is_whole: bool) {
        self.durations.whole.record(took);
        self.bytes.add(bytes);
        if !is_whole {
            self.broken.add(1);
        }
    }

    fn count_of(&self, outcome: &Outcome) -> Arc<Count> {
        let (fault, source) = match outcome.fault {
            Some((kind, source)) => (kind.map_or("custom", Kind::as_str), source.as_str()),
            None => ("", ""),
        };
        let labels = [
            ("http_route", &*self.name),
            ("http_request_method", outcome.method.as_str()),
            ("http_response_status_code", outcome.status.as_str()),
            ("fault", fault),
            ("source", source),
        ];
        self.metrics.count(&names::REQUESTS, &labels)
    }
}

/// Methods that anybody can make up are one.
pub(crate) fn known(method: &Method) -> Method {
    match *method {
        Method::GET
        | Method::POST
        | Method::PUT
        | Method::DELETE
        | Method::HEAD
        | Method::OPTIONS
        | Method::PATCH => method.clone(),
        // As OpenTelemetry calls them.
        _ => Method::from_bytes(b"_OTHER").unwrap_or_default(),
    }
}

impl fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RouteMetrics").field(&self.name).finish()
    }
}
