use super::{IdempotencyStore, RecordedBody};
use crate::alone::Alone;
use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower::BoxError;

pin_project! {
    /// Future of [`Idempotency`](super::Idempotency).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, B, E, T: IdempotencyStore> {
        #[pin]
        state: State<F, B, E, T>,
    }
}

pin_project! {
    #[project = StateProjected]
    enum State<F, B, E, T: IdempotencyStore> {
        // It has no key.
        Untouched { #[pin] future: F },
        Working { work: Work<B, E, T> },
        // The inner service never hears of it. Nothing when that was said already.
        Refused { response: Option<Response<Bytes>> },
    }
}

pub(super) type Answered<B, E, T> = Result<Response<RecordedBody<B, T>>, E>;
type Boxed<B, E, T> = Pin<Box<dyn Future<Output = Answered<B, E, T>> + Send>>;

/// A request with a key. In a box, so that it can go on without its client, who may come back.
struct Work<B, E, T: IdempotencyStore> {
    future: Option<Boxed<B, E, T>>,
    alone: Arc<Alone>,
    left: fn(Boxed<B, E, T>, &Arc<Alone>),
}

impl<F, B, E, T: IdempotencyStore> ResponseFuture<F, B, E, T> {
    pub(super) const fn untouched(future: F) -> Self {
        Self { state: State::Untouched { future } }
    }

    pub(super) const fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<F, B, E, T> ResponseFuture<F, B, E, T>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
    E: Send + 'static,
    T: IdempotencyStore + Clone + Send + Sync + 'static,
{
    pub(super) fn working(
        future: impl Future<Output = Answered<B, E, T>> + Send + 'static,
        alone: Arc<Alone>,
    ) -> Self {
        let work = Work { future: Some(Box::pin(future)), alone, left: go_on };
        Self { state: State::Working { work } }
    }
}

fn go_on<B, E, T>(future: Boxed<B, E, T>, alone: &Arc<Alone>)
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
    E: Send + 'static,
    T: IdempotencyStore + Clone + Send + Sync + 'static,
{
    alone.go_on(async move {
        if let Ok(response) = future.await
            && let Some(recording) = response.into_body().into_recording()
        {
            recording.finish().await;
        }
    });
}

/// The client has left before the head of its answer was there.
impl<B, E, T: IdempotencyStore> Drop for Work<B, E, T> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            (self.left)(future, &self.alone);
        }
    }
}

impl<F, B, E, T> Future for ResponseFuture<F, B, E, T>
where
    F: Future<Output = Result<Response<B>, E>>,
    T: IdempotencyStore,
{
    type Output = Answered<B, E, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjected::Untouched { future } => {
                future.poll(cx).map_ok(|response| response.map(RecordedBody::inner))
            }
            StateProjected::Working { work } => {
                // Taken out as long as it is polled: what panics does not go on alone.
                let Some(mut future) = work.future.take() else { return Poll::Pending };
                let polled = future.as_mut().poll(cx);
                if polled.is_pending() {
                    work.future = Some(future);
                }
                polled
            }
            StateProjected::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(RecordedBody::ours))),
                // Polled after completion.
                None => Poll::Pending,
            },
        }
    }
}
