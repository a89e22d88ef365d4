//! Bodies under way: streaming both ways with backpressure, memory that stays flat, upgrades.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt as _, channel::Channel};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use support::{Act, Client, Gateway, Origin, assert_envelope, origin::ok, soon};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    time::timeout,
};

const MIB: u64 = 1 << 20;
/// What is streamed in each direction to see whether memory grows.
const MUCH: u64 = 128 * MIB;
/// What the kernel may hold on the way, in the buffers of four sockets, and more than enough for ours.
const BUFFERS: u64 = 32 * MIB;
/// No progress for this long: whoever writes is being held back.
const HELD_BACK: Duration = Duration::from_millis(700);

/// The pattern begins again after so many bytes, which is no multiple of any buffer's size.
const PERIOD: u64 = 256_271;

/// The byte at this place of the stream.
fn byte(at: u64) -> u8 {
    ((at % PERIOD).wrapping_mul(2_654_435_761) >> 13) as u8
}

/// Reads `length` bytes of the pattern.
async fn read_pattern(stream: &mut TcpStream, begin: &[u8], length: u64) -> io::Result<()> {
    let mut at = 0;
    let mut check = |bytes: &[u8]| {
        // Every 4096th byte and the ends: enough to see pieces that are lost, doubled or swapped.
        for i in (0..bytes.len()).step_by(4096).chain(bytes.len().checked_sub(1)) {
            assert_eq!(bytes[i], byte(at + i as u64), "at {}", at + i as u64);
        }
        at += bytes.len() as u64;
        at
    };
    let mut read = check(begin);
    let mut buffer = vec![0; 256 * 1024];
    while read < length {
        match stream.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => read = check(&buffer[..n]),
        }
    }
    assert_eq!(read, length);
    Ok(())
}

async fn write_pattern(stream: &mut TcpStream, length: u64) -> io::Result<()> {
    let block: Vec<u8> = (0..PERIOD).map(byte).collect();
    let mut left = length;
    while left > 0 {
        let piece = left.min(PERIOD);
        stream.write_all(&block[..piece as usize]).await?;
        left -= piece;
    }
    Ok(())
}

