//! The future of a service that lets a request in or refuses it on the spot.

use crate::Fault;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// Either the inner service's future, or a refusal without one.
    #[project = AdmissionProjected]
    pub(crate) enum Admission<F> {
        Admitted { #[pin] inner: F },
        Refused { fault: Option<Fault> },
    }
}

impl<F> Admission<F> {
    pub(crate) fn refused(fault: Fault) -> Self {
        Self::Refused { fault: Some(fault) }
    }
}

impl<F, T> Future for Admission<F>
where
    F: Future<Output = Result<T, Fault>>,
{
    type Output = Result<T, Fault>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            AdmissionProjected::Admitted { inner } => inner.poll(cx),
            AdmissionProjected::Refused { fault } => {
                Poll::Ready(Err(fault.take().unwrap_or(Fault::Internal)))
            }
        }
    }
}
