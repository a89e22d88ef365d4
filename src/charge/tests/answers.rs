//! What becomes of the money with each kind of answer.

use super::*;

type Answer = Result<Response<Pieces>, Fault>;

fn upstream(kind: UpstreamKind, cause: Cause) -> Fault {
    UpstreamFault::new(kind, cause).into()
}

fn whole(text: &'static str, length: Option<u64>) -> Response<Pieces> {
    let (sender, body) = pieces(length);
    if !text.is_empty() {
        sender.send(piece(text)).unwrap();
    }
    Response::new(body)
}

fn broken(error: impl Into<BoxError>) -> Response<Pieces> {
    let (sender, body) = pieces(None);
    sender.send(piece("some")).unwrap();
    sender.send(Err(error.into())).unwrap();
    Response::new(body)
}

fn failure(status: u16) -> Response<Pieces> {
    let mut answer = whole("no", Some(2));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

fn with<T: Clone + Send + Sync + 'static>(mut answer: Response<Pieces>, what: T) -> Answer {
    answer.extensions_mut().insert(what);
    Ok(answer)
}

#[tokio::test]
async fn who_pays_for_what() {
    let table: &[(&str, fn() -> Answer, &str, &str)] = &[
        ("of known length", || Ok(whole("done", Some(4))), "0.75", "0.00"),
        ("of unknown length", || Ok(whole("done", None)), "0.75", "0.00"),
        ("without a body", || Ok(whole("", Some(0))), "0.75", "0.00"),
        ("without any piece", || Ok(whole("", None)), "0.75", "0.00"),
        (
            "refused",
            || Err(upstream(UpstreamKind::InvalidRequest, Cause::Status(400))),
            "1.00",
            "0.00",
        ),
        ("never sent", || Err(upstream(UpstreamKind::Unreachable, Cause::Connect)), "1.00", "0.00"),
        (
            "no answer",
            || Err(upstream(UpstreamKind::Timeout, Cause::FirstByteTimeout)),
            "0.75",
            "0.25",
        ),
        (
            "work that has failed",
            || Err(upstream(UpstreamKind::Timeout, Cause::WorkFailed(200))),
            "1.00",
            "0.00",
        ),
        ("a fault of ours", || Err(Fault::Overloaded), "1.00", "0.00"),
        (
            "a fault within an answer",
            || with(failure(504), upstream(UpstreamKind::Timeout, Cause::TotalTimeout)),
            "0.75",
            "0.25",
        ),
        ("a provider's 500", || with(failure(500), crate::profile::UpstreamAnswer), "1.00", "0.00"),
        ("a provider's 504", || with(failure(504), crate::profile::UpstreamAnswer), "0.75", "0.25"),
        ("anybody's 404", || Ok(failure(404)), "1.00", "0.00"),
        (
            "cut off",
            || Ok(broken(upstream(UpstreamKind::Incomplete, Cause::CutOff))),
            "0.75",
            "0.25",
        ),
        ("broken off by whoever", || Ok(broken("why")), "0.75", "0.25"),
        (
            "undecodable",
            || Ok(broken(upstream(UpstreamKind::Unexpected, Cause::Status(502)))),
            "1.00",
            "0.00",
        ),
    ];
    for (name, answer, balance, reserved) in table {
        let ledger = ledger();
        let service = layer(ledger.clone()).layer(service_fn(|_: Request<()>| async { answer() }));
        if let Ok(answer) = service.oneshot(request()).await {
            let _ = answer.into_body().collect().await;
        }
        let found = (ledger.balance("acme").to_string(), ledger.reserved().to_string());
        assert_eq!(found, ((*balance).to_owned(), (*reserved).to_owned()), "{name}");
    }
}

/// A stream whose reader tells what it says of the work.
fn stream() -> (Sender, impl FnOnce(&Request<()>) -> (Response<Pieces>, WorkReport)) {
    let (sender, body) = pieces(None);
    let answer = move |request: &Request<()>| {
        let mut answer = Response::new(body);
        let kind = header::HeaderValue::from_static("text/event-stream");
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
        (answer, request.extensions().get::<WorkReport>().unwrap().clone())
    };
    (sender, answer)
}

/// The answer, its pieces, and where its reader says what became of the work.
async fn streaming<L>(ledger: L) -> (Sender, WorkReport, ChargedBody<Pieces, L>)
where
    L: Ledger + Clone + Send + Sync + 'static,
{
    let (sender, answer) = stream();
    let answer = Arc::new(Mutex::new(Some(answer)));
    let told = Arc::new(Mutex::new(None));
    let tell = told.clone();
    let service = layer(ledger).layer(service_fn(move |request: Request<()>| {
        let (answer, report) = answer.lock().unwrap().take().unwrap()(&request);
        *tell.lock().unwrap() = Some(report);
        async { Ok::<_, Fault>(answer) }
    }));
    let answer = service.oneshot(request()).await.unwrap();
    let report = told.lock().unwrap().take().unwrap();
    (sender, report, answer.into_body())
}

