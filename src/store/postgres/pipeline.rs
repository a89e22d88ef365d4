use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

/// Something that was asked of the server.
///
/// Statements are carried out in the order in which they were sent, and nothing has to be waited for before the next one is sent.
pub(super) enum Asked<'a, T> {
    Waiting(Pin<Box<dyn Future<Output = T> + 'a>>),
    Answered(T),
}

impl<'a, T> Asked<'a, T> {
    /// Sends it now: what asks the server does so when it is first polled.
    pub(super) async fn send(asks: impl Future<Output = T> + 'a) -> Self {
        let mut waiting: Pin<Box<dyn Future<Output = T> + 'a>> = Box::pin(asks);
        let answered = poll_fn(|cx| {
            Poll::Ready(match waiting.as_mut().poll(cx) {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            })
        });
        match answered.await {
            Some(answer) => Self::Answered(answer),
            None => Self::Waiting(waiting),
        }
    }

    /// Waits for the answer.
    pub(super) async fn answer(self) -> T {
        match self {
            Self::Waiting(waiting) => waiting.await,
            Self::Answered(answer) => answer,
        }
    }
}
