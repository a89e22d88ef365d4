use super::*;
use http::{HeaderValue, StatusCode, header};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::time::Instant;

/// Fields that a caller of this module may not set are there too.
fn fields() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-first", HeaderValue::from_static("1"));
    for (name, value) in [
        (header::HOST, "other.example"),
        (header::CONTENT_LENGTH, "1"),
        (header::TRANSFER_ENCODING, "chunked"),
        (header::CONNECTION, "keep-alive, x-first"),
        (header::USER_AGENT, "other"),
        (header::EXPECT, "100-continue"),
    ] {
        headers.append(&name, HeaderValue::from_static(value));
        headers.append(name, HeaderValue::from_static(value));
    }
    headers.append("x-twice", HeaderValue::from_static("1"));
    headers.append("x-twice", HeaderValue::from_static("2"));
    headers
}

#[tokio::test]
async fn the_request() {
    let (listener, address) = listen().await;
    let sender = sender(local());
    let version = env!("CARGO_PKG_VERSION");
    for (path, target, body) in
        [("/a/../b?c=d&e#f", "/a/../b?c=d&e", "hello"), ("", "/", ""), ("?q", "/?q", "x")]
    {
        let to = url(&format!("http://{address}{path}"));
        let sent = sender.send(&to, fields(), Bytes::from(body));
        let (sent, request) = both(sent, answer(&listener, OK.as_bytes())).await;
        assert_eq!(sent.unwrap(), Answer { status: StatusCode::OK, retry_after: None });
        let length = body.len();
        let want = format!(
            "POST {target} HTTP/1.1\r\nhost: {address}\r\nuser-agent: tollgate/{version}\r\n\
             content-length: {length}\r\nconnection: close\r\nx-first: 1\r\nx-twice: 1\r\nx-twice: 2\r\n\
             \r\n{body}"
        );
        assert_eq!(request, want);
    }
}

