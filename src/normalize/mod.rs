//! The outermost layer: whatever goes wrong inside comes out as an envelope.
//!
//! [`NormalizeLayer`] turns into one documented answer
//!
//! - errors of the inner service, looked for along their [`source`](std::error::Error::source) chain: a
//!   [`Fault`], the errors of tower's `timeout`, `load_shed` and `buffer`, a body over its limit, and boxed ones;
//! - panics, in `call` and while the answer is awaited: the connection is kept and the next request served;
//! - every answer with a status of 400 or above that is not an envelope already: a provider's (marked with
//!   [`UpstreamAnswer`]) by its [status](crate::profile::by_status), any other by [`own`];
//! - a failed readiness: it is kept until the next request, which is answered with it.
//!
//! What comes out has the error type [`Infallible`](std::convert::Infallible), and every answer carries
//! `x-request-id`.
//!
//! # Example
//!
//! With the default contract, around a service that times out:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use std::time::Duration;
//! use tollgate::NormalizeLayer;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new()
//!     .layer(NormalizeLayer::default())
//!     .timeout(Duration::from_millis(1))
//!     .service_fn(|_: Request<()>| async {
//!         std::future::pending::<()>().await;
//!         Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
//!     });
//!
//! let answer = service.oneshot(Request::new(())).await.unwrap();
//! assert_eq!(answer.status(), 504);
//! assert_eq!(answer.headers()["content-type"], "application/json");
//! # }
//! ```
//!
//! With another contract, and a status of the application's own:
//!
//! ```
//! use std::sync::Arc;
//! use tollgate::{Catalog, Fault, NormalizeLayer, normalize};
//!
//! let catalog = Arc::new(Catalog::preset("eggapi")?);
//! let layer = NormalizeLayer::new(catalog).classify_own(|parts| match parts.status.as_u16() {
//!     409 => Fault::violation("name", "name is taken"),
//!     _ => normalize::own(parts),
//! });
//! # let _: NormalizeLayer = layer;
//! # Ok::<(), tollgate::catalog::InvalidCatalog>(())
//! ```
//!
//! # What it cannot do
//!
//! Once the head of an answer is on its way, a failure can only break the body off; this layer passes the error
//! of the inner body on. A panic while the *body* is produced is not caught.

mod future;
mod layer;
mod own;
mod rescue;
mod service;

#[cfg(any(feature = "forward", feature = "profile", feature = "validate", feature = "wrap"))]
pub(crate) use self::rescue::rescue_or;
pub use self::{
    future::ResponseFuture, layer::NormalizeLayer, own::own, rescue::rescue, service::Normalize,
};

use crate::{
    Catalog, Fault,
    envelope::{Context, RenderedBy, ResponseBody},
    fault::{Cause, UpstreamFault},
    profile::{self, UpstreamAnswer},
    request_id,
};
use http::{HeaderValue, Response};
use std::{sync::Arc, time::SystemTime};

/// What every request of one layer shares.
#[derive(Debug)]
struct Shared {
    catalog: Arc<Catalog>,
    classify_own: fn(&http::response::Parts) -> Fault,
}

impl Shared {
    /// The answer that leaves for an answer that came from inside.
    fn normalize<B>(
        &self,
        response: Response<B>,
        head: bool,
        request_id: HeaderValue,
    ) -> Response<ResponseBody<B>> {
        let status = response.status();
        let mut response =
            if status.is_client_error() || status.is_server_error() || status.as_u16() >= 600 {
                self.normalize_failure(response, Context { head, request_id: Some(&request_id) })
            } else {
                response.map(ResponseBody::inner)
            };
        response.headers_mut().insert(request_id::HEADER, request_id);
        response
    }

    fn normalize_failure<B>(
        &self,
        response: Response<B>,
        context: Context<'_>,
    ) -> Response<ResponseBody<B>> {
        let (parts, body) = response.into_parts();
        let fault = match parts.extensions.get::<Fault>() {
            Some(fault)
                if parts.extensions.get() == Some(&RenderedBy(self.catalog.id()))
                    && parts.status == self.catalog.entry_for(fault).status() =>
            {
                return Response::from_parts(parts, ResponseBody::inner(body));
            }
            // One that was kept, and is given once more.
            None if parts.extensions.get() == Some(&RenderedBy(self.catalog.id())) => {
                return Response::from_parts(parts, ResponseBody::inner(body));
            }
            // Refused further in, in the words of another catalog, or changed since.
            Some(fault) => fault.clone(),
            None if parts.extensions.get::<UpstreamAnswer>().is_some() => by_status(&parts).into(),
            None => (self.classify_own)(&parts),
        };
        let answer = self.refuse(&fault, context);
        // How the caller's quotas stand is true of the failure too.
        #[cfg(feature = "limit")]
        let answer = crate::limit::carry_over(&parts, answer);
        answer
    }

    fn refuse<B>(&self, fault: &Fault, context: Context<'_>) -> Response<ResponseBody<B>> {
        self.catalog.respond(fault, context).map(ResponseBody::full)
    }
}

/// What a provider's failure means of which nothing but the head is known.
fn by_status(parts: &http::response::Parts) -> UpstreamFault {
    let kind = profile::by_status(parts.status);
    UpstreamFault::new(kind, Cause::Status(parts.status.as_u16()))
        .with_retry_after(profile::retry_after(&parts.headers, SystemTime::now()))
}
