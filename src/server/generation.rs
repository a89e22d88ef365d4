//! What a configuration comes to for the workers, so that another one can take its place while they run.

use super::{Options, Stack, WorkerStack};
use crate::{NormalizeLayer, metrics::RouteMetrics};
use arc_swap::ArcSwap;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::{sync::Arc, time::Duration};

/// The most requests at once on one HTTP/2 connection.
const STREAMS: u32 = 250;
/// How often an HTTP/2 client is asked whether it is still there.
const PING: Duration = Duration::from_secs(20);
/// The most header fields that hyper has room for without asking for memory, which is its default.
const HTTP1_FIELDS: usize = 100;

/// What all workers serve with, each in the place of its number. It is swapped whole: after one step every new request, on
/// whichever worker and on connections that have been there before, is served by what is in it.
pub(super) type Current<S> = ArcSwap<Vec<Arc<Generation<S>>>>;

/// What one worker serves its connections and requests with. A request keeps the one that it began with.
pub(super) struct Generation<S> {
    pub(super) stack: S,
    pub(super) options: Options,
    pub(super) normalize: NormalizeLayer,
    /// Where requests are counted that no route has.
    pub(super) unrouted: Arc<RouteMetrics>,
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<TokioExecutor>,
}

impl<S: Stack> Generation<S> {
    /// Of one worker.
    pub(super) fn new<W>(worker: WorkerStack<S, W>, options: &Options) -> (Self, W) {
        let WorkerStack { stack, warm_up, unrouted } = worker;
        let options = options.worker();
        let mut http1 = http1::Builder::new();
        // Above the scanner's own limits, so that hyper never refuses by itself.
        http1.max_buf_size(2 * options.limits.head_bytes.max(16 * 1024)).half_close(false);
        if options.limits.fields > HTTP1_FIELDS {
            http1.max_headers(options.limits.fields);
        }
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(http2_header_list(options.limits.head_bytes))
            .keep_alive_interval(PING);
        let normalize = NormalizeLayer::new(options.catalog.clone());
        (Self { stack, options, normalize, unrouted, http1, http2 }, warm_up)
    }
}

/// The largest header list that h2 takes before it refuses by itself, without an envelope: well above our own
/// limit, which answers with one, and small enough for every stream of a connection to have one.
fn http2_header_list(head_bytes: usize) -> u32 {
    u32::try_from(head_bytes.saturating_mul(4)).unwrap_or(u32::MAX).max(64 * 1024)
}
