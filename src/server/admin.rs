//! The admin listener: is the process alive, and should it get requests?

use super::Drain;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, net::TcpListener as StdListener, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};

/// The most connections at a time; those who probe come one by one.
const CONNECTIONS: usize = 64;
/// How long one of them may take altogether.
const PATIENCE: Duration = Duration::from_secs(30);

/// A page besides `/livez` and `/readyz`: its path, and what makes its JSON.
pub(crate) type Page = (&'static str, Box<dyn Fn() -> String + Send + Sync>);

/// Serves `/livez`, `/readyz` and these pages for as long as the process lives, so that a drain can be watched.
pub(crate) async fn serve(listener: StdListener, drain: Drain, pages: Arc<[Page]>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the admin listener cannot be used");
            return;
        }
    };
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut http1 = http1::Builder::new();
    http1.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(16 * 1024);
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (drain, pages) = (drain.clone(), pages.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer(&request, &drain, &pages);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = http1.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let _ = timeout(PATIENCE, connection).await;
            drop(slot);
        });
    }
}

fn answer<B>(request: &Request<B>, drain: &Drain, pages: &[Page]) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let page = pages.iter().find(|(known, _)| *known == path);
    let known = page.is_some() || matches!(path, "/livez" | "/readyz");
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let constant = |body: &'static str| Bytes::from_static(body.as_bytes());
    let (status, body) = match (path, page) {
        _ if known && !reads => {
            (StatusCode::METHOD_NOT_ALLOWED, constant(r#"{"status":"method not allowed"}"#))
        }
        (_, Some((_, make))) => (StatusCode::OK, make().into()),
        ("/livez", _) => (StatusCode::OK, constant(r#"{"status":"ok"}"#)),
        ("/readyz", _) if drain.has_begun() => (
            StatusCode::SERVICE_UNAVAILABLE,
            constant(r#"{"status":"not ready","reasons":["draining"]}"#),
        ),
        ("/readyz", _) => (StatusCode::OK, constant(r#"{"status":"ok"}"#)),
        _ => (StatusCode::NOT_FOUND, not_found(pages)),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

fn not_found(pages: &[Page]) -> Bytes {
    let paths: Vec<&str> =
        ["/livez", "/readyz"].into_iter().chain(pages.iter().map(|(path, _)| *path)).collect();
    serde_json::json!({ "status": "not found", "paths": paths }).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let (running, draining) = (Drain::default(), Drain::default());
        draining.begin();
        let table = [
            ("GET", "/livez", &running, 200),
            ("HEAD", "/livez", &draining, 200),
            ("GET", "/readyz", &running, 200),
            ("GET", "/readyz?x", &draining, 503),
            ("POST", "/readyz", &running, 405),
            ("GET", "/", &running, 404),
            ("POST", "/x", &running, 404),
            ("GET", "/page", &draining, 200),
            ("DELETE", "/page", &running, 405),
        ];
        let pages: [Page; 1] = [("/page", Box::new(|| "{}".to_owned()))];
        for (method, uri, drain, want) in table {
            let request = Request::builder().method(method).uri(uri).body(()).unwrap();
            assert_eq!(answer(&request, drain, &pages).status(), want, "{method} {uri}");
        }
    }
}
