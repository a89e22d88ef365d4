//! A connection while an answer is read from it.

use super::{
    Stream,
    http1::{Connection, Idle},
};
use crate::forward::upload::Upload;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::{fmt, sync::Arc, time::Duration};
use tokio::{runtime::Handle, time::timeout};

/// How much of an unwanted body is read so that its connection can be used again, in bytes.
const DRAIN_BYTES: u64 = 64 * 1024;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// What goes back into the pool when an answer has been read. Dropped before, the connection ends.
pub(in crate::forward) enum Lease<B> {
    Http1 {
        connection: Connection<B>,
        idle: Arc<Idle<B>>,
        /// The request's body; the connection is busy until all of it is sent.
        upload: Option<Arc<Upload>>,
        /// How long the provider keeps it, by its own word.
        keep: Option<Duration>,
        /// Whether the body is worth reading to its end if nobody wants it.
        drain: bool,
    },
    // The place is given up when the lease goes.
    Http2(#[expect(dead_code, reason = "held for its Drop")] Stream),
}

impl<B> fmt::Debug for Lease<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 { .. } => "Lease::Http1",
            Self::Http2(_) => "Lease::Http2",
        })
    }
}

impl<B: Send + 'static> Lease<B> {
    /// The answer has been read to its end.
    pub(in crate::forward) fn release(self) {
        if let Self::Http1 { connection, idle, upload, keep, .. } = self
            && upload.is_none_or(|upload| upload.finished().is_some())
        {
            idle.put(connection, keep);
        }
    }

    /// Nobody wants the rest of the answer: reads it if it is little, so that the connection can be used again.
    ///
    /// In the background, for what is left to read has no one to wait for it. Without a runtime, as when a
    /// program ends, the connection is simply closed.
    pub(in crate::forward) fn drain(self, body: Incoming) {
        let Self::Http1 { drain, .. } = &self else { return };
        let little = body.size_hint().exact().map_or(*drain, |rest| rest <= DRAIN_BYTES);
        if let (true, Ok(runtime)) = (little, Handle::try_current()) {
            runtime.spawn(async move {
                if let Ok(true) = timeout(DRAIN_TIME, read_to_end(body)).await {
                    self.release();
                }
            });
        }
    }
}

/// Whether the body ended well, and soon enough.
async fn read_to_end(mut body: Incoming) -> bool {
    let mut left = DRAIN_BYTES;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        let Some(rest) = left.checked_sub(length) else { return false };
        left = rest;
    }
    true
}
