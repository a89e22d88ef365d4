//! One rule: conditions over an answer, and what they mean.

use super::{
    answer::Answer,
    pattern::Pattern,
    settings::{Scalar, Scope},
};
use crate::{
    fault::UpstreamKind,
    json::{Kind, Number, Pointer, Step, Value},
};
use http::{HeaderName, StatusCode};
use std::ops::RangeInclusive;

/// Conditions, all of which must hold, and what they mean together.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// `profile/rule`.
    pub(super) name: Box<str>,
    pub(super) status: Vec<RangeInclusive<u16>>,
    pub(super) headers: Vec<(HeaderName, HeaderTest)>,
    pub(super) content_types: Vec<MediaRange>,
    pub(super) events: Vec<Box<str>>,
    pub(super) scope: Option<Scope>,
    pub(super) json: Option<bool>,
    pub(super) body: Vec<(Vec<Pointer>, Test)>,
    pub(super) text: Option<Pattern>,
    pub(super) meaning: Meaning,
    /// It is about work that was taken on.
    pub(super) ended: bool,
    /// Instead of the profile's.
    pub(super) message: Option<Vec<Pointer>>,
}

/// What a matching rule says.
#[derive(Clone, Debug)]
pub(super) enum Meaning {
    Ok,
    Fault(UpstreamKind),
    /// What the status at this place means. Without one there the rule does not match.
    StatusAt(Pointer),
}

#[derive(Clone, Debug)]
pub(super) enum HeaderTest {
    There,
    Is(Vec<Box<str>>),
}

/// `type/subtype` or `type/*`.
#[derive(Clone, Debug)]
pub(super) struct MediaRange(pub(super) Box<str>);

/// What a place in the JSON must hold.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Is(Vec<Scalar>),
    Not(Vec<Scalar>),
    Matches(Pattern),
    Exists(bool),
    Empty(bool),
    Status(bool),
}

impl Rule {
    /// What the rule says of this answer, if it is for it.
    pub(super) fn judge(&self, answer: &Answer<'_>) -> Option<Judgement> {
        let applies = self.is_for_status(answer.status)
            && self.is_for_part(answer)
            && self.headers.iter().all(|(name, test)| test.holds(answer, name))
            && (self.content_types.is_empty() || self.is_for_type(answer))
            && self.json.is_none_or(|json| json == answer.content.is_json())
            && self
                .body
                .iter()
                .all(|(at, test)| answer.root().is_some_and(|root| test.holds(at, root)))
            && self
                .text
                .as_ref()
                .is_none_or(|text| answer.text().is_some_and(|body| text.is_match(body)));
        if !applies {
            return None;
        }
        Some(match &self.meaning {
            // Whatever the provider thinks of it, no answer with such a status is a success to a caller.
            Meaning::Ok if answer.status.as_u16() >= 400 => return None,
            Meaning::Ok => Judgement::Ok,
            Meaning::Fault(kind) => Judgement::Fault(*kind),
            Meaning::StatusAt(at) => {
                Judgement::Fault(super::by_status(status_at(at, answer.root()?)?))
            }
        })
    }

    #[cfg(test)]
    pub(super) fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        let tests = self.body.iter().filter_map(|(_, test)| match test {
            Test::Matches(pattern) => Some(pattern),
            _ => None,
        });
        tests.chain(&self.text)
    }

    /// Whether it can match without the body.
    pub(super) fn is_about_the_head(&self) -> bool {
        self.body.is_empty()
            && self.json != Some(true)
            && self.text.is_none()
            && self.events.is_empty()
    }

    /// Names of members of which a body must have one for the rule to match; `None` where that is not known.
    pub(super) fn needed(&self) -> Option<Vec<&str>> {
        let wanting = self.body.iter().filter(|(_, test)| test.wants_something());
        wanting.filter_map(|(at, _)| first_steps(at)).min_by_key(Vec::len)
    }

    /// Whether what is in the body of a success can make the rule match.
    pub(super) fn may_concern_a_success(&self) -> bool {
        let reads = !self.body.is_empty()
            || self.json.is_some()
            || self.text.is_some()
            || !self.events.is_empty();
        reads && (self.status.is_empty() || self.status.iter().any(|range| *range.start() < 400))
    }

    fn is_for_status(&self, status: StatusCode) -> bool {
        self.status.is_empty() || self.status.iter().any(|range| range.contains(&status.as_u16()))
    }

    fn is_for_part(&self, answer: &Answer<'_>) -> bool {
        let is_event = answer.event.is_some();
        let right_part = match self.scope {
            None => true,
            Some(Scope::Body) => !is_event,
            Some(Scope::Event) => is_event,
        };
        right_part
            && (self.events.is_empty()
                || answer
                    .event
                    .is_some_and(|event| self.events.iter().any(|name| **name == *event)))
    }

    fn is_for_type(&self, answer: &Answer<'_>) -> bool {
        answer
            .media_type()
            .is_some_and(|essence| self.content_types.iter().any(|range| range.has(essence)))
    }
}

/// What an answer means by a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Ok,
    Fault(UpstreamKind),
}

impl HeaderTest {
    fn holds(&self, answer: &Answer<'_>, name: &HeaderName) -> bool {
        let mut values = answer.headers.get_all(name).iter();
        match self {
            Self::There => values.next().is_some(),
            Self::Is(wanted) => values.any(|value| {
                let value = value.as_bytes().trim_ascii();
                wanted.iter().any(|wanted| wanted.as_bytes().eq_ignore_ascii_case(value))
            }),
        }
    }
}

