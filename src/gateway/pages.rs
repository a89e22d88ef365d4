//! What the gateway answers by itself: what an account has used, and its tasks.

use crate::{
    Fault,
    auth::Principal,
    config::Page,
    store::ledger::{Paging, Unread, UsageReader},
    validate::query_pairs,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use serde::Serialize;

/// A page, and who knows what is on it.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) page: Page,
    pub(super) reader: Option<UsageReader>,
}

impl Served {
    /// What the caller sees of its own account.
    pub(super) async fn answer<R>(self, request: Request<R>) -> Result<Response<Bytes>, Fault> {
        let principal = request.extensions().get::<Principal>().cloned();
        // The configuration has been checked: there is a key, and a store.
        let principal = principal.ok_or(Fault::MissingCredential)?;
        let reader = self.reader.as_ref().ok_or(Fault::Internal)?;
        let query = request.uri().query().unwrap_or_default();
        let (account, is_head) = (principal.account(), request.method() == Method::HEAD);
        let answer = match self.page {
            Page::Usage => json(reader.usage(account, paging(query)?).await),
            Page::UsageSummary => json(reader.summary(account).await),
            Page::Tasks => json(reader.tasks(account, None, paging(query)?).await),
            // Nobody's own: those are answered elsewhere.
            Page::Callback | Page::Catalog => Err(Fault::Internal),
        };
        // Over HTTP/2 nobody else takes it away.
        answer.map(|answer| answer.map(|body| if is_head { Bytes::new() } else { body }))
    }
}

fn json<T: Serialize>(found: Result<T, Unread>) -> Result<Response<Bytes>, Fault> {
    let found = found.map_err(|error| match error {
        Unread::Busy => Fault::Overloaded,
        Unread::Store(error) => {
            tracing::warn!(%error, "what an account has used cannot be read");
            Fault::StoreUnavailable
        }
    })?;
    let body = serde_json::to_vec(&found).map_err(|_| Fault::Internal)?;
    let length = HeaderValue::from(body.len());
    let mut answer = Response::new(Bytes::from(body));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// `page` from 1 on, and `per_page`: 20 where nothing is said, 100 at most.
fn paging(query: &str) -> Result<Paging, Fault> {
    let mut paging = Paging { page: 1, per_page: 20 };
    let mut seen = [false; 2];
    for pair in query_pairs(query) {
        let (name, value) = pair?;
        let (number, most, seen) = match &*name {
            "page" => (&mut paging.page, 10_000, &mut seen[0]),
            "per_page" => (&mut paging.per_page, 100, &mut seen[1]),
            _ => continue,
        };
        let found = value.parse().ok().filter(|found| (1..=most).contains(found));
        *number = found.filter(|_| !*seen).ok_or_else(|| {
            Fault::violation(
                name.to_string(),
                format!("{name} must be one whole number from 1 to {most}"),
            )
        })?;
        *seen = true;
    }
    Ok(paging)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        let of = |query| paging(query).map(|paging| (paging.page, paging.per_page));
        let table = [
            ("", Some((1, 20))),
            ("page=3", Some((3, 20))),
            ("per_page=100&page=2", Some((2, 100))),
            ("x=1&xpage=7", Some((1, 20))),
            ("p%61ge=2&&all&per_page=1", Some((2, 1))),
            ("page=0", None),
            ("page=1&page=1", None),
            ("page=10001", None),
            ("page=%ff", None),
            ("page=-1", None),
            ("page=1e3", None),
            ("page=", None),
            ("per_page=101", None),
            ("page=99999999999", None),
        ];
        for (query, want) in table {
            assert_eq!(of(query).ok(), want, "{query}");
        }
    }
}
