//! The layers in somebody else's tower service: no proxy, no server, no configuration file.
//!
//! ```text
//! cargo run --example tower_stack --no-default-features
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use std::{sync::Arc, time::Duration};
use tollgate::{
    Catalog, Fault, NormalizeLayer,
    catalog::{EntryPatch, Settings},
    fault::UpstreamKind,
};
use tower::{BoxError, ServiceBuilder, ServiceExt};

/// An application that fails in every way.
async fn application(request: Request<()>) -> Result<Response<Full<Bytes>>, BoxError> {
    match request.uri().path() {
        "/fine" => Ok(Response::new(Full::from("all is well"))),
        // With a fault…
        "/poor" => Err(Fault::InsufficientBalance.into()),
        // …of a provider that this application calls…
        "/provider" => Err(Fault::Upstream(UpstreamKind::Overloaded.into()).into()),
        // …or with a code of its own.
        "/taken" => Err(Fault::custom("name_taken").into()),
        "/panic" => panic!("a defect"),
        "/slow" => std::future::pending().await,
        // Something that knows nothing of catalogs.
        _ => Ok(Response::builder().status(404).body(Full::from("nothing here"))?),
    }
}

/// The default contract, and one code more.
fn catalog() -> Result<Catalog, BoxError> {
    let name_taken = EntryPatch::message("This name is taken.").with_status(409);
    let settings = Settings::new("default").with_entry("name_taken", name_taken);
    Ok(Catalog::from_settings(&settings)?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // The panic of `/panic` is caught; its message goes to the log only.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let service = ServiceBuilder::new()
        // Outermost: what fails further in, in whatever way, leaves as an envelope.
        .layer(NormalizeLayer::new(Arc::new(catalog()?)))
        // tower's own layers may refuse as they like.
        .load_shed()
        .concurrency_limit(100)
        .timeout(Duration::from_millis(100))
        .service_fn(application);

    for path in ["/fine", "/poor", "/provider", "/taken", "/panic", "/slow", "/nothing"] {
        let request = Request::builder().method(Method::GET).uri(path).body(())?;
        let response = service.clone().oneshot(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        println!("{path:10} {} {}", status.as_u16(), String::from_utf8_lossy(&body));
    }
    Ok(())
}
