//! What is counted, for Prometheus.
//!
//! Labels are names out of the configuration and words of ours: never a key, an account, a path or the id of a task. So there are as many series as the
//! configuration and the catalog make, whatever callers send. Names and units are OpenTelemetry's where it has them.
//!
//! A request costs a few additions: whoever counts has looked up where at the start, and what is counted for every request no other core
//! counts in the same place.

mod names;
mod route;
mod tally;

#[cfg(feature = "otlp")]
pub(crate) use self::route::known as known_method;
pub(crate) use self::route::{Ended, RouteMetrics};

use self::{
    names::Named,
    tally::{Count, RouteDurations, Tallies},
};
use metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Where everything is counted. Clones count in the same place.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// Of each worker.
    workers: Mutex<Vec<Arc<WorkerGauges>>>,
    /// What workers count for every request.
    tallies: Mutex<Tallies>,
    /// Of which it was told whether they answer.
    stores: Mutex<BTreeSet<&'static str>>,
}

/// What one worker has at present. Each has its own: no two cores write to one place for every request.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct WorkerGauges {
    pub(crate) connections: AtomicUsize,
    pub(crate) requests: AtomicUsize,
}

/// Counts for as long as it lives.
#[derive(Debug)]
pub(crate) struct Present(Arc<WorkerGauges>, fn(&WorkerGauges) -> &AtomicUsize);

