//! How long a provider wants to be left alone.

use super::{
    answer::Answer,
    retry_after::{LONGEST, number, retry_after, seconds},
};
use crate::json::{Number, Pointer, Value};
use http::{HeaderMap, HeaderValue};
use std::time::{Duration, SystemTime};

/// What a provider says of when to come again: `retry-after-ms`, `Retry-After` (RFC 9110, section 10.2.3), then these
/// places in the body, then, if it `limits` us, when its limits begin anew. At most a day. Nothing that is only said in words.
pub(super) fn wait(
    answer: &Answer<'_>,
    places: &[Pointer],
    limits: bool,
    now: SystemTime,
) -> Option<Duration> {
    retry_after(answer.headers, now)
        .or_else(|| in_body(answer.root()?, places))
        .or_else(|| limits.then(|| reset(answer.headers, now)).flatten())
        .map(|wait| wait.min(LONGEST))
}

/// The longest of the waits at these places.
fn in_body(root: Value<'_>, places: &[Pointer]) -> Option<Duration> {
    let mut longest = None;
    for place in places {
        super::rule::any(place, root, |value| {
            longest = longest.max(of_value(value));
            false
        });
    }
    longest
}

#[expect(clippy::cast_precision_loss, reason = "beyond 2⁵³ seconds it is a day all the same")]
fn of_value(value: Value<'_>) -> Option<Duration> {
    match (value.as_number(), value.as_str()) {
        (Some(Number::Unsigned(number)), _) => Some(seconds(number as f64)),
        (Some(Number::Double(number)), _) => (number >= 0.0).then(|| seconds(number)),
        (Some(Number::Negative(_)), _) | (None, None) => None,
        (None, Some(text)) => duration(text.trim()),
    }
}

