//! One answer, looked at until it is clear what it means.

use super::{
    ClassifiedBody, Inspection, Listener,
    events::{EventBody, Voice},
    judge::{judge, tell, tell_failure},
    plan::{Plan, plan},
};
use crate::{
    Fault,
    begun::Begun,
    fault::{Cause, UpstreamFault, UpstreamKind},
    normalize::rescue_or,
    profile::{Content, UpstreamHeaders},
    work::WorkReport,
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, header, response::Parts};
use http_body::Body;
use std::{
    collections::VecDeque,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Sleep, sleep};
use tower::BoxError;

/// An answer that is being looked at.
#[derive(Debug)]
pub(crate) struct Examination<B> {
    inspection: Arc<Inspection>,
    parts: Option<Parts>,
    state: State<B>,
    /// Where it is said what became of the work, if somebody wants to know.
    report: Option<WorkReport>,
    /// Made when the body of a failure first has to be waited for.
    patience: Option<Pin<Box<Sleep>>>,
}

/// How long the rest of a failure is waited for: its status is known, and somebody wants to know it.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
enum State<B> {
    /// The head is enough.
    Head(B, Content),
    /// The body is collected.
    Collecting { body: B, first: VecDeque<Bytes>, length: usize, sniff: Option<Sniffer> },
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
    /// Begins to look at an answer. `is_head`: to a request with HEAD. `report`: where it is said what became of the work.
    /// `voice`: how a failure within a stream is told.
    pub(crate) fn new(
        response: Response<B>,
        inspection: Arc<Inspection>,
        is_head: bool,
        report: Option<WorkReport>,
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
            Plan::Body => collecting(body, None),
            Plan::Beginning => collecting(body, Some(Sniffer::default())),
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
        Self { inspection, parts: Some(parts), state, report, patience: None }
    }

    /// The answer, or what failed. `listener`: who hears if an answer that was let on breaks off.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        listener: Option<&Listener>,
    ) -> Poll<Result<Response<ClassifiedBody<B>>, Fault>> {
        let Some(parts) = &self.parts else { return Poll::Pending };
        let read = match &mut self.state {
            State::Head(..) | State::Done => None,
            State::Collecting { body, first, length, sniff } => {
                let limit = self.inspection.max_bytes;
                let is_failure = parts.status.as_u16() >= 400;
                match poll_collect(body, first, length, sniff, limit, cx) {
                    Poll::Ready(Ok(read)) => Some(read),
                    // What is known of a failure is its status; a success that breaks off is one no more.
                    Poll::Ready(Err(_)) if is_failure => Some(Collected::Part),
                    Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
                    Poll::Pending if is_failure => {
                        let patience =
                            self.patience.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
                        ready!(patience.as_mut().poll(cx));
                        Some(Collected::Part)
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            State::Opening(events) => {
                ready!(events.poll_opening(cx))?;
                None
            }
        };
        let Some(parts) = self.parts.take() else { return Poll::Pending };
        Poll::Ready(self.decide(parts, read, listener))
    }

    fn decide(
        &mut self,
        mut parts: Parts,
        read: Option<Collected>,
        listener: Option<&Listener>,
    ) -> Result<Response<ClassifiedBody<B>>, Fault> {
        let Inspection { profile, .. } = &*self.inspection;
        // As they came; what goes on has less in it.
        let original = parts.extensions.remove::<UpstreamHeaders>();
        let headers = original.as_ref().map_or(&parts.headers, |UpstreamHeaders(headers)| headers);
        let judge = |content: &Content| {
            let verdict = judge(profile, parts.status, headers, content);
            let Some(fault) = verdict.fault else {
                if let Some(report) = &self.report {
                    let _ = tell(report, profile, parts.status, content);
                }
                return Ok(());
            };
            if let Some(report) = &self.report {
                tell_failure(report, profile, &fault, content);
            }
            if verdict.rule.is_none() {
                self.inspection.note(parts.status, headers, fault.kind, content.text());
            }
            Err(Fault::from(fault))
        };
        let body = match mem::replace(&mut self.state, State::Done) {
            State::Head(body, content) => {
                judge(&content)?;
                let listener = listener.filter(|_| !body.is_end_stream());
                ClassifiedBody::untouched(body, listener.cloned())
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
                let listener = listener.filter(|_| rest.is_some());
                ClassifiedBody::begun(Begun { first, rest, trailers }, listener.cloned())
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
    Whole(Option<Box<HeaderMap>>),
    /// As far as it is looked at.
    Part,
}

fn poll_collect<B>(
    body: &mut B,
    first: &mut VecDeque<Bytes>,
    length: &mut usize,
    sniff: &mut Option<Sniffer>,
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
                let is_other = sniff.as_mut().is_some_and(|sniff| !sniff.may_be_json(&piece));
                first.push_back(piece);
                if *length > limit || is_other {
                    return Poll::Ready(Ok(Collected::Part));
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok().map(Box::new),
        }
    }
}

/// Looks at how a body begins, piece by piece.
#[derive(Debug, Default)]
pub(super) struct Sniffer {
    /// Something that is no blank was seen.
    decided: bool,
}

impl Sniffer {
    /// Whether a body that goes on with these bytes may be an object or an array. A byte order mark, and what UTF-16 puts between
    /// letters, counts as blank.
    pub(super) fn may_be_json(&mut self, piece: &[u8]) -> bool {
        let blank = |byte: &u8| {
            byte.is_ascii_whitespace() || matches!(byte, 0 | 0xef | 0xbb | 0xbf | 0xfe | 0xff)
        };
        match piece.iter().find(|byte| !blank(byte)) {
            _ if self.decided => true,
            None => true,
            Some(first) => {
                self.decided = true;
                matches!(first, b'{' | b'[')
            }
        }
    }
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
