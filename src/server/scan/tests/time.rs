use super::{super::Limits, GET, detail, scan_io};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    time::{Instant, sleep, timeout},
};

const SECOND: Duration = Duration::from_secs(1);

/// Whole seconds, as the timer's granularity is a millisecond.
fn seconds(since: Instant) -> u64 {
    (since.elapsed() + Duration::from_millis(100)).as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_asks_is_closed() {
    let (_client, server) = duplex(1024);
    let (mut io, state) = scan_io(server, Limits::default());
    let start = Instant::now();
    assert_eq!(io.read(&mut [0; 100]).await.unwrap(), 0);
    assert_eq!(seconds(start), 10);
    assert_eq!(state.begin(), None);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_is_refused() {
    let (mut client, server) = duplex(1024);
    let (mut io, state) = scan_io(server, Limits::default());
    let start = Instant::now();
    tokio::spawn(async move {
        for byte in GET.bytes() {
            client.write_all(&[byte]).await.unwrap();
            sleep(SECOND).await;
        }
    });
    let mut buf = vec![0; 100];
    let len = io.read(&mut buf).await.unwrap();
    assert_eq!(seconds(start), 10);
    assert!(buf[..len].starts_with(b"GET / HTTP/1.1\r\nhost: invalid\r\n"));
    assert_eq!(detail(&state.begin().unwrap()), "HeaderTimeout");
    assert!(timeout(1000 * SECOND, io.read(&mut buf)).await.is_err(), "no end after a refusal");
}

#[tokio::test(start_paused = true)]
async fn a_later_head_has_its_own_time() {
    let (mut client, server) = duplex(1024);
    let (mut io, state) = scan_io(server, Limits::default());
    let mut buf = vec![0; 100];
    client.write_all(GET.as_bytes()).await.unwrap();
    assert_eq!(io.read(&mut buf).await.unwrap(), GET.len());
    assert_eq!(state.begin(), None);
    state.end();
    tokio::spawn(async move {
        sleep(30 * SECOND).await;
        client.write_all(b"GET").await.unwrap();
        sleep(9 * SECOND).await;
        client.write_all(&GET.as_bytes()[3..]).await.unwrap();
        client.write_all(b"PUT /").await.unwrap();
        sleep(1000 * SECOND).await;
    });
    let start = Instant::now();
    let len = io.read(&mut buf).await.unwrap();
    assert_eq!((seconds(start), &buf[..len]), (39, GET.as_bytes()));
    assert_eq!(state.begin(), None);
    let len = io.read(&mut buf).await.unwrap();
    assert!(buf[..len].starts_with(b"PUT / "));
    assert_eq!(seconds(start), 49);
    assert_eq!(detail(&state.begin().unwrap()), "HeaderTimeout");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_and_an_active_one_is_not() {
    let (mut client, server) = duplex(1024);
    let (mut io, state) = scan_io(server, Limits::default());
    let mut buf = vec![0; 100];
    for _ in 0..5 {
        client.write_all(GET.as_bytes()).await.unwrap();
        assert_eq!(io.read(&mut buf).await.unwrap(), GET.len());
        assert_eq!(state.begin(), None);
        state.end();
        assert!(timeout(30 * SECOND, io.read(&mut buf)).await.is_err());
    }

    client.write_all(GET.as_bytes()).await.unwrap();
    assert_eq!(io.read(&mut buf).await.unwrap(), GET.len());
    // On its way to the service: not idle either.
    assert!(timeout(500 * SECOND, io.read(&mut buf)).await.is_err());
    assert_eq!((state.begin(), state.active()), (None, 1));
    let ended = Arc::clone(&state);
    let ending = tokio::spawn(async move {
        sleep(1000 * SECOND).await;
        ended.end();
        Instant::now()
    });
    assert_eq!(io.read(&mut buf).await.unwrap(), 0);
    let idle = seconds(ending.await.unwrap());
    assert!((75..=150).contains(&idle), "{idle}");
}

#[tokio::test(start_paused = true)]
async fn idle_time_counts_from_the_end_of_a_response() {
    for lasts in (5..400).step_by(5) {
        let (mut client, server) = duplex(1024);
        let (mut io, state) = scan_io(server, Limits::default());
        client.write_all(GET.as_bytes()).await.unwrap();
        let mut buf = vec![0; 100];
        assert_eq!(io.read(&mut buf).await.unwrap(), GET.len());
        state.begin();
        assert!(timeout(lasts * SECOND, io.read(&mut buf)).await.is_err());
        state.end();
        let start = Instant::now();
        assert_eq!(io.read(&mut buf).await.unwrap(), 0);
        let idle = seconds(start);
        assert!((75..=150).contains(&idle), "{idle} after {lasts}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_may_take_its_time() {
    let (mut client, server) = duplex(1024);
    let (mut io, state) = scan_io(server, Limits::default());
    let mut buf = vec![0; 100];
    let head = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(io.read(&mut buf).await.unwrap(), head.len());
    state.begin();
    state.end();
    assert!(timeout(1000 * SECOND, io.read(&mut buf)).await.is_err());
    client.write_all(b"hello").await.unwrap();
    assert_eq!(io.read(&mut buf).await.unwrap(), 5);
}

/// How long closing takes, and how much is read meanwhile, of a client that has sent these bytes and goes on
/// sending ten bytes a second.
async fn shut_down(sent: &str, end_after: Option<usize>) -> (u64, bool) {
    let (client, server) = duplex(64);
    let (mut answers, mut requests) = tokio::io::split(client);
    let (mut io, _state) = scan_io(server, Limits::default());
    requests.write_all(sent.as_bytes()).await.unwrap();
    let mut buf = vec![0; 1000];
    let _ = io.read(&mut buf).await.unwrap();
    io.write_all(b"answer").await.unwrap();
    let sending = tokio::spawn(async move {
        for n in 0.. {
            if end_after == Some(n) {
                requests.shutdown().await.unwrap();
                break;
            }
            sleep(SECOND / 2).await;
            if requests.write_all(b"more bytes").await.is_err() {
                break;
            }
        }
    });
    let start = Instant::now();
    io.shutdown().await.unwrap();
    let took = start.elapsed().as_millis() as u64;
    drop(io);
    let mut answer = String::new();
    answers.read_to_string(&mut answer).await.unwrap();
    sending.abort();
    (took, answer == "answer")
}

#[tokio::test(start_paused = true)]
async fn closing_lingers_only_where_something_is_unread() {
    assert_eq!(shut_down(GET, None).await, (0, true));
    let body = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n";
    let (took, answered) = shut_down(body, None).await;
    assert!((2000..2010).contains(&took) && answered, "{took}");
    let (took, answered) = shut_down(body, Some(1)).await;
    assert!((500..510).contains(&took) && answered, "{took}");
    let (took, answered) = shut_down("\0", None).await;
    assert!((2000..2010).contains(&took) && answered, "{took}");
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_read_forever() {
    let (client, server) = duplex(64 * 1024);
    let (_answers, mut requests) = tokio::io::split(client);
    let (mut io, _state) = scan_io(server, Limits::default());
    let flood = tokio::spawn(async move {
        let mut sent = 0;
        while requests.write_all(&[0; 1024]).await.is_ok() {
            sent += 1024;
        }
        sent
    });
    let _ = io.read(&mut [0; 100]).await.unwrap();
    let start = Instant::now();
    io.shutdown().await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    drop((io, _answers));
    let sent = flood.await.unwrap();
    assert!((256 * 1024..512 * 1024).contains(&sent), "{sent}");
}