/// A duration such as `3.5s`, `1m30s`, `250ms`, or a plain number of seconds.
fn duration(text: &str) -> Option<Duration> {
    if let Some(number) = number(text) {
        return Some(seconds(number));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let amount = number(&rest[..end])?;
        let unit_end =
            rest[end..].find(|c: char| !c.is_ascii_alphabetic()).map_or(rest.len(), |at| end + at);
        let unit = match &rest[end..unit_end] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total = total.saturating_add(seconds(amount * unit));
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then_some(total)
}

/// When the provider's own limits begin anew: the last of those that are used up, or that do not say how much of them is left.
fn reset(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let mut last = None;
    for (name, value) in headers {
        let name = name.as_str();
        // `x-ratelimit-reset`, `x-ratelimit-reset-tokens`, `anthropic-ratelimit-requests-reset`, `ratelimit-reset`.
        let Some(at) = name.find("ratelimit").map(|at| at + "ratelimit".len()) else { continue };
        if !name[at..].contains("reset") {
            continue;
        }
        let Some(wait) = value.to_str().ok().and_then(|text| until(text.trim(), now)) else {
            continue;
        };
        let remaining = format!("{}{}", &name[..at], name[at..].replace("reset", "remaining"));
        if headers.get(remaining).is_none_or(is_zero) {
            last = last.max(Some(wait));
        }
    }
    last
}

fn is_zero(value: &HeaderValue) -> bool {
    value.to_str().ok().and_then(|text| number(text.trim())).is_some_and(|left| left < 1.0)
}

/// A duration, a number of seconds, or a moment: seconds or milliseconds since 1970, RFC 3339.
fn until(text: &str, now: SystemTime) -> Option<Duration> {
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if let Some(number) = number(text) {
        // Nobody waits thirty years, nor since then.
        return Some(match number {
            ..1e9 => seconds(number),
            ..1e12 => seconds(number).saturating_sub(since_1970),
            _ => seconds(number / 1000.0).saturating_sub(since_1970),
        });
    }
    if let Some(duration) = duration(text) {
        return Some(duration);
    }
    let moment: jiff::Timestamp = text.parse().ok()?;
    Some(SystemTime::from(moment).duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Content;
    use bytes::Bytes;
    use http::StatusCode;

    /// Wed, 15 Jul 2026 10:36:17 GMT
    const NOW: Duration = Duration::from_secs(1_784_111_777);

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields.iter().map(field) {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn what_the_fields_say() {
        const AFTER: &str = "retry-after";
        let table: &[(&[(&'static str, &str)], Option<f64>)] = &[
            (&[(AFTER, "7")], Some(7.0)),
            (&[(AFTER, "0")], Some(0.0)),
            (&[(AFTER, "1.5")], Some(1.5)),
            (&[(AFTER, "999999999999999999999999")], Some(86_400.0)),
            (&[(AFTER, "Wed, 15 Jul 2026 10:36:37 GMT")], Some(20.0)),
            (&[(AFTER, "Wed, 15 Jul 2026 10:35:47 GMT")], Some(0.0)),
            (&[(AFTER, "Wednesday, 15-Jul-26 10:36:18 GMT")], Some(1.0)),
            (&[(AFTER, "-1")], None),
            (&[(AFTER, "+1")], None),
            (&[(AFTER, "")], None),
            (&[(AFTER, "soon")], None),
            (&[(AFTER, "1"), (AFTER, "2")], None),
            (&[("retry-after-ms", "1200"), (AFTER, "2")], Some(1.2)),
            (&[("retry-after-ms", "soon"), (AFTER, "2")], Some(2.0)),
            (&[(AFTER, "3"), ("x-ratelimit-reset", "9")], Some(3.0)),
            (&[("x-ratelimit-reset", "12s")], Some(12.0)),
            (&[("x-ratelimit-reset-requests", "6m0s")], Some(360.0)),
            (&[("x-ratelimit-reset-tokens", "1h2m3.5s")], Some(3723.5)),
            (&[("x-ratelimit-reset-tokens", "250ms")], Some(0.25)),
            (&[("x-ratelimit-reset", "1784111787")], Some(10.0)),
            (&[("x-ratelimit-reset", "1784111787000")], Some(10.0)),
            (&[("x-ratelimit-reset", "1784111000")], Some(0.0)),
            (&[("anthropic-ratelimit-requests-reset", "2026-07-15T10:36:47Z")], Some(30.0)),
            (
                &[("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-reset-tokens", "6s")],
                Some(6.0),
            ),
            (
                &[
                    ("x-ratelimit-reset-requests", "1s"),
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-tokens", "6s"),
                    ("x-ratelimit-remaining-tokens", "100"),
                ],
                Some(1.0),
            ),
            (&[("x-ratelimit-reset", "6s"), ("x-ratelimit-remaining", "4999")], None),
            (&[("x-ratelimit-limit", "5")], None),
            (&[], None),
        ];
        let now = SystemTime::UNIX_EPOCH + NOW;
        for (fields, want) in table {
            let headers = headers(fields);
            let content = Content::Unread;
            let answer = Answer::new(StatusCode::TOO_MANY_REQUESTS, &headers, &content);
            let got = wait(&answer, &[], true, now).map(|wait| wait.as_secs_f64());
            assert_eq!(got, *want, "{fields:?}");
        }
        // Of a failure that is no limit they say nothing.
        let headers = headers(&[("x-ratelimit-reset", "12s")]);
        let answer = Answer::new(StatusCode::TOO_MANY_REQUESTS, &headers, &Content::Unread);
        assert_eq!(wait(&answer, &[], false, now), None);
    }

    #[test]
    fn what_the_body_says() {
        let places =
            ["/error/details/*/retryDelay".parse().unwrap(), "/retry_after".parse().unwrap()];
        let table = [
            (
                r#"{"error":{"details":[{"x":1},{"retryDelay":"3.5s"},{"retryDelay":"2s"}]}}"#,
                Some(3.5),
            ),
            (r#"{"retry_after":4}"#, Some(4.0)),
            (r#"{"retry_after":"5"}"#, Some(5.0)),
            (r#"{"retry_after":1e300}"#, Some(86_400.0)),
            (r#"{"retry_after":-4}"#, None),
            (r#"{"retry_after":"try again in 5s"}"#, None),
            (r#"{"error":{"message":"Please try again in 12s."}}"#, None),
            ("in 5s", None),
        ];
        for (body, want) in table {
            let headers = HeaderMap::new();
            let content = Content::read(&headers, Bytes::from(body), 1 << 20);
            let answer = Answer::new(StatusCode::TOO_MANY_REQUESTS, &headers, &content);
            let got = wait(&answer, &places, false, SystemTime::UNIX_EPOCH);
            let got = got.map(|wait| wait.as_secs_f64());
            assert_eq!(got, want, "{body}");
        }
    }
}
