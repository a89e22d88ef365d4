use std::{fmt, time::Duration};

/// What a provider did wrong, as far as it matters to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpstreamKind {
    /// It rejected our credential.
    AuthFailed,
    /// Our own account there is empty or blocked.
    AccountExhausted,
    /// It limits us.
    RateLimited,
    /// It says that the request is invalid.
    InvalidRequest,
    /// It does not know the task or the model.
    NotFound,
    /// It blocked the input.
    InputModeration,
    /// It blocked the output.
    OutputModeration,
    /// It failed.
    ProviderError,
    /// It, or something in front of it, has too much work.
    Overloaded,
    /// It did not answer in time.
    Timeout,
    /// It cannot be reached, or hung up without an answer.
    Unreachable,
    /// Its answer was cut off.
    Incomplete,
    /// Its answer means nothing we know.
    Unexpected,
}

impl UpstreamKind {
    /// Whether it is about what the caller has sent: what a provider says of that may be worth reading.
    pub const fn is_about_the_input(self) -> bool {
        matches!(
            self,
            Self::InvalidRequest | Self::NotFound | Self::InputModeration | Self::OutputModeration
        )
    }
}

/// The evidence behind an [`UpstreamFault`], for logs and for what may be repeated. Never shown to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The status of its answer.
    Status(u16),
    /// Its name does not resolve.
    Dns,
    /// No connection.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// The TLS handshake failed.
    Tls,
    /// It closed the connection before anything of the request was sent.
    NotSent,
    /// It closed or reset the connection before it answered.
    Reset,
    /// No answer head in time.
    FirstByteTimeout,
    /// Silence in the middle of the answer.
    IdleTimeout,
    /// The whole exchange took too long.
    TotalTimeout,
    /// The connection ended in the middle of the answer.
    CutOff,
    /// What it sent is not HTTP, or is ambiguous.
    Malformed,
    /// It switched protocols without being asked.
    UnexpectedUpgrade,
    /// Its answer has an encoding that we cannot undo.
    Encoding,
    /// It took the work on, and told that the work has failed, in an answer with this status.
    WorkFailed(u16),
    /// It was not asked: every endpoint is left out for a while.
    LeftOut,
    /// Told by the application.
    Other,
}

/// A provider failed, or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpstreamFault {
    /// What it means.
    pub kind: UpstreamKind,
    /// How it showed.
    pub cause: Cause,
    /// When the provider may be asked again, by its own word.
    pub retry_after: Option<Duration>,
    /// What else is known.
    particulars: Option<Box<Particulars>>,
}

/// What few faults have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Particulars {
    words: Option<String>,
    request_id: Option<String>,
    rule: Option<String>,
    tried: Option<String>,
    /// How often the request was sent, and why not once more.
    attempts: Option<(u32, &'static str)>,
    /// Another attempt may have done the work.
    in_doubt: bool,
}

impl UpstreamFault {
    /// A failure of this kind, shown by this cause.
    pub const fn new(kind: UpstreamKind, cause: Cause) -> Self {
        Self { kind, cause, retry_after: None, particulars: None }
    }

    /// Adds the provider's own words, which the caller may read: scrubbed already.
    #[must_use]
    pub fn with_words(mut self, words: Option<String>) -> Self {
        self.set(words, |particulars| &mut particulars.words);
        self
    }

    /// Adds the provider's id of the request, for the log.
    #[must_use]
    pub fn with_request_id(mut self, id: Option<String>) -> Self {
        self.set(id, |particulars| &mut particulars.request_id);
        self
    }

    /// Adds the rule of a profile that said so, for the log.
    #[must_use]
    pub fn with_rule(mut self, rule: Option<String>) -> Self {
        self.set(rule, |particulars| &mut particulars.rule);
        self
    }

