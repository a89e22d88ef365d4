//! What a provider's answer means.
//!
//! An answer of a provider is evidence, not an answer: a profile reads a [`Fault`](crate::Fault) from it. There
//! is one profile so far, the [generic](generic()) one, which goes by the status alone.

mod generic;
mod retry_after;

pub use self::generic::generic;
pub(crate) use self::retry_after::retry_after;

/// Marks a response as a provider's, in its extensions.
///
/// [`NormalizeLayer`](crate::NormalizeLayer) reads failures that carry it as the provider's, and all others as
/// our own. `Forward` (feature `forward`) sets it; a handler that relays an answer that it got by other means
/// sets it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamAnswer;
