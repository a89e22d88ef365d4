use http::{HeaderMap, header};
use std::time::{Duration, SystemTime};

/// The longest wait that is believed and passed on.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// `Retry-After`, as seconds or as a date (RFC 9110, section 10.2.3), at most a day.
///
/// None when it is missing, comes twice or is not understood. A date in the past is no wait.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let mut values = headers.get_all(header::RETRY_AFTER).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let text = value.to_str().ok()?.trim();
    let wait = if text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are a very long time.
        Duration::from_secs(if text.is_empty() {
            return None;
        } else {
            text.parse().unwrap_or(u64::MAX)
        })
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn seconds_and_dates() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let table: &[(&[&str], Option<u64>)] = &[
            (&["7"], Some(7)),
            (&["0"], Some(0)),
            (&["999999999999999999999999"], Some(86_400)),
            (&["Sun, 06 Nov 1994 08:49:57 GMT"], Some(20)),
            (&["Sun, 06 Nov 1994 08:49:07 GMT"], Some(0)),
            (&["Sunday, 06-Nov-94 08:49:38 GMT"], Some(1)),
            (&["-1"], None),
            (&["+1"], None),
            (&["1.5"], None),
            (&[""], None),
            (&["soon"], None),
            (&["1", "2"], None),
            (&[], None),
        ];
        for (values, want) in table {
            let mut headers = HeaderMap::new();
            for value in *values {
                headers.append(header::RETRY_AFTER, HeaderValue::from_static(value));
            }
            assert_eq!(retry_after(&headers, now), want.map(Duration::from_secs), "{values:?}");
        }
    }
}
