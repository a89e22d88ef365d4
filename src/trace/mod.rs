//! Traces: which one a request belongs to (W3C Trace Context), and, where a collector is configured, what of it took how long
//! (OpenTelemetry).
//!
//! Nothing is carried through the layers. A request that is recorded notes times in its [`Record`](crate::server::Record); spans are made of
//! them when its answer is at its end. A request that is not recorded costs a look at its header fields and a random number.
//!
//! | | |
//! |---|---|
//! | `context` | `traceparent`, read and written |
//! | `recording` | what a recorded request notes |
//! | `otlp` | spans, and their way to the collector (feature `otlp`) |

mod context;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg_attr(not(feature = "otlp"), allow(dead_code, reason = "nobody reads what nobody records"))]
mod recording;
#[cfg(not(feature = "otlp"))]
mod unrecorded;

#[cfg(feature = "otlp")]
pub(crate) use self::otlp::{InvalidTraces, Tracer};
#[cfg(not(feature = "otlp"))]
pub(crate) use self::unrecorded::{InvalidTraces, Tracer};
pub(crate) use self::{
    context::TraceId,
    recording::{Facts, Recording, Stage},
};

use self::context::{Sent, TRACEPARENT, TRACESTATE, TraceContext, new_span_id};
use crate::config::{self, TraceSource};
use http::HeaderMap;
use std::{sync::Arc, time::Duration};

/// How long the end of the process waits for the collector to take the last spans.
const LAST: Duration = Duration::from_secs(3);

/// What is done about traces. Clones share the way to the collector.
#[derive(Clone, Debug)]
pub(crate) struct Traces {
    /// Whether providers are told.
    propagate: bool,
    /// Whose are continued.
    from: TraceSource,
    /// Who gets what is recorded.
    tracer: Option<Arc<Tracer>>,
}

impl Traces {
    /// As it is configured; where there is a collector, a thread that sends to it.
    ///
    /// # Errors
    ///
    /// When the environment says something of the collector that cannot be.
    pub(crate) fn start(config: &config::Traces) -> Result<Self, InvalidTraces> {
        let tracer = Tracer::start(config)?.map(Arc::new);
        Ok(Self { propagate: config.propagate, from: config.from, tracer })
    }

    /// The trace of a request with these header fields, from a peer that is trusted or not. What is left of the fields may go on.
    pub(crate) fn of(&self, headers: &mut HeaderMap, is_trusted: bool) -> Option<Trace> {
        if !self.propagate && self.tracer.is_none() {
            headers.remove(TRACEPARENT);
            headers.remove(TRACESTATE);
            return None;
        }
        let believes = match self.from {
            TraceSource::Anybody => true,
            TraceSource::Trusted => is_trusted,
            TraceSource::Nobody => false,
        };
        let said = TraceContext::of(headers);
        let sent = match said {
            Sent::Context(context) => Some(context).filter(|_| believes),
            Sent::Nothing | Sent::Invalid => None,
        };
        if sent.is_none() || !self.propagate {
            if said != Sent::Nothing {
                headers.remove(TRACEPARENT);
            }
            // Without the context that it belongs to it means nothing.
            headers.remove(TRACESTATE);
        }
        let context = sent.unwrap_or_else(TraceContext::begin);
        let samples = |tracer: &&Arc<Tracer>| match sent {
            // Either all of a trace is recorded or nothing.
            Some(sent) => sent.is_sampled(),
            None => tracer.samples(context.trace_id),
        };
        Some(Trace {
            context,
            parent: sent.map(|sent| sent.span_id),
            propagate: self.propagate,
            tracer: self.tracer.as_ref().filter(samples).cloned(),
        })
    }

    /// Whether somebody records besides who asks.
    pub(crate) fn are_used(&self) -> bool {
        self.tracer.as_ref().is_some_and(|tracer| Arc::strong_count(tracer) > 1)
    }

    /// Sends what is left, as far as the collector takes it in time.
    pub(crate) fn stop(&self) {
        if let Some(tracer) = &self.tracer {
            tracer.stop(LAST);
        }
    }
}

/// The trace of one request.
#[derive(Debug)]
pub(crate) struct Trace {
    context: TraceContext,
    /// The span of whoever sent the request; `None` where the trace begins here.
    parent: Option<u64>,
    propagate: bool,
    /// Who records the request, if somebody does.
    tracer: Option<Arc<Tracer>>,
}

impl Trace {
    /// Its digits.
    pub(crate) fn id(&self) -> TraceId {
        TraceId::new(self.context.trace_id)
    }

    /// Tells a provider, where every try is not going to be told by itself.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        // What is continued is there already.
        if self.propagate && self.parent.is_none() && self.tracer.is_none() {
            headers.insert(TRACEPARENT, self.context.value());
        }
    }

    /// What is recorded of the request, from now on.
    pub(crate) fn record(&self) -> Option<Box<Recording>> {
        let tracer = self.tracer.clone()?;
        Some(Box::new(Recording::begin(tracer, self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// What a provider is told, and whether the trace is the caller's.
    fn told(traces: &Traces, sent: &[(&'static str, &str)], is_trusted: bool) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let trace = traces.of(&mut headers, is_trusted);
        if let Some(trace) = &trace {
            trace.tell(&mut headers);
        }
        let told: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        let theirs = trace.is_some_and(|trace| SENT.contains(trace.id().as_str()));
        (told.join("\n"), theirs)
    }

    #[test]
    fn whose_traces_are_continued() {
        let sent = [("traceparent", SENT), ("tracestate", "a=1"), ("tracestate", "b=2")];
        let whole = format!("traceparent: {SENT:?}\ntracestate: \"a=1\"\ntracestate: \"b=2\"");
        for (from, is_trusted, continued) in [
            (TraceSource::Anybody, false, true),
            (TraceSource::Anybody, true, true),
            (TraceSource::Trusted, false, false),
            (TraceSource::Trusted, true, true),
            (TraceSource::Nobody, true, false),
        ] {
            let traces = Traces { propagate: true, from, tracer: None };
            let (told, theirs) = told(&traces, &sent, is_trusted);
            assert_eq!(theirs, continued, "{from:?}");
            match continued {
                true => assert_eq!(told, whole, "{from:?}"),
                // Without what belongs to another trace.
                false => assert!(
                    told.starts_with("traceparent: \"00-") && told.ends_with("-02\""),
                    "{from:?}: {told}"
                ),
            }
        }
    }

    #[test]
    fn what_providers_are_not_told() {
        let quiet = Traces { propagate: false, from: TraceSource::Anybody, tracer: None };
        let loud = Traces { propagate: true, ..quiet.clone() };
        let invalid = SENT.to_uppercase();
        for sent in [
            &[("traceparent", SENT), ("tracestate", "a=1")][..],
            &[("traceparent", SENT), ("traceparent", SENT), ("tracestate", "a=1")],
            &[("traceparent", &invalid), ("tracestate", "a=1")],
            &[("tracestate", "a=1")],
            &[],
        ] {
            assert_eq!(told(&quiet, sent, true), (String::new(), false), "{sent:?}");
            let (told, theirs) = told(&loud, sent, true);
            assert_eq!(theirs, sent.len() == 2 && sent[0].1 == SENT, "{sent:?}");
            assert_eq!(told.contains("tracestate"), theirs, "{sent:?}: {told}");
            assert_eq!(told.matches("traceparent").count(), 1, "{sent:?}: {told}");
        }
    }
}
