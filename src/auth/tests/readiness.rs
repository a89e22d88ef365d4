use super::*;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::BoxError;
use tower_test::mock;

/// A store that answers when it is told to.
#[derive(Default)]
struct Slow(Mutex<Vec<oneshot::Sender<Option<KeyRecord>>>>);

impl KeyStore for Slow {
    type Lookup = Waiting;

    fn lookup(&self, _: &KeyDigest) -> Self::Lookup {
        let (answer, lookup) = oneshot::channel();
        self.0.lock().unwrap().push(answer);
        Waiting(lookup)
    }
}

impl Slow {
    /// The lookups that were begun and not answered.
    fn asked(&self) -> Vec<oneshot::Sender<Option<KeyRecord>>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Waiting(oneshot::Receiver<Option<KeyRecord>>);

impl Future for Waiting {
    type Output = Result<Option<KeyRecord>, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(StoreError::new)
    }
}

type Handle = mock::Handle<Request<()>, Response<Full<Bytes>>>;
type Spawned = mock::Spawn<Auth<mock::Mock<Request<()>, Response<Full<Bytes>>>, Arc<Slow>>>;

fn spawn() -> (Spawned, Handle, Arc<Slow>) {
    let store = Arc::new(Slow::default());
    let layer = AuthLayer::new(store.clone()).clock(|| SystemTime::UNIX_EPOCH);
    let (service, handle) = mock::spawn_layer(layer);
    (service, handle, store)
}

#[test]
fn ready_when_the_inner_service_is() {
    let (mut service, mut handle, _) = spawn();
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
    handle.send_error("no more");
    let (mut service, mut handle, _) = spawn();
    handle.send_error("broken");
    assert_eq!(assert_ready_err!(service.poll_ready()).to_string(), "broken");
}

#[test]
fn the_inner_service_hears_of_a_request_when_the_store_has_answered() {
    let (mut service, mut handle, store) = spawn();
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut answer = task::spawn(service.call(bearer(GOOD)));
    assert_pending!(answer.poll());
    assert_pending!(handle.poll_request());

    // The mock panics if it is not the one that was ready that is called.
    store.asked().remove(0).send(Some(record("good"))).unwrap();
    assert!(answer.is_woken());
    assert_pending!(answer.poll());
    let (sent, respond) = assert_ready!(handle.poll_request()).unwrap();
    assert_eq!(sent.extensions().get(), Some(&record("good").principal));
    respond.send_response(Response::new(Full::from("inner")));
    assert!(answer.is_woken());
    assert_eq!(assert_ready_ok!(answer.poll()).status(), 200);
}

#[test]
fn a_refusal_and_a_broken_off_lookup_reach_nobody() {
    let (mut service, mut handle, store) = spawn();
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut answer = task::spawn(service.call(bearer(GOOD)));
    assert_pending!(answer.poll());
    store.asked().remove(0).send(None).unwrap();
    assert_eq!(assert_ready_ok!(answer.poll()).status(), 401);
    assert_pending!(handle.poll_request());
    // Whoever polls on gets nothing more, and no panic.
    assert_pending!(answer.poll());
    drop(answer);

    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut answer = task::spawn(service.call(bearer(GOOD)));
    assert_pending!(answer.poll());
    drop(answer);
    assert!(store.asked().remove(0).is_closed(), "the store is not told");
    assert_pending!(handle.poll_request());

    // A store that forgets to answer is a store that does not answer.
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut answer = task::spawn(service.call(bearer(GOOD)));
    assert_pending!(answer.poll());
    drop(store.asked());
    assert_eq!(assert_ready_ok!(answer.poll()).status(), 503);
}

#[test]
fn lookups_do_not_wait_for_each_other() {
    let (mut service, mut handle, store) = spawn();
    handle.allow(2);
    assert_ready_ok!(service.poll_ready());
    let mut first = task::spawn(service.call(bearer(GOOD)));
    assert_ready_ok!(service.poll_ready());
    let mut second = task::spawn(service.call(bearer(GOOD)));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    let mut asked = store.asked();
    asked.remove(1).send(Some(record("good"))).unwrap();
    assert_pending!(second.poll());
    let (_, respond) = assert_ready!(handle.poll_request()).unwrap();
    respond.send_error("inner's own");
    // The inner service's errors are its own.
    let error: BoxError = assert_ready_err!(second.poll());
    assert_eq!(error.to_string(), "inner's own");
    assert!(!first.is_woken());
}

#[test]
fn whoever_needs_no_key_waits_for_no_store() {
    let store = Arc::new(Slow::default());
    let (mut service, mut handle) =
        mock::spawn_layer(AuthLayer::new(store.clone()).mode(Mode::Optional));
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut answer = task::spawn(service.call(Request::new(())));
    let (_, respond) = assert_ready!(handle.poll_request()).unwrap();
    respond.send_response(Response::new(Full::<Bytes>::default()));
    assert_ready_ok!(answer.poll());
    assert!(store.asked().is_empty());
}

#[test]
fn goes_where_a_stack_goes() {
    fn check<T: Send + Sync + Clone>(_: &T) {}
    fn check_future<T: Send>(_: &T) {}
    let layer = layer();
    check(&layer);
    let mut service = layer.layer(service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    check(&service);
    check_future(&tower::Service::call(&mut service, Request::new(())));
}
