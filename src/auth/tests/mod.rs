//! The layer around a service that keeps what it is sent.

mod admission;
mod readiness;
mod secrets;

use super::*;
use crate::{Fault, envelope::ResponseBody};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use tower::{Layer, ServiceExt, service_fn};

/// A key that is good until [`EXPIRY`] and may do `images:*`.
const GOOD: &str = "good-5ecret";
const EXPIRY: Duration = Duration::from_secs(1_000);

fn record(name: &str) -> KeyRecord {
    let account = Arc::new(Account::new(format!("{name}-account")));
    account.set_suspended(name == "suspended");
    let scopes: Vec<Box<str>> = vec!["images:*".into()];
    KeyRecord {
        principal: Principal::new(account, format!("{name}-id"))
            .with_plan("pro")
            .with_scopes(scopes),
        revoked: name == "revoked",
        expires_at: (name == "good").then_some(SystemTime::UNIX_EPOCH + EXPIRY),
    }
}

/// `good-5ecret`, `revoked-5ecret` and `suspended-5ecret`.
fn keys() -> KeyTable {
    KeyTable::from_records(
        ["good", "revoked", "suspended"]
            .map(|name| (KeyDigest::of_token(&format!("{name}-5ecret")), record(name))),
    )
}

/// Half a second before [`GOOD`] expires.
fn layer() -> AuthLayer<KeyTable> {
    AuthLayer::new(keys()).clock(|| SystemTime::UNIX_EPOCH + EXPIRY - Duration::from_millis(500))
}

fn request(fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::new(());
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request
}

fn bearer(key: &str) -> Request<()> {
    request(&[("authorization", &format!("Bearer {key}"))])
}

type Answer = Response<ResponseBody<Full<Bytes>>>;

/// The answer, and what the inner service was sent.
async fn ask<K: KeyStore>(
    layer: &AuthLayer<K>,
    request: Request<()>,
) -> (Answer, Option<Request<()>>) {
    let sent = Arc::new(Mutex::new(None));
    let inner = service_fn(|request: Request<()>| {
        *sent.lock().unwrap() = Some(request);
        ready(Ok::<_, Infallible>(Response::new(Full::from("inner"))))
    });
    let answer = layer.layer(inner).oneshot(request).await.unwrap();
    let sent = sent.lock().unwrap().take();
    (answer, sent)
}

/// Who got in, or why nobody did.
async fn outcome<K: KeyStore>(
    layer: &AuthLayer<K>,
    request: Request<()>,
) -> Result<Option<Principal>, Fault> {
    let (answer, sent) = ask(layer, request).await;
    match (answer.extensions().get::<Fault>(), sent) {
        (Some(fault), None) => Err(fault.clone()),
        (None, Some(sent)) => Ok(sent.extensions().get().cloned()),
        (fault, sent) => panic!("{fault:?} and {sent:?}"),
    }
}

fn good() -> Result<Option<Principal>, Fault> {
    Ok(Some(record("good").principal))
}

/// A store that must not be asked.
struct Untouchable;

impl KeyStore for Untouchable {
    type Lookup = Ready<Result<Option<KeyRecord>, StoreError>>;

    fn lookup(&self, _: &KeyDigest) -> Self::Lookup {
        panic!("asked")
    }
}

/// A store that is away.
struct Away;

impl KeyStore for Away {
    type Lookup = Ready<Result<Option<KeyRecord>, StoreError>>;

    fn lookup(&self, _: &KeyDigest) -> Self::Lookup {
        ready(Err(StoreError::new("connection refused")))
    }
}
