use super::{
    ChargedBody, Disconnect, Hold, Ledger, NewHold, Reservation,
    body::{PaidBody, Rest, charge_of_any},
    hold::Bill,
    service::Shared,
};
use crate::{
    Fault,
    envelope::Refuse,
    fault::{Cause, Charge, UpstreamFault},
    profile::{UpstreamAnswer, by_status},
    stream::Framing,
    work::WorkReport,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tower::BoxError;
use tower_service::Service;

pin_project! {
    /// Future of [`Charge`](super::Charge).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, B, E, L: Ledger> {
        #[pin]
        state: State<F, B, E, L>,
    }
}

pin_project! {
    #[project = StateProjected]
    enum State<F, B, E, L: Ledger> {
        // Nobody pays.
        Free { #[pin] future: F },
        Paid { paid: Paid<B, E, L> },
        // The inner service never hears of it. Nothing when that was said already.
        Refused { response: Option<Response<Bytes>> },
    }
}

type Answered<B, E, L> = Result<Response<ChargedBody<B, L>>, E>;

/// A request that is paid for. In a box, so that it can go on without its client.
struct Paid<B, E, L: Ledger> {
    work: Option<Pin<Box<dyn Future<Output = Answered<B, E, L>> + Send>>>,
    /// Whether the provider is asked.
    asked: Arc<AtomicBool>,
    shared: Arc<Shared<L>>,
    left: fn(Pin<Box<dyn Future<Output = Answered<B, E, L>> + Send>>, Arc<Shared<L>>),
}

impl<F, B, E, L: Ledger> ResponseFuture<F, B, E, L> {
    pub(super) const fn free(future: F) -> Self {
        Self { state: State::Free { future } }
    }

    pub(super) const fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<F, B, E, L> ResponseFuture<F, B, E, L>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
    E: Send + 'static,
    L: Ledger + Clone + Send + Sync + 'static,
{
    pub(super) fn paid<S, R>(
        ready: S,
        request: Request<R>,
        hold: Hold,
        new: NewHold,
        shared: Arc<Shared<L>>,
    ) -> Self
    where
        S: Service<Request<R>, Response = Response<B>, Error = E, Future: Send> + Send + 'static,
        R: Send + 'static,
    {
        let asked = Arc::<AtomicBool>::default();
        let work = Box::pin(pay(ready, request, hold, new, shared.clone(), asked.clone()));
        let paid = Paid { work: Some(work), asked, shared, left: finish_request };
        Self { state: State::Paid { paid } }
    }
}

impl<F, B, E, L> Future for ResponseFuture<F, B, E, L>
where
    F: Future<Output = Result<Response<B>, E>>,
    L: Ledger,
{
    type Output = Answered<B, E, L>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjected::Free { future } => {
                future.poll(cx).map_ok(|response| response.map(ChargedBody::free))
            }
            StateProjected::Paid { paid } => {
                // Taken out as long as it is polled: what panics does not go on alone.
                let Some(mut work) = paid.work.take() else { return Poll::Pending };
                let polled = work.as_mut().poll(cx);
                if polled.is_pending() {
                    paid.work = Some(work);
                }
                polled
            }
            StateProjected::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(ChargedBody::ours))),
                // Polled after completion.
                None => Poll::Pending,
            },
        }
    }
}

/// The client has left before the head of its answer was there.
impl<B, E, L: Ledger> Drop for Paid<B, E, L> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take().filter(|_| self.asked.load(Ordering::Relaxed)) {
            (self.left)(work, self.shared.clone());
        }
    }
}

