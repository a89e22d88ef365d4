//! What may be asked: request bodies and parameters, checked before anybody is charged or called.
//!
//! [`ValidateLayer`] reads a JSON body whole, once; checks its media type, size, syntax and shape, and what it says
//! against a [`Schema`](crate::schema::Schema); and lets it on byte for byte, or with small [`Edits`](crate::edit::Edits). A request that
//! breaks a rule is answered in the catalog's words, with the code that the schema gives to the field.
//!
//! ```
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use bytes::Bytes;
//! use tollgate::{ValidateLayer, schema::Schema, validate::{ParsedBody, ValidatedBody}};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let schema: Schema =
//!     r#"{ "required": ["prompt"], "properties": { "prompt": { "type": "string" } } }"#.parse()?;
//! let service = ServiceBuilder::new()
//!     .layer(ValidateLayer::new().schema(schema))
//!     .service_fn(|request: Request<ValidatedBody<Full<Bytes>>>| async move {
//!         // Nobody need parse it again.
//!         let body = request.extensions().get::<ParsedBody>().unwrap();
//!         let prompt = body.root().get("prompt").and_then(|prompt| prompt.as_str());
//!         Ok::<_, std::convert::Infallible>(Response::new(Full::from(prompt.unwrap().to_owned())))
//!     });
//!
//! let request = |body: &'static str| {
//!     Request::post("/v1/generate").header("content-type", "application/json").body(Full::from(body))
//! };
//! let answer = service.clone().oneshot(request(r#"{"prompt": "a cat"}"#)?).await?;
//! assert_eq!(answer.into_body().collect().await?.to_bytes(), "a cat");
//!
//! let answer = service.oneshot(request(r#"{"prompt": 5}"#)?).await?;
//! assert_eq!(answer.status(), 400);
//! # Ok(())
//! # }
//! ```
//!
//! With another contract, stricter limits, one memory for all, and parameters of path and query:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use tollgate::{Catalog, ValidateLayer, buffer::Budget, json::Syntax, schema::Schema, validate::{ContentEncoding, Report}};
//!
//! let schema: Schema = r#"{ "type": "object", "minProperties": 1 }"#.parse()?;
//! let parameters: Schema =
//!     r#"{ "properties": { "page": { "type": "integer", "minimum": 1 } } }"#.parse()?;
//! let layer = ValidateLayer::new()
//!     .catalog(Arc::new(Catalog::preset("eggapi")?))
//!     .schema(schema)
//!     .parameters(parameters)
//!     .syntax(Syntax::default().max_depth(8))
//!     .max_bytes(64 * 1024)
//!     .timeout(Duration::from_secs(5))
//!     .content_encoding(ContentEncoding::Decode { max_bytes: 256 * 1024 })
//!     .report(Report::OnRequest)
//!     .budget(Budget::new(64 << 20));
//! # let _ = layer;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is checked, in this order
//!
//! 1. **Parameters**: those of the query, and of the path where somebody further out has put [`PathParameters`] into the
//!    request's extensions, as one object. A parameter whose schema has the type `integer`, `number` or `boolean` is read as such; one
//!    with the type `array`, or without any rule, may be there several times, any other once.
//! 2. **The head**: a declared length above the limit is refused before anything is read, and so before a client that sent
//!    `Expect: 100-continue` is told to go on. The body's own word counts, and where it has none that of `Content-Length`. A body is
//!    `application/json` or a `+json`, in UTF-8, said once, with no coding or one that is accepted.
//! 3. **The body**, within its time and size. Memory is reserved as it arrives and not on its word, so that who begins may yet
//!    be refused as `overloaded`.
//! 4. **Syntax** ([`Syntax`](crate::json::Syntax)), shape (an object, unless the schema says otherwise; `{}` has
//!    a kind of fault of its own where the schema does not accept it), **schema**.
//!
//! | | [`Kind`](crate::Kind) |
//! |---|---|
//! | a parameter or a field breaks a rule | `violation` |
//! | media type or coding is missing or another; a charset that is not UTF-8; several types or codings | `unsupported_media_type` |
//! | too long, as sent or decoded | `body_too_large` |
//! | too slow, broken off | `body_timeout`, `body_incomplete` |
//! | not what its coding says | `bad_request` |
//! | empty, not JSON | `invalid_json` |
//! | `{}`; an array, a string, a number, `null` … | `empty_object`; `not_an_object` |
//! | no memory left in the [`Budget`](crate::buffer::Budget) | `overloaded` |
//!
//! # What goes on
//!
//! The bytes that came, compressed if they came compressed, and the trailers. With edits that change something: the decoded
//! text with the changes, its new length, and no fields that were about the old bytes. Without a schema and without edits
//! the body is not touched at all and streams.
//!
//! # What it trusts
//!
//! Nothing of the request. Messages are made of the schema; see [there](crate::schema#what-is-told-of-a-value). The memory of a body and
//! of what was found in it is given back when the body has been sent and the [`ParsedBody`] is dropped.

mod body;
mod collect;
mod decoding;
mod future;
mod layer;
mod parameters;
mod parsed;
mod policy;
mod service;
#[cfg(test)]
mod tests;

#[cfg(feature = "standalone")]
pub(crate) use self::parameters::query_pairs;
pub use self::{
    body::ValidatedBody,
    future::ResponseFuture,
    layer::ValidateLayer,
    parsed::{ParsedBody, PathParameters},
    policy::{ContentEncoding, Report},
    service::Validate,
};
#[cfg(feature = "standalone")]
pub(crate) use self::{
    collect::HEADROOM,
    decoding::most_memory,
    layer::{MAX_BYTES, TIMEOUT},
};
