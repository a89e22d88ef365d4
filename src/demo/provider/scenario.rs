//! The ways in which the provider can behave: one table.
//!
//! A request chooses its scenario with the header `x-demo-scenario: NAME`, or with a prompt that begins with
//! `demo:NAME`; the header wins. Without either, the provider behaves.

use http::HeaderMap;

/// The header that chooses a scenario.
pub(crate) const HEADER: &str = "x-demo-scenario";
/// What a prompt that chooses a scenario begins with.
pub(crate) const PROMPT: &str = "demo:";

/// A word that only the provider's failures hold. Where it turns up in front of the gateway, something leaked.
#[cfg(test)]
pub(crate) const MARKER: &str = "LEAK-MARKER";
/// The name of the host that the provider pretends to run on: in every answer's `X-Served-By`, and beside every marker.
pub(crate) const HOST: &str = "provider.internal.example";
/// What a provider says about itself when it fails: the marker and [`HOST`].
pub(crate) const TRACE: &str = "LEAK-MARKER draw-7@provider.internal.example";

/// One way to behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    Ok,
    Fast,
    Slow,
    RefusedKey,
    RefusedKey200,
    OutOfCredit,
    OutOfCredit200,
    OutOfCredit400,
    RateLimit,
    RateLimit200,
    Invalid,
    UnknownTask,
    ModerationInput,
    ModerationOutput,
    Failed,
    Html502,
    Html504,
    Error500,
    Overloaded503,
    Gzip500,
    Empty500,
    WrongType,
    TruncatedJson,
    Garbage,
    HalfBody,
    HalfStream,
    Silence,
    Stall,
    Reset,
    ResetMid,
    NoHttp,
    Redirect,
    Unasked101,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    /// How a request asks for it.
    pub(crate) name: &'static str,
    /// What the provider does then.
    pub(crate) does: &'static str,
    /// Whether the body it sends holds the marker and [`HOST`].
    pub(crate) marked: bool,
}

const fn row(scenario: Scenario, name: &'static str, does: &'static str) -> Row {
    Row { scenario, name, does, marked: true }
}

impl Row {
    /// A scenario that sends no failure of its own words: a success, nothing at all, or nothing that could be read.
    const fn unmarked(mut self) -> Self {
        self.marked = false;
        self
    }
}

/// Every scenario, in the order in which they are explained.
pub(crate) const SCENARIOS: &[Row] = &[
    row(Scenario::Ok, "ok", "draws: a stream of events, or a task to poll").unmarked(),
    row(Scenario::Fast, "fast", "draws, without its usual pauses").unmarked(),
    row(Scenario::Slow, "slow", "draws, but is silent for two seconds first").unmarked(),
    row(Scenario::RefusedKey, "refused-key", "401, JSON: invalid apikey"),
    row(Scenario::RefusedKey200, "refused-key-200", "200 with code -1: invalid apikey"),
    row(Scenario::OutOfCredit, "out-of-credit", "402, JSON: insufficient credits"),
    row(Scenario::OutOfCredit200, "out-of-credit-200", "200 with code -1: insufficient credits"),
    row(
        Scenario::OutOfCredit400,
        "out-of-credit-400",
        "400 with status failed: apikey credits not enough",
    ),
    row(Scenario::RateLimit, "rate-limit", "429 with Retry-After: 7"),
    row(Scenario::RateLimit200, "rate-limit-200", "200 with code -1: rate limit"),
    row(Scenario::Invalid, "invalid", "400, JSON: Invalid input parameters"),
    row(Scenario::UnknownTask, "unknown-task", "404, JSON: task not exist"),
    row(
        Scenario::ModerationInput,
        "moderation-input",
        "200, and the drawing fails at once: input_moderation",
    ),
    row(
        Scenario::ModerationOutput,
        "moderation-output",
        "200, and the drawing fails at its end: output_moderation",
    ),
    row(Scenario::Failed, "failed", "200, and the drawing fails at its end: error"),
    row(Scenario::Html502, "html-502", "502, nginx's HTML page"),
    row(Scenario::Html504, "html-504", "504, nginx's HTML page"),
    row(Scenario::Error500, "error-500", "500, HTML with a stack trace"),
    row(Scenario::Overloaded503, "overloaded-503", "503, JSON: overloaded"),
    row(Scenario::Gzip500, "gzip-500", "500, JSON compressed with gzip"),
    row(Scenario::Empty500, "empty-500", "500 without a body").unmarked(),
    row(Scenario::WrongType, "wrong-type", "500, JSON that calls itself image/png"),
    row(
        Scenario::TruncatedJson,
        "truncated-json",
        "200, JSON that ends too early, its length right",
    ),
    row(Scenario::Garbage, "garbage", "500 and 1 MiB of random bytes"),
    row(Scenario::HalfBody, "half-body", "200, then closes halfway through the body"),
    row(Scenario::HalfStream, "half-stream", "200, then closes after two events of the stream")
        .unmarked(),
    row(Scenario::Silence, "silence", "reads the request and never answers").unmarked(),
    row(Scenario::Stall, "stall", "200, half the body, then never a byte more"),
    row(Scenario::Reset, "reset", "resets the connection instead of answering").unmarked(),
    row(
        Scenario::ResetMid,
        "reset-mid",
        "200, then resets the connection halfway through the body",
    ),
    row(Scenario::NoHttp, "no-http", "answers as an SSH server does, which is not HTTP"),
    row(Scenario::Redirect, "redirect", "302 to its own address"),
    row(Scenario::Unasked101, "unasked-101", "101 to a request that asked for no upgrade"),
];

impl Scenario {
    pub(crate) fn named(name: &str) -> Option<Self> {
        SCENARIOS.iter().find(|row| row.name == name).map(|row| row.scenario)
    }

    /// The scenario that a request asks for.
    ///
    /// # Errors
    ///
    /// It asked for one that there is not.
    pub(crate) fn chosen(headers: &HeaderMap, prompt: &str) -> Result<Self, Unknown> {
        let name = match headers.get(HEADER) {
            Some(name) => name.to_str().map_err(|_| Unknown)?,
            None => match prompt.strip_prefix(PROMPT) {
                Some(rest) => rest.split(char::is_whitespace).next().unwrap_or_default(),
                None => return Ok(Self::Ok),
            },
        };
        Self::named(name).ok_or(Unknown)
    }
}

/// A scenario was asked for that there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unknown;
