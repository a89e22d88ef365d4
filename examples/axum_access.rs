//! Keys and limits in an axum service: who may call, and how often.
//!
//! ```text
//! cargo run --example axum_access --no-default-features --features axum,limit
//! curl -i http://127.0.0.1:3000/hello -H 'authorization: Bearer demo-key'
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use axum::{
    Extension, Router,
    extract::{ConnectInfo, Request},
    middleware::map_request,
    routing::get,
};
use std::{net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};
use tollgate::{
    NormalizeLayer,
    auth::{Account, ApiKey, AuthLayer, KeyDigest, KeyRecord, KeyTable, Principal},
    client_address::ClientAddress,
    limit::{Key, Local, Quota, Rate, RateLimitLayer},
};
use tower::{BoxError, ServiceBuilder};

/// Whoever gets here has a key, and there is room for one more request.
async fn hello(Extension(caller): Extension<Principal>) -> String {
    format!("hello, {}\n", caller.account())
}

/// Behind proxies, `client_address::resolve` finds whom they speak for.
async fn with_address(mut request: Request) -> Request {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied()
    {
        request.extensions_mut().insert(ClientAddress(peer.ip()));
    }
    request
}

/// The keys that this service knows, by their digests.
fn keys() -> Result<KeyTable, BoxError> {
    let digest = KeyDigest::of(&ApiKey::parse("demo-key")?);
    let acme = Principal::new(Arc::new(Account::new("acme")), "demo").with_plan("pro");
    Ok(KeyTable::from_records([(digest, KeyRecord::new(acme))]))
}

/// So many a second, at most as many at once.
fn per_second(units: u32) -> Result<Rate, BoxError> {
    let units = NonZeroU32::new(units).ok_or("a rate of nothing")?;
    Rate::per(units, Duration::from_secs(1)).ok_or_else(|| "a rate beyond measure".into())
}

fn app() -> Result<Router, BoxError> {
    let counters = Local::default();
    let before = Quota::new("per-address", per_second(100)?);
    let after =
        Quota::new("per-key", per_second(2)?).key(Key::Principal).plan("pro", per_second(5)?);
    let layers = ServiceBuilder::new()
        // Outermost: what fails further in leaves as an envelope.
        .layer(NormalizeLayer::default())
        .layer(map_request(with_address))
        // Whoever guesses keys is limited too.
        .layer(RateLimitLayer::new(counters.clone()).quota(before)?)
        // From here on nobody sees the key; the `Principal` is in the extensions.
        .layer(AuthLayer::new(keys()?))
        .layer(RateLimitLayer::new(counters).quota(after)?);
    Ok(Router::new().route("/hello", get(hello)).layer(layers))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app()?.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
