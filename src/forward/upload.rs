//! The request's body on its way to the provider.

use super::hygiene::keep_request_trailers;
use crate::{Fault, normalize::rescue_or};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::time::Instant;
use tower::BoxError;

/// How the upload of one request goes: seen by the body, which hyper owns, and by the exchange that waits for
/// the answer. Tells whose fault it is when a request breaks off.
#[derive(Debug, Default)]
pub(super) struct Upload {
    outcome: OnceLock<Result<Instant, Fault>>,
    /// The client is waited for.
    waits: AtomicBool,
}

impl Upload {
    /// Why the client's side failed, if it did.
    pub(super) fn fault(&self) -> Option<&Fault> {
        self.outcome.get()?.as_ref().err()
    }

    /// Whether it is the client that has nothing more to give, and not the provider that takes nothing.
    pub(super) fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// When the last piece was handed over.
    pub(super) fn finished(&self) -> Option<Instant> {
        self.outcome.get()?.as_ref().ok().copied()
    }
}

pin_project! {
    /// A request body that keeps account of its [`Upload`].
    #[derive(Debug)]
    pub(super) struct UploadBody<B> {
        #[pin]
        inner: B,
        // None when there was nothing to send from the beginning.
        upload: Option<Arc<Upload>>,
    }
}

impl<B: Body> UploadBody<B> {
    pub(super) fn new(inner: B) -> (Self, Option<Arc<Upload>>) {
        let upload = (!inner.is_end_stream()).then(Arc::<Upload>::default);
        (Self { inner, upload: upload.clone() }, upload)
    }
}

impl<B> Body for UploadBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let mut this = self.project();
        let polled = this.inner.as_mut().poll_frame(cx);
        if let Some(upload) = this.upload {
            upload.waits.store(polled.is_pending(), Ordering::Relaxed);
        }
        let frame = match ready!(polled) {
            Some(Ok(frame)) => frame.into_trailers().map_or_else(
                |data| data,
                |trailers| Frame::trailers(keep_request_trailers(trailers)),
            ),
            Some(Err(error)) => {
                let fault = client_fault(error.into());
                if let Some(upload) = this.upload {
                    let _ = upload.outcome.set(Err(fault.clone()));
                }
                return Poll::Ready(Some(Err(fault)));
            }
            None => {
                finish(this.upload.as_deref());
                return Poll::Ready(None);
            }
        };
        if this.inner.is_end_stream() {
            finish(this.upload.as_deref());
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn finish(upload: Option<&Upload>) {
    if let Some(upload) = upload {
        let _ = upload.outcome.set(Ok(Instant::now()));
    }
}

/// A fault of the layer that watches the body; anything else is a client that broke off.
fn client_fault(error: BoxError) -> Fault {
    rescue_or(&*error, Fault::BodyIncomplete)
}
