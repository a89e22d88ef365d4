//! From what is written down to rules that can be asked.

use super::{
    Profile,
    pattern::Pattern,
    rule::{HeaderTest, Meaning, MediaRange, Rule, Test},
    rules::Rules,
    settings::{
        BodySettings, HeaderSettings, InvalidProfile, Mistake, OneOrMany, RuleSettings, Settings,
        StatusSettings,
    },
    words::Redaction,
    work::Work,
};
use crate::{fault::UpstreamKind, json::Pointer};
use http::HeaderName;
use std::{collections::BTreeMap, ops::RangeInclusive};

/// The presets that are compiled in, by name.
pub(super) const PRESETS: [(&str, &str); 17] = [
    ("generic", include_str!("presets/generic.toml")),
    ("grsai", include_str!("presets/grsai.toml")),
    ("openai", include_str!("presets/openai.toml")),
    ("azure-openai", include_str!("presets/azure-openai.toml")),
    ("anthropic", include_str!("presets/anthropic.toml")),
    ("gemini", include_str!("presets/gemini.toml")),
    ("vertex", include_str!("presets/vertex.toml")),
    ("replicate", include_str!("presets/replicate.toml")),
    ("fal", include_str!("presets/fal.toml")),
    ("stability", include_str!("presets/stability.toml")),
    ("bfl", include_str!("presets/bfl.toml")),
    ("kie", include_str!("presets/kie.toml")),
    ("midjourney-proxy", include_str!("presets/midjourney-proxy.toml")),
    ("openrouter", include_str!("presets/openrouter.toml")),
    ("apimart", include_str!("presets/apimart.toml")),
    ("evolink", include_str!("presets/evolink.toml")),
    ("wavespeed", include_str!("presets/wavespeed.toml")),
];

/// Words for what an answer means, in rules and in what `classify` says.
pub(super) const FAULTS: [(&str, UpstreamKind); 12] = [
    ("auth_failed", UpstreamKind::AuthFailed),
    ("account_exhausted", UpstreamKind::AccountExhausted),
    ("rate_limited", UpstreamKind::RateLimited),
    ("invalid_request", UpstreamKind::InvalidRequest),
    ("not_found", UpstreamKind::NotFound),
    ("input_moderation", UpstreamKind::InputModeration),
    ("output_moderation", UpstreamKind::OutputModeration),
    ("provider_error", UpstreamKind::ProviderError),
    ("overloaded", UpstreamKind::Overloaded),
    ("timeout", UpstreamKind::Timeout),
    ("incomplete", UpstreamKind::Incomplete),
    ("unexpected", UpstreamKind::Unexpected),
];

/// The word for what an answer means.
pub(super) fn word(kind: UpstreamKind) -> &'static str {
    // What never arrived is no answer, and no rule says so.
    FAULTS.iter().find(|(_, known)| *known == kind).map_or("unreachable", |(word, _)| word)
}

pub(super) fn parse(text: &str) -> Result<Settings, InvalidProfile> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
        InvalidProfile::new(format!("line {line}: {}", error.message()))
    })
}

/// Builds the profile of this name among those of the configuration and the presets.
pub(super) fn build(
    name: &str,
    own: &BTreeMap<String, Settings>,
) -> Result<Profile, InvalidProfile> {
    let mut chain: Vec<(String, Settings)> = Vec::new();
    let mut next = Some(name.to_owned());
    while let Some(name) = next.take() {
        if chain.iter().any(|(known, _)| *known == name) {
            return Err(at(&["extends"], format!("profile {name} extends itself")));
        }
        let settings = find(&name, own).map_err(|mut error| {
            if !chain.is_empty() {
                error.mistakes.iter_mut().for_each(|mistake| mistake.path = vec!["extends".into()]);
            }
            error
        })?;
        next = settings.extends.clone();
        chain.push((name, settings));
    }
    flatten(name, &chain)
}

fn at(path: &[&str], message: impl Into<String>) -> InvalidProfile {
    let path = path.iter().map(|&key| key.to_owned()).collect();
    InvalidProfile { mistakes: vec![Mistake { path, message: message.into() }] }
}

