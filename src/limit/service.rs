use super::{
    Counters, CountersError, Headers, Level, Levels, Local, ResponseFuture, fields,
    tariff::{Tariff, Tariffs},
};
use crate::{
    Catalog, Fault,
    envelope::{Context as EnvelopeContext, ResponseBody},
    first_look::first_look,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use std::{
    error::Error,
    iter, mem,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// Refuses requests that are beyond a quota; see the [module](super).
#[derive(Debug)]
pub struct RateLimit<S, C = Local> {
    inner: S,
    shared: Arc<Shared<C>>,
}

/// What every request of one layer shares.
#[derive(Debug)]
pub(super) struct Shared<C> {
    pub(super) counters: C,
    pub(super) tariffs: Tariffs,
    pub(super) catalog: Arc<Catalog>,
    pub(super) headers: Headers,
}

impl<S, C> RateLimit<S, C> {
    pub(super) const fn new(inner: S, shared: Arc<Shared<C>>) -> Self {
        Self { inner, shared }
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, C> Clone for RateLimit<S, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<S, C, R, B> Service<Request<R>> for RateLimit<S, C>
where
    S: Service<Request<R>, Response = Response<B>> + Clone,
    C: Counters,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        if self.shared.tariffs.is_empty() {
            return ResponseFuture::untouched(self.inner.call(request));
        }
        let (parts, body) = request.into_parts();
        let tariff = self.shared.tariffs.of(&parts).clone();
        let mut check = self.shared.counters.check(tariff.demands(&parts));
        let request = Request::from_parts(parts, body);
        if let Poll::Ready(checked) = first_look(&mut check) {
            return match self.shared.judge(checked, &request, &tariff) {
                Ok(levels) => {
                    let future = self.inner.call(request);
                    ResponseFuture::running(future, levels, tariff, self.shared.clone())
                }
                Err(answer) => ResponseFuture::refused(answer),
            };
        }
        // The one that was asked whether it is ready.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        ResponseFuture::checking(check, ready, request, tariff, self.shared.clone())
    }
}

impl<C> Shared<C> {
    /// An answer of the inner service, with our fields.
    pub(super) fn pass<B>(
        &self,
        answer: Response<B>,
        tariff: &Tariff,
        levels: &[Level],
    ) -> Response<ResponseBody<B>> {
        let (mut parts, body) = answer.into_parts();
        fields::state(&mut parts, self.headers, tariff, levels);
        Response::from_parts(parts, ResponseBody::inner(body))
    }

    /// How the quotas stand for a request that is admitted; the answer to one that is not, or whose counters have not
    /// answered.
    #[expect(clippy::result_large_err, reason = "it is taken apart where it is made")]
    pub(super) fn judge<R>(
        &self,
        checked: Result<Levels, CountersError>,
        request: &Request<R>,
        tariff: &Tariff,
    ) -> Result<Levels, Response<Bytes>> {
        let (levels, verdict) = match checked {
            Ok(levels) => {
                let verdict = tariff.verdict(&levels);
                (levels, verdict)
            }
            Err(error) => {
                log(&error);
                (Levels::new(), Err(Fault::StoreUnavailable))
            }
        };
        let Err(fault) = verdict else { return Ok(levels) };
        let context = EnvelopeContext::of(request);
        let (mut parts, body) = self.catalog.respond(&fault, context).into_parts();
        fields::state(&mut parts, self.headers, tariff, &levels);
        Err(Response::from_parts(parts, body))
    }
}

/// The answer does not say why; nor is a store that is away the same news with every request, so it is not a warning.
fn log(error: &CountersError) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let mut source = error.source();
    let causes: Vec<String> = iter::from_fn(|| {
        let cause = source?;
        source = cause.source();
        Some(cause.to_string())
    })
    .collect();
    tracing::debug!(causes = causes.join(": "), "limits: {error}");
}
