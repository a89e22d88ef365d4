use super::{TRACEPARENT, Trace, TraceContext, Tracer, new_span_id};
use crate::{
    fault::{Outcome, UpstreamKind},
    metrics::RouteMetrics,
    upstream::Attempt,
};
use http::{HeaderMap, Method, StatusCode, Version};
use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// How far a request has come. The layers in between can make it wait: for a store, for the rest of its body, for another request.
///
/// Not among them are those that look into memory alone, such as the look at the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its route was found.
    Routed,
    /// Past the limits before the key.
    Admitted,
    /// It is known who calls.
    Known,
    /// Past the limits behind the key.
    Counted,
    /// Its body is there, and as it should be.
    Checked,
    /// It was not answered before.
    New,
    /// Money is held; a provider is next.
    Paid,
}

impl Stage {
    pub(super) const ALL: [Self; 7] = [
        Self::Routed,
        Self::Admitted,
        Self::Known,
        Self::Counted,
        Self::Checked,
        Self::New,
        Self::Paid,
    ];

    /// What is done between the stage before and this one, if it is worth a span.
    pub(super) const fn work(self) -> Option<&'static str> {
        match self {
            Self::Routed | Self::Known => None,
            Self::Admitted | Self::Counted => Some("limit"),
            Self::Checked => Some("validate"),
            Self::New => Some("idempotency"),
            Self::Paid => Some("hold"),
        }
    }
}

/// What is noted of a request that is recorded.
#[derive(Debug)]
pub(crate) struct Recording {
    tracer: Arc<Tracer>,
    /// The trace, and the span of the request in it.
    pub(super) context: TraceContext,
    /// The span of whoever sent the request.
    pub(super) parent: Option<u64>,
    /// Whether providers are told.
    propagate: bool,
    pub(super) began: (Instant, SystemTime),
    /// The upstream that was asked.
    pub(super) upstream: OnceLock<Arc<str>>,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) stages: [Option<Instant>; Stage::ALL.len()],
    pub(super) tries: Vec<Try>,
    /// The head of the answer left.
    pub(super) answered: Option<Instant>,
    /// Why the answer failed on its way.
    pub(super) failed: Option<&'static str>,
}

/// A try at an endpoint.
#[derive(Debug)]
pub(super) struct Try {
    pub(super) span_id: u64,
    /// From 1.
    pub(super) number: u32,
    pub(super) endpoint: Arc<str>,
    pub(super) began: Instant,
    pub(super) end: Option<TryEnd>,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct TryEnd {
    pub(super) at: Instant,
    pub(super) outcome: Outcome,
    pub(super) fault: Option<UpstreamKind>,
    pub(super) status: Option<StatusCode>,
}

/// What else is known of the request when its answer is at its end.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) method: &'a Method,
    pub(crate) version: Version,
    pub(crate) is_tls: bool,
    pub(crate) route: Option<&'a RouteMetrics>,
    pub(crate) request_id: Option<&'a str>,
    /// `None` where there was no answer.
    pub(crate) status: Option<StatusCode>,
    /// The kind of fault that it was answered with.
    pub(crate) fault: Option<&'static str>,
    pub(crate) bytes: u64,
    pub(crate) is_whole: bool,
}

impl Recording {
    pub(super) fn begin(tracer: Arc<Tracer>, trace: &Trace) -> Self {
        Self {
            tracer,
            context: trace.context.recorded_as(new_span_id()),
            parent: trace.parent,
            propagate: trace.propagate,
            began: (Instant::now(), SystemTime::now()),
            upstream: OnceLock::new(),
            notes: Mutex::default(),
        }
    }

    /// The request has come so far.
    pub(crate) fn reach(&self, stage: Stage) {
        self.notes().stages[stage as usize] = Some(Instant::now());
    }

    /// This upstream is asked.
    pub(crate) fn ask(&self, upstream: &Arc<str>) {
        let _ = self.upstream.set(upstream.clone());
    }

