use std::sync::Arc;

/// The only endpoint that may be asked, in the extensions of a request: such as the one that has the task that it is about. It is
/// asked also while it is left out for its failures, and not while it wants a pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned(pub Arc<str>);

/// The endpoint that has answered, in the extensions of the answer to a request with a [`WorkReport`](crate::work::WorkReport).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredBy(pub Arc<str>);
