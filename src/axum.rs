//! `Fault` as an axum response.

use crate::{
    Catalog, Fault,
    envelope::{Context, RenderedBy},
};
use axum_core::{
    body::Body,
    response::{IntoResponse, Response},
};

/// The answer in the words of the default catalog; a [`NormalizeLayer`](crate::NormalizeLayer) outside says it in
/// those of its own, and adds what only it knows.
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
        let mut answer = Catalog::shared_default().respond(&self, Context::default());
        // Neither the request's id nor its method is known here: whoever knows them may write it again.
        answer.extensions_mut().remove::<RenderedBy>();
        answer.map(Body::from)
    }
}