/// Waits until a count has not moved for a while, and returns it.
async fn standstill(count: &AtomicU64) -> u64 {
    let mut last = count.load(Ordering::SeqCst);
    soon("a standstill", async {
        loop {
            tokio::time::sleep(HELD_BACK).await;
            let now = count.load(Ordering::SeqCst);
            if now == last && now > 0 {
                return now;
            }
            last = now;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_flat_both_ways() {
    let origin = Origin::connections(|mut connection| async move {
        while let Some(head) = connection.head().await? {
            if head.method == "POST" {
                let begin = connection.wire.unread().to_vec();
                read_pattern(&mut connection.wire.stream, &begin, MUCH).await?;
                connection.wire.send(ok("all of it")).await?;
                return Ok(());
            }
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {MUCH}\r\n\r\n");
            connection.wire.send(head).await?;
            write_pattern(&mut connection.wire.stream, MUCH).await?;
        }
        Ok(())
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    let before = gateway.memory("VmRSS:");

    // Not by `Client`, which keeps all that it reads.
    let mut down = TcpStream::connect(gateway.address).await.unwrap();
    down.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(down.read_u8().await.unwrap());
    }
    let length = format!("content-length: {MUCH}\r\n");
    assert!(String::from_utf8_lossy(&head).contains(&length));
    read_pattern(&mut down, &[], MUCH).await.unwrap();

    let mut up = gateway.client().await;
    up.send(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {MUCH}\r\n\r\n")).await;
    write_pattern(&mut up.wire.stream, MUCH).await.unwrap();
    up.answer("POST").await.assert_ok("all of it");

    let peak = gateway.memory("VmHWM:");
    println!("{} MiB each way: {before} KiB before, {peak} KiB at most", MUCH / MIB);
    assert!(peak < before + 40 * 1024, "{before} KiB before, {peak} KiB at most");
}

/// A provider that sends without end and tells how much it got rid of, and whether somebody hung up on it.
async fn endless(chunked: bool) -> (Origin, Arc<AtomicU64>, Arc<AtomicU64>) {
    let (sent, ended) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let (counted, told) = (sent.clone(), ended.clone());
    let origin = Origin::connections(move |mut connection| {
        let (sent, ended) = (counted.clone(), told.clone());
        async move {
            connection.request().await?;
            let framing =
                if chunked { "transfer-encoding: chunked" } else { "content-length: 99999999999" };
            connection.wire.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n")).await?;
            let mut piece = vec![b'x'; 64 * 1024];
            if chunked {
                piece = [b"10000\r\n", &*piece, b"\r\n"].concat();
            }
            while connection.wire.send(&piece).await.is_ok() {
                sent.fetch_add(64 * 1024, Ordering::SeqCst);
            }
            ended.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    })
    .await;
    (origin, sent, ended)
}

#[tokio::test]
async fn a_client_that_stops_reading_stops_the_provider() {
    for chunked in [false, true] {
        let (origin, sent, ended) = endless(chunked).await;
        let gateway = Gateway::to(&origin).await;
        let mut client = gateway.client().await;
        client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.wire.head().await.unwrap().unwrap();
        let held = standstill(&sent).await;
        assert!(held < BUFFERS, "{held} bytes for nobody");
        // It goes on where the client does.
        while sent.load(Ordering::SeqCst) < held + 4 * MIB {
            soon("more of the body", client.wire.fill()).await.unwrap();
        }
        // And ends when the client has gone.
        drop(client);
        origin.until("the provider's stream ends", |_| ended.load(Ordering::SeqCst) == 1).await;
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_stops_the_provider_http2() {
    let (origin, sent, ended) = endless(true).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.http2().await;
    let request = Request::get("http://a/x").body(support::http2::full("")).unwrap();
    let mut answer = client.sender.send_request(request).await.unwrap();
    let held = standstill(&sent).await;
    assert!(held < BUFFERS, "{held} bytes for nobody");
    let mut read = 0;
    while read < 4 * MIB {
        let frame = soon("more of the body", answer.body_mut().frame()).await.unwrap().unwrap();
        read += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    // The connection stays; only this stream is over.
    drop(answer);
    origin.until("the provider's stream ends", |_| ended.load(Ordering::SeqCst) == 1).await;
    let request = Request::head("http://a/x").body(support::http2::full("")).unwrap();
    assert!(client.request(request).await.is_ok());
}

#[tokio::test]
async fn a_provider_that_stops_reading_stops_the_client() {
    let resume = Arc::new(tokio::sync::Notify::new());
    let resumed = resume.clone();
    let origin = Origin::connections(move |mut connection| {
        let resume = resumed.clone();
        async move {
            connection.head().await?;
            resume.notified().await;
            // Refuses in the middle of the body.
            connection
                .wire
                .send(support::origin::answer(413, "connection: close\r\n", "no"))
                .await?;
            connection.wire.rest().await?;
            Ok(())
        }
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    let client = gateway.client().await;
    let (mut reading, mut writing) = client.wire.stream.into_split();
    let sent = Arc::<AtomicU64>::default();
    let counted = sent.clone();
    let upload = tokio::spawn(async move {
        let _ = writing
            .write_all(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n")
            .await;
        while writing.write_all(&[b'x'; 64 * 1024]).await.is_ok() {
            counted.fetch_add(64 * 1024, Ordering::SeqCst);
        }
    });
    let held = standstill(&sent).await;
    assert!(held < BUFFERS, "{held} bytes for nobody");
    resume.notify_one();
    let mut answer = [0; 12];
    soon("an early answer", reading.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    upload.abort();
}

/// Zeros, counted as they go.
#[derive(Debug)]
struct Zeros {
    left: u64,
    sent: Arc<AtomicU64>,
}

impl http_body::Body for Zeros {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        static ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];
        let piece = self.left.min(ZEROS.len() as u64);
        if piece == 0 {
            return Poll::Ready(None);
        }
        self.left -= piece;
        self.sent.fetch_add(piece, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&ZEROS[..piece as usize])))))
    }
}

/// Clients share the connection to the provider, and not each other's fate.
#[tokio::test]
async fn a_client_that_stops_reading_keeps_no_other_waiting() {
    let sent = Arc::<AtomicU64>::default();
    let counted = sent.clone();
    let origin = support::http2::h2c_origin(move |request| {
        let body = match &*request.target {
            t if t.ends_with("/much") => Zeros { left: 64 * MIB, sent: counted.clone() },
            _ => Zeros { left: MIB, sent: Arc::default() },
        };
        http::Response::new(body.boxed())
    })
    .await;
    let gateway = Gateway::setup().all_to(&origin.url(), "http2 = \"always\"").start().await;
    let mut held = Vec::new();
    for _ in 0..10 {
        let mut client = gateway.client().await;
        client.send("GET /much HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.wire.head().await.unwrap().unwrap();
        held.push(client);
    }
    let held_back = standstill(&sent).await;
    assert!(held_back < 10 * 64 * MIB, "{held_back} bytes for nobody");
    for _ in 0..5 {
        let answer = gateway.get("/x").await;
        assert_eq!((answer.status, answer.body.len() as u64), (200, MIB));
    }
    assert_eq!(origin.connection_count(), 1);
}

/// A provider that has said all it wants to say, and does not read on: neither side is kept waiting for the rest.
#[tokio::test]
async fn an_early_answer_ends_the_upload() {
    let (client_ended, provider_ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, telling) = (client_ended.clone(), provider_ended.clone());
    let origin = Origin::connections(move |mut connection| {
        let (client_ended, provider_ended) = (told.clone(), telling.clone());
        async move {
            connection.head().await?;
            connection.wire.send(ok("enough")).await?;
            client_ended.notified().await;
            // What was on its way, and then the end of it.
            let _ = connection.wire.rest().await;
            provider_ended.notify_one();
            Ok(())
        }
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    let client = gateway.client().await;
    let (mut reading, mut writing) = client.wire.stream.into_split();
    let upload = tokio::spawn(async move {
        let head = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n";
        let _ = writing.write_all(head).await;
        while writing.write_all(&[b'x'; 64 * 1024]).await.is_ok() {}
    });
    let mut answer = Vec::new();
    let ended = soon("the end of the client's connection", reading.read_to_end(&mut answer)).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer} {ended:?}");
    assert!(answer.ends_with("\r\n\r\nenough"), "{answer} {ended:?}");
    soon("the end of the upload", upload).await.unwrap();
    client_ended.notify_one();
    soon("the end of the provider's connection", provider_ended.notified()).await;
    assert_eq!(origin.connection_count(), 1);
}

/// Pieces pass as they come, in both directions and at the same time.
#[tokio::test]
async fn pieces_are_not_held_back() {
    let origin = Origin::connections(|mut connection| async move {
        connection.head().await?;
        connection.wire.send("HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n").await?;
        loop {
            let size = connection.wire.until("\r\n").await?;
            let size = usize::from_str_radix(str::from_utf8(&size).unwrap().trim(), 16).unwrap();
            let piece = connection.wire.take(size + 2).await?;
            connection.wire.send(format!("{size:x}\r\n")).await?;
            connection.wire.send(piece).await?;
            if size == 0 {
                return Ok(());
            }
        }
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    // The answer begins while the request goes on.
    let (line, _) = soon("the head", client.wire.head()).await.unwrap().unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK");
    for round in 0..5 {
        let piece = format!("data: {round}\n\n");
        client.send(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
        let echo = soon("an echo", client.wire.until("\n\n\r\n")).await.unwrap();
        assert!(String::from_utf8(echo).unwrap().contains(&piece));
    }
    client.send("0\r\n\r\n").await;
    soon("the end", client.wire.until("0\r\n\r\n")).await.unwrap();

    let mut http2 = gateway.http2().await;
    let (mut sender, body) = Channel::<bytes::Bytes, io::Error>::new(1);
    let request = Request::post("http://a/x").body(body.boxed()).unwrap();
    let mut answer = soon("the head", http2.sender.send_request(request)).await.unwrap();
    for round in 0..5 {
        sender.send_data(format!("data: {round}").into()).await.unwrap();
        let frame = soon("an echo", answer.body_mut().frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), format!("data: {round}"));
    }
    drop(sender);
    while let Some(frame) = soon("the end", answer.body_mut().frame()).await {
        assert!(frame.unwrap().into_data().unwrap().is_empty());
    }
}

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[tokio::test]
async fn an_upgrade_passes_bytes_both_ways() {
    let origin = Origin::connections(|mut connection| async move {
        let request = connection.request().await?.unwrap();
        assert_eq!(request.fields.one("upgrade"), Some("websocket"));
        assert_eq!(request.fields.one("connection"), Some("upgrade"));
        assert_eq!(request.fields.one("sec-websocket-key"), Some("k"));
        connection
            .wire
            .send("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-accept: a\r\n\r\nhello")
            .await?;
        loop {
            let mut bytes = [0; 1024];
            let read = connection.wire.stream.read(&mut bytes).await?;
            if read == 0 {
                return Ok(());
            }
            connection.wire.send(&bytes[..read]).await?;
        }
    })
    .await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    let answer = client.send(UPGRADE).await.answer("GET").await;
    assert_eq!(answer.status, 101);
    assert_eq!(
        answer.fields.one("upgrade").map(str::to_ascii_lowercase).as_deref(),
        Some("websocket")
    );
    assert_eq!(answer.fields.one("connection"), Some("upgrade"));
    assert_eq!(answer.fields.one("sec-websocket-accept"), Some("a"));
    assert_eq!(client.wire.take(5).await.unwrap(), b"hello");
    // Bytes that no HTTP would have, and ones that look like it.
    for bytes in [&b"\0\xff\n"[..], b"GET /x HTTP/1.1\r\n\r\n", &[7; 1024]] {
        client.send(bytes).await;
        let echo = soon("an echo", client.wire.take(bytes.len())).await.unwrap();
        assert_eq!(echo, bytes);
    }
    client.finish().await.assert_closed().await;
}

#[tokio::test]
async fn a_declined_upgrade_closes() {
    let origin = Origin::start(|request| match &*request.target {
        "/chat" => vec![Act::send(ok("no, thanks"))],
        _ => vec![Act::send(ok("smuggled"))],
    })
    .await;
    let gateway = Gateway::setup()
        .upstream("provider", &origin.url(), "")
        .route("/chat", "provider", "")
        .start()
        .await;
    let decline = |path: &str| {
        [UPGRADE.replace("/chat", path).as_bytes(), b"GET /chat HTTP/1.1\r\nHost: a\r\n\r\n"]
            .concat()
    };
    let mut client = gateway.client().await;
    let answer = client.send(decline("/chat")).await.answer("GET").await;
    answer.assert_ok("no, thanks");
    assert!(!answer.kept);
    // What was behind the request may have been meant for the other protocol.
    client.assert_closed().await;
    let mut client = gateway.client().await;
    let answer = client.send(decline("/other")).await.answer("GET").await;
    assert_envelope(&answer, &gateway.catalog);
    assert!(!answer.kept);
    client.assert_closed().await;
    assert_eq!(origin.requests().len(), 1);
}

/// A tunnel that is idle lives as long as both sides want it, whatever the timeouts of requests are.
#[tokio::test]
async fn an_upgraded_connection_is_left_alone() {
    let origin = Origin::websocket().await;
    let gateway = Gateway::setup()
        .server("idle_timeout = \"100ms\"\nheader_timeout = \"100ms\"\nbody_timeout = \"100ms\"")
        .all_to(&origin.url(), "timeout = \"200ms\"\nidle_timeout = \"100ms\"")
        .start()
        .await;
    let mut client: Client = gateway.client().await;
    assert_eq!(client.send(UPGRADE).await.answer("GET").await.status, 101);
    // Nothing may happen in this time.
    assert!(timeout(Duration::from_millis(500), client.wire.fill()).await.is_err());
    client.send("!").await;
    assert_eq!(soon("an echo", client.wire.take(1)).await.unwrap(), b"!");
}
