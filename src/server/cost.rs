//! What it costs to count a request and to write its line: CPU time without sockets, of what the server and the gateway do for them.
//!
//! ```text
//! cargo test --release --lib -- --nocapture server::cost
//! ```
//!
//! Under `cargo test` it only looks whether everything is counted and written.

use super::{Options, Record, access_log::AccessLog, ingress::Peer};
use crate::{
    auth::{Account, Principal},
    config,
    metrics::{Metrics, RouteMetrics},
    request_id,
    trace::Traces,
};
use http::{HeaderValue, Request, Response};
use std::{hint::black_box, sync::Arc, time::Instant};

/// In a row, before what has come together is taken away: a second of what one worker answers.
const BATCH: u32 = if cfg!(debug_assertions) { 100 } else { 40_000 };
/// Each kind in turn, so that a machine that is slow for a while is slow for all.
const ROUNDS: usize = if cfg!(debug_assertions) { 2 } else { 25 };

/// What is done about a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is made and answered.
    Nothing,
    Counted,
    /// Counted, and the trace is made that it belongs to.
    Traced,
    /// All that, and a line.
    Logged,
}

struct Bench {
    metrics: Metrics,
    route: Arc<RouteMetrics>,
    caller: Principal,
    log: Arc<AccessLog>,
    id: HeaderValue,
    peer: Peer,
}

impl Bench {
    fn new() -> Self {
        let metrics = Metrics::new();
        let limits: [&[String]; 2] = [&["per-address".to_owned()], &["per-key".to_owned()]];
        Self {
            route: Arc::new(RouteMetrics::new(&metrics, "POST /v1/generate", limits)),
            metrics,
            caller: Principal::new(Arc::new(Account::new("acme")), "0123456789"),
            log: Arc::default(),
            id: HeaderValue::from_static("0123456789abcdef0123456789abcdef"),
            peer: Peer::new([127, 0, 0, 1].into(), false, &[].into()),
        }
    }

    fn options(&self, kind: Kind) -> Options {
        let traces = config::Traces { propagate: kind != Kind::Counted, ..Default::default() };
        Options {
            traces: Traces::start(&traces).unwrap(),
            access_log: kind == Kind::Logged,
            lines: Some(self.log.clone()),
            ..Options::of_tests()
        }
    }

    /// From the head of a request to the end of its answer.
    fn request(&self, kind: Kind, options: &Options) {
        let mut request = Request::post("/v1/generate").body(()).unwrap();
        request.extensions_mut().insert(());
        let mut answer = Response::new(());
        answer.headers_mut().insert(request_id::HEADER, self.id.clone());
        if kind == Kind::Nothing {
            black_box((request, answer));
            return;
        }
        let record = Record::start(&mut request, options, &self.peer);
        request.extensions_mut().insert(record.clone());
        let inner = request.extensions().get::<Arc<Record>>().unwrap();
        inner.set_route(&self.route);
        inner.set_passed(1);
        inner.set_caller(Some(&self.caller));
        inner.set_passed(2);
        inner.tell_trace(&mut Default::default());
        // As the upstream does around its tries.
        let asked = Instant::now();
        inner.set_provider(asked.elapsed());
        black_box(request);
        record.answered(&mut answer, &self.route);
        record.sent(600);
        record.ended();
        black_box(answer);
    }

    /// Nanoseconds for each of a batch.
    fn batch(&self, kind: Kind) -> f64 {
        let options = self.options(kind);
        let began = Instant::now();
        for _ in 0..BATCH {
            self.request(kind, &options);
            // Where it would be written: that is for the kernel, and measured by `end_to_end`.
            self.log.discard_when_full();
        }
        began.elapsed().as_nanos() as f64 / f64::from(BATCH)
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "it says what it found")]
fn what_counting_and_logging_cost() {
    // Somebody listens, as in the binary.
    let log = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
    let _log = tracing::subscriber::set_default(log);
    let bench = Bench::new();
    let kinds = [Kind::Nothing, Kind::Counted, Kind::Traced, Kind::Logged];
    let mut costs = kinds.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (kind, costs) in kinds.iter().zip(&mut costs) {
            costs.push(bench.batch(*kind));
        }
    }
    println!("CPU ns per request, {ROUNDS} batches of {BATCH}, quiet and median:");
    let at = |percent: usize| {
        costs.each_mut().map(|costs| {
            costs.sort_by(f64::total_cmp);
            costs[costs.len() * percent / 100]
        })
    };
    // When nobody disturbs, and as it is.
    let [quiet, median] = [20, 50].map(at).map(|[nothing, counted, traced, logged]| {
        let (metrics, trace, line) = (counted - nothing, traced - counted, logged - traced);
        [metrics, trace, line, metrics + line]
    });
    let names = ["record and metrics", "trace context", "access line", "metrics and line"];
    for (name, (quiet, median)) in names.into_iter().zip(quiet.into_iter().zip(median)) {
        println!("  {name:<20} {quiet:>6.0} {median:>6.0}");
    }

    let all = 3 * ROUNDS * BATCH as usize;
    let counted = format!(
        "http_server_request_duration_seconds_count{{http_route=\"POST /v1/generate\"}} {all}"
    );
    let text = bench.metrics.render();
    assert!(text.contains(&counted), "{text}");
    bench.log.discard();
    bench.request(Kind::Logged, &bench.options(Kind::Logged));
    let line = bench.log.discard();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["account"], &line["status"], &line["bytes"]),
        (&"acme".into(), &200.into(), &600.into())
    );
}
