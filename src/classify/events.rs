//! A stream of events, each of which is looked at before it goes on.

use super::{Inspection, examine::broken, judge::tell};
use crate::{
    Catalog, Fault,
    decode::{Decoder, Pulled},
    envelope,
    fault::{Cause, UpstreamFault, UpstreamKind},
    profile::{Answer, Content, WorkState},
    signal::Signal,
    stream::{Event, Framing, Piece, Splitter},
    work::{WorkEnd, WorkReport},
};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, response::Parts};
use http_body::Body;
use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};
use tokio::time::{Instant, Sleep, sleep};
use tower::BoxError;

/// How a failure is told to a caller who has the head of the answer already.
pub(crate) struct Voice {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) request_id: Option<HeaderValue>,
    /// Where it is said what became of the work, if somebody wants to know.
    pub(crate) report: Option<WorkReport>,
    /// Hears of a failure within the stream, once.
    pub(crate) on_fault: Option<Box<dyn FnOnce(&Fault) + Send + Sync>>,
}

impl fmt::Debug for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Voice").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

/// The events of an answer.
#[derive(Debug)]
pub(super) struct EventBody<B> {
    /// `None` when there is nothing more to come of it.
    inner: Option<B>,
    decoder: Option<Decoder>,
    splitter: Splitter,
    framing: Framing,
    /// What may go on.
    ready: VecDeque<Bytes>,
    /// What came before the first event that says something.
    quiet: BytesMut,
    status: StatusCode,
    headers: HeaderMap,
    inspection: Arc<Inspection>,
    voice: Voice,
    /// It has said that the work is not done yet.
    works: bool,
    /// Something in it was too long to be looked at.
    unread: bool,
    /// When it has to end, whatever is to come.
    stop: Option<Stop>,
    /// Runs while there is silence, if there are heartbeats.
    silence: Option<Pin<Box<Sleep>>>,
    /// The last piece that went on was the end of an event: something may be put behind it.
    between: bool,
}

/// Waits for the signal to stop, without being asked for it at every event.
struct Stop {
    signal: Signal,
    begun: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    /// Who is told.
    waits: Option<Waker>,
}

impl Stop {
    fn new(signal: Signal) -> Self {
        let waiting = signal.clone();
        Self { signal, begun: Box::pin(async move { waiting.begun().await }), waits: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let knows = self.waits.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if knows && !self.signal.has_begun() {
            return Poll::Pending;
        }
        self.waits = Some(cx.waker().clone());
        self.begun.as_mut().poll(cx)
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").field(&self.signal).finish()
    }
}

/// What is between two events and no event: so that nobody takes silence for the end.
const HEARTBEAT: Bytes = Bytes::from_static(b": heartbeat\n\n");

impl<B> EventBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// The events of this body. Gives the body back when its coding is unknown.
    pub(super) fn new(
        body: B,
        framing: Framing,
        parts: &Parts,
        inspection: Arc<Inspection>,
        voice: Voice,
    ) -> Result<Self, B> {
        let Ok(decoder) = Decoder::of(&parts.headers) else { return Err(body) };
        Ok(Self {
            inner: Some(body),
            decoder,
            splitter: Splitter::new(framing, inspection.max_event_bytes),
            framing,
            ready: VecDeque::new(),
            quiet: BytesMut::new(),
            status: parts.status,
            headers: parts.headers.clone(),
            voice,
            works: false,
            unread: false,
            stop: inspection.stop.clone().map(Stop::new),
            inspection,
            silence: None,
            between: true,
        })
    }

