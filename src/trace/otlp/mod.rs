//! Spans on their way to an OpenTelemetry collector: OTLP over HTTP, as protobuf.
//!
//! Workers put spans into a bounded queue and never wait; the SDK's batch processor takes them out on a thread of its own. What does not fit, and what
//! the collector does not take, is lost, and the log says how much.

mod client;
mod losses;
mod spans;

use self::{client::Client, losses::Losses};
use super::{Facts, Recording};
use crate::config;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter as OtlpExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter, SpanProcessor as _},
};
use std::{
    env, fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// How many spans may wait to be sent.
const QUEUE: usize = 8192;
/// How much of the end of a trace's id decides whether the trace is recorded (56 bits).
const DICE: u64 = 1 << 56;

/// Who gets what is recorded.
#[derive(Debug)]
pub(crate) struct Tracer {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    /// Traces with smaller dice are not recorded.
    threshold: u64,
    queued: Arc<AtomicUsize>,
    losses: Arc<Losses>,
}

/// Why there is nobody who gets spans.
#[derive(Debug)]
pub(crate) enum InvalidTraces {
    /// What stands in front of the collector cannot be called.
    Client(client::InvalidClient),
    /// A variable says something that this program cannot do.
    Exporter(ExporterBuildError),
}

impl fmt::Display for InvalidTraces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => write!(f, "{error}"),
            Self::Exporter(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for InvalidTraces {}

impl Tracer {
    /// Starts a thread that sends spans, where there is a collector.
    ///
    /// # Errors
    ///
    /// When the environment says something of it that cannot be.
    pub(super) fn start(config: &config::Traces) -> Result<Option<Self>, InvalidTraces> {
        let Some(url) = config.collector() else { return Ok(None) };
        let losses = Arc::<Losses>::default();
        let client = Client::new(url, config.credential.as_ref(), losses.clone())
            .map_err(InvalidTraces::Client)?;
        let exporter = OtlpExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(format!("{url}/v1/traces"))
            .build()
            .map_err(InvalidTraces::Exporter)?;
        let queued = Arc::<AtomicUsize>::default();
        let exporter = Watched { inner: exporter, queued: queued.clone(), losses: losses.clone() };
        // How often and how much at a time: the SDK's defaults, or what OTEL_BSP_* says.
        let settings = BatchConfigBuilder::default().with_max_queue_size(QUEUE).build();
        let mut processor = BatchSpanProcessor::new(exporter, settings);
        processor.set_resource(&resource(config));
        let scope =
            InstrumentationScope::builder("tollgate").with_version(env!("CARGO_PKG_VERSION"));
        Ok(Some(Self {
            processor,
            scope: scope.build(),
            threshold: threshold(config.sample()),
            queued,
            losses,
        }))
    }

    /// Whether a trace that begins here is recorded: whoever else decides by its id as OpenTelemetry does comes to the same result.
    pub(super) fn samples(&self, trace_id: u128) -> bool {
        dice(trace_id) >= self.threshold
    }

    /// Puts the spans of a request into the queue.
    pub(super) fn take(&self, recording: &Recording, facts: &Facts<'_>) {
        for span in spans::of(recording, facts, &self.scope) {
            self.queue(span);
        }
    }

    fn queue(&self, span: SpanData) {
        // The processor has a bound of its own, and tells nobody what it drops.
        if self.queued.fetch_add(1, Ordering::Relaxed) >= QUEUE {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            self.losses.full();
            return;
        }
        self.processor.on_end(span);
    }

    /// Sends what is left, and waits for that no longer than this.
    pub(super) fn stop(&self, patience: Duration) {
        if self.processor.shutdown_with_timeout(patience).is_err() {
            let lost = self.queued.load(Ordering::Relaxed);
            tracing::warn!(lost, "the collector has not taken the last spans in time");
        }
    }
}

/// The last 56 bits of the id, which are random where it is made as it should be.
fn dice(trace_id: u128) -> u64 {
    trace_id as u64 & (DICE - 1)
}

/// The smallest dice of the traces that are recorded, where this share of all is.
fn threshold(share: f64) -> u64 {
    ((1.0 - share) * DICE as f64) as u64
}

/// Whose spans they are: the configuration's word, the environment's, or ours.
fn resource(config: &config::Traces) -> Resource {
    let is_set = |name| env::var(name).is_ok_and(|value| !value.is_empty());
    let attributes = env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_named = is_set("OTEL_SERVICE_NAME")
        || attributes.split(',').any(|pair| pair.trim().starts_with("service.name="));
    let builder = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    match &config.service_name {
        Some(name) => builder.with_service_name(name.as_str().to_owned()),
        None if is_named => builder,
        None => builder.with_service_name("tollgate"),
    }
    .build()
}

/// The exporter, watched: what it takes has left the queue, and what it fails at is lost.
#[derive(Debug)]
struct Watched {
    inner: OtlpExporter,
    queued: Arc<AtomicUsize>,
    losses: Arc<Losses>,
}

impl SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.queued.fetch_sub(spans, Ordering::Relaxed);
        let result = self.inner.export(batch).await;
        if result.is_err() {
            self.losses.refused(spans);
        }
        self.losses.report();
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_are_recorded() {
        for (share, least, most) in
            [(0.0, 0, 0), (0.1, 800, 1200), (0.5, 4700, 5300), (1.0, 10_000, 10_000)]
        {
            let threshold = threshold(share);
            let mut ids = fastrand::Rng::with_seed(7);
            let recorded = (0..10_000).filter(|_| dice(ids.u128(..)) >= threshold).count();
            assert!((least..=most).contains(&recorded), "{share}: {recorded}");
        }
    }

    /// With a collector that accepts connections and says nothing, nobody waits, and what is too much is counted.
    #[test]
    fn a_queue_has_an_end() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let config = config::Traces {
            endpoint: Some(config::Setting::Set(url.parse().unwrap())),
            ..config::Traces::default()
        };
        let tracer = Arc::new(Tracer::start(&config).unwrap().unwrap());
        let traces = super::super::Traces {
            propagate: true,
            from: config::TraceSource::Nobody,
            tracer: Some(tracer.clone()),
        };
        // A batch may be on its way besides those that wait.
        let (requests, most) = (3 * QUEUE, QUEUE + 2 * 512);
        for _ in 0..requests {
            let trace = traces.of(&mut http::HeaderMap::new(), true).unwrap();
            trace.record().unwrap().finish(&Facts {
                method: &http::Method::GET,
                version: http::Version::HTTP_11,
                is_tls: false,
                route: None,
                request_id: None,
                status: None,
                fault: None,
                bytes: 0,
                is_whole: false,
            });
        }
        assert!(tracer.queued.load(Ordering::Relaxed) <= QUEUE);
        let lost = tracer.losses.full.load(Ordering::Relaxed) as usize;
        assert!((requests - most..=requests - QUEUE).contains(&lost), "{lost}");
        let asked = std::time::Instant::now();
        tracer.stop(Duration::from_millis(20));
        assert!(asked.elapsed() < Duration::from_secs(2));
    }
}
