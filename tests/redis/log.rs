//! What is logged when Redis goes and comes.

use super::*;
use std::fmt::{Debug, Write};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Everything that is logged, a line an event.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Visit for LineOf {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

struct LineOf(String);

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = LineOf(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn one_line_when_it_goes_and_one_when_it_is_back() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let mut server = RedisServer::start(&["--requirepass", "hunter2"]);
    let store = store(&format!("{}?pass=hunter2", server.url()));
    let workers = [store.counters(), store.counters()];
    for worker in &workers {
        worker.connect().await.unwrap();
    }
    assert_eq!(*lines.0.lock().unwrap(), Vec::<String>::new());

    server.kill();
    for worker in &workers {
        // The first may still be under way when the end of the connection is noticed.
        for _ in 0..10 {
            worker.check(demands([demand("a", 5)])).await.unwrap_err();
        }
    }
    server.restart();
    for worker in &workers {
        back(worker).await;
    }
    let lines = lines.0.lock().unwrap().clone();
    let (warnings, rest): (Vec<_>, Vec<_>) =
        lines.iter().partition(|line| line.starts_with("WARN"));
    // It closes the connection, and then cannot be reached.
    assert!((1..=2).contains(&warnings.len()), "{lines:#?}");
    assert!(
        warnings[0].contains("retry_in") && warnings[0].contains("redis+unix://"),
        "{lines:#?}"
    );
    assert_eq!(rest.len(), 1, "{lines:#?}");
    assert!(rest[0].starts_with("INFO") && rest[0].contains("answers again"), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("hunter2")), "{lines:#?}");
}
