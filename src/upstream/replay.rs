//! A request body that can be sent again: what has been sent of it is kept, up to a limit.

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
    trailers: Option<HeaderMap>,
    /// The attempt that may read on; older ones are over.
    attempt: u32,
    /// Too long to be kept.
    lost: bool,
    /// The hint before anything was read.
    hint: SizeHint,
}

/// Makes the body of each attempt.
pub(super) enum Bodies<B> {
    /// One, which was not given out yet.
    Once(Option<B>),
    Empty,
    Tape(Arc<Tape<B>>),
}

impl<B: Body<Data = Bytes> + Unpin> Bodies<B> {
    /// For a request that is sent once.
    pub(super) const fn once(body: B) -> Self {
        Self::Once(Some(body))
    }

    /// For a request that may be sent again, as long as no more than this was read.
    pub(super) fn repeatable(body: B, limit: usize) -> Self {
        if body.is_end_stream() {
            return Self::Empty;
        }
        if body.size_hint().lower() > limit as u64 {
            return Self::once(body);
        }
        let hint = body.size_hint();
        let recording = Recording {
            rest: Some(body),
            kept: Vec::new(),
            length: 0,
            limit,
            trailers: None,
            attempt: 0,
            lost: false,
            hint,
        };
        Self::Tape(Arc::new(Tape { state: Mutex::new(recording) }))
    }

    /// The body of the next attempt. `None` when it cannot be sent again.
    pub(super) fn next(&mut self) -> Option<ReplayBody<B>> {
        let kind = match self {
            Self::Once(body) => Kind::Once(body.take()?),
            Self::Empty => Kind::Empty,
            Self::Tape(tape) => {
                let mut recording = tape.lock();
                if recording.lost {
                    return None;
                }
                recording.attempt += 1;
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
            Kind::Copy { tape, next, .. } => {
                let recording = tape.lock();
                if let (true, Some(rest)) = (recording.lost, &recording.rest) {
                    return rest.size_hint();
                }
                let sent: u64 =
                    recording.kept.iter().take(*next).map(|piece| piece.len() as u64).sum();
                let mut hint = SizeHint::new();
                hint.set_lower(recording.hint.lower().saturating_sub(sent));
                if let Some(upper) = recording.hint.upper() {
                    hint.set_upper(upper.saturating_sub(sent));
                }
                hint
            }
        }
    }
}

impl<B> Recording<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
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
        self.length += piece.len();
        if self.lost || self.length > self.limit {
            self.lost = true;
            self.kept = Vec::new();
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
    use http_body_util::{BodyExt, Full};
    use std::{collections::VecDeque, convert::Infallible};

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
        let mut bodies = Bodies::repeatable(body(&["ab", "cd", "e"]), 5);
        for _ in 0..3 {
            assert_eq!(all(bodies.next().unwrap()).await, (Bytes::from("abcde"), true));
        }
        // Wherever the one before has stopped.
        for stop in 0..5 {
            let mut bodies = Bodies::repeatable(body(&["ab", "cd", "e"]), 5);
            let mut first = bodies.next().unwrap();
            for _ in 0..stop {
                first.frame().await;
            }
            let second = bodies.next().unwrap();
            if stop < 4 {
                assert!(first.frame().await.unwrap().is_err(), "another one has taken over");
            }
            assert_eq!(all(second).await, (Bytes::from("abcde"), true), "{stop}");
        }
    }

    #[tokio::test]
    async fn not_beyond_the_limit() {
        let mut bodies = Bodies::repeatable(body(&["ab", "cd", "e"]), 4);
        assert!(bodies.has_next());
        assert_eq!(all(bodies.next().unwrap()).await, (Bytes::from("abcde"), true));
        assert!(!bodies.has_next() && bodies.next().is_none());
        // As long as no more than that was read, it may.
        let mut bodies = Bodies::repeatable(body(&["ab", "cd", "e"]), 4);
        bodies.next().unwrap().frame().await.unwrap().unwrap();
        assert_eq!(all(bodies.next().unwrap()).await.0, "abcde");
        // One that says that it is too long is not kept at all.
        let mut bodies = Bodies::repeatable(Full::new(Bytes::from("abcde")), 4);
        assert!(bodies.next().is_some() && bodies.next().is_none());
    }

    #[tokio::test]
    async fn nothing_is_sent_again_as_often_as_one_likes() {
        let mut bodies = Bodies::repeatable(Full::new(Bytes::new()), 0);
        for _ in 0..3 {
            let body = bodies.next().unwrap();
            assert!(body.is_end_stream());
            assert_eq!(all(body).await.0, "");
        }
    }

    #[tokio::test]
    async fn lengths_are_kept() {
        let mut bodies = Bodies::repeatable(Full::new(Bytes::from("abcde")), 9);
        for _ in 0..2 {
            let mut body = bodies.next().unwrap();
            assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(5), false));
            body.frame().await.unwrap().unwrap();
            assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
        }
    }
}
