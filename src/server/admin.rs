//! The admin listener: is the process alive, should it get requests, and how is it?

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use std::{convert::Infallible, fmt, net::TcpListener as StdListener, sync::Arc, time::Duration};
use subtle::ConstantTimeEq;
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};

/// The most connections at a time; those who probe come one by one.
const CONNECTIONS: usize = 64;
/// How long one of them may take altogether.
const PATIENCE: Duration = Duration::from_secs(30);

/// What it serves.
pub(crate) struct Admin {
    /// Who may see more than `/livez` and `/readyz`.
    pub(crate) access: Access,
    /// Why there should be no requests at present: nothing, if there should be.
    pub(crate) not_ready: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    /// What there is besides.
    pub(crate) pages: Vec<Page>,
}

/// Who may see it.
pub(crate) enum Access {
    /// Whoever gets here.
    Anybody,
    /// Whoever has this token.
    Token(Box<str>),
    Nobody,
}

/// A page besides `/livez` and `/readyz`.
pub(crate) struct Page {
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) make: Box<dyn Fn() -> String + Send + Sync>,
}

impl Page {
    /// One of JSON.
    pub(crate) fn json(
        path: &'static str,
        make: impl Fn() -> serde_json::Value + Send + Sync + 'static,
    ) -> Self {
        Self { path, content_type: JSON, make: Box::new(move || make().to_string()) }
    }
}

const JSON: &str = "application/json";

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

/// Serves for as long as the process lives, so that a drain can be watched.
pub(crate) async fn serve(listener: StdListener, admin: Arc<ArcSwap<Admin>>) {
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
        let admin = admin.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = admin.load().answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = http1.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let _ = timeout(PATIENCE, connection).await;
            drop(slot);
        });
    }
}

impl Admin {
    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let page = self.pages.iter().find(|page| page.path == path);
        if page.is_none() && !matches!(path, "/livez" | "/readyz") {
            return self.not_found();
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let mut answer = json_answer(status, &json!({ "status": "method not allowed" }));
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match page {
            Some(page) => match self.access.refusal(request.headers()) {
                None => answer(StatusCode::OK, page.content_type, (page.make)()),
                Some(refusal) => refusal,
            },
            None if path == "/livez" => json_answer(StatusCode::OK, &json!({ "status": "ok" })),
            None => {
                let reasons = (self.not_ready)();
                match reasons.is_empty() {
                    true => json_answer(StatusCode::OK, &json!({ "status": "ok" })),
                    false => json_answer(
                        StatusCode::SERVICE_UNAVAILABLE,
                        &json!({ "status": "not ready", "reasons": reasons }),
                    ),
                }
            }
        }
    }

    fn not_found(&self) -> Response<Full<Bytes>> {
        let paths: Vec<&str> =
            ["/livez", "/readyz"].into_iter().chain(self.pages.iter().map(|p| p.path)).collect();
        json_answer(StatusCode::NOT_FOUND, &json!({ "status": "not found", "paths": paths }))
    }
}

impl Access {
    /// Why not, if so.
    fn refusal(&self, headers: &HeaderMap) -> Option<Response<Full<Bytes>>> {
        match self {
            Self::Anybody => None,
            Self::Token(token) => {
                let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
                let given = given.and_then(|value| value.split_at_checked("Bearer ".len()));
                let is_it = given.is_some_and(|(scheme, given)| {
                    scheme.eq_ignore_ascii_case(b"Bearer ") && given.ct_eq(token.as_bytes()).into()
                });
                if is_it {
                    return None;
                }
                let refusal = json!({ "status": "unauthorized" });
                let mut answer = json_answer(StatusCode::UNAUTHORIZED, &refusal);
                let challenge = HeaderValue::from_static(r#"Bearer realm="admin""#);
                answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                Some(answer)
            }
            Self::Nobody => {
                let why =
                    "the admin listener is not on the loopback, and there is no server.admin_token";
                let refusal = json!({ "status": "forbidden", "reasons": [why] });
                Some(json_answer(StatusCode::FORBIDDEN, &refusal))
            }
        }
    }
}

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    answer(status, JSON, body.to_string())
}

fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admin(access: Access, reasons: &'static [&'static str]) -> Admin {
        let not_ready = move || reasons.iter().map(|reason| (*reason).to_owned()).collect();
        let pages = vec![Page::json("/page", || json!({}))];
        Admin { access, not_ready: Box::new(not_ready), pages }
    }

    #[test]
    fn answers() {
        let running = admin(Access::Anybody, &[]);
        let draining = admin(Access::Anybody, &["draining"]);
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
        for (method, uri, admin, want) in table {
            let request = Request::builder().method(method).uri(uri).body(()).unwrap();
            assert_eq!(admin.answer(&request).status(), want, "{method} {uri}");
        }
    }

    #[test]
    fn who_may_see_it() {
        let token = admin(Access::Token("a secret of ours".into()), &[]);
        let table: [(&str, Option<&str>, u16); 8] = [
            ("/livez", None, 200),
            ("/readyz", None, 200),
            ("/page", None, 401),
            ("/page", Some("Bearer a secret of ours"), 200),
            ("/page", Some("bearer a secret of ours"), 200),
            ("/page", Some("Bearer a secret of our"), 401),
            ("/page", Some("a secret of ours"), 401),
            ("/page", Some("B"), 401),
        ];
        for (uri, given, want) in table {
            let mut request = Request::builder().uri(uri);
            if let Some(given) = given {
                request = request.header(header::AUTHORIZATION, given);
            }
            assert_eq!(token.answer(&request.body(()).unwrap()).status(), want, "{uri} {given:?}");
        }
        let nobody = admin(Access::Nobody, &[]);
        for (uri, want) in [("/readyz", 200), ("/page", 403)] {
            let request = Request::builder().uri(uri).body(()).unwrap();
            assert_eq!(nobody.answer(&request).status(), want, "{uri}");
        }
    }
}
