//! A future that is likely to be there already.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// Polls a future before there is a task that it could wake: a store in memory has its answer at once, and then nothing
/// has to be kept until it comes. A future that has none is polled again with a waker that counts (the latest one
/// does, by the contract of [`Future::poll`]).
pub(crate) fn first_look<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}