#[tokio::test(start_paused = true)]
async fn an_event_that_says_that_the_work_is_done_waits_for_the_money() {
    let ledger = Slow::default();
    let (sender, report, mut body) = streaming(ledger.clone()).await;
    sender.send(piece("working")).unwrap();
    assert_eq!(seen(&mut body).await.as_deref(), Some("working"));
    let settles = ledger.next_answer();
    report.tell(WorkEnd::Succeeded);
    sender.send(piece("done")).unwrap();
    assert_eq!(seen(&mut body).await, None);
    assert_eq!(ledger.asked(), [End::Settle]);
    settles.send(Ok(Ended::Settled)).unwrap();
    assert_eq!(seen(&mut body).await.as_deref(), Some("done"));
    // Nothing more is to be paid for, whatever comes.
    sender.send(Err("cut off".into())).unwrap();
    assert!(body.frame().await.unwrap().is_err());
    drop(body);
    assert_eq!(ledger.asked(), [End::Settle]);
}

#[tokio::test]
async fn what_a_stream_says_of_the_work() {
    let failed = || WorkEnd::Failed(upstream(UpstreamKind::OutputModeration, Cause::Status(200)));
    let lost = || WorkEnd::Failed(upstream(UpstreamKind::Incomplete, Cause::CutOff));
    let table: [(Option<WorkEnd>, &str, &str); 5] = [
        (None, "0.75", "0.00"),
        (Some(WorkEnd::Succeeded), "0.75", "0.00"),
        (Some(failed()), "1.00", "0.00"),
        (Some(lost()), "0.75", "0.25"),
        (Some(WorkEnd::Unsaid), "0.75", "0.25"),
    ];
    for (end, balance, reserved) in table {
        let ledger = ledger();
        let (sender, report, body) = streaming(ledger.clone()).await;
        sender.send(piece("working")).unwrap();
        // At the end, as nothing else comes.
        let said = end.clone();
        if let Some(end) = end {
            report.tell(end);
        }
        drop(sender);
        body.collect().await.unwrap();
        let found = (ledger.balance("acme").to_string(), ledger.reserved().to_string());
        assert_eq!(found, (balance.to_owned(), reserved.to_owned()), "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_success_waits_for_the_money() {
    for length in [Some(8), None] {
        let ledger = Slow::default();
        let (sender, body) = pieces(length);
        let body = Mutex::new(Some(body));
        let body = Arc::new(body);
        let service = layer(ledger.clone()).layer(service_fn(move |_: Request<()>| {
            let body = body.lock().unwrap().take().unwrap();
            async { Ok::<_, Fault>(Response::new(body)) }
        }));
        sender.send(piece("half")).unwrap();
        let answer = tokio::spawn(service.oneshot(request()));
        let settles = ledger.next_answer();
        // Where the end is not known before it is there, each piece waits for the next.
        sender.send(piece("half")).unwrap();
        let mut body = answer.await.unwrap().unwrap().into_body();
        assert_eq!(seen(&mut body).await.as_deref(), Some("half"));
        drop(sender);
        assert_eq!(seen(&mut body).await, None, "{length:?}");
        assert!(!body.is_end_stream());
        assert_eq!(ledger.asked(), [End::Settle]);
        settles.send(Ok(Ended::Settled)).unwrap();
        assert_eq!(seen(&mut body).await.as_deref(), Some("half"));
        assert!(body.frame().await.is_none() && body.is_end_stream());
    }
}

#[tokio::test]
async fn nobody_gets_a_success_that_cannot_be_paid_for() {
    let table: [(Result<Ended, LedgerError>, u16, &str); 4] = [
        (Err(LedgerError::new("away")), 500, "internal_error"),
        (Ok(Ended::Released), 504, "deadline_exceeded"),
        (Ok(Ended::Unknown), 500, "internal_error"),
        (Ok(Ended::Pending), 500, "internal_error"),
    ];
    for (answer, status, code) in table {
        let ledger = Slow::default();
        ledger.next_answer().send(answer).unwrap();
        let service = layer(ledger.clone())
            .layer(service_fn(|_: Request<()>| async { Ok::<_, Fault>(whole("done", Some(4))) }));
        let answer = service.oneshot(request()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains(&format!("\"code\":\"{code}\"")));
        assert_eq!(ledger.asked(), [End::Settle]);
    }
}

#[tokio::test]
async fn a_long_success_breaks_off_before_its_end_if_it_cannot_be_paid_for() {
    let ledger = Slow::default();
    ledger.next_answer().send(Err(LedgerError::new("away"))).unwrap();
    let (sender, report, mut body) = streaming(ledger.clone()).await;
    sender.send(piece("working")).unwrap();
    assert_eq!(seen(&mut body).await.as_deref(), Some("working"));
    report.tell(WorkEnd::Succeeded);
    sender.send(piece("done")).unwrap();
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(matches!(&error, ChargeError::Unpaid(Fault::Internal)), "{error:?}");
    assert_eq!(crate::normalize::rescue(&error), Fault::Internal);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_hold_that_somebody_takes_over_is_theirs() {
    let ledger = ledger();
    let taken = Arc::new(Mutex::new(None));
    let keep = taken.clone();
    let service = layer(ledger.clone()).layer(service_fn(move |request: Request<()>| {
        let hold = request.extensions().get::<Hold>().unwrap().clone();
        hold.take_over();
        *keep.lock().unwrap() = Some(hold);
        async { Ok::<_, Fault>(whole("accepted", Some(8))) }
    }));
    let answer = service.oneshot(request()).await.unwrap();
    answer.into_body().collect().await.unwrap();
    let hold = taken.lock().unwrap().take().unwrap();
    assert_eq!((ledger.reserved(), hold.amount()), (amount("0.25"), amount("0.25")));
    assert_eq!(ledger.end(hold.id(), End::Release).await.unwrap(), Ended::Released);
    assert_eq!(ledger.balance("acme"), amount("1"));
}
