use super::*;
use std::fmt::Write;
use tower::Service;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Keeps what is logged, every field of it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut self.clone());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut log = self.0.lock().unwrap();
        writeln!(log, "{}={value:?}", field.name()).unwrap();
    }
}

/// Every way to send something that must not be seen again.
fn requests() -> Vec<Request<()>> {
    let long = "5ecret".repeat(11_000);
    vec![
        bearer(GOOD),
        bearer("revoked-5ecret"),
        bearer("suspended-5ecret"),
        bearer("nobody-5ecret"),
        bearer("tg_5ecret"),
        bearer("5ecret, 5ecret"),
        bearer(&long),
        bearer("5ecret-é"),
        request(&[("authorization", "Basic 5ecret")]),
        request(&[("authorization", "5ecret")]),
        request(&[("x-api-key", "5ecret"), ("x-api-key", "5ecret")]),
        request(&[("x-api-key", "5ecret"), ("authorization", "Bearer 5ecret2")]),
    ]
}

async fn everything_shown<K: KeyStore>(layer: &AuthLayer<K>) -> String {
    let mut shown = format!("{layer:?}");
    for request in requests() {
        let mut service = layer.layer(service_fn(|request: Request<()>| {
            ready(Ok::<_, Infallible>(Response::new(Full::from(format!("{request:?}")))))
        }));
        let future = service.call(request);
        write!(shown, "{future:?}").unwrap();
        let answer = future.await.unwrap();
        write!(shown, "{answer:?}{:?}", answer.extensions().get::<Fault>()).unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        shown.push_str(&String::from_utf8_lossy(&body));
    }
    shown
}

#[test]
fn no_key_is_ever_shown() {
    let log = Log::default();
    let shown = tracing::subscriber::with_default(log.clone(), || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let own = layer().key_prefix("tg".parse().unwrap());
            let mut shown = everything_shown(&own.forward(IdentityHeaders::tollgate())).await;
            shown += &everything_shown(&layer().mode(Mode::Optional)).await;
            shown += &everything_shown(&layer().mode(Mode::None)).await;
            shown += &everything_shown(&AuthLayer::new(Away)).await;
            shown
        })
    });
    let log = log.0.lock().unwrap();
    assert!(log.contains("error=the key store does not answer: connection refused"), "{log}");
    assert!(shown.contains("good-account") && shown.contains("StoreUnavailable"));
    for text in [&*log, &shown] {
        assert!(!text.contains("5ecret"), "{text}");
    }
}
