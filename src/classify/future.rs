use super::{ClassifiedBody, Examination, Inspection, Voice};
use crate::{Catalog, envelope, work::WorkReport};
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
use tower::BoxError;

pin_project! {
    /// Future of [`Classify`](super::Classify).
    #[derive(Debug)]
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
        is_head: bool,
        request_id: Option<HeaderValue>,
        report: Option<WorkReport>,
        inspection: Arc<Inspection>,
        catalog: Arc<Catalog>,
    }
}

pin_project! {
    #[project = StateProjected]
    #[derive(Debug)]
    enum State<F, B> {
        // The inner service works.
        Running { #[pin] future: F },
        // Its answer is looked at.
        Examining { examination: Examination<B> },
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(super) fn new(
        future: F,
        is_head: bool,
        request_id: Option<HeaderValue>,
        report: Option<WorkReport>,
        inspection: Arc<Inspection>,
        catalog: Arc<Catalog>,
    ) -> Self {
        Self { state: State::Running { future }, is_head, request_id, report, inspection, catalog }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<ClassifiedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjected::Running { future } => {
                    let response = ready!(future.poll(cx))?;
                    let voice = || Voice {
                        catalog: this.catalog.clone(),
                        request_id: this.request_id.clone(),
                        report: this.report.clone(),
                        on_fault: None,
                    };
                    let examination = Examination::new(
                        response,
                        this.inspection.clone(),
                        *this.is_head,
                        this.report.clone(),
                        voice,
                    );
                    this.state.set(State::Examining { examination });
                }
                StateProjected::Examining { examination } => {
                    let context = envelope::Context {
                        head: *this.is_head,
                        request_id: this.request_id.as_ref(),
                    };
                    return Poll::Ready(Ok(match ready!(examination.poll(cx, None)) {
                        Ok(response) => response,
                        Err(fault) => {
                            this.catalog.respond(&fault, context).map(ClassifiedBody::ours)
                        }
                    }));
                }
            }
        }
    }
}
