mod answers;
mod disconnects;
mod refusals;

use super::*;
use crate::{
    Fault,
    auth::{Account, Principal},
    fault::{Cause, UpstreamFault, UpstreamKind},
    work::{WorkEnd, WorkReport},
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::mpsc;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_service::Service;

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// With one unit for `acme`.
fn ledger() -> MemoryLedger {
    let ledger = MemoryLedger::new();
    ledger.add("acme", amount("1"));
    ledger
}

fn layer<L: Ledger>(ledger: L) -> ChargeLayer<L> {
    ChargeLayer::new(ledger, Price::fixed(amount("0.25")))
}

fn request() -> Request<()> {
    let principal = Principal::new(Arc::new(Account::new("acme")), "k1");
    Request::builder().extension(principal).body(()).unwrap()
}

/// A body whose pieces come when the test says so.
#[derive(Debug)]
struct Pieces {
    pieces: mpsc::UnboundedReceiver<Result<Frame<Bytes>, BoxError>>,
    length: Option<u64>,
}

type Sender = mpsc::UnboundedSender<Result<Frame<Bytes>, BoxError>>;

fn pieces(length: Option<u64>) -> (Sender, Pieces) {
    let (sender, pieces) = mpsc::unbounded_channel();
    (sender, Pieces { pieces, length })
}

fn piece(text: &'static str) -> Result<Frame<Bytes>, BoxError> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = self.pieces.poll_recv(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(length)) = (&polled, &mut self.length) {
            *length -= frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.length == Some(0)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.length.map_or_else(http_body::SizeHint::new, http_body::SizeHint::with_exact)
    }
}

/// A ledger whose answers the test gives, and which keeps what it was asked.
#[derive(Clone, Default)]
struct Slow {
    asked: Arc<Mutex<Vec<End>>>,
    answers: Arc<Mutex<VecDeque<tokio::sync::oneshot::Receiver<Result<Ended, LedgerError>>>>>,
}

impl Slow {
    fn next_answer(&self) -> tokio::sync::oneshot::Sender<Result<Ended, LedgerError>> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.answers.lock().unwrap().push_back(receiver);
        sender
    }

    fn asked(&self) -> Vec<End> {
        self.asked.lock().unwrap().clone()
    }
}

impl Ledger for Slow {
    type Holding = std::future::Ready<Result<Reservation, LedgerError>>;
    type Ending = Pin<Box<dyn Future<Output = Result<Ended, LedgerError>> + Send>>;

    fn hold(&self, _: NewHold) -> Self::Holding {
        std::future::ready(Ok(Reservation::Held))
    }

    fn end(&self, _: HoldId, end: End) -> Self::Ending {
        self.asked.lock().unwrap().push(end);
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move {
            match answer {
                Some(answer) => answer.await.unwrap(),
                None => Err(LedgerError::new("the test gives no answer")),
            }
        })
    }
}

/// What a body has shown so far.
async fn seen<B>(body: &mut B) -> Option<String>
where
    B: Body<Data = Bytes> + Unpin,
{
    let next = tokio::time::timeout(Duration::ZERO, body.frame()).await.ok()?;
    let frame = next?.unwrap_or_else(|_| panic!("the body failed"));
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}
