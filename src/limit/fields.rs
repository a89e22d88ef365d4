use super::{
    Level, MAX_NAME_LEN, MAX_QUOTAS,
    tariff::{MAX_INTEGER, Tariff},
};
use arrayvec::ArrayString;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header, response::Parts};
use std::{fmt::Write as _, time::Duration};

/// Which header fields tell callers how their quotas stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Headers {
    /// None.
    None,
    /// `RateLimit-Policy` and `RateLimit`, as in draft-ietf-httpapi-ratelimit-headers-11.
    #[default]
    Standard,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, of the quota that is nearest to its end: what can be spent at
    /// once, what is left of it, and the seconds until all of it is back.
    Legacy,
    /// Both.
    Both,
}

impl Headers {
    const fn standard(self) -> bool {
        matches!(self, Self::Standard | Self::Both)
    }

    const fn legacy(self) -> bool {
        matches!(self, Self::Legacy | Self::Both)
    }
}

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const LEGACY_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const LEGACY_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const LEGACY_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The fields that are ours to write.
const OWN: [HeaderName; 5] = [POLICY, RATE_LIMIT, LEGACY_LIMIT, LEGACY_REMAINING, LEGACY_RESET];

/// What the names of such fields have in common, whoever writes them: `x-ratelimit-limit-tokens`,
/// `anthropic-ratelimit-requests-reset`, `x-rate-limit-limit`.
const FOREIGN: [&str; 2] = ["ratelimit", "rate-limit"];

/// Marks an answer whose fields about limits are ours, in its extensions.
#[derive(Clone, Copy, Debug)]
struct Stated {
    /// What the legacy fields are about.
    tightest: Option<Tightest>,
}

/// The quota that is nearest to its end.
#[derive(Clone, Copy, Debug)]
struct Tightest {
    limit: u32,
    level: Level,
}

/// Says on an answer how the quotas stand; of a store that has not answered there are no levels.
///
/// What a layer further in has said is kept, behind; what anybody else has said is removed, since it is about what we
/// may send, not about what our caller may.
pub(super) fn state(answer: &mut Parts, headers: Headers, tariff: &Tariff, levels: &[Level]) {
    let inner = answer.extensions.get::<Stated>().copied();
    if inner.is_none() {
        remove_foreign(&mut answer.headers);
    }
    if headers.standard() {
        if let Some(policy) = &tariff.policy {
            put_first(&mut answer.headers, POLICY, policy);
        }
        if let Some(value) = rate_limit(tariff, levels, retry_after(&answer.headers)) {
            put_first(&mut answer.headers, RATE_LIMIT, &value);
        }
    }
    let all = tariff.terms.iter().zip(levels);
    let ours = all.map(|(t, level)| Tightest { limit: t.rate.burst().get(), level: *level });
    let tightest = inner.and_then(|inner| inner.tightest).into_iter().chain(ours).max_by(by_need);
    if let (true, Some(tightest)) = (headers.legacy(), tightest) {
        tightest.put(&mut answer.headers);
    }
    answer.extensions.insert(Stated { tightest });
}

/// Takes our fields along to an answer that takes another one's place.
pub(crate) fn carry_over<B>(from: &Parts, mut to: Response<B>) -> Response<B> {
    if let Some(stated) = from.extensions.get::<Stated>() {
        for name in OWN {
            if let Some(value) = from.headers.get(&name) {
                to.headers_mut().insert(name, value.clone());
            }
        }
        to.extensions_mut().insert(*stated);
    }
    to
}

fn remove_foreign(headers: &mut HeaderMap) {
    let foreign = |name: &HeaderName| FOREIGN.iter().any(|part| name.as_str().contains(part));
    // Most answers have none, and then nothing is allocated.
    let names: Vec<HeaderName> = headers.keys().filter(|name| foreign(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// The seconds of an answer's `Retry-After`.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()
}

/// Room for `"name";r=4294967295;t=999999999999999, ` of each quota.
const RATE_LIMIT_LEN: usize = MAX_QUOTAS * (MAX_NAME_LEN + 36);

/// `"per-key";r=99;t=1`.
///
/// `t` is left out where there is nothing to wait for, and where it would outlast `Retry-After`, which should not be
/// earlier than the end of any window that is named (section 6).
fn rate_limit(tariff: &Tariff, levels: &[Level], retry_after: Option<u64>) -> Option<HeaderValue> {
    let mut value = ArrayString::<RATE_LIMIT_LEN>::new();
    for (terms, level) in tariff.terms.iter().zip(levels) {
        let separator = if value.is_empty() { "" } else { ", " };
        let _ = write!(value, r#"{separator}"{}";r={}"#, terms.name, level.remaining);
        let window = seconds(terms.effective_window(level));
        if window > 0 && retry_after.is_none_or(|after| window <= after) {
            let _ = write!(value, ";t={window}");
        }
    }
    if value.is_empty() { None } else { HeaderValue::from_str(&value).ok() }
}

/// Puts our part of a list before what is there, in one line.
fn put_first(headers: &mut HeaderMap, name: HeaderName, ours: &HeaderValue) {
    let mut value = ours.clone();
    if headers.contains_key(&name) {
        let mut line = ours.as_bytes().to_vec();
        for inner in headers.get_all(&name) {
            line.extend_from_slice(b", ");
            line.extend_from_slice(inner.as_bytes());
        }
        if let Ok(line) = HeaderValue::from_maybe_shared(Bytes::from(line)) {
            value = line;
        }
    }
    headers.insert(name, value);
}

/// Whole seconds, rounded up, as `Retry-After` has them.
fn seconds(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    seconds.min(MAX_INTEGER)
}

impl Tightest {
    fn put(&self, headers: &mut HeaderMap) {
        headers.insert(LEGACY_LIMIT, self.limit.into());
        headers.insert(LEGACY_REMAINING, self.level.remaining.into());
        headers.insert(LEGACY_RESET, seconds(self.level.reset).into());
    }
}

/// First by how long it refuses, then by how little of it is left.
fn by_need(a: &Tightest, b: &Tightest) -> std::cmp::Ordering {
    // a.remaining / a.limit against b.remaining / b.limit; the smaller one is the greater need.
    let share = |x: &Tightest, y: &Tightest| u64::from(x.level.remaining) * u64::from(y.limit);
    a.level.wait.cmp(&b.level.wait).then_with(|| share(b, a).cmp(&share(a, b)))
}
