//! The Grsai protocol: drawings that are streamed, and drawings that are tasks to poll.

use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header::AUTHORIZATION};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    KEY, Site,
    act::{Act, Pace, act, invalid, refusal, refused_key},
    http::{Answer, Connection, Ending, LAST_CHUNK, chunk, to_json, wants_close},
    scenario::{SCENARIOS, Scenario, TRACE, Unknown},
};

/// The provider's models, then the names under which a reseller sells them: the gateway does not edit bodies yet.
const MODELS: [&str; 9] = [
    "nano-banana-2",
    "nano-banana-2-cl",
    "nano-banana-2-4k-cl",
    "nano-banana-fast",
    "nano-banana",
    "nano-banana-pro",
    "nanobanano-2",
    "nanobanano-2-2k",
    "nanobanano-2-4k",
];

/// How many tasks are remembered; the oldest are forgotten first.
const TASKS: usize = 1000;

/// The progress that a stream reports on its way.
const STEPS: [u8; 4] = [5, 35, 60, 85];

/// What a drawing comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Succeeds,
    /// Refused before it is begun: `input_moderation`.
    Rejected,
    /// Done, but not given out: `output_moderation`.
    Withheld,
    Fails,
}

impl Fate {
    fn steps(self) -> &'static [u8] {
        if self == Self::Rejected { &[] } else { &STEPS }
    }
}

/// A drawing as the protocol shows it: an event of a stream, and the `data` of a result.
#[derive(Debug, Serialize)]
pub(super) struct Drawing<'a> {
    id: &'a str,
    results: Vec<Image>,
    progress: u8,
    status: &'static str,
    failure_reason: &'static str,
    error: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Image {
    url: String,
    content: &'static str,
}

impl<'a> Drawing<'a> {
    pub(super) fn running(id: &'a str, progress: u8) -> Self {
        Self {
            id,
            results: Vec::new(),
            progress,
            status: "running",
            failure_reason: "",
            error: "",
            trace: None,
        }
    }

    fn ended(id: &'a str, fate: Fate) -> Self {
        let failed = |progress, failure_reason, error| Self {
            status: "failed",
            failure_reason,
            error,
            trace: Some(TRACE),
            ..Self::running(id, progress)
        };
        match fate {
            Fate::Succeeds => Self {
                results: vec![Image {
                    url: format!("https://images.invalid/{id}.png"),
                    content: "A drawing.",
                }],
                status: "succeeded",
                ..Self::running(id, 100)
            },
            Fate::Rejected => failed(0, "input_moderation", "The prompt was refused"),
            Fate::Withheld => failed(100, "output_moderation", "The image was refused"),
            Fate::Fails => failed(85, "error", "gemini timeout... Please try again later"),
        }
    }
}

/// A server-sent event.
pub(super) fn event(drawing: &Drawing<'_>) -> String {
    format!("data: {}\n\n", to_json(drawing))
}

/// An id such as the provider's: 32 hexadecimal digits in five groups.
pub(super) fn new_id() -> String {
    let id = format!("{:032x}", fastrand::u128(..));
    format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..])
}

/// The provider's envelope around an answer.
#[derive(Serialize)]
struct Reply<T> {
    code: i32,
    msg: &'static str,
    data: T,
}

impl<T: Serialize> Reply<T> {
    fn success(data: T) -> Answer {
        Answer::json(StatusCode::OK, &Self { code: 0, msg: "success", data })
    }
}

struct Task {
    id: String,
    fate: Fate,
    begun: Instant,
    takes: Duration,
}

impl Task {
    fn drawing(&self, now: Instant) -> Drawing<'_> {
        let spent = now.saturating_duration_since(self.begun);
        if spent >= self.takes {
            return Drawing::ended(&self.id, self.fate);
        }
        // Less than `takes`, so less than a hundred, and `takes` is not zero.
        let percent = spent.as_millis() * 100 / self.takes.as_millis().max(1);
        Drawing::running(&self.id, u8::try_from(percent).unwrap_or(99).min(99))
    }
}

/// The newest tasks.
#[derive(Default)]
pub(super) struct Tasks(Mutex<VecDeque<Task>>);

impl Tasks {
    fn begin(&self, fate: Fate, pace: Pace) -> String {
        let takes = if fate == Fate::Rejected { Duration::ZERO } else { pace.task };
        let task = Task { id: new_id(), fate, begun: Instant::now(), takes };
        let id = task.id.clone();
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tasks.len() >= TASKS {
            tasks.pop_front();
        }
        tasks.push_back(task);
        id
    }

    fn result(&self, id: &str) -> Answer {
        let tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match tasks.iter().find(|task| task.id == id) {
            Some(task) => Reply::success(task.drawing(Instant::now())),
            None => refusal(StatusCode::OK, -22, "task not exist"),
        }
    }
}

/// What there is at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Draw,
    Result,
}

impl Call {
    fn of(request: &Request<Bytes>) -> Option<Self> {
        match (request.method(), request.uri().path()) {
            (&Method::POST, "/v1/draw/nano-banana") => Some(Self::Draw),
            (&Method::POST, "/v1/draw/result") => Some(Self::Result),
            _ => None,
        }
    }
}

