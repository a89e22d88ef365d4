//! `/metrics`, read as strictly as Prometheus does, and more so.

use super::{Gateway, soon};
use std::collections::{BTreeMap, BTreeSet};

/// What a gateway has counted, by series.
#[derive(Debug)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// The sum of the series of this name that have all of these labels, as in `state="out"`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        self.of(name, labels).map(|(_, value)| value).sum()
    }

    /// The only one.
    #[track_caller]
    pub fn one(&self, name: &str, labels: &[&str]) -> f64 {
        let found: Vec<_> = self.of(name, labels).collect();
        let [(_, value)] = found[..] else { panic!("{name} {labels:?}: {found:?}") };
        value
    }

    pub fn of(&self, name: &str, labels: &[&str]) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(series, value)| (&**series, *value)).filter(move |(series, _)| {
            series.split('{').next() == Some(name)
                && labels.iter().all(|label| series.contains(label))
        })
    }

    /// Names with labels.
    pub fn series(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|series| &**series)
    }

    /// Every line belongs to the name that was said before it, and nothing is said twice.
    fn parse(text: &str) -> Self {
        let (mut all, mut kinds, mut current) = (BTreeMap::new(), BTreeSet::new(), ("", ""));
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with("# HELP ")) {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                current = declared.split_once(' ').unwrap();
                assert!(kinds.insert(current.0), "twice: {line}");
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, kind) = current;
            let rest = series.split('{').next().unwrap().strip_prefix(name);
            let known: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(rest.is_some_and(|rest| known.contains(&rest)), "{kind} {name}: {line}");
            let value = value.parse().unwrap();
            assert!(all.insert(series.to_owned(), value).is_none(), "twice: {series}");
        }
        Self(all)
    }
}

impl Gateway {
    pub async fn metrics(&self) -> Metrics {
        let page = self.ask_admin("/metrics").await;
        assert_eq!(page.status, 200);
        let kind = page.fields.one("content-type").unwrap();
        assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
        Metrics::parse(page.text())
    }

    /// When so many requests are counted: each is when its answer has left.
    pub async fn metrics_of(&self, requests: u32) -> Metrics {
        soon("all of them", async {
            loop {
                let all = self.metrics().await;
                let counted = all.sum("http_server_request_duration_seconds_count", &[]);
                if counted == f64::from(requests) {
                    return all;
                }
            }
        })
        .await
    }
}