    /// Adds how often the request was sent, and why not once more, for the log.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32, why: &'static str) -> Self {
        self.particulars.get_or_insert_default().attempts = Some((attempts, why));
        self
    }

    /// Adds whether another attempt at the same work may have done it, whatever became of this one: then nobody knows who pays.
    #[must_use]
    pub fn in_doubt(mut self, in_doubt: bool) -> Self {
        if in_doubt {
            self.particulars.get_or_insert_default().in_doubt = true;
        }
        self
    }

    /// Whether another attempt may have done the work.
    pub fn is_in_doubt(&self) -> bool {
        self.particulars.as_deref().is_some_and(|particulars| particulars.in_doubt)
    }

    /// Adds which endpoints were asked and what became of it, for the log.
    #[must_use]
    pub fn with_tried(mut self, tried: Option<String>) -> Self {
        self.set(tried, |particulars| &mut particulars.tried);
        self
    }

    fn set(&mut self, to: Option<String>, place: fn(&mut Particulars) -> &mut Option<String>) {
        if to.is_some() || self.particulars.is_some() {
            *place(self.particulars.get_or_insert_default()) = to;
        }
    }

    /// The provider's own words, as far as they may reach the caller.
    pub fn words(&self) -> Option<&str> {
        self.particulars.as_deref()?.words.as_deref()
    }

    /// The provider's id of the request.
    pub fn request_id(&self) -> Option<&str> {
        self.particulars.as_deref()?.request_id.as_deref()
    }

    /// How often the request was sent, as far as that is known.
    pub fn attempts(&self) -> Option<u32> {
        Some(self.particulars.as_deref()?.attempts?.0)
    }

    /// Which endpoints were asked, and what became of it: `primary: refused (upstream_overloaded), backup: unknown (upstream_timeout)`.
    pub fn tried(&self) -> Option<&str> {
        self.particulars.as_deref()?.tried.as_deref()
    }

    /// The rule that said so, as `profile/rule`.
    pub fn rule(&self) -> Option<&str> {
        self.particulars.as_deref()?.rule.as_deref()
    }

    /// Adds when the provider may be asked again.
    #[must_use]
    pub const fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }
}

impl From<UpstreamKind> for UpstreamFault {
    fn from(kind: UpstreamKind) -> Self {
        Self::new(kind, Cause::Other)
    }
}

impl fmt::Display for UpstreamFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            UpstreamKind::AuthFailed => "the provider rejected our credential",
            UpstreamKind::AccountExhausted => "our account at the provider is exhausted",
            UpstreamKind::RateLimited => "the provider limits us",
            UpstreamKind::InvalidRequest => "the provider says the request is invalid",
            UpstreamKind::NotFound => "the provider does not know it",
            UpstreamKind::InputModeration => "the provider blocked the input",
            UpstreamKind::OutputModeration => "the provider blocked the output",
            UpstreamKind::ProviderError => "the provider failed",
            UpstreamKind::Overloaded => "the provider is overloaded",
            UpstreamKind::Timeout => "the provider did not answer in time",
            UpstreamKind::Unreachable => "the provider cannot be reached",
            UpstreamKind::Incomplete => "the provider's answer was cut off",
            UpstreamKind::Unexpected => "the provider's answer is not understood",
        };
        write!(f, "{kind} ({}", self.cause)?;
        if let Some(rule) = self.rule() {
            write!(f, ", rule {rule}")?;
        }
        match self.particulars.as_deref().and_then(|particulars| particulars.attempts) {
            Some((1, why)) => write!(f, "; not repeated: {why})"),
            Some((attempts, why)) => write!(f, "; attempt {attempts} was the last: {why})"),
            None => f.write_str(")"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(status) => return write!(f, "status {status}"),
            Self::Dns => "name not resolved",
            Self::Connect => "no connection",
            Self::ConnectTimeout => "no connection in time",
            Self::Tls => "TLS handshake failed",
            Self::NotSent => "connection closed before the request was sent",
            Self::Reset => "connection closed without an answer",
            Self::FirstByteTimeout => "no first byte in time",
            Self::IdleTimeout => "silence within the answer",
            Self::TotalTimeout => "whole exchange out of time",
            Self::CutOff => "connection closed within the answer",
            Self::Malformed => "not valid HTTP",
            Self::UnexpectedUpgrade => "protocol switched unasked",
            Self::Encoding => "content encoding not understood",
            Self::WorkFailed(status) => return write!(f, "failed work, status {status}"),
            Self::LeftOut => "every endpoint is left out",
            Self::Other => "told by the application",
        })
    }
}