    /// A try begins; the endpoint is told which span it is.
    pub(crate) fn begin_try(&self, number: u32, endpoint: &Arc<str>, headers: &mut HeaderMap) {
        let span_id = new_span_id();
        if self.propagate {
            headers.insert(TRACEPARENT, self.context.recorded_as(span_id).value());
        }
        let (endpoint, began) = (endpoint.clone(), Instant::now());
        self.notes().tries.push(Try { span_id, number, endpoint, began, end: None });
    }

    /// It is known what became of it.
    pub(crate) fn end_try(&self, attempt: &Attempt) {
        let Attempt { outcome, fault, status, .. } = *attempt;
        if let Some(last) = self.notes().tries.last_mut() {
            last.end = Some(TryEnd { at: Instant::now(), outcome, fault, status });
        }
    }

    /// The head of the answer leaves.
    pub(crate) fn answer(&self) {
        self.notes().answered = Some(Instant::now());
    }

    /// The answer has failed on its way.
    pub(crate) fn fail(&self, fault: &'static str) {
        self.notes().failed = Some(fault);
    }

    /// Everything is over.
    pub(crate) fn finish(&self, facts: &Facts<'_>) {
        self.tracer.take(self, facts);
    }

    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When that was, by the clock on the wall.
    pub(super) fn time(&self, at: Instant) -> SystemTime {
        let (began, wall) = self.began;
        wall + at.saturating_duration_since(began)
    }
}

/// A stretch of work in front of the provider.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) work: &'static str,
    pub(super) from: Instant,
    pub(super) to: Instant,
    /// The request was answered within.
    pub(super) is_last: bool,
}

/// What took its time is worth a span, and what has ended the request.
const WORTH: Duration = Duration::from_micros(100);

impl Notes {
    /// What the request has waited for before a provider was asked. `end` is for where there was no answer.
    pub(super) fn stretches(&self, end: Instant) -> impl Iterator<Item = Stretch> {
        let pairs = Stage::ALL.into_iter().zip(Stage::ALL.into_iter().skip(1));
        pairs.filter_map(move |(before, stage)| {
            let from = self.stages[before as usize]?;
            let reached = self.stages[stage as usize];
            let to = reached.or(self.answered).unwrap_or(end);
            let (work, is_last) = (stage.work()?, reached.is_none());
            let is_worth_it = is_last || to.saturating_duration_since(from) >= WORTH;
            is_worth_it.then_some(Stretch { work, from, to, is_last })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_a_span() {
        let start = Instant::now();
        let at = |micros| start + Duration::from_micros(micros);
        // When each stage was reached, and what is made of it: work, from, to, whether it was the last.
        let table: &[(&[u64], &[(&str, u64, u64, bool)])] = &[
            (&[0, 1, 2, 3, 4, 5, 6], &[]),
            (&[0, 100, 900, 950, 960, 970, 1000], &[("limit", 0, 100, false)]),
            (
                &[0, 1, 2, 3, 500, 600, 900],
                &[
                    ("validate", 3, 500, false),
                    ("idempotency", 500, 600, false),
                    ("hold", 600, 900, false),
                ],
            ),
            (&[0], &[("limit", 0, 5000, true)]),
            // The look at the key is none.
            (&[0, 1], &[]),
            (&[0, 1, 2], &[("limit", 2, 5000, true)]),
            (&[0, 1, 2, 3], &[("validate", 3, 5000, true)]),
            (&[0, 1, 2, 3, 4, 5], &[("hold", 5, 5000, true)]),
            (&[], &[]),
        ];
        for (reached, want) in table {
            let mut notes = Notes::default();
            for (stage, micros) in notes.stages.iter_mut().zip(*reached) {
                *stage = Some(at(*micros));
            }
            let want: Vec<_> = want
                .iter()
                .map(|(work, from, to, is_last)| Stretch {
                    work,
                    from: at(*from),
                    to: at(*to),
                    is_last: *is_last,
                })
                .collect();
            assert_eq!(notes.stretches(at(5000)).collect::<Vec<_>>(), want, "{reached:?}");
            notes.answered = Some(at(5000));
            assert_eq!(notes.stretches(at(9000)).collect::<Vec<_>>(), want, "{reached:?}");
        }
    }
}
