//! Failures that no rule knows, kept for whoever writes the next rule.

use crate::{fault::UpstreamKind, media_type::essence, profile::Profile};
use http::{HeaderMap, StatusCode};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

/// The most answers that are kept.
const MOST: usize = 64;

/// Failures of providers that were judged by their status alone, or that are not what they claim to be: how many of each endpoint, and the latest
/// of them.
#[derive(Debug, Default)]
pub(crate) struct Unmatched {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    counts: BTreeMap<Arc<str>, u64>,
    latest: VecDeque<UnmatchedAnswer>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct UnmatchedAnswer {
    pub(crate) at: SystemTime,
    /// Upstream and endpoint: `images/primary`.
    pub(crate) endpoint: Arc<str>,
    pub(crate) profile: String,
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<String>,
    /// What it was taken for.
    pub(crate) kind: UpstreamKind,
    /// The beginning of the text, scrubbed.
    pub(crate) text: Option<String>,
}

/// One endpoint's way there.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) unmatched: Arc<Unmatched>,
    pub(crate) endpoint: Arc<str>,
}

impl Watch {
    pub(super) fn note(
        &self,
        profile: &Profile,
        status: StatusCode,
        headers: &HeaderMap,
        kind: UpstreamKind,
        text: Option<&str>,
    ) {
        let answer = UnmatchedAnswer {
            at: SystemTime::now(),
            endpoint: self.endpoint.clone(),
            profile: profile.name().to_owned(),
            status,
            content_type: essence(headers).map(|kind| kind.chars().take(64).collect()),
            kind,
            text: text.and_then(|text| profile.scrub(text)),
        };
        self.unmatched.keep(answer);
    }
}

impl Unmatched {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, answer: UnmatchedAnswer) {
        let mut kept = self.lock();
        *kept.counts.entry(answer.endpoint.clone()).or_default() += 1;
        kept.latest.truncate(MOST - 1);
        kept.latest.push_front(answer);
    }

    /// How many of each endpoint.
    pub(crate) fn counts(&self) -> BTreeMap<Arc<str>, u64> {
        self.lock().counts.clone()
    }

    /// The latest ones, the last one first.
    pub(crate) fn latest(&self) -> Vec<UnmatchedAnswer> {
        self.lock().latest.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;

    #[test]
    fn the_latest_and_how_many() {
        let unmatched = Arc::new(Unmatched::default());
        let profile = Profile::preset("openai").unwrap().redact(["s3cret"]);
        for number in 0..100_u16 {
            let endpoint = if number < 30 { "a/1" } else { "a/2" };
            let watch = Watch { unmatched: unmatched.clone(), endpoint: endpoint.into() };
            let text = format!("teapot {number} of s3cret at https://a.example/");
            watch.note(
                &profile,
                StatusCode::IM_A_TEAPOT,
                &HeaderMap::from_iter([(header::CONTENT_TYPE, "text/plain".parse().unwrap())]),
                UpstreamKind::Unexpected,
                Some(&text),
            );
        }
        let counts: Vec<_> = unmatched.counts().into_iter().collect();
        assert_eq!(counts, [("a/1".into(), 30), ("a/2".into(), 70)]);
        let latest = unmatched.latest();
        assert_eq!(latest.len(), MOST);
        assert_eq!(latest[0].text.as_deref(), Some("teapot 99 of […] at […]"));
        assert_eq!(latest[63].text.as_deref(), Some("teapot 36 of […] at […]"));
    }
}
