use super::{Classify, Inspection};
use crate::{Catalog, profile::Profile, signal::Signal};
use std::{sync::Arc, time::Duration};
use tower_layer::Layer;

/// Reads a provider's answers as its profile says; see the [module](super).
#[derive(Clone, Debug)]
pub struct ClassifyLayer {
    inspection: Inspection,
    catalog: Arc<Catalog>,
}

impl ClassifyLayer {
    /// With this profile and the default catalog.
    pub fn new(profile: Arc<Profile>) -> Self {
        Self { inspection: Inspection::new(profile), catalog: Catalog::shared_default().clone() }
    }

    /// Answers failures in the words of this catalog. Default: the preset `default`.
    #[must_use]
    pub fn catalog(mut self, catalog: Arc<Catalog>) -> Self {
        self.catalog = catalog;
        self
    }

    /// The most bytes of a body that are looked at, as they arrive; four times as many once decoded. Default: 64 KiB.
    ///
    /// A longer failure is judged by its head; a longer success passes.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.inspection.max_bytes = bytes;
        self
    }

    /// The most bytes of one event that are looked at, and held back until the event is whole. Default: 1 MiB.
    #[must_use]
    pub fn max_event_bytes(mut self, bytes: usize) -> Self {
        self.inspection.max_event_bytes = bytes;
        self
    }

    /// Sends a comment into server-sent events after so much silence, again and again. Default: never.
    ///
    /// # Panics
    ///
    /// The service does, outside a tokio runtime with time.
    #[must_use]
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.inspection.heartbeat = Some(every);
        self
    }

    /// Ends streams of events when this begins, with an event that says that the service is shutting down. Default: never.
    #[must_use]
    pub fn stop(mut self, signal: Signal) -> Self {
        self.inspection.stop = Some(signal);
        self
    }
}

impl<S> Layer<S> for ClassifyLayer {
    type Service = Classify<S>;

    fn layer(&self, inner: S) -> Classify<S> {
        Classify::new(inner, Arc::new(self.inspection.clone()), self.catalog.clone())
    }
}