    /// Waits for the first event that says something. A stream that begins with a failure is one.
    pub(super) fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        while self.quiet.len() <= self.inspection.max_event_bytes {
            let Some((piece, says_something)) = ready!(self.poll_piece(cx))? else {
                // A stream that says nothing.
                let cause = Cause::Status(self.status.as_u16());
                let fault = UpstreamFault::new(UpstreamKind::Unexpected, cause);
                self.note(&fault, None);
                return Poll::Ready(Err(fault.into()));
            };
            if says_something {
                let quiet = mem::take(&mut self.quiet).freeze();
                self.ready.extend([quiet, piece].into_iter().filter(|piece| !piece.is_empty()));
                return Poll::Ready(Ok(()));
            }
            // In one piece: there may be very many.
            self.quiet.extend_from_slice(&piece);
        }
        self.ready.push_back(mem::take(&mut self.quiet).freeze());
        Poll::Ready(Ok(()))
    }

    /// Tells whoever collects them of a failure that no rule knows.
    fn note(&self, fault: &UpstreamFault, text: Option<&str>) {
        self.inspection.note(self.status, &self.headers, fault.kind, text);
    }

    /// The next event as it came; after a failure, ours and then the end.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(ready) = self.ready.pop_front() {
            return Poll::Ready(Some(ready));
        }
        if self.stop.as_mut().is_some_and(|stop| stop.poll(cx).is_ready()) {
            self.stop = None;
            // An end that was seen already is one.
            if self.inner.is_some() {
                return Poll::Ready(Some(self.end_with(Fault::ShuttingDown)));
            }
        }
        match self.poll_piece(cx) {
            Poll::Ready(Ok(piece)) => {
                self.silence = None;
                Poll::Ready(piece.map(|(piece, _)| piece))
            }
            Poll::Ready(Err(fault)) => Poll::Ready(Some(self.give_up(fault))),
            Poll::Pending => self.poll_heartbeat(cx).map(Some),
        }
    }

    /// The next piece, and whether it says something. An error is a failure within the stream, after which there is nothing.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<(Bytes, bool)>, Fault>> {
        loop {
            if let Some(piece) = self.splitter.next() {
                return Poll::Ready(self.judge(piece).map(Some));
            }
            let Some(inner) = &mut self.inner else {
                return Poll::Ready(match self.splitter.rest() {
                    Some(piece) if is_cut_off(self.framing, &piece) => {
                        Err(UpstreamFault::new(UpstreamKind::Incomplete, Cause::CutOff).into())
                    }
                    Some(piece) => self.judge(piece).map(Some),
                    None => {
                        self.ends();
                        Ok(None)
                    }
                });
            };
            match ready!(poll_data(inner, self.decoder.as_mut(), cx))? {
                Some(bytes) => self.splitter.push(bytes),
                None => self.inner = None,
            }
        }
    }

    fn judge(&mut self, piece: Piece) -> Result<(Bytes, bool), Fault> {
        self.between = piece.ends;
        if !piece.whole {
            self.unread = true;
            if let Some(report) = &self.voice.report {
                report.was_not_read();
            }
            return Ok((piece.raw, true));
        }
        let event = Event::read(self.framing, &piece.raw);
        let Some(data) = event.data else { return Ok((piece.raw, false)) };
        let content = Content::of_text(data);
        let answer = Answer::new(self.status, &self.headers, &content)
            .of_event(event.name.as_deref().unwrap_or("message"));
        let verdict = self.inspection.profile.classify(&answer);
        let Some(fault) = verdict.fault else {
            if let Some(report) = &self.voice.report {
                let state = tell(report, &self.inspection.profile, self.status, &content);
                self.works |= state == Some(WorkState::Running);
                // As APIs in the manner of OpenAI's end a stream: nothing comes after it.
                if content.text().is_some_and(|text| text.trim() == "[DONE]") {
                    report.tell(WorkEnd::Succeeded);
                }
            }
            return Ok((piece.raw, true));
        };
        if verdict.rule.is_none() {
            self.note(&fault, content.text());
        }
        Err(fault.into())
    }

    /// The stream is at its end, whatever it has said.
    fn ends(&self) {
        // What was too long to be read may have said it.
        if let Some(report) = self.voice.report.as_ref().filter(|_| self.works && !self.unread) {
            report.tell(WorkEnd::Unsaid);
        }
    }

    /// The last event of a stream that has failed.
    fn give_up(&mut self, fault: Fault) -> Bytes {
        if let Some(report) = &self.voice.report {
            report.tell(WorkEnd::Failed(fault.clone()));
        }
        self.end_with(fault)
    }

    /// The last event: the envelope. What else comes from the provider is not wanted; where nothing was said of the work, nobody knows
    /// what becomes of it.
    fn end_with(&mut self, fault: Fault) -> Bytes {
        self.inner = None;
        self.splitter = Splitter::new(self.framing, 0);
        let context = envelope::Context { head: false, request_id: self.voice.request_id.as_ref() };
        let envelope = self.voice.catalog.respond(&fault, context).into_body();
        if let Some(report) = &self.voice.report {
            report.tell(WorkEnd::Unsaid);
        }
        if let Some(on_fault) = self.voice.on_fault.take() {
            on_fault(&fault);
        }
        let mut event = BytesMut::with_capacity(envelope.len() + 32);
        // An event that was passed on in parts is left unfinished: an empty line ends it, whatever it is.
        if !self.between {
            event.put_slice(match self.framing {
                Framing::Sse => b"\n\n",
                Framing::JsonLines => b"\n",
            });
        }
        match self.framing {
            Framing::Sse => {
                event.put_slice(b"event: error\ndata: ");
                event.put_slice(&envelope);
                event.put_slice(b"\n\n");
            }
            Framing::JsonLines => {
                event.put_slice(&envelope);
                event.put_u8(b'\n');
            }
        }
        event.freeze()
    }

    fn poll_heartbeat(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let Some(every) = self.inspection.heartbeat else { return Poll::Pending };
        if self.framing != Framing::Sse || !self.between {
            return Poll::Pending;
        }
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(every)));
        ready!(silence.as_mut().poll(cx));
        silence.as_mut().reset(Instant::now() + every);
        Poll::Ready(HEARTBEAT)
    }
}

/// Whether a stream has ended within the JSON of its last event. An event without its end is none (WHATWG HTML, section 9.2.6); those that
/// are whole but for that pass all the same.
fn is_cut_off(framing: Framing, piece: &Piece) -> bool {
    let data = Event::read(framing, &piece.raw).data.filter(|_| piece.whole);
    data.is_some_and(|data| {
        matches!(data.first(), Some(b'{' | b'[')) && !Content::of_text(data).is_json()
    })
}

/// The next bytes of the stream, without its coding. `None` at the end.
fn poll_data<B>(
    inner: &mut B,
    mut decoder: Option<&mut Decoder>,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Bytes>, Fault>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    loop {
        if let Some(decoder) = &mut decoder {
            match decoder.pull().map_err(Fault::from)? {
                Pulled::Data(bytes) => return Poll::Ready(Ok(Some(bytes))),
                Pulled::End => return Poll::Ready(Ok(None)),
                Pulled::Busy => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Pulled::NeedsInput => {}
            }
        }
        let frame = match ready!(Pin::new(&mut *inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Err(broken(error.into()))),
            None => match &mut decoder {
                Some(decoder) => {
                    decoder.finish();
                    continue;
                }
                None => return Poll::Ready(Ok(None)),
            },
        };
        // Trailers of a stream of events say nothing that anybody reads.
        let Ok(bytes) = frame.into_data() else { continue };
        if bytes.is_empty() {
            continue;
        }
        match &mut decoder {
            Some(decoder) => decoder.push(bytes),
            None => return Poll::Ready(Ok(Some(bytes))),
        }
    }
}
