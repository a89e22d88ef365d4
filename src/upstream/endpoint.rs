use super::Attempt;
#[cfg(feature = "standalone")]
use crate::classify::Watch;
use crate::{classify::Inspection, profile::Profile, signal::Signal};
use std::{fmt, sync::Arc, time::Duration};

/// Hears of tries. Clones are the same one.
#[derive(Clone)]
pub struct AttemptListener(Arc<dyn Fn(&Attempt) + Send + Sync>);

impl AttemptListener {
    /// Calls this for every try; it must not block.
    pub fn new(listen: impl Fn(&Attempt) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listen))
    }

    pub(super) fn hears(&self, attempt: &Attempt) {
        (self.0)(attempt);
    }
}

impl fmt::Debug for AttemptListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttemptListener(…)")
    }
}

/// One endpoint of an [`Upstream`](super::Upstream): a service that calls it, and what its answers mean.
#[derive(Clone, Debug)]
pub struct UpstreamEndpoint<S> {
    pub(super) name: Arc<str>,
    pub(super) service: S,
    pub(super) inspection: Inspection,
    pub(super) priority: u32,
    pub(super) weight: u32,
    pub(super) keeps_deadline: bool,
    pub(super) on_attempt: Option<AttemptListener>,
}

impl<S> UpstreamEndpoint<S> {
    /// An endpoint of this name, for logs and metrics.
    pub fn new(name: impl Into<Arc<str>>, service: S) -> Self {
        let inspection = Inspection::new(Profile::shared_generic().clone());
        Self {
            name: name.into(),
            service,
            inspection,
            priority: 0,
            weight: 1,
            keeps_deadline: false,
            on_attempt: None,
        }
    }

    /// What its answers mean. Default: the profile `generic`.
    #[must_use]
    pub fn profile(mut self, profile: Arc<Profile>) -> Self {
        self.inspection.profile = profile;
        self
    }

    /// Lower ones are asked first. Default: 0.
    #[must_use]
    pub fn priority(mut self, priority: u32) -> Self {
        self.priority = priority;
        self
    }

    /// Its share among endpoints of the same priority; none with 0, as long as there is another one. Default: 1.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// Whether the service itself keeps to the [`Deadline`](crate::deadline::Deadline) of a request, with the body of its answer too, as
    /// [`Forward`](crate::Forward) does: then an attempt needs no timer of its own. Default: `false`.
    #[must_use]
    pub fn keeps_deadline(mut self, keeps: bool) -> Self {
        self.keeps_deadline = keeps;
        self
    }

    /// Tells this of every try, when it is known what became of it: for whoever counts them.
    #[must_use]
    pub fn on_attempt(mut self, listener: AttemptListener) -> Self {
        self.on_attempt = Some(listener);
        self
    }

    /// See [`ClassifyLayer::max_bytes`](crate::ClassifyLayer::max_bytes).
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.inspection.max_bytes = bytes;
        self
    }

    /// See [`ClassifyLayer::max_event_bytes`](crate::ClassifyLayer::max_event_bytes).
    #[must_use]
    pub fn max_event_bytes(mut self, bytes: usize) -> Self {
        self.inspection.max_event_bytes = bytes;
        self
    }

    /// Where failures go that no rule knows.
    #[cfg(feature = "standalone")]
    pub(crate) fn watch(mut self, watch: Watch) -> Self {
        self.inspection.watch = Some(watch);
        self
    }

    /// See [`ClassifyLayer::heartbeat`](crate::ClassifyLayer::heartbeat).
    #[must_use]
    pub fn heartbeat(mut self, every: Option<Duration>) -> Self {
        self.inspection.heartbeat = every;
        self
    }

    /// See [`ClassifyLayer::stop`](crate::ClassifyLayer::stop).
    #[must_use]
    pub fn stop(mut self, signal: Signal) -> Self {
        self.inspection.stop = Some(signal);
        self
    }
}
