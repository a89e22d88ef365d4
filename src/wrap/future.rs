use super::{
    WrapBody, WrapError, head,
    plan::{Exchange, Plan, plan},
};
use crate::{
    Catalog, envelope,
    fault::{Cause, UpstreamFault, UpstreamKind},
    normalize::rescue_or,
};
use bytes::Bytes;
use http::{HeaderValue, Response, response::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower::BoxError;

pin_project! {
    /// Future of [`Wrap`](super::Wrap).
    #[derive(Debug)]
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
        exchange: Exchange,
        request_id: Option<HeaderValue>,
        catalog: Arc<Catalog>,
    }
}

pin_project! {
    #[project = StateProjected]
    #[derive(Debug)]
    enum State<F, B> {
        // The inner service works.
        Running { #[pin] future: F },
        // The head is there; whether the body has a beginning decides whether it is shown.
        Opening { parts: Option<Parts>, body: Option<WrapBody<B>> },
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(super) fn new(
        future: F,
        exchange: Exchange,
        request_id: Option<HeaderValue>,
        catalog: Arc<Catalog>,
    ) -> Self {
        Self { state: State::Running { future }, exchange, request_id, catalog }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<WrapBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let context = envelope::Context {
            head: *this.exchange == Exchange::Head,
            request_id: this.request_id.as_ref(),
        };
        loop {
            match this.state.as_mut().project() {
                StateProjected::Running { future } => {
                    let response = ready!(future.poll(cx))?;
                    let response = wrap(response, *this.exchange, this.catalog, context);
                    if !response.body().is_spliced() {
                        return Poll::Ready(Ok(response));
                    }
                    let (parts, body) = response.into_parts();
                    this.state.set(State::Opening { parts: Some(parts), body: Some(body) });
                }
                StateProjected::Opening { parts, body } => {
                    let opened = match body {
                        Some(body) => ready!(body.poll_opening(cx)),
                        None => Ok(()),
                    };
                    // Polled after completion: there is nothing to answer any more.
                    let (Some(parts), Some(body)) = (parts.take(), body.take()) else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(match opened {
                        Ok(()) => Response::from_parts(parts, body),
                        Err(error) => {
                            catalog_answer(this.catalog, &error, context).map(WrapBody::full)
                        }
                    }));
                }
            }
        }
    }
}

/// The answer in the place of one whose body fails before it begins.
fn catalog_answer(
    catalog: &Catalog,
    error: &WrapError,
    context: envelope::Context<'_>,
) -> Response<Bytes> {
    // What nobody knows: the body was cut off, whoever did it.
    let cut_off = UpstreamFault::new(UpstreamKind::Incomplete, Cause::CutOff);
    catalog.respond(&rescue_or(error, cut_off), context)
}

fn wrap<B: Body<Data = Bytes>>(
    response: Response<B>,
    exchange: Exchange,
    catalog: &Catalog,
    context: envelope::Context<'_>,
) -> Response<WrapBody<B>> {
    let (mut parts, body) = response.into_parts();
    let body = match plan(exchange, &parts, body.is_end_stream(), body.size_hint()) {
        Plan::Pass => WrapBody::inner(body),
        Plan::Refuse(fault) => return catalog.respond(&fault, context).map(WrapBody::full),
        Plan::Null => {
            head::become_null(&mut parts);
            match exchange {
                Exchange::Head => WrapBody::full(Bytes::new()),
                _ => WrapBody::null(),
            }
        }
        Plan::Splice { length, decoder } => {
            head::become_spliced(&mut parts, length);
            match exchange {
                Exchange::Head => WrapBody::full(Bytes::new()),
                _ => WrapBody::spliced(body, decoder),
            }
        }
    };
    Response::from_parts(parts, body)
}
