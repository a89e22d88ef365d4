//! One request to one endpoint, and its answer.

#[cfg(feature = "tls")]
use super::tls::is_refused;
use super::{
    body::{Limits, UpstreamBody},
    causes::causes,
    endpoint::Endpoint,
    hygiene::{self, RequestFacts},
    pool::{Checkout, Pool},
    upgrade::{Hold, splice},
    upload::{Upload, UploadBody},
};
use crate::{
    Fault,
    deadline::{Deadline, after},
    fault::{Cause, UpstreamFault, UpstreamKind},
    profile::UpstreamAnswer,
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header, uri::PathAndQuery};
use http_body::Body;
use hyper::{body::Incoming, client::conn::TrySendError, upgrade::OnUpgrade};
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
};
use tokio::time::{Instant, timeout_at};
use tower::BoxError;

/// An endpoint and its connections.
pub(super) struct Exchange<B> {
    pub(super) endpoint: Endpoint,
    pub(super) pool: Arc<Pool<B>>,
}

/// What hyper gives back when a request did not work out.
type Failed<B> = TrySendError<Request<UploadBody<B>>>;

/// A request that is ready to go.
struct Call<B> {
    /// None while a connection has it.
    request: Option<Request<UploadBody<B>>>,
    /// The path to ask for.
    target: PathAndQuery,
    facts: RequestFacts,
    /// Where the client's connection comes from, if it becomes something else.
    client_side: Option<(OnUpgrade, Option<Hold>)>,
    upload: Option<Arc<Upload>>,
    deadline: Instant,
}

impl<B> Call<B>
where
    B: Body<Data = Bytes>,
{
    fn new(endpoint: &Endpoint, request: Request<B>) -> Result<Self, Fault> {
        let (mut parts, body) = request.into_parts();
        let own = after(endpoint.timeouts.total);
        let deadline = parts.extensions.get().map_or(own, |Deadline(given)| own.min(*given));
        let facts = hygiene::clean_request(&mut parts, endpoint)?;
        let asked = facts.upgrade.as_ref().and_then(|_| parts.extensions.remove::<OnUpgrade>());
        let client_side = asked.map(|client| (client, parts.extensions.remove::<Hold>()));
        let target = endpoint.target(&parts.uri)?;
        let (body, upload) = UploadBody::new(body);
        let request = Some(Request::from_parts(parts, body));
        Ok(Self { request, target, facts, client_side, upload, deadline })
    }
}

