//! Who pays when the client leaves.

use super::*;
use tokio::sync::{Notify, oneshot};

/// When the client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    BeforeTheHead,
    WithinTheBody,
}

#[derive(Clone)]
struct Provider {
    asked: Arc<Notify>,
    head: Arc<Mutex<Option<oneshot::Receiver<Response<Pieces>>>>>,
}

/// What one unit is, and what is reserved, after the client has left; `goes_on`: what the provider does then.
async fn after(
    disconnect: Disconnect,
    leaves: Leaves,
    max_alone: usize,
    goes_on: impl FnOnce(oneshot::Sender<Response<Pieces>>, Response<Pieces>, Sender),
) -> (String, String) {
    let ledger = ledger();
    let (send, head) = oneshot::channel();
    let provider = Provider { asked: Arc::default(), head: Arc::new(Mutex::new(Some(head))) };
    let asked = provider.asked.clone();
    let layer = layer(ledger.clone()).disconnect(disconnect).max_alone(max_alone);
    let service = layer.layer(service_fn(move |_: Request<()>| {
        let head = provider.head.lock().unwrap().take().unwrap();
        provider.asked.notify_one();
        async {
            head.await.map_err(|_| {
                Fault::from(UpstreamFault::new(UpstreamKind::Unreachable, Cause::Reset))
            })
        }
    }));
    let (sender, body) = pieces(None);
    let mut answer = Response::new(body);
    let kind = header::HeaderValue::from_static("text/event-stream");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    let client = tokio::spawn(service.oneshot(request()));
    asked.notified().await;
    match leaves {
        Leaves::BeforeTheHead => {
            client.abort();
            assert!(client.await.is_err());
            goes_on(send, answer, sender);
        }
        Leaves::WithinTheBody => {
            sender.send(piece("some")).unwrap();
            send.send(answer).unwrap();
            let mut body = client.await.unwrap().unwrap().into_body();
            assert_eq!(seen(&mut body).await.as_deref(), Some("some"));
            drop(body);
            let (send, _gone) = oneshot::channel();
            goes_on(send, Response::new(pieces(None).1), sender);
        }
    }
    // Whoever goes on without the client does so in the background.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    (ledger.balance("acme").to_string(), ledger.reserved().to_string())
}

fn succeeds(send: oneshot::Sender<Response<Pieces>>, answer: Response<Pieces>, sender: Sender) {
    let _ = send.send(answer);
    let _ = sender.send(piece("done"));
}

fn fails(send: oneshot::Sender<Response<Pieces>>, answer: Response<Pieces>, sender: Sender) {
    let _ = send.send(answer);
    let fault =
        Fault::from(UpstreamFault::new(UpstreamKind::ProviderError, Cause::WorkFailed(200)));
    let _ = sender.send(Err(fault.into()));
}

#[tokio::test]
async fn who_pays_after_the_client_has_left() {
    use {Disconnect as D, Leaves as L};
    type GoesOn = fn(oneshot::Sender<Response<Pieces>>, Response<Pieces>, Sender);
    let table: [(D, L, GoesOn, &str, &str); 10] = [
        (D::Finish, L::BeforeTheHead, succeeds, "0.75", "0.00"),
        (D::Finish, L::BeforeTheHead, fails, "1.00", "0.00"),
        (D::Finish, L::WithinTheBody, succeeds, "0.75", "0.00"),
        (D::Finish, L::WithinTheBody, fails, "1.00", "0.00"),
        (D::Cancel, L::BeforeTheHead, succeeds, "1.00", "0.00"),
        (D::Cancel, L::WithinTheBody, succeeds, "1.00", "0.00"),
        (D::OnAccept, L::BeforeTheHead, succeeds, "1.00", "0.00"),
        (D::OnAccept, L::WithinTheBody, succeeds, "0.75", "0.00"),
        (D::OnAccept, L::WithinTheBody, fails, "0.75", "0.00"),
        // The provider never says how it ends.
        (D::Finish, L::BeforeTheHead, |send, _, _| drop(send), "0.75", "0.25"),
    ];
    for (disconnect, leaves, goes_on, balance, reserved) in table {
        let found = after(disconnect, leaves, 1_000, goes_on).await;
        let want = (balance.to_owned(), reserved.to_owned());
        assert_eq!(found, want, "{disconnect:?} {leaves:?}");
    }
}

#[tokio::test]
async fn more_than_may_go_on_alone_are_left_to_their_time_limit() {
    for leaves in [Leaves::BeforeTheHead, Leaves::WithinTheBody] {
        let found = after(Disconnect::Finish, leaves, 0, succeeds).await;
        assert_eq!(found, ("0.75".to_owned(), "0.25".to_owned()), "{leaves:?}");
    }
}

/// The client leaves while the ledger is asked: nobody has asked the provider.
#[tokio::test]
async fn who_leaves_before_the_provider_is_asked_pays_nothing() {
    #[derive(Clone)]
    struct Silent(Slow);
    impl Ledger for Silent {
        type Holding = std::future::Pending<Result<Reservation, LedgerError>>;
        type Ending = <Slow as Ledger>::Ending;
        fn hold(&self, _: NewHold) -> Self::Holding {
            std::future::pending()
        }
        fn end(&self, id: HoldId, end: End) -> Self::Ending {
            self.0.end(id, end)
        }
    }
    let ledger = Silent(Slow::default());
    let service = layer(ledger.clone()).disconnect(Disconnect::OnAccept).layer(service_fn(
        |_: Request<()>| async {
            panic!("the provider is asked") as Result<Response<Pieces>, Fault>
        },
    ));
    let mut client = tokio_test::task::spawn(service.oneshot(request()));
    assert!(client.poll().is_pending());
    drop(client);
    assert_eq!(ledger.0.asked(), [End::Release]);
}
