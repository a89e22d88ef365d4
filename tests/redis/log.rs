//! What is logged when Redis goes and comes.

use super::*;
use std::{
    fmt::{Debug, Write},
    net::TcpListener,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};
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
    // It closes the connection, and then cannot be reached: one line tells of both.
    assert_eq!(warnings.len(), 1, "{lines:#?}");
    assert!(
        warnings[0].contains("retry_in") && warnings[0].contains("redis+unix://"),
        "{lines:#?}"
    );
    assert_eq!(rest.len(), 1, "{lines:#?}");
    assert!(rest[0].starts_with("INFO") && rest[0].contains("answers again"), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("hunter2")), "{lines:#?}");
}

/// Serves as many connections as it has permits for, and closes the others. Checks of a quota `a` have rubbish for an
/// answer.
fn server(permits: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let answer = |asked: &str| {
        let answer = match asked {
            asked if asked.contains("LOAD") => "$2\r\nab\r\n",
            asked if asked.contains(":a:") => ":1\r\n",
            _ => "*0\r\n",
        };
        answer.to_owned()
    };
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let take = |left: usize| left.checked_sub(1);
            if permits.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
                thread::spawn(move || failing::serve(stream, &answer));
            }
        }
    });
    url
}

#[tokio::test]
async fn it_is_back_when_the_last_connection_is() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let count = |word: &str| lines.0.lock().unwrap().iter().filter(|l| l.contains(word)).count();
    let permits = Arc::new(AtomicUsize::new(1));
    let store = store(&server(permits.clone()));
    let (one, other) = (store.counters(), store.counters());
    one.connect().await.unwrap();
    other.connect().await.unwrap_err();
    one.check(demands([demand("a", 5)])).await.unwrap_err();
    let back = async |least: usize| {
        let start = Instant::now();
        while [&one, &other].iter().filter(|counters| counters.is_available()).count() < least {
            assert!(start.elapsed() < SOON, "Redis does not come back");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    permits.store(1, Ordering::SeqCst);
    back(1).await;
    assert_eq!((count("WARN"), count("answers again")), (1, 0), "one of them is still away");
    permits.store(1, Ordering::SeqCst);
    back(2).await;
    assert_eq!((count("WARN"), count("answers again")), (1, 1));
}
