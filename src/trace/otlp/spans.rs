//! What was noted of a request, as spans: names and attributes are OpenTelemetry's for HTTP (semantic conventions 1.x), and `tollgate.*` where there is none.
//!
//! Paths, queries, hosts, addresses, accounts and keys are in none of them, though the conventions want some: they are other people's secrets.

use crate::{
    fault::Kind,
    metrics::known_method,
    trace::{
        context::new_span_id,
        recording::{Facts, Recording, Stretch, Try},
    },
};
use http::{StatusCode, Version};
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::time::{Instant, SystemTime};

/// What all spans of a request have in common.
struct Spans<'a> {
    recording: &'a Recording,
    facts: &'a Facts<'a>,
    scope: &'a InstrumentationScope,
    method: http::Method,
    end: Instant,
}

/// The request's span, and those of what was done for it.
pub(super) fn of(
    recording: &Recording,
    facts: &Facts<'_>,
    scope: &InstrumentationScope,
) -> Vec<SpanData> {
    let (method, end) = (known_method(facts.method), Instant::now());
    let spans = Spans { recording, facts, scope, method, end };
    let notes = recording.notes();
    let mut all = Vec::with_capacity(1 + notes.tries.len());
    all.push(spans.server(notes.failed));
    all.extend(notes.stretches(end).map(|stretch| spans.stretch(&stretch)));
    // A try without an end was given up with the request.
    let given_up = notes.answered.unwrap_or(end);
    all.extend(notes.tries.iter().map(|tried| spans.attempt(tried, given_up)));
    all
}

impl Spans<'_> {
    /// All of the request, until the end of its answer.
    fn server(&self, failed: Option<&'static str>) -> SpanData {
        let Facts { version, is_tls, route, request_id, status, fault, bytes, is_whole, .. } =
            *self.facts;
        let path = route.map(|route| route.path()).filter(|path| !path.is_empty());
        let name = match path {
            Some(path) => format!("{} {path}", self.method),
            None => self.method.to_string(),
        };
        let mut attributes = vec![
            KeyValue::new("http.request.method", self.method.to_string()),
            KeyValue::new("url.scheme", if is_tls { "https" } else { "http" }),
            KeyValue::new("http.response.body.size", int(bytes)),
        ];
        if let Some(version) = version_of(version) {
            attributes.push(KeyValue::new("network.protocol.version", version));
        }
        if let (Some(path), Some(route)) = (path, route) {
            attributes.push(KeyValue::new("http.route", path.to_owned()));
            attributes.push(KeyValue::new("tollgate.route", route.name().to_owned()));
        }
        if let Some(id) = request_id {
            attributes.push(KeyValue::new("tollgate.request_id", id.to_owned()));
        }
        if let Some(status) = status {
            attributes.push(status_code(status));
        }
        if let Some(fault) = failed.or(fault) {
            attributes.push(KeyValue::new("tollgate.fault", fault));
        }
        // A refusal is no failure of the server's.
        let error = match status {
            None => Some("cancelled"),
            Some(status) if status.is_server_error() => Some(fault.unwrap_or("status")),
            Some(_) if failed.is_some() => failed,
            Some(_) if !is_whole => Some("broken_off"),
            Some(_) => None,
        };
        let (context, parent) = (self.recording.context, self.recording.parent);
        let mut span = self.span(context.span_id, name, error, attributes);
        span.parent_span_id = parent.map_or(SpanId::INVALID, span_id);
        span.parent_span_is_remote = parent.is_some();
        span.span_kind = SpanKind::Server;
        span.start_time = self.recording.began.1;
        span.end_time = self.time(self.end);
        span
    }

    /// What the request has waited for.
    fn stretch(&self, stretch: &Stretch) -> SpanData {
        let error = self.facts.fault.filter(|_| stretch.is_last);
        let mut span = self.span(new_span_id(), stretch.work.to_owned(), error, Vec::new());
        span.start_time = self.time(stretch.from);
        span.end_time = self.time(stretch.to);
        span
    }

    /// A try at an endpoint, until its answer was understood.
    fn attempt(&self, tried: &Try, given_up: Instant) -> SpanData {
        let upstream = self.recording.upstream.get().map_or("", |name| name);
        let name = format!("{} {upstream}/{}", self.method, tried.endpoint);
        let mut attributes = vec![
            KeyValue::new("http.request.method", self.method.to_string()),
            KeyValue::new("tollgate.upstream", upstream.to_owned()),
            KeyValue::new("tollgate.endpoint", tried.endpoint.to_string()),
        ];
        if tried.number > 1 {
            attributes
                .push(KeyValue::new("http.request.resend_count", i64::from(tried.number - 1)));
        }
        let (at, error) = match &tried.end {
            Some(end) => {
                attributes.push(KeyValue::new("tollgate.outcome", end.outcome.as_str()));
                attributes.extend(end.status.map(status_code));
                (end.at, end.fault.map(|kind| Kind::Upstream(kind).as_str()))
            }
            None => (given_up, Some(self.facts.fault.unwrap_or("cancelled"))),
        };
        let mut span = self.span(tried.span_id, name, error, attributes);
        span.span_kind = SpanKind::Client;
        span.start_time = self.time(tried.began);
        span.end_time = self.time(at);
        span
    }

    /// A span within that of the request.
    fn span(
        &self,
        id: u64,
        name: String,
        error: Option<&'static str>,
        mut attributes: Vec<KeyValue>,
    ) -> SpanData {
        attributes.extend(error.map(|error| KeyValue::new("error.type", error)));
        let context = self.recording.context;
        let trace_id = TraceId::from_bytes(context.trace_id.to_be_bytes());
        SpanData {
            span_context: SpanContext::new(
                trace_id,
                span_id(id),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: span_id(context.span_id),
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: self.recording.began.1,
            end_time: self.recording.began.1,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: error.map_or(Status::Unset, |_| Status::error("")),
            instrumentation_scope: self.scope.clone(),
        }
    }

    fn time(&self, at: Instant) -> SystemTime {
        self.recording.time(at)
    }
}

fn span_id(id: u64) -> SpanId {
    SpanId::from_bytes(id.to_be_bytes())
}

fn status_code(status: StatusCode) -> KeyValue {
    KeyValue::new("http.response.status_code", i64::from(status.as_u16()))
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn version_of(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}