fn find(name: &str, own: &BTreeMap<String, Settings>) -> Result<Settings, InvalidProfile> {
    if let Some(settings) = own.get(name) {
        return Ok(settings.clone());
    }
    let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name) else {
        let known: Vec<&str> =
            own.keys().map(String::as_str).chain(PRESETS.iter().map(|(name, _)| *name)).collect();
        let near = crate::suggest::closest(name, known.iter().copied())
            .map_or_else(String::new, |near| format!("; did you mean {near}?"));
        let known = known.join(", ");
        return Err(InvalidProfile::new(format!("there is no profile {name}, only {known}{near}")));
    };
    parse(text)
}

/// The rules of all in the chain, the first one's first.
fn flatten(name: &str, chain: &[(String, Settings)]) -> Result<Profile, InvalidProfile> {
    let mut mistakes = Vec::new();
    let mut rules = Vec::new();
    for (depth, (owner, settings)) in chain.iter().enumerate() {
        // Mistakes of a preset are found by its tests; those of another profile of the configuration when that is built.
        let mut ignored = Vec::new();
        let mistakes = if depth == 0 { &mut mistakes } else { &mut ignored };
        let is_preset = PRESETS.iter().any(|(preset, _)| preset == owner);
        let left_out = |rule: &str| {
            chain[..depth].iter().any(|(_, below)| below.without.iter().any(|name| name == rule))
        };
        for (i, rule) in settings.rule.iter().enumerate() {
            let mut checker = Checker { index: i, is_preset, mistakes: &mut *mistakes };
            if settings.rule[..i].iter().any(|earlier| earlier.name == rule.name) {
                checker.say("name", format!("there are two rules named {}", rule.name));
            }
            if left_out(&rule.name) {
                continue;
            }
            rules.extend(checker.rule(owner, rule));
        }
    }
    let own = &chain[0].1;
    for (i, left_out) in own.without.iter().enumerate() {
        let inherited = chain[1..].iter().flat_map(|(_, settings)| &settings.rule);
        if !inherited.into_iter().any(|rule| rule.name == *left_out) {
            let message = format!("no rule that is inherited is named {left_out}");
            mistakes.push(Mistake { path: vec!["without".into(), i.to_string()], message });
        }
    }
    let message = places(chain, &mut mistakes, "message", |settings| settings.message.as_ref());
    let retry_after =
        places(chain, &mut mistakes, "retry_after", |settings| settings.retry_after.as_ref());
    let request_id =
        places(chain, &mut mistakes, "request_id", |settings| settings.request_id.as_ref());
    let header = chain.iter().find_map(|(_, settings)| settings.idempotency_header.as_deref());
    let idempotency_header = header.and_then(|name| match HeaderName::try_from(name) {
        Ok(name) => Some(name),
        Err(_) => {
            let message = format!("{name:?} is no name of a header field");
            mistakes.push(Mistake { path: vec!["idempotency_header".into()], message });
            None
        }
    });
    let work = work(chain, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(InvalidProfile { mistakes });
    }
    let redact = chain.iter().flat_map(|(_, settings)| settings.redact.iter().map(String::as_str));
    Ok(Profile {
        name: name.into(),
        looks_at_successes: work.is_some() || rules.iter().any(Rule::may_concern_a_success),
        rules: Rules::new(rules),
        message,
        retry_after,
        request_id,
        idempotency_header,
        work,
        redaction: Redaction::new(redact),
    })
}