/// Answers one request, and says what becomes of the connection.
pub(super) async fn serve(
    connection: &mut Connection,
    request: &Request<Bytes>,
    site: &Site,
) -> io::Result<Ending> {
    let close = wants_close(request.headers());
    let talk = Talk { connection, method: request.method(), close };
    let Some(call) = Call::of(request) else {
        return talk.answer(&Answer::page(StatusCode::NOT_FOUND)).await;
    };
    match decide(request, site)? {
        Act::Answer(answer) => talk.answer(&answer).await,
        Act::Raw(bytes, ending) => {
            talk.connection.send(&bytes).await?;
            Ok(ending)
        }
        Act::Draw { fate, wait, pace } => {
            sleep(wait).await;
            match call {
                Call::Draw => draw(talk, request.body(), fate, pace, site).await,
                Call::Result => talk.answer(&result(request.body(), fate, site)).await,
            }
        }
    }
}

/// What is done with a call. The key and the scenario come before the body is checked: a scenario that the header
/// chooses can be had with any body.
fn decide(request: &Request<Bytes>, site: &Site) -> io::Result<Act> {
    if !has_key(request) {
        return Ok(refused_key().into());
    }
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let prompt = body.get("prompt").and_then(Value::as_str).unwrap_or_default();
    match Scenario::chosen(request.headers(), prompt) {
        // What is wrong with the input is wrong anywhere.
        Ok(scenario) if site.reliable && scenario != Scenario::ModerationInput => {
            act(Scenario::Ok, site)
        }
        Ok(scenario) => act(scenario, site),
        Err(Unknown) => Ok(unknown_scenario().into()),
    }
}

/// The key is no secret, so it may be compared like any other string.
fn has_key(request: &Request<Bytes>) -> bool {
    let header = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes());
    header.and_then(|value| value.split_at_checked(7)).is_some_and(|(scheme, key)| {
        scheme.eq_ignore_ascii_case(b"bearer ") && key == KEY.as_bytes()
    })
}

fn unknown_scenario() -> Answer {
    let names: Vec<&str> = SCENARIOS.iter().map(|row| row.name).collect();
    Answer::json(
        StatusCode::BAD_REQUEST,
        &json!({"error": "unknown scenario", "scenarios": names, "trace": TRACE}),
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    model: String,
    prompt: String,
    #[serde(default)]
    web_hook: String,
    #[serde(default)]
    shut_progress: bool,
}

impl Order {
    fn read(body: &[u8]) -> Option<Self> {
        let order: Self = serde_json::from_slice(body).ok()?;
        let hook = order.web_hook.as_str();
        let hook_is_good = matches!(hook, "" | "-1")
            || hook.starts_with("http://")
            || hook.starts_with("https://");
        (MODELS.contains(&order.model.as_str()) && !order.prompt.is_empty() && hook_is_good)
            .then_some(order)
    }
}

async fn draw(
    talk: Talk<'_>,
    body: &[u8],
    fate: Fate,
    pace: Pace,
    site: &Site,
) -> io::Result<Ending> {
    match Order::read(body) {
        None => talk.answer(&invalid()).await,
        Some(order) if order.web_hook.is_empty() => {
            talk.stream(fate, pace, order.shut_progress).await
        }
        Some(_) => {
            let id = site.tasks.begin(fate, pace);
            talk.answer(&Reply::success(json!({"id": id}))).await
        }
    }
}

#[derive(Deserialize)]
struct Question {
    id: String,
}

/// A result as it is, or the failure that the question asks for.
fn result(body: &[u8], fate: Fate, site: &Site) -> Answer {
    match serde_json::from_slice::<Question>(body) {
        Err(_) => invalid(),
        Ok(Question { id }) if fate == Fate::Succeeds => site.tasks.result(&id),
        Ok(Question { id }) => Reply::success(Drawing::ended(&id, fate)),
    }
}

/// The answering side of one exchange.
struct Talk<'a> {
    connection: &'a mut Connection,
    method: &'a Method,
    close: bool,
}

impl Talk<'_> {
    async fn answer(self, answer: &Answer) -> io::Result<Ending> {
        self.connection.send(&answer.to_bytes(self.method, self.close)).await?;
        Ok(self.ending())
    }

    async fn stream(self, fate: Fate, pace: Pace, only_the_end: bool) -> io::Result<Ending> {
        let id = new_id();
        let head = Answer::new(StatusCode::OK, "text/event-stream", "").chunked_head(self.close);
        self.connection.send(&head).await?;
        for &progress in fate.steps() {
            if !only_the_end {
                self.connection.send(&chunk(&event(&Drawing::running(&id, progress)))).await?;
            }
            sleep(pace.event).await;
        }
        self.connection.send(&chunk(&event(&Drawing::ended(&id, fate)))).await?;
        self.connection.send(LAST_CHUNK).await?;
        Ok(self.ending())
    }

    fn ending(&self) -> Ending {
        if self.close { Ending::Close } else { Ending::Keep }
    }
}
