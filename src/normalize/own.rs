use crate::{Fault, profile::retry_after};
use http::response::Parts;
use std::time::SystemTime;

/// What a failure of the application's own means, by its status.
///
/// For answers of handlers and of other crates' layers that know nothing of catalogs: a router's 404, a plain
/// 413. Statuses that no fault stands for are [`Fault::BadRequest`] below 500 and [`Fault::Internal`] above: an
/// application that wants another answer refuses with a fault, or with [`Fault::custom`].
pub fn own(parts: &Parts) -> Fault {
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let retry_after = || retry_after(&parts.headers, SystemTime::now());
    match parts.status.as_u16() {
        401 => Fault::UnknownCredential,
        402 => Fault::InsufficientBalance,
        403 => Fault::Forbidden,
        404 => Fault::NoRoute,
        405 => {
            Fault::MethodNotAllowed { allow: header("allow").unwrap_or_default().to_owned().into() }
        }
        408 => Fault::BodyTimeout,
        413 => Fault::BodyTooLarge { limit: None },
        414 => Fault::UriTooLong,
        415 => Fault::UnsupportedMediaType {
            expected: header("accept-post").unwrap_or("another media type").to_owned().into(),
        },
        417 => Fault::ExpectationFailed,
        429 => Fault::RateLimited { quota: "default".into(), retry_after: retry_after() },
        431 => Fault::HeaderTooLarge,
        503 => Fault::Overloaded,
        504 => Fault::DeadlineExceeded,
        508 => Fault::LoopDetected,
        status if status < 500 => Fault::bad_request(format!("refused with status {status}")),
        _ => Fault::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;
    use std::time::Duration;

    #[test]
    fn by_status() {
        let table: &[(u16, Fault)] = &[
            (400, Fault::bad_request("refused with status 400")),
            (401, Fault::UnknownCredential),
            (402, Fault::InsufficientBalance),
            (403, Fault::Forbidden),
            (404, Fault::NoRoute),
            (405, Fault::MethodNotAllowed { allow: "GET, HEAD".into() }),
            (408, Fault::BodyTimeout),
            (409, Fault::bad_request("refused with status 409")),
            (413, Fault::BodyTooLarge { limit: None }),
            (414, Fault::UriTooLong),
            (417, Fault::ExpectationFailed),
            (
                429,
                Fault::RateLimited {
                    quota: "default".into(),
                    retry_after: Some(Duration::from_secs(3)),
                },
            ),
            (431, Fault::HeaderTooLarge),
            (500, Fault::Internal),
            (502, Fault::Internal),
            (503, Fault::Overloaded),
            (504, Fault::DeadlineExceeded),
            (508, Fault::LoopDetected),
            (999, Fault::Internal),
        ];
        for (status, want) in table {
            let response = Response::builder()
                .status(*status)
                .header("allow", "GET, HEAD")
                .header("retry-after", "3")
                .body(())
                .unwrap();
            assert_eq!(own(&response.into_parts().0), *want, "{status}");
        }
    }
}