/// How far the work is, as the first in the chain says it that says anything.
fn work(chain: &[(String, Settings)], mistakes: &mut Vec<Mistake>) -> Option<Work> {
    let written = chain.iter().find_map(|(_, settings)| settings.work.as_ref())?;
    let mut say = |path: &[&str], message: String| {
        let path = path.iter().map(|&key| key.to_owned()).collect();
        mistakes.push(Mistake { path, message });
    };
    let mut at = Vec::new();
    for (i, text) in written.at.0.iter().enumerate() {
        match text.parse() {
            Ok(pointer) => at.push(pointer),
            Err(error) => say(&["work", "at", &i.to_string()], format!("{error}")),
        }
    }
    if written.at.0.is_empty() {
        say(&["work"], "expected `at`: where the state of the work stands".to_owned());
    }
    if written.succeeded.0.is_empty() {
        say(&["work"], "expected `succeeded`: what stands there when it is done".to_owned());
    }
    let (succeeded, failed) = (written.succeeded.0.clone(), written.failed.0.clone());
    Some(Work { at, succeeded, failed })
}

/// The places that the first in the chain names which names any.
fn places<P: std::str::FromStr<Err: std::fmt::Display>>(
    chain: &[(String, Settings)],
    mistakes: &mut Vec<Mistake>,
    key: &str,
    get: impl Fn(&Settings) -> Option<&Vec<String>>,
) -> Vec<P> {
    let Some(written) = chain.iter().find_map(|(_, settings)| get(settings)) else {
        return Vec::new();
    };
    let read = |(i, text): (usize, &String)| {
        text.parse()
            .map_err(|error: P::Err| {
                let path = vec![key.to_owned(), i.to_string()];
                mistakes.push(Mistake { path, message: error.to_string() });
            })
            .ok()
    };
    written.iter().enumerate().filter_map(read).collect()
}

/// Reads one rule.
struct Checker<'m> {
    index: usize,
    is_preset: bool,
    mistakes: &'m mut Vec<Mistake>,
}

