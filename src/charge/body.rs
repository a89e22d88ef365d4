use super::{
    Ledger,
    hold::{Bill, Ending},
    service::Shared,
};
use crate::{Fault, fault::Charge, normalize::rescue};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    any::Any,
    collections::VecDeque,
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower::BoxError;

/// The body of an answer of [`Charge`](super::Charge). Of one that is paid for the end, or the event that says that the work is done, is
/// shown when the money is taken.
pub struct ChargedBody<B, L: Ledger> {
    kind: Kind<B, L>,
}

enum Kind<B, L: Ledger> {
    /// Nobody pays for it, or somebody else sees to it.
    Free(B),
    /// In a box: every layer moves the answers that are free, too.
    Paid(PaidBody<B, L>),
    /// A refusal.
    Ours(Option<Bytes>),
}

/// Why a body breaks off.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChargeError {
    /// The inner body does.
    Inner(BoxError),
    /// The money could not be taken.
    Unpaid(Fault),
}

impl fmt::Display for ChargeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inner(_) => "the body of the answer failed",
            Self::Unpaid(_) => "the answer could not be charged for",
        })
    }
}

impl Error for ChargeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Inner(error) => Some(&**error),
            Self::Unpaid(fault) => Some(fault),
        }
    }
}

/// The rest of a success that is to be paid for, in a box, so that it can go on without its client.
pub(super) struct PaidBody<B, L: Ledger> {
    rest: Option<Box<Rest<B, L>>>,
    /// What becomes of a rest that nobody wants.
    left: fn(Box<Rest<B, L>>),
}

pub(super) struct Rest<B, L: Ledger> {
    inner: B,
    bill: Bill<L>,
    pub(super) shared: Arc<Shared<L>>,
    /// Whether its pieces are wanted one by one as they come.
    is_stream: bool,
    /// The inner body has ended.
    ended: bool,
    /// What has to be waited for before anything more is shown.
    ending: Option<Ending<L>>,
    /// What is shown next.
    ready: VecDeque<Frame<Bytes>>,
    /// The last piece so far of a body whose end is not known before it is there.
    last: Option<Frame<Bytes>>,
    failed: Option<ChargeError>,
}

impl<B, L: Ledger> ChargedBody<B, L> {
    pub(super) const fn free(body: B) -> Self {
        Self { kind: Kind::Free(body) }
    }

    pub(super) const fn paid(body: PaidBody<B, L>) -> Self {
        Self { kind: Kind::Paid(body) }
    }

    pub(super) fn ours(bytes: Bytes) -> Self {
        Self { kind: Kind::Ours(Some(bytes).filter(|bytes| !bytes.is_empty())) }
    }

    /// What is not paid for yet.
    pub(super) fn into_rest(self) -> Option<Box<Rest<B, L>>> {
        match self.kind {
            Kind::Paid(mut body) => body.rest.take(),
            _ => None,
        }
    }
}

impl<B, L: Ledger> PaidBody<B, L> {
    pub(super) fn new(
        inner: B,
        bill: Bill<L>,
        shared: Arc<Shared<L>>,
        is_stream: bool,
        left: fn(Box<Rest<B, L>>),
    ) -> Self {
        let rest = Rest {
            inner,
            bill,
            shared,
            is_stream,
            ended: false,
            ending: None,
            ready: VecDeque::new(),
            last: None,
            failed: None,
        };
        Self { rest: Some(Box::new(rest)), left }
    }
}

impl<B, L> PaidBody<B, L>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    L: Ledger,
{
    /// Waits for the first piece, or for the end of a body that has none: as long as the head is not shown, it can still be
    /// another one.
    pub(super) fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(Ok(())) };
        if rest.is_stream && !rest.is_over() {
            return Poll::Ready(Ok(()));
        }
        match ready!(rest.poll_frame(cx)) {
            Some(Ok(frame)) => rest.ready.push_front(frame),
            Some(Err(ChargeError::Unpaid(fault))) => return Poll::Ready(Err(fault)),
            Some(Err(error)) => rest.failed = Some(error),
            None => {}
        }
        Poll::Ready(Ok(()))
    }
}

impl<B, L: Ledger> Drop for PaidBody<B, L> {
    fn drop(&mut self) {
        if let Some(rest) = self.rest.take().filter(|rest| rest.bill.is_open()) {
            (self.left)(rest);
        }
    }
}