impl<B> Exchange<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Sends the request and waits for the head of the answer.
    pub(super) fn run(
        self: Arc<Self>,
        request: Request<B>,
    ) -> impl Future<Output = Result<Response<UpstreamBody<B>>, Fault>> + Send + use<B> {
        // Made ready here, and only borrowed below: what an async block takes in it keeps a second place for.
        let mut call = Call::new(&self.endpoint, request);
        async move {
            match &mut call {
                Ok(call) => self.send(call).await,
                Err(fault) => Err(fault.clone()),
            }
        }
    }

    /// Sends the request on a connection of the pool. One that turns out to have gone stale is replaced by a
    /// new one, once, and only when nothing of the request has been sent.
    async fn send(&self, call: &mut Call<B>) -> Result<Response<UpstreamBody<B>>, Fault> {
        let mut fresh = false;
        loop {
            let mut checkout = self.pool.checkout(fresh, call.deadline).await?;
            let request = call.request.take().ok_or(Fault::Internal)?;
            let (upload, deadline) = (call.upload.as_deref(), call.deadline);
            let sent = match &mut checkout {
                Checkout::Http1 { connection, .. } => {
                    let request = self.prepare_http1(request, call);
                    let sender = connection.sender();
                    self.wait(pin!(sender.try_send_request(request)), upload, deadline).await?
                }
                Checkout::Http2 { sender, .. } => {
                    let request = self.prepare_http2(request, call);
                    self.wait(pin!(sender.try_send_request(request)), upload, deadline).await?
                }
            };
            match sent {
                Ok(response) => return self.receive(response, checkout, call),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if checkout.is_reused() && !fresh => {
                        fresh = true;
                        call.request = Some(unsent);
                    }
                    Some(_) => {
                        return Err(
                            UpstreamFault::new(UpstreamKind::Unreachable, Cause::NotSent).into()
                        );
                    }
                    None => return Err(fault_of(failed.error(), call.upload.as_deref())),
                },
            }
        }
    }

    /// Waits for the head of the answer: until the deadline, and from the end of the request no longer than the
    /// first byte may take.
    async fn wait<F>(
        &self,
        mut answer: Pin<&mut F>,
        upload: Option<&Upload>,
        deadline: Instant,
    ) -> Result<F::Output, Fault>
    where
        F: Future<Output = Result<Response<Incoming>, Failed<B>>>,
    {
        let first_byte = self.endpoint.timeouts.first_byte;
        let mut until = first_byte.map_or(deadline, after);
        loop {
            if let Ok(sent) = timeout_at(until.min(deadline), answer.as_mut()).await {
                return Ok(sent);
            }
            let Some(limit) = first_byte.filter(|_| until < deadline) else {
                // A client that keeps the provider waiting says nothing of the provider.
                return Err(match upload {
                    Some(upload) if upload.waits() => Fault::BodyTimeout,
                    _ => timeout(Cause::TotalTimeout),
                });
            };
            // As long as the request is under way the provider owes nothing.
            let sent_at = upload.map_or(Some(until - limit), Upload::finished);
            let owed = sent_at.map_or_else(|| after(limit), |at| at + limit);
            if owed <= until {
                return Err(timeout(Cause::FirstByteTimeout));
            }
            until = owed;
        }
    }

    fn prepare_http1(
        &self,
        mut request: Request<UploadBody<B>>,
        call: &Call<B>,
    ) -> Request<UploadBody<B>> {
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = Uri::from(call.target.clone());
        let headers = request.headers_mut();
        if let Some(host) = &call.facts.host {
            headers.insert(header::HOST, host.clone());
        }
        if let Some(protocol) = &call.facts.upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, protocol.clone());
        } else if headers.contains_key(header::TE) {
            // RFC 9110, section 10.1.4: TE concerns this connection alone, and says so.
            headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        }
        request
    }

    /// HTTP/2 has no connection fields; an upgrade becomes an ordinary request.
    fn prepare_http2(
        &self,
        mut request: Request<UploadBody<B>>,
        call: &Call<B>,
    ) -> Request<UploadBody<B>> {
        *request.version_mut() = Version::HTTP_2;
        let headers = request.headers_mut();
        headers.remove(header::CONNECTION);
        headers.remove(header::UPGRADE);
        headers.remove(header::HOST);
        let kept = call.facts.host.as_ref().filter(|_| self.endpoint.preserves_host());
        let authority = kept.and_then(|host| host.to_str().ok()?.parse().ok());
        let authority = authority.as_ref().unwrap_or(self.endpoint.authority());
        *request.uri_mut() = self.endpoint.absolute(call.target.clone(), authority);
        request
    }

    /// Makes the answer ours.
    fn receive(
        &self,
        mut response: Response<Incoming>,
        checkout: Checkout<B>,
        call: &mut Call<B>,
    ) -> Result<Response<UpstreamBody<B>>, Fault> {
        let facts = &call.facts;
        hygiene::check_framing(response.headers())?;
        let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if switched {
            let asked = facts.upgrade.as_ref();
            let agreed =
                asked.is_some_and(|asked| hygiene::is_upgrade_to(response.headers(), asked));
            let (true, Some((client, hold))) = (agreed, call.client_side.take()) else {
                return Err(
                    UpstreamFault::new(UpstreamKind::Unexpected, Cause::UnexpectedUpgrade).into()
                );
            };
            splice(client, hyper::upgrade::on(&mut response), hold);
        }
        let (mut parts, body) = response.into_parts();
        // Such as the provider's words beside its status.
        parts.extensions.clear();
        // RFC 9110, section 6.2: the version of an answer is that of its sender, which is us.
        parts.version = Version::default();
        let failed = parts.status.as_u16() >= 400;
        let keep = hygiene::keep_alive_hint(&parts.headers);
        #[cfg(feature = "profile")]
        if failed {
            let headers = crate::profile::UpstreamHeaders(parts.headers.clone());
            parts.extensions.insert(headers);
        }
        let hidden = hygiene::clean_response(&mut parts, &self.endpoint);
        if switched && let Some(protocol) = &facts.upgrade {
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            parts.headers.insert(header::UPGRADE, protocol.clone());
        }
        if failed {
            parts.extensions.insert(UpstreamAnswer);
        }
        let limits = Limits { idle: self.endpoint.timeouts.idle, deadline: call.deadline };
        let upload = call.upload.take();
        let lease = if switched {
            checkout.detach();
            None
        } else {
            Some(checkout.into_lease(&self.pool, upload, keep, failed))
        };
        let body = UpstreamBody::new(body, lease, limits);
        let body = if hidden { body.discarded() } else { body };
        Ok(Response::from_parts(parts, body))
    }
}

fn timeout(cause: Cause) -> Fault {
    UpstreamFault::new(UpstreamKind::Timeout, cause).into()
}

/// Why there is no answer: the client's side if its body failed, else the provider's.
fn fault_of(error: &hyper::Error, upload: Option<&Upload>) -> Fault {
    if let Some(fault) = upload.and_then(Upload::fault) {
        return fault.clone();
    }
    let (kind, cause) = if error.is_parse() {
        (UpstreamKind::Unexpected, Cause::Malformed)
    } else if was_not_processed(error) {
        (UpstreamKind::Unreachable, Cause::NotSent)
    } else if is_refused(error) {
        (UpstreamKind::Unreachable, Cause::Tls)
    } else {
        (UpstreamKind::Unreachable, Cause::Reset)
    };
    UpstreamFault::new(kind, cause).into()
}

/// Without TLS there are no certificates to refuse.
#[cfg(not(feature = "tls"))]
fn is_refused(_: &hyper::Error) -> bool {
    false
}

/// Whether an HTTP/2 provider says that it has done nothing for the request: it refused the stream, or goes away and has not
/// begun with it (RFC 9113, section 8.7).
fn was_not_processed(error: &hyper::Error) -> bool {
    causes(error).find_map(|error| error.downcast_ref::<h2::Error>()).is_some_and(|error| {
        let is_refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (error.is_go_away() || is_refused)
    })
}
