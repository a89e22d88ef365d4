use super::*;
use std::io;

/// A good body of this length.
fn of(length: usize) -> String {
    let frame = r#"{"prompt":""}"#.len();
    format!(r#"{{"prompt":"{}"}}"#, "x".repeat(length - frame))
}

#[tokio::test]
async fn too_long_by_its_own_word() {
    let layer = layer().max_bytes(100);
    for length in [101, 1 << 20, u64::MAX] {
        let body = Script::whole(GOOD).declared(length);
        let polls = body.polls.clone();
        // Before anything else is looked at.
        let (answer, _) = ask(&layer, request(&[], body)).await;
        assert_eq!(answer.extensions().get(), too_large(100).as_ref());
        assert_eq!((answer.status().as_u16(), polls.load(Ordering::Relaxed)), (413, 0));
    }
    let mut at_least = Script::whole(GOOD);
    at_least.hint = SizeHint::new();
    at_least.hint.set_lower(101);
    let polls = at_least.polls.clone();
    assert_eq!(fault(&layer, request(&[JSON], at_least)).await, too_large(100));
    assert_eq!(polls.load(Ordering::Relaxed), 0);
}

/// A body that does not say how long it is may have a field that does.
#[tokio::test]
async fn too_long_by_its_field() {
    let layer = layer().max_bytes(100);
    let hint = |lower, upper: Option<u64>| {
        let mut hint = SizeHint::new();
        hint.set_lower(lower);
        upper.into_iter().for_each(|upper| hint.set_upper(upper));
        hint
    };
    let table: &[(&[&str], SizeHint, bool)] = &[
        (&["100"], hint(0, None), false),
        (&["101"], hint(0, None), true),
        (&["18446744073709551615"], hint(5, None), true),
        // Whoever reads the body knows better.
        (&["101"], hint(0, Some(200)), false),
        (&["101"], hint(24, Some(24)), false),
        // No length.
        (&["101", "101"], hint(0, None), false),
        (&["-101"], hint(0, None), false),
        (&["x"], hint(0, None), false),
        (&[""], hint(0, None), false),
        (&[], hint(0, None), false),
        (&["0"], hint(0, None), false),
    ];
    for (lengths, hint, refused) in table {
        let mut body = Script::whole(GOOD);
        body.hint = *hint;
        let polls = body.polls.clone();
        let mut fields = vec![JSON];
        fields.extend(lengths.iter().map(|length| ("content-length", *length)));
        let want = too_large(100).filter(|_| *refused);
        assert_eq!(fault(&layer, request(&fields, body)).await, want, "{lengths:?} {hint:?}");
        assert_eq!(polls.load(Ordering::Relaxed) == 0, *refused, "{lengths:?} {hint:?}");
    }
}

#[tokio::test]
async fn too_long_on_the_way() {
    let layer = layer().max_bytes(100);
    for length in [99, 100, 101] {
        let text = Bytes::from(of(length));
        let want = too_large(100).filter(|_| length > 100);
        for at in [0, 1, 50, 99, length] {
            let pieces = || [data(text.slice(..at)), data(text.slice(at..))];
            for body in [Script::new(pieces()), Script::new(pieces()).declared(3)] {
                assert_eq!(fault(&layer, request(&[JSON], body)).await, want, "{length} {at}");
            }
        }
        let got = fault(&layer, post(text)).await;
        assert_eq!(got, want, "{length}");
    }
    // What comes behind is not asked for.
    let body = Script::new([data(of(60)), data(of(60)), Step::Open]);
    let polls = body.polls.clone();
    assert_eq!(fault(&layer, request(&[JSON], body)).await, too_large(100));
    assert_eq!(polls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_length_that_lies() {
    for declared in [1, GOOD.len() as u64 - 1, GOOD.len() as u64 + 1, 1 << 20] {
        let body = Script::whole(GOOD).declared(declared);
        assert_eq!(passed(&layer(), request(&[JSON], body)).await.bytes(), GOOD);
    }
    // One that says that there is nothing is believed.
    let body = Script::whole(GOOD).declared(0);
    let polls = body.polls.clone();
    assert_eq!(kind(&layer(), request(&[JSON], body)).await, Some(Kind::InvalidJson));
    assert_eq!(polls.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn in_time_or_not() {
    const STEP: Duration = Duration::from_secs(1);
    let layer = layer().timeout(Duration::from_secs(10));
    // A byte a second.
    let trickle = |bytes: usize| {
        let steps = of(bytes).into_bytes().into_iter();
        Script::new(steps.flat_map(|byte| [Step::Wait(STEP), data(vec![byte])]))
    };
    let started = Instant::now();
    assert_eq!(fault(&layer, request(&[JSON], trickle(20))).await, Some(Fault::BodyTimeout));
    assert_eq!(started.elapsed(), Duration::from_secs(10), "the pieces have started it again");

    let started = Instant::now();
    let (answer, _) = ask(&layer, request(&[JSON], Script::new([Step::Open]))).await;
    assert_eq!((answer.status().as_u16(), started.elapsed().as_secs()), (408, 10));

    // The end counts, not the last byte.
    let no_end = Script::new([data(GOOD), Step::Open]);
    assert_eq!(fault(&layer, request(&[JSON], no_end)).await, Some(Fault::BodyTimeout));
    let trailers_late = [data(GOOD), Step::Wait(11 * STEP), Step::Trailers(HeaderMap::new())];
    let body = Script::new(trailers_late);
    assert_eq!(fault(&layer, request(&[JSON], body)).await, Some(Fault::BodyTimeout));

    for (millis, want) in [(9_999, None), (10_001, Some(Fault::BodyTimeout))] {
        let body = Script::new([Step::Wait(Duration::from_millis(millis)), data(GOOD)]);
        assert_eq!(fault(&layer, request(&[JSON], body)).await, want, "{millis}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_never_waits() {
    /// An empty piece, and another one, and another one.
    struct Endless;

    impl Body for Endless {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
        }
    }

    let service = layer().timeout(Duration::from_secs(10)).layer(service_fn(
        |_: Request<ValidatedBody<Endless>>| async {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        },
    ));
    let request = Request::post("/").header(JSON.0, JSON.1).body(Endless).unwrap();
    let mut answer = tokio_test::task::spawn(service.oneshot(request));
    for _ in 0..3 {
        tokio_test::assert_pending!(answer.poll());
        assert!(answer.is_woken(), "it goes on by itself");
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    let answer = tokio_test::assert_ready_ok!(answer.poll());
    assert_eq!(answer.status(), 408);
}

#[tokio::test(start_paused = true)]
async fn the_time_is_for_the_body_alone() {
    let layer = layer().timeout(Duration::from_secs(10));
    let service = layer.layer(service_fn(|_: Sent| async {
        sleep(Duration::from_secs(100)).await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("slow")))
    }));
    let body = Script::new([Step::Wait(Duration::from_secs(9)), data(GOOD)]);
    let started = Instant::now();
    let answer = service.oneshot(request(&[JSON], body)).await.unwrap();
    assert_eq!((answer.status().as_u16(), started.elapsed().as_secs()), (200, 109));
}

#[tokio::test]
async fn bodies_that_fail() {
    let boxed = |fault: Fault| -> BoxError { Box::new(fault) };
    let table: [(BoxError, Fault); 5] = [
        ("reset".into(), Fault::BodyIncomplete),
        (io::Error::from(io::ErrorKind::UnexpectedEof).into(), Fault::BodyIncomplete),
        (boxed(Fault::ShuttingDown), Fault::ShuttingDown),
        (boxed(Fault::BodyTimeout), Fault::BodyTimeout),
        (io::Error::other(boxed(Fault::Overloaded)).into(), Fault::Overloaded),
    ];
    for (error, want) in table {
        // Even where what has come would have been enough.
        let body = Script::new([data(GOOD), Step::Fail(error)]);
        assert_eq!(fault(&layer(), request(&[JSON], body)).await, Some(want));
    }
}
