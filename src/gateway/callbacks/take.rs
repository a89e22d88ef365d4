//! The caller's URL, and ours in its place.

use super::Callbacks;
use crate::{
    Fault,
    auth::Principal,
    callback::{CallbackUrl, Refused},
    charge::place::{only, refused},
    config::Route,
    fault::Text,
    idempotency,
    json::{Kind, Pointer},
    tasks::{Callback, CallbackId},
    validate::ParsedBody,
};
use http::Request;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::timeout;
use tower_layer::Layer;
use tower_service::Service;

/// How long a caller waits for the address of a name.
const LOOKUP: Duration = Duration::from_secs(2);
/// So many are looked up at once, in the whole process: each has a thread until the system's resolver gives up. Others are looked up when they are to be called.
pub(super) const MOST_LOOKUPS: usize = 16;

/// What a route does for callers who want to be told.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct RouteCallback {
    at: Pointer,
    ignore: Vec<String>,
    /// What the schema says is the code for a URL that is wrong.
    code: Option<Text>,
    callbacks: Callbacks,
}

/// A URL of ours, and where it is to stand in the body. In the extensions of a request.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct OurUrl {
    pub(in crate::gateway) at: Pointer,
    pub(in crate::gateway) url: String,
}

impl RouteCallback {
    pub(in crate::gateway) fn new(route: &Route, callbacks: &Callbacks) -> Option<Self> {
        let callback = route.callback.as_ref().filter(|_| callbacks.url.is_some())?;
        let at = callback.url_in_body.get().clone();
        let code = route.rules.schema.as_ref().and_then(|schema| schema.code_at(&at));
        let (ignore, callbacks) = (callback.ignore.clone(), callbacks.clone());
        Some(Self { at, ignore, code, callbacks })
    }

    /// The caller's URL, if there is one.
    fn url_of<R>(&self, request: &Request<R>) -> Result<Option<CallbackUrl>, Fault> {
        let body = request.extensions().get::<ParsedBody>();
        let found = only(body.map(|body| &**body), &self.at).map_err(|fault| self.coded(fault))?;
        let Some(found) = found.filter(|found| found.kind() != Kind::Null) else { return Ok(None) };
        let Some(text) = found.as_str() else {
            return Err(self.wrong("must be a URL"));
        };
        if self.ignore.iter().any(|word| word == text) {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|error| self.wrong(&format!("{error}")))
    }

    /// Whether it may be called. A name that nobody knows at present may be known when it is to be called, and is looked up again then.
    async fn check(&self, url: &CallbackUrl) -> Result<(), Fault> {
        let found = match self.callbacks.lookups.try_acquire() {
            Ok(_place) => timeout(LOOKUP, self.callbacks.guard.resolve(url)).await.ok(),
            Err(_) => Some(self.callbacks.guard.check_literal(url).map(|()| Vec::new())),
        };
        match found {
            Some(Err(Refused::Private)) => Err(self.wrong("must not lead to a private address")),
            Some(Ok(_) | Err(Refused::Unknown(_))) | None => Ok(()),
        }
    }

    /// Puts ours in its place.
    fn replace<R>(&self, url: &CallbackUrl, request: &mut Request<R>) -> Result<(), Fault> {
        let id = self.id_of(request);
        let ours = self.callbacks.url_for(id).ok_or(Fault::Internal)?;
        let extensions = request.extensions_mut();
        extensions.insert(Callback { id, url: url.to_string().into() });
        extensions.insert(OurUrl { at: self.at.clone(), url: ours });
        Ok(())
    }

    /// A request that comes again under its idempotency key is the same to the provider, to the letter.
    fn id_of<R>(&self, request: &Request<R>) -> CallbackId {
        let principal = request.extensions().get::<Principal>();
        let key = request.headers().get(idempotency::HEADER).and(principal);
        let key = key.and_then(|of| idempotency::of_caller(request.headers(), of));
        let id = key.and_then(|key| self.callbacks.secrets.id_for(key.as_bytes()));
        id.unwrap_or_default()
    }

    fn wrong(&self, what: &str) -> Fault {
        self.coded(refused(&self.at, what))
    }

    fn coded(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Violation(violation) => Fault::Violation(violation.with_code(self.code.clone())),
            fault => fault,
        }
    }
}

/// Takes callers' URLs out of requests.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct CallbackLayer(pub(in crate::gateway) Option<Arc<RouteCallback>>);

impl<S> Layer<S> for CallbackLayer {
    type Service = TakeCallback<S>;

    fn layer(&self, inner: S) -> TakeCallback<S> {
        TakeCallback { inner, callback: self.0.clone() }
    }
}

#[derive(Clone, Debug)]
pub(in crate::gateway) struct TakeCallback<S> {
    inner: S,
    callback: Option<Arc<RouteCallback>>,
}

pin_project! {
    /// Future of [`TakeCallback`].
    #[project = TakingProjected]
    pub(in crate::gateway) enum Taking<F, T> {
        // Nobody wants to be called.
        Untouched { #[pin] future: F },
        // In a box: few do, and a name is looked up.
        Checking { future: Pin<Box<dyn Future<Output = Result<T, Fault>> + Send>> },
    }
}

impl<F, T> Future for Taking<F, T>
where
    F: Future<Output = Result<T, Fault>>,
{
    type Output = Result<T, Fault>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            TakingProjected::Untouched { future } => future.poll(cx),
            TakingProjected::Checking { future } => future.as_mut().poll(cx),
        }
    }
}

impl<S, R> Service<Request<R>> for TakeCallback<S>
where
    S: Service<Request<R>, Error = Fault, Future: Send> + Clone + Send + 'static,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = Fault;
    type Future = Taking<S::Future, S::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<R>) -> Self::Future {
        let url = self.callback.as_ref().map(|callback| (callback, callback.url_of(&request)));
        let (callback, url) = match url {
            None | Some((_, Ok(None))) => {
                return Taking::Untouched { future: self.inner.call(request) };
            }
            Some((callback, Ok(Some(url)))) => (callback.clone(), url),
            Some((_, Err(fault))) => {
                return Taking::Checking { future: Box::pin(async { Err(fault) }) };
            }
        };
        // The one that was asked whether it is ready.
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        Taking::Checking {
            future: Box::pin(async move {
                callback.check(&url).await?;
                callback.replace(&url, &mut request)?;
                ready.call(request).await
            }),
        }
    }
}
