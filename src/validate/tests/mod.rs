use super::*;
use crate::{Catalog, Fault, Kind, buffer::Budget, edit::Edits, json::Syntax, schema::Schema};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header, request::Parts};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

mod arrival;
mod coded;
mod memory;
mod onward;
mod readiness;
mod refusals;

/// What a body does next; nothing any more where there is nothing left but an [`Open`](Step::Open) end.
#[derive(Debug)]
enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Fail(BoxError),
    /// Time passes.
    Wait(Duration),
    /// It never ends.
    Open,
}

fn data(bytes: impl Into<Bytes>) -> Step {
    Step::Data(bytes.into())
}

/// A body by script, which says so much of its length and counts how often it was asked.
#[derive(Debug)]
struct Script {
    steps: VecDeque<Step>,
    hint: SizeHint,
    polls: Arc<AtomicUsize>,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Script {
    /// Of a length that is not known.
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().collect();
        Self { steps, hint: SizeHint::new(), polls: Arc::default(), waiting: None }
    }

    fn declared(mut self, length: u64) -> Self {
        self.hint = SizeHint::with_exact(length);
        self
    }

    /// One piece, of a length that is known.
    fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let length = bytes.len() as u64;
        Self::new([Step::Data(bytes)]).declared(length)
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        loop {
            if let Some(waiting) = &mut self.waiting {
                std::task::ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
            }
            let frame = match self.steps.pop_front() {
                Some(Step::Wait(time)) => {
                    self.waiting = Some(Box::pin(sleep(time)));
                    continue;
                }
                Some(Step::Open) => {
                    self.steps.push_front(Step::Open);
                    return Poll::Pending;
                }
                Some(Step::Data(bytes)) => Some(Ok(Frame::data(bytes))),
                Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
                Some(Step::Fail(error)) => Some(Err(error)),
                None => None,
            };
            return Poll::Ready(frame);
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

type Fields<'a> = &'a [(&'a str, &'a str)];
type Sent = Request<ValidatedBody<Script>>;

const JSON: (&str, &str) = ("content-type", "application/json");
/// Keeps the rules of [`schema`].
const GOOD: &str = r#"{"prompt":"a cat","n":2}"#;

fn schema() -> Arc<Schema> {
    let schema = r#"{
        "required": ["prompt"],
        "properties": {
            "prompt": { "type": "string", "minLength": 1 },
            "n": { "type": "integer", "minimum": 1, "maximum": 4, "x-fault": "invalid_json" }
        },
        "additionalProperties": false
    }"#;
    Arc::new(schema.parse().unwrap())
}

fn layer() -> ValidateLayer {
    ValidateLayer::new().schema(schema())
}

fn request(fields: Fields<'_>, body: Script) -> Request<Script> {
    let mut request = Request::post("/v1/generate");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

fn post(body: impl Into<Bytes>) -> Request<Script> {
    request(&[JSON], Script::whole(body))
}

/// What the inner service has got.
#[derive(Debug)]
struct Passed {
    parts: Parts,
    hint: SizeHint,
    pieces: Vec<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Passed {
    fn bytes(&self) -> Bytes {
        self.pieces.concat().into()
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

async fn read(request: Sent) -> Passed {
    let (parts, body) = request.into_parts();
    let mut body = pin!(body);
    let hint = body.size_hint();
    let (mut pieces, mut trailers) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        let last = body.is_end_stream();
        match frame.unwrap().into_data() {
            Ok(piece) => pieces.push(piece),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
        if last {
            assert!(body.frame().await.is_none(), "a frame after the end");
            break;
        }
    }
    Passed { parts, hint, pieces, trailers }
}

/// The answer, and what got on.
async fn ask(layer: &ValidateLayer, request: Request<Script>) -> (Response<Bytes>, Option<Passed>) {
    let passed = Arc::new(Mutex::new(None));
    let slot = passed.clone();
    let inner = service_fn(move |request: Sent| {
        let slot = slot.clone();
        async move {
            let passed = read(request).await;
            *slot.lock().unwrap() = Some(passed);
            Ok::<_, Infallible>(Response::new(Full::from("inner")))
        }
    });
    let (parts, body) = layer.layer(inner).oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let passed = passed.lock().unwrap().take();
    assert_eq!(passed.is_some(), body == "inner");
    assert_eq!(passed.is_none(), parts.extensions.get::<Fault>().is_some());
    (Response::from_parts(parts, body), passed)
}

/// What gets on.
async fn passed(layer: &ValidateLayer, request: Request<Script>) -> Passed {
    let (answer, passed) = ask(layer, request).await;
    passed.unwrap_or_else(|| panic!("{:?}", answer.extensions().get::<Fault>()))
}

/// Why it does not.
async fn fault(layer: &ValidateLayer, request: Request<Script>) -> Option<Fault> {
    ask(layer, request).await.0.extensions().get::<Fault>().cloned()
}

async fn kind(layer: &ValidateLayer, request: Request<Script>) -> Option<Kind> {
    fault(layer, request).await.and_then(|fault| fault.kind())
}

fn too_large(limit: u64) -> Option<Fault> {
    Some(Fault::BodyTooLarge { limit: Some(limit) })
}

fn error(answer: &Response<Bytes>) -> serde_json::Value {
    let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    assert!(body["data"].is_null(), "{body}");
    body["error"].clone()
}
