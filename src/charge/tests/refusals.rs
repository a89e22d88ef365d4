//! Who is refused before any provider is touched.

use super::*;
use crate::{Catalog, ValidateLayer, schema::Schema};
use http_body_util::Full;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn a_balance_is_never_overdrawn_however_many_ask_at_once() {
    let ledger = ledger();
    let calls = Arc::<AtomicUsize>::default();
    let count = calls.clone();
    let service = layer(ledger.clone()).layer(service_fn(move |_: Request<()>| {
        count.fetch_add(1, Ordering::Relaxed);
        async {
            tokio::task::yield_now().await;
            Ok::<_, Fault>(Response::new(Full::new(Bytes::from_static(b"done"))))
        }
    }));
    let answers: Vec<_> =
        (0..10).map(|_| tokio::spawn(service.clone().oneshot(request()))).collect();
    let mut statuses = Vec::new();
    for answer in answers {
        let answer = answer.await.unwrap().unwrap();
        statuses.push(answer.status().as_u16());
        let _ = answer.into_body().collect().await;
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 402, 402, 402, 402, 402, 402]);
    assert_eq!((calls.load(Ordering::Relaxed), ledger.balance("acme")), (4, Amount::ZERO));
}

/// A ledger that always says this.
#[derive(Clone)]
struct Says(fn() -> Result<Reservation, LedgerError>, Arc<Mutex<Vec<End>>>);

impl Ledger for Says {
    type Holding = std::future::Ready<Result<Reservation, LedgerError>>;
    type Ending = std::future::Ready<Result<Ended, LedgerError>>;

    fn hold(&self, _: NewHold) -> Self::Holding {
        std::future::ready((self.0)())
    }

    fn end(&self, _: HoldId, end: End) -> Self::Ending {
        self.1.lock().unwrap().push(end);
        std::future::ready(Ok(Ended::Released))
    }
}

#[tokio::test]
async fn who_gets_no_hold_is_refused_in_the_words_of_the_catalog() {
    type Answer = fn() -> Result<Reservation, LedgerError>;
    let table: [(&str, Answer, u16, &str, &[End]); 6] = [
        ("default", || Ok(Reservation::InsufficientBalance), 402, "insufficient_balance", &[]),
        ("apistor", || Ok(Reservation::InsufficientBalance), 402, "insufficient_balance", &[]),
        ("eggapi", || Ok(Reservation::InsufficientBalance), 403, "INSUFFICIENT_BALANCE", &[]),
        ("default", || Ok(Reservation::SpendLimitReached), 402, "spend_limit_reached", &[]),
        ("eggapi", || Ok(Reservation::SpendLimitReached), 403, "INSUFFICIENT_BALANCE", &[]),
        // It may have been reserved all the same.
        ("default", || Err(LedgerError::new("away")), 503, "service_unavailable", &[End::Release]),
    ];
    for (preset, says, status, code, asked) in table {
        let ledger = Says(says, Arc::default());
        let catalog = Arc::new(Catalog::preset(preset).unwrap());
        let service =
            layer(ledger.clone()).catalog(catalog).layer(service_fn(|_: Request<()>| async {
                Err::<Response<Pieces>, _>(Fault::Internal)
            }));
        let answer = service.oneshot(request()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains(&format!("\"code\":\"{code}\"")), "{code}");
        assert_eq!(*ledger.1.lock().unwrap(), asked);
    }
}

#[tokio::test]
async fn what_has_no_price_is_refused_and_what_is_free_needs_nobody() {
    let ledger = ledger();
    let table = [("small", amount("0.5")), ("gratis", Amount::ZERO)];
    let price = Price::table("/model".parse().unwrap(), table).times("/n".parse().unwrap());
    let schema: Schema = r#"{"type":"object"}"#.parse().unwrap();
    let service = tower::ServiceBuilder::new()
        .layer(ValidateLayer::new().schema(schema))
        .layer(ChargeLayer::new(ledger.clone(), price))
        .service(service_fn(|_: Request<_>| async {
            Ok::<_, Fault>(Response::new(Full::new(Bytes::from_static(b"done"))))
        }));
    let cases = [
        (true, r#"{"model":"small"}"#, 200, "0.50"),
        (true, r#"{"model":"small","n":2}"#, 402, "0.50"),
        (true, r#"{"model":"other"}"#, 500, "0.50"),
        (true, r#"{"model":"small","n":0}"#, 400, "0.50"),
        (true, r#"{"model":"gratis","n":5}"#, 200, "0.50"),
        (false, r#"{"model":"gratis"}"#, 200, "0.50"),
        (false, r#"{"model":"small"}"#, 401, "0.50"),
    ];
    for (known, body, status, balance) in cases {
        let request = if known { request() } else { Request::new(()) };
        let mut request = request.map(|()| Full::new(Bytes::from(body)));
        let kind = header::HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        let answer = service.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{body}");
        let _ = answer.into_body().collect().await;
        assert_eq!(ledger.balance("acme").to_string(), balance, "{body}");
    }
}

#[tokio::test]
async fn readiness_is_the_inner_services() {
    let (mock, mut handle) = tower_test::mock::pair::<Request<()>, Response<Full<Bytes>>>();
    let mut service = layer(ledger()).layer(mock);
    handle.allow(0);
    assert!(
        tokio_test::task::spawn(std::future::poll_fn(|cx| {
            Service::<Request<()>>::poll_ready(&mut service, cx)
        }))
        .poll()
        .is_pending()
    );
    handle.allow(1);
    let answer = tokio::spawn(async move {
        std::future::poll_fn(|cx| Service::<Request<()>>::poll_ready(&mut service, cx)).await?;
        service.call(request()).await
    });
    let (_, respond) = handle.next_request().await.unwrap();
    respond.send_response(Response::new(Full::new(Bytes::from_static(b"done"))));
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "done");
}
