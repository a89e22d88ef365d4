//! What the provider does in each [`Scenario`], as data.

use std::{
    io::{self, Write},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_ENCODING, LOCATION, RETRY_AFTER},
};
use serde_json::json;

use super::{
    Site,
    draw::{Drawing, Fate, event, new_id},
    http::{Answer, Ending, chunk},
    scenario::{Scenario, TRACE},
};

/// How quickly things happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Before each event of a stream.
    pub(super) event: Duration,
    /// From a task's acceptance to its end.
    pub(super) task: Duration,
    /// Before anything at all, in [`Scenario::Slow`].
    pub(super) slow: Duration,
}

impl Pace {
    pub(super) const USUAL: Self = Self {
        event: Duration::from_millis(150),
        task: Duration::from_secs(1),
        slow: Duration::from_secs(2),
    };
    const NONE: Self = Self { event: Duration::ZERO, task: Duration::ZERO, slow: Duration::ZERO };
}

/// What the provider does with one request.
#[derive(Debug)]
pub(super) enum Act {
    /// The protocol takes its course, to this end.
    Draw { fate: Fate, wait: Duration, pace: Pace },
    /// One whole answer; the connection lives on.
    Answer(Answer),
    /// These bytes, whatever they are, then the end of the connection.
    Raw(Vec<u8>, Ending),
}

impl From<Answer> for Act {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// What `scenario` does at `site`.
///
/// # Errors
///
/// Compressing failed, which it does not in memory.
pub(super) fn act(scenario: Scenario, site: &Site) -> io::Result<Act> {
    // One arm a scenario, so that a new one cannot be forgotten.
    Ok(match scenario {
        Scenario::Ok => draw(Fate::Succeeds, site.pace),
        Scenario::Fast => draw(Fate::Succeeds, Pace::NONE),
        Scenario::Slow => Act::Draw { fate: Fate::Succeeds, wait: site.pace.slow, pace: site.pace },
        Scenario::ModerationInput => draw(Fate::Rejected, site.pace),
        Scenario::ModerationOutput => draw(Fate::Withheld, site.pace),
        Scenario::Failed => draw(Fate::Fails, site.pace),

        Scenario::RefusedKey => error(StatusCode::UNAUTHORIZED, "invalid apikey").into(),
        Scenario::RefusedKey200 => refused_key().into(),
        Scenario::OutOfCredit => error(StatusCode::PAYMENT_REQUIRED, "insufficient credits").into(),
        Scenario::OutOfCredit200 => refusal(StatusCode::OK, -1, "insufficient credits").into(),
        Scenario::OutOfCredit400 => failure("apikey credits not enough").into(),
        Scenario::RateLimit => rate_limit().into(),
        Scenario::RateLimit200 => refusal(StatusCode::OK, -1, "rate limit").into(),
        Scenario::Invalid => invalid().into(),
        Scenario::UnknownTask => refusal(StatusCode::NOT_FOUND, -22, "task not exist").into(),
        Scenario::Html502 => Answer::page(StatusCode::BAD_GATEWAY).into(),
        Scenario::Html504 => Answer::page(StatusCode::GATEWAY_TIMEOUT).into(),
        Scenario::Error500 => stack_trace().into(),
        Scenario::Overloaded503 => error(StatusCode::SERVICE_UNAVAILABLE, "overloaded").into(),
        Scenario::Gzip500 => compressed()?.into(),
        Scenario::Empty500 => Answer::empty(StatusCode::INTERNAL_SERVER_ERROR).into(),
        Scenario::WrongType => wrong_type().into(),
        Scenario::TruncatedJson => truncated_json().into(),
        Scenario::Garbage => garbage().into(),
        Scenario::Redirect => redirect(site)?.into(),

        Scenario::HalfBody => Act::Raw(half_body(), Ending::Close),
        Scenario::HalfStream => Act::Raw(half_stream(), Ending::Close),
        Scenario::Stall => Act::Raw(half_body(), Ending::Hold),
        Scenario::Silence => Act::Raw(Vec::new(), Ending::Hold),
        Scenario::Reset => Act::Raw(Vec::new(), Ending::Reset),
        Scenario::ResetMid => Act::Raw(half_body(), Ending::Reset),
        Scenario::NoHttp => Act::Raw(ssh_banner(), Ending::Close),
        Scenario::Unasked101 => Act::Raw(switching_protocols(), Ending::Close),
    })
}

fn draw(fate: Fate, pace: Pace) -> Act {
    Act::Draw { fate, wait: Duration::ZERO, pace }
}

/// A refusal in the provider's envelope, which it sends with HTTP 200 as a rule.
pub(super) fn refusal(status: StatusCode, code: i32, message: &str) -> Answer {
    Answer::json(status, &json!({"code": code, "data": null, "msg": message, "trace": TRACE}))
}

/// What a caller with another key than [`KEY`](super::KEY) is told.
pub(super) fn refused_key() -> Answer {
    refusal(StatusCode::OK, -1, "invalid apikey")
}

/// What a request that makes no sense is told.
pub(super) fn invalid() -> Answer {
    failure("Invalid input parameters")
}

/// An error as most APIs send it.
fn error(status: StatusCode, message: &str) -> Answer {
    Answer::json(status, &json!({"error": {"message": message, "trace": TRACE}}))
}

/// A failed drawing outside of any stream.
fn failure(message: &str) -> Answer {
    let body = json!({"error": message, "status": "failed", "trace": TRACE});
    Answer::json(StatusCode::BAD_REQUEST, &body)
}

fn rate_limit() -> Answer {
    let after = HeaderValue::from_static("7");
    error(StatusCode::TOO_MANY_REQUESTS, "rate limit").header(RETRY_AFTER, after)
}

fn wrong_type() -> Answer {
    let body = json!({"error": {"message": "internal", "trace": TRACE}}).to_string();
    Answer::new(StatusCode::INTERNAL_SERVER_ERROR, "image/png", body)
}

fn truncated_json() -> Answer {
    let body = format!(r#"{{"code":0,"msg":"success","data":{{"id":"{TRACE}"#);
    Answer::new(StatusCode::OK, "application/json", body)
}

fn stack_trace() -> Answer {
    Answer::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "text/html; charset=utf-8",
        format!(
            "<!doctype html><title>RuntimeError</title><pre>Traceback (most recent call last):\n  \
             File \"/srv/draw/worker.py\", line 212, in run\n    client.generate(key=\"{TRACE}\")\n\
             RuntimeError: worker died</pre>\n"
        ),
    )
}

fn compressed() -> io::Result<Answer> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(
        json!({"error": {"message": "internal", "trace": TRACE}}).to_string().as_bytes(),
    )?;
    Ok(Answer::new(StatusCode::INTERNAL_SERVER_ERROR, "application/json", encoder.finish()?)
        .header(CONTENT_ENCODING, HeaderValue::from_static("gzip")))
}