impl<B, L> Rest<B, L>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    L: Ledger,
{
    /// Whether nothing more is to come of the inner body.
    fn is_over(&self) -> bool {
        self.ended || self.inner.is_end_stream() || self.inner.size_hint().exact() == Some(0)
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ChargeError>>> {
        loop {
            if let Some(ending) = &mut self.ending {
                let paid = ready!(ending.poll(cx));
                self.ending = None;
                if let Err(fault) = paid {
                    self.ended = true;
                    self.ready.clear();
                    return Poll::Ready(Some(Err(ChargeError::Unpaid(fault))));
                }
            }
            if let Some(frame) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if let Some(error) = self.failed.take() {
                self.ended = true;
                return Poll::Ready(Some(Err(error)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => self.take(frame),
                Some(Err(error)) => self.break_off(error.into()),
                None => {
                    self.ended = true;
                    self.ready.extend(self.last.take());
                    self.ending = self.bill.close();
                }
            }
        }
    }

    /// A piece has come.
    fn take(&mut self, frame: Frame<Bytes>) {
        let knows_length = self.inner.size_hint().exact().is_some();
        let waits = !self.is_stream && !knows_length && self.bill.is_open() && !self.is_over();
        // What is said of the work is said by this very piece.
        self.ending = self.bill.end();
        if waits && self.ending.is_none() {
            self.ready.extend(self.last.replace(frame));
            return;
        }
        self.ready.extend(self.last.take());
        self.ready.push_back(frame);
        if self.ending.is_none() && self.is_over() {
            self.ending = self.bill.close();
        }
    }

    fn break_off(&mut self, error: BoxError) {
        // What was held back came before the failure.
        self.ready.extend(self.last.take());
        self.ending = self.bill.break_off(charge_of(&*error));
        self.failed = Some(ChargeError::Inner(error));
    }

    /// Reads the rest for nobody, so that it is known how the work ended.
    pub(super) async fn finish(mut self: Box<Self>) {
        while let Some(Ok(_)) = std::future::poll_fn(|cx| self.poll_frame(cx)).await {}
    }
}

/// Whether the caller pays for what ended with this error.
pub(super) fn charge_of(error: &(dyn Error + 'static)) -> Charge {
    match rescue(error) {
        // Nobody knows what it is.
        Fault::Internal => Charge::Pending,
        fault => fault.disposition().charge,
    }
}

/// The same of an error of any type.
pub(super) fn charge_of_any<E: 'static>(error: &E) -> Charge {
    let error: &dyn Any = error;
    match (error.downcast_ref::<Fault>(), error.downcast_ref::<BoxError>()) {
        (Some(fault), _) => fault.disposition().charge,
        (None, Some(error)) => charge_of(&**error),
        (None, None) => Charge::Pending,
    }
}

impl<B, L> Body for ChargedBody<B, L>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    L: Ledger,
{
    type Data = Bytes;
    type Error = ChargeError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ChargeError>>> {
        match &mut self.get_mut().kind {
            Kind::Free(body) => {
                Pin::new(body).poll_frame(cx).map_err(|error| ChargeError::Inner(error.into()))
            }
            Kind::Paid(PaidBody { rest: Some(rest), .. }) => rest.poll_frame(cx),
            Kind::Paid(PaidBody { rest: None, .. }) => Poll::Ready(None),
            Kind::Ours(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Free(body) => body.is_end_stream(),
            Kind::Paid(PaidBody { rest: Some(rest), .. }) => {
                let shown = rest.ready.is_empty() && rest.last.is_none() && rest.failed.is_none();
                // As long as the bill is open, its end has to be asked for.
                let is_over = rest.ended || rest.inner.is_end_stream() && !rest.bill.is_open();
                shown && rest.ending.is_none() && is_over
            }
            Kind::Paid(PaidBody { rest: None, .. }) => true,
            Kind::Ours(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Free(body) => body.size_hint(),
            Kind::Paid(PaidBody { rest: Some(rest), .. }) => {
                let kept = rest.ready.iter().chain(&rest.last).filter_map(Frame::data_ref);
                let kept: u64 = kept.map(|piece| piece.len() as u64).sum();
                let inner = rest.inner.size_hint();
                let mut hint = SizeHint::new();
                hint.set_lower(inner.lower().saturating_add(kept));
                if let Some(upper) = inner.upper().and_then(|upper| upper.checked_add(kept)) {
                    hint.set_upper(upper);
                }
                hint
            }
            Kind::Paid(PaidBody { rest: None, .. }) => SizeHint::with_exact(0),
            Kind::Ours(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}

impl<B: fmt::Debug, L: Ledger> fmt::Debug for ChargedBody<B, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Free(body) => f.debug_tuple("Free").field(body).finish(),
            Kind::Paid(_) => f.write_str("Paid"),
            Kind::Ours(bytes) => f.debug_tuple("Ours").field(bytes).finish(),
        }
    }
}
