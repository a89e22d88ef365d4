//! Successes in the envelope: `{"data":` + the inner bytes + `,"error":null}`.
//!
//! [`WrapLayer`] splices the envelope around a successful JSON answer while it streams. The answer is neither
//! parsed nor buffered, its bytes are neither changed nor copied, and nothing is allocated for them.
//!
//! | inner answer | what leaves |
//! |---|---|
//! | status 200–299, JSON | `{"data":`…`,"error":null}`, with the right `content-length` where the inner one is known |
//! | 204, 205 | 200 and `{"data":null,"error":null}` |
//! | 200–299 without a byte, whatever its content type | `{"data":null,"error":null}` |
//! | 200–299, JSON, in `gzip`, `deflate`, `br` or `zstd` | decoded, then as above |
//! | 200–299, JSON, and the body fails before its first byte, or is not in its coding | the envelope of the failure |
//! | 200–299, JSON, in another coding or in more than three | the envelope of [`Fault::Upstream`](crate::Fault::Upstream) |
//! | anything else | itself |
//!
//! The head of a JSON answer waits for the first byte of its body, so that one that fails at once is an answer and
//! not a connection that breaks.
//!
//! JSON is the content type `application/json`, or one that ends in `+json`, in UTF-8. To a HEAD the answer is
//! what it would be to a GET, without the body. Trailers stay behind the end.
//!
//! # What changes besides the body
//!
//! In the request: `Range` and `If-Range` are removed, since a part of the inner answer is no part of the outer
//! one, and `Accept-Encoding` becomes `identity`, since a compressed answer would have to be decoded.
//!
//! In the answer: a strong `ETag` becomes weak (same meaning, other bytes), and `Content-MD5`, `Digest`,
//! `Content-Digest`, `Repr-Digest` (in the trailers too), `Accept-Ranges` and `Content-Range` are removed.
//!
//! # Example
//!
//! With the default catalog:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tollgate::WrapLayer;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new()
//!     .layer(WrapLayer::default())
//!     .service_fn(|_: Request<()>| async {
//!         Response::builder()
//!             .header("content-type", "application/json")
//!             .body(Full::from(r#"{"id": 7}"#))
//!     });
//!
//! let answer = service.oneshot(Request::new(())).await.unwrap();
//! assert_eq!(answer.headers()["content-length"], "31");
//! let body: Bytes = answer.into_body().collect().await.unwrap().to_bytes();
//! assert_eq!(body, r#"{"data":{"id": 7},"error":null}"#);
//! # }
//! ```
//!
//! With another contract, for the one answer that this layer has to refuse, under a
//! [`NormalizeLayer`](crate::NormalizeLayer) with the same one:
//!
//! ```
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use std::{convert::Infallible, sync::Arc};
//! use tollgate::{Catalog, NormalizeLayer, WrapLayer};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let catalog = Arc::new(Catalog::preset("eggapi")?);
//! let service = ServiceBuilder::new()
//!     .layer(NormalizeLayer::new(catalog.clone()))
//!     .layer(WrapLayer::new(catalog))
//!     .service_fn(|_: Request<()>| async {
//!         let mut answer = Response::new(Full::from("?"));
//!         answer.headers_mut().insert("content-type", "application/json".parse().unwrap());
//!         answer.headers_mut().insert("content-encoding", "compress".parse().unwrap());
//!         Ok::<_, Infallible>(answer)
//!     });
//!
//! let answer = service.oneshot(Request::new(())).await?;
//! assert_eq!(answer.status(), 502);
//! # Ok(())
//! # }
//! ```
//!
//! # What is not wrapped
//!
//! - **Successes that are not JSON stay as they are**: text, images, `text/event-stream`,
//!   `application/x-ndjson`, a missing or doubled content type, a charset other than UTF-8, and types that end in
//!   `+json` for a sequence of values or messages (`application/stream+json`, `application/grpc+json`,
//!   `application/grpc-web+json`, `application/connect+json`). Such an answer of unknown length stays as it is
//!   even if no byte of it comes.
//! - Parts and differences (206, 226), tunnels (`CONNECT`), upgrades (101), redirects, and failures: those are
//!   [`NormalizeLayer`](crate::NormalizeLayer)'s.
//!
//! # What it trusts
//!
//! Since nothing is parsed, what the inner service calls JSON is believed to be one JSON value. If it is not,
//! the whole is not JSON either, and an inner service that means harm could write
//! `1,"error":{},"data":2` to say what it likes beside `data`. A byte order mark is passed on with the rest.
//! Wrap answers of providers that you trust to that degree.
//!
//! Once the head of an answer is on its way, a failure can only break the body off. The body ends with a
//! [`WrapError`], and never with the suffix, when the inner body fails, when a coding is corrupt or cut off, or
//! when there was nothing but white space. [`rescue`](crate::normalize::rescue) finds the [`Fault`](crate::Fault)
//! in it.
//!
//! Decoding is bounded to 16 KiB a frame; each coding keeps a window besides: 32 KiB for `gzip` and `deflate`,
//! at most 16 MiB for `br` and 8 MiB for `zstd`. How long a decoded answer may get is for its reader to say.

mod body;
mod error;
mod future;
mod head;
mod layer;

mod plan;
mod service;
#[cfg(test)]
mod tests;

pub use self::{
    body::WrapBody, error::WrapError, future::ResponseFuture, layer::WrapLayer, service::Wrap,
};

use bytes::Bytes;

/// What comes before the inner bytes.
const PREFIX: Bytes = Bytes::from_static(br#"{"data":"#);
/// What comes after them.
const SUFFIX: Bytes = Bytes::from_static(br#","error":null}"#);
/// What comes instead where there are none.
const NULL: Bytes = Bytes::from_static(br#"{"data":null,"error":null}"#);
