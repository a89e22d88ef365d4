//! `Fault` as an axum response.

use crate::{Catalog, Fault, envelope::Context};
use axum_core::{
    body::Body,
    response::{IntoResponse, Response},
};

/// The answer in the words of the default catalog; a [`NormalizeLayer`](crate::NormalizeLayer) outside with
/// another catalog says it in its own.
///
/// ```
/// use tollgate::Fault;
///
/// async fn handler() -> Result<&'static str, Fault> {
///     Err(Fault::custom("name_taken"))
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(handler));
/// ```
impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        Catalog::shared_default().respond(&self, Context::default()).map(Body::from)
    }
}
