//! A body of which the beginning was read.

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

/// What was read, and then the rest.
#[derive(Debug)]
pub(crate) struct Begun<B> {
    pub(crate) first: VecDeque<Bytes>,
    /// `None` when the end was seen.
    pub(crate) rest: Option<B>,
    pub(crate) trailers: Option<Box<HeaderMap>>,
}

impl<B: Body<Data = Bytes> + Unpin> Begun<B> {
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(piece) = self.first.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx),
            None => {
                Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(*trailers))))
            }
        }
    }
}

impl<B: Body> Begun<B> {
    pub(crate) fn is_end_stream(&self) -> bool {
        self.first.is_empty()
            && self.trailers.is_none()
            && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        let taken: u64 = self.first.iter().map(|piece| piece.len() as u64).sum();
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(taken));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(taken)) {
            hint.set_upper(upper);
        }
        hint
    }
}

#[cfg(any(feature = "idempotency", feature = "tasks"))]
impl<B: Body<Data = Bytes> + Unpin> Begun<B> {
    /// A body of which nothing was read yet.
    pub(crate) const fn new(body: B) -> Self {
        Self { first: VecDeque::new(), rest: Some(body), trailers: None }
    }

    /// Reads to the end, or so far that it is more than `most` bytes.
    pub(crate) async fn read(&mut self, most: usize) -> Result<(), B::Error> {
        use http_body_util::BodyExt;
        let mut length = 0;
        while let Some(body) = self.rest.as_mut().filter(|_| length <= most) {
            match body.frame().await.transpose()? {
                None => self.rest = None,
                Some(frame) => match frame.into_data() {
                    Ok(piece) => {
                        length += piece.len();
                        self.first.push_back(piece);
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok().map(Box::new),
                },
            }
        }
        Ok(())
    }

    /// The whole of it, if it was read to its end.
    pub(crate) fn whole(&self) -> Option<Bytes> {
        if self.rest.is_some() {
            return None;
        }
        match &self.first {
            pieces if pieces.len() == 1 => pieces.front().cloned(),
            pieces => Some(pieces.iter().flatten().copied().collect()),
        }
    }
}
