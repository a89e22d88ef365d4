use super::{
    Answer, Content, InvalidProfile, Settings, by_status, load,
    place::Place,
    rule::{self, Judgement, Rule},
    rules::Rules,
    wait,
    words::Redaction,
    work::{Work, WorkState},
};
use crate::{
    fault::{Cause, UpstreamFault, UpstreamKind},
    json::{Kind, Pointer},
    media_type::is_json,
};
use http::{HeaderName, StatusCode};
use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

/// How one kind of provider says that something failed; see the [module](super).
///
/// Immutable; share it in an [`Arc`].
///
/// ```
/// use bytes::Bytes;
/// use http::{HeaderMap, StatusCode};
/// use tollgate::{fault::UpstreamKind, profile::{Answer, Content, Profile}};
///
/// let profile = Profile::preset("openai")?;
/// let headers = HeaderMap::new();
/// let body = r#"{"error":{"message":"You exceeded your current quota.","code":"insufficient_quota"}}"#;
/// let content = Content::read(&headers, Bytes::from(body), 64 * 1024);
/// let verdict = profile.classify(&Answer::new(StatusCode::TOO_MANY_REQUESTS, &headers, &content));
/// // A 429, and yet nothing that waiting helps against: our own account there is empty.
/// assert_eq!(verdict.fault.unwrap().kind, UpstreamKind::AccountExhausted);
/// # Ok::<(), tollgate::profile::InvalidProfile>(())
/// ```
///
/// With rules of one's own before those of a preset:
///
/// ```
/// use std::collections::BTreeMap;
/// use tollgate::profile::{Profile, Settings};
///
/// let mine: Settings = toml::from_str(r#"
///     extends = "openai"
///     message = ["/error/message"]
///
///     [[rule]]
///     name = "no_seats"
///     status = "4xx"
///     body = [{ at = "/error/code", is = ["no_seats", 4711] }]
///     fault = "overloaded"
/// "#)?;
/// let profile = Profile::named("mine", &BTreeMap::from([("mine".to_owned(), mine)]))?;
/// assert_eq!(profile.name(), "mine");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Profile {
    pub(super) name: Box<str>,
    pub(super) rules: Rules,
    pub(super) message: Vec<Pointer>,
    pub(super) retry_after: Vec<Pointer>,
    pub(super) request_id: Vec<Place>,
    pub(super) idempotency_header: Option<HeaderName>,
    pub(super) work: Option<Work>,
    pub(super) redaction: Redaction,
    pub(super) looks_at_successes: bool,
}

/// What an answer means.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// What failed. `None`: the answer is what was asked for.
    pub fault: Option<UpstreamFault>,
    /// The rule that said so, as `profile/rule`. `None`: the status, or that the body is not what it claims.
    pub rule: Option<String>,
}

impl Verdict {
    /// Everything that an answer can mean, in the words of rules.
    pub fn words() -> impl Iterator<Item = &'static str> {
        std::iter::once("ok").chain(load::FAULTS.iter().map(|(word, _)| *word))
    }

    /// What it means in the words of rules: `ok`, or the fault, such as `rate_limited`.
    pub fn word(&self) -> &'static str {
        self.fault.as_ref().map_or("ok", |fault| load::word(fault.kind))
    }
}

