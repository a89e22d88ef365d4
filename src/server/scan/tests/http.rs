//! With hyper on top.

use super::{
    super::{ConnState, Limits, ScanIo},
    GET, detail, scan_io,
};
use crate::Fault;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONNECTION};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use std::{convert::Infallible, error::Error as _, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, duplex},
    net::{TcpListener, TcpStream},
};

async fn answer(
    state: Arc<ConnState>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match state.begin() {
        Some(fault) => (400, format!("refused: {}", detail(&fault))),
        None => {
            let path = request.uri().path().to_owned();
            tokio::time::sleep(Duration::from_millis(10)).await;
            match request.into_body().collect().await {
                Ok(body) => (200, format!("{path}: {}", String::from_utf8_lossy(&body.to_bytes()))),
                Err(error) => (400, format!("broken: {}", broken(&error))),
            }
        }
    };
    let mut response = Response::new(Full::from(body));
    response.headers_mut().insert("x-service", HeaderValue::from_static("yes"));
    if status != 200 {
        *response.status_mut() = http::StatusCode::BAD_REQUEST;
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    state.end();
    Ok(response)
}

/// The fault in hyper's error of a body.
fn broken(error: &hyper::Error) -> String {
    let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    let inner = io.and_then(|io| io.get_ref());
    match inner.and_then(|inner| inner.downcast_ref::<Fault>()) {
        Some(fault) => detail(fault),
        None => error.to_string(),
    }
}

async fn serve<T>(io: ScanIo<T>, state: Arc<ConnState>) -> Result<(), hyper::Error>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(Arc::clone(&state), request));
    http1::Builder::new().half_close(false).serve_connection(TokioIo::new(io), service).await
}

/// Everything that is answered to these bytes, until the connection is closed.
async fn exchange(sent: Vec<u8>) -> String {
    let (client, server) = duplex(256 * 1024);
    let (io, state) = scan_io(server, Limits::default());
    let serving = tokio::spawn(serve(io, state));
    let (mut answers, mut requests) = tokio::io::split(client);
    requests.write_all(&sent).await.unwrap();
    let mut answer = String::new();
    answers.read_to_string(&mut answer).await.unwrap();
    drop((answers, requests));
    let _ = serving.await.unwrap();
    answer
}

#[tokio::test(start_paused = true)]
async fn the_good_is_answered_and_the_bad_refused() {
    let post = "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    let bad = "GET /bad HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n";
    let answers = exchange([GET, post, bad, GET].concat().into_bytes()).await;
    let bodies: Vec<_> = answers.split("\r\n\r\n").skip(1).collect();
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 3, "{answers}");
    assert!(bodies[0].starts_with("/a: "), "{answers}");
    assert!(bodies[1].starts_with("/p: hello"), "{answers}");
    assert_eq!(bodies[2], "refused: Content-Length is not a number");
}

#[tokio::test(start_paused = true)]
async fn a_broken_body_is_the_services_to_answer() {
    let head = "PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let good =
        exchange([head, "5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\n\0"].concat().into_bytes()).await;
    assert!(good.contains("/c: hello"), "{good}");
    assert!(good.ends_with("refused: the request does not begin with a method"), "{good}");
    let bad = exchange([head, "5\nhello\r\n0\r\n\r\n", GET].concat().into_bytes()).await;
    assert!(bad.ends_with("broken: LF without CR in chunked framing"), "{bad}");
    assert_eq!(bad.matches("HTTP/1.1 ").count(), 1, "{bad}");
}

#[tokio::test(start_paused = true)]
async fn a_late_head_is_answered() {
    let answers = exchange([GET, "GET / HT"].concat().into_bytes()).await;
    assert!(answers.ends_with("refused: HeaderTimeout"), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 2, "{answers}");
    assert_eq!(exchange(Vec::new()).await, "");
    assert!(exchange(GET.into()).await.ends_with("/a: "));
}

#[tokio::test(start_paused = true)]
async fn heads_of_any_size_up_to_the_limit() {
    let sized = |len: usize| {
        let fields: String =
            (0..len / 1000).map(|n| format!("f{n}: {}\r\n", "v".repeat(990))).collect();
        format!("GET /s HTTP/1.1\r\nHost: x\r\n{fields}\r\n{}", "\0").into_bytes()
    };
    for len in [7_000, 8_000, 9_000, 20_000, 32_000] {
        assert!(exchange(sized(len)).await.contains("/s: "), "{len}");
    }
    let answer = exchange(sized(40_000)).await;
    assert!(answer.ends_with("refused: HeaderTooLarge"), "{answer}");
    assert!(!answer.contains("/s: "));
}

const UPGRADE: &str =
    "GET /u HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_declined_upgrade_smuggles_nothing() {
    // This service forgets to close.
    let answers = exchange([UPGRADE, GET].concat().into_bytes()).await;
    assert_eq!(answers.matches("\r\ndate: ").count(), 2, "{answers}");
    assert!(answers.ends_with("refused: a request after an upgrade"), "{answers}");
}

#[tokio::test]
async fn an_upgrade_gets_its_bytes() {
    let (mut client, server) = duplex(1024);
    let (io, state) = scan_io(server, Limits::default());
    let service = service_fn(move |mut request: Request<Incoming>| {
        assert_eq!((state.begin(), state.upgradable()), (None, true));
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
            let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
            tokio::io::copy(&mut from, &mut to).await.unwrap();
            to.shutdown().await.unwrap();
        });
        let response = Response::builder()
            .status(101)
            .header(CONNECTION, "upgrade")
            .header("upgrade", "echo")
            .body(Full::<Bytes>::default());
        async { response }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(io), service).with_upgrades();
    let serving = tokio::spawn(serving);
    client.write_all([UPGRADE, "\0\n", GET].concat().as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.ends_with(&["\r\n\r\n\0\n", GET].concat()), "{answer}");
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_goes_on_sending_gets_its_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    let (io, state) = scan_io(socket, Limits::default());
    let serving = tokio::spawn(serve(io, state));
    client.write_all(&[0]).await.unwrap();
    client.readable().await.unwrap();
    for _ in 0..20 {
        client.write_all(&[0; 4096]).await.unwrap();
        tokio::task::yield_now().await;
    }
    client.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("refused: the request does not begin with a method"), "{answer}");
    serving.await.unwrap().unwrap();
}

proptest! {
    /// Whatever is sent, hyper answers nothing by itself.
    #[test]
    fn every_answer_is_the_services(
        start in prop::sample::select(vec![
            "GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Y: z\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
            "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\nT: u\r\n\r\n",
        ]),
        changes in prop::collection::vec((0usize..130, any::<u8>(), any::<bool>()), 0..4),
    ) {
        let mut stream = [GET, start].concat().into_bytes();
        for (at, byte, insert) in changes {
            let at = at % stream.len();
            if insert { stream.insert(at, byte) } else { stream[at] = byte }
        }
        stream.extend_from_slice(GET.as_bytes());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let sent = String::from_utf8_lossy(&stream).into_owned();
        // A body that never ends is waited for: that deadline is not the scanner's.
        let answers = runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(600), exchange(stream)).await
        });
        if let Ok(answers) = answers {
            // hyper dates whatever it writes.
            let all = answers.matches("\r\ndate: ").count();
            let ours = answers.matches("x-service: yes").count();
            prop_assert_eq!(all, ours, "{:?} -> {}", sent, answers);
        }
    }
}