impl Present {
    pub(crate) fn new(gauges: &Arc<WorkerGauges>, of: fn(&WorkerGauges) -> &AtomicUsize) -> Self {
        of(gauges).fetch_add(1, Ordering::Relaxed);
        Self(gauges.clone(), of)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.1(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

const METADATA: Metadata<'static> = Metadata::new("tollgate", Level::INFO, None);

impl Metrics {
    /// Nothing is counted yet.
    pub(crate) fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        for Named { name, help } in names::all() {
            recorder.describe_counter((*name).into(), None, (*help).into());
        }
        for Named { name, help } in names::GAUGES {
            recorder.describe_gauge((*name).into(), None, (*help).into());
        }
        let handle = recorder.handle();
        let metrics = Self(Arc::new(Inner {
            recorder,
            handle,
            workers: Default::default(),
            tallies: Default::default(),
            stores: Default::default(),
        }));
        metrics.gauge(&names::BUILD_INFO, &[("version", env!("CARGO_PKG_VERSION"))]).set(1.0);
        metrics
    }

    pub(crate) fn worker(&self) -> Arc<WorkerGauges> {
        let gauges = Arc::<WorkerGauges>::default();
        lock(&self.0.workers).push(gauges.clone());
        gauges
    }

    fn counter(&self, of: &Named, labels: &[(&'static str, &str)]) -> Counter {
        self.0.recorder.register_counter(&key(of, labels), &METADATA)
    }

    fn gauge(&self, of: &Named, labels: &[(&'static str, &str)]) -> Gauge {
        self.0.recorder.register_gauge(&key(of, labels), &METADATA)
    }

    /// A cell of a counter for one worker alone.
    fn count(&self, of: &Named, labels: &[(&'static str, &str)]) -> Arc<Count> {
        let register = |key: &Key| self.0.recorder.register_counter(key, &METADATA);
        lock(&self.0.tallies).count(key(of, labels), register)
    }

    /// A cell of a route's histograms for one worker alone.
    fn durations(&self, route: &str) -> Arc<RouteDurations> {
        lock(&self.0.tallies).durations(route)
    }

    /// Attempts at an endpoint, by what becomes of them.
    pub(crate) fn attempts(&self, upstream: &str, endpoint: &str, outcome: &str) -> Counter {
        let labels = [("upstream", upstream), ("endpoint", endpoint), ("outcome", outcome)];
        self.counter(&names::ATTEMPTS, &labels)
    }

    /// What the writer of the ledger has done.
    pub(crate) fn ledger(&self, what: &'static str) -> Counter {
        self.counter(&names::LEDGER, &[("operation", what)])
    }

    /// Money that was reserved, in millionths of the unit.
    pub(crate) fn held(&self) -> Counter {
        self.counter(&names::HELD, &[])
    }

    /// What became of callbacks.
    pub(crate) fn callbacks(&self, what: &'static str) -> Counter {
        self.counter(&names::CALLBACKS, &[("event", what)])
    }

    /// A configuration was taken up, or refused.
    pub(crate) fn config_loaded(&self, applied: bool) {
        self.gauge(&names::RELOADED, &[]).set(f64::from(u8::from(applied)));
        if applied {
            self.gauge(&names::LOADED_AT, &[]).set(seconds(SystemTime::now()));
        }
    }

    /// The certificate that clients are shown is good until then.
    pub(crate) fn set_certificate_expiry(&self, at: SystemTime) {
        self.gauge(&names::CERTIFICATE, &[]).set(seconds(at));
    }

    /// That was not the first one.
    pub(crate) fn config_reloaded(&self, applied: bool) {
        let outcome = if applied { "applied" } else { "refused" };
        self.counter(&names::RELOADS, &[("outcome", outcome)]).increment(1);
        self.config_loaded(applied);
    }

    /// Whether a store answers; `None` where it is not used. What is said once cannot be unsaid, so that one that is not used any more is as good as up.
    pub(crate) fn set_store_up(&self, store: &'static str, up: Option<bool>) {
        let mut used = lock(&self.0.stores);
        if up.is_some() {
            used.insert(store);
        } else if !used.contains(store) {
            return;
        }
        let up = up.unwrap_or(true);
        self.gauge(&names::STORE_UP, &[("store", store)]).set(f64::from(u8::from(up)));
    }

    pub(crate) fn set_endpoint_state(&self, upstream: &str, endpoint: &str, state: &str, is: bool) {
        let labels = [("upstream", upstream), ("endpoint", endpoint), ("state", state)];
        self.gauge(&names::ENDPOINT_STATE, &labels).set(f64::from(u8::from(is)));
    }

    pub(crate) fn set_unmatched(&self, endpoint: &str, count: u64) {
        self.counter(&names::UNMATCHED, &[("endpoint", endpoint)]).absolute(count);
    }

    pub(crate) fn set_buffered(&self, bytes: usize) {
        self.gauge(&names::BUFFERED, &[]).set(bytes as f64);
    }

    /// All of it, as text.
    pub(crate) fn render(&self) -> String {
        let workers = lock(&self.0.workers);
        let sum = |of: fn(&WorkerGauges) -> &AtomicUsize| {
            workers.iter().map(|worker| of(worker).load(Ordering::Relaxed)).sum::<usize>() as f64
        };
        self.gauge(&names::CONNECTIONS, &[]).set(sum(|worker| &worker.connections));
        self.gauge(&names::ACTIVE, &[]).set(sum(|worker| &worker.requests));
        drop(workers);
        // Nobody waits for the text who has something new to count.
        let histograms = {
            let tallies = lock(&self.0.tallies);
            tallies.export();
            tallies.histograms()
        };
        let mut text = self.0.handle.render();
        histograms.render(&mut text);
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// What is behind it is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Since 1970.
fn seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn key(of: &Named, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<_> =
        labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
    Key::from_parts(of.name, labels)
}

#[cfg(test)]
mod tests {
    use super::{tally::Histograms, *};

    #[test]
    fn names_and_help() {
        let metrics = Metrics::new();
        let gauges = metrics.worker();
        let _present = Present::new(&gauges, |worker| &worker.connections);
        metrics.attempts("images", "primary", "delivered").increment(2);
        metrics.set_store_up("ledger", Some(false));
        metrics.set_store_up("keys", None);
        let text = metrics.render();
        for line in [
            "# TYPE tollgate_attempts_total counter",
            "tollgate_attempts_total{upstream=\"images\",endpoint=\"primary\",outcome=\"delivered\"} 2",
            "tollgate_store_up{store=\"ledger\"} 0",
            "tollgate_connections 1",
            "http_server_active_requests 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.contains("# HELP tollgate_attempts_total "));
        assert!(!text.contains("store=\"keys\""));
        metrics.set_store_up("ledger", None);
        assert!(metrics.render().contains("tollgate_store_up{store=\"ledger\"} 1"));
        let histograms = Histograms::ALL.map(|(named, _)| named);
        let mut all: Vec<_> =
            names::all().chain(names::GAUGES).chain(histograms).map(|named| named.name).collect();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
    }
}
