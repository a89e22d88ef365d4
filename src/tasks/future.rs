use super::{TaskBody, TaskStore};
use http::Response;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// Future of [`Tasks`](super::Tasks).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, B, E, T: TaskStore> {
        #[pin]
        state: State<F, B, E, T>,
    }
}

pin_project! {
    #[project = StateProjected]
    enum State<F, B, E, T: TaskStore> {
        // Tasks are nobody's concern here.
        Untouched { #[pin] future: F },
        // In a box: a store is asked, and what is waited for is large.
        Working { future: Pin<Box<dyn Future<Output = Answered<B, E, T>> + Send>> },
    }
}

pub(super) type Answered<B, E, T> = Result<Response<TaskBody<B, T>>, E>;

impl<F, B, E, T: TaskStore> ResponseFuture<F, B, E, T> {
    pub(super) const fn untouched(future: F) -> Self {
        Self { state: State::Untouched { future } }
    }

    pub(super) fn working(
        future: impl Future<Output = Answered<B, E, T>> + Send + 'static,
    ) -> Self {
        Self { state: State::Working { future: Box::pin(future) } }
    }
}

impl<F, B, E, T> Future for ResponseFuture<F, B, E, T>
where
    T: TaskStore,
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Answered<B, E, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjected::Untouched { future } => {
                future.poll(cx).map_ok(|response| response.map(TaskBody::inner))
            }
            StateProjected::Working { future } => future.as_mut().poll(cx),
        }
    }
}