#[tokio::test]
async fn any_status_is_an_answer() {
    let (listener, address) = listen().await;
    let (elsewhere, elsewhere_address) = listen().await;
    let sender = sender(local());
    let to = url(&format!("http://{address}/"));
    for (said, status, retry_after) in [
        ("200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, None),
        ("200 OK\r\n\r\nuntil it closes", 200, None),
        ("202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 202, None),
        ("204 No Content\r\n\r\n", 204, None),
        ("302 Found\r\nlocation: http://ELSEWHERE/\r\ncontent-length: 0\r\n\r\n", 302, None),
        ("308 Permanent Redirect\r\nlocation: http://ELSEWHERE/\r\n\r\n", 308, None),
        ("410 Gone\r\nretry-after: soon\r\n\r\n", 410, None),
        ("429 Too Many Requests\r\nretry-after: 7\r\n\r\n", 429, Some(7)),
        ("500 Internal Server Error\r\n\r\n", 500, None),
        ("503 \r\nretry-after: 99999999\r\n\r\n", 503, Some(24 * 60 * 60)),
        // A body that is broken off or broken, behind a head that is whole.
        ("200 OK\r\ncontent-length: 50\r\n\r\nhello", 200, None),
        ("200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 200, None),
        // One that comes before the answer is none.
        ("103 Early Hints\r\n\r\nHTTP/1.1 201 Created\r\n\r\n", 201, None),
    ] {
        let said = format!("HTTP/1.1 {said}").replace("ELSEWHERE", &elsewhere_address.to_string());
        let (sent, _) = both(post(&sender, &to), answer(&listener, said.as_bytes())).await;
        let sent = sent.unwrap_or_else(|error| panic!("{said}: {error}"));
        let wait = sent.retry_after.map(|wait| wait.as_secs());
        assert_eq!((sent.status.as_u16(), wait), (status, retry_after), "{said}");
    }
    nobody_came(elsewhere);
}

#[tokio::test]
async fn no_valid_answer() {
    let (listener, address) = listen().await;
    let sender = sender(local());
    let to = url(&format!("http://{address}/s3cret?s3cret"));
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "s3cret".repeat(20_000));
    for (said, want) in [
        ("", "connection closed before message completed"),
        ("HTTP/1.1 200 OK\r\nx: s3cr", "connection closed before message completed"),
        ("s3cret s3cret\r\n\r\n", "invalid HTTP version parsed"),
        ("SSH-2.0-s3cret\r\n", "invalid HTTP version parsed"),
        ("HTTP/1.1 s3cret\r\n\r\n", "invalid HTTP status-code parsed"),
        ("HTTP/1.1 200 OK\r\ns3cret s3cret\r\n\r\n", "invalid HTTP header parsed"),
        ("HTTP/1.1 200 OK\r\ncontent-length: s3cret\r\n\r\n", "invalid content-length parsed"),
        (&long, "message head is too large"),
    ] {
        // It may be given up before it has said all of it.
        let receive = async {
            let (mut socket, _) = take(&listener).await;
            let _ = socket.write_all(said.as_bytes()).await;
        };
        let (sent, ()) = both(post(&sender, &to), receive).await;
        let error = sent.unwrap_err();
        assert_eq!(error.to_string(), format!("no valid answer: {want}"));
        assert!(matches!(error, SendError::Http(_)), "{error:?}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
    // Closed before anything was read.
    let close = async { drop(listener.accept().await.unwrap()) };
    let (sent, ()) = both(post(&sender, &to), close).await;
    let error = sent.unwrap_err();
    assert!(error.to_string().starts_with("no valid answer: "), "{error}");
}

#[tokio::test]
async fn no_answer_in_time() {
    let (listener, address) = listen().await;
    let to = url(&format!("http://{address}/s3cret?s3cret"));
    for said in ["", "H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let sender = sender(local());
        let began = Instant::now();
        let sending = tokio::spawn({
            let to = to.clone();
            async move { post(&sender, &to).await }
        });
        let (mut socket, _) = take(&listener).await;
        socket.write_all(said.as_bytes()).await.unwrap();
        // From here on time passes as soon as there is nothing else to do.
        tokio::time::pause();
        let error = sending.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "timed out", "{said}");
        assert!(began.elapsed() >= TIMEOUT, "{:?}", began.elapsed());
        assert!(began.elapsed() < TIMEOUT * 2, "{:?}", began.elapsed());
        tokio::time::resume();
    }
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_takes_too_long() {
    let never = guard(&[]).with_lookup(|_, _| Box::pin(std::future::pending()));
    let error = post(&sender(never), &url("http://hook.example/")).await.unwrap_err();
    assert_eq!(error.to_string(), "timed out");
}

/// It takes the second that such a body is given.
#[tokio::test]
async fn an_answer_whose_body_does_not_end_is_one() {
    let (listener, address) = listen().await;
    let sender = sender(local());
    let to = url(&format!("http://{address}/"));
    let receive = async {
        let (mut socket, _) = take(&listener).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell").await.unwrap();
        assert_eq!(socket.read(&mut [0]).await.unwrap(), 0);
    };
    let (sent, ()) = both(post(&sender, &to), receive).await;
    assert_eq!(sent.unwrap().status, 200);
}

#[tokio::test]
async fn a_long_body_is_not_read() {
    const LENGTH: usize = 256 * 1024 * 1024;
    let (listener, address) = listen().await;
    let to = url(&format!("http://{address}/"));
    let write = async {
        let (mut socket, _) = take(&listener).await;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let (piece, mut written) = (vec![b'x'; 64 * 1024], 0);
        while written < LENGTH && socket.write_all(&piece).await.is_ok() {
            written += piece.len();
        }
        written
    };
    let sender = sender(local());
    let (sent, written) = both(post(&sender, &to), write).await;
    assert_eq!(sent.unwrap().status, 200);
    // As much as the buffers of two sockets hold.
    assert!(written < LENGTH / 4, "{written}");
}

#[tokio::test]
async fn connections_are_closed_by_this_side() {
    let (listener, address) = listen().await;
    let to = url(&format!("http://{address}/"));
    let receive = async {
        let (mut socket, _) = take(&listener).await;
        socket.write_all(OK.as_bytes()).await.unwrap();
        // A receiver that would go on.
        assert_eq!(socket.read(&mut [0]).await.unwrap(), 0);
    };
    let sender = sender(local());
    let (sent, ()) = both(post(&sender, &to), receive).await;
    assert_eq!(sent.unwrap().status, 200);
}

#[tokio::test]
async fn one_that_is_dropped_closes_its_connection() {
    let (listener, address) = listen().await;
    let sender = sender(local());
    let to = url(&format!("http://{address}/"));
    let sending = tokio::spawn(async move { post(&sender, &to).await });
    let (mut socket, _) = take(&listener).await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    assert_eq!(socket.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_refused_is_not_connected_to() {
    let (listener, address) = listen().await;
    let port = address.port();
    let public = SocketAddr::from(([1, 1, 1, 1], port));
    let error = "the address is not a public one";
    for (guard, host) in [
        (guard(&[]), "127.0.0.1"),
        (guard(&[]), "[::ffff:127.0.0.1]"),
        (guard(&[]), "127.1"),
        (guard(&[]), "localhost"),
        (named(guard(&[]), &[address]), "hook.example"),
        (named(guard(&[]), &[address, public]), "hook.example"),
        (named(guard(&[]), &[public, address]), "hook.example"),
        (named(guard(&["10.0.0.0/8"]), &[address]), "hook.example"),
    ] {
        for scheme in ["http", "https"] {
            let to = url(&format!("{scheme}://{host}:{port}/s3cret?s3cret"));
            let sent = post(&sender(guard.clone()), &to).await;
            match (host, scheme, sent.unwrap_err()) {
                (.., SendError::Refused(Refused::Private)) => {}
                // Refused even before.
                ("127.1", "https", SendError::Tls(_)) => {}
                (.., error) => panic!("{to}: {error}"),
            }
        }
    }
    let sent = post(&sender(named(guard(&[]), &[address])), &url("http://hook.example/")).await;
    assert_eq!(sent.unwrap_err().to_string(), error);
    nobody_came(listener);
}

#[tokio::test]
async fn names_that_are_unknown() {
    let failing = guard(&[]).with_lookup(|_, _| Box::pin(ready(Err(io::Error::other("why")))));
    for (guard, why) in [(failing, "why"), (named(guard(&[]), &[]), "the name has no address")] {
        let error = post(&sender(guard), &url("http://hook.example/?s3cret")).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the host was not found: {why}"));
    }
}

#[tokio::test]
async fn an_allowed_network_can_be_reached() {
    let (listener, address) = listen().await;
    let port = address.port();
    let name = named(local(), &[format!("[::ffff:127.0.0.1]:{port}").parse().unwrap()]);
    for (guard, host) in [
        (local(), "127.0.0.1"),
        (local(), "[::ffff:127.0.0.1]"),
        (local(), "127.1"),
        (name, "hook.example"),
    ] {
        let to = url(&format!("http://{host}:{port}/"));
        let sender = sender(guard);
        let (sent, request) = both(post(&sender, &to), answer(&listener, OK.as_bytes())).await;
        assert_eq!(sent.unwrap().status, 200, "{to}");
        assert!(request.contains(&format!("\r\nhost: {host}:{port}\r\n")), "{request}");
    }
}

/// A name that has a public address when it is looked at and a private one a moment later.
#[tokio::test]
async fn a_name_is_looked_up_once_for_each_call() {
    let (listener, address) = listen().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let guard = guard(&["127.0.0.1/32"]).with_lookup({
        let asked = asked.clone();
        move |host, port| {
            assert_eq!((host, port), ("hook.example", 80));
            let ip = [127, 0, 0, 1 + asked.fetch_add(1, Ordering::Relaxed) as u8];
            Box::pin(ready(Ok(vec![SocketAddr::from((ip, address.port()))])))
        }
    });
    let (sender, to) = (sender(guard), url("http://hook.example/"));
    let (sent, _) = both(post(&sender, &to), answer(&listener, OK.as_bytes())).await;
    assert_eq!(sent.unwrap().status, 200);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let sent = post(&sender, &to).await;
    assert!(matches!(sent, Err(SendError::Refused(Refused::Private))), "{sent:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn the_next_address_is_tried() {
    let (listener, address) = listen().await;
    // The same port of another address, which nobody listens at.
    let closed = SocketAddr::from(([127, 0, 0, 2], address.port()));
    let to = url("http://hook.example/");
    let sender_to = |addresses: &[SocketAddr]| sender(named(local(), addresses));
    let sender = sender_to(&[closed, address]);
    let (sent, _) = both(post(&sender, &to), answer(&listener, OK.as_bytes())).await;
    assert_eq!(sent.unwrap().status, 200);
    let error = post(&sender_to(&[closed, closed]), &to).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot connect: connection refused");
}
