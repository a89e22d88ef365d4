//! The wire shape of an answer.
use serde::Deserialize;

/// An optional field of the `error` object, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema))]
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
