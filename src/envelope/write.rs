use super::{Context, Field};
use crate::{
    catalog::{Catalog, Entry, json_string, push_json_string},
    fault::{Fault, Param, Retry, Violation},
};
use std::{fmt::Write, time::Duration};

impl Catalog {
    /// The JSON of an answer.
    pub(super) fn write(&self, fault: &Fault, context: Context<'_>) -> String {
        let (entry, template) = self.answer_to(fault);
        let mut out = String::with_capacity(256);
        out.push_str(&entry.opening);
        match (own_message(fault, entry), template.as_json()) {
            (Some(message), _) => push_json_string(&mut out, message),
            (None, Some(json)) => out.push_str(json),
            (None, None) => {
                let text = template.fill(|param, out| write_param(fault, entry, param, out));
                push_json_string(&mut out, &text);
            }
        }
        for field in self.fields() {
            write_field(*field, fault, entry, context, &mut out);
        }
        if let Fault::Violation(Violation { others: Some(others), .. }) = fault {
            self.write_details(fault, others, &mut out);
        }
        out.push_str("}}");
        out
    }

    /// All violations of a request, where all were asked for.
    fn write_details(&self, fault: &Fault, others: &[Violation], out: &mut String) {
        out.push_str(r#","details":["#);
        let others = others.iter().map(|one| Fault::Violation(one.clone()));
        for (i, one) in std::iter::once(fault.clone()).chain(others).enumerate() {
            let (entry, template) = self.answer_to(&one);
            let message = template.fill(|param, out| write_param(&one, entry, param, out));
            let field = one.field().unwrap_or_default();
            let (code, message) = (json_string(entry.code()), json_string(&message));
            let separator = if i == 0 { "" } else { "," };
            let field = json_string(field);
            let _ =
                write!(out, r#"{separator}{{"field":{field},"code":{code},"message":{message}}}"#);
        }
        out.push(']');
    }

    /// An example of an answer with this entry's code, for the documentation.
    pub(crate) fn example(&self, entry: &Entry) -> serde_json::Value {
        serde_json::from_str(&self.example_text(entry)).unwrap_or_default()
    }

    /// The same, in the order of the wire.
    pub(crate) fn example_text(&self, entry: &Entry) -> String {
        let mut out = String::from(&*entry.opening);
        push_json_string(&mut out, &entry.message());
        let fault = Fault::custom(entry.code().to_owned());
        let id = http::HeaderValue::from_static("0c0ffee0c0ffee0c0ffee0c0ffee0c0f");
        let context = Context { head: false, request_id: Some(&id) };
        for field in self.fields() {
            match (field, entry.faults()) {
                (Field::Retryable, _) => {
                    let _ = write!(out, r#","retryable":{}"#, entry.is_retryable());
                }
                (Field::Source, [kind, ..]) => {
                    let _ = write!(out, r#","source":"{}""#, kind.source().as_str());
                }
                _ => write_field(*field, &fault, entry, context, &mut out),
            }
        }
        out.push_str("}}");
        out
    }
}

/// The message that a fault brings instead of the catalog's. Only where its code was found: a code that the
/// catalog does not list is answered as an internal error, and that has the catalog's words.
fn own_message<'a>(fault: &'a Fault, entry: &Entry) -> Option<&'a str> {
    match fault {
        Fault::Custom { code, message: Some(message) } if code == entry.code() => Some(message),
        _ => None,
    }
}

fn write_param(fault: &Fault, entry: &Entry, param: Param, out: &mut String) {
    match (param, fault) {
        (Param::Detail, Fault::Violation(v)) => out.push_str(&v.detail),
        (Param::Field, Fault::Violation(v)) => out.push_str(&v.field),
        (Param::Detail, Fault::InvalidJson { detail } | Fault::BadRequest { detail }) => {
            out.push_str(detail);
        }
        (Param::Reason, Fault::Upstream(fault)) => {
            if let Some(words) = fault.words() {
                let _ = write!(out, ": {}", words.trim_end_matches(['.', '。', '!', ' ']));
            }
        }
        (Param::Limit, Fault::BodyTooLarge { limit: Some(limit) }) => {
            let _ = write!(out, "{limit}");
        }
        (Param::Limit, _) => out.push_str("the allowed number of"),
        (Param::Expected, Fault::UnsupportedMediaType { expected }) => out.push_str(expected),
        (Param::Allow, Fault::MethodNotAllowed { allow }) if allow.is_empty() => {
            out.push_str("see the Allow field");
        }
        (Param::Allow, Fault::MethodNotAllowed { allow }) => out.push_str(allow),
        (Param::Quota, Fault::RateLimited { quota, .. } | Fault::ConcurrencyLimited { quota }) => {
            out.push_str(quota);
        }
        // An application's code whose message expects a violation, used without one.
        (Param::Detail, _) => out.push_str(entry.title()),
        _ => {}
    }
}

fn write_field(field: Field, fault: &Fault, entry: &Entry, context: Context<'_>, out: &mut String) {
    let text = match field {
        Field::DocsUrl => entry.docs_url(),
        Field::RequestId => context.request_id.and_then(|id| id.to_str().ok()),
        Field::Field => fault.field(),
        Field::Source => Some(fault.raised_by().as_str()),
        Field::Retryable => {
            let retryable = match fault {
                Fault::Custom { .. } => entry.is_retryable(),
                _ => fault.disposition().retry.is_retryable(),
            };
            out.push_str(if retryable { r#","retryable":true"# } else { r#","retryable":false"# });
            return;
        }
        Field::RetryAfterMs => {
            if let Retry::After(after) = fault.disposition().retry {
                let _ = write!(out, r#","retry_after_ms":{}"#, whole_millis(after));
            }
            return;
        }
    };
    if let Some(text) = text {
        for part in [",\"", field.as_str(), "\":"] {
            out.push_str(part);
        }
        push_json_string(out, text);
    }
}

/// Rounded up, so that nobody comes too early.
fn whole_millis(duration: Duration) -> u128 {
    duration.as_nanos().div_ceil(1_000_000)
}
