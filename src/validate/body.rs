#[cfg(feature = "standalone")]
use super::policy::forget_old_bytes;
use bytes::Bytes;
use http::HeaderMap;
#[cfg(feature = "standalone")]
use http::request::Parts;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// The body of a request that was let on: as it came, or whole and in memory.
    #[derive(Debug)]
    pub struct ValidatedBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjected]
    #[derive(Debug)]
    enum Kind<B> {
        // Nobody has looked at it.
        Untouched { #[pin] body: B },
        // What is still to be sent.
        Checked { first: Option<Bytes>, rest: VecDeque<Bytes>, trailers: Option<HeaderMap> },
    }
}

impl<B> ValidatedBody<B> {
    pub(super) const fn untouched(body: B) -> Self {
        Self { kind: Kind::Untouched { body } }
    }

    /// A request with another body than it had.
    #[cfg(feature = "standalone")]
    pub(crate) fn in_place_of(parts: &mut Parts, pieces: Vec<Bytes>) -> Self {
        forget_old_bytes(parts, None, pieces.iter().map(Bytes::len).sum());
        Self::checked(Pieces::Edited(pieces), None)
    }

    pub(super) fn checked(pieces: Pieces, trailers: Option<HeaderMap>) -> Self {
        let (first, rest) = match pieces {
            Pieces::Whole(bytes) => (Some(bytes), VecDeque::new()),
            Pieces::Edited(pieces) => (None, pieces.into()),
        };
        Self { kind: Kind::Checked { first, rest, trailers } }
    }
}

/// A body in memory.
#[derive(Debug)]
pub(super) enum Pieces {
    /// As it came.
    Whole(Bytes),
    /// With edits.
    Edited(Vec<Bytes>),
}

impl<B: Body<Data = Bytes>> Body for ValidatedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjected::Untouched { body } => body.poll_frame(cx),
            KindProjected::Checked { first, rest, trailers } => {
                let piece = first.take().or_else(|| rest.pop_front());
                let frame = piece.map(Frame::data);
                Poll::Ready(frame.or_else(|| trailers.take().map(Frame::trailers)).map(Ok))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Untouched { body } => body.is_end_stream(),
            Kind::Checked { first, rest, trailers } => {
                first.is_none() && rest.is_empty() && trailers.is_none()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Untouched { body } => body.size_hint(),
            Kind::Checked { first, rest, trailers } => {
                let length = first.iter().chain(rest).map(|piece| piece.len() as u64).sum();
                if trailers.is_none() {
                    return SizeHint::with_exact(length);
                }
                // Behind a declared length there is no place for trailers.
                let mut hint = SizeHint::new();
                hint.set_lower(length);
                hint
            }
        }
    }
}