impl Checker<'_> {
    fn say(&mut self, key: &str, message: impl Into<String>) {
        let path = vec!["rule".to_owned(), self.index.to_string(), key.to_owned()];
        self.mistakes.push(Mistake { path, message: message.into() });
    }

    fn keep<T, E: std::fmt::Display>(&mut self, key: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.say(key, error.to_string())).ok()
    }

    fn rule(&mut self, owner: &str, written: &RuleSettings) -> Option<Rule> {
        let before = self.mistakes.len();
        let named = !written.name.is_empty()
            && written.name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !named {
            self.say("name", "a rule needs a name: letters, digits, `_` and `-`");
        }
        let is_empty = written.status.0.is_empty()
            && written.header.is_empty()
            && written.content_type.0.is_empty()
            && written.event.0.is_empty()
            && written.json.is_none()
            && written.body.is_empty()
            && written.text.is_none();
        if is_empty {
            self.say("name", "a rule needs a condition, or it would match everything");
        }
        let status = self.statuses(&written.status);
        let headers = self.headers(&written.header);
        let content_types =
            written.content_type.0.iter().filter_map(|text| self.media_range(text)).collect();
        let body = written.body.iter().flat_map(|test| self.tests(test)).collect();
        let text =
            written.text.as_deref().and_then(|text| self.pattern("text", Pattern::new(text)));
        let meaning = self.meaning(written);
        let message = written.message.as_ref().map(|places| {
            places.iter().filter_map(|place| self.keep("message", place.parse())).collect()
        });
        if self.mistakes.len() > before {
            return None;
        }
        Some(Rule {
            name: format!("{owner}/{}", written.name).into(),
            status,
            headers,
            content_types,
            events: written.event.0.iter().map(|name| name.as_str().into()).collect(),
            scope: written.scope,
            json: written.json,
            body,
            text,
            meaning: meaning?,
            ended: written.ended,
            message,
        })
    }

    fn statuses(&mut self, written: &OneOrMany<StatusSettings>) -> Vec<RangeInclusive<u16>> {
        let mut ranges = Vec::new();
        for status in &written.0 {
            let range = match status {
                StatusSettings::One(status) => Some(*status..=*status),
                StatusSettings::Many(text) => status_range(text),
            };
            match range
                .filter(|range| *range.start() >= 100 && *range.end() <= 999 && !range.is_empty())
            {
                Some(range) => ranges.push(range),
                None => self.say("status", "expected a status such as 402, \"4xx\" or \"500-599\""),
            }
        }
        ranges
    }

    fn headers(
        &mut self,
        written: &BTreeMap<String, HeaderSettings>,
    ) -> Vec<(HeaderName, HeaderTest)> {
        let mut headers = Vec::new();
        for (name, test) in written {
            let test = match test {
                HeaderSettings::There(true) => HeaderTest::There,
                HeaderSettings::There(false) => {
                    self.say("header", "expected `true`, or the values that the field may have");
                    continue;
                }
                HeaderSettings::Is(values) => {
                    HeaderTest::Is(values.0.iter().map(|value| value.trim().into()).collect())
                }
            };
            let name = HeaderName::try_from(name)
                .map_err(|_| format!("{name:?} is no name of a header field"));
            headers.extend(self.keep("header", name).map(|name| (name, test)));
        }
        headers
    }

    fn media_range(&mut self, text: &str) -> Option<MediaRange> {
        let legal = text.split_once('/').is_some_and(|(kind, name)| {
            let token = |text: &str| HeaderName::try_from(text).is_ok();
            token(kind) && kind != "*" && token(name)
        });
        if !legal {
            self.say("content_type", "expected a media type such as text/html or image/*");
        }
        legal.then(|| MediaRange(text.into()))
    }

    fn tests(&mut self, written: &BodySettings) -> Vec<(Vec<Pointer>, Test)> {
        let at: Vec<Pointer> =
            written.at.0.iter().filter_map(|at| self.keep("body", at.parse())).collect();
        let mut tests = Vec::new();
        if !written.is.0.is_empty() {
            tests.push(Test::Is(written.is.0.clone()));
        }
        if !written.not.0.is_empty() {
            tests.push(Test::Not(written.not.0.clone()));
        }
        if let Some(pattern) = &written.matches {
            tests.extend(self.pattern("body", Pattern::whole(pattern)).map(Test::Matches));
        }
        tests.extend(written.exists.map(Test::Exists));
        tests.extend(written.empty.map(Test::Empty));
        tests.extend(written.status.map(Test::Status));
        if written.at.0.is_empty() || tests.is_empty() && written.matches.is_none() {
            self.say(
                "body",
                "expected `at` with `is`, `not`, `matches`, `exists`, `empty` or `status`",
            );
        }
        tests.into_iter().map(|test| (at.clone(), test)).collect()
    }

    /// Those of presets are checked by a test, and compiled when they are needed.
    fn pattern(&mut self, key: &str, pattern: Pattern) -> Option<Pattern> {
        if self.is_preset {
            return Some(pattern);
        }
        let checked = pattern.check().map(|()| pattern);
        self.keep(key, checked)
    }

    fn meaning(&mut self, written: &RuleSettings) -> Option<Meaning> {
        match (written.fault.as_deref(), &written.status_at) {
            (Some("ok"), None) if written.ended => {
                self.say("ended", "work that is `ok` has not failed");
                None
            }
            (Some("ok"), None) => Some(Meaning::Ok),
            (Some(name), None) => match FAULTS.iter().find(|(fault, _)| *fault == name) {
                Some((_, kind)) => Some(Meaning::Fault(*kind)),
                None => {
                    let known: Vec<&str> = FAULTS.iter().map(|(fault, _)| *fault).collect();
                    let known = known.join(", ");
                    self.say("fault", format!("there is no fault {name}, only {known} and ok"));
                    None
                }
            },
            (None, Some(at)) => self.keep("status_at", at.parse()).map(Meaning::StatusAt),
            (None, None) => {
                self.say("fault", "a rule needs a `fault` or a `status_at`");
                None
            }
            (Some(_), Some(_)) => {
                self.say("fault", "a rule has either a `fault` or a `status_at`");
                None
            }
        }
    }
}

fn status_range(text: &str) -> Option<RangeInclusive<u16>> {
    if let Some(hundreds) = text.strip_suffix("xx") {
        let hundreds: u16 = hundreds.parse().ok().filter(|n| (1..=9).contains(n))?;
        return Some(hundreds * 100..=hundreds * 100 + 99);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}