impl Profile {
    /// Names of the presets.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        load::PRESETS.iter().map(|(name, _)| *name)
    }

    /// A preset as it is.
    ///
    /// # Errors
    ///
    /// When there is no preset of this name.
    pub fn preset(name: &str) -> Result<Self, InvalidProfile> {
        Self::named(name, &BTreeMap::new())
    }

    /// The profile of this name: one of these, or a preset.
    ///
    /// # Errors
    ///
    /// With every mistake in it.
    pub fn named(name: &str, own: &BTreeMap<String, Settings>) -> Result<Self, InvalidProfile> {
        load::build(name, own)
    }

    /// The profile `generic`, shared by everything that was given none.
    pub fn shared_generic() -> &'static Arc<Self> {
        #[expect(clippy::expect_used, reason = "compiled in, and built by a test")]
        static GENERIC: std::sync::LazyLock<Arc<Profile>> = std::sync::LazyLock::new(|| {
            Arc::new(Profile::preset("generic").expect("the profile generic is valid"))
        });
        &GENERIC
    }

    /// Besides, these words never reach a caller: keys, and hosts with names of their own.
    #[must_use]
    pub fn redact<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.redaction.add(words);
        self
    }

    /// A text without what is nobody's business; `None` when nothing is left.
    #[cfg(feature = "standalone")]
    pub(crate) fn scrub(&self, text: &str) -> Option<String> {
        self.redaction.scrub(text)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it knows how its provider says how far the work is.
    pub const fn knows_work(&self) -> bool {
        self.work.is_some()
    }

    /// How far the work is, where this content says so.
    pub fn work(&self, content: &Content) -> Option<WorkState> {
        self.work.as_ref()?.state(content)
    }

    /// The header field in which the provider takes an idempotency key.
    pub const fn idempotency_header(&self) -> Option<&HeaderName> {
        self.idempotency_header.as_ref()
    }

    /// Whether anything in the body of a success could make it a failure.
    pub const fn looks_at_successes(&self) -> bool {
        self.looks_at_successes
    }

    /// What an answer means.
    pub fn classify(&self, answer: &Answer<'_>) -> Verdict {
        match self.rules.judge(answer) {
            Some((rule, Judgement::Ok)) => {
                return Verdict { fault: None, rule: Some(rule.name.to_string()) };
            }
            Some((rule, Judgement::Fault(kind))) => return self.fault(kind, Some(rule), answer),
            None => {}
        }
        if answer.status.as_u16() >= 400 {
            return self.fault(by_status(answer.status), None, answer);
        }
        if is_not_what_it_claims(answer) {
            return self.fault(UpstreamKind::Unexpected, None, answer);
        }
        Verdict { fault: None, rule: None }
    }

    fn fault(&self, kind: UpstreamKind, rule: Option<&Rule>, answer: &Answer<'_>) -> Verdict {
        let cause = match answer.content {
            Content::Undecodable => Cause::Encoding,
            _ if rule.is_some_and(|rule| rule.ended) => Cause::WorkFailed(answer.status.as_u16()),
            _ => Cause::Status(answer.status.as_u16()),
        };
        let limits = kind == UpstreamKind::RateLimited;
        let places = rule.and_then(|rule| rule.message.as_ref()).unwrap_or(&self.message);
        // Who answers that he has failed himself has nothing to tell the caller, whatever else it looks like.
        let may_speak = kind.is_about_the_input() && answer.status.as_u16() < 500;
        let words = if may_speak { self.words(places, answer) } else { None };
        let fault = UpstreamFault::new(kind, cause)
            .with_retry_after(wait::wait(answer, &self.retry_after, limits, SystemTime::now()))
            .with_words(words)
            .with_request_id(self.request_id(answer))
            .with_rule(rule.map(|rule| rule.name.to_string()));
        Verdict { fault: Some(fault), rule: rule.map(|rule| rule.name.to_string()) }
    }

    /// The first text at these places, scrubbed.
    fn words(&self, places: &[Pointer], answer: &Answer<'_>) -> Option<String> {
        let root = answer.root()?;
        places.iter().find_map(|place| {
            let mut words = None;
            rule::any(place, root, |value| {
                words = value.as_str().and_then(|text| self.redaction.scrub(text));
                words.is_some()
            });
            words
        })
    }

    /// The provider's id of the request: visible ASCII, at most 128 characters.
    fn request_id(&self, answer: &Answer<'_>) -> Option<String> {
        let fit = |text: &str| {
            let legal = text.bytes().all(|byte| byte.is_ascii_graphic());
            (legal && (1..=128).contains(&text.len())).then(|| text.to_owned())
        };
        self.request_id.iter().find_map(|place| match place {
            Place::Header(name) => answer.headers.get(name)?.to_str().ok().and_then(fit),
            Place::Body(pointer) => {
                let mut id = None;
                rule::any(pointer, answer.root()?, |value| {
                    id = match value.kind() {
                        Kind::String => value.as_str().and_then(fit),
                        Kind::Number => value.as_u64().map(|number| number.to_string()),
                        _ => None,
                    };
                    id.is_some()
                });
                id
            }
        })
    }
}

/// Whether a success claims to be JSON, and cannot be.
fn is_not_what_it_claims(answer: &Answer<'_>) -> bool {
    let has_content = !matches!(
        answer.status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT
    );
    answer.status.is_success()
        && has_content
        && answer.event.is_none()
        && is_json(answer.headers)
        && !matches!(answer.content, Content::Unread)
        && !answer.content.is_json()
}
