use super::Losses;
use crate::{
    config::{self, EndpointUrl},
    forward::{Credential, Endpoint, Forward, Http2, InvalidEndpoint, PoolLimits, Timeouts},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use opentelemetry_http::{HttpClient, HttpError};
use std::{fmt, future::Future, io, pin::Pin, sync::Arc, time::Duration};
use tokio::runtime::{self, Runtime};

/// As much of the collector's answer is read.
const MAX_ANSWER: usize = 64 * 1024;

/// Calls the collector, over a connection of its own each time: there is one call every few seconds.
///
/// It blocks: the SDK calls from a thread that does nothing else.
pub(super) struct Client {
    forward: Forward<Full<Bytes>>,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    losses: Arc<Losses>,
}

/// Why there is no client.
#[derive(Debug)]
pub(crate) enum InvalidClient {
    Endpoint(InvalidEndpoint),
    Runtime(io::Error),
}

impl fmt::Display for InvalidClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(error) => write!(f, "{error}"),
            Self::Runtime(error) => write!(f, "{error}"),
        }
    }
}

impl Client {
    /// Calls whoever is at this URL, and shows the credential there.
    pub(super) fn new(
        url: &EndpointUrl,
        credential: Option<&config::Credential>,
        losses: Arc<Losses>,
    ) -> Result<Self, InvalidClient> {
        let seconds = Duration::from_secs;
        let endpoint = Endpoint::new(&url.root()).map_err(InvalidClient::Endpoint)?;
        let endpoint = endpoint
            .with_http2(Http2::Never)
            .with_pool(PoolLimits { max_idle: 0, ..PoolLimits::default() })
            .with_timeouts(Timeouts {
                connect: seconds(5),
                first_byte: None,
                idle: seconds(10),
                total: seconds(10),
            });
        let endpoint = match credential.and_then(config::Credential::header) {
            Some((name, value)) => endpoint.with_credential(Credential::field(name, value)),
            None => endpoint,
        };
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(InvalidClient::Runtime)?;
        Ok(Self { forward: Forward::new(endpoint), runtime: Some(runtime), losses })
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let runtime = self.runtime.as_ref().ok_or("it is over")?;
        let answer = runtime.block_on(async {
            let request = request.map(Full::new);
            let (head, body) = self.forward.clone().send(request).await?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        });
        match &answer {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => self.losses.because(format!("status {}", answer.status().as_u16())),
            Err(error) => self.losses.because(HttpError::to_string(error)),
        }
        answer
    }
}

impl HttpClient for Client {
    // What `async_trait` makes of the trait's `async fn`.
    fn send_bytes<'a, 'f>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(async move { self.send(request) })
    }
}

/// Without waiting for a name that is still being looked up.
impl Drop for Client {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
