//! What is counted for every request: each worker has cells of its own, which no other core writes to. They are added up when somebody
//! asks.
//!
//! The exporter's own counters and histograms are shared, and its histograms keep every sample, with a time, until somebody collects them.

use super::{
    key,
    names::{self, BUCKETS, Named},
};
use metrics::{Counter, Key};
use metrics_exporter_prometheus::{
    LabelSet,
    formatting::{write_help_line, write_metric_line, write_type_line},
};
use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// A number. Alone in its cache line: its neighbour in memory may be another worker's.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }
}

/// How often something took how long.
#[derive(Default)]
pub(super) struct Durations {
    /// One more than there are bounds: the last is for what takes longer than all of them.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    nanos: AtomicU64,
}

impl Durations {
    pub(super) fn record(&self, took: Duration) {
        let bucket = BUCKETS.iter().position(|bound| took <= *bound).unwrap_or(BUCKETS.len());
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// The lines of a histogram: each bucket counts those before it too.
    fn render(&self, text: &mut String, of: &Named, labels: &LabelSet) {
        let mut count = 0;
        let bounds = BUCKETS.iter().map(|bound| bound.as_secs_f64()).chain([f64::INFINITY]);
        for (bound, bucket) in bounds.zip(&self.buckets) {
            count += bucket.load(Relaxed);
            let le = Some(("le", Bound(bound)));
            write_metric_line(text, of.name, Some("bucket"), labels, le, count, None);
        }
        let sum = Duration::from_nanos(self.nanos.load(Relaxed)).as_secs_f64();
        write_metric_line::<&str, _>(text, of.name, Some("sum"), labels, None, sum, None);
        write_metric_line::<&str, _>(text, of.name, Some("count"), labels, None, count, None);
    }
}

/// As Prometheus writes numbers.
struct Bound(f64);

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() { f.write_str("+Inf") } else { self.0.fmt(f) }
    }
}

/// How long requests of one route took.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct RouteDurations {
    pub(super) whole: Durations,
    pub(super) provider: Durations,
    pub(super) own: Durations,
}

/// What can be added up.
trait Sum: Default {
    fn add_all(&self, other: &Self);
}

impl Sum for Count {
    fn add_all(&self, other: &Self) {
        self.add(other.0.load(Relaxed));
    }
}

impl Sum for Durations {
    fn add_all(&self, other: &Self) {
        for (sum, bucket) in self.buckets.iter().zip(&other.buckets) {
            sum.fetch_add(bucket.load(Relaxed), Relaxed);
        }
        self.nanos.fetch_add(other.nanos.load(Relaxed), Relaxed);
    }
}

impl Sum for RouteDurations {
    fn add_all(&self, other: &Self) {
        self.whole.add_all(&other.whole);
        self.provider.add_all(&other.provider);
        self.own.add_all(&other.own);
    }
}

/// The cells of all workers for one thing.
#[derive(Default)]
struct Cells<T> {
    used: Vec<Arc<T>>,
    /// What was in those that nobody uses any more.
    gone: T,
    /// When there are so many it is looked which of them are gone.
    look_at: usize,
}

/// Fewer are not worth a look.
const FEW: usize = 16;

impl<T: Sum> Cells<T> {
    fn cell(&mut self) -> Arc<T> {
        if self.used.len() >= self.look_at {
            self.let_go();
            self.look_at = FEW.max(2 * self.used.len());
        }
        let cell = Arc::<T>::default();
        self.used.push(cell.clone());
        cell
    }

    /// Keeps what is in cells that only we have: nobody can write there again.
    fn let_go(&mut self) {
        let Self { used, gone, .. } = self;
        used.retain_mut(|cell| {
            let is_gone = Arc::get_mut(cell).is_some();
            if is_gone {
                gone.add_all(cell);
            }
            !is_gone
        });
    }

    fn sum(&self) -> T {
        let sum = T::default();
        sum.add_all(&self.gone);
        for cell in &self.used {
            sum.add_all(cell);
        }
        sum
    }
}

/// All cells there are.
#[derive(Default)]
pub(super) struct Tallies {
    counts: HashMap<Key, (Counter, Cells<Count>)>,
    durations: BTreeMap<Box<str>, Cells<RouteDurations>>,
}

impl Tallies {
    /// A cell of what has this key, which the exporter knows as `counter`.
    pub(super) fn count(&mut self, key: Key, counter: impl FnOnce(&Key) -> Counter) -> Arc<Count> {
        let (_, cells) = match self.counts.entry(key) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => {
                let counter = counter(place.key());
                place.insert((counter, Cells::default()))
            }
        };
        cells.cell()
    }

    /// A cell for the requests of a route.
    pub(super) fn durations(&mut self, route: &str) -> Arc<RouteDurations> {
        self.durations.entry(route.into()).or_default().cell()
    }

    /// Tells the exporter what all workers have counted together.
    pub(super) fn export(&self) {
        for (counter, cells) in self.counts.values() {
            counter.absolute(cells.sum().0.into_inner());
        }
    }

    /// What there is to say of durations, which the exporter cannot be told.
    pub(super) fn histograms(&self) -> Histograms {
        let sums = self.durations.iter().map(|(route, cells)| {
            let labels = key(&names::DURATION, &[("http_route", route)]);
            (LabelSet::from_key_and_global(&labels, &Default::default()), cells.sum())
        });
        Histograms(sums.collect())
    }
}

/// The durations of each route, all workers together.
pub(super) struct Histograms(Vec<(LabelSet, RouteDurations)>);

impl Histograms {
    pub(super) const ALL: [(&'static Named, fn(&RouteDurations) -> &Durations); 3] = [
        (&names::DURATION, |sum| &sum.whole),
        (&names::PROVIDER, |sum| &sum.provider),
        (&names::OWN, |sum| &sum.own),
    ];

    /// Adds their lines, as Prometheus reads them.
    pub(super) fn render(&self, text: &mut String) {
        for (named, durations) in Self::ALL {
            write_help_line(text, named.name, None, None, named.help);
            write_type_line(text, named.name, None, None, "histogram");
            for (labels, sum) in &self.0 {
                durations(sum).render(text, named, labels);
            }
            text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_added_up_and_outlive_their_workers() {
        let mut cells = Cells::<Count>::default();
        let kept = cells.cell();
        kept.add(1);
        // Two workers at a time, and one reload after the other.
        for _ in 0..1000 {
            let workers = [cells.cell(), cells.cell()];
            workers.iter().for_each(|worker| worker.add(1));
        }
        kept.add(1);
        assert_eq!(cells.sum().0.into_inner(), 2002);
        assert!(cells.used.len() <= 2 * FEW, "{}", cells.used.len());
    }

    #[test]
    fn bounds_belong_to_their_buckets() {
        let durations = Durations::default();
        for micros in [0, 1_000, 1_001, 600_000_000, 600_000_001] {
            durations.record(Duration::from_micros(micros));
        }
        let mut text = String::new();
        let labels = LabelSet::from_key_and_global(&Key::from_name("x"), &Default::default());
        durations.render(&mut text, &Named { name: "x_seconds", help: "" }, &labels);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), BUCKETS.len() + 3);
        for line in [
            "x_seconds_bucket{le=\"0.001\"} 2",
            "x_seconds_bucket{le=\"0.0025\"} 3",
            "x_seconds_bucket{le=\"1\"} 3",
            "x_seconds_bucket{le=\"600\"} 4",
            "x_seconds_bucket{le=\"+Inf\"} 5",
            "x_seconds_sum 1200.002002",
            "x_seconds_count 5",
        ] {
            assert!(lines.contains(&line), "{line}\n{text}");
        }
    }
}