/// A mebibyte that is the same each time, with the trace at its beginning and at its end.
fn garbage() -> Answer {
    const SIZE: usize = 1024 * 1024;
    let mut bytes = vec![0; SIZE];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    bytes.splice(..TRACE.len(), TRACE.bytes());
    bytes.splice(SIZE - TRACE.len().., TRACE.bytes());
    Answer::new(StatusCode::INTERNAL_SERVER_ERROR, "application/octet-stream", bytes)
}

fn redirect(site: &Site) -> io::Result<Answer> {
    let location = HeaderValue::try_from(format!("http://{}/v1/draw/nano-banana", site.addr))
        .map_err(io::Error::other)?;
    Ok(Answer::page(StatusCode::FOUND).header(LOCATION, location))
}

/// The head of a success and the first half of its body.
fn half_body() -> Vec<u8> {
    let data = json!({"content": TRACE, "more": "x".repeat(2000)});
    Answer::json(StatusCode::OK, &json!({"code": 0, "data": data, "msg": "success"})).first_half()
}

fn half_stream() -> Vec<u8> {
    let mut bytes = Answer::new(StatusCode::OK, "text/event-stream", "").chunked_head(false);
    let id = new_id();
    for progress in [5, 35] {
        bytes.extend(chunk(&event(&Drawing::running(&id, progress))));
    }
    bytes
}

fn ssh_banner() -> Vec<u8> {
    format!("SSH-2.0-OpenSSH_9.6 {TRACE}\r\n").into_bytes()
}

fn switching_protocols() -> Vec<u8> {
    format!("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n{TRACE}\r\n").into_bytes()
}
