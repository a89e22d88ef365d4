use super::*;
use crate::{decode::tests::encode, validate::collect::HEADROOM};
use tokio::task::JoinSet;
use tokio_test::{assert_pending, task::spawn};

const MIB: usize = 1 << 20;

/// A good body that is so long.
fn of(length: usize) -> String {
    format!(r#"{{"prompt":"{}"}}"#, "x".repeat(length - 13))
}

#[tokio::test]
async fn no_more_than_there_is() {
    let budget = Budget::new(4096 + HEADROOM);
    let layer = layer().budget(budget.clone()).max_bytes(MIB);
    let _held = budget.reserve(1000).unwrap();
    let unknown = |length| request(&[JSON], Script::new([data(of(length))]));
    for request in [post(of(4000)), unknown(4000)] {
        let (answer, _) = ask(&layer, request).await;
        assert_eq!(answer.extensions().get(), Some(&Fault::Overloaded));
        assert_eq!(answer.status(), 503);
        assert_eq!(budget.reserved(), 1000);
    }
    // Of what comes behind nothing is read.
    let body = Script::new([data(of(4000)), Step::Open]).declared(4001);
    assert_eq!(fault(&layer, request(&[JSON], body)).await, Some(Fault::Overloaded));
    assert_eq!(fault(&layer, post(of(2000))).await, None);
    // What is in it costs as well.
    let values = format!(r#"{{"prompt":[{}1]}}"#, "1,".repeat(500));
    assert_eq!(fault(&layer, post(values)).await, Some(Fault::Overloaded));
    assert_eq!(budget.reserved(), 1000);
    // And so does what it decodes to.
    let decoding = layer.content_encoding(ContentEncoding::Decode { max_bytes: MIB });
    let wire = encode("gzip", of(4000).as_bytes());
    let coded = request(&[JSON, ("content-encoding", "gzip")], Script::whole(wire));
    assert_eq!(fault(&decoding, coded).await, Some(Fault::Overloaded));
    // And parameters.
    let parameters: Schema = r#"{"properties": {"q": {"type": "string"}}}"#.parse().unwrap();
    let mut long = post(GOOD);
    *long.uri_mut() = format!("/?q={}", "x".repeat(8000)).parse().unwrap();
    assert_eq!(fault(&decoding.parameters(parameters), long).await, Some(Fault::Overloaded));
    assert_eq!(budget.reserved(), 1000);
}

#[tokio::test]
async fn held_as_long_as_it_is_used() {
    let budget = Budget::new(MIB);
    let layer = layer().budget(budget.clone());
    let Passed { parts, pieces, .. } = passed(&layer, post(of(5000))).await;
    assert!(budget.reserved() > 5000);
    drop(parts);
    assert_eq!(budget.reserved(), 5000);
    let slice = pieces[0].slice(..1);
    drop(pieces);
    assert_eq!(budget.reserved(), 5000);
    drop(slice);
    assert_eq!(budget.reserved(), 0);

    let Passed { parts, pieces, .. } = passed(&layer, post(of(5000))).await;
    drop(pieces);
    assert!(budget.reserved() > 5000, "of which the document has slices");
    drop(parts);
    assert_eq!(budget.reserved(), 0);
}

#[tokio::test(start_paused = true)]
async fn given_back_after_refusals() {
    let budget = Budget::new(MIB);
    let layer = layer().budget(budget.clone()).max_bytes(10_000).timeout(Duration::from_secs(1));
    let bodies = || {
        [
            Script::whole("{}"),
            Script::whole(r#"{"prompt":5}"#),
            Script::whole("not json"),
            Script::whole(of(5000)).declared(20_000),
            Script::new([data(of(5000)), data(of(6000))]),
            Script::new([data(of(5000)), Step::Fail("reset".into())]),
            Script::new([data(of(5000)), Step::Open]).declared(9_000),
        ]
    };
    for (i, body) in bodies().into_iter().enumerate() {
        let (answer, _) = ask(&layer, request(&[JSON], body)).await;
        assert_ne!(answer.status(), 200, "{i}");
        // The answer is still there.
        assert_eq!(budget.reserved(), 0, "{i}");
    }
}

#[tokio::test]
async fn given_back_by_whoever_breaks_off() {
    let budget = Budget::new(MIB);
    let never = service_fn(|request: Sent| async move {
        let _request = request;
        std::future::pending::<()>().await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let service = layer().budget(budget.clone()).layer(never);
    let midway = Script::new([data(of(5000)), Step::Open]).declared(9000);
    let eight_kib = 8192 + HEADROOM;
    for (body, want) in [(midway, eight_kib..eight_kib + 1), (Script::whole(of(5000)), 5000..6000)]
    {
        let mut answer = spawn(service.clone().oneshot(request(&[JSON], body)));
        assert_pending!(answer.poll());
        assert!(want.contains(&budget.reserved()), "{}", budget.reserved());
        drop(answer);
        assert_eq!(budget.reserved(), 0);
    }
}

/// Memory is for what has come, not for what is said of it.
#[tokio::test(start_paused = true)]
async fn nothing_for_nothing() {
    let budget = Budget::new(16 * MIB);
    let layer = layer().budget(budget.clone()).max_bytes(16 * MIB - HEADROOM);
    let service = layer.layer(service_fn(|_: Sent| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    let idle: Vec<_> = (0..100)
        .map(|_| {
            let body = Script::new([data(""), Step::Open]).declared(10 << 20);
            let mut answer = spawn(service.clone().oneshot(request(&[JSON], body)));
            assert_pending!(answer.poll());
            answer
        })
        .collect();
    assert_eq!(budget.reserved(), 0);
    // As long as there is, another one gets all.
    let large = of(16 * MIB - HEADROOM);
    let pieces: Vec<_> =
        large.as_bytes().chunks(100_000).map(|piece| data(piece.to_vec())).collect();
    assert_eq!(fault(&layer, request(&[JSON], Script::new(pieces))).await, None);
    drop(idle);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_at_once() {
    const SENT: usize = 600_000;
    let budget = Budget::new(64 * (SENT + HEADROOM));
    let layer = layer().budget(budget.clone()).timeout(Duration::from_secs(5));
    let mut answers = JoinSet::new();
    let piece = Bytes::from(vec![b'x'; SENT]);
    for _ in 0..1000 {
        let body = Script::new([data(piece.clone()), Step::Open]).declared(MIB as u64);
        let layer = layer.clone();
        answers.spawn(async move { fault(&layer, request(&[JSON], body)).await });
    }
    for _ in 0..1000 - 64 {
        let started = Instant::now();
        let refused = answers.join_next().await.unwrap().unwrap();
        assert_eq!((refused, started.elapsed()), (Some(Fault::Overloaded), Duration::ZERO));
    }
    assert_eq!((budget.reserved(), answers.len()), (64 * (SENT + HEADROOM), 64));
    let waited: Vec<_> = answers.join_all().await;
    assert!(waited.iter().all(|fault| *fault == Some(Fault::BodyTimeout)));
    assert_eq!(budget.reserved(), 0);
    // And there is room again.
    assert_eq!(fault(&layer, post(of(MIB))).await, None);
}
