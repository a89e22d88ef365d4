use super::{NULL, PREFIX, SUFFIX, WrapError, head::outer_trailers};
use crate::{
    decode::{Decoder, Pulled},
    envelope::ResponseBody,
    fault::{Cause, UpstreamFault, UpstreamKind},
};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower::BoxError;

pin_project! {
    /// The body of an answer of [`Wrap`](super::Wrap): the inner body in the envelope, or as it is, or a whole
    /// answer in memory.
    #[derive(Debug)]
    pub struct WrapBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjected]
    #[derive(Debug)]
    enum Kind<B> {
        // The inner body as it is, or one in memory.
        Plain { #[pin] body: ResponseBody<B> },
        // The inner body in the envelope. In a box: every layer moves the answers that have none, too.
        Spliced { #[pin] body: B, splice: Box<Splice> },
    }
}

/// How far the envelope is written.
#[derive(Debug)]
struct Splice {
    /// The beginning, if it was looked at before the rest was asked for.
    opening: Option<Frame<Bytes>>,
    stage: Stage,
    /// No data but white space so far.
    blank: bool,
    /// What the envelope had to come before.
    held: Option<Frame<Bytes>>,
    decoder: Option<Box<Decoder>>,
    /// The trailers of a body that is not decoded to its end yet.
    trailers: Option<HeaderMap>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is sent: whether there is data decides how the envelope begins.
    Opening,
    /// The prefix is sent.
    Inside,
    /// The envelope is complete, or never will be.
    Done,
}

impl<B> WrapBody<B> {
    pub(super) const fn inner(body: B) -> Self {
        Self { kind: Kind::Plain { body: ResponseBody::inner(body) } }
    }

    pub(super) fn full(bytes: Bytes) -> Self {
        Self { kind: Kind::Plain { body: ResponseBody::full(bytes) } }
    }

    /// The envelope without data.
    pub(super) fn null() -> Self {
        Self::full(NULL)
    }

    /// The envelope around the inner body, which may have to be decoded.
    pub(super) fn spliced(body: B, decoder: Option<Decoder>) -> Self {
        let splice = Splice {
            opening: None,
            stage: Stage::Opening,
            blank: true,
            held: None,
            decoder: decoder.map(Box::new),
            trailers: None,
        };
        Self { kind: Kind::Spliced { body, splice: Box::new(splice) } }
    }

    /// Whether it is the envelope around the inner body.
    pub(super) fn is_spliced(&self) -> bool {
        matches!(self.kind, Kind::Spliced { .. })
    }
}

impl<B> WrapBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// Waits for the beginning of a [spliced](Self::is_spliced) body, which is kept for whoever asks for it.
    pub(super) fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WrapError>> {
        let frame = ready!(Pin::new(&mut *self).poll_frame(cx)).transpose()?;
        if let Kind::Spliced { splice, .. } = &mut self.kind {
            splice.opening = frame;
        }
        Poll::Ready(Ok(()))
    }
}

impl<B> Body for WrapBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = WrapError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WrapError>>> {
        match self.project().kind.project() {
            KindProjected::Plain { body } => body.poll_frame(cx).map_err(inner_error),
            KindProjected::Spliced { body, splice } => match splice.opening.take() {
                Some(frame) => Poll::Ready(Some(Ok(frame))),
                None => splice.poll_frame(body, cx),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Plain { body } => body.is_end_stream(),
            Kind::Spliced { splice, .. } => {
                splice.opening.is_none() && splice.stage == Stage::Done && splice.held.is_none()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Plain { body } => body.size_hint(),
            Kind::Spliced { body, splice } => {
                let opening = splice.opening.as_ref().and_then(Frame::data_ref);
                splice.size_hint(opening.map_or(0, Bytes::len), &body.size_hint())
            }
        }
    }
}

impl Splice {
    fn poll_frame<B>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WrapError>>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        if let Some(frame) = self.held.take() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if self.stage == Stage::Done {
            return Poll::Ready(None);
        }
        loop {
            let frame = match ready!(self.poll_data(body.as_mut(), cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return self.fail(error),
                None => return self.close(None),
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(self.pass(data)))),
                Err(frame) => return self.close(frame.into_trailers().ok()),
            }
        }
    }

    /// The next frame of the inner body, decoded.
    fn poll_data<B>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WrapError>>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let Some(decoder) = &mut self.decoder else {
            return body.poll_frame(cx).map_err(inner_error);
        };
        loop {
            match decoder.pull() {
                Ok(Pulled::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Pulled::End) => {
                    return Poll::Ready(self.trailers.take().map(Frame::trailers).map(Ok));
                }
                Ok(Pulled::Busy) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(Pulled::NeedsInput) => {}
                Err(undecodable) => {
                    return Poll::Ready(Some(Err(WrapError::Upstream(undecodable.into()))));
                }
            }
            match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => decoder.push(data),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        decoder.finish();
                    }
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(inner_error(error)))),
                None => decoder.finish(),
            }
        }
    }

    /// A piece of data, or the prefix if it is the first one.
    fn pass(&mut self, data: Bytes) -> Frame<Bytes> {
        self.blank = self.blank && data.iter().all(|byte| is_white_space(*byte));
        let frame = Frame::data(data);
        match self.stage {
            Stage::Opening => {
                self.stage = Stage::Inside;
                self.held = Some(frame);
                Frame::data(PREFIX)
            }
            Stage::Inside | Stage::Done => frame,
        }
    }

    /// The end of the envelope, with the trailers behind it.
    fn close(
        &mut self,
        trailers: Option<HeaderMap>,
    ) -> Poll<Option<Result<Frame<Bytes>, WrapError>>> {
        let end = match self.stage {
            Stage::Opening => NULL,
            Stage::Inside | Stage::Done if self.blank => {
                let fault = UpstreamFault::new(UpstreamKind::Unexpected, Cause::Malformed);
                return self.fail(WrapError::Upstream(fault.into()));
            }
            Stage::Inside | Stage::Done => SUFFIX,
        };
        self.stage = Stage::Done;
        self.held = trailers.and_then(outer_trailers).map(Frame::trailers);
        Poll::Ready(Some(Ok(Frame::data(end))))
    }

    fn fail(&mut self, error: WrapError) -> Poll<Option<Result<Frame<Bytes>, WrapError>>> {
        self.stage = Stage::Done;
        Poll::Ready(Some(Err(error)))
    }

    fn size_hint(&self, opening: usize, inner: &SizeHint) -> SizeHint {
        // What is decoded says nothing about its length.
        let (lower, upper) = match self.decoder {
            Some(_) => (0, None),
            None => (inner.lower(), inner.upper()),
        };
        let around = (PREFIX.len() + SUFFIX.len()) as u64;
        let (lower, upper) = match self.stage {
            // With a byte of data the envelope is shorter than without.
            Stage::Opening => (
                lower.max(1).saturating_add(around),
                upper
                    .and_then(|upper| upper.checked_add(around))
                    .map(|upper| upper.max(NULL.len() as u64)),
            ),
            Stage::Inside => {
                let held = self.held.as_ref().and_then(Frame::data_ref);
                let ours = (opening + held.map_or(0, Bytes::len) + SUFFIX.len()) as u64;
                (lower.saturating_add(ours), upper.and_then(|upper| upper.checked_add(ours)))
            }
            Stage::Done => (opening as u64, Some(opening as u64)),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(lower);
        if let Some(upper) = upper {
            hint.set_upper(upper.max(lower));
        }
        hint
    }
}

fn inner_error(error: impl Into<BoxError>) -> WrapError {
    WrapError::Inner(error.into())
}

/// RFC 8259, section 2.
const fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
