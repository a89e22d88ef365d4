use super::{
    WrapBody, head,
    plan::{Exchange, Plan, plan},
};
use crate::{Catalog, envelope};
use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

pin_project! {
    /// Future of [`Wrap`](super::Wrap).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        exchange: Exchange,
        request_id: Option<HeaderValue>,
        catalog: Arc<Catalog>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(
        inner: F,
        exchange: Exchange,
        request_id: Option<HeaderValue>,
        catalog: Arc<Catalog>,
    ) -> Self {
        Self { inner, exchange, request_id, catalog }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<WrapBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let context = envelope::Context {
            head: *this.exchange == Exchange::Head,
            request_id: this.request_id.as_ref(),
        };
        Poll::Ready(Ok(wrap(response, *this.exchange, this.catalog, context)))
    }
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
