use super::{Amount, Disconnect, End, Ended, HoldId, Ledger, LedgerError};
use crate::{
    Fault,
    fault::Charge,
    work::{WorkEnd, WorkReport},
};
use http::HeaderValue;
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

/// The money that is reserved for a request, in its extensions. Whoever knows better than [`Charge`](super::Charge) when the work is
/// done, as for a task that goes on behind the answer, takes the hold over and ends it in the ledger.
#[derive(Clone, Debug)]
pub struct Hold {
    id: HoldId,
    amount: Amount,
    item: Option<Arc<str>>,
    taken_over: Arc<AtomicBool>,
}

impl Hold {
    pub(super) fn new(amount: Amount, item: Option<&str>) -> Self {
        let item = item.map(Arc::from);
        Self { id: HoldId::new(), amount, item, taken_over: Arc::default() }
    }

    /// What it is called in the ledger.
    pub const fn id(&self) -> HoldId {
        self.id
    }

    /// How much is reserved.
    pub const fn amount(&self) -> Amount {
        self.amount
    }

    /// The row of the price table.
    pub fn item(&self) -> Option<&str> {
        self.item.as_deref()
    }

    /// From now on it is the caller of this who ends it.
    pub fn take_over(&self) {
        self.taken_over.store(true, Ordering::Release);
    }

    /// From now on it is not, after all.
    #[cfg(feature = "tasks")]
    pub(crate) fn give_back(&self) {
        self.taken_over.store(false, Ordering::Release);
    }

    pub(super) fn is_taken_over(&self) -> bool {
        self.taken_over.load(Ordering::Acquire)
    }
}

/// A hold that has yet to be ended, in one way or another: also when it is dropped.
pub(super) struct Bill<L: Ledger> {
    ledger: L,
    hold: Hold,
    disconnect: Disconnect,
    stage: Stage,
    request_id: Option<HeaderValue>,
    /// What whoever reads the answer says of the work.
    pub(super) report: WorkReport,
}

/// What is waited for before anything more is shown.
pub(super) enum Ending<L: Ledger> {
    /// Nobody gets a success that is not paid for.
    MustSettle(L::Ending),
    /// The caller hears of the failure when the money is back, if that can be.
    Any(L::Ending),
}

impl<L: Ledger> Ending<L> {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        match self {
            Self::MustSettle(ending) => Pin::new(ending).poll(cx).map(settled),
            Self::Any(ending) => Pin::new(ending).poll(cx).map(|_| Ok(())),
        }
    }
}

/// How far the request is, as far as it matters for who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The provider has not been asked.
    Unasked,
    /// It works, or says that it does not.
    Asked,
    /// It has begun a success.
    Accepted,
    /// How it ended was said.
    Ended,
}

impl<L: Ledger> Bill<L> {
    pub(super) fn new(
        ledger: L,
        hold: Hold,
        disconnect: Disconnect,
        request_id: Option<HeaderValue>,
        report: WorkReport,
    ) -> Self {
        Self { ledger, hold, disconnect, stage: Stage::Unasked, request_id, report }
    }

    /// The provider is asked from here on.
    pub(super) fn ask(&mut self) {
        self.stage = Stage::Asked;
    }

    /// The provider has begun a success.
    pub(super) fn accept(&mut self) {
        self.stage = Stage::Accepted;
    }

    /// Nothing was reserved.
    pub(super) fn forget(&mut self) {
        self.stage = Stage::Ended;
    }

    /// Whether it is still to be ended, by us.
    pub(super) fn is_open(&self) -> bool {
        self.stage != Stage::Ended && !self.hold.is_taken_over()
    }

    fn settle(&mut self) -> L::Ending {
        self.stage = Stage::Ended;
        self.ledger.end(self.hold.id, End::Settle)
    }

    /// Ends it where the answer is at its end: as was said of the work, and where nothing was, as a success.
    pub(super) fn close(&mut self) -> Option<Ending<L>> {
        if !self.is_open() {
            return None;
        }
        Some(self.end().unwrap_or_else(|| Ending::MustSettle(self.settle())))
    }

    /// Ends it where the answer breaks off: as was said of the work, and where nothing was, as the failure wants it.
    pub(super) fn break_off(&mut self, charge: Charge) -> Option<Ending<L>> {
        if !self.is_open() {
            return None;
        }
        Some(self.end().unwrap_or_else(|| Ending::Any(self.fail(charge))))
    }

    /// Ends it as a failure wants it.
    pub(super) fn fail(&mut self, charge: Charge) -> L::Ending {
        let end = match charge {
            Charge::Release => End::Release,
            Charge::Pending => {
                self.say("nobody knows whether the work was done");
                End::Pend
            }
        };
        self.stage = Stage::Ended;
        self.ledger.end(self.hold.id, end)
    }

    /// Ends it as was said of the work, if anything was, and says what to wait for.
    pub(super) fn end(&mut self) -> Option<Ending<L>> {
        if !self.is_open() {
            return None;
        }
        let charge = match self.report.end()? {
            WorkEnd::Succeeded => return Some(Ending::MustSettle(self.settle())),
            WorkEnd::Failed(fault) => fault.disposition().charge,
            WorkEnd::Unsaid => Charge::Pending,
            WorkEnd::Known => Charge::Release,
        };
        Some(Ending::Any(self.fail(charge)))
    }

    fn say(&self, why: &str) {
        let request_id = self.request_id.as_ref().and_then(|id| id.to_str().ok());
        tracing::info!(hold = %self.hold.id, amount = %self.hold.amount, request_id, "a hold stays until its time limit: {why}");
    }
}

/// The client has left, or nobody goes on with the request.
impl<L: Ledger> Drop for Bill<L> {
    fn drop(&mut self) {
        if !self.is_open() {
            return;
        }
        let end = match (self.stage, self.disconnect) {
            (Stage::Unasked, _) => End::Release,
            (Stage::Accepted, Disconnect::OnAccept) => End::Settle,
            (_, Disconnect::OnAccept | Disconnect::Cancel) => End::Release,
            (_, Disconnect::Finish) => {
                self.say("the work could not be followed to its end");
                End::Pend
            }
        };
        // It has begun, and goes on without us.
        drop(self.ledger.end(self.hold.id, end));
    }
}

/// What it means that a hold could not be settled, if so: nobody gets a success that is not paid for.
fn settled(answer: Result<Ended, LedgerError>) -> Result<(), Fault> {
    match answer {
        Ok(Ended::Settled) => Ok(()),
        // The work took longer than its hold.
        Ok(Ended::Released) => Err(Fault::DeadlineExceeded),
        // A server that has crashed may have forgotten its last moments, and the hold with them.
        Ok(Ended::Pending | Ended::Unknown) => Err(Fault::Internal),
        // The work is done: nobody may think that nothing was.
        Err(error) => {
            error.log("charge");
            Err(Fault::Internal)
        }
    }
}
