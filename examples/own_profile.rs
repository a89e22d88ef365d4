//! A provider that nobody has a preset for: an own `Profile`, in TOML, and what callers get of its answers.
//!
//! ```text
//! cargo run --example own_profile --no-default-features --features profile
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use std::{collections::BTreeMap, future::ready, sync::Arc};
use tollgate::{ClassifyLayer, profile::Profile};
use tower::{BoxError, ServiceBuilder, ServiceExt};

/// It answers everything with 200, and says in `state` what became of it.
const PROFILE: &str = r#"
    extends = "generic"
    message = ["/reason"]

    [[rule]]
    name = "out_of_credit"
    body = [{ at = "/reason", is = ["no credit left"] }]
    fault = "account_exhausted"

    [[rule]]
    name = "busy"
    body = [{ at = "/state", is = ["busy"] }]
    fault = "rate_limited"

    [[rule]]
    name = "blocked"
    body = [{ at = "/state", is = ["blocked"] }]
    fault = "output_moderation"
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let own = BTreeMap::from([("mine".to_owned(), toml::from_str(PROFILE)?)]);
    // Every mistake in it is told at once.
    let profile = Arc::new(Profile::named("mine", &own)?);

    for (answer, status, code) in [
        (r#"{"state":"done","url":"https://example.com/1.png"}"#, 200, "example.com"),
        (r#"{"state":"busy"}"#, 429, "upstream_rate_limited"),
        (r#"{"state":"blocked"}"#, 422, "upstream_output_moderation"),
        // Our own trouble is not the caller's: neither the code nor the words tell of it.
        (r#"{"state":"failed","reason":"no credit left"}"#, 502, "upstream_provider_error"),
    ] {
        let service = ServiceBuilder::new().layer(ClassifyLayer::new(profile.clone())).service_fn(
            |_: Request<()>| {
                let json = Response::builder().header(header::CONTENT_TYPE, "application/json");
                ready(json.body(Full::new(Bytes::from(answer))))
            },
        );
        let response = service.oneshot(Request::new(())).await?;
        let got = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        let body = String::from_utf8_lossy(&body);
        println!("{answer}\n  {got} {body}");
        assert!(got == status && body.contains(code) && !body.contains("credit"), "{body}");
    }
    Ok(())
}
