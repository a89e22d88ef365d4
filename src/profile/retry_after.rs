use http::{HeaderMap, header};
use std::time::{Duration, SystemTime};

/// The longest wait that is believed and passed on.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// `retry-after-ms`, or `Retry-After` as seconds or as a date, at most a day.
///
/// None when it is missing, comes twice or is not understood. A date in the past is no wait.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let millis = only(headers, "retry-after-ms").and_then(number).map(|ms| seconds(ms / 1000.0));
    let wait = millis.or_else(|| {
        let text = only(headers, header::RETRY_AFTER.as_str())?;
        // A date, a whole number; or one with a fraction, which some send.
        match httpdate::parse_http_date(text) {
            Ok(date) => Some(date.duration_since(now).unwrap_or_default()),
            Err(_) => number(text).map(seconds),
        }
    });
    wait.map(|wait| wait.min(LONGEST))
}

/// The value of a field that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::trim),
        _ => None,
    }
}

/// A number of digits, with a fraction or without; more digits than fit are very much.
pub(super) fn number(text: &str) -> Option<f64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let begins = text.starts_with(|first: char| first.is_ascii_digit());
    if digits && begins { text.parse().ok() } else { None }
}

pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST)
}
