use super::*;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower_test::mock;

type Handle = mock::Handle<Sent, Response<Full<Bytes>>>;
type Spawned = mock::Spawn<Validate<mock::Mock<Sent, Response<Full<Bytes>>>>>;

fn spawned() -> (Spawned, Handle) {
    mock::spawn_layer(layer())
}

/// A good request whose body ends after a second.
fn slow() -> Request<Script> {
    request(&[JSON], Script::new([data(GOOD), Step::Wait(Duration::from_secs(1))]))
}

#[test]
fn ready_when_the_inner_service_is() {
    let (mut service, mut handle) = spawned();
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
    handle.send_error("no more");
    let (mut service, mut handle) = spawned();
    handle.send_error("broken");
    assert_eq!(assert_ready_err!(service.poll_ready()).to_string(), "broken");
}

#[tokio::test(start_paused = true)]
async fn the_one_that_was_ready_is_called_when_the_body_is_there() {
    let (mut service, mut handle) = spawned();
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut answer = task::spawn(service.call(slow()));
    assert_pending!(answer.poll());
    assert_pending!(handle.poll_request());

    // The mock panics if it is not the one that was ready that is called.
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(answer.is_woken());
    assert_pending!(answer.poll());
    let (sent, respond) = assert_ready!(handle.poll_request()).unwrap();
    assert_eq!(read(sent).await.bytes(), GOOD);
    respond.send_response(Response::new(Full::from("inner")));
    assert!(answer.is_woken());
    assert_eq!(assert_ready_ok!(answer.poll()).status(), 200);
}

#[tokio::test(start_paused = true)]
async fn bodies_do_not_wait_for_each_other() {
    let (mut service, mut handle) = spawned();
    handle.allow(2);
    assert_ready_ok!(service.poll_ready());
    let mut first = task::spawn(service.call(slow()));
    assert_pending!(first.poll());
    assert_ready_ok!(service.poll_ready());
    let mut fast = task::spawn(service.call(post(GOOD)));
    assert_pending!(fast.poll());
    let (_, respond) = assert_ready!(handle.poll_request()).unwrap();
    respond.send_response(Response::new(Full::from("inner")));
    assert_eq!(assert_ready_ok!(fast.poll()).status(), 200);
    assert_pending!(first.poll());
}

#[tokio::test(start_paused = true)]
async fn refusals_and_what_is_broken_off_reach_nobody() {
    let (mut service, mut handle) = spawned();
    handle.allow(3);
    for request in [post("[]"), request(&[], Script::whole(GOOD))] {
        assert_ready_ok!(service.poll_ready());
        let mut answer = task::spawn(service.call(request));
        assert_ne!(assert_ready_ok!(answer.poll()).status(), 200);
        // Whoever polls on gets nothing more, and no panic.
        assert_pending!(answer.poll());
    }
    assert_ready_ok!(service.poll_ready());
    let mut answer = task::spawn(service.call(slow()));
    assert_pending!(answer.poll());
    drop(answer);
    assert_pending!(handle.poll_request());
}

#[tokio::test]
async fn errors_of_the_inner_service_pass() {
    #[derive(Debug, PartialEq)]
    struct Mine;

    for layer in [layer(), ValidateLayer::new()] {
        let inner = |_: Sent| std::future::ready(Err::<Response<Full<Bytes>>, _>(Mine));
        let answer = layer.layer(service_fn(inner)).oneshot(post(GOOD)).await;
        assert_eq!(answer.map(|_| ()), Err(Mine));
    }
}

/// As is said of them.
#[test]
fn only_bodies_that_wait_want_a_runtime() {
    let poll = |body| {
        let inner = |_: Sent| {
            std::future::ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
        };
        let mut answer =
            task::spawn(layer().layer(service_fn(inner)).oneshot(request(&[JSON], body)));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| answer.poll().is_ready()))
    };
    assert!(poll(Script::whole(GOOD)).unwrap());
    assert!(poll(Script::new([Step::Open])).is_err());
}
