use crate::{Fault, normalize::rescue, server::scan::ConnState};
use bytes::Bytes;
use http::HeaderName;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};

/// The body of a client's request. Fails with a [`Fault`] of the client's side when it breaks off, when its
/// framing is broken, or when nothing of it comes for too long.
#[derive(Debug)]
pub(crate) struct ClientBody {
    inner: Incoming,
    patience: Duration,
    /// Trailers that nobody but the gateway may send.
    private: Option<Arc<[HeaderName]>>,
    /// Where a body that is given up is noted.
    state: Arc<ConnState>,
    ended: bool,
    /// Made when the body first has to be waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl ClientBody {
    /// `patience` is how long nothing may come; `private` what is taken out of trailers.
    pub(crate) fn new(
        inner: Incoming,
        patience: Duration,
        private: Option<Arc<[HeaderName]>>,
        state: Arc<ConnState>,
    ) -> Self {
        let ended = inner.is_end_stream();
        Self { inner, patience, private, state, ended, timer: None }
    }

    /// A frame as it goes on.
    fn clean(&self, mut frame: Frame<Bytes>) -> Frame<Bytes> {
        if let (Some(private), Some(trailers)) = (&self.private, frame.trailers_mut()) {
            for name in &**private {
                trailers.remove(name);
            }
        }
        frame
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some(timer) = &mut this.timer {
                    timer.as_mut().reset(Instant::now() + this.patience);
                }
                this.ended = frame.is_none() || this.inner.is_end_stream();
                Poll::Ready(frame.map(|frame| match frame {
                    Ok(frame) => Ok(this.clean(frame)),
                    Err(error) => Err(fault_of(&error)),
                }))
            }
            Poll::Pending => {
                let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(this.patience)));
                timer.as_mut().poll(cx).map(|()| Some(Err(Fault::BodyTimeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        if !self.ended {
            self.state.give_body_up();
        }
    }
}

/// What the scanner found wrong with the body's framing; else the client broke off.
fn fault_of(error: &hyper::Error) -> Fault {
    match rescue(error) {
        Fault::Internal => Fault::BodyIncomplete,
        fault => fault,
    }
}
