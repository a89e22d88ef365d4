//! One request to one endpoint, and its answer.

use super::{
    body::{Limits, UpstreamBody},
    endpoint::Endpoint,
    hygiene::{self, RequestFacts},
    pool::{Checkout, Lease, Pool},
    upgrade::splice,
    upload::{Upload, UploadBody},
};
use crate::{
    Fault,
    fault::{Cause, UpstreamFault, UpstreamKind},
    profile::UpstreamAnswer,
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header, uri::PathAndQuery};
use http_body::Body;
use hyper::{body::Incoming, client::conn::TrySendError, upgrade::OnUpgrade};
use std::{future::Future, pin::pin, sync::Arc};
use tokio::time::Instant;
use tower::BoxError;

/// An endpoint and its connections.
pub(super) struct Exchange<B> {
    pub(super) endpoint: Endpoint,
    pub(super) pool: Arc<Pool<B>>,
}

/// What hyper gives back when a request did not work out.
type Failed<B> = TrySendError<Request<UploadBody<B>>>;

impl<B> Exchange<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Sends the request and waits for the head of the answer.
    pub(super) async fn run(
        &self,
        request: Request<B>,
    ) -> Result<Response<UpstreamBody<B>>, Fault> {
        let deadline = Instant::now() + self.endpoint.timeouts.total;
        let (mut parts, body) = request.into_parts();
        let facts = hygiene::clean_request(&mut parts, &self.endpoint)?;
        let client_side =
            facts.upgrade.as_ref().and_then(|_| parts.extensions.remove::<OnUpgrade>());
        let target = self.endpoint.target(&parts.uri)?;
        let (body, upload) = UploadBody::new(body);
        let request = Request::from_parts(parts, body);

        let sent = self.send(request, &target, &facts, upload.as_deref());
        let (response, lease) = match tokio::time::timeout_at(deadline, sent).await {
            Ok(sent) => sent?,
            Err(_) => return Err(timeout(Cause::TotalTimeout)),
        };
        self.receive(response, lease.with_upload(upload), &facts, client_side, deadline)
    }

    /// Sends the request on a connection of the pool. One that turns out to have gone stale is replaced by a
    /// new one, once, and only when nothing of the request has been sent.
    async fn send(
        &self,
        mut request: Request<UploadBody<B>>,
        target: &PathAndQuery,
        facts: &RequestFacts,
        upload: Option<&Upload>,
    ) -> Result<(Response<Incoming>, Taken<B>), Fault> {
        let mut fresh = false;
        loop {
            let (sent, taken, reused) = match self.pool.checkout(fresh).await? {
                Checkout::Http1 { mut sender, reused } => {
                    self.prepare_http1(&mut request, target, facts);
                    let answer = sender.try_send_request(request);
                    (self.wait(answer, upload).await?, Taken::Http1(sender), reused)
                }
                Checkout::Http2 { mut sender, stream, reused } => {
                    self.prepare_http2(&mut request, target);
                    let answer = sender.try_send_request(request);
                    (self.wait(answer, upload).await?, Taken::Http2(stream), reused)
                }
            };
            match sent {
                Ok(response) => return Ok((response, taken)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if reused && !fresh => {
                        fresh = true;
                        request = unsent;
                    }
                    _ => return Err(fault_of(failed.error(), upload)),
                },
            }
        }
    }

    /// Waits for the head of the answer; from the end of the request, no longer than the first byte may take.
    async fn wait<F>(&self, answer: F, upload: Option<&Upload>) -> Result<F::Output, Fault>
    where
        F: Future<Output = Result<Response<Incoming>, Failed<B>>>,
    {
        let Some(limit) = self.endpoint.timeouts.first_byte else {
            return Ok(answer.await);
        };
        let mut answer = pin!(answer);
        let mut until = Instant::now() + limit;
        loop {
            match tokio::time::timeout_at(until, answer.as_mut()).await {
                Ok(sent) => return Ok(sent),
                Err(_) => {
                    // As long as the request is under way the provider owes nothing.
                    let sent_at = upload.map_or(Some(until - limit), Upload::finished);
                    let owed = sent_at.map_or(Instant::now(), |at| at) + limit;
                    if owed <= until {
                        return Err(timeout(Cause::FirstByteTimeout));
                    }
                    until = owed;
                }
            }
        }
    }

    fn prepare_http1(
        &self,
        request: &mut Request<UploadBody<B>>,
        target: &PathAndQuery,
        facts: &RequestFacts,
    ) {
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = Uri::from(target.clone());
        let headers = request.headers_mut();
        if let Some(protocol) = &facts.upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, protocol.clone());
        } else if headers.contains_key(header::TE) {
            // RFC 9110, section 10.1.4: TE concerns this connection alone, and says so.
            headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        }
    }

    /// HTTP/2 has no connection fields; an upgrade becomes an ordinary request.
    fn prepare_http2(&self, request: &mut Request<UploadBody<B>>, target: &PathAndQuery) {
        *request.version_mut() = Version::HTTP_2;
        let headers = request.headers_mut();
        headers.remove(header::CONNECTION);
        headers.remove(header::UPGRADE);
        let host = headers.remove(header::HOST);
        let authority = host
            .filter(|_| self.endpoint.preserves_host())
            .and_then(|host| host.to_str().ok()?.parse().ok());
        let authority = authority.as_ref().unwrap_or(self.endpoint.authority());
        *request.uri_mut() = self.endpoint.absolute(target.clone(), authority);
    }

    /// Makes the answer ours.
    fn receive(
        &self,
        mut response: Response<Incoming>,
        lease: impl FnOnce(Keep, &Arc<Pool<B>>) -> Lease<B>,
        facts: &RequestFacts,
        client_side: Option<OnUpgrade>,
        deadline: Instant,
    ) -> Result<Response<UpstreamBody<B>>, Fault> {
        hygiene::check_framing(response.headers())?;
        let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if switched {
            let asked = facts.upgrade.as_ref();
            let agreed =
                asked.is_some_and(|asked| hygiene::is_upgrade_to(response.headers(), asked));
            let (true, Some(client_side)) = (agreed, client_side) else {
                return Err(
                    UpstreamFault::new(UpstreamKind::Unexpected, Cause::UnexpectedUpgrade).into()
                );
            };
            splice(client_side, hyper::upgrade::on(&mut response));
        }
        let (mut parts, body) = response.into_parts();
        let failed = parts.status.as_u16() >= 400;
        let keep = Keep { hint: hygiene::keep_alive_hint(&parts.headers), drain: failed };
        let hidden = hygiene::clean_response(&mut parts, self.endpoint.authority());
        if switched && let Some(protocol) = &facts.upgrade {
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            parts.headers.insert(header::UPGRADE, protocol.clone());
        }
        if failed {
            parts.extensions.insert(UpstreamAnswer);
        }
        let limits = Limits { idle: self.endpoint.timeouts.idle, deadline };
        // What has become something else carries no further request.
        let lease = (!switched).then(|| lease(keep, &self.pool));
        let body = UpstreamBody::new(body, lease, limits);
        let body = if hidden { body.discarded() } else { body };
        Ok(Response::from_parts(parts, body))
    }
}

/// A connection that has carried the request, and now the answer.
enum Taken<B> {
    Http1(hyper::client::conn::http1::SendRequest<UploadBody<B>>),
    Http2(super::pool::Stream),
}

/// What the answer's head says about its connection.
struct Keep {
    hint: Option<std::time::Duration>,
    drain: bool,
}

impl<B> Taken<B> {
    /// The lease of this connection, once the answer's head is known.
    fn with_upload(
        self,
        upload: Option<Arc<Upload>>,
    ) -> impl FnOnce(Keep, &Arc<Pool<B>>) -> Lease<B> {
        move |keep, pool| match self {
            Self::Http1(sender) => Lease::Http1 {
                sender,
                pool: pool.clone(),
                upload,
                keep: keep.hint,
                drain: keep.drain,
            },
            Self::Http2(stream) => Lease::Http2(stream),
        }
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
    } else {
        (UpstreamKind::Unreachable, Cause::Reset)
    };
    UpstreamFault::new(kind, cause).into()
}