impl MediaRange {
    fn has(&self, essence: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(kind) => essence.get(..kind.len()).is_some_and(|is| is.eq_ignore_ascii_case(kind)),
            None => essence.eq_ignore_ascii_case(&self.0),
        }
    }
}

/// The names with which these places begin, if each begins with one; a number may be that of an item.
fn first_steps(at: &[Pointer]) -> Option<Vec<&str>> {
    let is_name = |step: &&str| *step != "*" && step.parse::<usize>().is_err();
    at.iter().map(|at| at.steps().next().map(Step::as_str).filter(is_name)).collect()
}

impl Test {
    /// Whether something must be there to fulfil it.
    const fn wants_something(&self) -> bool {
        match self {
            Self::Is(_) | Self::Not(_) | Self::Matches(_) => true,
            Self::Exists(wanted) | Self::Status(wanted) => *wanted,
            Self::Empty(wanted) => !*wanted,
        }
    }

    /// Whether what stands there fulfils it. With `*`: anything there, or for those that ask for nothing, all of it.
    fn holds(&self, at: &[Pointer], root: Value<'_>) -> bool {
        let any = |holds: &dyn Fn(Value<'_>) -> bool| at.iter().any(|at| any(at, root, holds));
        match self {
            Self::Is(wanted) => any(&|value| is_one_of(value, wanted)),
            Self::Not(unwanted) => {
                any(&|value| value.kind() != Kind::Null && !is_one_of(value, unwanted))
            }
            Self::Matches(regex) => {
                any(&|value| value.as_str().is_some_and(|text| regex.is_match(text.trim())))
            }
            Self::Exists(there) => any(&|value| value.kind() != Kind::Null) == *there,
            Self::Empty(empty) => any(&|value| !is_empty(value)) != *empty,
            Self::Status(status) => any(&|value| failure_status(value).is_some()) == *status,
        }
    }
}

/// Whether anything at this place fulfils the condition.
pub(super) fn any<'a>(
    at: &Pointer,
    root: Value<'a>,
    mut holds: impl FnMut(Value<'a>) -> bool,
) -> bool {
    walk(at.steps(), root, &mut holds)
}

fn walk<'p, 'a>(
    mut steps: impl Iterator<Item = Step<'p>> + Clone,
    value: Value<'a>,
    holds: &mut impl FnMut(Value<'a>) -> bool,
) -> bool {
    let Some(step) = steps.next() else { return holds(value) };
    if step.as_str() == "*" {
        return match (value.items(), value.members()) {
            (Some(mut items), _) => items.any(|item| walk(steps.clone(), item, holds)),
            (None, Some(mut members)) => {
                members.any(|(_, member)| walk(steps.clone(), member, holds))
            }
            (None, None) => false,
        };
    }
    value.step(step).is_some_and(|next| walk(steps, next, holds))
}

/// The first status of failure at this place.
fn status_at(at: &Pointer, root: Value<'_>) -> Option<StatusCode> {
    let mut found = None;
    any(at, root, |value| {
        found = failure_status(value);
        found.is_some()
    });
    found
}

fn failure_status(value: Value<'_>) -> Option<StatusCode> {
    let number = match value.as_str() {
        Some(digits) if digits.len() == 3 => digits.parse().ok(),
        Some(_) => None,
        None => value.as_u64().and_then(|number| u16::try_from(number).ok()),
    };
    number
        .filter(|number| (400..600).contains(number))
        .and_then(|number| StatusCode::from_u16(number).ok())
}

pub(super) fn is_one_of(value: Value<'_>, wanted: &[Scalar]) -> bool {
    let (text, number) = (value.as_str().map(str::trim), value.as_number());
    let bool = value.as_bool();
    wanted.iter().any(|wanted| match (wanted, text, number) {
        (Scalar::Bool(wanted), ..) => bool == Some(*wanted),
        (Scalar::Integer(wanted), _, Some(number)) => number_is(number, *wanted),
        (Scalar::Integer(wanted), Some(text), None) => text.parse() == Ok(*wanted),
        (Scalar::Text(wanted), Some(text), _) => text.eq_ignore_ascii_case(wanted),
        (Scalar::Text(wanted), None, Some(number)) => {
            wanted.parse().is_ok_and(|wanted| number_is(number, wanted))
        }
        (_, None, None) => false,
    })
}

fn number_is(number: Number, wanted: i64) -> bool {
    match number {
        Number::Unsigned(number) => u64::try_from(wanted) == Ok(number),
        Number::Negative(number) => number == wanted,
        #[expect(
            clippy::cast_precision_loss,
            clippy::float_cmp,
            reason = "such as 1.0 or 1e2, which are exact"
        )]
        Number::Double(number) => number == wanted as f64,
    }
}

fn is_empty(value: Value<'_>) -> bool {
    match value.kind() {
        Kind::Null => true,
        Kind::Bool => value.as_bool() == Some(false),
        Kind::Number => false,
        Kind::String => value.as_str().is_none_or(|text| text.trim().is_empty()),
        Kind::Array => value.items().is_none_or(|items| items.len() == 0),
        Kind::Object => value.members().is_none_or(|members| members.len() == 0),
    }
}
