//! A request body that can be sent again: what has been sent of it is kept, up to a limit.

use crate::buffer::Reservation;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};
use tower::BoxError;

/// The body of one attempt.
pub struct ReplayBody<B> {
    kind: Kind<B>,
}

enum Kind<B> {
    /// Of a request that is sent once.
    Once(B),
    /// There is nothing to send.
    Empty,
    /// What is kept, and then the rest.
    Copy { tape: Arc<Tape<B>>, attempt: u32, next: usize, ended: bool },
}

/// What was sent, and what is still to come.
pub(super) struct Tape<B> {
    state: Mutex<Recording<B>>,
}

struct Recording<B> {
    rest: Option<B>,
    kept: Vec<Bytes>,
    length: usize,
    limit: usize,
    /// What `kept` takes.
    memory: Reservation,
    trailers: Option<HeaderMap>,
    /// The attempt that may read on; older ones are over.
    attempt: u32,
    /// Nobody will want it again.
    is_last: bool,
    /// Too long to be kept, or there is no memory for it.
    lost: bool,
}

/// Makes the body of each attempt.
pub(super) enum Bodies<B> {
    /// One, which was not given out yet.
    Once(Option<B>),
    Empty,
    Tape(Arc<Tape<B>>),
}

#[cfg(feature = "standalone")]
impl<B> ReplayBody<B> {
    /// One that is sent once.
    pub(crate) const fn once(body: B) -> Self {
        Self { kind: Kind::Once(body) }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Bodies<B> {
    /// For a request that is sent once.
    pub(super) const fn once(body: B) -> Self {
        Self::Once(Some(body))
    }

    /// For a request that may be sent again, as long as no more than this was read. `memory` grows with what is kept.
    pub(super) fn repeatable(body: B, limit: usize, memory: Reservation) -> Self {
        if body.is_end_stream() {
            return Self::Empty;
        }
        // Of one that is too long nothing is kept; as long as nothing of it was sent, it can still be sent elsewhere.
        let limit = if body.size_hint().lower() > limit as u64 { 0 } else { limit };
        let recording = Recording {
            rest: Some(body),
            kept: Vec::new(),
            length: 0,
            limit,
            memory,
            trailers: None,
            attempt: 0,
            is_last: false,
            lost: false,
        };
        Self::Tape(Arc::new(Tape { state: Mutex::new(recording) }))
    }

    /// The body of the next attempt. `None` when it cannot be sent again. `is_last`: there will be no other.
    pub(super) fn next(&mut self, is_last: bool) -> Option<ReplayBody<B>> {
        let kind = match self {
            Self::Once(body) => Kind::Once(body.take()?),
            Self::Empty => Kind::Empty,
            Self::Tape(tape) => {
                let mut recording = tape.lock();
                if recording.lost {
                    return None;
                }
                recording.attempt += 1;
                recording.is_last = is_last;
                Kind::Copy { tape: tape.clone(), attempt: recording.attempt, next: 0, ended: false }
            }
        };
        Some(ReplayBody { kind })
    }

    /// Whether there is another one.
    pub(super) fn has_next(&self) -> bool {
        match self {
            Self::Once(body) => body.is_some(),
            Self::Empty => true,
            Self::Tape(tape) => !tape.lock().lost,
        }
    }
}

impl<B> Tape<B> {
    fn lock(&self) -> MutexGuard<'_, Recording<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt that goes on sending after another one has taken over.
#[derive(Debug)]
struct TakenOver;

impl fmt::Display for TakenOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another attempt has taken over")
    }
}

impl std::error::Error for TakenOver {}

impl<B> Body for ReplayBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.kind {
            Kind::Once(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Kind::Empty => Poll::Ready(None),
            Kind::Copy { tape, attempt, next, ended } => {
                let mut recording = tape.lock();
                if *ended {
                    return Poll::Ready(None);
                }
                if recording.attempt != *attempt {
                    return Poll::Ready(Some(Err(TakenOver.into())));
                }
                if let Some(piece) = recording.kept.get(*next) {
                    *next += 1;
                    return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
                }
                let frame = ready!(recording.poll_rest(cx));
                *next = recording.kept.len();
                *ended = !matches!(&frame, Some(Ok(frame)) if frame.is_data());
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Once(body) => body.is_end_stream(),
            Kind::Empty => true,
            Kind::Copy { ended: true, .. } => true,
            Kind::Copy { tape, next, .. } => {
                let recording = tape.lock();
                *next >= recording.kept.len()
                    && recording.trailers.is_none()
                    && recording.rest.as_ref().is_none_or(Body::is_end_stream)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Once(body) => body.size_hint(),
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Copy { tape, next, .. } => tape.lock().size_hint(*next),
        }
    }
}

impl<B> Recording<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// How much there is from this piece on.
    fn size_hint(&self, next: usize) -> SizeHint {
        let kept: u64 = self.kept.iter().skip(next).map(|piece| piece.len() as u64).sum();
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(kept + rest.lower());
        // Behind a length there is no place for trailers.
        if let (Some(upper), None) = (rest.upper(), &self.trailers) {
            hint.set_upper(kept + upper);
        }
        hint
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(rest) = &mut self.rest else {
            let trailers = self.trailers.clone();
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        };
        match ready!(Pin::new(rest).poll_frame(cx)) {
            None => {
                self.rest = None;
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                // It cannot be read on from here.
                self.lost = true;
                Poll::Ready(Some(Err(error.into())))
            }
            Some(Ok(frame)) => {
                match frame.data_ref() {
                    Some(piece) => self.keep(piece),
                    None => {
                        self.trailers = frame.trailers_ref().cloned();
                        self.rest = None;
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn keep(&mut self, piece: &Bytes) {
        if self.is_last {
            return;
        }
        self.length += piece.len();
        let takes = piece.len() + size_of::<Bytes>();
        if self.lost || self.length > self.limit || !self.memory.grow(takes) {
            self.lost = true;
            self.kept = Vec::new();
            self.memory.shrink_to(0);
        } else {
            self.kept.push(piece.clone());
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Once(_) => "once",
            Kind::Empty => "empty",
            Kind::Copy { .. } => "copy",
        };
        f.debug_tuple("ReplayBody").field(&kind).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Budget;
    use http_body_util::{BodyExt, Full};
    use std::{collections::VecDeque, convert::Infallible};

    fn repeatable<B: Body<Data = Bytes> + Unpin>(body: B, limit: usize) -> Bodies<B> {
        Bodies::repeatable(body, limit, Reservation::unlimited())
    }

    struct Frames(VecDeque<Frame<Bytes>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }
    }

    /// These pieces, and a trailer.
    fn body(pieces: &[&'static str]) -> Frames {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        let pieces = pieces.iter().map(|piece| Frame::data(Bytes::from(*piece)));
        Frames(pieces.chain([Frame::trailers(trailers)]).collect())
    }

    async fn all<B>(body: ReplayBody<B>) -> (Bytes, bool)
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().is_some();
        (collected.to_bytes(), trailers)
    }

    #[tokio::test]
    async fn again_and_again() {
        let mut bodies = repeatable(body(&["ab", "cd", "e"]), 5);
        for _ in 0..3 {
            assert_eq!(all(bodies.next(false).unwrap()).await, (Bytes::from("abcde"), true));
        }
        // Wherever the one before has stopped.
        for stop in 0..5 {
            let mut bodies = repeatable(body(&["ab", "cd", "e"]), 5);
            let mut first = bodies.next(false).unwrap();
            for _ in 0..stop {
                first.frame().await;
            }
            let second = bodies.next(false).unwrap();
            if stop < 4 {
                assert!(first.frame().await.unwrap().is_err(), "another one has taken over");
            }
            assert_eq!(all(second).await, (Bytes::from("abcde"), true), "{stop}");
        }
    }

    #[tokio::test]
    async fn not_beyond_the_limit() {
        let mut bodies = repeatable(body(&["ab", "cd", "e"]), 4);
        assert!(bodies.has_next());
        assert_eq!(all(bodies.next(false).unwrap()).await, (Bytes::from("abcde"), true));
        assert!(!bodies.has_next() && bodies.next(false).is_none());
        // As long as no more than that was read, it may.
        let mut bodies = repeatable(body(&["ab", "cd", "e"]), 4);
        bodies.next(false).unwrap().frame().await.unwrap().unwrap();
        assert_eq!(all(bodies.next(false).unwrap()).await.0, "abcde");
        // One that says that it is too long is not kept at all, and goes on until something of it was sent.
        let mut bodies = repeatable(Full::new(Bytes::from("abcde")), 4);
        assert!(bodies.next(false).is_some() && bodies.has_next());
        assert_eq!(all(bodies.next(false).unwrap()).await.0, "abcde");
        assert!(!bodies.has_next() && bodies.next(false).is_none());
    }

    #[tokio::test]
    async fn not_beyond_the_memory() {
        let budget = Budget::new(100);
        let mut bodies = Bodies::repeatable(body(&["ab", "cd", "e"]), 9, budget.nothing());
        let mut first = bodies.next(false).unwrap();
        let mut frames = 0;
        while first.frame().await.is_some() {
            frames += 1;
            // A piece and where it is.
            assert_eq!(budget.reserved(), [34, 68, 0, 0][frames - 1]);
        }
        assert!(!bodies.has_next() && frames == 4);
    }

    #[tokio::test]
    async fn the_last_one_is_not_kept() {
        let budget = Budget::new(1000);
        let mut bodies = Bodies::repeatable(body(&["ab", "cd", "e"]), 9, budget.nothing());
        bodies.next(false).unwrap().frame().await.unwrap().unwrap();
        let mut last = bodies.next(true).unwrap();
        for lower in [5, 3, 1, 0] {
            assert!(last.size_hint().lower() <= lower, "{:?}", last.size_hint());
            last.frame().await.unwrap().unwrap();
            assert_eq!(budget.reserved(), 34);
        }
        assert!(last.frame().await.is_none());
    }

    #[tokio::test]
    async fn nothing_is_sent_again_as_often_as_one_likes() {
        let mut bodies = repeatable(Full::new(Bytes::new()), 0);
        for _ in 0..3 {
            let body = bodies.next(false).unwrap();
            assert!(body.is_end_stream());
            assert_eq!(all(body).await.0, "");
        }
    }

    #[tokio::test]
    async fn lengths_are_kept() {
        let mut bodies = repeatable(Full::new(Bytes::from("abcde")), 9);
        for _ in 0..2 {
            let mut body = bodies.next(false).unwrap();
            assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(5), false));
            body.frame().await.unwrap().unwrap();
            assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
        }
    }
}
