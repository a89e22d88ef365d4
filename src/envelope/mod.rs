//! The wire shape of an answer: `{"data":null,"error":{"code","message",…}}`.
//!
//! One function writes it, [`Catalog::respond`](crate::Catalog::respond): body, `content-type`, `content-length`,
//! `cache-control: no-store`, and what a fault brings along (`retry-after`, `allow`, `www-authenticate`).
//! Which fields an answer has besides `code` and `message` is the catalog's choice, see [`Field`]. A
//! [`Violation`](crate::fault::Violation) that has the others beside it adds `details`: all of them, each with `field`,
//! `code` and `message`.

mod body;
#[cfg(feature = "charge")]
mod refuse;
mod respond;
mod write;

use http::HeaderValue;
use serde::Deserialize;

pub use self::body::ResponseBody;
#[cfg(feature = "charge")]
pub(crate) use self::refuse::Refuse;
pub(crate) use self::respond::RenderedBy;

/// An optional field of the `error` object, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Field {
    /// Where the code is documented.
    DocsUrl,
    /// The request's id, as in `x-request-id`.
    RequestId,
    /// Whether the same request may succeed later.
    Retryable,
    /// How long to wait before the next try, in milliseconds, where known.
    RetryAfterMs,
    /// The field of the request that is to blame, where there is one.
    Field,
    /// Who failed: `gateway` or `upstream`.
    Source,
}

impl Field {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DocsUrl => "docs_url",
            Self::RequestId => "request_id",
            Self::Retryable => "retryable",
            Self::RetryAfterMs => "retry_after_ms",
            Self::Field => "field",
            Self::Source => "source",
        }
    }

    /// One sentence of what it says, for the documentation.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::DocsUrl => "Where the code is documented.",
            Self::RequestId => "The request's id, as in `x-request-id`. Support asks for it.",
            Self::Retryable => "Whether the same request may succeed later.",
            Self::RetryAfterMs => {
                "How long to wait before the next try, in milliseconds, where known."
            }
            Self::Field => "The field of the request that is to blame, where there is one.",
            Self::Source => "Who failed: `gateway` or `upstream`.",
        }
    }
}

/// What an answer depends on besides its fault.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// Whether the request was a HEAD: the answer has the same header fields and no body
    /// (RFC 9110, section 9.3.2).
    pub head: bool,
    /// The request's id.
    pub request_id: Option<&'a HeaderValue>,
}

impl<'a> Context<'a> {
    /// The context of a request: its method, and its `x-request-id` as
    /// [`NormalizeLayer`](crate::NormalizeLayer) has set it.
    pub fn of<B>(request: &'a http::Request<B>) -> Self {
        Self {
            head: request.method() == http::Method::HEAD,
            request_id: request.headers().get(crate::request_id::HEADER),
        }
    }
}
