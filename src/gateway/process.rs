use crate::{
    alone::{Alone, MOST_ALONE},
    classify::Unmatched,
    metrics::{Metrics, WorkerGauges},
    signal::Signal,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// What belongs to the process: it stays when one configuration takes the place of another.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// Our name in `Via` where the configuration has none: one that no other gateway has, so that two of them in a row are no loop.
    pub(super) via: Arc<str>,
    pub(crate) metrics: Metrics,
    /// Begins when streams have to end.
    pub(crate) cut_off: Signal,
    /// Failures of providers that no rule knows.
    pub(super) unmatched: Arc<Unmatched>,
    /// Upstreams and endpoints whose state was told once: when they are gone, that has to be taken back.
    pub(super) told: Arc<Mutex<BTreeSet<(String, Arc<str>)>>>,
    pub(super) workers: Arc<[WorkerProcess]>,
}

/// The same of one worker.
#[derive(Clone, Debug)]
pub(crate) struct WorkerProcess {
    /// Who goes on without clients.
    pub(crate) alone: Arc<Alone>,
    pub(crate) gauges: Arc<WorkerGauges>,
}

impl Process {
    /// One with so many workers, which has counted nothing yet.
    pub(crate) fn new(workers: usize) -> Self {
        let metrics = Metrics::new();
        let worker =
            || WorkerProcess { alone: Arc::new(Alone::new(MOST_ALONE)), gauges: metrics.worker() };
        Self {
            via: format!("tollgate-{:08x}", fastrand::u32(..)).into(),
            workers: std::iter::repeat_with(worker).take(workers).collect(),
            metrics,
            cut_off: Signal::default(),
            unmatched: Arc::default(),
            told: Arc::default(),
        }
    }

    /// Each worker's part.
    pub(crate) fn workers(&self) -> &[WorkerProcess] {
        &self.workers
    }
}