/// Reserves, asks, and ends the hold of a failure; the hold of a success goes with its body.
async fn pay<S, R, B, L>(
    mut inner: S,
    mut request: Request<R>,
    hold: Hold,
    new: NewHold,
    shared: Arc<Shared<L>>,
    asked: Arc<AtomicBool>,
) -> Answered<B, S::Error, L>
where
    S: Service<Request<R>, Response = Response<B>, Error: 'static>,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
    L: Ledger + Clone + Send + Sync + 'static,
{
    let refuse = Refuse::new(&request, &shared.catalog);
    let (ledger, disconnect) = (shared.ledger.clone(), shared.disconnect);
    // Somebody further out may want to know, too.
    let report = request.extensions().get::<WorkReport>().cloned().unwrap_or_default();
    let id = refuse.request_id.clone();
    let mut bill = Bill::new(ledger, hold.clone(), disconnect, id, report);
    if let Err(fault) = reserved(shared.ledger.hold(new).await) {
        // Where the ledger has not answered it may yet have reserved it.
        if fault != Fault::StoreUnavailable {
            bill.forget();
        }
        return Ok(refuse.with(&fault).map(ChargedBody::ours));
    }
    request.extensions_mut().insert(hold);
    request.extensions_mut().insert(bill.report.clone());
    asked.store(true, Ordering::Relaxed);
    bill.ask();
    let answered = inner.call(request).await;
    let failure = match &answered {
        Ok(response) => charge_of_answer(response),
        Err(error) => Some(charge_of_any(error)),
    };
    if let Some(charge) = failure {
        if bill.is_open() {
            let _ = bill.fail(charge).await;
        }
        return answered.map(|response| response.map(ChargedBody::free));
    }
    let (parts, body) = answered?.into_parts();
    if !bill.is_open() {
        return Ok(Response::from_parts(parts, ChargedBody::free(body)));
    }
    bill.accept();
    let is_stream = Framing::of_message(&parts.headers).is_some();
    let mut body = PaidBody::new(body, bill, shared.clone(), is_stream, finish_body);
    match poll_fn(|cx| body.poll_opening(cx)).await {
        Ok(()) => Ok(Response::from_parts(parts, ChargedBody::paid(body))),
        Err(fault) => Ok(refuse.with(&fault).map(ChargedBody::ours)),
    }
}

fn reserved(answer: Result<Reservation, super::LedgerError>) -> Result<(), Fault> {
    match answer {
        Ok(Reservation::Held) => Ok(()),
        Ok(Reservation::InsufficientBalance) => Err(Fault::InsufficientBalance),
        Ok(Reservation::SpendLimitReached) => Err(Fault::SpendLimitReached),
        // The answer was so long in coming that the hold has reached its time limit.
        Ok(Reservation::Ended) => Err(Fault::DeadlineExceeded),
        Err(error) => {
            error.log("charge");
            Err(Fault::StoreUnavailable)
        }
    }
}

/// Whether the caller pays for an answer that is a failure.
fn charge_of_answer<B>(response: &Response<B>) -> Option<Charge> {
    if let Some(fault) = response.extensions().get::<Fault>() {
        return Some(fault.disposition().charge);
    }
    let status = response.status();
    // Somewhere else, or as before: nothing was done.
    if status.is_redirection() {
        return Some(Charge::Release);
    }
    if status.as_u16() < 400 {
        return None;
    }
    // A provider's failure that nobody has looked at yet; any other is of ours, and nothing was done.
    let is_upstream = response.extensions().get::<UpstreamAnswer>().is_some();
    Some(match is_upstream {
        true => {
            let cause = Cause::Status(status.as_u16());
            Fault::from(UpstreamFault::new(by_status(status), cause)).disposition().charge
        }
        false => Charge::Release,
    })
}

/// Goes on with a request whose client has left, where that is wanted.
fn finish_request<B, E, L>(
    work: Pin<Box<dyn Future<Output = Answered<B, E, L>> + Send>>,
    shared: Arc<Shared<L>>,
) where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
    E: Send + 'static,
    L: Ledger + Send + Sync + 'static,
{
    if shared.disconnect == Disconnect::Finish {
        shared.alone.go_on(async move {
            if let Ok(response) = work.await
                && let Some(rest) = response.into_body().into_rest()
            {
                rest.finish().await;
            }
        });
    }
}

/// The same with the rest of an answer.
fn finish_body<B, L>(rest: Box<Rest<B, L>>)
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
    L: Ledger + Send + Sync + 'static,
{
    let shared = rest.shared.clone();
    if shared.disconnect == Disconnect::Finish {
        shared.alone.go_on(rest.finish());
    }
}
