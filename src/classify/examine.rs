//! One answer, looked at until it is clear what it means.

use super::{
    ClassifiedBody, Inspection,
    body::Begun,
    events::{EventBody, Voice},
    plan::{Plan, plan},
};
use crate::{
    Fault,
    fault::{Cause, UpstreamFault, UpstreamKind},
    normalize::rescue_or,
    profile::{Answer, Content},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, header, response::Parts};
use http_body::Body;
use std::{
    collections::VecDeque,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower::BoxError;

/// An answer that is being looked at.
#[derive(Debug)]
pub(crate) struct Examination<B> {
    inspection: Arc<Inspection>,
    parts: Option<Parts>,
    state: State<B>,
}

#[derive(Debug)]
enum State<B> {
    /// The head is enough.
    Head(B, Content),
    /// The body is collected.
    Collecting { body: B, first: VecDeque<Bytes>, length: usize, sniff: bool },
    /// The first event is awaited.
    Opening(Box<EventBody<B>>),
    /// It was said what it means.
    Done,
}

impl<B> Examination<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// Begins to look at an answer. `is_head`: to a request with HEAD. `voice`: how a failure within a stream is told.
    pub(crate) fn new(
        response: Response<B>,
        inspection: Arc<Inspection>,
        is_head: bool,
        voice: impl FnOnce() -> Voice,
    ) -> Self {
        let (mut parts, body) = response.into_parts();
        let plan = plan(
            &inspection.profile,
            parts.status,
            &parts.headers,
            &body.size_hint(),
            is_head,
            inspection.max_bytes,
        );
        let collecting =
            |body, sniff| State::Collecting { body, first: VecDeque::new(), length: 0, sniff };
        let state = match plan {
            Plan::Head(content) => State::Head(body, content),
            Plan::Body => collecting(body, false),
            Plan::Beginning => collecting(body, true),
            Plan::Events(framing) => {
                match EventBody::new(body, framing, &parts, inspection.clone(), voice()) {
                    Ok(events) => {
                        // What follows a failure is ours, and compressed streams go on as they are read.
                        parts.headers.remove(header::CONTENT_LENGTH);
                        parts.headers.remove(header::CONTENT_ENCODING);
                        State::Opening(Box::new(events))
                    }
                    Err(body) => State::Head(body, Content::Undecodable),
                }
            }
        };
        Self { inspection, parts: Some(parts), state }
    }

    /// The answer, or what failed.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<ClassifiedBody<B>>, Fault>> {
        let Some(parts) = &self.parts else { return Poll::Pending };
        let read = match &mut self.state {
            State::Head(..) | State::Done => None,
            State::Collecting { body, first, length, sniff } => {
                let limit = self.inspection.max_bytes;
                let read = ready!(poll_collect(body, first, length, *sniff, limit, cx));
                match read {
                    Ok(read) => Some(read),
                    // What is known of a failure is its status; a success that breaks off is one no more.
                    Err(_) if parts.status.as_u16() >= 400 => Some(Collected::Part),
                    Err(fault) => return Poll::Ready(Err(fault)),
                }
            }
            State::Opening(events) => {
                ready!(events.poll_opening(cx))?;
                None
            }
        };
        let Some(parts) = self.parts.take() else { return Poll::Pending };
        Poll::Ready(self.decide(parts, read))
    }

    fn decide(
        &mut self,
        parts: Parts,
        read: Option<Collected>,
    ) -> Result<Response<ClassifiedBody<B>>, Fault> {
        let profile = &self.inspection.profile;
        let judge = |content: &Content| {
            let answer = Answer::new(parts.status, &parts.headers, content);
            let verdict = profile.classify(&answer);
            let Some(fault) = verdict.fault else { return Ok(()) };
            #[cfg(feature = "standalone")]
            if let (Some(watch), None) = (&self.inspection.watch, verdict.rule) {
                watch.note(
                    profile,
                    parts.status,
                    answer.media_type(),
                    fault.kind,
                    answer.whole_text(),
                );
            }
            Err(Fault::from(fault))
        };
        let body = match mem::replace(&mut self.state, State::Done) {
            State::Head(body, content) => {
                judge(&content)?;
                ClassifiedBody::untouched(body)
            }
            State::Collecting { body, first, .. } => {
                let (content, rest, trailers) = match read {
                    Some(Collected::Whole(trailers)) => {
                        let content = Content::read(
                            &parts.headers,
                            joined(&first),
                            4 * self.inspection.max_bytes,
                        );
                        (content, None, trailers)
                    }
                    _ => (Content::Unread, Some(body), None),
                };
                judge(&content)?;
                ClassifiedBody::begun(Begun { first, rest, trailers })
            }
            State::Opening(events) => ClassifiedBody::events(events),
            State::Done => return Err(Fault::Internal),
        };
        Ok(Response::from_parts(parts, body))
    }
}

/// How far a body was read.
#[derive(Debug)]
enum Collected {
    /// To its end.
    Whole(Option<HeaderMap>),
    /// As far as it is looked at.
    Part,
}

fn poll_collect<B>(
    body: &mut B,
    first: &mut VecDeque<Bytes>,
    length: &mut usize,
    sniff: bool,
    limit: usize,
    cx: &mut Context<'_>,
) -> Poll<Result<Collected, Fault>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let mut trailers = None;
    loop {
        let frame = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            None => return Poll::Ready(Ok(Collected::Whole(trailers))),
            Some(Err(error)) => return Poll::Ready(Err(broken(error.into()))),
            Some(Ok(frame)) => frame,
        };
        match frame.into_data() {
            Ok(piece) => {
                *length += piece.len();
                first.push_back(piece);
                if *length > limit || (sniff && !may_be_json(first.iter().flatten())) {
                    return Poll::Ready(Ok(Collected::Part));
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
}

/// Whether a body that begins with these bytes may be an object or an array.
pub(super) fn may_be_json<'a>(first: impl IntoIterator<Item = &'a u8>) -> bool {
    let mut bytes = first.into_iter().skip_while(|byte| byte.is_ascii_whitespace());
    matches!(bytes.next(), None | Some(b'{' | b'['))
}

fn joined(pieces: &VecDeque<Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces[0].clone();
    }
    let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
    whole.freeze()
}

/// Why an answer broke off: what its body says, or nothing that anybody knows.
pub(super) fn broken(error: BoxError) -> Fault {
    rescue_or(&*error, UpstreamFault::new(UpstreamKind::Incomplete, Cause::CutOff))
}
